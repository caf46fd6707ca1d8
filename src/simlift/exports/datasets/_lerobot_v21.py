"""Write LeRobot v2.1 with meta/modality.json: a parquet file, and a video of each camera, to each
episode.

GR00T (N1.5 to N1.7) trains from this version; modality.json tells it which numbers of state and
action are what: https://github.com/NVIDIA/Isaac-GR00T, getting_started/data_preparation.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from simlift.core.dataset import Dataset, short_name
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
from simlift.exports.datasets._statistics import as_json, as_text, merged_features
from simlift.exports.datasets._videos import CHUNK, Codec, picture_statistics, piece_of, place_video
from simlift.exports.datasets.episodes import ExportEpisode

VERSION = "v2.1"
_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
_LISTS = ("episodes.jsonl", "episodes_stats.jsonl", "tasks.jsonl")
# GR00T's name of the words that a policy is told, found by the task of each row.
_ANNOTATION = {"human.task_description": {"original_key": "task_index"}}


def write_lerobot_v21(
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
    growing = Growing() if existing is None else _grown(existing, out, fps)
    check_cameras(episodes, growing.cameras)
    mixed = lifted_cameras(episodes)
    began, listed, tasks_there = growing.episodes, [], len(growing.tasks)
    for episode in episodes:
        rows = number_rows(growing, episode, settings)
        file = out / _path(_DATA, rows.index)
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.table, file)
        for view in episode.views:
            key = camera_key(episode.dataset, view.camera)
            piece = piece_of(view, episode, work, codec, mixed=view.camera in mixed)
            place_video(piece, out / _path(_VIDEO, rows.index, video_key=key), Fraction(fps))
            growing.statistics[-1][key] = picture_statistics(view)
        listed.append(rows)
        advance(len(rows))
    describe_cameras(growing, episodes, lambda key: out / _path(_VIDEO, began, video_key=key), fps)
    _write_lists(growing, listed, tasks_there, out / "meta")
    _write_meta(growing, out / "meta", episodes[0].dataset, fps)
    return Written(growing.episodes, growing.frames, all_features(growing), tuple(growing.notes))


def _path(template: str, index: int, **values: str) -> str:
    return template.format(episode_chunk=index // CHUNK, episode_index=index, **values)


def _grown(existing: Path, out: Path, fps: int) -> Growing:
    """Bring the files of an export to `out`; return how far it had grown."""
    info, columns, cameras = features_there(existing, VERSION, fps)
    for part in ("data", "videos"):
        link_files(existing / part, out / part)
    (out / "meta").mkdir(exist_ok=True)
    texts = {name: (existing / "meta" / name).read_text(encoding="utf-8") for name in _LISTS}
    for name, text in texts.items():
        (out / "meta" / name).write_text(text, encoding="utf-8")
    rows = [json.loads(line) for line in texts["tasks.jsonl"].splitlines()]
    stated = as_statistics(read_json(existing / "meta" / "stats.json"))
    return Growing(
        tasks={row["task"]: row["task_index"] for row in rows},
        episodes=info["total_episodes"],
        frames=info["total_frames"],
        features=columns,
        cameras=cameras,
        before=stated,
    )


def _write_lists(
    growing: Growing, listed: Sequence[NumberedRows], tasks_there: int, meta: Path
) -> None:
    """Append the new episodes and tasks to the lists of meta/."""
    meta.mkdir(exist_ok=True)
    episodes = [
        {"episode_index": r.index, "tasks": list(r.tasks), "length": len(r)} for r in listed
    ]
    stats = [
        {"episode_index": rows.index, "stats": as_json(found)}
        for rows, found in zip(listed, growing.statistics)
    ]
    tasks = [{"task_index": k, "task": task} for task, k in growing.tasks.items()]
    for name, lines in zip(_LISTS, (episodes, stats, tasks[tasks_there:])):
        with (meta / name).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


def _write_meta(growing: Growing, meta: Path, dataset: Dataset, fps: int) -> None:
    every = merged_features([*([growing.before] if growing.before else []), *growing.statistics])
    # Of version 2.0; GR00T normalises by it, and makes it where it is not there.
    (meta / "stats.json").write_text(as_text(every), encoding="utf-8")
    info = {
        "codebase_version": VERSION,
        "robot_type": dataset.robot_type or None,
        "total_episodes": growing.episodes,
        "total_frames": growing.frames,
        "total_tasks": len(growing.tasks),
        "total_videos": growing.episodes * len(growing.cameras),
        "total_chunks": -(-growing.episodes // CHUNK),
        "chunks_size": CHUNK,
        "fps": fps,
        "splits": {"train": f"0:{growing.episodes}"},
        "data_path": _DATA,
        "video_path": _VIDEO,
        "features": all_features(growing),
    }
    (meta / "info.json").write_text(dumps(info), encoding="utf-8")
    words = modality(growing.features, tuple(growing.cameras))
    (meta / "modality.json").write_text(dumps(words), encoding="utf-8")


def modality(
    columns: Mapping[str, Mapping[str, Any]], cameras: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return modality.json: which numbers of which columns are what.

    Parts are named as the columns name them: `joint_pos.0` to `joint_pos.6` are `joint_pos`. A
    column without names is one part.
    """
    return {
        "state": _parts(columns, "observation.state", "observation."),
        "action": _parts(columns, "action", "action"),
        "video": {short_name(key): {"original_key": key} for key in cameras},
        "annotation": _ANNOTATION,
    }


def _parts(
    columns: Mapping[str, Mapping[str, Any]], usual: str, prefix: str
) -> dict[str, dict[str, Any]]:
    """Return the parts of a column, or of all with a prefix where there is none of its name."""
    chosen = [usual] if usual in columns else [n for n in columns if n.startswith(prefix)]
    parts: dict[str, dict[str, Any]] = {}
    for column in chosen:
        entry = columns[column]
        if entry["dtype"] == "string":
            continue
        (width,) = entry["shape"]
        names = entry["names"] or [f"{short_name(column)}.{k}" for k in range(width)]
        heads = [_head(name) for name in names]
        starts = [k for k in range(width) if k == 0 or heads[k] != heads[k - 1]]
        for start, end in zip(starts, [*starts[1:], width]):
            name = heads[start]
            if name in parts:  # the same word again, further on
                name = f"{name}_{start}"
            parts[name] = {"start": start, "end": end, "original_key": column}
    return parts


def _head(name: str) -> str:
    """Return what a name and its neighbours share: "joint_pos" of "joint_pos.3"."""
    head, _, tail = name.rpartition(".")
    return head if head and tail.isdecimal() else name
