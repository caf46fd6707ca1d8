"""Write and read `dataset.json`, which makes native clips the episodes and cameras of a dataset.

    DATASET/dataset.json
    DATASET/episode_000000/actions.parquet      one row for each frame
    DATASET/episode_000000/agentview/clip.json  and its layers: see `simlift.media.native`

Paths are relative to the folder. Episodes keep their numbers where they came from another dataset,
so that numbers may have holes.
"""

import os
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from simlift.core.errors import ClipError, RecipeError
from simlift.core.strict_json import dumps, load

FILE = "dataset.json"
_MARK = b'"simlift-dataset/'


@dataclass(frozen=True)
class EpisodeSource:
    """What an episode was replayed from: a file, its format, its name there, its SHA-256 and size.

    `path` is absolute, as the file lay when it was replayed.
    """

    path: str
    layout: str
    key: str
    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class EpisodeEntry:
    """One episode: its number and name, the clip folder of each camera, the file of its rows.

    `success` is null where nothing says so.
    """

    index: int
    name: str
    num_frames: int
    cameras: dict[str, str]
    tasks: tuple[str, ...] = ()
    actions: str | None = None
    success: bool | None = None
    source: EpisodeSource | None = None

    def __post_init__(self) -> None:
        if self.index < 0 or self.num_frames < 1:
            raise RecipeError(
                "index, num_frames",
                f"found {self.index}, {self.num_frames}",
                allowed="0 or more; 1 or more",
            )
        if not self.name or self.name != Path(self.name).name or self.name.startswith("."):
            raise RecipeError("name", f"found {self.name!r}", allowed="a file name")
        if not self.cameras:
            raise RecipeError("cameras", "is empty", allowed="a clip folder for each camera")


@dataclass(frozen=True)
class DatasetManifest:
    """All that `dataset.json` may hold."""

    format: Literal["simlift-dataset/1"]
    name: str
    fps: Fraction
    episodes: tuple[EpisodeEntry, ...]
    robot_type: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise RecipeError("fps", f"found {self.fps}", allowed="a rate above 0")
        if not self.episodes:
            raise RecipeError("episodes", "is empty", allowed="at least one episode")
        for what in ("index", "name"):
            counts = Counter(str(getattr(episode, what)) for episode in self.episodes)
            if twice := sorted(value for value, count in counts.items() if count > 1):
                raise RecipeError(
                    f"episodes.{what}", f"{twice[0]} is there twice", allowed="different ones"
                )
        first = self.episodes[0]
        for episode in self.episodes:
            if list(episode.cameras) != list(first.cameras):
                raise RecipeError(
                    f"episodes.{episode.name}.cameras",
                    f"found {', '.join(episode.cameras)}",
                    allowed=f"those of {first.name}: {', '.join(first.cameras)}",
                )


def recognises(path: Path) -> bool:
    """Whether a folder holds a dataset.json that calls itself this format, of any version."""
    file = path / FILE
    return file.is_file() and _MARK in file.read_bytes()


def read_manifest(folder: Path) -> DatasetManifest:
    """Read dataset.json; ClipError for a path that leads out of the folder."""
    manifest = load(folder / FILE, DatasetManifest)
    for episode in manifest.episodes:
        for name in (*episode.cameras.values(), *([episode.actions] if episode.actions else [])):
            place(folder, name)
    return manifest


def place(folder: Path, name: str) -> Path:
    """Return the path of a file or folder that dataset.json names; ClipError where it leads out.

    Links inside the folder may point elsewhere.
    """
    root = os.path.normpath(folder)
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(root):
        raise ClipError(folder / FILE, f"{name!r} leads out of the folder", allowed="paths inside")
    return path


def write_manifest(folder: Path, manifest: DatasetManifest) -> Path:
    """Write dataset.json by rename: last of all, so that its existence means the rest is whole."""
    file = folder / FILE
    partial = file.with_name(f".{FILE}.partial")
    partial.write_text(dumps(manifest), encoding="utf-8")
    partial.replace(file)
    return file
