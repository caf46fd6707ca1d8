"""Open robot datasets where they lie: a module for each format; episode and camera name a clip."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.dataset import (
    Dataset,
    Episode,
    find_episode,
    select_cameras,
    select_episodes,
    short_name,
)
from simlift.core.errors import ClipError, RecipeError
from simlift.core.read_options import ReadOptions
from simlift.sources import hdf5, lerobot, native, native_dataset
from simlift.sources.robot_track import with_robot


@dataclass(frozen=True)
class DatasetFormat:
    """A format of datasets: its name, who recognises and reads it, and which options it heeds."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]
    options: frozenset[str] = frozenset()


# The first format that recognises a path reads it.
DATASETS: tuple[DatasetFormat, ...] = (
    DatasetFormat(
        "dataset of native clips (dataset.json)", native_dataset.recognises, native_dataset.read
    ),
    DatasetFormat("LeRobot dataset (meta/info.json)", lerobot.recognises, lerobot.read),
    DatasetFormat(
        "HDF5 demonstrations of robosuite, robomimic, Isaac Lab or ManiSkill (.hdf5, .h5)",
        hdf5.recognises,
        hdf5.read,
        frozenset({"fps"}),
    ),
)


_OF_EVERY = frozenset({"episode", "camera", "robot"})  # options that every dataset heeds


def format_of(path: Path) -> DatasetFormat | None:
    """Return the format of the dataset at a path, or None where none recognises it."""
    return next((known for known in DATASETS if known.recognises(path)), None)


def open_dataset(path: str | Path, options: ReadOptions = ReadOptions()) -> Dataset:
    """Open a dataset; ClipError where the path holds none. Nothing but its tables is read."""
    path = Path(path)
    known = format_of(path)
    if known is None:
        found = "is a dataset of no known format" if path.exists() else "does not exist"
        raise ClipError(path, found, allowed="; ".join(known.name for known in DATASETS))
    if stray := sorted(options.stated - known.options - _OF_EVERY):
        raise RecipeError(
            f"--{stray[0]}",
            f"is stated for {path}, which is a {known.name}",
            allowed=", ".join(f"--{name}" for name in sorted(known.options)) or "none of these",
            way_out="leave it out: the dataset says it",
        )
    return known.read(path, options)


def reopen_dataset(path: Path, options: ReadOptions) -> Dataset:
    """Open a dataset as `open_dataset` does, once for all who ask while its tables do not change.

    `options` name neither an episode nor a camera.
    """
    return _opened(path, options, _stamp(path))


def open_episodes(
    path: Path,
    options: ReadOptions = ReadOptions(),
    episodes: str | None = None,
    cameras: Iterable[str] | None = None,
) -> list[Clip]:
    """Return every chosen camera of every chosen episode as a clip, episode by episode.

    ClipError for what can be told without pixels, RecipeError for names that are none.
    """
    dataset = open_dataset(path, options)
    chosen, seen = select_episodes(dataset, episodes), select_cameras(dataset, cameras)
    dataset.check(chosen, seen)
    return [_led(dataset, episode, camera) for episode in chosen for camera in seen]


def open_one(path: Path, options: ReadOptions) -> Clip:
    """Open the one clip of a dataset that `options` name by episode and camera.

    Either may be left out where the dataset has one alone; RecipeError otherwise.
    """
    plain = replace(options, episode=None, camera=None)
    dataset = reopen_dataset(path, plain)
    chosen = _episodes_stated(dataset, options.episode)
    seen = select_cameras(dataset, None if options.camera is None else (options.camera,))
    if len(chosen) > 1 or len(seen) > 1:
        raise RecipeError(
            path,
            f"is a dataset of {len(dataset.episodes)} episodes and {len(dataset.cameras)} cameras",
            allowed="one episode and one camera here",
            way_out=f"--episodes {chosen[0].index} --cameras {seen[0]}",
        )
    dataset.check(chosen, seen)
    return _led(dataset, chosen[0], seen[0])


def _episodes_stated(dataset: Dataset, stated: str | None) -> tuple[Episode, ...]:
    """Return the episodes of a stated word; takes state a number, and there are thousands."""
    number = int(stated) if stated is not None and stated.isdecimal() else -1
    found = find_episode(dataset, number)
    return select_episodes(dataset, stated) if found is None else (found,)


def _led(dataset: Dataset, episode: Episode, camera: str) -> Clip:
    """Open a camera of an episode, with the camera that decides what all of them share.

    That is the first which knows where it is and how far things are, chosen or not.
    """
    clip = _described(dataset, episode, camera)
    if not clip.metric_depth or clip.camera is None:
        return clip
    for other in dataset.cameras:
        if other == camera:
            return clip
        lead = _described(dataset, episode, other)
        if lead.metric_depth and lead.camera is not None:
            return replace(clip, lead=lead)
    return clip


def _described(dataset: Dataset, episode: Episode, camera: str) -> Clip:
    """Open a camera of an episode, with the robot that the user described."""
    clip = dataset.clip(episode, camera)
    file = clip.read_options.robot
    if file is None:
        return clip
    rows, files = dataset.rows(episode), dataset.files(episode)
    return with_robot(clip, rows, file, short_name(camera), files)


def dataset_of(clip: Clip) -> Dataset:
    """Return the dataset that a clip is an episode of; a native clip of none is one by itself.

    ClipError for another clip of none: it has no rows.
    """
    if clip.origin is None:
        if native.recognises(clip.path):
            return native_dataset.lone_clip(clip)
        raise ClipError(
            clip.path,
            "is no episode of a dataset",
            allowed="a clip of a dataset, or a native folder (clip.json) with actions.parquet",
        )
    plain = replace(clip.read_options, episode=None, camera=None)
    return _opened(clip.path, plain, _stamp(clip.path))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when the tables of a dataset do."""
    beside = (path.with_name(f"{path.name}.cameras.json"), path.with_suffix(".json"))
    inside = ("meta/info.json", "meta/episodes.jsonl", "dataset.json")
    known = (path, *beside, *(path / name for name in inside))
    return tuple(file.stat().st_mtime_ns for file in known if file.exists())


@lru_cache(maxsize=4)
def _opened(path: Path, options: ReadOptions, stamp: tuple[int, ...]) -> Dataset:
    """Open a dataset once for all the takes of a run that came from it."""
    del stamp
    return open_dataset(path, options)
