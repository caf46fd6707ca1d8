"""Describe a robot dataset on disk: its episodes and cameras, each pair of which is a clip.

A dataset is never held in memory: it knows the lengths and names of its episodes, opens one camera
of one as a clip, and reads the rows (states, actions, times) of one. What an export does to rows it
does to these, so that they come out as they went in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from simlift.core.errors import ClipError, RecipeError

if TYPE_CHECKING:
    import pyarrow

    from simlift.core.clip import Clip


@dataclass(frozen=True)
class Episode:
    """One recorded episode: its number in the dataset, its name in files, and how long it is.

    `key` is what the format itself calls it ("demo_7"); `success` is None where nothing says so.
    """

    index: int
    name: str
    num_frames: int
    tasks: tuple[str, ...] = ()
    key: str = ""
    success: bool | None = None


@dataclass(frozen=True)
class Feature:
    """A column of the rows: numpy's name of its numbers, the shape of one row, names of its parts.

    A shape of () is one number to a row that the format calls a scalar, (1,) a vector of one.
    """

    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Origin:
    """Which episode and camera of which dataset a clip is: what its takes are exported back by."""

    dataset: Path
    layout: str  # the name of the format, such as "lerobot-v3.0"
    episode: int
    episode_name: str
    key: str  # what the format calls the episode
    camera: str

    @classmethod
    def of(cls, dataset: Path, layout: str, episode: Episode, camera: str) -> "Origin":
        """Name a camera of an episode of the dataset at an absolute path."""
        return cls(dataset, layout, episode.index, episode.name, episode.key, camera)


class Dataset(Protocol):
    """A dataset of one format: a frozen, picklable value that opens nothing until it is asked."""

    @property
    def path(self) -> Path: ...
    @property
    def layout(self) -> str:
        """The name of the format and its version, such as "lerobot-v3.0"."""
        ...

    @property
    def fps(self) -> Fraction: ...
    @property
    def episodes(self) -> Sequence[Episode]: ...
    @property
    def cameras(self) -> tuple[str, ...]:
        """The names of the cameras with colour, as users write them, in the order of the files."""
        ...

    @property
    def features(self) -> Mapping[str, Feature]:
        """The columns of the rows; cameras are none of them."""
        ...

    @property
    def filters(self) -> Mapping[str, tuple[int, ...]]:
        """Lists of episodes that the dataset names, such as its splits, as their numbers."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, or cannot be known."""
        ...

    @property
    def robot_type(self) -> str:
        """What the dataset calls its robot, or ""."""
        ...

    @property
    def licence(self) -> str:
        """The licence that the dataset states, or ""."""
        ...

    def check(self, episodes: Sequence[Episode], cameras: Sequence[str]) -> None:
        """Raise ClipError for what can be told without reading pixels: missing or cut files."""
        ...

    def clip(self, episode: Episode, camera: str) -> "Clip":
        """Open one camera of one episode; no pixel is read."""
        ...

    def rows(self, episode: Episode) -> "pyarrow.Table":
        """Read the rows of an episode, one for each frame, in the types in which they are stored.

        ClipError where they are not as many as the episode is long.
        """
        ...

    def files(self, episode: Episode) -> tuple[Path, ...]:
        """The files that hold the rows of an episode, for hashing."""
        ...


def clip_name(episode: Episode, camera: str, cameras: Sequence[str] = ()) -> str:
    """Return the name of a clip of a dataset, which is a file name: "episode_000003.wrist".

    Where another of the `cameras` ends in the same word ("left.rgb", "right.rgb"), the whole name
    of the camera is taken.
    """
    alike = [other for other in cameras if short_name(other) == short_name(camera)]
    name = camera if len(alike) > 1 else short_name(camera)
    return f"{episode.name}.{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}"


def short_name(camera: str) -> str:
    """Return the last part of a camera's name: "observation.images.wrist" is "wrist"."""
    return camera.rpartition(".")[2]


def select_episodes(dataset: Dataset, wanted: str | None) -> tuple[Episode, ...]:
    """Return the episodes that words like "0:50,60,demo_7,valid" name; all without words.

    "0:50" are the episodes numbered 0 to 49; a list that the dataset names, such as a split, is all
    of its episodes. RecipeError for a name that is none, for a range
    without an episode in it.
    """
    if wanted is None:
        return tuple(dataset.episodes)
    by_number = {episode.index: episode for episode in dataset.episodes}
    # Keys that are numbers, of what a dataset was made from, never go before its own numbers.
    by_name = {name: e for e in dataset.episodes for name in (e.key, e.name) if name}
    chosen: dict[int, Episode] = {}
    for word in filter(None, (part.strip() for part in wanted.split(","))):
        found = _episodes_of(word, by_number, by_name)
        found = found or [by_number[k] for k in dataset.filters.get(word, ())]
        if not found:
            numbers = sorted(by_number)
            raise RecipeError(
                "--episodes",
                f"{word!r} names no episode of {dataset.path}",
                allowed=f"numbers from {numbers[0]} to {numbers[-1]}, ranges such as 0:50, or "
                f"names such as {dataset.episodes[0].key or dataset.episodes[0].name}"
                + (f", or {', '.join(sorted(dataset.filters))}" if dataset.filters else ""),
            )
        chosen |= {episode.index: episode for episode in found}
    if not chosen:
        raise RecipeError("--episodes", f"found {wanted!r}", allowed="such as 0:50 or 3,5,8")
    return tuple(chosen[index] for index in sorted(chosen))


def _episodes_of(
    word: str, by_number: Mapping[int, Episode], by_name: Mapping[str, Episode]
) -> list[Episode]:
    if word.isdecimal() and int(word) in by_number:
        return [by_number[int(word)]]
    if word in by_name:
        return [by_name[word]]
    if match := re.fullmatch(r"(\d*):(\d*)", word):
        low = int(match[1] or 0)
        high = int(match[2]) if match[2] else max(by_number) + 1
        return [by_number[index] for index in sorted(by_number) if low <= index < high]
    return []


def find_episode(dataset: Dataset, index: int) -> Episode | None:
    """Return the episode of a number, or None.

    Episodes without holes stand at their number, so that thousands are found without a search.
    """
    episodes = dataset.episodes
    if 0 <= index < len(episodes) and episodes[index].index == index:
        return episodes[index]
    return next((episode for episode in episodes if episode.index == index), None)


def episode_numbered(dataset: Dataset, index: int) -> Episode:
    """Return the episode of a number; ClipError where the dataset has none."""
    found, episodes = find_episode(dataset, index), dataset.episodes
    if found is None:
        raise ClipError(
            dataset.path,
            f"has no episode {index}",
            allowed=f"{len(episodes)} episodes, from {episodes[0].index} to {episodes[-1].index}",
            way_out="restore the dataset, if takes were made of that episode",
        )
    return found


def select_cameras(dataset: Dataset, wanted: Iterable[str] | None) -> tuple[str, ...]:
    """Return the cameras of some names, whole or their last part alone; all without names."""
    if not dataset.cameras:
        raise ClipError(
            dataset.path,
            "holds no camera with colour",
            allowed="a dataset with at least one video or image feature",
        )
    if wanted is None:
        return dataset.cameras
    chosen = []
    for name in wanted:
        exact = [camera for camera in dataset.cameras if camera == name]
        found = exact or [c for c in dataset.cameras if short_name(c) == name]
        if len(found) != 1:
            raise RecipeError(
                "--cameras",
                f"{name!r} names {len(found) or 'no'} camera{'s' if len(found) > 1 else ''} of "
                f"{dataset.path}",
                allowed=", ".join(dataset.cameras),
            )
        chosen.append(found[0])
    return tuple(dict.fromkeys(chosen))
