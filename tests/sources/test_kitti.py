"""KITTI: frames and tables by number, single scenes."""

import numpy as np
import pytest
from tiny import rigs
from tiny.clips import HEIGHT, WIDTH

import simlift
from simlift.media.images import write_image


def test_scenes_of_the_object_benchmark_are_no_sequence(tmp_path):
    folder = tmp_path / "training"
    for i in range(2):
        write_image(folder / "image_2" / f"{i:06d}.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        (folder / "calib").mkdir(exist_ok=True)
        (folder / "calib" / f"{i:06d}.txt").write_text("P2: 50 0 23.5 0 0 50 15.5 0 0 0 1 0\n")
    with pytest.raises(simlift.SimliftError, match="each of another place"):
        simlift.open_clip(folder)
    (folder / "image_2" / "000001.png").unlink()
    clip = simlift.open_clip(folder)
    np.testing.assert_allclose(clip.camera.intrinsics[0, :2, 2], [24, 16])


def test_odometry_tables_are_read_by_the_numbers_of_images(tmp_path):
    """A sequence whose first images were cut off still has the poses of those that are left."""
    recording = rigs.small(5)
    folder = rigs.kitti_odometry(tmp_path, recording)
    for i in range(2):
        (folder / "image_2" / f"{i:06d}.png").unlink()
    rigs.same_motion(simlift.open_clip(folder).camera, recording.camera.at(np.arange(2, 5)))
    lines = (folder / "times.txt").read_text().splitlines()
    (folder / "times.txt").write_text("\n".join(lines[:4]) + "\n")
    with pytest.raises(simlift.SimliftError, match="holds 4 lines"):
        simlift.open_clip(folder)
