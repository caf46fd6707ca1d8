"""Kubric: the camera, what instances are named and how they move, and what contradicts."""

import json

import numpy as np
import pytest
from tiny import clips as builders
from tiny import engine_folders as engines
from tiny.clips import FRAMES, HEIGHT, WIDTH

import simlift
from simlift.core.clip import Label
from simlift.core.layers import Layer
from simlift.media.images import write_image


def edit(folder, change, name="metadata.json"):
    path = folder / name
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_the_camera_and_the_instances_are_the_scenes(tmp_path):
    clip = simlift.open_clip(engines.kubric(tmp_path / "scene"))
    truth = builders.camera(FRAMES)
    np.testing.assert_allclose(clip.camera.intrinsics, truth.intrinsics, atol=1e-6)
    np.testing.assert_allclose(clip.camera.world_to_camera, truth.world_to_camera, atol=1e-9)
    assert clip.labels[2] == Label("robot-2", "ROBOT")
    heights = clip.objects.poses[:, :, 2, 3]
    np.testing.assert_allclose(heights, 0.02 * np.arange(FRAMES)[:, None] * [1, 2, 3])
    assert any("not read: object_coordinates_*.png (9 files)" in note for note in clip.notes)
    assert any("(row, column)" in note for note in clip.notes)


def test_ids_without_a_place_among_the_instances_have_no_names(tmp_path):
    folder = engines.kubric(tmp_path / "scene", 2)
    edit(folder, lambda data: data["instances"].pop())
    clip = simlift.open_clip(folder)
    assert not clip.labels
    assert clip.objects is None
    assert any("the id 3, metadata.json 2 instances" in note for note in clip.notes)


def in_colours(folder):
    colours = engines.PALETTE[builders.scene(0)[Layer.SEGMENTATION]]
    write_image(folder / "segmentation_00000.png", colours)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (in_colours, r"segmentation_00000.png: holds uint8 \[32, 48, 3\]"),
        (
            lambda folder: edit(folder, lambda data: data["camera"]["positions"].pop()),
            "2 positions and 3 quaternions",
        ),
        (
            lambda folder: edit(folder, lambda data: data["camera"].pop("focal_length")),
            "states no lens",
        ),
        (lambda folder: edit(folder, lambda data: data.pop("camera")), "has no camera"),
        (lambda folder: (folder / "data_ranges.json").write_text("{}"), "no range of forward_flow"),
        (lambda folder: (folder / "depth_00001.tiff").unlink(), "depth lacks 1 frames"),
        (
            lambda folder: write_image(
                folder / "depth_00000.tiff", np.ones((HEIGHT, WIDTH), np.uint8)
            ),
            "holds uint8",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_is_refused(tmp_path, spoil, words):
    folder = engines.kubric(tmp_path / "scene", 3)
    spoil(folder)
    with pytest.raises(simlift.SimliftError, match=words) as caught:
        builders.read_all(simlift.open_clip(folder))
    assert "allowed:" in str(caught.value)
