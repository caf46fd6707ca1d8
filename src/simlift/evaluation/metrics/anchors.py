"""Measure how a target fits its anchor frames: offset, colour jumps, repeated frames."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.window import Frames
from simlift.pixels.image.alignment import align
from simlift.pixels.image.similarity import shrink_to

_LINES = 60
_CHANGED = 2.0  # codes of mean difference, from which a render's ends differ
_STANDS = 0.1  # of the render's difference: below it the target's ends are the same picture


def anchor_scores(render: Frames, target: Frames) -> dict[str, float]:
    """Return what the first and last frame, and their neighbours, say of a pair.

    `anchor_edge_f1`, `anchor_shift` (pixels), `anchor_zoom`: the worse end, by `align`.
    `colour_jump` (CIELAB): how far the target's mean colour steps more than the render's, from an
    end to its neighbour, where VACE joins what it was given to what it made.
    `anchors_repeat`: 1 where both ends of the target are one picture and those of the render are
    not, else 0.
    """
    ends = [align(render[i], target[i]) for i in (0, -1)]
    found = {
        "anchor_edge_f1": min(end.edge_f1 for end in ends),
        "anchor_shift": max(end.shift for end in ends),
        "anchor_zoom": max(abs(end.zoom) for end in ends),
        "anchors_repeat": float(_repeats(render, target)),
    }
    if len(render) >= 4:
        found["colour_jump"] = max(_jump(render[:2], target[:2]), _jump(render[-2:], target[-2:]))
    return found


def thumbnails(frames: Frames, count: int = 4) -> UInt8[np.ndarray, "k 12 16"]:
    """Return evenly spaced frames as 16 x 12 gray: enough to recognise a segment."""
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return np.stack([thumbnail(frames[i]) for i in chosen])


def thumbnail(frame: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "12 16"]:
    """Return a frame as 16 x 12 gray."""
    small = cv2.resize(frame, (16, 12), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))


def novelty(one: UInt8[np.ndarray, "k 12 16"], others: list[UInt8[np.ndarray, "k 12 16"]]) -> float:
    """Return the mean difference, in codes, of thumbnails from the most alike of others."""
    here = one.astype(np.float32)
    return min((float(np.abs(here - other).mean()) for other in others), default=255.0)


def _repeats(render: Frames, target: Frames) -> bool:
    changed, stands = _difference(render[0], render[-1]), _difference(target[0], target[-1])
    return changed >= _CHANGED and stands < _STANDS * changed


def _difference(one: UInt8[np.ndarray, "h w 3"], other: UInt8[np.ndarray, "h w 3"]) -> float:
    a, b = (shrink_to(frame, _LINES).astype(np.float32) for frame in (one, other))
    return float(np.abs(a - b).mean())


def _jump(render: UInt8[np.ndarray, "2 h w 3"], target: UInt8[np.ndarray, "2 h w 3"]) -> float:
    steps = [_mean_lab(frames[1]) - _mean_lab(frames[0]) for frames in (render, target)]
    return float(np.linalg.norm(steps[1] - steps[0]))


def _mean_lab(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "3"]:
    small = shrink_to(frame, _LINES) * np.float32(1 / 255)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB).mean((0, 1), np.float64))
