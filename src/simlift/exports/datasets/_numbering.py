"""Number the rows and tasks of exported episodes, one after the other, and describe them.

What every version of LeRobot shares: the columns frame_index, episode_index, index, task_index,
the statistics of an episode, the features of info.json.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from simlift.core.dataset import Dataset
from simlift.core.errors import InputError
from simlift.exports.datasets._columns import NUMBERED, RowSettings, lerobot_rows
from simlift.exports.datasets._source_statistics import source_statistics
from simlift.exports.datasets._statistics import Statistics, numbers_of, of_numbers
from simlift.exports.datasets.episodes import ExportEpisode
from simlift.media.video import probe_video

INTEGERS = ("frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True, eq=False)
class Written:
    """What was written: totals, the columns and cameras described, and what was said of rows."""

    episodes: int
    frames: int
    features: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]


@dataclass(eq=False)
class Growing:
    """What grows from episode to episode; an export that is appended to begins with what it has."""

    tasks: dict[str, int] = field(default_factory=dict)
    episodes: int = 0
    frames: int = 0
    features: dict[str, dict[str, Any]] = field(default_factory=dict)  # of rows
    cameras: dict[str, dict[str, Any]] = field(default_factory=dict)
    statistics: list[dict[str, Statistics]] = field(default_factory=list)  # of new episodes
    before: Mapping[str, Statistics] = field(default_factory=dict)  # of all that was there
    notes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class NumberedRows:
    """The rows of an episode as they are stored, its number, and its tasks in words."""

    table: pa.Table
    index: int
    first: int  # row of the whole dataset
    tasks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.table)


def number_rows(growing: Growing, episode: ExportEpisode, settings: RowSettings) -> NumberedRows:
    """Give the rows of an episode their numbers, and `growing` their statistics.

    InputError where its columns are not those of the episodes before.
    """
    rows = lerobot_rows(episode, settings)
    index, first, count = growing.episodes, growing.frames, len(rows.table)
    described = {n: dict(each) for n, each in rows.features.items() if n not in NUMBERED}
    check_same(growing.features, described, episode)
    growing.features = described
    growing.notes |= dict.fromkeys(rows.notes)
    for task in rows.tasks:
        growing.tasks.setdefault(task, len(growing.tasks))
    numbers = {
        "frame_index": np.arange(count),
        "episode_index": np.full(count, index),
        "index": first + np.arange(count),
        "task_index": np.array([growing.tasks[task] for task in rows.tasks]),
    }
    table = rows.table
    for name in INTEGERS:
        table = table.append_column(name, pa.array(numbers[name], pa.int64()))
    kept = source_statistics(episode.dataset, episode.source)
    growing.statistics.append(
        {
            name: kept[name] if name in kept and name not in INTEGERS else of_numbers(values)
            for name in table.column_names
            if (values := numbers_of(table[name])) is not None
        }
    )
    growing.frames += count
    growing.episodes += 1
    plain = table.replace_schema_metadata(None)
    return NumberedRows(plain, index, first, tuple(dict.fromkeys(rows.tasks)))


def check_same(
    known: Mapping[str, Any], described: Mapping[str, Any], episode: ExportEpisode
) -> None:
    """Raise InputError where an episode's features are not those of the episodes before."""
    if not known or known == described:
        return
    wrong = next(n for n in {**described, **known} if described.get(n) != known.get(n))
    raise InputError(
        episode.dataset.path,
        f"{episode.source.name} has {wrong} as {described.get(wrong)}, others as "
        f"{known.get(wrong)}",
        allowed="the same columns and cameras in every episode of an export",
        way_out="export one dataset at a time",
    )


def whole_rate(episodes: Sequence[ExportEpisode]) -> int:
    """Return the frame rate; InputError where episodes differ, or it is no whole number."""
    rates = {e.dataset.fps: e.dataset.path for e in episodes}
    if len(rates) > 1:
        words = "; ".join(f"{float(fps):g} of {path}" for fps, path in rates.items())
        raise InputError(
            "frames a second",
            f"differ: {words}",
            allowed="one rate for all episodes",
            way_out="export one dataset at a time",
        )
    dataset = episodes[0].dataset
    if dataset.fps.denominator != 1:
        raise InputError(
            dataset.path,
            f"shows {float(dataset.fps):g} frames a second",
            allowed="a whole number: LeRobot's fps is one",
            way_out="export to folders, or resample the recording",
        )
    return int(dataset.fps)


def camera_key(dataset: Dataset, camera: str) -> str:
    """Return the feature of a camera: its own name where the dataset is one of LeRobot."""
    if dataset.layout.startswith("lerobot"):
        return camera
    return f"observation.images.{camera.rpartition('/')[2]}"


def check_cameras(episodes: Sequence[ExportEpisode], there: Mapping[str, Any]) -> None:
    """Raise InputError where episodes show other cameras than the first, or other sizes.

    A trainer reads every camera of every episode, and all pictures of one in one shape. `there` are
    the cameras of an export that is appended to.
    """
    first = {camera_key(episodes[0].dataset, v.camera): v.size for v in episodes[0].views}
    before = {name: tuple(each["shape"][:2]) for name, each in there.items()} or first
    if before != first:
        raise InputError(
            episodes[0].dataset.path,
            f"would append the cameras {_cameras_in_words(first)}",
            allowed=f"those that are there: {_cameras_in_words(before)}",
            way_out="--other-cameras as it was stated before; or choose another --out",
        )
    for episode in episodes:
        found = {camera_key(episode.dataset, v.camera): v.size for v in episode.views}
        if found == first:
            continue
        wrong = next(n for n in {**found, **first} if found.get(n) != first.get(n))

        def words(size: tuple[int, int] | None) -> str:
            return "not at all" if size is None else f"in {size[1]}x{size[0]}"

        raise InputError(
            episode.dataset.path,
            f"camera {wrong} is in {episode.name} {words(found.get(wrong))}, in "
            f"{episodes[0].name} {words(first.get(wrong))}",
            allowed="the same cameras in every episode of an export, each of one size",
            way_out="--originals 0 where the engine made pictures of another size than the "
            "recording's; --other-cameras drop where some cameras were made larger than others",
        )


def _cameras_in_words(cameras: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{name} in {w}x{h}" for name, (h, w) in sorted(cameras.items()))


def describe_cameras(
    growing: Growing,
    episodes: Sequence[ExportEpisode],
    file_of: Callable[[str], Path],
    fps: int,
) -> None:
    """Describe every camera by a video of it; InputError where those appended to are others."""
    episode = episodes[0]
    described = {}
    for view in episode.views:
        key = camera_key(episode.dataset, view.camera)
        info = probe_video(file_of(key))
        described[key] = {
            "dtype": "video",
            "shape": [info.height, info.width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": info.height,
                "video.width": info.width,
                "video.codec": info.codec.replace("libdav1d", "av1"),
                "video.pix_fmt": info.pixel_format,
                "video.is_depth_map": False,
                "video.fps": fps,
                "video.channels": 3,
                "has_audio": False,
            },
        }
    check_same(growing.cameras, described, episode)
    growing.cameras = described


def all_features(growing: Growing) -> dict[str, dict[str, Any]]:
    """Return every feature as info.json lists them: cameras, columns, numbers."""
    kinds = {"timestamp": "float32", **dict.fromkeys(INTEGERS, "int64")}
    numbered = {name: {"dtype": kinds[name], "shape": [1], "names": None} for name in NUMBERED}
    return {**growing.cameras, **growing.features, **numbered}


def lifted_cameras(episodes: Sequence[ExportEpisode]) -> frozenset[str]:
    """Return the cameras of which some episode shows a take."""
    return frozenset(v.camera for e in episodes for v in e.views if v.take is not None)
