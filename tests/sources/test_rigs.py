"""Driving and RGB-D layouts: cameras in right axes, depth in metres, one camera of a rig."""

from fractions import Fraction

import numpy as np
import pytest
from tiny import clips as builders
from tiny import rigs

import simlift
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions
from simlift.sources.rigs import rate_of

# Each layout, what is stated where its files say less, and whether poses are part of it.


def _kitti_raw(folder, recording):
    return rigs.kitti_raw(folder / "2011_09_26_drive_0001_sync", recording)


LAYOUTS = {
    "bench2drive": (rigs.bench2drive, ()),
    "tum": (rigs.tum, ("fov",)),
    "vkitti2": (rigs.vkitti2, ("fps",)),
    "kitti-raw": (_kitti_raw, ()),
    "kitti-odometry": (rigs.kitti_odometry, ()),
    "airsim": (rigs.airsim, ("fov",)),
    "sailvos": (rigs.sailvos, ()),
}


def opened(name, folder, recording):
    build, stated = LAYOUTS[name]
    focal, width = recording.camera.intrinsics[0, 0, 0], recording.size[1]
    values = {"fov": float(np.degrees(2 * np.arctan(width / 2 / focal))), "fps": Fraction(24)}
    path = build(folder, recording)
    return simlift.open_clip(path, ReadOptions(**{key: values[key] for key in stated}))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_camera_moves_as_it_was_recorded(tmp_path, name):
    """Axes, handedness, direction, units, up and pixel centres, against a second formula."""
    recording = rigs.small(4)
    clip = opened(name, tmp_path / "clip", recording)
    rigs.same_motion(clip.camera, recording.camera)


def share_that_meets(depth, camera):
    """Return the share of depth that lands on the depth of the next frame, within 3 %."""
    met = []
    height, width = depth.shape[1:]
    rows, columns = np.mgrid[:height, :width] + 0.5
    for t in range(len(depth) - 1):
        k, z = camera.intrinsics[t], depth[t].astype(float)
        seen = np.isfinite(z)
        x, y = (columns - k[0, 2]) / k[0, 0] * z, (rows - k[1, 2]) / k[1, 1] * z
        points = np.stack([x, y, z, np.ones_like(z)], -1)[seen]
        way = camera.world_to_camera[t + 1] @ np.linalg.inv(camera.world_to_camera[t])
        moved = points @ way.T
        moved = moved[moved[:, 2] > 0.01]
        u = np.floor(k[0, 0] * moved[:, 0] / moved[:, 2] + k[0, 2]).astype(int)
        v = np.floor(k[1, 1] * moved[:, 1] / moved[:, 2] + k[1, 2]).astype(int)
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        there = depth[t + 1][v[inside], u[inside]]
        met.append((np.abs(there - moved[inside, 2]) / moved[inside, 2] < 0.03).mean())
    return float(np.mean(met))


@pytest.fixture(scope="module")
def drive():
    return rigs.drive(3)


@pytest.mark.parametrize("name", ["bench2drive", "tum", "vkitti2", "airsim", "sailvos"])
def test_depth_lands_on_the_next_frame(tmp_path, drive, name):
    """What the shipped drive's own depth and camera do, its copy in the layout does too."""
    clip = opened(name, tmp_path / "clip", drive)
    depth = builders.read(clip, Layer.DEPTH, range(3))
    near = np.isfinite(depth)
    farthest = 13 if name == "tum" else np.inf  # where 16 bits of 0.2 mm end
    np.testing.assert_array_equal(near, drive.depth < farthest)
    np.testing.assert_allclose(depth[near], drive.depth[near], rtol=2e-3, atol=6e-3)
    assert share_that_meets(depth, clip.camera) > share_that_meets(drive.depth, drive.camera) - 0.05
    # The measure can tell: with the poses turned about, depth does not meet.
    turned = type(clip.camera)(
        clip.camera.intrinsics, np.linalg.inv(clip.camera.world_to_camera), clip.camera.up
    )
    assert share_that_meets(drive.depth, turned) < share_that_meets(drive.depth, drive.camera)


@pytest.mark.parametrize(
    ("build", "cameras", "chosen"),
    [
        (rigs.bench2drive, ("front", "front_left"), "front_left"),
        (rigs.vkitti2, ("Camera_0", "Camera_1"), "Camera_1"),
        (rigs.kitti_raw, ("image_02", "image_03"), "image_03"),
        (rigs.airsim, ("0", "front_left"), "front_left"),
    ],
)
def test_one_camera_of_a_rig_is_named(tmp_path, build, cameras, chosen):
    folder = build(tmp_path / "date" / "clip", rigs.small(2), cameras=cameras)
    with pytest.raises(simlift.SimliftError, match="2 cameras.*--camera") as refused:
        simlift.open_clip(folder)
    assert all(name in str(refused.value) for name in cameras)
    with pytest.raises(simlift.SimliftError, match="no camera of"):
        simlift.open_clip(folder, ReadOptions(camera="top"))
    clip = simlift.open_clip(folder, ReadOptions(camera=chosen))
    assert all(chosen in str(path) for path in clip.files)
    assert clip.name.endswith(chosen)
    assert clip.camera is not None
    assert clip.notes[-1].startswith("not read: ")


@pytest.mark.parametrize(
    ("times", "rate", "kept"),
    [
        ([0, 33, 67, 100, 133], 30, False),  # whole milliseconds
        ([0, 42, 83, 125], 24, False),
        ([0, 100, 207, 298, 400], 10, False),  # jitter
        ([0, 33, 67, 133, 167], None, True),  # a lost frame
    ],
)
def test_rates_of_times(tmp_path, times, rate, kept):
    found, stamps, notes = rate_of([(5000 + t) * 10**6 for t in times], tmp_path)
    assert rate is None or found == rate
    assert (stamps is not None) is kept
    assert len(notes) == 1
    with pytest.raises(simlift.SimliftError, match="not later"):
        rate_of([0, 2, 1], tmp_path)


def test_what_was_not_read_is_named(tmp_path):
    folder = rigs.bench2drive(tmp_path / "clip", rigs.small(2))
    for path in ("lidar/00000.laz", "lidar/00001.laz", "radar/a/b.h5", "route.xml", ".DS_Store"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    note = simlift.open_clip(folder).notes[-1]
    assert note == "not read: lidar/*.laz (2 files), radar/a/b.h5, route.xml"
    for i in range(9):
        (folder / f"{i}.txt").write_bytes(b"x")
        (folder / "anno" / f"{i}.txt").write_bytes(b"x")
    note = simlift.open_clip(folder).notes[-1]
    assert "anno/*.txt (9 files)" in note and "*.txt (9 files)" in note
    for i in range(9):
        (folder / f"kind{chr(97 + i)}").write_bytes(b"x")
    assert simlift.open_clip(folder).notes[-1].endswith("more kinds of files")
