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
from simlift.media.exr import read_exr_header

_ROOT = "unreal/"
_POSITION = ("curPos/x", "curPos/y", "curPos/z")
_ROTATOR = ("curRot/pitch", "curRot/yaw", "curRot/roll")


def read_unreal_camera(paths: Sequence[Path], size: tuple[int, int]) -> Camera | None:
    """Return the camera of the frames [h w] whose headers hold it; None where the first has none.

    Keys are those of Movie Render Queue, such as unreal/camera/curPos/x; what stands between the
    first word and the last differs between releases. ClipError names a file that lacks one.
    """
    if not paths or _value(_attributes(paths[0]), _POSITION[0], paths[0]) is None:
        return None
    positions, rotators, lenses = [], [], []
    for path in paths:
        found = _attributes(path)
        positions.append([_needed(found, key, path) for key in _POSITION])
        rotators.append([_needed(found, key, path) for key in _ROTATOR])
        lenses.append(_intrinsics(found, path, size))
    poses = poses_of(np.array(positions), rotation_of_rotator(np.array(rotators)))
    try:
        return convert_camera(
            poses, np.stack(lenses), convention="unreal", direction="camera_to_world"
        )
    except ValueError as error:
        raise ClipError(paths[0], str(error), way_out="render again") from error


def _attributes(path: Path) -> dict[str, str]:
    header = read_exr_header(path)
    numbers = {key: str(value) for key, value in header.numbers.items()}
    return {k: v for k, v in {**header.texts, **numbers}.items() if k.startswith(_ROOT)}


def _intrinsics(found: Mapping[str, str], path: Path, size: tuple[int, int]) -> Array:
    height, width = size
    fov = _value(found, "fov", path)
    try:
        if fov is not None:
            return intrinsics_of_fov(height, width, across=fov)
        return intrinsics_of_lens(
            height,
            width,
            focal_length=_needed(found, "focalLength", path),
            sensor_width=_needed(found, "sensorWidth", path),
        )
    except ValueError as error:
        if isinstance(error, ClipError):
            raise
        raise ClipError(path, str(error), allowed="the lens of a perspective camera") from error


def _needed(found: Mapping[str, str], key: str, path: Path) -> float:
    value = _value(found, key, path)
    if value is None:
        raise ClipError(
            path,
            f"its header has no {_ROOT}.../{key}",
            allowed="the camera in the header of every frame, or of none",
            way_out="render the frames in one run",
        )
    return value


def _value(found: Mapping[str, str], key: str, path: Path) -> float | None:
    """Return the value of the one attribute that ends in a key; None where there is none."""
    named = {text for name, text in found.items() if name.endswith(f"/{key}")}
    if len(named) > 1:
        raise ClipError(
            path,
            f"its header has {len(named)} values of {key}",
            allowed="the metadata of one camera",
            way_out="render one camera at a time, without temporal samples that differ",
        )
    try:
        return float(named.pop()) if named else None
    except ValueError as error:
        raise ClipError(path, f"{key} is no number ({error})", allowed="a number") from error
