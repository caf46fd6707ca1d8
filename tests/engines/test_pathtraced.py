"""The path tracer: its scene is the recorded one, its light is right, its twin can be resumed."""

import itertools
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny import clips as builders

from simlift.core.clip_sample import sample_clip
from simlift.core.errors import ClipError, RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.scene_geometry import Material, Part, SceneGeometry
from simlift.core.strict_json import load
from simlift.engines.pathtraced import PathTraced
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.looks.look import Exposure, Light
from simlift.media.gltf.reader import read_gltf
from simlift.media.gltf.writer import write_gltf
from simlift.media.manifest import NativeManifest
from simlift.passes.twin import lock_exposure, record_twin, twin_settings, twin_spec
from simlift.pixels.colour import spaces
from simlift.pixels.geometry.primitives import primitive
from simlift.pixels.geometry.projection import pinhole, rays
from simlift.pixels.light.environment import (
    Sun,
    axes_from_world,
    build_environment,
    equirectangular_directions,
    harmonic_basis,
    lookup,
)
from simlift.scale.progress import Silent
from simlift.simulators import ModelScene
from simlift.simulators.record import record
from simlift.sources import open_clip

mi = pytest.importorskip("mitsuba")
from simlift.engines.pathtraced import _tracer  # noqa: E402
from simlift.engines.pathtraced._tracer import Tracer, View, sensor_of  # noqa: E402
from simlift.engines.pathtraced.engine import (  # noqa: E402
    at_moment,
    between,
    moving_ids,
    poses_of,
    shutter_moments,
)

pytestmark = pytest.mark.mujoco

HEIGHT, WIDTH, FRAMES = 48, 64, 3

MODEL = """
<mujoco>
  <option gravity="0 0 0" timestep="0.01"/>
  <asset>
    <texture name="cells" type="2d" builtin="checker" rgb1=".8 .7 .2" rgb2=".2 .3 .6"
      width="64" height="64"/>
    <material name="floor" texture="cells" texrepeat="2 3"/>
    <mesh name="wedge" vertex="-.3 -.3 0  .3 -.3 0  .3 .3 0  -.3 .3 0  0 0 .5"/>
  </asset>
  <worldbody>
    <light pos="0 0 3" dir="0 0 -1"/>
    <geom name="floor" type="plane" size="2.5 2.5 .1" material="floor"/>
    <geom name="wall" type="box" size="2.5 .1 1" pos="0 2 1" rgba=".7 .6 .6 1"/>
    <geom name="ball" type="sphere" size=".35" pos="-1 .5 .35" rgba=".8 .2 .2 1"/>
    <geom name="post" type="cylinder" size=".2 .5" pos="1.1 .9 .5" rgba=".3 .7 .3 1"/>
    <geom name="egg" type="ellipsoid" size=".5 .2 .3" pos=".9 -.4 .3" euler="0 0 30"
      rgba=".9 .5 .1 1"/>
    <geom name="pill" type="capsule" size=".15 .3" pos="-.4 1.2 .6" euler="70 20 0"
      rgba=".5 .3 .8 1"/>
    <geom name="wedge" type="mesh" mesh="wedge" pos="-1 -.6 0" rgba=".2 .6 .7 1"/>
    <body name="die" pos="0 0 .6">
      <freejoint/>
      <geom type="box" size=".25 .2 .15" rgba=".9 .9 .8 1"/>
      <geom type="sphere" size=".1" pos=".25 .2 .15" rgba=".1 .1 .1 1"/>
    </body>
    <camera name="eye" pos=".3 -3.2 2.1" xyaxes="1 .1 0 -.05 .5 .87" resolution="64 48"
      sensorsize="0.0064 0.0048" focalpixel="62 62" principalpixel="7 -5"/>
  </worldbody>
  <keyframe><key qpos="0 0 .6 1 0 0 0" qvel="1.2 0 0.4 0.5 1 6"/></keyframe>
</mujoco>
"""


@pytest.fixture(scope="module", autouse=True)
def coarse_sky():
    """Most of a small scene's loading is its sky; the scalar renderer below has the fine one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tracer, "_SKY", (128, 256))
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A clip of every kind of geom, with a die that flies and turns before an off-centre lens."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "model.xml").write_text(MODEL)
    scene = ModelScene(folder / "model.xml", height=HEIGHT, width=WIDTH, fps=10, num_frames=FRAMES)
    assert record(scene, folder / "clip", 0, lambda count: None) == ""
    return open_clip(folder / "clip")


@pytest.fixture
def clip(recorded, tmp_path):
    """A copy of the recorded clip, to be changed."""
    shutil.copytree(recorded.path, tmp_path / "clip")
    return open_clip(tmp_path / "clip")


def frames_of(clip):
    with clip.open(PathTraced().needs()) as reader:
        return [reader.window([i]) for i in range(clip.num_frames)]


def tracer_of(clip, frames):
    with clip.open([Layer.RGB]) as reader:
        moving = moving_ids(reader.window(range(clip.num_frames)))
    return Tracer(
        read_gltf(clip.scene),
        moving,
        WHITE,
        np.eye(3),
        still=poses_of(frames[0]),
        emission=0.0,
        bounces=6,
    )


def plain_view(frame):
    pose = np.linalg.inv(frame.camera.world_to_camera[0])
    return View(frame.camera.intrinsics[0], pose, *frame.size)


def rays_through(sensor, u, v):
    """Return the rays through places of the film: all in one, or one by one in scalar Mitsuba."""
    places = np.stack([u, v]).astype(np.float32)
    if mi.variant().startswith("scalar"):
        points = [mi.Point2f(*place) for place in places.T.tolist()]
    else:
        points = [mi.Point2f(*map(mi.Float, places))]
    return [sensor.sample_ray(0.0, 0.5, point, mi.Point2f(0.5))[0] for point in points]


def depth_of(tracer, view):
    """Return z-depth at every pixel's centre, +inf where nothing is hit."""
    sensor = sensor_of(view)
    v, u = np.mgrid[: view.height, : view.width]
    rays = rays_through(sensor, (u.ravel() + 0.5) / view.width, (v.ravel() + 0.5) / view.height)
    met = [tracer.scene.ray_intersect(ray) for ray in rays]
    points = np.concatenate([np.array(m.p).reshape(3, -1).T for m in met])
    points = points - view.camera_to_world[:3, 3]
    depth = points @ view.camera_to_world[:3, 2]
    hit = np.concatenate([np.array(m.is_valid()).ravel() for m in met])
    return np.where(hit, depth, np.inf).reshape(view.height, view.width)


# --- the scene --------------------------------------------------------------------------------


def test_every_kind_of_geom_is_carried(recorded):
    names = {label.name for label in recorded.labels.values()}
    assert names == {"floor", "wall", "ball", "post", "egg", "pill", "wedge", "die"}
    ids = {part.id for part in read_gltf(recorded.scene).parts}
    assert ids == set(recorded.objects.ids.tolist()) == set(recorded.labels)
    intrinsics = recorded.camera.intrinsics[0]
    assert abs(intrinsics[0, 2] - WIDTH / 2) > 5
    assert abs(intrinsics[1, 2] - HEIGHT / 2) > 4


def test_the_traced_scene_stands_where_it_was_recorded_in_every_frame(recorded):
    frames = frames_of(recorded)
    tracer = tracer_of(recorded, frames)
    manifest = load(recorded.path / "clip.json", NativeManifest)
    depths = []
    for frame in frames:
        tracer.pose(poses_of(frame))
        found, truth = depth_of(tracer, plain_view(frame)), frame[Layer.DEPTH][0]
        hit = np.isfinite(truth)
        assert (np.isfinite(found) == hit).mean() > 0.99
        both = hit & np.isfinite(found)
        # Half a unit is what storing depth may cost; MuJoCo's round things have fewer facets.
        allowed = 1e-3 * truth[both] + manifest.layers["depth"].metres_per_unit / 2
        assert (np.abs(found[both] - truth[both]) < allowed).mean() > 0.99
        depths.append(found)
    # The die flies: the frames differ where it is, and only there.
    for previous, after in itertools.pairwise(np.minimum(depths, 100)):
        assert 0.01 < (np.abs(previous - after) > 0.01).mean() < 0.3
    assert moving_ids(frames[0]) == frozenset()


def test_posing_again_goes_back(recorded):
    frames = frames_of(recorded)
    tracer = tracer_of(recorded, frames)
    views = [plain_view(frame) for frame in frames]
    tracer.pose(poses_of(frames[0]))
    first = depth_of(tracer, views[0])
    tracer.pose(poses_of(frames[2]))
    tracer.pose(poses_of(frames[0]))
    np.testing.assert_array_equal(depth_of(tracer, views[0]), first)


def test_edges_of_the_traced_surface_lie_on_those_of_the_render(recorded):
    frame = frames_of(recorded)[0]
    tracer = tracer_of(recorded, [frame])
    tracer.pose(poses_of(frame))
    integrator = mi.load_dict({"type": "aov", "aovs": "surface:albedo"})
    image = mi.render(tracer.scene, sensor=sensor_of(plain_view(frame)), spp=64, seed=0,
                      integrator=integrator)  # fmt: skip
    found = np.array(image)[..., :3]
    truth = spaces.decode_srgb(frame[Layer.ALBEDO][0])
    known = np.isfinite(frame[Layer.DEPTH][0])
    assert (np.abs(found - truth).max(-1)[known] < 0.15).mean() > 0.95
    # How far the whole image would have to move: least squares over its gradient, in pixels.
    ours, theirs = (spaces.luminance(np.float32(x)) * known for x in (found, truth))
    down, across = np.gradient(theirs)
    slopes = np.stack([across.ravel(), down.ravel()], axis=1)
    shift = np.linalg.lstsq(slopes, (theirs - ours).ravel(), rcond=None)[0]
    assert np.abs(shift).max() < 0.1


# --- light ------------------------------------------------------------------------------------


WHITE, BLACK = (build_environment(np.full((64, 128, 3), level, np.float32)) for level in (1, 0))


def one(material, kind="sphere", size=(1, 0, 0), emission=0.0, environment=None, axes=None):
    shape = primitive(kind, np.array(size, float))
    part = Part(
        1,
        0,
        *(getattr(shape, name).astype(np.float32) for name in ("vertices", "normals", "uv")),
        shape.faces.astype(np.int32),
    )
    return Tracer(
        SceneGeometry((material,), (part,)),
        frozenset(),
        environment or WHITE,
        np.eye(3) if axes is None else axes,
        still={1: np.eye(4)},
        emission=emission,
        bounces=8,
    )


def looking(back=4.0, size=(24, 32), fov=40):
    """A view of the origin from -z, along +z."""
    pose = np.eye(4)
    pose[2, 3] = -back
    return View(pinhole(*size, np.radians(fov)), pose, *size)


def black(*suns):
    return replace(BLACK, suns=suns, unpainted=suns)


MIDDLE = (slice(10, 14), slice(14, 18))


@pytest.mark.parametrize("albedo", [1.0, 0.5, 0.0])
def test_in_a_white_furnace_a_surface_sends_back_its_albedo(albedo):
    tracer = one(Material("", (albedo,) * 3, 1.0))
    image = tracer.trace(looking(), 64, 1)
    np.testing.assert_allclose(image[0, 0], 1, atol=1e-4)  # the sky itself
    # Burley's base at full roughness is a few percent above its albedo, the coat below 4 percent.
    assert albedo - 0.01 < image[MIDDLE].mean() < 1.05 * albedo + 0.045


def test_a_metal_in_a_white_furnace_is_its_colour():
    tracer = one(Material("", (0.9, 0.6, 0.3), 0.2, metallic=1.0))
    found = tracer.trace(looking(), 64, 1)[MIDDLE].mean((0, 1))
    np.testing.assert_allclose(found, [0.9, 0.6, 0.3], atol=0.04)


def test_a_plate_that_faces_the_sun_is_albedo_times_irradiance_over_pi():
    sun = Sun(np.float32([0, 0, -1]), np.float32([3, 2, 1]))
    tracer = one(Material("", (0.5, 0.5, 0.5), 0.9), "box", (1, 1, 0.1), environment=black(sun))
    found = tracer.trace(looking(), 64, 1)[MIDDLE].mean((0, 1))
    # The coat of a rough surface adds a little, most where the view is the sun's.
    truth = 0.5 * np.array([3, 2, 1]) / np.pi
    assert (found > 0.97 * truth).all()
    assert (found < 1.1 * truth).all()
    behind = one(Material("", (0.5, 0.5, 0.5), 0.9), "box", (1, 1, 0.1),
                 environment=black(replace(sun, direction=-sun.direction)))  # fmt: skip
    assert behind.trace(looking(), 64, 1)[MIDDLE].mean() < 1e-4


def test_a_lamp_shines_as_bright_as_it_is_told():
    lamp = Material("", (1.0, 0.5, 0.25), 0.9, emission=1.0)
    found = one(lamp, emission=6.0, environment=black()).trace(looking(), 16, 1)[MIDDLE]
    np.testing.assert_allclose(found.mean((0, 1)), [6, 3, 1.5], rtol=0.02)
    dim = one(replace(lamp, emission=0.1), emission=6.0, environment=black())
    np.testing.assert_allclose(dim.trace(looking(), 16, 1)[MIDDLE].mean((0, 1)), [3, 1.5, 0.75],
                               rtol=0.02)  # fmt: skip


@pytest.mark.parametrize("turn", [0.0, 1.1])
@pytest.mark.parametrize("up", [(0, 0, 1), (0, -1, 0)])
def test_the_sky_stands_where_the_photographic_engine_has_it(up, turn):
    colours = np.float32([[0.5, 0.2, -0.1], [0.1, 0.6, 0.3], [-0.4, 0.1, 0.5]])
    radiance = (np.einsum("hwk,kc->hwc", equirectangular_directions(128, 256), colours) + 2).astype(
        np.float32
    )
    environment = build_environment(radiance)
    axes = axes_from_world(np.array(up, float), np.array([0.3, 0.2, 0.9]), turn)
    small = Material("", (0.0, 0.0, 0.0), 1.0)
    tracer = one(small, size=(0.01, 0, 0), environment=environment, axes=axes)
    view = looking(size=(24, 32), fov=80)
    ways = rays(view.intrinsics, 24, 32)
    ways /= np.linalg.norm(ways, axis=-1, keepdims=True)
    truth = lookup(radiance, np.einsum("hwc,ec->hwe", ways, axes).astype(np.float32))
    found = tracer.trace(view, 8, 0)
    found[MIDDLE] = truth[MIDDLE]
    np.testing.assert_allclose(found, truth, rtol=0.02)
    # And the light that a white ball gets from it is the environment's own.
    ball = one(Material("", (1.0, 1.0, 1.0), 0.5), environment=environment, axes=axes)
    lit = ball.trace(looking(), 64, 0)[MIDDLE].mean((0, 1))
    towards = np.einsum("c,ec->e", [0, 0, -1.0], axes).astype(np.float32)
    around = np.einsum("k,kc->c", harmonic_basis(towards[None])[0], environment.harmonics)
    np.testing.assert_allclose(lit, around, rtol=0.08)  # a coat, and Burley's own few percent


def test_glass_lets_light_through():
    glass = one(Material("", (0.0, 0.0, 0.0), 1.0, opacity=0.25), "plane", (1, 1, 0))
    found = glass.trace(looking(), 256, 0)[MIDDLE].mean()
    assert 0.72 < found < 0.8


def test_the_same_seed_traces_the_same_image():
    tracer = one(Material("", (0.7, 0.5, 0.3), 0.4))
    first, again, other = (tracer.trace(looking(), 4, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


@pytest.mark.parametrize("centre", [(32, 24), (39, 19), (20.5, 30), (31, 24.5)])
@pytest.mark.parametrize("aperture", [0.0, 1e-5])
def test_rays_leave_through_their_pixels_whatever_the_lens(centre, aperture):
    lens = np.array([[62, 0, centre[0]], [0, 62, centre[1]], [0, 0, 1.0]])
    pose = turned((1, 2, 3), 0.7, (1, 2, 3))
    sensor = sensor_of(View(lens, pose, HEIGHT, WIDTH, aperture, 5.0))
    assert list(sensor.film().crop_size()) == [WIDTH, HEIGHT]
    u, v = np.array([0.5, 63.5, 20.25, 40.0]), np.array([0.5, 47.5, 11.0, 33.3])
    rays = rays_through(sensor, u / WIDTH, v / HEIGHT)
    ways = np.concatenate([np.array(ray.d).reshape(3, -1).T for ray in rays]) @ pose[:3, :3]
    truth = np.stack([(u - centre[0]) / 62, (v - centre[1]) / 62], axis=1)
    np.testing.assert_allclose(ways[:, :2] / ways[:, 2:], truth, atol=1e-4)


def test_an_open_lens_blurs_what_is_out_of_focus():
    tracer = one(Material("", (0.0, 0.0, 0.0), 1.0))

    def edge(focus):
        view = replace(looking(size=(48, 64)), aperture=0.3, focus=focus)
        row = tracer.trace(view, 128, 0)[24, :, 0]
        return np.abs(np.diff(row)).max()

    assert edge(3.9) > 2 * edge(1.0)


SCALAR = """
import numpy as np
from simlift.engines.pathtraced._mitsuba import LIBRARY, mi
from simlift.engines.pathtraced._tracer import Tracer, View
from simlift.core.scene_geometry import Material, Part, SceneGeometry
from simlift.pixels.light.environment import build_environment
from simlift.pixels.geometry.projection import pinhole
from simlift.pixels.geometry.primitives import primitive
assert LIBRARY is None and mi.variant() == "scalar_rgb", (LIBRARY, mi.variant())
shape = primitive("sphere", np.array([1.0, 0, 0]))
names = ("vertices", "normals", "uv")
part = Part(1, 0, *(getattr(shape, n).astype(np.float32) for n in names),
            shape.faces.astype(np.int32))
tracer = Tracer(SceneGeometry((Material("", (0.5, 0.5, 0.5), 1.0),), (part,)), frozenset({1}),
                build_environment(np.ones((64, 128, 3), np.float32)), np.eye(3), still={},
                emission=0.0, bounces=6)
pose = np.eye(4)
tracer.pose({1: pose})
pose[2, 3] = -4
view = View(pinhole(12, 16, np.radians(40)), pose, 12, 16)
near = tracer.trace(view, 16, 1)
moved = np.eye(4)
moved[0, 3] = 50
tracer.pose({1: moved})
away = tracer.trace(view, 4, 1)
print(near[5:7, 7:9].mean(), near[0, 0].mean(), away.mean())
"""


def test_without_llvm_the_scalar_renderer_does_the_same():
    environment = os.environ | {"DRJIT_LIBLLVM_PATH": "/nowhere/libLLVM.so"}
    run = subprocess.run([sys.executable, "-c", SCALAR], env=environment, capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    ball, sky, away = map(float, run.stdout.split())
    assert 0.49 < ball < 0.57
    assert sky == pytest.approx(1, abs=1e-4)
    assert away == pytest.approx(1, abs=1e-4)  # the ball was moved out of the picture


# --- motion -----------------------------------------------------------------------------------


def turned(axis, angle, place=(0, 0, 0)):
    pose = np.eye(4)
    axis = np.array(axis, float) / np.linalg.norm(axis)
    pose[:3, :3] = cv2.Rodrigues(axis * angle)[0]
    pose[:3, 3] = place
    return pose


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.25, 0.5, 1.0])
def test_between_two_poses_a_body_moves_and_turns_evenly(share):
    here = np.stack([turned((1, 2, 3), 0.4, (1, 2, 3)), np.eye(4)])
    there = here.copy()
    there[0] = turned((0, 0.6, 0.8), 1.2) @ here[0]
    there[0, :3, 3] = 3, 2, 1
    truth = here.copy()
    truth[0, :3, :3] = turned((0, 0.6, 0.8), 1.2 * share)[:3, :3] @ here[0, :3, :3]
    truth[0, :3, 3] = [1 + 2 * share, 2, 3 - 2 * share]
    np.testing.assert_allclose(between(here, there, share), truth, atol=1e-12)


@pytest.mark.parametrize("passes", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("instants", [1, 2, 4, 64])
def test_moments_of_the_shutter_lie_evenly_about_its_middle(passes, instants):
    moments = shutter_moments(0.5, instants, passes)
    assert len(moments) == passes
    assert moments == sorted(moments)
    assert len(set(moments)) == min(instants, passes)
    assert all(abs(m) < 0.25 for m in moments)
    if passes % min(instants, passes) == 0:
        np.testing.assert_allclose(moments, -np.array(moments)[::-1], atol=1e-12)
    assert shutter_moments(0.0, instants, passes) == [0.0] * passes


def test_a_moment_later_the_die_is_part_of_the_way_on(recorded):
    frames = frames_of(recorded)
    half = at_moment(frames[0], 0.5)
    previous, after = frames[0].objects.poses[0], frames[1].objects.poses[0]
    middle = (previous + after)[:, :3, 3] / 2
    np.testing.assert_allclose(half.objects.poses[0, :, :3, 3], middle, atol=1e-9)
    assert at_moment(frames[0], 0.0) is frames[0]
    last = at_moment(frames[-1], 1.0)  # the last frame goes on as it came
    step = frames[-1].objects.poses[0] - frames[-2].objects.poses[0]
    die = int(np.abs(step).sum((1, 2)).argmax())
    speed = np.linalg.norm(step[die, :3, 3])
    moved = np.linalg.norm((last.objects.poses - frames[-1].objects.poses)[0, die, :3, 3])
    assert moved == pytest.approx(speed, rel=0.05)


# --- the engine's value and its checks --------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"bounces": 0}, {"instants": 65}])
def test_settings_out_of_range_are_refused_in_words(wrong):
    (name,) = wrong
    with pytest.raises(RecipeError, match=rf"pathtraced\.{name}.*allowed: 1 to"):
        PathTraced(**wrong)


def test_a_clip_without_a_scene_is_refused_in_words(tmp_path):
    clip = open_clip(builders.native(tmp_path / "plain", count=2))
    with pytest.raises(ClipError, match=r"does not carry its scene.*simlift record"):
        PathTraced().check(clip)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"camera": None}, "carries its scene but not its camera"),
        ({"objects": None}, "carries its scene but not the poses of its bodies"),
    ],
)
def test_a_scene_without_its_motion_is_refused_in_words(recorded, change, words):
    with pytest.raises(ClipError, match=words):
        PathTraced().check(replace(recorded, **change))


@pytest.mark.parametrize("spec", [PathTraced(), Photographic()])
def test_a_scene_of_unknown_bodies_is_refused_in_words(clip, spec):
    geometry = read_gltf(clip.scene)
    strange = replace(geometry, parts=(*geometry.parts, replace(geometry.parts[0], id=4000)))
    write_gltf(clip.scene, strange)
    with pytest.raises(ClipError, match=r"bodies \[4000\].*objects\.npz"):
        spec.check(clip)


@pytest.mark.parametrize("spec", [PathTraced(), Photographic()])
def test_a_cut_scene_is_refused_in_words(clip, spec):
    clip.scene.write_bytes(clip.scene.read_bytes()[:-100])
    with pytest.raises(ClipError, match=r"scene\.glb.*bytes are there.*record the clip again"):
        spec.check(clip)


def test_the_light_of_a_scene_is_told_from_that_of_images(recorded):
    def among(clip, look=Look()):
        stages = {stage.name: stage for stage in Photographic(look).check(clip)}
        return stages["light among surfaces"]

    assert among(recorded).reason == "of the scene it carries"
    assert among(replace(recorded, scene=None)).reason == "of what the images show"
    assert not among(recorded, Look(light=Light(bounces=False))).on
    assert not among(replace(recorded, camera=None)).on


def test_pixels_that_are_not_square_are_refused_in_words(recorded):
    stretched = recorded.camera.intrinsics.copy()
    stretched[:, 1, 1] *= 1.05
    camera = replace(recorded.camera, intrinsics=stretched)
    with pytest.raises(ClipError, match=r"pixels.*square"):
        PathTraced().check(replace(recorded, camera=camera))


def test_what_will_run_is_said(recorded):
    stages = PathTraced(samples=32).check(recorded)
    assert stages[0].name == "light"
    assert "32 paths" in stages[0].reason
    assert {"light", "exposure"} <= {stage.name for stage in stages}


# --- the twin ---------------------------------------------------------------------------------

PLAIN = PathTraced(
    Look(light=Light(environment="overcast"), optics=Optics(shutter=0.5)),
    samples=4,
    bounces=3,
)


class Interrupted(Exception):
    """The power cut."""


class Cut:
    """Progress that ends with the power, after some frames."""

    def __init__(self, after):
        self.after = after

    @contextmanager
    def task(self, name, frames):
        def step(count):
            self.after -= count
            if self.after <= 0:
                raise Interrupted

        yield step


def test_exposure_is_metered_once_and_held(recorded):
    with recorded.open(PLAIN.needs() | PLAIN.uses()) as reader:
        sample, again = sample_clip(reader), sample_clip(reader)
    locked = lock_exposure(PLAIN.look, sample)
    assert locked.exposure.manual is not None
    assert all(0.01 < gain < 100 for gain in locked.exposure.manual)
    assert lock_exposure(PLAIN.look, again) == locked
    assert lock_exposure(locked, sample) is locked
    assert replace(locked, exposure=PLAIN.look.exposure) == PLAIN.look


def test_a_twin_of_a_scene_keeps_the_scenes_own_colours():
    spec = twin_spec("tabletop", None, 16)
    assert spec.samples == 16
    assert spec.look.albedo.saturation == 1
    assert spec.look.albedo.lift == 0
    assert spec.look.materials.strength == 0


def test_a_look_with_depth_of_field_is_traced_through_an_open_lens(recorded):
    """Near and far things blur, what is in focus does not: the pinhole's image tells."""
    images = []
    for f_number in (None, 0.7):
        optics = Optics(f_number=f_number, focus=3.3, sensor_width_mm=100.0)
        spec = PathTraced(replace(PLAIN.look, optics=optics), samples=8, bounces=1)
        with recorded.open(spec.needs() | spec.uses()) as reader, spec.open("cpu") as engine:
            sample = sample_clip(reader)
            constants = engine.camera.constants(sample, 0)
            images.append(engine.radiance(reader.window([0]), sample, constants, 0))
    sharp, blurred = (np.abs(np.diff(image.mean(-1), axis=1)) for image in images)
    assert np.isfinite(images[1]).all()
    np.testing.assert_allclose(images[1].mean(), images[0].mean(), rtol=0.1)
    assert blurred.max() < 0.98 * sharp.max()


@pytest.fixture(scope="module")
def whole(recorded, tmp_path_factory):
    """A clip whose twin was rendered in one go."""
    folder = tmp_path_factory.mktemp("whole") / "clip"
    shutil.copytree(recorded.path, folder)
    assert record_twin(open_clip(folder), PLAIN, Silent()) == folder / "twin.json"
    return folder


def test_a_twin_is_a_layer_with_its_settings(whole):
    clip = open_clip(whole)
    assert Layer.TWIN in clip
    assert not (whole / ".twin").exists()
    found = twin_settings(clip)
    assert found.look.exposure.manual is not None
    assert replace(found, look=replace(found.look, exposure=PLAIN.look.exposure)) == PLAIN
    frames = builders.read(clip, Layer.TWIN, range(FRAMES))
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert 40 < frames.mean() < 215
    # The die flies through its frames.
    assert np.abs(frames[0].astype(int) - frames[2]).max() > 60


def test_a_killed_twin_goes_on_and_ends_the_same(whole, clip):
    with pytest.raises(Interrupted):
        record_twin(clip, PLAIN, Cut(after=2))
    kept = sorted(path.name for path in (clip.path / ".twin").glob("0*.png"))
    assert kept == ["000000.png", "000001.png"]
    assert Layer.TWIN not in open_clip(clip.path)
    (clip.path / ".twin" / "000000.png").unlink()
    (clip.path / ".twin" / ".partial.png").write_bytes(b"half a fra")
    record_twin(open_clip(clip.path), PLAIN, Silent())
    assert (clip.path / "twin.mp4").read_bytes() == (whole / "twin.mp4").read_bytes()
    assert (clip.path / "twin.json").read_text() == (whole / "twin.json").read_text()
    assert not (clip.path / ".twin").exists()


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, samples=5),
        replace(PLAIN, look=replace(PLAIN.look, exposure=Exposure(manual=(1.0, 1.0, 1.0)))),
    ],
    ids=["samples", "look"],
)
def test_frames_of_other_settings_are_refused_in_words(whole, clip, other):
    (clip.path / ".twin").mkdir()
    shutil.copy(whole / "twin.json", clip.path / ".twin")
    with pytest.raises(RunError, match=r"other settings.*remove the folder"):
        record_twin(clip, other, Silent())


def test_a_clip_that_has_its_twin_is_not_rendered_again(whole):
    with pytest.raises(ClipError, match=r"has a twin already.*clip\.json"):
        record_twin(open_clip(whole), PLAIN, Silent())
