"""Linear light to what a Bayer sensor reads of it: shot and read noise, mosaic, demosaic.

Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
raw-data", IEEE TIP 2008: variance = a x + b.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt16


def expose(
    linear: Float[np.ndarray, "h w 3"],
    *,
    white: float,
    shot: float,
    read: float,
    seed: tuple[int, int],
) -> UInt16[np.ndarray, "h w 3"]:
    """Return demosaiced 16-bit codes (65535 = `white`) of one RGGB exposure.

    `shot` is a, `read` the square root of b, both for linear light with 1.0 = display white.
    `seed` is (take, frame): noise is fresh in every frame and the same in every run.
    """
    height, width = linear.shape[:2]
    pad = (height % 2, width % 2)
    if any(pad):
        linear = np.asarray(cv2.copyMakeBorder(linear, 0, pad[0], 0, pad[1], cv2.BORDER_REPLICATE))
    mosaic = np.empty(linear.shape[:2], dtype=np.float32)
    mosaic[0::2, 0::2] = linear[0::2, 0::2, 0]
    mosaic[0::2, 1::2] = linear[0::2, 1::2, 1]
    mosaic[1::2, 0::2] = linear[1::2, 0::2, 1]
    mosaic[1::2, 1::2] = linear[1::2, 1::2, 2]
    if shot > 0 or read > 0:
        generator = np.random.Generator(np.random.SFC64(seed))
        noise = generator.standard_normal(mosaic.shape, dtype=np.float32)
        mosaic += noise * np.sqrt(np.maximum(mosaic, 0) * np.float32(shot) + np.float32(read**2))
    codes = np.clip(mosaic * np.float32(65535 / white) + 0.5, 0, 65535).astype(np.uint16)
    # OpenCV names a pattern by its second row, second and third column: RGGB is its BayerBG.
    rgb = np.asarray(cv2.cvtColor(codes, cv2.COLOR_BayerBG2RGB_EA))
    return rgb[:height, :width]


def quantise(linear: Float[np.ndarray, "h w 3"], *, white: float) -> UInt16[np.ndarray, "h w 3"]:
    """Return 16-bit codes (65535 = `white`) without a sensor between."""
    return np.clip(linear * np.float32(65535 / white) + 0.5, 0, 65535).astype(np.uint16)
