"""Read the camera of every frame from the headers of Unreal's EXR files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import (
    convert_camera,
    intrinsics_of_fov,
    intrinsics_of_lens,
    poses_of,
    rotation_of_rotator,
)
from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.exr import read_exr_texts

_ROOT = "unreal/"
_OWN = "unreal/camera/"
_POSITION = ("curPos/x", "curPos/y", "curPos/z")
_ROTATOR = ("curRot/pitch", "curRot/yaw", "curRot/roll")
_LENS = ("fov", "focalLength", "sensorWidth")
_KEYS = frozenset({*_POSITION, *_ROTATOR, *_LENS})


def read_unreal_camera(paths: Sequence[Path], size: tuple[int, int]) -> Camera | None:
    """Return the camera of the frames [h w] whose headers hold it; None where the first has none.

    Keys are those of Movie Render Queue, such as unreal/camera/curPos/x; what stands between the
    first word and the last differs between releases. ClipError names a file that lacks one.
    """
    if not paths or _POSITION[0] not in _values(paths[0]):
        return None
    positions, rotators, lenses = [], [], []
    known: dict[tuple[float, ...], Array] = {}
    for path in paths:
        found = _values(path)
        positions.append([_needed(found, key, path) for key in _POSITION])
        rotators.append([_needed(found, key, path) for key in _ROTATOR])
        lens = _lens(found, path)
        if lens not in known:
            known[lens] = _intrinsics(lens, path, size)
        lenses.append(known[lens])
    poses = poses_of(np.array(positions), rotation_of_rotator(np.array(rotators)))
    try:
        return convert_camera(
            poses, np.stack(lenses), convention="unreal", direction="camera_to_world"
        )
    except ValueError as error:
        raise ClipError(paths[0], str(error), way_out="render again") from error


def _values(path: Path) -> dict[str, float]:
    """Return the numbers of a header by the ends of their keys; ClipError where two differ.

    Keys that name nothing but the camera itself stand for it, whatever else is written.
    """
    texts = read_exr_texts(path)
    found = {key: _number(path, texts, _OWN + key) for key in _KEYS if _OWN + key in texts}
    for name in texts:
        key = name.rpartition("/")[2]
        key = key if key in _LENS else "/".join(name.split("/")[-2:])
        if not name.startswith(_ROOT) or key not in _KEYS or _OWN + key in texts:
            continue
        value = _number(path, texts, name)
        if found.setdefault(key, value) != value:
            raise ClipError(
                path,
                f"its header has two values of {key}",
                allowed="the metadata of one camera",
                way_out="render one camera at a time, without temporal samples that differ",
            )
    return found


def _number(path: Path, texts: Mapping[str, str], name: str) -> float:
    try:
        return float(texts[name])
    except ValueError as error:
        raise ClipError(path, f"{name} is no number ({error})", allowed="a number") from error


def _lens(found: Mapping[str, float], path: Path) -> tuple[float, ...]:
    """Return the field of view across, or focal length and sensor."""
    if "fov" in found:
        return (found["fov"],)
    return _needed(found, "focalLength", path), _needed(found, "sensorWidth", path)


def _intrinsics(lens: tuple[float, ...], path: Path, size: tuple[int, int]) -> Array:
    try:
        if len(lens) == 1:
            return intrinsics_of_fov(*size, across=lens[0])
        return intrinsics_of_lens(*size, focal_length=lens[0], sensor_width=lens[1])
    except ValueError as error:
        raise ClipError(path, str(error), allowed="the lens of a perspective camera") from error


def _needed(found: Mapping[str, float], key: str, path: Path) -> float:
    if key not in found:
        raise ClipError(
            path,
            f"its header has no {_ROOT}.../{key}",
            allowed="the camera in the header of every frame, or of none",
            way_out="render the frames in one run",
        )
    return found[key]
