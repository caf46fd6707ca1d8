"""Read the camera of every frame from Replicator's camera_params files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import (
    Up,
    axis_of,
    convert_camera,
    intrinsics_of_lens,
    intrinsics_of_projection,
)
from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.core.strict_json import read_json

_PINHOLES = ("pinhole", "")
_CENTIMETRES = 0.01
_LENS = ("cameraProjection", "cameraAperture", "cameraApertureOffset", "cameraFocalLength")


def read_camera(
    paths: Sequence[Path], size: tuple[int, int]
) -> tuple[Camera | None, tuple[str, ...]]:
    """Return the camera of some frames [h w] and notes; None where the files hold none.

    Matrices multiply rows; positions are in the stage's unit. ClipError names a file whose camera
    is no pinhole, or whose picture has another size.
    """
    if not paths:
        return None, ("no camera is written (camera_params)",)
    rows = [_mapping(path) for path in paths]
    if not any(rows):
        return None, ("camera_params are empty: no camera is known",)
    views, lenses = [], []
    known: dict[str, Array] = {}
    for path, row in zip(paths, rows, strict=True):
        _check(path, row, size)
        views.append(_matrix(path, row, "cameraViewTransform"))
        lens = str([row.get(key) for key in _LENS])
        if lens not in known:
            known[lens] = _intrinsics(path, row, size)
        lenses.append(known[lens])
    notes = []
    unit = rows[0].get("metersPerSceneUnit")
    if unit is None:
        notes.append("camera_params do not state metersPerSceneUnit: 1 is assumed")
    try:
        metres = float(unit) if unit is not None else 1.0
        poses = np.stack(views)
        up = _up(poses, metres)
        camera = convert_camera(
            poses, np.stack(lenses), convention="usd", metres_per_unit=metres, up=up
        )
    except (TypeError, ValueError) as error:
        raise ClipError(paths[0], str(error), way_out="write camera_params again") from error
    return camera, (*notes, f"the stage's up axis is not written: {up} is assumed")


def _mapping(path: Path) -> Mapping[str, Any]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise ClipError(path, f"holds a {type(data).__name__}", allowed="the values of one camera")
    return data


def _check(path: Path, row: Mapping[str, Any], size: tuple[int, int]) -> None:
    model = row.get("cameraModel", "")
    if model not in _PINHOLES:
        raise ClipError(
            path,
            f"cameraModel is {model!r}",
            allowed="pinhole: depth, light and motion are computed for a pinhole",
            way_out="render with a pinhole camera, or remove camera_params and state --fov",
        )
    shown = row.get("renderProductResolution")
    if shown is not None and list(shown) != [size[1], size[0]]:
        raise ClipError(
            path,
            f"renderProductResolution is {shown}, the pictures are {size[1]}x{size[0]}",
            allowed="the camera of these pictures",
        )


def _matrix(path: Path, row: Mapping[str, Any], key: str) -> Array:
    try:
        return np.array(row[key], dtype=np.float64).reshape(4, 4)
    except (KeyError, TypeError, ValueError):
        raise ClipError(
            path,
            f"{key} is {'not 16 numbers' if key in row else 'missing'}",
            allowed="16 numbers in every file, or empty files alone",
            way_out="write camera_params again, or remove them",
        ) from None


def _intrinsics(path: Path, row: Mapping[str, Any], size: tuple[int, int]) -> Array:
    height, width = size
    try:
        if row.get("cameraProjection") is not None:
            # Rows are multiplied: the transpose is what multiplies columns.
            projection = _matrix(path, row, "cameraProjection").T
            return intrinsics_of_projection(projection[None], height, width)[0]
        right, up = row.get("cameraApertureOffset", (0.0, 0.0))
        # An aperture that is moved right and up shows the axis left of and below the middle.
        return intrinsics_of_lens(
            height,
            width,
            focal_length=row["cameraFocalLength"],
            sensor_width=row["cameraAperture"][0],
            offset=(-float(right), float(up)),
        )
    except KeyError as error:
        raise ClipError(
            path,
            f"has neither cameraProjection nor {error}",
            allowed="cameraProjection, or cameraAperture and cameraFocalLength",
        ) from None
    except (TypeError, ValueError) as error:
        if isinstance(error, ClipError):
            raise
        raise ClipError(
            path, str(error), way_out="render with a perspective camera, or remove camera_params"
        ) from error


def _up(views: Array, metres_per_unit: float) -> Up:
    """Return the up axis: z, unless a stage in centimetres is seen upright along y.

    Isaac's stages are in metres with z up, those of Omniverse in centimetres with y up.
    """
    upright = views[:, :3, 1].mean(0)  # the camera's y axis in the world, rows multiplied
    if metres_per_unit == _CENTIMETRES and upright @ axis_of("+y") > upright @ axis_of("+z"):
        return "+y"
    return "+z"
