"""Hold a LeRobot dataset of any version: its tables, and how its features become clips."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from simlift.core.clip import Clip
from simlift.core.dataset import Episode, Feature, Origin, clip_name
from simlift.core.layers import FrameStore, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.parquet_images import ParquetImages
from simlift.media.video.section import VideoSection
from simlift.sources.lerobot.info import CameraFeature, Info
from simlift.sources.lerobot.layers import FeatureLayer

if TYPE_CHECKING:
    import pyarrow

_RANGE = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True)
class Section:
    """Where the frames of an episode lie: a file, and the number of its first frame there."""

    file: Path
    first: int


class Places(Protocol):
    """Where the rows and frames of every episode lie; episodes are counted from 0."""

    def data_file(self, episode: int) -> Path:
        """Return the parquet file with the rows of an episode."""
        ...

    def section(self, feature: str, episode: int) -> Section:
        """Return where the frames of a video feature lie."""
        ...

    def fullest(self, feature: str, file: Path, episode: int) -> tuple[int, int]:
        """Return where the last section of a file ends, and the frames of all its sections."""
        ...


@dataclass(frozen=True)
class LeRobot:
    """A LeRobot dataset, its tables of episodes read; `layers` are those beside each colour."""

    path: Path
    info: Info
    episodes: tuple[Episode, ...]
    places: Places
    layers: Mapping[str, tuple[FeatureLayer, ...]]
    options: ReadOptions = ReadOptions()
    notes: tuple[str, ...] = ()
    filters: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def layout(self) -> str:
        return f"lerobot-{self.info.version}"

    @property
    def fps(self) -> Fraction:
        return self.info.fps

    @cached_property
    def _real_path(self) -> Path:
        return self.path.resolve()

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(self.layers)

    @property
    def features(self) -> Mapping[str, Feature]:
        return self.info.features

    @property
    def task_names(self) -> Mapping[int, str]:
        """The tasks in words, by the number that rows name them with."""
        from simlift.sources.lerobot import _tasks

        return _tasks.task_names(self.path)

    @property
    def robot_type(self) -> str:
        return self.info.robot_type

    @property
    def licence(self) -> str:
        return str(self.info.data.get("license") or "")

    def check(self, episodes: Sequence[Episode], cameras: Sequence[str]) -> None:
        """Raise ClipError for files that are not there, or differ from the tables."""
        from simlift.sources.lerobot import probing

        probing.check_files(self, episodes, cameras)

    def store(self, feature: CameraFeature, episode: Episode, pixels: str) -> FrameStore:
        """Return where the frames of a feature lie: a section of a video, or images in rows."""
        if feature.kind == "image":
            return ParquetImages(
                self.places.data_file(episode.index),
                feature.name,
                episode.index,
                episode.num_frames,
                feature.height,
                feature.width,
                samples=pixels != "rgb24",
            )
        section = self.places.section(feature.name, episode.index)
        return VideoSection(
            section.file,
            section.first,
            episode.num_frames,
            feature.height,
            feature.width,
            self.fps,
            pixels,
        )

    def clip(self, episode: Episode, camera: str) -> Clip:
        """Open a camera of an episode as a clip: its colour, and the layers that belong to it."""
        kind = self.info.pictures[camera]
        layers = [
            StoredLayer(Layer.RGB, self.store(kind, episode, "rgb24"), Colour(), Unit.SRGB),
            *(
                StoredLayer(
                    each.layer,
                    self.store(each.feature, episode, each.pixels),
                    each.decode,
                    each.unit,
                    each.note,
                )
                for each in self.layers[camera]
            ),
        ]
        return Clip(
            name=clip_name(episode, camera, self.cameras),
            path=self.path,
            fps=self.fps,
            num_frames=episode.num_frames,
            height=kind.height,
            width=kind.width,
            layers=tuple(layers),
            caption="; ".join(episode.tasks),
            notes=(*self.notes, *(each.note for each in self.layers[camera] if each.note)),
            read_options=replace(self.options, episode=str(episode.index), camera=camera),
            origin=Origin.of(self._real_path, self.layout, episode, camera),
        )

    def rows(self, episode: Episode) -> "pyarrow.Table":
        """Read the rows of an episode in the types in which they are stored, pictures left out."""
        from simlift.sources.lerobot import _rows

        pictures = [name for name, kind in self.info.pictures.items() if kind.kind == "image"]
        return _rows.episode_rows(self.places.data_file(episode.index), episode, self.fps, pictures)

    def files(self, episode: Episode) -> tuple[Path, ...]:
        """The parquet file that holds the episode's rows."""
        return (self.places.data_file(episode.index),)


def splits_of(info: Info, count: int) -> dict[str, tuple[int, ...]]:
    """Return the episodes of every split that info.json names by a range, "train": "0:50"."""
    stated = info.data.get("splits")
    found = {}
    for name, words in stated.items() if isinstance(stated, dict) else ():
        if isinstance(words, str) and (match := _RANGE.fullmatch(words)):
            found[name] = tuple(range(int(match[1]), min(int(match[2]), count)))
    return {name: episodes for name, episodes in found.items() if episodes}
