"""Draw curves as plots under the frames that they belong to."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.sources.curves import Curves

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
