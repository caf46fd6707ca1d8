"""Measure colour difference, colour drift over time, and clipping of a take."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from simlift.core.layers import Layer
from simlift.core.score import Direction, Reduction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.pixels.image.similarity import shrink_to

_LINES = 60
_CLIPPED, _BLACK = 254, 2


@dataclass(frozen=True)
class ColourShift:
    """How far the mean colour of the take lies from the render's, in CIELAB (CIE 1976).

    `colour_shift`: the mean distance; a look is meant to have one, so it never judges.
    `colour_drift`: the mean distance of the frames' offsets from their mean: a look that stays
    the same has none. Frames are averaged down to 60 rows first.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return both scores."""
        offsets = _means(frames) - window.derive(_means_of_render)
        ones = (1.0,) * len(window)
        yield frame_scores(
            "colour_shift",
            Direction.NEUTRAL,
            window.indices.tolist(),
            np.linalg.norm(offsets, axis=1).tolist(),
            unit="CIELAB",
        )
        yield Score(
            "colour_drift",
            Direction.LOWER,
            tuple(window.indices.tolist()),
            tuple(map(tuple, offsets.tolist())),
            ones,
            Reduction.SPREAD,
            "CIELAB",
        )


@dataclass(frozen=True)
class Clipping:
    """What the take lost to white and to black.

    `clipped`: the share of pixels with a channel of 254 or more; `black`: with luma (BT.601, as
    codes) of 2 or less; each beside the same of the render. `newly_clipped` and `newly_black`
    count only pixels where the render still showed something: they judge.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return six scores."""
        take = [_lost(frame) for frame in frames]
        render = window.derive(_lost_of_render)
        for k, name in enumerate(("clipped", "black")):
            shares = {
                name: [t[k].mean() for t in take],
                f"{name}_render": [r[k].mean() for r in render],
                f"newly_{name}": [(t[k] & ~r[k]).mean() for t, r in zip(take, render, strict=True)],
            }
            for score, values in shares.items():
                judges = Direction.LOWER if score.startswith("newly") else Direction.NEUTRAL
                yield frame_scores(score, judges, window.indices.tolist(), values, unit="share")


def _means(frames: UInt8[np.ndarray, "t h w 3"]) -> Float[np.ndarray, "t 3"]:
    scale = np.float32(1 / 255)
    return np.stack(
        [
            cv2.cvtColor(shrink_to(f, _LINES) * scale, cv2.COLOR_RGB2LAB).mean((0, 1), np.float64)
            for f in frames
        ]
    )


def _means_of_render(window: Window) -> Float[np.ndarray, "t 3"]:
    return _means(window.rgb)


Lost = tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]


def _lost(frame: UInt8[np.ndarray, "h w 3"]) -> Lost:
    white = cv2.inRange(frame, (0, 0, 0), (_CLIPPED - 1,) * 3) == 0
    return white, cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) <= _BLACK


def _lost_of_render(window: Window) -> tuple[Lost, ...]:
    return tuple(_lost(frame) for frame in window.rgb)
