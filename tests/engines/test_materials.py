"""Materials: what textures keep, where they stick, what a clip wears, and photos in words."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pytest
from tiny import clips as builders

from simlift.core import strict_json
from simlift.core.camera import Camera, Objects
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.photographic.materials import assignment
from simlift.engines.photographic.materials.classes import MATERIALS, material_of, moves
from simlift.engines.photographic.materials.photos import read_textures
from simlift.engines.photographic.materials.settings import Materials, check
from simlift.engines.photographic.scene.surface import Surface
from simlift.media.images import write_image
from simlift.pixels.geometry.projection import pinhole, unproject
from simlift.pixels.image import noise
from simlift.pixels.materials import patterns, photo_texture, textures
from simlift.sources import open_clip

SIZE = textures.SIZE
HEIGHT, WIDTH = 48, 64
K = pinhole(HEIGHT, WIDTH, np.radians(50))


def photo(seed=0, size=96):
    """Colours of gravel: blotches over a fall of light."""
    grain = noise.spectral_noise((seed,), (size, size), 0.7)[..., None]
    fall = np.linspace(0.5, 1.3, size)[:, None, None]
    return (np.clip((0.4 + 0.1 * grain) * fall * [1, 0.8, 0.6], 0, 1) * 255).astype(np.uint8)


# Textures


@pytest.mark.parametrize("name", [*patterns.PATTERNS, "none"])
def test_a_texture_keeps_colour_shape_and_gloss_on_average(name):
    one = patterns.built_in(name)
    np.testing.assert_allclose(one.albedo.mean((0, 1), dtype=np.float64), 1, atol=1e-6)
    np.testing.assert_allclose(one.slope.mean((0, 1), dtype=np.float64), 0, atol=1e-6)
    assert abs(one.roughness.mean(dtype=np.float64)) < 1e-6
    assert one.albedo.min() > 0.05
    assert 0.1 <= one.metres <= 4


@pytest.mark.parametrize("name", patterns.PATTERNS)
def test_a_texture_tiles(name):
    """The step over the border is no larger than steps inside."""
    one = patterns.built_in(name)
    for field in (one.albedo[..., 1], one.slope[..., 0], one.slope[..., 1], one.roughness):
        for axis in (0, 1):
            steps = np.abs(np.diff(field, axis=axis, append=np.take(field, [0], axis))).mean(
                1 - axis
            )
            assert steps[-1] <= steps.max() * 1.0 + 1e-7
            assert steps[-1] <= 4 * np.median(steps) + 1e-6 or name == "brick"


def test_an_unknown_pattern_is_refused():
    with pytest.raises(ValueError, match="allowed: asphalt"):
        patterns.built_in("velvet")


def test_each_level_is_the_average_of_the_one_before():
    levels = textures.mip_pyramid(patterns.built_in("brick"))
    assert [len(level) for level in levels] == [SIZE >> k for k in range(SIZE.bit_length())]
    for finer, level in pairwise(levels):
        n = len(level)
        truth = finer.astype(np.float64).reshape(n, 2, n, 2, 6).mean((1, 3))
        np.testing.assert_allclose(level, truth, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(levels[-1], 0, atol=1e-5)


def test_an_atlas_holds_the_levels_to_half_a_step():
    names = ("brick", "none", "wood")
    packed = textures.build_atlas(tuple(patterns.built_in(name) for name in names))
    for k, name in enumerate(names):
        levels = textures.mip_pyramid(patterns.built_in(name))
        whole = np.concatenate([level.reshape(-1, 6) for level in levels])
        found = packed.texels[k] * packed.steps[k]
        assert (np.abs(found - whole) <= 0.501 * packed.steps[k]).all()
    assert packed.faint[1] == 0
    assert (np.diff(packed.unseen, axis=1) >= -1e-7).all()
    assert (packed.unseen[:, 0] == 0).all()


def test_noise_tiles_and_is_normal():
    field = noise.spectral_noise((1,), (64, 64), 1.0, segment=4.0)
    assert abs(field.mean()) < 1e-6
    assert field.std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(field, noise.spectral_noise((1,), (64, 64), 1.0, segment=4.0))
    along, across = np.abs(np.diff(field, axis=1)).mean(), np.abs(np.diff(field, axis=0)).mean()
    assert along < 0.6 * across


def test_cells_are_the_distances_to_the_points():
    found = noise.cellular_noise((3,), 64, 4)
    point = np.random.default_rng((3,)).random((4, 4, 3)).astype(np.float32)
    at = np.stack(np.indices((4, 4)), -1) + point[..., :2]
    place = (np.stack(np.indices((64, 64)), -1) + 0.5) / 16
    apart = np.abs(place[:, :, None, None] - at)
    distance = np.sqrt((np.minimum(apart, 4 - apart) ** 2).sum(-1)).reshape(64, 64, -1)
    ordered = np.sort(distance, axis=-1)
    np.testing.assert_allclose(found.first, ordered[..., 0], atol=1e-5)
    np.testing.assert_allclose(found.second, ordered[..., 1], atol=1e-5)


# Photos


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_photo_becomes_a_texture(shuffle):
    one = photo_texture.texture_from_photo(photo(), 1.5, steepness=0.05, shuffle=shuffle)
    np.testing.assert_allclose(one.albedo.mean((0, 1), dtype=np.float64), 1, atol=1e-6)
    assert np.sqrt((one.slope**2).mean()) == pytest.approx(0.05, rel=1e-3)
    for axis in (0, 1):
        steps = np.abs(np.diff(one.albedo, axis=axis, append=np.take(one.albedo, [0], axis))).mean(
            (1 - axis, 2)
        )
        assert steps[-1] < 2 * np.median(steps)
    rows = one.albedo.mean((1, 2))
    assert np.ptp(rows) < 0.5  # the fall of light is gone: it was a factor of 2.6


def test_shuffling_keeps_the_histogram():
    tile = np.exp(0.4 * noise.spectral_noise((5,), (SIZE, SIZE), 0.4))[..., None] * np.ones(
        3, np.float32
    )
    mixed = photo_texture.histogram_preserving_shuffle(tile.astype(np.float32))
    share = np.linspace(0.05, 0.95, 10)
    before, after = np.quantile(tile, share), np.quantile(mixed, share)
    np.testing.assert_allclose(after, before, rtol=0.05)
    assert np.abs(mixed - tile).mean() > 0.1


def test_photos_are_read_by_name(tmp_path):
    write_image(tmp_path / "road.png", photo())
    write_image(tmp_path / "Car_Paint.jpg", photo(1))
    (tmp_path / "notes.txt").write_text("mine")
    assert set(read_textures(tmp_path, ["road"])) == {"road", "car_paint"}


def spoil(folder, how):
    folder.mkdir()
    if how == "text":
        (folder / "readme.txt").write_text("no photo")
    elif how == "broken":
        (folder / "road.jpg").write_bytes(b"not a photo")
    elif how == "nameless":
        write_image(folder / "holiday.png", photo())
    elif how == "twice":
        write_image(folder / "road.png", photo())
        write_image(folder / "road.jpg", photo())
    elif how == "small":
        write_image(folder / "road.png", photo(size=8))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("empty", "holds no photos"),
        ("text", "holds no photos"),
        ("broken", "road.jpg.*cannot be read"),
        ("nameless", "holiday.png.*named after no class.*way out"),
        ("twice", "second photo of road"),
        ("small", "8x8 pixels"),
    ],
)
def test_bad_folders_end_in_words(tmp_path, how, words):
    spoil(tmp_path / "photos", how)
    with pytest.raises(RecipeError, match=words):
        read_textures(tmp_path / "photos", ["road"])


def test_a_missing_folder_ends_in_words(tmp_path):
    with pytest.raises(RecipeError, match="is no folder"):
        read_textures(tmp_path / "none", [])


# The look


def test_settings_come_back_from_json():
    mine = Materials(by_class=(("road", "asphalt"),), scale=2.0)
    assert strict_json.decode(strict_json.encode(mine), Materials) == mine
    assert hash(mine) == hash(replace(mine))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"strength": 1.5}, "materials.strength: found 1.5"),
        ({"detail": -1.0}, "materials.detail"),
        ({"scale": 0.0}, "materials.scale"),
        ({"by_class": (("road", "velvet"),)}, "no material velvet.*asphalt"),
        ({"by_class": (("road", "wood"), ("road", "soil"))}, "names road twice"),
    ],
)
def test_settings_out_of_range_end_in_words(wrong, words):
    with pytest.raises(RecipeError, match=words):
        Materials(**wrong)


@pytest.mark.parametrize(
    ("category", "material"),
    [
        ("road", "asphalt"),
        ("street_lamp", "paint"),
        ("Traffic Sign", "paint"),
        ("guard-rail", "paint"),
        ("books", "paper"),
        ("brick_wall", "plaster"),
        ("car-paint", "car-paint"),
        ("table_2", "wood"),
        ("vegetation", "foliage"),
        ("quux", None),
        ("", None),
    ],
)
def test_a_class_is_made_of(category, material):
    assert material_of(category) == material


def test_every_word_leads_to_a_material_that_can_be_drawn():
    for material in MATERIALS.values():
        patterns.built_in(material.pattern)
    assert moves("car")
    assert not moves("wall")


def test_an_unknown_class_lists_those_there_are(tmp_path):
    clip = open_clip(builders.native(tmp_path / "clip"))
    with pytest.raises(ClipError, match="no class moon.*robot"):
        check(Materials(by_class=(("moon", "wood"),)), clip)
    assert check(Materials(by_class=(("table", "brick"),)), clip).on
    assert not check(Materials(strength=0), clip).on


# Dressing


def plane(shift=0.0, tilt=0.4):
    """Depth and normal of a plane that is seen aslant, `shift` metres further along it."""
    u = (np.arange(WIDTH) + 0.5 - K[0, 2]) / K[0, 0]
    depth = np.tile((2.0 + shift) / (1 - np.tan(tilt) * u), (HEIGHT, 1)).astype(np.float32)
    normal = np.array([np.sin(tilt), 0, -np.cos(tilt)], np.float32)
    return depth, np.tile(normal, (HEIGHT, WIDTH, 1))


def frame(depth, *, pose=None, body=None, category="table", ids=1, camera=True):
    """A window of one frame; `pose` is world to camera, `body` the pose of id 1."""
    pose = np.eye(4) if pose is None else pose
    gray = np.full((1, HEIGHT, WIDTH, 3), 128, np.uint8)
    return Window(
        indices=np.array([0]),
        arrays={
            Layer.RGB: gray,
            Layer.ALBEDO: gray,
            Layer.DEPTH: depth[None],
            Layer.SEGMENTATION: np.full((1, HEIGHT, WIDTH), ids, np.int32),
        },
        num_frames=1,
        fps=24.0,
        metric_depth=True,
        camera=Camera(K[None], pose[None], np.array([0.0, -1.0, 0.0])) if camera else None,
        objects=None if body is None else Objects(np.array([1]), body[None, None]),
        categories=MappingProxyType({1: category}),
    )


def surface(normals):
    shape = normals.shape[:2]
    return Surface(
        np.full((*shape, 3), 0.3, np.float32),
        normals,
        np.full(shape, 0.5, np.float32),
        np.zeros(shape, np.float32),
    )


def turned(angle, move):
    pose = np.eye(4)
    pose[:3, :3] = [
        [np.cos(angle), -np.sin(angle), 0],
        [np.sin(angle), np.cos(angle), 0],
        [0, 0, 1],
    ]
    pose[:3, 3] = move
    return pose


def test_strength_0_returns_the_same_surface():
    depth, normals = plane()
    window = frame(depth)
    before = surface(normals)
    slot_materials = assignment.assign_materials(ClipSample(window), Materials(strength=0), 1)
    assert assignment.apply_materials(before, window, slot_materials) is before


def test_dressing_varies_colour_and_relief_and_keeps_units():
    depth, normals = plane()
    depth[:4] = np.inf
    window = frame(depth)
    before = surface(normals)
    out = assignment.apply_materials(
        before, window, assignment.assign_materials(ClipSample(window), Materials(), 1)
    )
    np.testing.assert_allclose(np.linalg.norm(out.normals, axis=-1), 1, atol=1e-5)
    assert out.albedo[4:].std() > 0.005
    assert out.albedo.mean() == pytest.approx(0.3, rel=0.1)
    assert (out.roughness > 0).all()
    assert (out.roughness <= 1).all()
    np.testing.assert_array_equal(out.albedo[:4], before.albedo[:4])
    np.testing.assert_array_equal(out.normals[:4], before.normals[:4])


def test_a_texture_sticks_to_a_body_and_to_the_world():
    """Whatever carries the body and the camera about: what the camera sees alike looks alike."""
    depth, normals = plane()
    first = frame(depth, body=turned(0.2, [1, 2, 3]))
    slot_materials = assignment.assign_materials(ClipSample(first), Materials(), 7)
    motion = turned(1.1, [40.0, -7.0, 2.0])
    for second in (
        frame(depth, body=motion @ turned(0.2, [1, 2, 3]), pose=np.linalg.inv(motion)),
        frame(depth, body=turned(0.2, [1, 2, 3])),
    ):
        for layer in ("albedo", "normals", "roughness"):
            one = getattr(
                assignment.apply_materials(surface(normals), first, slot_materials), layer
            )
            two = getattr(
                assignment.apply_materials(surface(normals), second, slot_materials), layer
            )
            np.testing.assert_allclose(one, two, atol=2e-3)
    still = frame(depth)
    slot_materials = assignment.assign_materials(ClipSample(still), Materials(), 7)
    one = assignment.apply_materials(surface(normals), still, slot_materials).albedo
    # The camera rolls about its axis by half a turn: the picture of the plane turns with it.
    rolled = frame(depth[::-1, ::-1], pose=turned(np.pi, [0, 0, 0]))
    flipped = surface(np.ascontiguousarray(normals[::-1, ::-1] * np.float32([-1, -1, 1])))
    two = assignment.apply_materials(flipped, rolled, slot_materials).albedo[::-1, ::-1]
    np.testing.assert_allclose(one, two, atol=2e-3)


def test_the_same_point_has_the_same_texel_when_the_camera_passes():
    """The camera moves by a whole number of pixels before a wall it faces."""
    normals = np.tile(np.array([0, 0, -1], np.float32), (HEIGHT, WIDTH, 1))
    depth = np.full((HEIGHT, WIDTH), 1.5, np.float32)
    step = 5 * 1.5 / K[0, 0]
    moved = np.eye(4)
    moved[0, 3] = -step
    first, second = frame(depth, category="wall"), frame(depth, category="wall", pose=moved)
    slot_materials = assignment.assign_materials(ClipSample(first), Materials(), 7)
    one = assignment.apply_materials(surface(normals), first, slot_materials)
    two = assignment.apply_materials(surface(normals), second, slot_materials)
    np.testing.assert_allclose(one.albedo[:, 5:], two.albedo[:, :-5], atol=2e-3)
    np.testing.assert_allclose(one.normals[:, 5:], two.normals[:, :-5], atol=4e-3)
    assert np.abs(one.albedo - two.albedo).max() > 0.005


def test_far_away_a_texture_is_its_mean():
    depth, normals = plane()
    far = frame(depth * 400, category="wall")
    out = assignment.apply_materials(
        surface(normals), far, assignment.assign_materials(ClipSample(far), Materials(scale=0.1), 1)
    )
    stain = MATERIALS["plaster"].stain
    np.testing.assert_allclose(out.albedo, 0.3, rtol=2.6 * stain)
    np.testing.assert_allclose(out.normals, normals, atol=0.01)


def test_relief_turns_normals_against_the_slope():
    """A ramp that rises along u at 45 degrees turns a facing normal by 45 degrees."""
    flat = patterns.built_in("none")
    slope = np.zeros_like(flat.slope)
    slope[..., 0] = 1
    packed = textures.build_atlas((replace(flat, slope=slope),))
    one = np.ones(1)
    slot_materials = textures.MaterialTable(
        np.zeros(1, np.int64), one, one, one, one, *(0 * one,) * 5
    )
    normals = np.tile(np.array([0, 0, -1], np.float32), (4, 4, 1))
    out = textures.apply_textures(
        np.full((4, 4, 3), 0.5, np.float32),
        normals,
        np.full((4, 4), 0.5, np.float32),
        np.zeros((4, 4), np.float32),
        np.full((4, 4), 0.1, np.float32),
        np.zeros((4, 4), np.int32),
        (4.0, 4.0, 2.0, 2.0),
        np.zeros(0, np.int64),
        np.eye(3, 4)[None],
        slot_materials,
        packed,
    )
    np.testing.assert_allclose(out[1], np.array([-1, 0, -1]) / np.sqrt(2) + 0 * normals, atol=1e-5)


def test_a_painted_surface_keeps_more_of_its_own():
    depth, _ = plane()
    plain = frame(depth)
    board = np.indices((HEIGHT, WIDTH)).sum(0) % 4 // 2 * 90 + 80
    arrays = {**plain.arrays, Layer.ALBEDO: np.tile(board[None, ..., None], (1, 1, 1, 3))}
    busy = replace(plain, arrays={k: v.astype(plain.arrays[k].dtype) for k, v in arrays.items()})
    free = [
        assignment.assign_materials(ClipSample(w), Materials(strength=1), 1).slot_materials.colour[
            1
        ]
        for w in (plain, busy)
    ]
    assert free[0] == 1
    assert free[1] < 0.1


def test_what_may_move_without_a_pose_gets_gloss_alone():
    depth, normals = plane()
    window = frame(depth, category="person")
    before = surface(normals)
    out = assignment.apply_materials(
        before, window, assignment.assign_materials(ClipSample(window), Materials(strength=1), 1)
    )
    np.testing.assert_array_equal(out.albedo, before.albedo)
    np.testing.assert_array_equal(out.normals, before.normals)
    np.testing.assert_allclose(out.roughness, MATERIALS["fabric"].roughness, atol=1e-6)
    blind = frame(depth, camera=False)
    out = assignment.apply_materials(
        before, blind, assignment.assign_materials(ClipSample(blind), Materials(strength=1), 1)
    )
    np.testing.assert_array_equal(out.albedo, before.albedo)
    np.testing.assert_allclose(out.roughness, MATERIALS["wood"].roughness, atol=1e-6)


def test_a_material_layer_wins():
    depth, normals = plane()
    window = frame(depth, category="car", body=np.eye(4))
    given = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)
    window = replace(window, arrays={**window.arrays, Layer.MATERIAL: given})
    before = surface(normals)
    out = assignment.apply_materials(
        before, window, assignment.assign_materials(ClipSample(window), Materials(strength=1), 1)
    )
    np.testing.assert_array_equal(out.metallic, before.metallic)
    assert out.roughness.mean() == pytest.approx(0.5, abs=0.05)


def test_a_photo_of_a_class_is_worn(tmp_path):
    write_image(tmp_path / "table.png", photo())
    depth, normals = plane()
    window = frame(depth)
    looks = [
        assignment.apply_materials(
            surface(normals),
            window,
            assignment.assign_materials(ClipSample(window), Materials(textures=folder), 1),
        ).albedo
        for folder in (None, tmp_path)
    ]
    assert np.abs(looks[0] - looks[1]).max() > 0.01


def test_any_clip_of_the_contract_is_dressed(tmp_path):
    """Sky, moving camera, bodies, ids that the clip sample never saw; and the same pixels twice."""
    clip = open_clip(builders.native(tmp_path / "clip"))
    with clip.open(Layer) as reader:
        sample, window = sample_clip(reader), reader.window([2, 3])
    slot_materials = assignment.assign_materials(sample, Materials(), 5)
    for index in range(2):
        one = window.frame(index)
        ids = one[Layer.SEGMENTATION].copy()
        ids[0, -4:] = 999
        one = replace(one, arrays={**one.arrays, Layer.SEGMENTATION: ids}, _derived={})
        before = surface(one[Layer.NORMALS][0])
        first, again = (assignment.apply_materials(before, one, slot_materials) for _ in range(2))
        np.testing.assert_array_equal(first.albedo, again.albedo)
        assert np.isfinite(first.albedo).all()
        assert np.isfinite(first.roughness).all()
    assert clip.fps == Fraction(24)


def test_points_of_a_plane_are_where_the_test_says():
    depth, normals = plane()
    height = np.einsum("hwc,hwc->hw", unproject(depth, K), normals)
    np.testing.assert_allclose(height, height[0, 0], rtol=1e-5)
