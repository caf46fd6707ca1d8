"""Read meta/info.json of a LeRobot dataset: features, cameras, templates of paths."""

import posixpath
import string
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from simlift.core.dataset import Feature
from simlift.core.errors import ClipError
from simlift.core.strict_json import read_json

_PICTURES = ("video", "image")


@dataclass(frozen=True)
class CameraFeature:
    """A feature of pictures: a video beside the rows, or pictures inside them."""

    name: str
    kind: str  # "video" or "image"
    height: int
    width: int
    channels: int
    depth: bool
    info: Mapping[str, Any]


@dataclass(frozen=True)
class Info:
    """What meta/info.json says; keys that are not known are kept in `data`, untouched."""

    file: Path
    version: str
    fps: Fraction
    features: Mapping[str, Feature]
    pictures: Mapping[str, CameraFeature]
    data_path: str
    video_path: str
    chunks_size: int
    total_episodes: int
    total_frames: int
    robot_type: str
    data: Mapping[str, Any]

    def path_of(self, template: str, root: Path, **values: Any) -> Path:
        """Fill a template of paths; ClipError for a path that leads out of the dataset.

        Datasets of converters name the numbers differently: {chunk_index} is {episode_chunk} too.
        """
        chunk = values.get("chunk_index", 0)
        file = values.get("file_index", values.get("episode_index", 0))
        known: dict[str, Any] = {**values, "episode_chunk": chunk, "episode_file": file}
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        except ValueError as error:
            raise ClipError(self.file, f"the path {template!r} is broken ({error})") from error
        if missing := names - set(known):
            raise ClipError(
                self.file,
                f"the path {template!r} asks for {', '.join(sorted(missing))}",
                allowed=", ".join(sorted(known)),
            )
        try:
            filled = template.format(**known)
        except (ValueError, IndexError, KeyError) as error:
            raise ClipError(self.file, f"the path {template!r} is broken ({error})") from error
        # Links are followed, for caches are full of them: what counts is what is written.
        inside = posixpath.normpath(filled)
        if not template:
            raise ClipError(
                self.file, "has no video_path", allowed="a template, where features are videos"
            )
        if posixpath.isabs(filled) or inside.split("/")[0] in ("..", "."):
            raise ClipError(
                self.file,
                f"the path {filled!r} leads out of the dataset",
                allowed="paths inside it",
            )
        return root / inside


def read_info(root: Path) -> Info:
    """Read meta/info.json; ClipError names the key that is missing or of a wrong kind."""
    file = root / "meta" / "info.json"
    data = read_json(file)
    if not isinstance(data, dict):
        raise ClipError(file, "holds no object", allowed="a JSON object")
    features = _key(file, data, "features", dict)
    pictures = {
        name: _picture(file, name, entry)
        for name, entry in features.items()
        if isinstance(entry, dict) and entry.get("dtype") in _PICTURES
    }
    fps = data.get("fps")
    if not isinstance(fps, int | float) or isinstance(fps, bool) or not 0 < fps < 10_000:
        raise ClipError(file, f"fps is {fps!r}", allowed="frames a second, above 0")
    return Info(
        file=file,
        version=str(_key(file, data, "codebase_version", str)),
        fps=Fraction(fps).limit_denominator(1001),
        features={
            name: _feature(file, name, entry)
            for name, entry in features.items()
            if name not in pictures
        },
        pictures=pictures,
        data_path=_key(file, data, "data_path", str),
        video_path=_key(file, data, "video_path", str) if data.get("video_path") else "",
        chunks_size=_chunks(file, data.get("chunks_size", 1000)),
        total_episodes=_key(file, data, "total_episodes", int),
        total_frames=_key(file, data, "total_frames", int),
        robot_type=data.get("robot_type") or "",
        data=data,
    )


def _key(file: Path, data: Mapping[str, Any], key: str, kind: type) -> Any:
    if key not in data:
        raise ClipError(file, f"has no {key}", allowed="what a LeRobot dataset states there")
    if not isinstance(data[key], kind) or isinstance(data[key], bool):
        raise ClipError(file, f"{key} is {data[key]!r}", allowed=f"a value of {kind.__name__}")
    return data[key]


def _chunks(file: Path, size: Any) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ClipError(file, f"chunks_size is {size!r}", allowed="a whole number, 1 or more")
    return size


def _shape(file: Path, name: str, entry: Any) -> tuple[int, ...]:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list | tuple) or not all(isinstance(n, int) for n in shape):
        raise ClipError(file, f"features.{name}.shape is {shape!r}", allowed="whole numbers")
    return tuple(shape)


def _feature(file: Path, name: str, entry: Any) -> Feature:
    shape = _shape(file, name, entry)
    names = entry.get("names")
    if isinstance(names, dict):  # {"motors": ["a", "b"]}, as older recorders write it
        names = next((value for value in names.values() if isinstance(value, list)), None)
    flat = isinstance(names, list) and all(isinstance(n, str) for n in names)
    return Feature(str(entry.get("dtype")), shape, tuple(names) if flat else None)


def _picture(file: Path, name: str, entry: Mapping[str, Any]) -> CameraFeature:
    shape = _shape(file, name, entry)
    if len(shape) != 3:
        raise ClipError(
            file, f"features.{name}.shape is {list(shape)}", allowed="height, width, channels"
        )
    names = entry.get("names")
    names = names if isinstance(names, list) else []
    first = bool(names) and str(names[0]).startswith("channel")
    if first or (shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)):
        channels, height, width = shape
    else:
        height, width, channels = shape
    info = entry.get("info") or entry.get("video_info") or {}
    if not isinstance(info, dict):
        raise ClipError(file, f"features.{name}.info is {info!r}"[:120], allowed="an object")
    depth = bool(info.get("is_depth_map") or info.get("video.is_depth_map"))
    return CameraFeature(name, str(entry["dtype"]), height, width, channels, depth, info)
