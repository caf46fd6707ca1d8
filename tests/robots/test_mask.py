"""The mask of a robot: as MuJoCo segments the same model, as a layer of a clip, and refused."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from tiny import clips, datasets, robots

from simlift.core.camera import Camera, Objects
from simlift.core.errors import InputError
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions
from simlift.robots.description import model_at, read_description
from simlift.robots.render import MeshSource, in_view, robot_ids, robot_links
from simlift.robots.tree import Joint, KinematicTree
from simlift.sources import open_clips
from simlift.sources.robot_mask import with_robot_mask

LENS = np.array([[40.0, 0, 16.0], [0, 40.0, 12.0], [0, 0, 1.0]])
# The front camera of the dataset stands at y = -1, z = 0.5 and looks along +y.
POSE = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0.5], [0, 1, 0, 1], [0, 0, 0, 1]])
HALF = 0.1


def gantry(path, shape='<box size="0.2 0.2 0.2"/>', tag="visual"):
    """The gantry of the datasets, with something to see at its tip."""
    robots.gantry(path)
    text = path.read_text()
    shown = f'<link name="tip"><{tag}><geometry>{shape}</geometry></{tag}></link>'
    assert '<link name="tip"/>' in text
    path.write_text(text.replace('<link name="tip"/>', shown))


def description(folder, **changes):
    names = ["slide_x", "slide_y", "slide_z"]
    told = {
        "format": "simlift-robot/1",
        "model": "gantry.urdf",
        "joints": [{"column": "observation.state", "names": names, "unit": "radians"}],
        "arms": [{"name": "gantry", "end_effector": "tip"}],
        "cameras": {
            "front": {
                "size": [datasets.WIDTH, datasets.HEIGHT],
                "intrinsics": [40, 40, 16, 12],
                "pose": POSE.tolist(),
                "direction": "world_to_camera",
                "axes": "opencv",
            }
        },
        **changes,
    }
    file = folder / "robot.json"
    file.write_text(json.dumps(told))
    return file


@pytest.fixture
def dataset(tmp_path):
    gantry(tmp_path / "gantry.urdf")
    return datasets.lerobot_v3(tmp_path / "data")


def opened(dataset, file):
    return open_clips(dataset, ReadOptions(robot=file), episodes="0")[0]


def front_of(place):
    """Columns and rows, from first to last, of the face of the box that the camera sees."""
    x, y, z = POSE[:3, :3] @ place + POSE[:3, 3]
    near = z - HALF
    u = LENS[0, 0] * (x + np.array([-HALF, HALF])) / near + LENS[0, 2]
    v = LENS[1, 1] * (y + np.array([-HALF, HALF])) / near + LENS[1, 2]
    return np.ceil(u - 0.5).astype(int), np.ceil(v - 0.5).astype(int)


def test_a_clip_without_ids_gets_those_of_its_robot(dataset, tmp_path):
    clip = opened(dataset, description(tmp_path))
    ids = clips.read(clip, Layer.SEGMENTATION, range(clip.num_frames))
    assert ids.dtype == np.int32
    assert ids.shape == (clip.num_frames, datasets.HEIGHT, datasets.WIDTH)
    for t, place in enumerate(datasets.hand(0, clip.num_frames)):
        (left, right), (top, bottom) = front_of(place)
        front = ids[t, max(top, 0) : bottom, max(left, 0) : right]
        assert front.size
        assert (front == 1).all()
        # The sides of the box are seen too, but never beyond its own bounds.
        assert (ids[t] == 1).sum() < 1.5 * 9 * 9
    assert clip.ids_of(["robot"]) == {1}
    assert Layer.DEPTH not in clip
    assert any("rendered from the visual shapes" in note for note in clip.notes)
    names = {path.name for path in clip.files}
    assert {"gantry.urdf", "robot.json", "file-000.parquet"} <= names


def test_frames_are_the_same_in_any_order_and_in_another_process(dataset, tmp_path):
    clip = pickle.loads(pickle.dumps(opened(dataset, description(tmp_path))))
    every = clips.read(clip, Layer.SEGMENTATION, range(clip.num_frames))
    np.testing.assert_array_equal(clips.read(clip, Layer.SEGMENTATION, [2, 7]), every[[2, 7]])


def test_shapes_that_robots_collide_by_are_taken_only_where_they_are_asked_for(dataset, tmp_path):
    gantry(tmp_path / "gantry.urdf", tag="collision")
    clip = opened(dataset, description(tmp_path))
    assert Layer.SEGMENTATION not in clip
    assert any("no visual shapes" in note for note in clip.notes)
    clip = opened(dataset, description(tmp_path, meshes="collision"))
    assert clips.read(clip, Layer.SEGMENTATION, [0]).any()
    assert any("rendered from the collision shapes" in note for note in clip.notes)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ('<mesh filename="tip.stl"/>', "'tip' names the mesh 'tip.stl', which is not there"),
        ('<mesh filename="tip.dae"/>', "allowed: .stl .obj; way out: convert it"),
    ],
)
def test_a_mesh_that_cannot_be_read_is_told_when_the_clip_is_opened(
    dataset, tmp_path, shape, words
):
    gantry(tmp_path / "gantry.urdf", shape)
    with pytest.raises(InputError, match=words):
        opened(dataset, description(tmp_path))
    clip = opened(dataset, description(tmp_path, meshes="none"))
    assert clip.robot is not None
    assert Layer.SEGMENTATION not in clip


def test_a_robot_that_no_camera_sees_gets_no_mask(dataset, tmp_path):
    assert Layer.SEGMENTATION not in opened(dataset, description(tmp_path, cameras={}))


def test_of_a_world_the_robot_is_the_branch_of_its_arm():
    def fixed(parent, child):
        return Joint(f"{parent}-{child}", "fixed", parent, child, np.eye(4), np.zeros(3))

    links = ["world", "base", "hand", "finger", "table", "cup"]
    joints = [
        fixed(*pair)
        for pair in (
            ("world", "base"), ("base", "hand"), ("hand", "finger"),
            ("world", "table"), ("table", "cup"),
        )
    ]  # fmt: skip
    tree = KinematicTree.of("scene.xml", links, joints, frozenset({"world"}))
    assert robot_links(tree, ["hand"]) == ("base", "hand", "finger")
    assert robot_links(tree, []) == ()
    with pytest.raises(InputError, match="no link 'claw'"):
        robot_links(tree, ["claw"])
    alone = KinematicTree.of("arm.urdf", links[1:4], joints[1:3])
    assert robot_links(alone, ["base"]) == ("base", "hand", "finger")


MJCF = """<mujoco>
  <asset><mesh name="wedge" vertex="0 0 0 .3 0 0 0 .2 0 0 0 .4"/></asset>
  <worldbody>
    <geom type="plane" size="2 2 .1"/>
    <body name="base" pos="0 0 .2">
      <geom type="cylinder" size=".12 .2"/>
      <body name="upper" pos="0 0 .2"><joint name="a" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0 0 .5" size=".07"/>
        <geom type="sphere" size=".2" group="3" rgba="1 0 0 1"/>
        <body name="hand" pos="0 0 .5"><joint name="b" axis="1 0 0" pos="0 .05 0"/>
          <geom type="box" size=".05 .15 .1" pos="0 0 .05" euler="20 0 40"/>
          <geom type="mesh" mesh="wedge" pos=".05 0 .1"/>
          <geom type="ellipsoid" size=".05 .1 .2" pos="-.2 0 .1"/>
        </body>
      </body>
    </body>
    <body name="cup" pos=".5 -.6 .1"><freejoint/><geom type="sphere" size=".1"/></body>
  </worldbody>
</mujoco>"""


@pytest.mark.mujoco
def test_the_mask_is_that_of_mujoco(tmp_path):
    mujoco = pytest.importorskip("mujoco")
    file = tmp_path / "scene.xml"
    file.write_text(MJCF)
    model = mujoco.MjModel.from_xml_path(str(file))
    data = mujoco.MjData(model)
    data.qpos[:2] = 0.4, -0.7
    mujoco.mj_forward(model, data)
    height, width = 240, 320
    view = mujoco.MjvCamera()
    view.lookat, view.distance, view.azimuth, view.elevation = (0, 0, 0.5), 2.0, 130, -20
    with mujoco.Renderer(model, height, width) as renderer:
        renderer.update_scene(data, view)
        eyes = renderer.scene.camera
        renderer.enable_segmentation_rendering()
        ids, kinds = np.moveaxis(renderer.render(), -1, 0)
        renderer.disable_segmentation_rendering()
        renderer.enable_depth_rendering()
        true_depth = renderer.render()
    bodies = np.where(kinds == int(mujoco.mjtObj.mjOBJ_GEOM), model.geom_bodyid[ids], 0)
    theirs = np.isin(bodies, [model.body(name).id for name in ("base", "upper", "hand")])

    forward, up = np.array(eyes[0].forward), np.array(eyes[0].up)
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = np.stack([np.cross(forward, up), -up, forward])
    world_to_camera[:3, 3] = -world_to_camera[:3, :3] @ (np.array(eyes[0].pos) + eyes[1].pos) / 2
    focal = height / 2 / np.tan(np.radians(model.vis.global_.fovy) / 2)
    lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])

    meshes = MeshSource(file, "visual", ("hand",)).load()
    assert meshes.links == ("base", "upper", "hand")
    tree = model_at(file).tree
    poses = tree.poses({"a": np.array([0.4]), "b": np.array([-0.7])})[0]
    chosen = poses[[tree.links.index(link) for link in meshes.links]]
    mine, depth = robot_ids(meshes, chosen, lens, world_to_camera, (height, width))
    mask = mine == 1
    assert theirs.sum() > 5000
    assert (mask & theirs).sum() / (mask | theirs).sum() > 0.98
    both = mask & theirs
    assert np.median(np.abs(depth - true_depth)[both]) < 1e-3  # facets of round shapes differ
    # What robots collide by is another choice: the sphere that is not drawn is among it.
    colliding = MeshSource(file, "collision", ("hand",)).load()
    wide, _ = robot_ids(colliding, chosen, lens, world_to_camera, (height, width))
    assert (wide == 1).sum() > 1.05 * mask.sum()


def test_a_robot_that_is_never_in_view_is_told(dataset, tmp_path):
    assert not any("in no frame" in note for note in opened(dataset, description(tmp_path)).notes)
    cameras = json.loads(description(tmp_path).read_text())["cameras"]
    cameras["front"]["axes"] = "opengl"  # looks the other way
    clip = opened(dataset, description(tmp_path, cameras=cameras))
    assert any("in view of the camera in no frame" in note for note in clip.notes)
    assert not clips.read(clip, Layer.SEGMENTATION, range(clip.num_frames)).any()


def test_where_a_robot_cannot_be_seen_no_pixel_is_its(dataset, tmp_path):
    """Cameras from all sides: what is said to be out of view renders to nothing."""
    rng = np.random.default_rng(2)
    count = 200
    meshes = MeshSource(tmp_path / "gantry.urdf", "visual", ("tip",)).load()
    turns = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    turns *= np.linalg.det(turns)[:, None, None]
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = turns, rng.uniform(-0.6, 0.6, (count, 3))
    camera = Camera(np.tile(LENS, (count, 1, 1)), poses, np.array([0.0, 0, 1]))
    at_origin = np.tile(np.eye(4), (count, 1, 1, 1))
    maybe = in_view(meshes, at_origin, camera, (24, 32))
    seen = [
        bool(robot_ids(meshes, at_origin[t], LENS, poses[t], (24, 32))[0].any())
        for t in range(count)
    ]
    assert not (np.array(seen) & ~maybe).any()
    assert 20 < np.sum(seen) <= maybe.sum() < 100


def test_bodies_without_ids_leave_the_mask_out(dataset, tmp_path):
    """Motion would take bodies that are not in the mask for still ground."""
    file = description(tmp_path)
    clip = opened(dataset, file)
    plain = replace(clip, layers=clip.layers[:1], labels={})
    poses = np.tile(np.eye(4), (clip.num_frames, 1, 1, 1))
    bodies = replace(plain, objects=Objects(np.array([1]), poses))
    told = read_description(file)
    # Without depth there is no such motion, and the robot gets an id of its own.
    assert with_robot_mask(bodies, told, file).ids_of(["robot"]) == {2}
    depth = replace(clip.layers[-1], layer=Layer.DEPTH)
    deep = replace(bodies, layers=(*plain.layers, depth))
    left = with_robot_mask(deep, told, file)
    assert Layer.SEGMENTATION not in left
    assert "no mask of the robot" in left.notes[-1]


def test_a_camera_of_every_frame_is_used(dataset, tmp_path):
    file = description(tmp_path)
    clip = opened(dataset, file)
    moved = clip.camera.world_to_camera.copy()
    moved[1:, 2, 3] = -5.0  # the camera has passed the robot
    camera = Camera(clip.camera.intrinsics, moved, clip.camera.up)
    plain = replace(clip, layers=clip.layers[:1], labels={}, camera=camera)
    masked = with_robot_mask(plain, read_description(file), file)
    seen = clips.read(masked, Layer.SEGMENTATION, range(clip.num_frames)).any((1, 2))
    assert seen.tolist() == [True] + [False] * (clip.num_frames - 1)
