"""Tell frames that show nothing: black while a renderer loads, burnt out, or of one colour."""

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.pixels.image.similarity import shrink_to

_LINES = 48
_FLAT, _ALIKE = 0.98, 4  # share of the frame that differs from its median by so many codes at most
_BURNT, _WHITE = 0.95, 250  # share of the frame whose darkest channel is as bright as this
_BLACK = 8  # codes; what a codec makes of black stays below


def is_blank(frame: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Return whether a frame is of one colour, or burnt out, almost everywhere."""
    pixels = shrink_to(frame, _LINES).reshape(-1, 3).astype(np.int16)
    if (pixels.min(1) >= _WHITE).mean() >= _BURNT:
        return True
    apart = np.abs(pixels - np.median(pixels, axis=0)).max(1)
    return bool((apart <= _ALIKE).mean() >= _FLAT)


def is_black(frame: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Return whether a frame is black everywhere, up to a codec's noise."""
    return bool(cv2.minMaxLoc(frame.reshape(frame.shape[0], -1))[1] <= _BLACK)
