"""Measure how far a take drifts away from its first frame, where the render stands still."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from simlift.core.layers import Layer
from simlift.core.score import Direction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.pixels.image.similarity import shrink_to

_LINES = 120
_STILL = 3.0  # codes, of any channel
_LEAST_STILL = 0.1  # share of the frame that must stand still, to judge it
_LEAST_DETAIL = 2.0  # codes of deviation, without which there is no structure to keep


@dataclass(frozen=True, eq=False)
class FirstFrameDrift:
    """How what stands still in the render leaves the take's first frame, as generated videos do.

    `first_frame_drift`: mean distance in CIELAB of still pixels from those of the first frame.
    `first_frame_structure`: correlation of their details (gray less its blur) with the first
    frame's. Frames are averaged down to 120 rows first; a frame of which less than a tenth stands
    still, as under a moving camera, gives no evidence.
    """

    render: UInt8[np.ndarray, "h w 3"]
    take: UInt8[np.ndarray, "h w 3"]

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return both scores; the first frame itself judges nothing."""
        first, detail = _lab(self.take), _detail(self.take)
        still = [_still(frame, self.render) for frame in window.rgb]
        every = window.indices.tolist()
        judged = [
            index > 0 and bool(mask.mean() >= _LEAST_STILL) for index, mask in zip(every, still)
        ]
        drift, kept, seen = [], [], []
        for frame, mask, good in zip(frames, still, judged, strict=True):
            away = np.linalg.norm(_lab(frame)[mask] - first[mask], axis=1) if good else np.zeros(1)
            drift.append(float(away.mean()))
            one, other = detail[mask], _detail(frame)[mask]
            told = good and float(one.std()) >= _LEAST_DETAIL
            seen.append(float(told))
            kept.append(_correlation(one, other) if told else 0.0)
        weights = [float(good) for good in judged]
        yield frame_scores("first_frame_drift", Direction.LOWER, every, drift, weights, "CIELAB")
        yield frame_scores("first_frame_structure", Direction.HIGHER, every, kept, seen)


def _still(
    frame: UInt8[np.ndarray, "h w 3"], first: UInt8[np.ndarray, "h w 3"]
) -> Bool[np.ndarray, "a b"]:
    change = cv2.absdiff(shrink_to(frame, _LINES), shrink_to(first, _LINES)).max(2)
    moved = (change > _STILL).astype(np.uint8)
    return np.asarray(cv2.dilate(moved, np.ones((5, 5), np.uint8))) == 0


def _lab(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "a b 3"]:
    small = shrink_to(frame, _LINES).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB))


def _detail(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "a b"]:
    gray = cv2.cvtColor(shrink_to(frame, _LINES), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return gray - cv2.GaussianBlur(gray, (0, 0), 3.0)


def _correlation(one: Float[np.ndarray, "n"], other: Float[np.ndarray, "n"]) -> float:
    a, b = one - one.mean(), other - other.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0
