"""Read the camera of each frame from the annotations beside a CARLA rig, as Bench2Drive has them.

anno/00012.json.gz names under `sensors` each camera (CAM_FRONT_LEFT) with `intrinsic` and
`world2cam`, the inverse of CARLA's sensor transform: Unreal's left-handed axes, in metres.
Source: Bench2Drive, docs/anno.md and tools/data_collect.py.
"""

import gzip
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import convert_camera
from simlift.core.errors import ClipError

_FOLDER = "anno"
_SENSORS = re.compile(r'"sensors"\s*:\s*')


def is_annotated(folder: Path) -> bool:
    """Whether a dump has the form of Bench2Drive's: camera/ with its sensors, and anno/."""
    return (folder / "camera").is_dir() and (folder / _FOLDER).is_dir()


def annotation_files(folder: Path, frames: Sequence[tuple[int, ...]]) -> list[Path]:
    """Return the annotations of some frames; none where the dump has none."""
    inside = folder / _FOLDER
    if not is_annotated(folder):
        return []
    found = {
        int(path.name.split(".")[0]): path
        for path in inside.iterdir()
        if path.name.endswith((".json", ".json.gz")) and path.name.split(".")[0].isdigit()
    }
    wanted = [frame[-1] for frame in frames]
    if missing := [number for number in wanted if number not in found]:
        raise ClipError(
            inside,
            f"{len(missing)} frames have no annotation ({', '.join(map(str, missing[:8]))})",
            allowed="one file for each frame",
            way_out=f"restore them; or remove {_FOLDER}/ to read the frames without poses",
        )
    return [found[number] for number in wanted]


def read_poses(paths: Sequence[Path], camera: str, height: int, width: int) -> Camera | None:
    """Read the camera of every frame; None where the annotations do not name it."""
    first = _sensors(paths[0])
    name = next((key for key in first if _plain(key) == _plain(camera)), None)
    if name is None:
        return None
    rows = [_of(path, name) for path in paths]
    sizes = {(row.get("image_size_x", width), row.get("image_size_y", height)) for row in rows}
    if sizes != {(width, height)}:
        x, y = next(iter(sizes - {(width, height)}))
        raise ClipError(
            paths[0],
            f"{name} is {x}x{y}, its images {width}x{height}",
            allowed="the same size",
            way_out="use the images as they were recorded",
        )
    try:
        return convert_camera(
            np.array([row["world2cam"] for row in rows], dtype=np.float64),
            np.array([row["intrinsic"] for row in rows], dtype=np.float64),
            convention="unreal",
            direction="world_to_camera",
            metres_per_unit=1.0,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ClipError(
            paths[0],
            f"{name} holds no camera of every frame ({error})",
            allowed="intrinsic 3 by 3 and world2cam 4 by 4",
            way_out=f"restore it; or remove {_FOLDER}/ to read the frames without poses",
        ) from error


def _of(path: Path, name: str) -> Mapping[str, Any]:
    sensors = _sensors(path)
    if name not in sensors:
        raise ClipError(path, f"has no sensor {name}", allowed=", ".join(sensors))
    row: Mapping[str, Any] = sensors[name]
    return row


def _sensors(path: Path) -> Mapping[str, Any]:
    """Return the object `sensors`, without parsing the many bodies beside it."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        at = _SENSORS.search(text)
        sensors = json.JSONDecoder().raw_decode(text, at.end())[0] if at else None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ClipError(
            path, f"is no annotation ({error})", allowed="JSON with an object sensors"
        ) from error
    if not isinstance(sensors, dict):
        raise ClipError(
            path, "is no annotation: it has no sensors", allowed="JSON with an object sensors"
        )
    return sensors


def _plain(name: str) -> str:
    return name.lower().removeprefix("cam_").replace("_", "")
