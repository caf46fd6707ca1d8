"""Measure flicker (temporal change along the flow) and frozen frames of a take."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from simlift.core.layers import Layer
from simlift.core.score import Direction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.evaluation.metrics.motion import LINES, Motion, motions
from simlift.pixels.geometry.projection import backward_warp
from simlift.pixels.image.similarity import shrink_to

_LEAST_SEEN = 0.02  # share of the frame that must be seen twice, to judge a pair
_LEAST_CONTRAST = 4.0  # codes
_UNSEEN = 0.02  # of the contrast: a change that no eye finds, in the render and in the take
_CHANGED = 8.0  # codes, by which the render must change before standing still is a fault
_LEAST_CHANGED = 5e-4  # share of the frame
_STANDS = 0.1  # of the render's change: below it the take stands still


@dataclass(frozen=True)
class Flicker:
    """How much surfaces change while they are followed, and whether the take follows them at all.

    `flicker` and `flicker_render`: mean absolute difference, in codes of 8 bits, between a frame
    and the next one brought back along the render's flow, over the pixels that both show. This is
    the warping error of Lai et al. (ECCV 2018) with absolute differences, which read as codes,
    and a box of 3 x 3 pixels before them (at 360 rows or fewer): fresh noise, which every real
    camera has, averages out; shading and texture that swim do not.

    `flicker_ratio`: take over render, each divided by the standard deviation of its frame, so
    that a darker or hazier take is not steadier; a change of 2 % of it is granted to both.

    `frozen`: the share of pairs in which parts of the render change by 8 codes or more, while
    there the take changes by less than a tenth of that, both in units of their own contrast.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return scores of the pairs of neighbours; each belongs to its later frame."""
        take, render = denoise_and_shrink(frames), window.derive(_denoised_render)
        pairs = [
            compare((take[i], take[i + 1]), (render[i], render[i + 1]), motion)
            for i, motion in enumerate(window.derive(motions))
        ]
        later = window.indices[1:].tolist()
        seen = [float(pair.seen) for pair in pairs]
        yield frame_scores(
            "flicker", Direction.NEUTRAL, later, [p.take * p.seen for p in pairs], seen, "codes"
        )
        yield frame_scores(
            "flicker_render",
            Direction.NEUTRAL,
            later,
            [p.reference * p.seen for p in pairs],
            seen,
            "codes",
        )
        yield frame_scores(
            "flicker_ratio",
            Direction.LOWER,
            later,
            [p.relative_take if p.seen else 0.0 for p in pairs],
            [p.relative_reference if p.seen else 0.0 for p in pairs],
        )
        yield frame_scores(
            "frozen",
            Direction.LOWER,
            later,
            [float(p.frozen) for p in pairs],
            [float(p.changed) for p in pairs],
        )


@dataclass(frozen=True)
class Pair:
    """Two neighbouring frames of a take, and the same of what it is measured against."""

    seen: int  # pixels
    take: float  # codes
    reference: float
    relative_take: float  # of the contrast
    relative_reference: float
    frozen: bool
    changed: bool


def compare(
    take: tuple[np.ndarray, np.ndarray], reference: tuple[np.ndarray, np.ndarray], motion: Motion
) -> Pair:
    """Compare how calm frames of a take and of a reference change along one motion."""
    seen = int(np.count_nonzero(motion.seen))
    if seen < _LEAST_SEEN * motion.seen.size:
        seen = 0
    contrast_take, contrast_reference = _contrast(take[1]), _contrast(reference[1])
    flicker = _warp_error(take, motion) if seen else 0.0
    floor = _warp_error(reference, motion) if seen else 0.0
    change = _difference(*reference)
    parts = change >= _CHANGED
    changed = bool(np.count_nonzero(parts) >= _LEAST_CHANGED * parts.size)
    frozen = changed and bool(
        _mean(_difference(*take), parts) / contrast_take
        < _STANDS * _mean(change, parts) / contrast_reference
    )
    return Pair(
        seen,
        flicker,
        floor,
        flicker / contrast_take + _UNSEEN,
        floor / contrast_reference + _UNSEEN,
        frozen,
        changed,
    )


def _warp_error(pair: tuple[np.ndarray, np.ndarray], motion: Motion) -> float:
    return _mean(_difference(pair[0], backward_warp(pair[1], motion.flow)), motion.seen)


def _difference(
    one: Float[np.ndarray, "h w 3"], other: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w"]:
    return np.asarray(cv2.transform(cv2.absdiff(one, other), np.full((1, 3), 1 / 3)))


def _mean(values: Float[np.ndarray, "h w"], where: Bool[np.ndarray, "h w"]) -> float:
    return float(cv2.mean(values, where.view(np.uint8))[0])


def _contrast(frame: Float[np.ndarray, "h w 3"]) -> float:
    deviation = cv2.meanStdDev(frame)[1]
    return max(float(np.sqrt(np.square(deviation).mean())), _LEAST_CONTRAST)


def denoise_and_shrink(frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "a b 3"]]:
    """Average frames down to 180 rows and over 3 x 3 pixels: what is left of noise is flicker."""
    return [cv2.blur(shrink_to(frame, LINES).astype(np.float32), (3, 3)) for frame in frames]


def _denoised_render(window: Window) -> list[Float[np.ndarray, "a b 3"]]:
    return denoise_and_shrink(window.rgb)
