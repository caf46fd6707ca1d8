"""Bring the rows of an episode into the columns of LeRobot, without touching a number.

Rows of LeRobot keep every column but the numbers of episode, row and task. Those of HDF5 files get
LeRobot's names: `actions` is `action`, `obs/x` is `observation.x`, `rewards` and `dones` are
`next.reward` and `next.done`; `observation.state` joins the observations of the robot.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from simlift.core.dataset import Dataset, Episode
from simlift.core.errors import InputError
from simlift.core.layers import Array
from simlift.exports.datasets._statistics import numbers_of
from simlift.exports.datasets.episodes import ExportEpisode

NUMBERED = ("timestamp", "frame_index", "episode_index", "index", "task_index")
SOURCE = "source"  # the column that says what an episode's pictures are
RECORDED, GENERATED = "recorded", "generated"
_NAMES = {"actions": "action", "rewards": "next.reward", "dones": "next.done"}
# What a robot does not sense.
_OTHERS = re.compile(r"obj|cube|goal|target|sensor|camera", re.IGNORECASE)


@dataclass(frozen=True)
class RowSettings:
    """What a user states of rows: the columns of the state, and the task of all episodes."""

    state: tuple[str, ...] = ()
    task: str | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of an exported episode and what describes its columns, in the order of both."""

    table: pa.Table
    features: Mapping[str, Mapping[str, Any]]
    tasks: tuple[str, ...]  # of every row
    notes: tuple[str, ...]


def lerobot_rows(episode: ExportEpisode, settings: RowSettings) -> Rows:
    """Return the rows of an episode without the numbers that depend on its place in the export."""
    dataset, source = episode.dataset, episode.source
    table = dataset.rows(source)
    if dataset.layout.startswith("lerobot"):
        if settings.state:
            raise InputError(
                "--state",
                f"is stated, and rows of {dataset.path} are LeRobot's",
                allowed="rows of other formats: those of LeRobot are handed back untouched",
                way_out="leave it out",
            )
        columns = {n: table[n] for n in table.column_names if n not in NUMBERED}
        names: dict[str, Sequence[str] | None] = {
            name: feature.names for name, feature in dataset.features.items()
        }
        times, notes = table["timestamp"], tuple[str, ...]()
    else:
        columns, names, notes = _named(dataset, table, settings)
        # In float32, as LeRobot stores them.
        count = np.arange(len(table)) / float(dataset.fps)
        times = pa.chunked_array([pa.array(count.astype(np.float32))])
    columns[SOURCE] = source_column(episode, table)
    columns["timestamp"] = times
    features = {name: _feature(name, column, names.get(name)) for name, column in columns.items()}
    return Rows(pa.table(columns), features, row_tasks(dataset, source, table, settings), notes)


def source_column(episode: ExportEpisode, table: pa.Table) -> pa.ChunkedArray:
    """Return the column that says of every row whether its pictures were recorded or generated.

    An episode that is handed on keeps what an earlier export said of it; InputError where the
    dataset has a column of this name that says something else.
    """
    if SOURCE in table.column_names:
        said = set(table[SOURCE].to_pylist())
        if not said <= {RECORDED, GENERATED}:
            raise InputError(
                episode.dataset.path,
                f"has a column {SOURCE} of its own, such as {next(iter(said))!r}",
                allowed=f"none: {RECORDED} or {GENERATED} is written there",
                way_out="rename that column in the dataset",
            )
        if not episode.generated:
            return table[SOURCE]
    kind = GENERATED if episode.generated else RECORDED
    return pa.chunked_array([pa.array([kind] * len(table), pa.string())])


def row_tasks(
    dataset: Dataset, episode: Episode, table: pa.Table, settings: RowSettings
) -> tuple[str, ...]:
    """Return the task of every row in words; InputError where the dataset knows none."""
    if settings.task is not None:
        return (settings.task,) * len(table)
    known: Mapping[int, str] = getattr(dataset, "task_names", {})
    if known and "task_index" in table.column_names:
        numbers = np.asarray(table["task_index"].to_numpy()).reshape(-1)
        if missing := sorted({int(n) for n in numbers} - set(known)):
            raise InputError(
                dataset.path,
                f"rows of {episode.name} name the task {missing[0]}, which has no words",
                allowed=", ".join(str(n) for n in sorted(known)),
            )
        return tuple(known[int(n)] for n in numbers)
    text = "; ".join(episode.tasks).strip()
    if not text:
        raise InputError(
            dataset.path,
            f"does not say what is done in {episode.key or episode.name}",
            allowed="a task in words for each episode, which policies are told",
            way_out='state it: --task "lift the red cube"',
        )
    return (text,) * len(table)


def _named(
    dataset: Dataset, table: pa.Table, settings: RowSettings
) -> tuple[dict[str, pa.ChunkedArray], dict[str, Sequence[str] | None], tuple[str, ...]]:
    found = {name: table[name] for name in table.column_names if name not in NUMBERED}
    states = _states(found, settings)
    notes = []
    columns: dict[str, pa.ChunkedArray] = {}
    if states:
        parts = [np.asarray(numbers_of(found[name])) for name in states]
        joined = np.concatenate([part.reshape(len(table), -1) for part in parts], axis=1)
        columns["observation.state"] = vectors(joined)
        notes.append(f"observation.state joins {', '.join(states)}")
    for name, column in found.items():
        named = _lerobot_name(name)
        if named in columns and states != [name]:
            raise InputError(
                f"the column {name}",
                f"would be called {named}, as another one is",
                allowed="columns that LeRobot's names tell apart",
                way_out="--state without columns beside the one that is the state already; or "
                "rename it in the dataset",
            )
        columns[named] = _without_matrices(column)
    stated = {name: feature.names for name, feature in dataset.features.items()}
    names: dict[str, Sequence[str] | None] = {
        _lerobot_name(name): stated.get(name) for name in found
    }
    if states:
        names["observation.state"] = [
            word
            for name, part in zip(states, parts)
            for word in _parts(name, stated.get(name), part.reshape(len(table), -1).shape[1])
        ]
    return columns, names, tuple(notes)


def _parts(name: str, stated: Sequence[str] | None, width: int) -> list[str]:
    """Return the names of a column's numbers: those that the dataset states, or counted ones."""
    if stated is not None and len(stated) == width:
        return list(stated)
    return [f"{name.rpartition('/')[2]}.{k}" for k in range(width)]


def _without_matrices(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in which a matrix to a row is a vector: its numbers, row by row."""
    flat = numbers_of(column)
    if flat is None or flat.ndim < 2:
        return column
    if flat.shape[1] > 1 and not hasattr(column.type.value_type, "value_type"):
        return column
    return vectors(flat)


def _states(found: Mapping[str, pa.ChunkedArray], settings: RowSettings) -> list[str]:
    """Return the columns that are joined to observation.state: those stated, else the robot's."""
    if settings.state:
        chosen = []
        for name in settings.state:
            match = [n for n in found if n in (name, f"obs/{name}")]
            if not match or numbers_of(found[match[0]]) is None:
                raise InputError(
                    "--state", f"{name!r} is no column of numbers", allowed=", ".join(found)
                )
            chosen.append(match[0])
        return chosen
    if any(_lerobot_name(name) == "observation.state" for name in found):
        return []
    if "state" in found:
        return ["state"]
    seen = [n for n in found if n.startswith("obs/") and not _OTHERS.search(n)]
    return [n for n in seen if numbers_of(found[n]) is not None]


def _lerobot_name(name: str) -> str:
    known = _NAMES.get(name)
    if known is not None:
        return known
    name = re.sub(r"^obs/", "observation.", name)
    return name.replace("/", ".")


def _feature(name: str, column: pa.ChunkedArray, names: Sequence[str] | None) -> dict[str, Any]:
    """Describe a column as info.json does, by the type that is stored."""
    numbers = numbers_of(column)
    if numbers is None:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return {"dtype": "string", "shape": [1], "names": None}
        raise InputError(
            f"the column {name}",
            f"holds {column.type}",
            allowed="numbers or vectors of one length, or texts",
        )
    shape = [1] if numbers.ndim == 1 else [numbers.shape[1]]
    described = list(names) if names is not None and len(names) == shape[0] else None
    return {"dtype": str(numbers.dtype), "shape": shape, "names": described}


def vectors(values: Array) -> pa.ChunkedArray:
    """Return numbers [t n] as a column of vectors of fixed length; of numbers where n is 1.

    LeRobot stores a feature of the shape (1,) as numbers.
    """
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if values.shape[1] == 1:
        return pa.chunked_array([flat])
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(flat, values.shape[1])])
