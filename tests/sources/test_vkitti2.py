"""Virtual KITTI 2: flow, classes, and what is lost without its tables."""

import numpy as np
from tiny import clips as builders
from tiny import rigs

import simlift
from simlift.core.layers import Layer


def test_flow_and_classes(tmp_path):
    recording = rigs.small(3)
    clip = simlift.open_clip(rigs.vkitti2(tmp_path / "clone", recording))
    flow = builders.read(clip, Layer.FLOW, range(3))
    for i in range(2):
        np.testing.assert_allclose(flow[i], rigs.flow_of(recording, i), atol=2e-3)
    assert clip.labels[3].category == "sky"
    assert clip.fps == 10
    assert any("10 fps" in note for note in clip.notes)
    again = simlift.open_clip(tmp_path / "clone" / "frames")
    assert again.files == clip.files or len(again.files) == len(clip.files)


def test_without_its_tables_says_what_is_lost(tmp_path):
    folder = rigs.vkitti2(tmp_path / "clone", rigs.small(2))
    for path in folder.glob("*.txt"):
        path.unlink()
    clip = simlift.open_clip(folder)
    assert clip.camera is None
    assert Layer.SEGMENTATION not in clip
    assert sum("textgt" in note for note in clip.notes) == 3
    assert "classSegmentation/Camera_0/classgt_*.png (2 files)" in clip.notes[-1]
