"""Detect shot boundaries (cuts) in a stream of frames.

A cut changes what is there and where: neither fast motion, which shifts a structure, nor a flash,
which scales its brightness and is gone again, does both. So frames are compared by their structure
(correlation at the best shift, blind to brightness) and by their colours (histograms after their
exposure is taken out), and a frame is a cut only where the frames around it stay unlike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.pixels.image.similarity import shrink_to

_LINES = 48
_REACH = 0.25  # of the frame, by which a structure may move between neighbouring frames
_BINS = 8
# Two frames show different scenes where structure and colours together say so, neither hardly
# changed. In 23 recordings neighbours five frames apart have a sum of 1.2 and mostly above 1.5;
# unrelated frames share 0.12 of their colours in the median.
_SUM, _STRUCTURE, _COLOURS = 1.25, 0.85, 0.9
_FLAT = 0.7  # what two pictures without structure are taken to share


@dataclass(frozen=True, eq=False)
class FrameSummary:
    """A small copy of a frame for cut detection: gray, and an exposure-normalised colour
    histogram."""

    gray: Float[np.ndarray, "a b"]
    colours: Float[np.ndarray, "n"]


def summarise(frame: UInt8[np.ndarray, "h w 3"]) -> FrameSummary:
    """Compute the summary of a frame that cut detection compares."""
    small = cv2.blur(shrink_to(frame, _LINES), (3, 3)).astype(np.float32)
    gray = np.asarray(small.mean(-1))
    level = max(float(small.mean()), 1.0)
    codes = np.clip(small / (2.5 * level) * _BINS, 0, _BINS - 1).astype(np.int64)
    index = (codes[..., 0] * _BINS + codes[..., 1]) * _BINS + codes[..., 2]
    counts = np.bincount(index.ravel(), minlength=_BINS**3).astype(np.float64)
    return FrameSummary(gray, counts / counts.sum())


def is_scene_change(one: FrameSummary, other: FrameSummary) -> bool:
    """Return whether two frames show different scenes."""
    structure, colours = _shared(one, other)
    return structure < _STRUCTURE and colours < _COLOURS and structure + colours < _SUM


def likeness(one: FrameSummary, other: FrameSummary) -> float:
    """Return how much two frames share of structure and colours, 2 being all."""
    return sum(_shared(one, other))


def _shared(one: FrameSummary, other: FrameSummary) -> tuple[float, float]:
    structure = (_structure(one.gray, other.gray) + _structure(other.gray, one.gray)) / 2
    return structure, float(np.minimum(one.colours, other.colours).sum())


def find_cuts(frames: Iterable[UInt8[np.ndarray, "h w 3"]]) -> Iterator[int]:
    """Yield the index of every frame that begins a new shot; three frames are held at a time."""
    before: FrameSummary | None = None
    here: FrameSummary | None = None
    changed = False  # between `before` and `here`
    number = -1
    for number, frame in enumerate(frames):
        ahead = summarise(frame)
        # A single odd frame (a flash, a dropout) leaves its neighbours alike: no cut.
        if changed and before is not None and is_scene_change(before, ahead):
            yield number - 1
            changed = here is not None and is_scene_change(here, ahead)
        else:
            changed = not changed and here is not None and is_scene_change(here, ahead)
        before, here = here, ahead
    if changed:
        yield number


def _structure(one: Float[np.ndarray, "a b"], other: Float[np.ndarray, "a b"]) -> float:
    """Return the correlation of the middle of `one` with the place in `other` it fits best."""
    top, left = (int(side * _REACH) for side in one.shape)
    middle = one[top : one.shape[0] - top, left : one.shape[1] - left]
    flat = sum(side.std() < 1 for side in (middle, other))
    if flat:
        return _FLAT if flat == 2 else 0.0
    return float(cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED).max())
