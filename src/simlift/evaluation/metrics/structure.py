"""Measure whether large shapes keep their place from the render to a take."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.layers import Layer
from simlift.core.score import Direction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.pixels.image.similarity import bilateral_smooth, shrink_to, ssim

Gray = Float[np.ndarray, "a b"]
_LINES = 240
_LEAST_CONTRAST = 4.0  # codes: a frame flatter than this is not stretched further


@dataclass(frozen=True)
class BlurSsim:
    """`blur_ssim`: SSIM of take and render after texture, exposure and contrast are taken out.

    As Cosmos's TransferBench, both are smoothed by a bilateral filter (30 pixels at 720 rows,
    sigmas 150 and 100) before SSIM (Wang et al. 2004). Unlike there: gray frames of at most 240
    rows, which costs a hundredth; and each take frame is given the mean and the standard
    deviation of its render frame first, because a relit frame is meant to differ in both.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return one score."""
        values = [
            ssim(_matched(_shapes(frame), render), render)
            for frame, render in zip(frames, window.derive(_shapes_of_render), strict=True)
        ]
        yield frame_scores("blur_ssim", Direction.HIGHER, window.indices.tolist(), values)


def _shapes_of_render(window: Window) -> tuple[Gray, ...]:
    return tuple(_shapes(frame) for frame in window.rgb)


def _shapes(frame: UInt8[np.ndarray, "h w 3"]) -> Gray:
    gray = cv2.cvtColor(shrink_to(frame, _LINES), cv2.COLOR_RGB2GRAY)
    # Sizes are given for 720 rows, as in Cosmos, whatever the size of this frame.
    scale = gray.shape[0] / 720
    smooth = bilateral_smooth(
        gray, diameter=30 * scale, sigma_colour=150.0, sigma_space=100 * scale, lines=_LINES
    )
    return smooth.astype(np.float32)


def _matched(take: Gray, render: Gray) -> Gray:
    gain = render.std() / max(float(take.std()), _LEAST_CONTRAST)
    return (take - take.mean()) * gain + render.mean()
