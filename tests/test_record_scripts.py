"""Check the scripts that record native folders in engines: one is run, all are read."""

import ast
import runpy
from pathlib import Path

import numpy as np
import pytest

import simlift
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
