"""What a lens does to an image in linear light: it darkens the corners and softens the grid."""

import cv2
import numpy as np
from jaxtyping import Float


def vignette(
    height: int, width: int, intrinsics: Float[np.ndarray, "3 3"], strength: float
) -> Float[np.ndarray, "h w 1"]:
    """Return the gain of every pixel: 1 - strength + strength cos^4 of the angle off the axis.

    The natural illumination law of a thin lens (Kingslake, "Optical System Design", 1983).
    """
    x = (np.arange(width, dtype=np.float32) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(height, dtype=np.float32) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
    squared = 1 / (1 + x[None, :] ** 2 + y[:, None] ** 2)
    return (1 - strength + strength * squared**2).astype(np.float32)[..., None]


def soften(linear: Float[np.ndarray, "h w 3"], sigma: float) -> Float[np.ndarray, "h w 3"]:
    """Blur by a Gaussian of `sigma` pixels, the point spread of lens and pixel aperture."""
    if sigma <= 0:
        return linear
    size = 2 * int(np.ceil(3 * sigma)) + 1
    return np.asarray(cv2.GaussianBlur(linear, (size, size), sigma, borderType=cv2.BORDER_REFLECT))
