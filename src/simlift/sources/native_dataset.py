"""Read datasets of native clips (dataset.json): every camera of every episode with all its layers.

A native clip that belongs to no dataset is one of a single episode, whose camera is called main.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from simlift.core.clip import Clip
from simlift.core.dataset import Episode, Feature, Origin, clip_name
from simlift.core.errors import ClipError
from simlift.core.read_options import ReadOptions
from simlift.media.dataset_manifest import (
    FILE,
    DatasetManifest,
    EpisodeEntry,
    EpisodeSource,
    place,
    read_manifest,
    recognises,
)
from simlift.sources import native

if TYPE_CHECKING:
    import pyarrow

MAIN = "main"  # the camera of a clip that belongs to no dataset


@dataclass(frozen=True)
class NativeDataset:
    """A dataset of native clips below `path`; a `lone` one is a single clip in that folder."""

    path: Path
    manifest: DatasetManifest
    lone: bool = False
    options: ReadOptions = ReadOptions()

    @property
    def layout(self) -> str:
        return "simlift-clip/1" if self.lone else self.manifest.format

    @property
    def fps(self) -> Fraction:
        return self.manifest.fps

    @cached_property
    def episodes(self) -> tuple[Episode, ...]:
        return tuple(
            Episode(
                index=entry.index,
                name=entry.name,
                num_frames=entry.num_frames,
                tasks=entry.tasks,
                key=entry.source.key if entry.source else "",
                success=entry.success,
            )
            for entry in self.manifest.episodes
        )

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(self.manifest.episodes[0].cameras)

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        first = self.manifest.episodes[0]
        if first.actions is None:
            return {}
        from simlift.sources import _native_rows

        return _native_rows.features(place(self.path, first.actions))

    @property
    def filters(self) -> Mapping[str, tuple[int, ...]]:
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        return self.manifest.notes

    @property
    def robot_type(self) -> str:
        return self.manifest.robot_type

    @property
    def licence(self) -> str:
        return self.manifest.licence

    @cached_property
    def _entries(self) -> Mapping[int, EpisodeEntry]:
        return {entry.index: entry for entry in self.manifest.episodes}

    def check(self, episodes: Sequence[Episode], cameras: Sequence[str]) -> None:
        """Raise ClipError where a clip or the file of the rows is not there."""
        for episode in episodes:
            entry = self._entries[episode.index]
            wanted = [place(self.path, entry.cameras[camera]) / "clip.json" for camera in cameras]
            if entry.actions is not None:
                wanted.append(place(self.path, entry.actions))
            for file in wanted:
                if not file.is_file():
                    raise ClipError(
                        self.path / FILE,
                        f"names {file.relative_to(self.path)} for {episode.name}, which is not "
                        "there",
                        allowed="the files of every episode",
                        way_out="copy the dataset again, or leave the episode out with --episodes",
                    )

    def clip(self, episode: Episode, camera: str) -> Clip:
        """Open the native clip of a camera; ClipError where it is not as long as its episode."""
        folder = place(self.path, self._entries[episode.index].cameras[camera])
        clip = native.read(folder)
        if self.lone:
            return replace(clip, read_options=self.options)
        found, due = (clip.num_frames, clip.fps), (episode.num_frames, self.fps)
        if found != due:
            raise ClipError(
                folder / "clip.json",
                f"holds {found[0]} frames at {found[1]} a second",
                allowed=f"{due[0]} at {due[1]}, as {FILE} says of {episode.name}",
                way_out="record the episode again",
            )
        return replace(
            clip,
            name=clip_name(episode, camera, self.cameras),
            path=self.path,
            actions=self.files(episode)[0] if self.files(episode) else clip.actions,
            caption=clip.caption or "; ".join(episode.tasks),
            notes=(*self.notes, *clip.notes),
            read_options=replace(self.options, episode=str(episode.index), camera=camera),
            origin=Origin.of(self.path.resolve(), self.layout, episode, camera),
        )

    def rows(self, episode: Episode) -> "pyarrow.Table":
        """Read the rows of an episode as they are stored; ClipError where it has none."""
        entry = self._entries[episode.index]
        if entry.actions is None:
            raise ClipError(
                self.path / ("clip.json" if self.lone else FILE),
                f"names no rows (actions) for {episode.name}",
                allowed="a parquet file with one row for each frame",
                way_out="record it with simlift record, or write actions.parquet and name it",
            )
        from simlift.sources import _native_rows

        return _native_rows.read(place(self.path, entry.actions), episode, self.fps)

    def replayed_from(self, episode: Episode) -> EpisodeSource | None:
        """What an episode was replayed from, or None."""
        return self._entries[episode.index].source

    def files(self, episode: Episode) -> tuple[Path, ...]:
        """The parquet file of the episode's rows, where it has some."""
        entry = self._entries[episode.index]
        return () if entry.actions is None else (place(self.path, entry.actions),)


def read(path: Path, options: ReadOptions = ReadOptions()) -> NativeDataset:
    """Open a dataset.json; RecipeError or ClipError names the key and what is allowed."""
    return NativeDataset(path, read_manifest(path), options=options)


def lone_clip(clip: Clip) -> NativeDataset:
    """Return a native clip as a dataset of one episode, whose task is the clip's caption."""
    actions = clip.actions.relative_to(clip.path).as_posix() if clip.actions else None
    entry = EpisodeEntry(
        index=0,
        name=clip.name,
        num_frames=clip.num_frames,
        cameras={MAIN: "."},
        tasks=(clip.caption,) if clip.caption else (),
        actions=actions,
    )
    manifest = DatasetManifest("simlift-dataset/1", clip.name, clip.fps, (entry,))
    return NativeDataset(clip.path, manifest, lone=True, options=clip.read_options)


__all__ = ["MAIN", "NativeDataset", "lone_clip", "read", "recognises"]
