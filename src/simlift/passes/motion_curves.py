"""Collect what moves in a clip as curves, and draw them: joints, states and actions by frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.clip import Clip
from simlift.core.read_options import ReadOptions
from simlift.sources.datasets import open_dataset

# Of every row format: what counts and times rows says nothing of motion.
_COUNTERS = frozenset({"timestamp", "frame_index", "episode_index", "index", "task_index", "time"})
_MOST = 32  # curves of one column, beyond which it is no state but a picture or a map
_COLOURS = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (120, 140, 255),
)
_LEFT, _TOP, _BOTTOM = 66, 24, 10  # pixels of a plot around its curves
_SMALL = (cv2.FONT_HERSHEY_SIMPLEX, 0.4)


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
    dataset = open_dataset(clip.origin.dataset, plain)
    episode = next(e for e in dataset.episodes if e.index == clip.origin.episode)
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


def draw_curves(
    curves: Curves, width: int, marks: Sequence[int], height: int = 150
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw curves over all frames, with a cursor at the frames `marks`, their range and names.

    Numbers that are not finite leave gaps.
    """
    plot = np.full((height, width, 3), 24, np.uint8)
    values = curves.values
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    inner_w, inner_h = width - _LEFT - 12, height - _TOP - _BOTTOM
    x = _LEFT + np.arange(len(values)) / max(len(values) - 1, 1) * inner_w
    for mark in marks:
        column = round(float(x[mark]))
        cv2.line(plot, (column, _TOP), (column, height - _BOTTOM), (90, 90, 90), 1)
        beside = column + 3 if column < width - 50 else column - 32
        cv2.putText(plot, str(mark), (beside, height - _BOTTOM), *_SMALL, (150, 150, 150))
    for k, line in enumerate(values.T):
        y = _TOP + (1 - (line - low) / (high - low)) * inner_h
        for run in _runs(np.isfinite(line)):
            points = np.stack([x[run], y[run]], axis=-1).round().astype(np.int32)
            tint = _COLOURS[k % len(_COLOURS)]
            cv2.polylines(plot, [points[:, None]], False, tint, 1, cv2.LINE_AA)
    for text, row in ((f"{high:.3g}", _TOP + 8), (f"{low:.3g}", height - _BOTTOM)):
        cv2.putText(plot, text, (6, row), *_SMALL, (200, 200, 200), 1, cv2.LINE_AA)
    title = f"{curves.title} [{curves.unit}]" if curves.unit else curves.title
    column = 6
    for text, tint in (
        (title, (255, 255, 255)),
        *((name, _COLOURS[k % len(_COLOURS)]) for k, name in enumerate(curves.names)),
    ):
        cv2.putText(plot, text, (column, 15), *_SMALL, tint, 1, cv2.LINE_AA)
        column += cv2.getTextSize(text, *_SMALL, 1)[0][0] + 14
    return plot


def _runs(there: np.ndarray) -> list[slice]:
    """Return the stretches in which a mask holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]])))
    return [slice(a, b) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]
