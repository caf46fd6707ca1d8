"""Read meta/episodes of LeRobot v3.0: lengths, tasks, and which whole frames of which files."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from simlift.core.dataset import Episode
from simlift.core.errors import ClipError
from simlift.media._parquet import read_column_names, read_table
from simlift.sources.lerobot.counts import check_counts
from simlift.sources.lerobot.info import Info

_DRIFT = 0.25  # of a frame, by which a summed from_timestamp may be off before it is refused
_NOTED = 1e-4  # seconds, from which lerobot itself would not read it


@dataclass(frozen=True)
class EpisodeTable:
    """The episodes of a dataset, and where the rows and frames of each lie."""

    episodes: tuple[Episode, ...]
    data_files: tuple[Path, ...]
    sections: Mapping[str, Sequence[tuple[Path, int]]]
    ends: Mapping[str, Mapping[Path, tuple[int, int]]]  # of a file: its last frame, all its frames
    notes: tuple[str, ...]


def read_episodes(root: Path, info: Info) -> EpisodeTable:
    """Read the tables; ClipError for holes, for counts unlike info.json, for overlaps.

    Columns that a converter left out are filled where one file holds everything, and said.
    """
    files = sorted((root / "meta" / "episodes").rglob("*.parquet"))
    if not files:
        raise ClipError(
            root / "meta" / "episodes", "holds no table", allowed="chunk-000/file-000.parquet, ..."
        )
    table = _read(files)
    columns = {name: table[name].to_pylist() for name in table.column_names if name != "tasks"}
    _check_numbers(files[0], info, columns)
    notes: list[str] = []
    data = _places(root, info, columns, "data", info.data_path, notes)
    sections = {
        name: _sections(root, info, columns, name, notes)
        for name, kind in info.pictures.items()
        if kind.kind == "video"
    }
    tasks = table["tasks"].to_pylist() if "tasks" in table.column_names else None
    ends = {name: _ends(found, columns["length"]) for name, found in sections.items()}
    for name, found in ends.items():
        if unused := sum(last - total for last, total in found.values()):
            notes.append(f"{unused} frames of the videos of {name} belong to no episode")
    return EpisodeTable(
        episodes=tuple(
            Episode(
                index=index,
                name=f"episode_{index:06d}",
                num_frames=length,
                tasks=tuple(tasks[k] or ()) if tasks else (),
                key=str(index),
            )
            for k, (index, length) in enumerate(zip(columns["episode_index"], columns["length"]))
        ),
        data_files=tuple(data),
        sections=sections,
        ends=ends,
        notes=tuple(notes),
    )


def _read(files: Sequence[Path]) -> pa.Table:
    parts = []
    for file in files:
        names = [n for n in read_column_names(file) if not n.startswith("stats/")]
        for column in ("episode_index", "length", "dataset_from_index", "dataset_to_index"):
            if column not in names:
                raise ClipError(file, f"has no column {column}", allowed=", ".join(names))
        parts.append(read_table(file, names))
    return pa.concat_tables(parts, promote_options="default").sort_by("episode_index")


def _check_numbers(file: Path, info: Info, columns: Mapping[str, list[Any]]) -> None:
    indices, lengths = columns["episode_index"], columns["length"]
    for name in ("episode_index", "length", "dataset_from_index", "dataset_to_index"):
        if any(not isinstance(value, int) for value in columns[name]):
            raise ClipError(file, f"{name} holds {columns[name][:3]}", allowed="whole numbers")
    check_counts(file, info, indices, lengths)
    begin = 0
    for index, length in zip(indices, lengths):
        first, last = columns["dataset_from_index"][index], columns["dataset_to_index"][index]
        if (first, last - first) != (begin, length):
            raise ClipError(
                file,
                f"episode {index} has the rows {first} to {last} and the length {length}, "
                f"{begin} rows come before",
                allowed="dataset_to_index - dataset_from_index = length, one after the other",
            )
        begin = last


def _places(
    root: Path,
    info: Info,
    columns: Mapping[str, list[Any]],
    prefix: str,
    template: str,
    notes: list[str],
    **values: str,
) -> list[Path]:
    """Return the file of every episode, by the numbers of its own chunk and file."""
    count = len(columns["episode_index"])
    chunks = columns.get(f"{prefix}/chunk_index")
    numbers = columns.get(f"{prefix}/file_index")
    if chunks is None or numbers is None:
        one = info.path_of(template, root, chunk_index=0, file_index=0, **values)
        folder = one.parent.parent
        found = [p for p in sorted(folder.glob("chunk-*/file-*")) if p.suffix != ".partial"]
        if len([p for p in found if "." not in p.stem]) > 1:
            raise ClipError(
                root / "meta" / "episodes",
                f"has no column {prefix}/chunk_index, and {folder} holds {len(found)} files",
                allowed="the numbers of chunk and file for each episode",
            )
        notes.append(f"meta/episodes does not say where {prefix} lies: its one file is taken")
        chunks, numbers = [0] * count, [0] * count
    made: dict[tuple[int, int], Path] = {}
    places = []
    for chunk, number in zip(chunks, numbers):
        if (chunk, number) not in made:
            made[chunk, number] = info.path_of(
                template, root, chunk_index=chunk, file_index=number, **values
            )
        places.append(made[chunk, number])
    return places


def _sections(
    root: Path, info: Info, columns: Mapping[str, list[Any]], camera: str, notes: list[str]
) -> list[tuple[Path, int]]:
    """Return the file and the first frame of every episode, counted, never summed in floats."""
    prefix = f"videos/{camera}"
    files = _places(root, info, columns, prefix, info.video_path, notes, video_key=camera)
    lengths, begins = columns["length"], columns.get(f"{prefix}/from_timestamp")
    if begins is None:
        firsts, ends = [], defaultdict[Path, int](int)
        for file, length in zip(files, lengths):
            firsts.append(ends[file])
            ends[file] += length
        return list(zip(files, firsts))
    if any(not isinstance(begin, int | float) or not begin >= 0 for begin in begins):
        worst = next(
            k for k, b in enumerate(begins) if not isinstance(b, int | float) or not b >= 0
        )
        raise ClipError(
            root / "meta" / "episodes",
            f"{prefix}/from_timestamp of episode {worst} is {begins[worst]}",
            allowed="seconds, 0 or more",
        )
    times = np.asarray(begins, np.float64) * float(info.fps)
    firsts = np.rint(times).astype(int).tolist()
    off = np.abs(times - firsts)
    table = root / "meta" / "episodes"
    if off.max() > _DRIFT:
        worst = int(np.flatnonzero(off > _DRIFT)[0])
        raise ClipError(
            table,
            f"{prefix}/from_timestamp of episode {worst} is {begins[worst]:.6f} s: "
            f"{times[worst]:.3f} frames at {float(info.fps):g} frames a second",
            allowed="a whole number of frames",
            way_out="correct fps, or let lerobot write the dataset again",
        )
    if off.max() / float(info.fps) > _NOTED:
        notes.append(
            f"{prefix}/from_timestamp has drifted by up to {off.max() / float(info.fps) * 1e3:.2f} "
            "ms: frames are counted, not summed"
        )
    ends = defaultdict[Path, int](int)
    for index in sorted(range(len(files)), key=lambda k: (files[k], firsts[k])):
        file, first = files[index], firsts[index]
        if first < ends[file]:
            raise ClipError(
                table,
                f"{prefix}: episode {index} begins at frame {first} of {file.name}, where another "
                f"ends at frame {ends[file]}",
                allowed="sections that do not overlap",
                way_out="from_timestamp has drifted: let lerobot write the dataset again",
            )
        ends[file] = first + lengths[index]
    return list(zip(files, firsts))


def _ends(
    sections: Sequence[tuple[Path, int]], lengths: Sequence[int]
) -> dict[Path, tuple[int, int]]:
    found: dict[Path, tuple[int, int]] = {}
    for (file, first), length in zip(sections, lengths):
        last, total = found.get(file, (0, 0))
        found[file] = (max(last, first + length), total + length)
    return found
