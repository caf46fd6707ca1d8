"""Unity Perception: the camera, measures of depth, the rate, several cameras and sequences."""

import json
from fractions import Fraction

import numpy as np
import pytest
from tiny import clips as builders
from tiny import engine_folders as engines
from tiny.clips import FRAMES

import simlift
from simlift.core.clip import Label
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions

pytest.importorskip("OpenEXR")


def edit_steps(folder, change):
    """Change the captures of every step of a sequence by a function of the first one."""
    for path in sorted(folder.glob("step*.frame_data.json")):
        data = json.loads(path.read_text())
        change(data["captures"])
        path.write_text(json.dumps(data))


def test_the_camera_is_the_scenes(tmp_path):
    """Unity's world is mirrored along z: seen from the camera, all is where it was."""
    clip = simlift.open_clip(engines.solo(tmp_path / "data"))
    truth = builders.camera(FRAMES)
    np.testing.assert_allclose(clip.camera.intrinsics, truth.intrinsics, atol=1e-6)
    np.testing.assert_allclose(clip.camera.world_to_camera, truth.world_to_camera, atol=1e-9)
    np.testing.assert_array_equal(clip.camera.up, [0, 1, 0])
    assert clip.labels == {1: Label("robot-2", "robot"), 2: Label("table-1", "table")}


@pytest.mark.parametrize("strategy", ["Depth", "Range"])
def test_both_measures_of_depth(tmp_path, strategy):
    folder = engines.solo(tmp_path / "data", 2, strategy=strategy)
    depth = builders.read(simlift.open_clip(folder), Layer.DEPTH, [0, 1])
    truth = np.stack([builders.scene(i)[Layer.DEPTH] for i in (0, 1)])
    np.testing.assert_allclose(depth, truth, atol=1e-5)


def test_the_rate_is_that_of_the_sensor(tmp_path):
    folder = engines.solo(tmp_path / "data", 2)
    sensor = {
        "id": "camera",
        "captureTriggerMode": "Scheduled",
        "simulationDeltaTime": 0.02,
        "framesBetweenCaptures": 1,
    }
    text = json.dumps({"sensorDefinitions": [sensor]})
    (folder / "sensor_definitions.json").write_text(text)
    assert simlift.open_clip(folder).fps == 25
    assert simlift.open_clip(folder / "sequence.0", ReadOptions(fps=Fraction(10))).fps == 10


def test_a_sequence_is_a_clip_and_a_dataset_of_several_is_none(tmp_path):
    folder = engines.solo(tmp_path / "data", 2)
    engines.solo(tmp_path / "other", 2)
    (tmp_path / "other" / "sequence.0").rename(folder / "sequence.1")
    with pytest.raises(simlift.SimliftError, match=r"2 sequences .*name the sequences.*sequence.0"):
        simlift.open_clip(folder)
    assert simlift.open_clip(folder / "sequence.1").num_frames == 2


def test_several_cameras(tmp_path):
    folder = engines.solo(tmp_path / "data", 2)
    edit_steps(folder / "sequence.0", lambda found: found.append(found[0] | {"id": "left"}))
    with pytest.raises(simlift.SimliftError, match=r"2 cameras \(camera, left\)"):
        simlift.open_clip(folder)
    assert simlift.open_clip(folder, ReadOptions(camera="left")).num_frames == 2


def test_normals_are_named_as_not_read(tmp_path):
    folder = engines.solo(tmp_path / "data", 1)
    normals = {"@type": "type.unity.com/unity.solo.NormalAnnotation", "filename": "n.exr"}
    edit_steps(folder / "sequence.0", lambda found: found[0]["annotations"].append(normals))
    (folder / "sequence.0" / "n.exr").write_bytes(b"")
    notes = simlift.open_clip(folder).notes
    assert any("normals are not read" in note for note in notes)
    assert any("not read: n.exr" in note for note in notes)


def without_depth_in_one(place):
    path = place / "step1.frame_data.json"
    data = json.loads(path.read_text())
    del data["captures"][0]["annotations"][1]
    path.write_text(json.dumps(data))


def edited(**changes):
    def spoil(place):
        edit_steps(place, lambda captures: captures[0].update(changes))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (edited(projection="Orthographic"), "the projection is Orthographic"),
        (edited(dimension=[9.0, 9.0]), "the picture is 48x32"),
        (edited(rotation=[0, 0, 0, 0]), "quaternion has the length 0"),
        (edited(matrix=[1, 2]), r"matrix of the camera is \[1, 2\]"),
        (edited(filename="../a.png"), "names the file '../a.png'"),
        (without_depth_in_one, "1 steps have no DepthAnnotation"),
        (lambda place: edit_steps(place, lambda found: found.clear()), "no capture of a camera"),
        (lambda place: (place / "step1.frame_data.json").unlink(), "frames are missing"),
        (
            lambda place: edit_steps(
                place, lambda found: found[0]["annotations"][0]["instances"].pop()
            ),
            r"codes of no name, such as \(0, 74, 255, 255\)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_is_refused(tmp_path, spoil, words):
    folder = engines.solo(tmp_path / "data", 4)
    spoil(folder / "sequence.0")
    with pytest.raises(simlift.SimliftError, match=words) as caught:
        builders.read_all(simlift.open_clip(folder))
    assert "allowed:" in str(caught.value) or "way out:" in str(caught.value)
