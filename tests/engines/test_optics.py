"""Depth of field, motion blur, lateral colour and glare against closed forms and laws."""

from dataclasses import replace

import numpy as np
import pytest
from tiny.clips import native

from simlift.core.camera import Camera, Objects
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.window import Motion
from simlift.engines.photographic.camera import optics as stage
from simlift.engines.photographic.camera.optics import Optics
from simlift.pixels.geometry.projection import pinhole, rigid_flow
from simlift.pixels.optics import lens_effects
from simlift.sources import open_clip

DRAW = np.random.default_rng(0)
NOISE = DRAW.random((96, 160, 3), dtype=np.float32)
SIZE = NOISE.shape[:2]


def flat(value, shape=SIZE):
    return np.full(shape, value, np.float32)


def point(shape=(129, 129), light=1000.0):
    image = np.zeros((*shape, 3), np.float32)
    image[shape[0] // 2, shape[1] // 2] = light
    return image


def moments(image):
    """The energy of one channel, its centre (x, y) and its standard deviations (x, y)."""
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    light = image.astype(np.float64)
    energy = light.sum()
    cx, cy = (light * x).sum() / energy, (light * y).sum() / energy
    sx = np.sqrt((light * (x - cx) ** 2).sum() / energy)
    sy = np.sqrt((light * (y - cy) ** 2).sum() / energy)
    return energy, (cx, cy), (sx, sy)


def test_the_circle_of_confusion_is_that_of_the_thin_lens():
    lens, s, aperture, pitch = 0.05, 2.0, 0.05 / 1.8, 36e-3 / 832
    image_distance = 1 / (1 / lens - 1 / s)
    depth = np.float32([[0.5, 1.0, 1.9, 2.0, 2.1, 8.0, 1000.0]])
    found = lens_effects.circle_of_confusion(depth, s, image_distance / pitch, aperture)
    d = depth.astype(np.float64)
    truth = aperture * lens * np.abs(d - s) / (d * (s - lens)) / pitch
    np.testing.assert_allclose(np.abs(found), truth, rtol=1e-4, atol=1e-4)
    assert (np.sign(found[0]) == [-1, -1, -1, 0, 1, 1, 1]).all()


def test_the_sky_has_the_largest_circle_of_the_far_side():
    depth = np.float32([[np.inf, 1e6, 10.0, 2.0]])
    found = lens_effects.circle_of_confusion(depth, 2.0, 800.0, 0.02)[0]
    assert found[0] == pytest.approx(0.02 * 800 / 2)
    assert found[0] >= found[1] > found[2] > found[3] == 0
    infinity = lens_effects.circle_of_confusion(depth, np.inf, 800.0, 0.02)[0]
    np.testing.assert_allclose(infinity, [0, -1.6e-5, -1.6, -8], rtol=1e-5)


def test_circles_of_a_pixel_leave_the_image_bit_for_bit():
    assert lens_effects.depth_of_field(NOISE, flat(0.9)) is NOISE
    circles = flat(0.4)
    circles[:, 120:] = 6.0
    found = lens_effects.depth_of_field(NOISE, circles)
    np.testing.assert_array_equal(found[:, :120], NOISE[:, :120])
    assert np.abs(found[:, 124:] - NOISE[:, 124:]).max() > 0.1


@pytest.mark.parametrize("widest", [2.0, 7.0, 20.0, 60.0])
def test_a_constant_image_stays_constant(widest):
    circles = DRAW.uniform(-widest, widest, (12, 20)).astype(np.float32).repeat(8, 0).repeat(8, 1)
    found = lens_effects.depth_of_field(np.full_like(NOISE, 0.7), circles)
    np.testing.assert_allclose(found, 0.7, rtol=1e-5)


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("diameter", [3.0, 6.0, 10.0, 16.0, 30.0])
def test_a_point_becomes_a_disc_and_keeps_its_light(diameter, side):
    image = point()
    found = lens_effects.depth_of_field(image, flat(side * diameter, (129, 129)))
    energy, centre, spread = moments(found[..., 1])
    assert energy == pytest.approx(1000, rel=1e-3)
    np.testing.assert_allclose(centre, 64, atol=max(0.6, diameter / 15))
    # A disc of radius r has the standard deviation r / 2 along each axis.
    np.testing.assert_allclose(spread, diameter / 4, rtol=0.14)
    level = 1000 / (np.pi * diameter**2 / 4)
    y, x = np.mgrid[-64:65, -64:65]
    inside = np.hypot(x, y) < diameter / 3 - 0.5
    np.testing.assert_allclose(found[inside], level, rtol=0.2)
    outside = np.hypot(x, y) > diameter / 2 * 1.4 + 1.5
    assert found[outside].max() < 0.05 * level


def test_a_blurred_background_takes_nothing_from_what_is_sharp_before_it():
    image, circles = np.zeros_like(NOISE), flat(12.0)
    image[30:60, 60:100] = 1
    circles[30:60, 60:100] = 0.0
    np.testing.assert_array_equal(lens_effects.depth_of_field(image, circles), image)


def test_a_blurred_foreground_covers_a_sharp_background():
    """Half of the light of an edge before the focus reaches the pixels beside it."""
    image, circles = np.zeros_like(NOISE), flat(0.0)
    image[:, :80] = 1
    circles[:, :80] = -8.0
    row = lens_effects.depth_of_field(image, circles)[48, :, 1]
    assert (np.diff(row) <= 1e-5).all()
    assert row[79] == pytest.approx(0.55, abs=0.1)
    assert row[80] == pytest.approx(0.45, abs=0.1)
    assert row[82] > 0.1
    np.testing.assert_allclose(row[:74], 1, atol=1e-5)
    np.testing.assert_array_equal(row[86:], 0)


def test_depth_of_field_is_that_of_a_lens_with_many_pupils():
    """A lens is the mean over its pupil of pinhole images, each shifted by the circle's size."""
    back = DRAW.random((96, 160), dtype=np.float32).repeat(1, 0)
    back = np.kron(back[:24, :40], np.ones((4, 4), np.float32))
    front = np.zeros(SIZE, bool)
    front[30:66, 50:100] = True
    near, far = -5.0, 3.0
    n = np.arange(400) + 0.5
    radius, angle = np.sqrt(n / 400) / 2, n * np.pi * (3 - np.sqrt(5))
    total = np.zeros(SIZE)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    for dx, dy in zip(radius * np.cos(angle), radius * np.sin(angle), strict=True):

        def at(picture, circle, dx=dx, dy=dy):
            v = np.clip(np.rint(y + circle * dy), 0, SIZE[0] - 1).astype(int)
            u = np.clip(np.rint(x + circle * dx), 0, SIZE[1] - 1).astype(int)
            return picture[v, u]

        hit = at(front, near)
        total += np.where(hit, 2.0, at(back, -far))
    image = np.where(front, np.float32(2), back)[..., None].repeat(3, -1)
    circles = np.where(front, np.float32(near), np.float32(far))
    found = lens_effects.depth_of_field(image, circles)[..., 0]
    assert np.abs(found - total / 400).mean() < 0.02
    assert np.abs(found - total / 400).max() < 0.35


def test_a_still_image_is_left_bit_for_bit():
    still = np.zeros((*SIZE, 2), np.float32)
    assert lens_effects.motion_blur(NOISE, still, flat(2.0), 1.0) is NOISE
    assert lens_effects.motion_blur(NOISE, still + 9, flat(2.0), 0.0) is NOISE
    assert lens_effects.motion_blur(NOISE, still * np.nan, flat(2.0), 1.0) is NOISE
    moving = still.copy()
    moving[40:50, 20:30] = (8, 0)
    found = lens_effects.motion_blur(NOISE, moving, flat(2.0), 0.5)
    np.testing.assert_array_equal(found[:38], NOISE[:38])
    np.testing.assert_array_equal(found[:, 60:], NOISE[:, 60:])


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("flow", [(12.0, 0.0), (0.0, -12.0), (-16.0, 8.0), (5.0, 11.0)])
def test_a_moving_point_becomes_a_line_about_its_place(flow, alike):
    image = point()
    motion = np.broadcast_to(np.float32(flow), (129, 129, 2)).copy()
    depth = flat(3.0, (129, 129))
    if not alike:  # an edge of depth, around which every pixel is weighed by itself
        depth[::8] = 3.3
        depth[64] = 3.0
        image[64, 64] = 1000
    found = lens_effects.motion_blur(image, motion, depth, 0.5)[..., 1]
    energy, centre, spread = moments(found)
    np.testing.assert_allclose(centre, 64, atol=0.1)
    if alike:
        assert energy == pytest.approx(1000, rel=1e-3)
        longer = np.abs(flow) * 0.5
        # A line of length l has the standard deviation l / sqrt(12).
        truth = np.sqrt(longer**2 / 12)
        np.testing.assert_allclose(spread, truth, atol=0.45)


def test_a_moving_foreground_is_spread_over_a_still_background():
    image, depth = np.zeros_like(NOISE), flat(4.0)
    motion = np.zeros((*SIZE, 2), np.float32)
    image[:, 60:100], depth[:, 60:100], motion[:, 60:100] = 1, 2.0, (16, 0)
    row = lens_effects.motion_blur(image, motion, depth, 0.5)[48, :, 1]
    x = np.arange(SIZE[1])
    # At any time a bar covers 60 to 100, moved by -4 to 4 pixels.
    truth = np.clip((x + 0.5 - 56) / 8, 0, 1) * np.clip((104 - x - 0.5) / 8, 0, 1)
    np.testing.assert_allclose(row, truth, atol=0.08)
    np.testing.assert_array_equal(row[:55], 0)
    np.testing.assert_array_equal(row[105:], 0)


def test_a_moving_background_is_not_spread_over_a_still_foreground():
    motion, depth = np.zeros((*SIZE, 2), np.float32), flat(9.0)
    motion[..., 0] = 16
    depth[:, 60:100], motion[:, 60:100] = 2.0, 0
    found = lens_effects.motion_blur(NOISE, motion, depth, 0.5)
    np.testing.assert_array_equal(found[:, 60:100], NOISE[:, 60:100])
    constant = np.full_like(NOISE, 0.3)
    np.testing.assert_allclose(
        lens_effects.motion_blur(constant, motion, depth, 0.5), 0.3, rtol=1e-5
    )


def test_lateral_colour_leaves_green_and_the_centre():
    found = lens_effects.chromatic_aberration(NOISE, (80.0, 48.0), 2.0)
    np.testing.assert_array_equal(found[..., 1], NOISE[..., 1])
    np.testing.assert_allclose(found[46:50, 78:82], NOISE[46:50, 78:82], atol=1e-3)
    assert lens_effects.chromatic_aberration(NOISE, (80.0, 48.0), 0.0) is NOISE
    ones = np.ones_like(NOISE)
    np.testing.assert_allclose(
        lens_effects.chromatic_aberration(ones, (80.0, 48.0), 2.0), 1, rtol=1e-6
    )


def test_lateral_colour_moves_red_out_and_blue_in():
    ramp = np.broadcast_to(np.arange(160, dtype=np.float32)[None, :, None], (96, 160, 3)).copy()
    found = lens_effects.chromatic_aberration(ramp, (80.0, 48.0), 3.0)
    x, y = np.arange(160) + 0.5 - 80, 20.5 - 48
    farthest = np.hypot(79.5, 47.5)
    moved = 3.0 * x * (x**2 + y**2) / farthest**3
    inner = slice(4, -4)
    np.testing.assert_allclose((ramp - found)[20, inner, 0], moved[inner], atol=0.05)
    np.testing.assert_allclose((ramp - found)[20, inner, 2], -moved[inner], atol=0.05)


@pytest.mark.parametrize("shape", [(96, 160), (360, 640), (101, 143), (9, 7)])
def test_glare_keeps_the_light(shape):
    image = DRAW.random((*shape, 3), dtype=np.float32)
    image[shape[0] // 2, shape[1] // 2] = 500
    found = lens_effects.glare(image, 0.1)
    assert found.mean() == pytest.approx(image.mean(), rel=0.02)
    ones = np.ones_like(image)
    np.testing.assert_allclose(lens_effects.glare(ones, 0.2), 1, rtol=1e-5)
    assert lens_effects.glare(image, 0.0) is image


def test_glare_falls_off_with_the_square_of_the_distance():
    image = np.zeros((512, 512, 3), np.float32)
    image[254:258, 254:258] = 1000
    found = lens_effects.glare(image, 0.1)[..., 1]
    assert found[256, 256] > 890
    levels = np.array([found[256, 256 + r] for r in (8, 16, 32, 64)])
    slopes = -np.diff(np.log2(levels))
    assert ((slopes > 1.2) & (slopes < 2.8)).all()


def test_rigid_motion_is_that_of_rigid_flow():
    camera, ahead = np.eye(4), np.eye(4)
    ahead[:3, 3] = (0.1, -0.02, 0.05)
    turn = 0.03
    ahead[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    poses = np.repeat(np.eye(4)[None], 2, 0)
    moved = poses.copy()
    moved[1, :3, 3] = (0.2, 0, 0.1)
    k = pinhole(*SIZE, 1.0)
    depth = DRAW.uniform(2, 9, SIZE).astype(np.float32)
    depth[:5] = np.inf
    ids = DRAW.integers(0, 9, SIZE).astype(np.int32)
    ids[:5] = 0
    bodies = np.array([3, 7])
    truth, _ = rigid_flow(depth, ids, (k, k), (camera, ahead), bodies, (poses, moved))
    steps = lens_effects.body_steps((k, k), (camera, ahead), (poses, moved))
    found = lens_effects.rigid_motion(depth, ids, bodies, steps)
    np.testing.assert_allclose(found, truth, atol=5e-3)
    unnamed = lens_effects.rigid_motion(depth, None, bodies, steps)
    np.testing.assert_allclose(unnamed[ids == 0], found[ids == 0])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    layers = [layer for layer in Layer if layer is not Layer.FLOW]
    known = [x for x in layers if x.value in ("rgb", "depth", "segmentation", "albedo")]
    return open_clip(native(tmp_path_factory.mktemp("optics") / "clip", known))


def lifted(window, look, nearness=0.5):
    linear = window.rgb[0].astype(np.float32) / 255
    return stage.image(linear, window, look, nearness)


def test_a_frame_is_the_same_in_any_window(clip):
    look = Optics(f_number=1.4, shutter=1.0, aberration=1.0, glare=0.05)
    with clip.open(Layer) as reader:
        whole = reader.window(range(clip.num_frames))
        for index in range(clip.num_frames):
            alone = reader.window([index])
            expected = lifted(alone, look)
            np.testing.assert_array_equal(lifted(whole.frame(index), look), expected)
            linear = alone.rgb[0].astype(np.float32) / 255
            assert np.abs(expected - linear).max() > 0.004


def test_the_last_frame_moves_on_as_the_one_before():
    turn = np.linspace(0, 0.4, 5)
    poses = np.repeat(np.eye(4)[None], 5, 0)
    poses[:, 0, 0], poses[:, 0, 2] = np.cos(turn), np.sin(turn)
    poses[:, 2, 0], poses[:, 2, 2] = -np.sin(turn), np.cos(turn)
    poses[:, 0, 3] = 0.1 * np.arange(5)
    k = np.repeat(pinhole(32, 48, 1.0)[None], 5, 0)
    up = np.array([0.0, -1.0, 0.0])
    bodies = np.repeat(np.eye(4)[None, None], 5, 0)
    bodies[:, 0, 2, 3] = 0.2 * np.arange(5)
    motion = Motion(Camera(k, poses, up), Objects(np.array([4]), bodies))
    camera, objects = motion.after(2)
    np.testing.assert_allclose(camera.world_to_camera[0], poses[3], atol=1e-12)
    assert objects is not None
    np.testing.assert_allclose(objects.poses[0], bodies[3], atol=1e-12)
    camera, objects = motion.after(4)
    assert np.arctan2(camera.world_to_camera[0, 0, 2], camera.world_to_camera[0, 0, 0]) == (
        pytest.approx(0.5)
    )
    assert objects is not None
    assert objects.poses[0, 0, 2, 3] == pytest.approx(1.0)
    one = Motion(Camera(k[:1], poses[1:2], up), None)
    np.testing.assert_allclose(one.after(0)[0].world_to_camera, poses[1:2], atol=1e-12)


def test_recorded_flow_goes_before_rigid_motion(clip):
    with clip.open(Layer) as reader:
        window = reader.window([3])
    flow = np.zeros((1, *window.size, 2), np.float32)
    still = replace(window, arrays={**window.arrays, Layer.FLOW: flow}, _derived={})
    linear = window.rgb[0].astype(np.float32) / 255
    np.testing.assert_array_equal(lifted(still, Optics(shutter=1.0)), linear)


def test_everything_is_off_by_default(clip):
    with clip.open(Layer) as reader:
        window = reader.window([0])
    linear = window.rgb[0].astype(np.float32) / 255
    assert stage.image(linear, window, Optics(), 0.0) is linear
    assert not any(part.on for part in stage.check(Optics(), clip))


def test_the_focus_follows_the_middle_of_the_image(clip):
    with clip.open(Layer) as reader:
        sample = sample_clip(reader)
    found = stage.estimate_focus(sample, Optics(f_number=2.0))
    assert found.shape == sample.times.shape
    depth = sample.window[Layer.DEPTH][:, 11:21, 16:32].reshape(len(found), -1)
    middle = 1 / np.median(depth, axis=1)
    assert middle.min() <= found.min() <= found.max() <= middle.max()
    fixed = stage.estimate_focus(sample, Optics(f_number=2.0, focus=4.0))
    np.testing.assert_allclose(fixed, 0.25)
    np.testing.assert_array_equal(stage.estimate_focus(sample, Optics()), 0)


def test_the_aperture_is_focal_length_over_f_number():
    """36 mm of sensor and as many pixels as the focal length: a 36 mm lens."""
    assert Optics(f_number=2.0).aperture(832.0, 832) == pytest.approx(0.018)
    assert Optics().aperture(832.0, 832) == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("f_number", 0.1),
        ("sensor_width_mm", 0.0),
        ("focus", 0.0),
        ("shutter", 1.5),
        ("aberration", -1.0),
        ("glare", float("nan")),
    ],
)
def test_numbers_out_of_range_are_refused(key, value):
    with pytest.raises(RecipeError, match=f"optics.{key}.*allowed"):
        Optics(**{key: value})


def test_what_a_clip_does_not_tell_is_refused_in_words(tmp_path):
    plain = open_clip(native(tmp_path / "plain", [Layer.RGB]))
    with pytest.raises(ClipError, match="no depth in metres.*way out"):
        stage.check(Optics(f_number=2.0), plain)
    with pytest.raises(ClipError, match="neither flow nor depth in metres.*way out"):
        stage.check(Optics(shutter=0.5), plain)
    flowing = open_clip(native(tmp_path / "flowing", [Layer.RGB, Layer.FLOW]))
    parts = {part.name: part for part in stage.check(Optics(shutter=0.5), flowing)}
    assert parts["motion blur"].on
    assert "simulator's flow" in parts["motion blur"].reason
