"""Find cameras in the files beside the frames, and every way in which they could be meant."""

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.errors import RecipeError
from simlift.core.strict_json import read_json
from simlift.media.arrays import read_npz
from simlift.media.manifest import NativeCamera
from simlift.passes.init.scan import Scan

# What names speak of: key of clip.json, and what a name must hold.
_POSE = re.compile(
    r"view|extrinsic|world.*cam|cam.*world|w2c|c2w|pose|matrix_world|transform", re.I
)
_PROJECTION = re.compile(r"proj", re.I)
_INTRINSICS = re.compile(r"^k$|intrinsic|camera_matrix|cam_k", re.I)
_FOV = re.compile(r"fov|field_of_view|angle_of_view", re.I)
_FOCAL = re.compile(r"focal|lens", re.I)
_SENSOR = re.compile(r"sensor.*w|aperture|film.*w", re.I)
_DOWN = re.compile(r"vert|fovy|_y$|down", re.I)
_FROM_CAMERA = re.compile(
    r"cam.*2.*world|cam.*to.*world|c2w|matrix_world|transform_matrix|pose", re.I
)
_COLUMNS = re.compile(r"column", re.I)


@dataclass(frozen=True)
class Side:
    """A file beside the frames that may hold a camera, a rate and names."""

    file: str
    values: Mapping[str, Any]
    frames_key: str = ""


@dataclass(frozen=True)
class CameraFile:
    """A camera that was found, with what its names say and what they leave open."""

    camera: NativeCamera
    rivals: tuple[NativeCamera, ...] = field(default_factory=tuple)


def side_files(scan: Scan) -> list[Side]:
    """Return what the files beside the frames hold by name."""
    found = []
    for path in scan.others:
        if path.suffix.lower() == ".json":
            found += _side(path, path.relative_to(scan.folder).as_posix())
        elif path.suffix.lower() == ".npz":
            found.append(Side(path.relative_to(scan.folder).as_posix(), _npz(path)))
    for group in scan.groups:
        if group.suffix == ".json":
            found += _side(group.paths[0], group.pattern)
    return [side for side in found if side.values]


def _side(path: Path, name: str) -> list[Side]:
    try:
        data = read_json(path)
    except RecipeError:
        return []
    if not isinstance(data, dict):
        return []
    for key, rows in data.items():
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            if not _in_order(rows):
                return []  # poses would be those of other frames
            inner = {k: [row.get(k) for row in rows] for k in rows[0]}
            return [Side(name, {**{k: v for k, v in data.items() if k != key}, **inner}, key)]
    return [Side(name, data)]


def _in_order(rows: list[Any]) -> bool:
    """Whether rows that name their frames are in the order of the numbers in these names."""
    for key in (
        "file_path",
        "file",
        "filename",
        "file_name",
        "image",
        "frame",
        "frame_id",
        "index",
    ):
        found = [re.findall(r"\d+", str(row.get(key, ""))) for row in rows]
        if all(found):
            numbers = [int(digits[-1]) for digits in found]
            return numbers == sorted(numbers)
    return True


def _npz(path: Path) -> Mapping[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: read_npz(path, name) for name in archive.files}
    except (ValueError, OSError):
        return {}


def find_camera(sides: list[Side]) -> CameraFile | None:
    """Return the camera that a file describes, and all it could mean; None where none does."""
    for side in sides:
        keys: dict[str, str] = {}
        for name, value in side.values.items():
            kind = _kind(name, value)
            if kind is not None:
                keys.setdefault(kind, name)
        known = {"pose", "view", "intrinsics", "fov", "fov_down"} & set(keys)
        if not known and _angle(side.values) is None:
            continue
        keys = _enough(keys)
        fov = _angle(side.values)
        lenses = {"intrinsics", "projection", "fov", "fov_down", "focal_length"}
        if fov is None and not lenses & set(keys):
            continue
        if side.frames_key and side.frames_key != "frames":
            keys["frames"] = side.frames_key
        pose_name = keys.get("pose") or keys.get("view") or ""
        if fov is not None:
            keys = {k: v for k, v in keys.items() if k not in lenses | {"sensor_width"}}
        base = NativeCamera(file=side.file, keys=keys, fov=fov)
        return _ways(base, pose_name, side.values.get(pose_name))
    return None


def _angle(values: Mapping[str, Any]) -> float | None:
    """Return degrees across of a camera as NeRF's transforms.json states it: in radians, or pixels.

    Source: nerfstudio, "Data conventions": camera_angle_x; fl_x with w.
    """
    angle, focal, width = (values.get(key) for key in ("camera_angle_x", "fl_x", "w"))
    if isinstance(focal, int | float) and isinstance(width, int | float) and focal > 0:
        return math.degrees(2 * math.atan(width / (2 * focal)))
    return math.degrees(angle) if isinstance(angle, int | float) else None


def _enough(keys: dict[str, str]) -> dict[str, str]:
    """Return one lens: the most exact of those that are named."""
    if "view" in keys:
        keys.pop("pose", None)
    for best, others in (
        ("intrinsics", ("projection", "fov", "fov_down", "focal_length", "sensor_width")),
        ("projection", ("fov", "fov_down", "focal_length", "sensor_width")),
        ("fov", ("fov_down", "focal_length", "sensor_width")),
        ("fov_down", ("focal_length", "sensor_width")),
    ):
        if best in keys:
            keys = {k: v for k, v in keys.items() if k not in others}
    if ("focal_length" in keys) != ("sensor_width" in keys):
        keys = {k: v for k, v in keys.items() if k not in ("focal_length", "sensor_width")}
    return keys


def _kind(name: str, value: Any) -> str | None:
    """Return which part of a camera a named value is."""
    try:
        shape = np.asarray(value, dtype=np.float64).shape
    except (TypeError, ValueError):
        return None
    matrix = shape[-2:] == (4, 4) or shape[-1:] == (16,)
    if matrix and _PROJECTION.search(name):
        return "projection"
    if matrix and _POSE.search(name):
        return "view" if re.search("view", name, re.I) else "pose"
    if (shape[-2:] == (3, 3) or shape[-1:] == (9,)) and _INTRINSICS.search(name):
        return "intrinsics"
    if len(shape) > 1:
        return None
    if _FOV.search(name):
        return "fov_down" if _DOWN.search(name) else "fov"
    if _SENSOR.search(name):
        return "sensor_width"
    return "focal_length" if _FOCAL.search(name) else None


def _ways(base: NativeCamera, name: str, value: Any) -> CameraFile:
    """Return the camera as its names say, and the other conventions in which it is a rigid one."""
    matrix = np.asarray(value, dtype=np.float64) if value is not None else np.eye(4)
    matrix = matrix.reshape(-1, 4, 4) if matrix.size else np.eye(4)[None]
    rows = np.allclose(matrix[:, 3], (0, 0, 0, 1), atol=1e-4)
    columns = np.allclose(matrix[:, :, 3], (0, 0, 0, 1), atol=1e-4)
    transposed = _COLUMNS.search(name) is not None or (columns and not rows)
    base = replace(base, matrices="columns" if transposed else "rows")
    rotation = matrix[0, :3, :3]
    mirrored = float(np.linalg.det(rotation)) < 0
    from_camera = _FROM_CAMERA.search(name) is not None
    direction = "camera_to_world" if from_camera and "view" not in base.keys else "world_to_camera"
    opengl = (
        "view" in base.keys
        or "projection" in base.keys
        or "matrix_world" in name
        or "transform_matrix" in name
    )
    conventions = ["unity", "unreal"] if mirrored else ["opencv", "opengl"]
    if opengl and not mirrored:
        conventions.reverse()
    directions = (
        ["world_to_camera"] if "view" in base.keys else ["world_to_camera", "camera_to_world"]
    )
    ways = [
        replace(base, convention=convention, direction=way)  # type: ignore[arg-type]
        for convention, way in itertools.product(conventions, directions)
    ]
    ways.sort(key=lambda camera: camera.direction != direction)
    ways.sort(key=lambda camera: camera.convention != conventions[0])
    return CameraFile(ways[0], tuple(ways[1:]))


def find_rate(sides: list[Side]) -> str | None:
    """Return frames a second that a file states."""
    for side in sides:
        for name, value in side.values.items():
            if re.fullmatch(r"fps|frame_?rate|frames_per_second", name, re.I) and isinstance(
                value, int | float
            ):
                return f"{value:g}"
    return None


def find_clip_planes(sides: list[Side]) -> tuple[float, float] | None:
    """Return the near and far distance that a file states."""
    for side in sides:
        named = {k.lower(): v for k, v in side.values.items() if isinstance(v, int | float)}
        near = next((v for k, v in named.items() if re.search(r"(^|_)near|znear", k)), None)
        far = next((v for k, v in named.items() if re.search(r"(^|_)far|zfar", k)), None)
        if near and far and 0 < near < far:
            return float(near), float(far)
    return None


def find_names(sides: list[Side]) -> dict[str, str]:
    """Return names of ids: an object whose keys are whole numbers and whose values are names."""
    for side in sides:
        for data in (side.values, *side.values.values()):
            if not isinstance(data, Mapping) or not data:
                continue
            names = {str(k): _name(v) for k, v in data.items() if str(k).isdigit()}
            if len(names) == len(data) and all(names.values()):
                return {k: v for k, v in names.items() if v}
    return {}


def find_colours(sides: list[Side]) -> dict[tuple[int, int, int], str]:
    """Return names of colours: an object whose keys are "(r, g, b)" or "(r, g, b, a)"."""
    for side in sides:
        found = {}
        for key, value in side.values.items():
            numbers = re.fullmatch(r"\(?\s*(\d+),\s*(\d+),\s*(\d+)(?:,\s*\d+)?\s*\)?", str(key))
            name = _name(value)
            if numbers and name:
                red, green, blue = (int(n) for n in numbers.groups())
                found[red, green, blue] = name
        if found and len(found) == len(side.values):
            return found
    return {}


def _name(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        for key in ("class", "name", "label", "category"):
            if isinstance(value.get(key), str):
                return str(value[key])
    return None
