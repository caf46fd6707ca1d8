"""Compute structural similarity (SSIM); smooth texture away with a bilateral filter.

Source: Wang et al., "Image quality assessment: from error visibility to structural similarity",
IEEE TIP 2004.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

_TAPS, _SIGMA = 11, 1.5
_K1, _K2, _RANGE = 0.01, 0.03, 255.0


def ssim(one: Float[np.ndarray, "h w"], other: Float[np.ndarray, "h w"]) -> float:
    """Compute the mean SSIM of two gray images of codes 0 to 255.

    Gaussian windows of 11 x 11 and sigma 1.5, K1 = 0.01, K2 = 0.03, population moments, averaged
    over the windows that lie inside the image (all of them where the image is smaller than one).
    """
    # About the middle of the range, so that single precision does for the squares.
    a, b = (image.astype(np.float32) - np.float32(_RANGE / 2) for image in (one, other))
    mean_a, mean_b = _window(a), _window(b)
    var_a = _window(a * a) - mean_a * mean_a
    var_b = _window(b * b) - mean_b * mean_b
    cov = _window(a * b) - mean_a * mean_b
    mean_a, mean_b = mean_a + np.float32(_RANGE / 2), mean_b + np.float32(_RANGE / 2)
    c1, c2 = np.float32((_K1 * _RANGE) ** 2), np.float32((_K2 * _RANGE) ** 2)
    index = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    index /= (mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2)
    edge = _TAPS // 2
    inner = index[edge:-edge, edge:-edge]
    return float((inner if inner.size else index).mean(dtype=np.float64))


def _window(image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    return np.asarray(cv2.GaussianBlur(image, (_TAPS, _TAPS), _SIGMA))


def shrink_to(image: UInt8[np.ndarray, "h w *c"], lines: int) -> UInt8[np.ndarray, "a b *c"]:
    """Average an image down to at most `lines` rows; a smaller one stays as it is."""
    height, width = image.shape[:2]
    if height <= lines:
        return image
    size = (max(round(width * lines / height), 1), lines)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def bilateral_smooth(
    image: UInt8[np.ndarray, "h w *c"],
    *,
    diameter: float,
    sigma_colour: float,
    sigma_space: float,
    lines: int,
) -> UInt8[np.ndarray, "a b *c"]:
    """Smooth texture away by a bilateral filter whose sizes are in pixels of the full image.

    The image is averaged down to `lines` rows first and the filter made smaller with it, because
    its cost grows with the fourth power of the scale. The result has the small size.
    """
    small = shrink_to(image, lines)
    scale = small.shape[0] / image.shape[0]
    taps = max(round(diameter * scale), 3)
    return np.asarray(cv2.bilateralFilter(small, taps, sigma_colour, sigma_space * scale))
