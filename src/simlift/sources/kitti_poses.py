"""Read the poses of a raw KITTI drive from its GPS and inertial unit (oxts).

The world is metres east, north and up, from the first frame. Source: readme of the raw data
development kit, and convertOxtsToPose of the same.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.sources.tables import floats, matrix, rows

_EARTH = 6378137.0  # metres, the equator's radius
_VALUES = 30  # of a moment: the first six are the pose
_FILES = ("calib_velo_to_cam.txt", "calib_imu_to_velo.txt")


def oxts_poses(
    folder: Path, frames: Sequence[int]
) -> tuple[Array | None, list[Path], tuple[str, ...]]:
    """Return imu_to_world [t 4 4], the files read and notes; None where files are not there."""
    place = folder / "oxts" / "data"
    if not place.is_dir():
        return None, [], ("no oxts/data: the camera is taken as fixed",)
    if missing := [name for name in _FILES if not (folder.resolve().parent / name).is_file()]:
        note = f"poses are not read ({missing[0]} is not in the folder above): the camera is fixed"
        return None, [], (note,)
    files = [place / f"{number:010d}.txt" for number in frames]
    table = []
    for path in files:
        if not path.is_file():
            raise ClipError(
                path,
                "does not exist",
                allowed="a file for each image",
                way_out="restore it; or remove oxts/ to read without poses",
            )
        table.append(floats(next(rows(path, _VALUES), []), path)[:6])
        if not table[-1]:
            raise ClipError(path, "holds no pose", allowed="lat lon alt roll pitch yaw ...")
    latitude, longitude, altitude, roll, pitch, yaw = np.array(table).T
    scale = np.cos(np.radians(latitude[0]))
    east = scale * np.radians(longitude) * _EARTH
    north = scale * _EARTH * np.log(np.tan(np.radians(90 + latitude) / 2))
    poses = np.repeat(np.eye(4)[None], len(files), 0)
    poses[:, :3, :3] = _turn(yaw, 2) @ _turn(pitch, 1) @ _turn(roll, 0)
    place_of = np.stack([east, north, altitude], axis=-1)
    poses[:, :3, 3] = place_of - place_of[0]
    files = [*files, *(path for path in (folder / "oxts" / "timestamps.txt",) if path.is_file())]
    return poses, files, ()


def imu_to_camera(calibration: Path, rectified: Array, projection: Array) -> Array:
    """Return imu_to_camera [4 4] of the camera that a rectified projection [3 4] belongs to."""
    turned = np.eye(4)
    turned[:3, :3] = rectified
    beside = np.eye(4)
    beside[:3, 3] = offset_of(projection)
    velo_to_cam, imu_to_velo = (_rigid(calibration / name) for name in _FILES)
    return np.asarray(beside @ turned @ velo_to_cam @ imu_to_velo)


def offset_of(projection: Array) -> Array:
    """Return where the centre of camera 0 lies, seen from the camera of a projection [3 4]."""
    return np.asarray(np.linalg.solve(projection[:, :3], projection[:, 3]))


def _rigid(path: Path) -> Array:
    values = {words[0].rstrip(":"): words[1:] for words in rows(path)}
    if not {"R", "T"} <= values.keys():
        raise ClipError(path, "has no R and T", allowed="a rotation and a translation")
    out = np.eye(4)
    out[:3, :3] = matrix(floats(values["R"], path), (3, 3), path)
    out[:3, 3] = matrix(floats(values["T"], path), (3, 1), path)[:, 0]
    return out


def _turn(angle: Array, axis: int) -> Array:
    """Return rotations [t 3 3] about an axis."""
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    out = np.repeat(np.eye(3)[None], len(angle), 0)
    out[:, a, a] = out[:, b, b] = np.cos(angle)
    out[:, a, b], out[:, b, a] = -np.sin(angle), np.sin(angle)
    return out
