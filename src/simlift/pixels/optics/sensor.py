"""Simulate a Bayer sensor: shot and read noise, Bayer mosaic, demosaicing.

Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
raw-data", IEEE TIP 2008: variance = a x + b.
"""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt16

_PLAY = 256  # pixels by which the noise field is larger than a frame, each way
_FLOOR = 60.0  # codes; where there is hardly light, colour is noise


def expose_bayer(
    linear: Float[np.ndarray, "h w 3"],
    *,
    white: float,
    shot: float,
    read: float,
    seed: tuple[int, int],
) -> UInt16[np.ndarray, "h w 3"]:
    """Expose an RGGB Bayer sensor and demosaic it to 16-bit codes (65535 = `white`).

    `shot` is a, `read` the square root of b, both for linear light with 1.0 = display white.
    `seed` is (take, frame): noise is fresh in every frame and the same in every run.
    """
    height, width = linear.shape[:2]
    # The mosaic has even sides, and fewer than four pixels cannot be demosaiced.
    pad = (max(height % 2, 4 - height), max(width % 2, 4 - width))
    if any(pad):
        linear = np.asarray(cv2.copyMakeBorder(linear, 0, pad[0], 0, pad[1], cv2.BORDER_REPLICATE))
    from simlift.pixels.optics import _sensor_kernels as kernels

    codes = kernels.mosaic(linear, _noise(linear.shape[:2], seed), 65535 / white, shot, read * read)
    # OpenCV names a pattern by its second row, second and third column: RGGB is its BayerBG.
    rgb = np.asarray(cv2.cvtColor(codes, cv2.COLOR_BayerBG2RGB_EA))
    return denoise_chroma(rgb)[:height, :width]


def _noise(size: tuple[int, ...], seed: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    """Return normal noise: a window of the take's own field, at a place of the frame's own.

    Drawing a window costs nothing beside drawing the noise anew; 131,072 places keep it fresh.
    """
    take, frame = seed
    field = _field(size, take)
    place = np.random.Generator(np.random.SFC64([take, frame])).integers(0, [_PLAY, _PLAY, 2])
    window = field[place[0] : place[0] + size[0], place[1] : place[1] + size[1]]
    return -window if place[2] else window


@lru_cache(maxsize=4)
def _field(size: tuple[int, ...], seed: int) -> Float[np.ndarray, "a b"]:
    generator = np.random.Generator(np.random.SFC64(seed))
    return generator.standard_normal((size[0] + _PLAY, size[1] + _PLAY), dtype=np.float32)


def denoise_chroma(codes: UInt16[np.ndarray, "h w 3"]) -> UInt16[np.ndarray, "h w 3"]:
    """Smooth chroma, not luma, as every camera does against false colour.

    What is averaged, at half resolution, is the ratio of each channel to the luma: differences
    would carry the colour of a highlight into the dark beside it.
    """
    from simlift.pixels.optics import _sensor_kernels as kernels

    ratios = cv2.GaussianBlur(kernels.colour_ratios(codes, _FLOOR), (5, 5), 0.9)
    return np.asarray(kernels.apply_colour_ratios(codes, ratios))


def quantise(linear: Float[np.ndarray, "h w 3"], *, white: float) -> UInt16[np.ndarray, "h w 3"]:
    """Quantise linear light to 16-bit codes (65535 = `white`) without a sensor."""
    return np.clip(linear * np.float32(65535 / white) + 0.5, 0, 65535).astype(np.uint16)
