"""Read the camera that clip.json names: camera.npz, or a file in another convention."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import (
    convert_camera,
    intrinsics_of_fov,
    intrinsics_of_lens,
    intrinsics_of_projection,
    poses_of,
    rotation_of_quaternion,
    rotation_of_rotator,
)
from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.core.strict_json import read_json
from simlift.media.manifest import CAMERA_KEYS, NativeCamera, NativeManifest
from simlift.sources.native_tracks import built, inside, read_arrays

# What of a camera may be the same in every frame, and so may stand once, above the frames.
_POSES = ("pose", "view", "position", "quaternion", "rotator")
_LENSES = ("intrinsics", "projection", "fov", "fov_down", "focal_length", "sensor_width")


def read_camera(folder: Path, manifest: NativeManifest) -> Camera | None:
    """Read the camera of every frame; ClipError names the file and what it lacks."""
    stated = manifest.camera
    if stated is None:
        return None
    if isinstance(stated, str):
        return _native(folder, stated)
    where = inside(folder, stated.file) if stated.file else folder / "clip.json"
    table = _table(folder, stated, manifest)
    try:
        poses = _poses(table, stated, manifest.num_frames, where)
        intrinsics = _intrinsics(table, stated, manifest)
        return convert_camera(
            poses,
            intrinsics,
            convention=stated.convention,
            direction="world_to_camera" if "view" in table else stated.direction,
            metres_per_unit=stated.metres_per_unit,
            up=stated.up,
        )
    except ValueError as error:
        if isinstance(error, ClipError):
            raise
        raise ClipError(
            where, str(error), way_out="correct camera in clip.json, or leave it out"
        ) from error


def _native(folder: Path, name: str) -> Camera:
    shapes = {"intrinsics": "t 3 3", "world_to_camera": "t 4 4", "up": "3"}
    found = read_arrays(folder, name, shapes)
    up = found.get("up", np.array([0.0, 0.0, 1.0]))
    return built(
        folder / name,
        Camera,
        intrinsics=found["intrinsics"].astype(np.float64),
        world_to_camera=found["world_to_camera"].astype(np.float64),
        up=up.astype(np.float64),
    )


def _table(folder: Path, stated: NativeCamera, manifest: NativeManifest) -> dict[str, Array]:
    """Return the file's arrays by our own names, each [t ...] or without a first axis of frames."""
    if not stated.file:
        return {}
    path = inside(folder, stated.file)
    suffix = path.suffix.lower()
    if "%" in path.name:
        numbers = manifest.frames or range(manifest.num_frames)
        rows = [_mapping(path.with_name(path.name % k)) for k in numbers]
        found: Mapping[str, Any] = {key: [_of(r, key, path) for r in rows] for key in rows[0]}
    elif suffix == ".npz":
        found = read_arrays(folder, stated.file, {})
    elif suffix == ".csv":
        found = _csv(path)
    elif suffix == ".json":
        found = _frames(_mapping(path), stated, path)
    else:
        raise ClipError(path, f"has the suffix {suffix!r}", allowed=".npz, .json or .csv")
    if "pose" not in found and "world_to_camera" in found:  # as camera.npz calls it
        found = {**found, "pose": found["world_to_camera"]}
    wanted = {name: stated.keys.get(name, name) for name in CAMERA_KEYS - {"frames"}}
    stray = [key for name, key in stated.keys.items() if name != "frames" and key not in found]
    if stray:
        raise ClipError(
            path,
            f"has no {', '.join(stray)}",
            allowed=", ".join(sorted(found)),
            way_out="correct camera.keys in clip.json",
        )
    return {name: _numbers(found[key], path, key) for name, key in wanted.items() if key in found}


def _mapping(path: Path) -> Mapping[str, Any]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise ClipError(
            path, f"holds a {type(data).__name__}", allowed="an object with named values"
        )
    return data


def _of(row: Mapping[str, Any], key: str, path: Path) -> Any:
    if key not in row:
        raise ClipError(path, f"{key} is missing in one of the files", allowed="the same in each")
    return row[key]


def _frames(data: Mapping[str, Any], stated: NativeCamera, path: Path) -> Mapping[str, Any]:
    """Return values of all frames, and those above the frames as they are."""
    key = stated.keys.get("frames", "frames")
    rows = data.get(key)
    if not isinstance(rows, list):
        if "frames" in stated.keys:
            raise ClipError(path, f"has no list {key!r}", allowed=", ".join(data))
        return data
    inner = {k: [_of(row, k, path) for row in rows] for k in rows[0]} if rows else {}
    return {**{k: v for k, v in data.items() if k != key}, **inner}


def _csv(path: Path) -> Mapping[str, Any]:
    """Read columns; those named pose_0, pose_1 ... or pose.x, pose.y ... are one value a row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="check camera.file in clip.json") from None
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise ClipError(
            path, "is no table", allowed="a line of names, then one line for each frame"
        )
    columns: dict[str, list[list[str]]] = {}
    for k, name in enumerate(cell.strip() for cell in rows[0]):
        stem = name.rstrip("0123456789").rstrip("._[") if name[-1:].isdigit() else name
        stem = stem[:-2] if stem[-2:] in (".x", ".y", ".z", ".w", "_x", "_y", "_z", "_w") else stem
        columns.setdefault(stem, []).append([row[k] for row in rows[1:]])
    return {
        stem: list(zip(*found, strict=True)) if len(found) > 1 else found[0]
        for stem, found in columns.items()
    }


def _numbers(value: Any, path: Path, key: str) -> Array:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ClipError(path, f"{key} holds no numbers", allowed="numbers of every frame") from None


def _matrices(value: Array, size: int, stated: NativeCamera, name: str) -> Array:
    """Return matrices [... size size] from nested lists, or from lists of size * size numbers."""
    if value.shape[-2:] != (size, size):
        if value.shape[-1:] != (size * size,):
            raise ValueError(f"{name} holds {list(value.shape)}; allowed: {size} by {size} numbers")
        value = value.reshape(*value.shape[:-1], size, size)
    return value.swapaxes(-1, -2) if stated.matrices == "columns" else value


def _each(value: Array, axes: int, count: int, name: str) -> Array:
    """Return a value for each frame; one that stands once is the same in all."""
    if value.ndim == axes:
        value = np.repeat(value[None], count, 0)
    if value.ndim != axes + 1 or len(value) != count:
        raise ValueError(
            f"{name} holds {list(value.shape)}; allowed: one for each of {count} frames"
        )
    return value


def _poses(table: Mapping[str, Array], stated: NativeCamera, count: int, where: Path) -> Array:
    for name in ("view", "pose"):
        if name in table:
            return _each(_matrices(table[name], 4, stated, name), 2, count, name)
    if "position" not in table:
        if table and not set(table) <= set(_LENSES):
            raise ClipError(where, "has no pose", allowed=" or ".join(_POSES))
        return np.repeat(np.eye(4)[None], count, 0)
    position = _each(table["position"], 1, count, "position")
    if "quaternion" in table:
        turned = rotation_of_quaternion(table["quaternion"], stated.quaternion)
    elif "rotator" in table:
        turned = rotation_of_rotator(table["rotator"])
    else:
        raise ClipError(where, "has positions and no rotations", allowed="quaternion or rotator")
    return poses_of(position, _each(turned, 2, count, "rotation"))


def _intrinsics(
    table: Mapping[str, Array], stated: NativeCamera, manifest: NativeManifest
) -> Array:
    count, height, width = manifest.num_frames, manifest.height, manifest.width

    def value(name: str) -> Array | None:
        number = getattr(stated, name, None)
        if number is not None:
            return np.full(count, float(number))
        return _each(table[name], 0, count, name) if name in table else None

    if "intrinsics" in table:
        return _each(
            _matrices(table["intrinsics"], 3, stated, "intrinsics"), 2, count, "intrinsics"
        )
    if "projection" in table:
        matrices = _each(_matrices(table["projection"], 4, stated, "projection"), 2, count, "it")
        if stated.convention == "usd":
            matrices = matrices.swapaxes(-1, -2)
        return intrinsics_of_projection(matrices, height, width)
    across, down = value("fov"), value("fov_down")
    if across is not None:
        return np.stack([intrinsics_of_fov(height, width, across=a) for a in across])
    if down is not None:
        return np.stack([intrinsics_of_fov(height, width, down=a) for a in down])
    lens, sensor = value("focal_length"), value("sensor_width")
    if lens is not None and sensor is not None:
        return np.stack(
            [
                intrinsics_of_lens(height, width, focal_length=float(f), sensor_width=float(s))
                for f, s in zip(lens, sensor, strict=True)
            ]
        )
    raise ValueError(f"the camera has no lens; allowed: {' or '.join(_LENSES)}")


def degrees_across(camera: Camera, width: int) -> float:
    """Return the horizontal field of view of the first frame, in degrees."""
    focal = float(camera.intrinsics[0, 0, 0])
    return math.degrees(2 * math.atan(width / (2 * focal)))
