"""TUM RGB-D sequences: association by time, poses between frames, lenses."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import clips as builders
from tiny import rigs

import simlift
from simlift.core.camera import Camera
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions


def test_times_are_numbers_across_a_full_second(tmp_path):
    """As texts, 999.95 comes after 1000.01."""
    recording = rigs.small(6)
    folder = rigs.tum(tmp_path / "clip", recording, lists=False, start=999.9)
    for path in (folder / "rgb").iterdir():
        path.rename(path.with_name(f"{float(path.stem):.6f}.png"))
    clip = simlift.open_clip(folder)
    rgb = builders.read(clip, Layer.RGB, range(6))
    np.testing.assert_array_equal(rgb, recording.rgb)
    assert any("state it by --fov" in note for note in clip.notes)


def test_frames_without_depth_are_left_out_at_their_times(tmp_path):
    recording = rigs.small(6)
    folder = rigs.tum(tmp_path / "clip", recording)
    lines = (folder / "depth.txt").read_text().splitlines()
    (folder / "depth.txt").write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    clip = simlift.open_clip(folder, ReadOptions(fov=60.0))
    assert clip.num_frames == 5
    assert any("1 of 6 colour frames have no depth" in note for note in clip.notes)
    np.testing.assert_allclose(
        [float(t) for t in clip.timestamps], [0, 1 / 24, 3 / 24, 4 / 24, 5 / 24], atol=1e-5
    )
    np.testing.assert_array_equal(
        builders.read(clip, Layer.RGB, range(5)), recording.rgb[[0, 1, 3, 4, 5]]
    )
    (folder / "depth.txt").write_text("\n".join(lines[:2]) + "\n")
    with pytest.raises(simlift.SimliftError, match="2 of 6 colour frames"):
        simlift.open_clip(folder)


def test_lenses_are_those_of_the_sequence(tmp_path):
    frame = np.zeros((480, 640, 3), np.uint8)
    for name, focal in (("rgbd_dataset_freiburg2_desk", 520.9), ("office", 525.0)):
        recording = rigs.Recording(
            frame[None].repeat(2, 0),
            np.ones((2, 480, 640), np.float32),
            frame[None, ..., 0].repeat(2, 0),
            builders.camera(2, 480, 640),
        )
        clip = simlift.open_clip(rigs.tum(tmp_path / name, recording))
        assert clip.camera.intrinsics[0, 0, 0] == focal
        assert any("is assumed, without distortion" in note for note in clip.notes)


def test_poses_with_a_gap_are_refused(tmp_path):
    folder = rigs.tum(tmp_path / "clip", rigs.small(9))
    lines = (folder / "groundtruth.txt").read_text().splitlines()
    first = lines[0].replace("1305031102.9", "1305031100.9")
    (folder / "groundtruth.txt").write_text("\n".join([first, lines[-1]]) + "\n")
    with pytest.raises(simlift.SimliftError, match="no pose for 2"):
        simlift.open_clip(folder, ReadOptions(fov=60.0))


def test_a_world_whose_y_leads_down_is_upright_too(tmp_path):
    recording = rigs.small(3)
    down = np.eye(4)
    down[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    camera = Camera(
        recording.camera.intrinsics,
        recording.camera.world_to_camera @ down,
        np.array([0.0, -1.0, 0.0]),
    )
    folder = rigs.tum(tmp_path / "clip", replace(recording, camera=camera))
    clip = simlift.open_clip(folder, ReadOptions(fov=60.0))
    rigs.same_motion(clip.camera, recording.camera)
    assert any("up is -y" in note for note in clip.notes)
