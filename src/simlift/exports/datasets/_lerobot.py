"""Write LeRobot v3.0: episodes share parquet and video files, and meta/ says where each lies.

Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3. Nothing of lerobot is needed. Times
of episodes in a video are counted in whole frames and written as frames / fps, never summed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simlift.core.dataset import Dataset
from simlift.core.strict_json import dumps, read_json
from simlift.exports.datasets._columns import RowSettings
from simlift.exports.datasets._existing import as_statistics, features_there, link_files
from simlift.exports.datasets._numbering import (
    Growing,
    NumberedRows,
    Written,
    all_features,
    camera_key,
    check_cameras,
    describe_cameras,
    lifted_cameras,
    number_rows,
    whole_rate,
)
from simlift.exports.datasets._statistics import as_text, merged_features
from simlift.exports.datasets._videos import (
    CHUNK,
    CameraFiles,
    Codec,
    path_in_chunks,
    picture_statistics,
    piece_of,
)
from simlift.exports.datasets.episodes import ExportEpisode
from simlift.media._parquet import read_table

VERSION = "v3.0"
_DATA_MB, _VIDEO_MB = 100, 200  # LeRobot's own defaults
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


@dataclass(eq=False)
class _Files:
    """The files that grow: rows that wait to be written, and how many files there are."""

    rows: list[pa.Table] = field(default_factory=list)
    data_files: int = 0
    meta_files: int = 0
    listed: list[dict[str, Any]] = field(default_factory=list)  # rows of meta/episodes


def write_lerobot(
    episodes: Sequence[ExportEpisode],
    out: Path,
    work: Path,
    *,
    codec: Codec,
    settings: RowSettings,
    advance: Callable[[int], None],
    existing: Path | None = None,
) -> Written:
    """Write the episodes into an empty folder; `work` keeps what a killed export encoded.

    Those of the export `existing` come first, as they are. InputError for rows that LeRobot cannot
    hold, or that differ from episode to episode.
    """
    fps = whole_rate(episodes)
    growing, files = Growing(), _Files()
    if existing is not None:
        growing, files = _grown(existing, out, fps)
    check_cameras(episodes, growing.cameras)
    cameras: dict[str, CameraFiles] = {}
    firsts: dict[str, Path] = {}
    mixed = lifted_cameras(episodes)
    try:
        for episode in episodes:
            rows = number_rows(growing, episode, settings)
            found = _listed(rows, files)
            for view in episode.views:
                key = camera_key(episode.dataset, view.camera)
                if key not in cameras:
                    folder = out / "videos" / key
                    number = len(list(folder.rglob("*.mp4")))
                    cameras[key] = CameraFiles(folder, Fraction(fps), _VIDEO_MB << 20, number)
                    firsts[key] = folder / path_in_chunks(number, ".mp4")
                piece = piece_of(view, episode, work, codec, mixed=view.camera in mixed)
                number, first = cameras[key].append(piece)
                found[f"videos/{key}/chunk_index"] = number // CHUNK
                found[f"videos/{key}/file_index"] = number % CHUNK
                found[f"videos/{key}/from_timestamp"] = first / fps
                found[f"videos/{key}/to_timestamp"] = (first + piece.num_frames) / fps
                growing.statistics[-1][key] = picture_statistics(view)
            if sum(t.nbytes for t in files.rows) >= _DATA_MB << 20:
                _write_rows(files, out)
            advance(len(rows))
        for each in cameras.values():
            each.close()
    except BaseException as error:
        for each in cameras.values():
            each.abandon(error)
        raise
    _write_rows(files, out)
    describe_cameras(growing, episodes, lambda key: firsts[key], fps)
    _write_meta(growing, files, out, episodes[0].dataset, fps)
    return Written(growing.episodes, growing.frames, all_features(growing), tuple(growing.notes))


def _listed(rows: NumberedRows, files: _Files) -> dict[str, Any]:
    """Take the rows; return the episode's row of meta/episodes, to be filled."""
    files.rows.append(rows.table)
    files.listed.append(
        {
            "episode_index": rows.index,
            "tasks": list(rows.tasks),
            "length": len(rows),
            "data/chunk_index": files.data_files // CHUNK,
            "data/file_index": files.data_files % CHUNK,
            "dataset_from_index": rows.first,
            "dataset_to_index": rows.first + len(rows),
        }
    )
    return files.listed[-1]


def _write_rows(files: _Files, out: Path) -> None:
    if not files.rows:
        return
    file = out / "data" / path_in_chunks(files.data_files, ".parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(files.rows), file)
    files.rows.clear()
    files.data_files += 1


def _grown(existing: Path, out: Path, fps: int) -> tuple[Growing, _Files]:
    """Bring the files of an export to `out`; return how far it had grown."""
    info, columns, cameras = features_there(existing, VERSION, fps)
    for part in ("data", "videos", "meta/episodes"):
        link_files(existing / part, out / part)
    tasks = read_table(existing / "meta" / "tasks.parquet")
    words = zip(tasks["__index_level_0__"].to_pylist(), tasks["task_index"].to_pylist())
    growing = Growing(
        tasks=dict(words),
        episodes=info["total_episodes"],
        frames=info["total_frames"],
        features=columns,
        cameras=cameras,
        before=as_statistics(read_json(existing / "meta" / "stats.json")),
    )
    count = {part: len(list((out / part).rglob("*.parquet"))) for part in ("data", "meta/episodes")}
    return growing, _Files(data_files=count["data"], meta_files=count["meta/episodes"])


def _write_meta(growing: Growing, files: _Files, out: Path, dataset: Dataset, fps: int) -> None:
    meta = out / "meta"
    meta.mkdir(exist_ok=True)
    tasks = pa.table(
        {
            "task_index": pa.array(list(growing.tasks.values()), pa.int64()),
            "__index_level_0__": pa.array(list(growing.tasks), pa.string()),
        }
    )
    metadata = {"pandas": dumps(_PANDAS)}
    pq.write_table(tasks.replace_schema_metadata(metadata), meta / "tasks.parquet")
    place = {
        "meta/episodes/chunk_index": files.meta_files // CHUNK,
        "meta/episodes/file_index": files.meta_files % CHUNK,
    }
    rows = []
    for row, found in zip(files.listed, growing.statistics):
        stats = {
            f"stats/{feature}/{name}": value.tolist()
            for feature, each in found.items()
            for name, value in each.items()
        }
        rows.append({**row, **stats, **place})
    file = meta / "episodes" / path_in_chunks(files.meta_files, ".parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)
    every = merged_features([*([growing.before] if growing.before else []), *growing.statistics])
    (meta / "stats.json").write_text(as_text(every), encoding="utf-8")
    info = {
        "codebase_version": VERSION,
        "robot_type": dataset.robot_type or None,
        "total_episodes": growing.episodes,
        "total_frames": growing.frames,
        "total_tasks": len(growing.tasks),
        "chunks_size": CHUNK,
        "data_files_size_in_mb": _DATA_MB,
        "video_files_size_in_mb": _VIDEO_MB,
        "fps": fps,
        "splits": {"train": f"0:{growing.episodes}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": all_features(growing),
    }
    (meta / "info.json").write_text(dumps(info), encoding="utf-8")
