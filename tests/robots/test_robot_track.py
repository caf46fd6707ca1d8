"""robot.json gives clips of a dataset their robot and camera, or says what does not fit."""

import json

import numpy as np
import pyarrow as pa
import pytest
from tiny import datasets, robots

from simlift.core.errors import ClipError, InputError, RecipeError
from simlift.core.read_options import ReadOptions
from simlift.sources import open_clips
from simlift.sources.robot_track import with_robot

COUNT = datasets.EPISODES[0]


@pytest.fixture
def dataset(tmp_path):
    return datasets.lerobot_v3(tmp_path / "data")


def description(folder, **changes):
    """A gantry whose slides are the three numbers of the state, which are where its tip was."""
    robots.gantry(folder / "gantry.urdf")
    told = {
        "format": "simlift-robot/1",
        "model": "gantry.urdf",
        "joints": [
            {
                "column": "observation.state",
                "names": ["slide_x", "slide_y", "slide_z"],
                "unit": "radians",
            }
        ],
        "arms": [
            {
                "name": "gantry",
                "end_effector": "tip",
                "gripper": {"column": "gripper", "closed": 0.0, "open": 1.0},
            }
        ],
        "checks": [{"link": "tip", "position": "observation.state", "unit": "m", "frame": "base"}],
        "cameras": {
            datasets.CAMERAS[0]: {
                "size": [64, 48],
                "intrinsics": [60, 60, 32, 24],
                "pose": np.eye(4).tolist(),
                "direction": "world_to_camera",
                "axes": "opencv",
            }
        },
        **changes,
    }
    file = folder / "robot.json"
    file.write_text(json.dumps({k: v for k, v in told.items() if v is not None}))
    return file


def opened(dataset, file):
    return open_clips(dataset, ReadOptions(robot=file), episodes="0")


def test_a_described_robot_moves_with_the_rows(dataset, tmp_path):
    first, second = opened(dataset, description(tmp_path))
    robot = first.robot
    np.testing.assert_allclose(
        robot.poses_of(("tip",))[:, 0, :3, 3], datasets.hand(0, COUNT), atol=1e-6
    )
    assert robot.arms[0].links == ("tip", "trolley", "bridge", "base")
    np.testing.assert_allclose(robot.arms[0].gripper, np.arange(COUNT) / COUNT)
    # A lens that was stated for larger pictures is scaled to those that are there.
    lens = first.camera.intrinsics[0]
    assert lens[0, 0] == pytest.approx(60 * first.width / 64)
    assert lens[1, 2] == pytest.approx(24 * first.height / 48)
    assert second.camera is None
    assert any("describes no camera" in note for note in second.notes)
    assert any("0.00 mm" in note for note in first.notes)


def test_a_base_and_a_camera_on_a_link(dataset, tmp_path):
    turn = [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]
    pose = np.eye(4)
    pose[2, 3] = 0.1
    file = description(
        tmp_path,
        base={"position": [1, 2, 3], "quaternion": turn, "order": "wxyz"},
        cameras={
            datasets.CAMERAS[0]: {
                "size": [32, 24],
                "fov_down": 90,
                "pose": pose.tolist(),
                "direction": "camera_to_link",
                "axes": "opengl",
                "link": "tip",
            }
        },
    )
    clip = opened(dataset, file)[0]
    x, y, z = datasets.hand(0, COUNT).T
    tip = clip.robot.poses_of(("tip",))[:, 0]
    np.testing.assert_allclose(tip[:, :3, 3], np.stack([1 - y, 2 + x, 3 + z], 1), atol=1e-6)
    seen = np.linalg.inv(clip.camera.world_to_camera)
    np.testing.assert_allclose(seen[:, :3, 3], tip[:, :3, 3] + [0, 0, 0.1], atol=1e-6)
    np.testing.assert_allclose(seen[:, :3, 2], np.tile([0, 0, -1.0], (COUNT, 1)), atol=1e-9)
    assert clip.camera.intrinsics[0, 1, 1] == pytest.approx(clip.height / 2)


def test_normalised_joints(dataset, tmp_path):
    """LeRobot's SO-101: -100..100 stands for a range of degrees of each joint."""
    robots.urdf(
        tmp_path / "hinges.urdf",
        "base a b c",
        robots.hinge("pan", "base", "a")
        + robots.hinge("lift", "a", "b")
        + robots.hinge("roll", "b", "c"),
    )
    file = description(
        tmp_path,
        model="hinges.urdf",
        joints=[
            {
                "column": "observation.state",
                "names": ["pan", "lift", "roll"],
                "unit": "normalised",
                "scale": [-100, 100],
                "ranges": [[-110, 110], [-100, 90], [0, 10]],
            }
        ],
        arms=[{"name": "so", "end_effector": "c"}],
        checks=[],
    )
    clip = opened(dataset, file)[0]
    state = datasets.hand(0, COUNT)
    found = np.degrees(clip.robot.joint_positions)
    np.testing.assert_allclose(found[:, 0], state[:, 0] * 1.1, atol=1e-4)
    np.testing.assert_allclose(found[:, 1], -100 + (state[:, 1] + 100) * 0.95, atol=1e-4)
    assert any("against no recorded pose" in note for note in clip.notes)


def test_normalised_slides_are_stated_in_millimetres(dataset, tmp_path):
    joints = [
        {
            "column": "observation.state",
            "names": ["slide_x", "slide_y", "slide_z"],
            "unit": "normalised",
            "scale": [-1, 1],
            "ranges": [[-1000, 1000]] * 3,
        }
    ]
    robot = opened(dataset, description(tmp_path, joints=joints))[0].robot
    np.testing.assert_allclose(robot.joint_positions, datasets.hand(0, COUNT), atol=1e-6)


def test_link_poses_are_taken_as_they_are(dataset, tmp_path):
    half = np.sqrt(0.5)
    places = np.arange(COUNT * 6, dtype=float).reshape(COUNT, 6)
    turns = np.tile([0, 0, 0, 1, 0, 0, half, half], (COUNT, 1))
    rows = pa.table({"links/pos": places.tolist(), "links/quat": turns.tolist()})
    told = {
        "format": "simlift-robot/1",
        "arms": [{"name": "hand", "end_effector": "hand", "links": ["hand", "base"]}],
        "links": {
            "names": ["base", "hand"],
            "positions": "links/pos",
            "quaternions": "links/quat",
            "order": "xyzw",
            "unit": "mm",
        },
    }
    file = tmp_path / "robot.json"
    file.write_text(json.dumps(told))
    clip = open_clips(dataset, episodes="0")[0]
    robot = with_robot(clip, rows, file, "front").robot
    np.testing.assert_allclose(robot.link_poses[:, 1, :3, 3], places[:, 3:] / 1e3)
    about_z = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(robot.link_poses[3, 1, :3, :3], about_z, atol=1e-12)
    assert np.isnan(robot.arms[0].gripper).all()
    told["arms"][0].pop("links")
    file.write_text(json.dumps(told))
    with pytest.raises(RecipeError, match="end effector to base, of base, hand"):
        with_robot(clip, rows, file, "front")


BAD = {
    "joint": (
        {"joints": [{"column": "observation.state", "names": ["slide_x"], "unit": "radians"}]},
        InputError,
        "'slide_y' has no value",
    ),
    "order": (
        {
            "joints": [
                {
                    "column": "observation.state",
                    "names": ["slide_z", "slide_y", "slide_x"],
                    "unit": "radians",
                }
            ]
        },
        InputError,
        "order of the joints",
    ),
    "column": (
        {"joints": [{"column": "state", "names": ["slide_x"], "unit": "radians"}]},
        ClipError,
        "no column 'state'.*observation.state",
    ),
    "too few": (
        {
            "joints": [
                {"column": "gripper", "names": ["slide_x", "slide_y", "slide_z"], "unit": "radians"}
            ]
        },
        ClipError,
        "holds 1 number a row; allowed: 3 from 0",
    ),
    "stranger": (
        {"joints": [{"column": "observation.state", "names": ["a", "b", "c"], "unit": "radians"}]},
        InputError,
        "no joint 'a'.*slide_x",
    ),
    "degrees of a slide": (
        {
            "joints": [
                {
                    "column": "observation.state",
                    "names": ["slide_x", "slide_y", "slide_z"],
                    "unit": "degrees",
                }
            ]
        },
        RecipeError,
        "slides and is stated in degrees",
    ),
    "unit": (
        {"joints": [{"column": "observation.state", "names": ["slide_x"], "unit": "grad"}]},
        RecipeError,
        "radians, degrees, normalised",
    ),
    "gripper": (
        {
            "arms": [
                {
                    "name": "a",
                    "end_effector": "tip",
                    "gripper": {"column": "gripper", "closed": 1.0, "open": 1.0},
                }
            ]
        },
        RecipeError,
        "closed and open are",
    ),
    "end effector": (
        {"arms": [{"name": "a", "end_effector": "hand"}]},
        InputError,
        "no link 'hand'",
    ),
    "check": (
        {"checks": [{"link": "hand", "position": "action", "unit": "m", "frame": "base"}]},
        (InputError, ClipError),
        "hand|holds 2",
    ),
    "model": ({"model": "gantry.step"}, RecipeError, "a .urdf, or an MJCF"),
    "missing model": ({"model": "none.urdf"}, InputError, "does not exist"),
    "format": ({"format": "robot/2"}, RecipeError, "simlift-robot/1"),
    "no joints": ({"joints": None}, RecipeError, "columns of the model's joints"),
    "camera": (
        {
            "cameras": {
                datasets.CAMERAS[0]: {
                    "size": [64, 48],
                    "fov_down": 60,
                    "pose": [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
                    "direction": "world_to_camera",
                    "axes": "opencv",
                }
            }
        },
        RecipeError,
        "not orthonormal",
    ),
    "shape": (
        {
            "cameras": {
                datasets.CAMERAS[0]: {
                    "size": [64, 64],
                    "fov_down": 60,
                    "pose": np.eye(4).tolist(),
                    "direction": "world_to_camera",
                    "axes": "opencv",
                }
            }
        },
        RecipeError,
        "whether pictures were cut or squeezed",
    ),
    "lens": (
        {
            "cameras": {
                datasets.CAMERAS[0]: {
                    "size": [64, 48],
                    "pose": np.eye(4).tolist(),
                    "direction": "world_to_camera",
                    "axes": "opencv",
                }
            }
        },
        RecipeError,
        "one of the two",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(dataset, tmp_path, name):
    changes, error, words = BAD[name]
    with pytest.raises(error, match=words):
        opened(dataset, description(tmp_path, **changes))


def test_a_description_that_is_not_there(dataset, tmp_path):
    with pytest.raises(RecipeError, match="does not exist.*--robot"):
        opened(dataset, tmp_path / "none.json")
