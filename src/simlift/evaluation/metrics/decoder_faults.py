"""Measure faults of a decoder or a generator that stops: blank frames and repeated frames."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.core.layers import Layer
from simlift.core.score import Direction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.pixels.image.similarity import shrink_to

_LINES = 120
_FLAT = 3.0  # codes of deviation, below which a frame shows nothing
_CHANGED = 8.0  # codes, by which parts of the render must change
_LEAST_CHANGED = 5e-4  # share of the frame
_SAME = 0.3  # codes, below which two frames are one, coded twice


@dataclass(frozen=True)
class DecoderFaults:
    """`blank_frames`: the share of frames that show nothing where the render shows something.

    A frame shows nothing when its gray values deviate by less than 3 codes from their mean: black,
    or of any one colour. `repeated_frames`: the share of pairs in which the render changes and the
    take's frame is the one before once more, by less than 0.3 codes in the mean of the changed
    parts; fresh noise, where a take has some, makes frames differ.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return both scores."""
        take, render = _small(frames), window.derive(_of_render)
        every = window.indices.tolist()
        shows = [float(frame.std() >= _FLAT) for frame in render]
        blank = [float(frame.std() < _FLAT) * seen for frame, seen in zip(take, shows, strict=True)]
        yield frame_scores("blank_frames", Direction.LOWER, every, blank, shows)
        changed, repeated = [], []
        for i in range(1, len(every)):
            parts = cv2.absdiff(render[i], render[i - 1]) >= _CHANGED
            moves = bool(np.count_nonzero(parts) >= _LEAST_CHANGED * parts.size)
            same = moves and float(cv2.absdiff(take[i], take[i - 1])[parts].mean()) < _SAME
            changed.append(float(moves))
            repeated.append(float(same))
        yield frame_scores("repeated_frames", Direction.LOWER, every[1:], repeated, changed)


def _of_render(window: Window) -> list[np.ndarray]:
    return _small(window.rgb)


def _small(frames: UInt8[np.ndarray, "t h w 3"]) -> list[np.ndarray]:
    return [
        cv2.cvtColor(shrink_to(frame, _LINES), cv2.COLOR_RGB2GRAY).astype(np.float32)
        for frame in frames
    ]
