"""Read what moves in a clip as curves: joints, states and actions, a number for each frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from simlift.core.clip import Clip
from simlift.core.dataset import episode_numbered
from simlift.core.read_options import ReadOptions
from simlift.sources.datasets import reopen_dataset

# Of every row format: what counts and times rows says nothing of motion.
_COUNTERS = frozenset({"timestamp", "frame_index", "episode_index", "index", "task_index", "time"})
_MOST = 32  # curves of one column, beyond which it is no state but a picture or a map


@dataclass(frozen=True, eq=False)
class Curves:
    """Numbers that belong together, one for each frame: values [t n] of n names."""

    title: str
    unit: str
    names: tuple[str, ...]
    values: Float[np.ndarray, "t n"]


def curves_of(clip: Clip) -> tuple[Curves, ...]:
    """Return the joints, states and actions of a clip, frame by frame.

    They come from its robot, from the rows of its dataset, or from its file of actions. Columns of
    whole numbers, of texts, and of more than 32 numbers to a row are none.
    """
    found = []
    if clip.robot is not None and clip.robot.joint_names:
        robot = clip.robot
        found.append(Curves("joints", "rad or m", robot.joint_names, robot.joint_positions))
    if clip.origin is not None:
        found += _of_dataset(clip)
    elif clip.actions is not None:
        found += _of_file(clip)
    return tuple(curves for curves in found if len(curves.values) == clip.num_frames)


def _of_dataset(clip: Clip) -> list[Curves]:
    assert clip.origin is not None
    plain = ReadOptions(fps=clip.read_options.fps)
    dataset = reopen_dataset(clip.origin.dataset, plain)
    episode = episode_numbered(dataset, clip.origin.episode)
    table = dataset.rows(episode)
    names = {name: feature.names for name, feature in dataset.features.items()}
    return _columns((name, table[name], names.get(name)) for name in table.column_names)


def _of_file(clip: Clip) -> list[Curves]:
    from simlift.media import _parquet

    assert clip.actions is not None
    table = _parquet.read_table(clip.actions)
    told = {k.decode(): v.decode().split(",") for k, v in (table.schema.metadata or {}).items()}
    return _columns((name, table[name], told.get(f"{name}_names")) for name in table.column_names)


def _columns(columns: Iterable[tuple[str, Any, Sequence[str] | None]]) -> list[Curves]:
    found = []
    for name, column, names in columns:
        if name in _COUNTERS or name.startswith("next."):
            continue
        if (values := _numbers(column)) is None:
            continue
        count = values.shape[1]
        known = names is not None and len(names) == count
        parts = tuple(map(str, names or ())) if known else tuple(map(str, range(count)))
        found.append(Curves(name, "", parts if count > 1 or known else (name,), values))
    return found


def _numbers(column: Any) -> Float[np.ndarray, "t n"] | None:
    """Return a column of floats as [t n], None for one that holds anything else."""
    words = str(getattr(column, "type", ""))
    if "float" not in words and "double" not in words:
        return None
    try:
        values = np.asarray(column.to_pylist(), np.float64)
    except (ValueError, TypeError):  # rows of different lengths, or none
        return None
    values = values.reshape(len(values), -1)
    return values if 0 < values.shape[1] <= _MOST else None
