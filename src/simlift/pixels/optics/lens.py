"""Apply lens vignetting and point-spread blur in linear light."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float


@lru_cache(maxsize=8)
def vignette(
    height: int, width: int, pinhole: tuple[float, float, float, float], strength: float
) -> Float[np.ndarray, "h w 3"]:
    """Compute the vignetting gain of every pixel: 1 - strength + strength cos^4 of the angle off
    the axis.

    `pinhole` is (fx, fy, cx, cy) in pixels. The natural illumination law of a thin lens
    (Kingslake, "Optical System Design", 1983).
    """
    fx, fy, cx, cy = pinhole
    x = (np.arange(width, dtype=np.float32) + 0.5 - cx) / fx
    y = (np.arange(height, dtype=np.float32) + 0.5 - cy) / fy
    squared = 1 / (1 + x[None, :] ** 2 + y[:, None] ** 2)
    gain = (1 - strength + strength * squared**2).astype(np.float32)
    return np.repeat(gain[..., None], 3, axis=-1)


def blur_point_spread(
    linear: Float[np.ndarray, "h w 3"], sigma: float
) -> Float[np.ndarray, "h w 3"]:
    """Blur by a Gaussian of `sigma` pixels, the point spread of lens and pixel aperture."""
    if sigma <= 0:
        return linear
    size = 2 * int(np.ceil(3 * sigma)) + 1
    return np.asarray(cv2.GaussianBlur(linear, (size, size), sigma, borderType=cv2.BORDER_REFLECT))
