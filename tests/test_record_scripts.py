"""Check the scripts that record native folders in engines: one is run, all are read."""

import ast
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from tiny import datasets

import simlift
from simlift.core.camera_conventions import rotation_of_quaternion
from simlift.core.layers import Layer

FOLDER = Path(__file__).parents[1] / "docs" / "record"
SCRIPTS = sorted([*FOLDER.glob("*.py"), *FOLDER.glob("*.cs")])
MODEL = """
<mujoco>
  <worldbody>
    <light pos="1 -1 3"/>
    <geom name="floor" type="plane" size="3 3 .1" rgba=".4 .5 .3 1"/>
    <body pos="0 0 .5"><freejoint/><geom name="box" type="box" size=".3 .3 .3"/></body>
    <body name="eye" mocap="true" pos="0 -2.5 1.2">
      <site name="mark" pos="0 .2 -1" size=".2"/>
      <camera name="eye" fovy="50" xyaxes="1 0 0 0 .35 1"/>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_short_and_says_how_to_check_it(script: Path):
    text = script.read_text()
    assert len([line for line in text.splitlines() if line.strip()]) < 60
    assert "simlift inspect FOLDER --out ." in text
    assert ("un here with" in text) != ("Not run here" in text)
    index = (FOLDER / "README.md").read_text()
    assert script.name in index
    if script.suffix == ".py":
        imported = [
            name.name
            for node in ast.walk(ast.parse(text, script.name))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [ast.alias(node.module)] if isinstance(node, ast.ImportFrom) else node.names
            )
        ]
        assert not any(name.split(".")[0] == "simlift" for name in imported)


@pytest.mark.mujoco
def test_layers_that_the_mujoco_script_records_agree(tmp_path: Path):
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_string(MODEL)
    data = mujoco.MjData(model)
    script = runpy.run_path(str(FOLDER / "record_mujoco.py"))
    recorder = script["Recorder"](model, "eye", tmp_path / "clip", height=90, width=160, fps=25)
    for step in range(3):
        data.mocap_pos[0, 0] = 0.1 * step
        mujoco.mj_step(model, data, 10)
        mujoco.mj_forward(model, data)
        recorder.record(data)
    recorder.close()

    clip = simlift.open_clip(tmp_path / "clip")
    layers = [Layer.RGB, Layer.ALBEDO, Layer.DEPTH, Layer.SEGMENTATION]
    with clip.open(layers) as reader:
        window = reader.window(range(3))
    depth, ids = window[Layer.DEPTH], window[Layer.SEGMENTATION]
    np.testing.assert_array_equal(np.isfinite(depth), ids > 0)
    assert {number: label.name for number, label in clip.labels.items()} == {1: "floor", 2: "box"}
    assert set(np.unique(ids)) == {0, 1, 2}
    # The median leaves out the borders, which are smoothed.
    floor = np.median(window[Layer.ALBEDO][ids == 1], axis=0)
    np.testing.assert_allclose(floor, [102, 128, 77], atol=2)
    # Still pixels lie on the plane z = 0 of the world, wherever the camera stands.
    to_world = np.linalg.inv(window.camera.world_to_camera)
    rows, columns = np.mgrid[:90, :160] + 0.5
    for t in range(3):
        rays = (
            np.stack([columns, rows, np.ones_like(rows)], -1)
            @ np.linalg.inv(window.camera.intrinsics[t]).T
        )
        points = rays * depth[t][..., None]
        heights = points[ids[t] == 1] @ to_world[t, 2, :3] + to_world[t, 2, 3]
        assert np.abs(heights).max() < 0.01
    # The box falls: its pose takes its pixels to those of the next frame.
    centre = clip.objects.poses[:, list(clip.objects.ids).index(2), :3, 3]
    assert centre[0, 2] > centre[-1, 2]
    for t in (0, 2):
        seen = window.camera.world_to_camera[t] @ np.append(centre[t], 1)
        place = window.camera.intrinsics[t] @ (seen[:3] / seen[2])
        assert ids[t, int(place[1]), int(place[0])] == 2


class _Term:
    """A recorder's term, as Isaac Lab makes it."""

    def __init__(self, env):
        self._env = env


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
def test_terms_for_isaac_lab_write_what_is_read(tmp_path: Path, monkeypatch, order):
    def turned(quaternions):
        return rotation_of_quaternion(np.asarray(quaternions), order)

    stand_ins = {
        "torch": {"tensor": np.array, "allclose": np.allclose, "eye": np.eye},
        "isaaclab": {},
        "isaaclab.managers": {"RecorderTerm": _Term, "RecorderTermCfg": object},
        "isaaclab.utils": {"configclass": lambda kind: kind},
        "isaaclab.utils.math": {"matrix_from_quat": turned},
    }
    for name, inside in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**inside))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.3.0")
    script = runpy.run_path(str(FOLDER / "record_isaac_lab_hdf5.py"))

    file = datasets.isaac_lab(tmp_path / "demos.hdf5", quaternion=order)
    expected = simlift.sources.open_clips(file)
    beside = Path(f"{file}.cameras.json")
    stated = json.loads(beside.read_text())["demos"]
    beside.unlink()
    with h5py.File(file, "r+") as tree:
        for key, demo in stated.items():
            for t in range(len(demo["robots"]["robot"]["joint_positions"])):
                env = _env_at(demo, t)
                for term in ("CameraTerm", "RobotTerm"):
                    _append(tree[f"data/{key}"], *script[term](env).record_pre_step())
    script["write_statements"](env, file)

    assert json.loads(beside.read_text())["quaternion"] == order
    for clip, other in zip(simlift.sources.open_clips(file), expected, strict=True):
        assert clip.fps == datasets.FPS
        np.testing.assert_allclose(clip.camera.intrinsics, other.camera.intrinsics)
        np.testing.assert_allclose(clip.camera.world_to_camera, other.camera.world_to_camera)
        np.testing.assert_allclose(clip.robot.link_poses, other.robot.link_poses)
        assert clip.robot.joint_names == other.robot.joint_names


def _env_at(demo, t):
    """An environment of one scene whose sensors and robot are as they were recorded at a step."""
    scene = {}
    for name, arrays in demo["cameras"].items():
        now = {k: np.array([v[t]]) for k, v in arrays.items()}
        data = {"intrinsic_matrices": now["intrinsics"], "pos_w": now["position"]}
        scene[name] = SimpleNamespace(data=SimpleNamespace(quat_w_ros=now["quaternion"], **data))
    robot = demo["robots"]["robot"]
    data = {"joint_pos": "joint_positions", "body_pos_w": "link_positions"}
    data["body_quat_w"] = "link_quaternions"
    now = {k: np.array([robot[v][t]]) for k, v in data.items()}
    names = {"joint_names": robot["joint_names"], "body_names": robot["link_names"]}
    scene["robot"] = SimpleNamespace(data=SimpleNamespace(**now, **names))
    return SimpleNamespace(scene=scene, step_dt=1 / datasets.FPS)


def _append(group, key, value):
    """Add a step of the first environment to a demo, nested as Isaac Lab's recorder nests it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _append(group, f"{key}/{name}", inner)
        return
    before = group[key][:] if key in group else np.empty((0, *value.shape[1:]))
    if key in group:
        del group[key]
    group[key] = np.concatenate([before, value[:1]])
