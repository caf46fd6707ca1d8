"""Embedded recorders: layers, poses and physics agree with each other and with closed forms."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.media.gltf.reader import read_gltf
from simlift.pixels.colour.spaces import srgb_to_linear
from simlift.simulators import Drive, ModelScene, Tabletop
from simlift.simulators.record import record
from simlift.sources import open_clip

pytestmark = pytest.mark.mujoco

SMALL = {"height": 90, "width": 160}

ONE_BOX = """
<mujoco>
  <visual><global fovy="60"/></visual>
  <worldbody>
    <light pos="1 1 3" dir="-1 -1 -3"/>
    <geom name="wall" type="box" size="0.1 5 5" pos="4.1 0 0" rgba="0.6 0.2 0.4 1"/>
    <body name="ball" pos="2 0 0">
      <freejoint/>
      <geom type="sphere" size="0.25" rgba="0.1 0.5 0.9 1"/>
    </body>
    <camera name="ahead" pos="0 0 0" xyaxes="0 -1 0 0 0 1" fovy="60"/>
    <camera name="aside" pos="0 1 0" xyaxes="0 -1 0 0 0 1" fovy="40"/>
  </worldbody>
</mujoco>
"""


@pytest.fixture
def one_box(tmp_path):
    path = tmp_path / "one_box.xml"
    path.write_text(ONE_BOX)
    return path


def landed(before, after, ids):
    """Carry every pixel of a frame to the next by depth, camera and poses.

    Return the share that is there: between the four pixels around it, one of which has its id,
    their depths reach to within one percent of its own.
    """
    height, width = before.depth.shape
    hit = np.isfinite(before.depth)
    row, column = np.nonzero(hit)
    z = before.depth[hit].astype(float)
    k = before.intrinsics
    x, y = (column + 0.5 - k[0, 2]) / k[0, 0] * z, (row + 0.5 - k[1, 2]) / k[1, 1] * z
    world = np.stack([x, y, z, np.ones_like(z)], 1) @ np.linalg.inv(before.world_to_camera).T
    motion = after.object_poses @ np.linalg.inv(before.object_poses)
    index = np.searchsorted(ids, before.segmentation[hit])
    assert np.array_equal(ids[index], before.segmentation[hit]), "a pixel's id has no pose"
    moved = np.einsum("nij,nj->ni", motion[index], world) @ after.world_to_camera.T
    pixel = moved[:, :3] @ after.intrinsics.T
    u, v = pixel[:, 0] / pixel[:, 2] - 0.5, pixel[:, 1] / pixel[:, 2] - 0.5
    inside = (moved[:, 2] > 0) & (u >= 0) & (u < width - 1) & (v >= 0) & (v < height - 1)
    top, left = v[inside].astype(int), u[inside].astype(int)
    corners = [(top + i, left + j) for i in (0, 1) for j in (0, 1)]
    same = np.any([after.segmentation[at] == before.segmentation[hit][inside] for at in corners], 0)
    depths = np.array([after.depth[at] for at in corners])
    near, far = depths.min(axis=0) * 0.99, depths.max(axis=0) * 1.01
    found = same & (near <= moved[inside, 2]) & (moved[inside, 2] <= far)
    return float(found.mean())


def test_importing_and_describing_scenes_needs_no_simulator():
    code = (
        "import sys; import simlift.simulators as s; s.Tabletop(); s.Drive();"
        "assert not {'mujoco', 'gymnasium_robotics'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_layers_agree_with_closed_forms(one_box):
    scene = ModelScene(one_box, camera="ahead", num_frames=2, **SMALL)
    recording = scene.simulate(0)
    frame = next(recording.render())
    focal = 45 / np.tan(np.deg2rad(30))
    expected = [[focal, 0, 80], [0, focal, 45], [0, 0, 1]]
    np.testing.assert_allclose(frame.intrinsics, expected, rtol=1e-5, atol=1e-4)
    names = {label.name: number for number, label in recording.labels.items()}
    wall, ball = (frame.segmentation == names[name] for name in ("wall", "ball"))
    np.testing.assert_allclose(frame.depth[wall], 4.0, rtol=1e-4)
    # The camera looks along +x at a sphere of 0.25 m whose centre is 2 m away.
    row, column = np.nonzero(ball)
    ray = np.stack([(column + 0.5 - 80) / focal, (row + 0.5 - 45) / focal, np.ones(len(row))], 1)
    b, a = 2.0 * ray[:, 2], (ray**2).sum(axis=1)
    exact = (b - np.sqrt(b * b - a * (4 - 0.25**2))) / a
    assert np.abs(frame.depth[ball] - exact).max() < 0.02  # MuJoCo's spheres have facets
    np.testing.assert_array_equal(frame.albedo[5, 5], np.round(np.array([0.6, 0.2, 0.4]) * 255))
    assert abs(frame.albedo[45, 80].astype(int) - np.array([26, 128, 230])).max() <= 1
    np.testing.assert_allclose(frame.world_to_camera[2, :3], [1, 0, 0], atol=1e-6)


ORTHOGRAPHIC = """<mujoco><visual><global orthographic="{scene}" fovy="3"/></visual><worldbody>
  <geom type="box" pos="0 2 0" size=".4 .1 .4"/>{camera}</worldbody></mujoco>"""
PARALLEL = '<camera name="flat" projection="orthographic" fovy="3"/>'


@pytest.mark.parametrize(
    ("scene", "camera", "words"),
    [
        ("false", PARALLEL, "the camera flat is orthographic"),
        ("true", "", "the free camera .* is orthographic"),
    ],
)
def test_a_camera_of_parallel_rays_is_refused_before_the_first_frame(
    tmp_path, scene, camera, words
):
    path = tmp_path / "flat.xml"
    path.write_text(ORTHOGRAPHIC.format(scene=scene, camera=camera))
    with pytest.raises(RecipeError, match=rf"flat.xml: {words}.*a clip's camera is a pinhole"):
        record(ModelScene(path, num_frames=1, **SMALL), tmp_path / "clip", 0, lambda _: None)
    assert not (tmp_path / "clip").exists()


def test_a_perspective_camera_beside_an_orthographic_one_is_recorded(tmp_path):
    path = tmp_path / "both.xml"
    other = '<camera name="deep" xyaxes="1 0 0 0 0 1" fovy="40"/>'
    path.write_text(ORTHOGRAPHIC.format(scene="true", camera=PARALLEL + other))
    scene = ModelScene(path, camera="deep", num_frames=1, **SMALL)
    frame = next(scene.simulate(0).render())
    assert frame.depth.min() == pytest.approx(1.9, abs=1e-3)


def test_the_field_of_older_mujocos_is_read():
    from simlift.simulators.mujoco._episode import orthographic_cameras

    older = SimpleNamespace(cam_orthographic=np.array([0, 1]), ncam=2)
    assert orthographic_cameras(older) == [False, True]
    assert orthographic_cameras(SimpleNamespace(ncam=1)) == [False]
    assert orthographic_cameras(SimpleNamespace(cam_projection=np.array([1, 0]))) == [True, False]


def test_a_camera_with_a_sensor_and_an_off_centre_principal_point_is_honoured(one_box):
    """MuJoCo counts the principal point from the sensor's centre, right and up."""
    lens = """<camera name="lens" pos="0 0 0" xyaxes="0 -1 0 0 0 1" resolution="160 90"
      sensorsize="0.016 0.009" focalpixel="140 130" principalpixel="12 -7"/>"""
    one_box.write_text(ONE_BOX.replace("<camera", lens + "<camera", 1))
    frame = next(ModelScene(one_box, camera="lens", num_frames=1, **SMALL).simulate(0).render())
    k = frame.intrinsics
    np.testing.assert_allclose((k[0, 0], k[1, 1]), (140, 130), rtol=1e-4)
    # The ball, 2 m ahead on the camera's axis, is seen where the intrinsics put it.
    rows, columns = np.nonzero(frame.segmentation == frame.segmentation[frame.depth < 3.5][0])
    seen = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
    np.testing.assert_allclose(seen, (k[0, 2], k[1, 2]), atol=1)
    assert abs(k[0, 2] - 80) > 10
    assert abs(k[1, 2] - 45) > 5


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MUJOCO_GL": "nonsense"}, "MUJOCO_GL nonsense"),
        ({"MUJOCO_GL": "disable"}, "MUJOCO_GL disable"),
        ({"MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "osmesa"}, "MUJOCO_GL egl"),
    ],
)
def test_a_machine_without_opengl_is_told_what_it_lacks(tmp_path, variables, words):
    code = (
        "import simlift.passes.record as r; from simlift.scale.progress import Silent;"
        "from simlift.core.errors import RunError; from pathlib import Path\n"
        f"try: r.record_scene('tabletop', Path({str(tmp_path / 'clip')!r}), Silent())\n"
        "except RunError as error: print(error)"
    )
    made = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"MuJoCo's OpenGL ({words}): cannot draw here" in made.stdout
    assert "way out: MUJOCO_GL=egl with apt install libegl1" in made.stdout
    assert not (tmp_path / "clip").exists()
    assert made.stderr == ""


def test_a_material_layer_holds_what_the_model_states(one_box):
    """Roughness, metal and emission of 255, to the byte; of gloss alone, roughness by its lobe."""
    stated = """<asset>
        <material name="steel" rgba=".8 .8 .8 1" roughness="0.2" metallic="1"/>
        <material name="lamp" rgba="1 1 1 1" roughness="0.6" emission="0.4"/>
        <material name="glossy" rgba=".5 .2 .2 1" specular="1" shininess="1"/>
        <material name="matt" rgba=".5 .2 .2 1" specular="0" shininess="1"/>
      </asset>"""
    kinds = ("steel", "lamp", "glossy", "matt")
    geoms = "".join(
        f'<geom name="{kind}" type="box" size=".05 .15 .15" pos="3 {0.6 - 0.4 * i} .6" '
        f'material="{kind}"/>'
        for i, kind in enumerate(kinds)
    )
    text = ONE_BOX.replace("<worldbody>", f"{stated}<worldbody>{geoms}")
    one_box.write_text(text.replace('size="0.1 5 5"', 'size="0.1 .9 .9"'))
    recording = ModelScene(one_box, camera="ahead", num_frames=1, **SMALL).simulate(0)
    frame = next(recording.render())
    found = {
        label.name: frame.material[frame.segmentation == number]
        for number, label in recording.labels.items()
    }
    assert all(len(found[kind]) > 20 for kind in kinds)
    lobe = (2 / 130) ** 0.25  # GGX of a Blinn-Phong lobe of 128
    expected = {
        "steel": (51, 255, 0),
        "lamp": (153, 0, 102),
        "glossy": (round(255 * lobe), 0, 0),
        "matt": (round(255 * 0.9), 0, 0),
    }
    for kind, values in expected.items():
        assert np.abs(found[kind].astype(int) - values).max() <= 1
    assert (frame.material[frame.segmentation == 0] == 0).all()
    assert (frame.segmentation == 0).any()


def test_a_recording_carries_its_scene_or_says_why_not(one_box, tmp_path):
    scene = ModelScene(one_box, camera="ahead", num_frames=2, **SMALL)
    frames = []
    assert record(scene, tmp_path / "whole", 0, frames.append) == ""
    assert frames == [1, 1]
    clip = open_clip(tmp_path / "whole")
    assert clip.scene == tmp_path / "whole" / "scene.glb"
    geometry = read_gltf(clip.scene)
    assert {part.id for part in geometry.parts} == set(clip.objects.ids.tolist())
    colours = sorted(tuple(round(c, 3) for c in m.colour) for m in geometry.materials)
    linear = srgb_to_linear(np.float32([[0.1, 0.5, 0.9], [0.6, 0.2, 0.4]]))
    np.testing.assert_allclose(colours, sorted(map(tuple, linear.tolist())), atol=1e-3)
    assert Layer.MATERIAL in clip

    soft = """<body pos="2 1 0"><freejoint/><geom size=".1"/><site name="a"/></body>
      <site name="b" pos="2 0 2"/></worldbody>
      <tendon><spatial><site site="a"/><site site="b"/></spatial></tendon>"""
    one_box.write_text(ONE_BOX.replace("</worldbody>", soft))
    why = record(scene, tmp_path / "soft", 0, frames.append)
    assert "tendons" in why
    assert open_clip(tmp_path / "soft").scene is None


def test_sky_is_infinitely_far_and_nothing(one_box):
    scene = ModelScene(one_box, camera="ahead", num_frames=1, **SMALL)
    one_box.write_text(ONE_BOX.replace('type="box" size="0.1 5 5"', 'type="box" size="0.1 .5 .5"'))
    frame = next(scene.simulate(0).render())
    sky = frame.segmentation == 0
    assert sky.any()
    assert np.array_equal(sky, np.isinf(frame.depth))


def test_a_falling_body_moves_by_its_pose(one_box):
    scene = ModelScene(one_box, camera="ahead", fps=30, num_frames=4, **SMALL)
    recording = scene.simulate(0)
    for before, after in itertools.pairwise(recording.render()):
        assert landed(before, after, recording.object_ids) > 0.97
        assert after.object_poses[0, 2, 3] < before.object_poses[0, 2, 3]


def test_an_unknown_camera_is_an_error_that_lists_those_there_are(one_box):
    with pytest.raises(RecipeError, match=r"no camera 'behind'.*ahead, aside"):
        ModelScene(one_box, camera="behind").simulate(0)
    with pytest.raises(RecipeError, match=r"no camera was chosen.*ahead, aside"):
        ModelScene(one_box).simulate(0)


def test_a_model_without_cameras_is_framed(one_box):
    lines = [line for line in ONE_BOX.splitlines() if "<camera" not in line]
    one_box.write_text("\n".join(lines))
    frame = next(ModelScene(one_box, num_frames=1, **SMALL).simulate(0).render())
    assert len(np.unique(frame.segmentation)) > 1


def test_an_actuated_tree_is_the_robot(one_box):
    arm = """<body name="upper" pos="1 0.5 0"><joint name="elbow" axis="0 1 0"/>
      <geom type="capsule" size="0.05" fromto="0 0 0 0 0 0.5"/></body></worldbody>
      <actuator><motor name="pull" joint="elbow"/></actuator>"""
    one_box.write_text(ONE_BOX.replace("</worldbody>", arm))
    recording = ModelScene(one_box, camera="ahead", num_frames=3, **SMALL).simulate(0)
    assert recording.robot.joint_names == ("elbow",)
    assert recording.robot.link_names == ("upper",)
    categories = {label.name: label.category for label in recording.labels.values()}
    assert categories == {"ball": "object", "upper": "robot", "wall": "static"}
    assert recording.actions.action_names == ("pull",)


def test_tabletop_too_short_is_refused_before_anything_runs():
    with pytest.raises(RecipeError, match=r"2\.5 s or more"):
        Tabletop(num_frames=24)


@pytest.mark.parametrize("seed", range(3))
def test_the_lemon_is_lifted_let_go_and_ends_in_the_bowl(seed):
    from simlift.simulators.tabletop._task import simulate_tabletop

    recordings, outcome = simulate_tabletop(**SMALL, fps=24, num_frames=72, seed=seed)
    recording = recordings["front"]
    assert outcome.lift > 0.10
    assert outcome.height_when_let_go > 0.03
    assert outcome.final_speed < 0.05
    assert recording.robot.link_poses.shape == (72, 11, 4, 4)
    assert recording.robot.gripper.min() < 0.75
    assert recording.robot.gripper.max() > 0.95
    assert recording.actions.action.shape == (72, 8)


@pytest.mark.parametrize("scene", [Tabletop(**SMALL), Drive(**SMALL)], ids=["tabletop", "drive"])
def test_pixels_move_with_their_poses(scene):
    recording = scene.simulate(0)
    episode = recording.render.__self__
    frames = list(replace(episode, states=episode.states[[20, 21, 40, 41]]).render())
    for before, after in (frames[:2], frames[2:]):
        # What is hidden in the next frame cannot land.
        assert landed(before, after, recording.object_ids) > 0.95


@pytest.mark.parametrize("scene", [Tabletop(**SMALL), Drive(**SMALL)], ids=["tabletop", "drive"])
def test_the_same_seed_gives_the_same_arrays(scene):
    first, second = (next(scene.simulate(3).render()) for _ in range(2))
    for name in (
        "rgb", "albedo", "material", "depth", "segmentation", "world_to_camera", "object_poses"
    ):  # fmt: skip
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
