"""Measure jumps between frames at the borders of an engine's windows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.layers import Layer
from simlift.core.score import Direction, Reduction, Score
from simlift.core.window import Frames, Window
from simlift.pixels.image.similarity import shrink_to

_LINES = 120
_UNSEEN = 0.5  # codes, added to both differences: stillness divided by stillness is 1


@dataclass(frozen=True)
class WindowJumps:
    """`window_jump_ratio`: how much more a take changes where windows join than within them.

    Mean absolute difference of neighbouring frames, at 120 rows, relative to that of the render
    between the same frames, so that a cut or a fast turn does not count; its mean over window
    starts over its median elsewhere. Without the render it is the ratio of ComfyUI#8345.
    `window_starts` are the frames that begin a window; without them there is no evidence.
    """

    window_starts: tuple[int, ...] = ()

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return one score of the pairs of neighbours; each belongs to its later frame."""
        take, render = _changes(frames), window.derive(_changes_of_render)
        later = tuple(window.indices[1:].tolist())
        relative = [(t + _UNSEEN) / (r + _UNSEEN) for t, r in zip(take, render, strict=True)]
        yield Score(
            "window_jump_ratio",
            Direction.LOWER,
            later,
            tuple(
                (0.0, x) if i in self.window_starts else (x, 0.0) for i, x in zip(later, relative)
            ),
            (1.0 if self.window_starts else 0.0,) * len(later),
            Reduction.JOIN,
        )


def _changes_of_render(window: Window) -> Float[np.ndarray, "pairs"]:
    return _changes(window.rgb)


def _changes(frames: UInt8[np.ndarray, "t h w 3"]) -> Float[np.ndarray, "pairs"]:
    small = np.stack([shrink_to(frame, _LINES) for frame in frames]).astype(np.float32)
    return np.asarray(np.abs(np.diff(small, axis=0)).mean((1, 2, 3), dtype=np.float64))
