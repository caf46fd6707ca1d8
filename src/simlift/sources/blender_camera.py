"""Read the camera that lies beside Blender's renders, or in the folder above: camera.json or .npz.

    camera.json   {"lens_mm": 28, "sensor_width_mm": 36, "fps": 24, "clip_end": 1000,
                   "frames": [{"frame": 1, "matrix_world": [[...], ...]}, ...],
                   "objects": {"1": "floor"}}
    camera.npz    matrix_world [t 4 4]; lens_mm and sensor_width_mm, [t] or one; frame [t]

lens_mm, sensor_width_mm, shift_x, shift_y and sensor_fit are those of Blender's camera, and may
stand in every frame. matrix_world leads from the camera to the world, which has z up. objects are
the names of pass indices; what is at clip_end or farther is nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import convert_camera, intrinsics_of_lens
from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.core.strict_json import read_json
from simlift.sources.native_tracks import read_arrays

_DEFAULTS = {"shift_x": 0.0, "shift_y": 0.0, "sensor_fit": "AUTO"}
_FITS = ("AUTO", "HORIZONTAL", "VERTICAL")


@dataclass(frozen=True)
class BlenderCamera:
    """What lies beside the renders: camera, rate, names of pass indices, the farthest distance."""

    camera: Camera | None = None
    fps: Fraction | None = None
    objects: Mapping[int, str] = field(default_factory=dict)
    clip_end: float = float("inf")
    files: tuple[Path, ...] = ()


def read_blender_camera(
    folder: Path, numbers: Sequence[int], size: tuple[int, int]
) -> BlenderCamera:
    """Read the camera of the frames `numbers`, whose pictures are [h w]; empty where none lies
    there. ClipError names what the file lacks.
    """
    for place in (folder, folder.parent):
        if (place / "camera.json").is_file():
            return _of_json(place / "camera.json", numbers, size)
        if (place / "camera.npz").is_file():
            return _of_npz(place / "camera.npz", numbers, size)
    return BlenderCamera()


def _of_json(path: Path, numbers: Sequence[int], size: tuple[int, int]) -> BlenderCamera:
    data = read_json(path)
    rows = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ClipError(
            path,
            "has no list of frames",
            allowed='{"lens_mm": ..., "sensor_width_mm": ..., "frames": [{"frame": 1, '
            '"matrix_world": [[...], ...]}, ...]}',
        )
    shared = {key: value for key, value in data.items() if key != "frames"}
    by_number = {row.get("frame", numbers[0] + k): {**shared, **row} for k, row in enumerate(rows)}
    camera = _camera(path, _of_frames(path, by_number, numbers), size)
    try:
        objects = {int(key): str(name) for key, name in data.get("objects", {}).items()}
        fps = Fraction(str(data["fps"])) if "fps" in data else None
        clip_end = float(data.get("clip_end", "inf"))
    except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise ClipError(
            path,
            f"holds {error}",
            allowed="objects by their pass index; fps and clip_end as numbers",
        ) from error
    return BlenderCamera(camera, fps, objects, clip_end, (path,))


def _of_npz(path: Path, numbers: Sequence[int], size: tuple[int, int]) -> BlenderCamera:
    found = read_arrays(path.parent, path.name, {"matrix_world": "t 4 4"})
    count = len(found["matrix_world"])
    frames = found.get("frame", np.arange(count) + numbers[0]).tolist()
    rows: dict[Any, dict[str, Any]] = {}
    for k, frame in enumerate(frames):
        rows[frame] = {
            key: value[k] if value.ndim and len(value) == count else value.item()
            for key, value in found.items()
        }
    return BlenderCamera(_camera(path, _of_frames(path, rows, numbers), size), files=(path,))


def _of_frames(
    path: Path, rows: Mapping[Any, Mapping[str, Any]], numbers: Sequence[int]
) -> list[Mapping[str, Any]]:
    missing = [number for number in numbers if number not in rows]
    if missing:
        raise ClipError(
            path,
            f"holds no camera of {len(missing)} frames ({', '.join(map(str, missing[:8]))})",
            allowed="the frame numbers of the files' names",
            way_out="write it again for the frames that were rendered",
        )
    return [rows[number] for number in numbers]


def _camera(path: Path, rows: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> Camera:
    try:
        poses = np.array([row["matrix_world"] for row in rows], dtype=np.float64)
        lens = np.stack([_intrinsics({**_DEFAULTS, **row}, size) for row in rows])
        return convert_camera(poses, lens, convention="opengl", direction="camera_to_world")
    except KeyError as error:
        raise ClipError(
            path,
            f"has no {error.args[0]}",
            allowed="matrix_world, lens_mm and sensor_width_mm of Blender's camera",
        ) from None
    except (TypeError, ValueError) as error:
        raise ClipError(path, str(error), way_out="write the camera again") from error


def _intrinsics(row: Mapping[str, Any], size: tuple[int, int]) -> Array:
    """Return the intrinsics of Blender's camera settings.

    Source: Blender's BKE_camera_params_compute_viewplane: the sensor spans the larger side, or the
    one that sensor_fit names, and shifts are in parts of that side.
    """
    height, width = size
    if row.get("type", "PERSP") != "PERSP":
        raise ValueError(f"the camera is of type {row['type']}; allowed: PERSP")
    fit = str(row["sensor_fit"])
    if fit not in _FITS:
        raise ValueError(f"sensor_fit is {fit!r}; allowed: {', '.join(_FITS)}")
    side = {"AUTO": max(size), "HORIZONTAL": width, "VERTICAL": height}[fit]
    sensor = float(row["sensor_height_mm" if fit == "VERTICAL" else "sensor_width_mm"])
    matrix = intrinsics_of_lens(
        height,
        width,
        focal_length=float(row["lens_mm"]),
        sensor_width=sensor * width / side,
    )
    # The frame moves right and up by a shift, so that the axis moves left and down in it.
    matrix[0, 2] -= float(row["shift_x"]) * side
    matrix[1, 2] += float(row["shift_y"]) * side
    return matrix
