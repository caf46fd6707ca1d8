"""Write LeRobot v3.0: episodes share parquet and video files, and meta/ says where each lies.

Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3. Nothing of lerobot is needed. Times
of episodes in a video are counted in whole frames and written as frames / fps, never summed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simlift.core.dataset import Dataset
from simlift.core.errors import InputError
from simlift.core.strict_json import dumps
from simlift.exports.datasets._columns import NUMBERED, Rows, RowSettings, lerobot_rows
from simlift.exports.datasets._source_statistics import source_statistics
from simlift.exports.datasets._statistics import (
    Statistics,
    as_json,
    merged,
    numbers_of,
    of_numbers,
)
from simlift.exports.datasets._videos import (
    CHUNK,
    CameraFiles,
    Codec,
    path_in_chunks,
    picture_statistics,
    piece_of,
)
from simlift.exports.datasets.episodes import ExportEpisode, View
from simlift.media.video import probe_video

VERSION = "v3.0"
_DATA_MB, _VIDEO_MB = 100, 200  # LeRobot's own defaults
_INTEGERS = ("frame_index", "episode_index", "index", "task_index")
# What pandas reads as a table whose index holds the tasks.
_PANDAS = {
    "index_columns": ["__index_level_0__"],
    "column_indexes": [
        {
            "name": None,
            "field_name": None,
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"},
        }
    ],
    "columns": [
        {
            "name": "task_index",
            "field_name": "task_index",
            "pandas_type": "int64",
            "numpy_type": "int64",
            "metadata": None,
        },
        {
            "name": None,
            "field_name": "__index_level_0__",
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": None,
        },
    ],
    "creator": {"library": "pyarrow", "version": pa.__version__},
    "pandas_version": "2.2.0",
}


@dataclass(frozen=True, eq=False)
class Written:
    """What was written: totals, the columns and cameras described, and what was said of rows."""

    episodes: int
    frames: int
    features: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]


@dataclass(eq=False)
class _Growing:
    """What grows from episode to episode."""

    tasks: dict[str, int] = field(default_factory=dict)
    rows: list[pa.Table] = field(default_factory=list)  # of the data file that grows
    waiting: int = 0  # episodes of that file
    data_files: int = 0
    frames: int = 0
    episodes: list[dict[str, Any]] = field(default_factory=list)
    statistics: list[dict[str, Statistics]] = field(default_factory=list)
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)


def write_lerobot(
    episodes: Sequence[ExportEpisode],
    out: Path,
    work: Path,
    *,
    codec: Codec,
    settings: RowSettings,
    advance: Callable[[int], None],
) -> Written:
    """Write the episodes into an empty folder; `work` keeps what a killed export encoded.

    InputError for rows that LeRobot cannot hold, or that differ from episode to episode.
    """
    fps = whole_rate(episodes[0].dataset)
    growing = _Growing()
    cameras: dict[str, CameraFiles] = {}
    mixed = lifted_cameras(episodes)
    try:
        for episode in episodes:
            rows = lerobot_rows(episode, settings)
            found = _grow(growing, episode, rows)
            for view in episode.views:
                key = camera_key(episode.dataset, view.camera)
                files = cameras.setdefault(
                    key, CameraFiles(out / "videos" / key, Fraction(fps), _VIDEO_MB << 20)
                )
                piece = piece_of(view, episode, work, codec, mixed=view.camera in mixed)
                number, first = files.append(piece)
                found[f"videos/{key}/chunk_index"] = number // CHUNK
                found[f"videos/{key}/file_index"] = number % CHUNK
                found[f"videos/{key}/from_timestamp"] = first / fps
                found[f"videos/{key}/to_timestamp"] = (first + piece.num_frames) / fps
                growing.statistics[-1][key] = picture_statistics(view)
            if growing.waiting and sum(t.nbytes for t in growing.rows) >= _DATA_MB << 20:
                _write_rows(growing, out)
            advance(episode.source.num_frames)
        for files in cameras.values():
            files.close()
    except BaseException as error:
        for files in cameras.values():
            files.abandon(error)
        raise
    _write_rows(growing, out)
    features = {**_camera_features(episodes, out, fps), **growing.features}
    _write_meta(growing, out, features, episodes[0].dataset, fps)
    return Written(len(episodes), growing.frames, features, tuple(growing.notes))


def whole_rate(dataset: Dataset) -> int:
    """Return the frame rate; InputError where it is no whole number, which LeRobot asks for."""
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


def lifted_cameras(episodes: Sequence[ExportEpisode]) -> frozenset[str]:
    """Return the cameras of which some episode shows a take."""
    return frozenset(v.camera for e in episodes for v in e.views if v.take is not None)


def _grow(growing: _Growing, episode: ExportEpisode, rows: Rows) -> dict[str, Any]:
    """Give the rows their numbers; return the episode's row of meta/episodes, to be filled."""
    index, count = len(growing.episodes), len(rows.table)
    described = {name: dict(feature) for name, feature in rows.features.items()}
    if growing.features and described != growing.features:
        known = growing.features
        wrong = next(n for n in {**described, **known} if described.get(n) != known.get(n))
        raise InputError(
            episode.dataset.path,
            f"{episode.source.name} has {wrong} as {described.get(wrong)}, others as "
            f"{known.get(wrong)}",
            allowed="the same columns in every episode of an export",
            way_out="export one dataset at a time",
        )
    growing.features = described
    growing.notes |= dict.fromkeys(rows.notes)
    for task in rows.tasks:
        growing.tasks.setdefault(task, len(growing.tasks))
    numbers = {
        "frame_index": np.arange(count),
        "episode_index": np.full(count, index),
        "index": growing.frames + np.arange(count),
        "task_index": np.array([growing.tasks[task] for task in rows.tasks]),
    }
    table = rows.table
    for name in _INTEGERS:
        table = table.append_column(name, pa.array(numbers[name], pa.int64()))
    kept = source_statistics(episode.dataset, episode.source)
    growing.statistics.append(
        {
            name: kept[name] if name in kept and name not in _INTEGERS else of_numbers(values)
            for name in table.column_names
            if (values := numbers_of(table[name])) is not None
        }
    )
    growing.rows.append(table.replace_schema_metadata(None))
    growing.waiting += 1
    row = {
        "episode_index": index,
        "tasks": list(dict.fromkeys(rows.tasks)),
        "length": count,
        "data/chunk_index": growing.data_files // CHUNK,
        "data/file_index": growing.data_files % CHUNK,
        "dataset_from_index": growing.frames,
        "dataset_to_index": growing.frames + count,
    }
    growing.frames += count
    growing.episodes.append(row)
    return row


def _write_rows(growing: _Growing, out: Path) -> None:
    if not growing.rows:
        return
    file = out / "data" / path_in_chunks(growing.data_files, ".parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(growing.rows), file)
    growing.rows.clear()
    growing.waiting = 0
    growing.data_files += 1


def _camera_features(
    episodes: Sequence[ExportEpisode], out: Path, fps: int
) -> dict[str, dict[str, Any]]:
    """Describe every camera by the first of its files."""
    features: dict[str, dict[str, Any]] = {}
    seen: dict[str, tuple[ExportEpisode, View]] = {}
    for episode in episodes:
        for view in episode.views:
            seen.setdefault(camera_key(episode.dataset, view.camera), (episode, view))
    for key, (episode, view) in seen.items():
        if any(
            (v.clip.height, v.clip.width) != (view.clip.height, view.clip.width)
            for e in episodes
            for v in e.views
            if camera_key(e.dataset, v.camera) == key
        ):
            raise InputError(
                episode.dataset.path,
                f"camera {view.camera} has several sizes",
                allowed="one size for each camera of an export",
            )
        info = probe_video(out / "videos" / key / path_in_chunks(0, ".mp4"))
        features[key] = {
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
    return features


def _write_meta(
    growing: _Growing,
    out: Path,
    features: Mapping[str, Mapping[str, Any]],
    dataset: Dataset,
    fps: int,
) -> None:
    meta = out / "meta"
    (meta / "episodes" / "chunk-000").mkdir(parents=True)
    tasks = pa.table(
        {
            "task_index": pa.array(list(growing.tasks.values()), pa.int64()),
            "__index_level_0__": pa.array(list(growing.tasks), pa.string()),
        }
    )
    metadata = {"pandas": dumps(_PANDAS)}
    pq.write_table(tasks.replace_schema_metadata(metadata), meta / "tasks.parquet")
    rows = []
    for row, found in zip(growing.episodes, growing.statistics):
        stats = {
            f"stats/{feature}/{name}": value.tolist()
            for feature, each in found.items()
            for name, value in each.items()
        }
        rows.append({**row, **stats, "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0})
    pq.write_table(pa.Table.from_pylist(rows), meta / "episodes" / path_in_chunks(0, ".parquet"))
    every = {
        name: merged(found[name] for found in growing.statistics if name in found)
        for name in {name: None for found in growing.statistics for name in found}
    }
    (meta / "stats.json").write_text(dumps(as_json(every)), encoding="utf-8")
    info = {
        "codebase_version": VERSION,
        "robot_type": dataset.robot_type or None,
        "total_episodes": len(growing.episodes),
        "total_frames": growing.frames,
        "total_tasks": len(growing.tasks),
        "chunks_size": CHUNK,
        "data_files_size_in_mb": _DATA_MB,
        "video_files_size_in_mb": _VIDEO_MB,
        "fps": fps,
        "splits": {"train": f"0:{len(growing.episodes)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": {**features, **_numbered()},
    }
    (meta / "info.json").write_text(dumps(info), encoding="utf-8")


def _numbered() -> dict[str, dict[str, Any]]:
    kinds = {"timestamp": "float32", **dict.fromkeys(_INTEGERS, "int64")}
    return {name: {"dtype": kinds[name], "shape": [1], "names": None} for name in NUMBERED}
