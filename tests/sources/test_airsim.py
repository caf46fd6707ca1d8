"""AirSim recordings: depth along rays, and the order of the rows of its PFM images."""

import numpy as np
from tiny import clips as builders
from tiny import rigs

import simlift
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions
from simlift.media.pfm import read_pfm


def test_depth_along_the_ray_becomes_depth_along_the_axis(tmp_path):
    recording = rigs.small(2)
    clip = simlift.open_clip(
        rigs.airsim(tmp_path / "clip", recording, kind=2), ReadOptions(fov=60.0)
    )
    depth = builders.read(clip, Layer.DEPTH, range(2))
    np.testing.assert_allclose(depth, recording.depth, rtol=1e-5)


def test_depth_whose_rows_are_from_below_is_told_by_its_edges(tmp_path):
    drive = rigs.drive(3)
    folder = rigs.airsim(tmp_path / "clip", drive)
    for path in (folder / "images").glob("*.pfm"):
        rigs.write_pfm(path, read_pfm(path))
    clip = simlift.open_clip(folder)
    np.testing.assert_array_equal(builders.read(clip, Layer.DEPTH, range(3)), drive.depth)
    assert any("rows from below" in note for note in clip.notes)
