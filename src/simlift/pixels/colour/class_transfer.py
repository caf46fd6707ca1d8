"""Transfer colours from photos to an image by class: affine maps of colour statistics."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8, UInt16

from simlift.pixels.colour.spaces import monge_kantorovich

_GAINS = (0.4, 2.0)  # of contrast in any direction of colour
_HIGHLIGHT = 0.9  # display level above which a pixel keeps its own colour

Moments = tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]


def bounded_colour_transfer(
    source: Moments, target: Moments, share: float
) -> Float[np.ndarray, "3 4"]:
    """Compute the affine map in display values that moves colours `share` of the way to a target.

    The linear Monge-Kantorovich map (see `spaces.monge_kantorovich`), whose gains are bounded: a
    gray wall must not become highly saturated. The mean is matched exactly.
    """
    matrix = monge_kantorovich(source, target)[:, :3]
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    bounded = (vectors * np.clip(values, *_GAINS)) @ vectors.T
    whole = np.column_stack([bounded, target[0] - bounded @ source[0]])
    return np.asarray(share * whole + (1 - share) * np.eye(3, 4))


def blur_class_shares(held: UInt8[np.ndarray, "c h w"], sigma: float) -> UInt8[np.ndarray, "c h w"]:
    """Blur each class's share of every pixel by a Gaussian of `sigma` pixels."""
    size = 2 * int(np.ceil(3 * sigma)) + 1
    out = np.empty_like(held)
    for whole, soft in zip(held, out, strict=True):
        soft[:] = cv2.GaussianBlur(whole, (size, size), sigma)
    return out


def apply_class_transfer(
    display: UInt16[np.ndarray, "h w 3"],
    rest: Float[np.ndarray, "3 4"],
    parts: Float[np.ndarray, "c 3 4"],
    held: UInt8[np.ndarray, "c h w"],
) -> UInt8[np.ndarray, "h w 3"]:
    """Apply colour maps to 16-bit codes -> bytes: `parts` by class share, `rest` for what is left.

    Above the display level 0.9 a pixel keeps its own colour.
    """
    from simlift.pixels.colour import _transfer_kernels as kernels

    maps = np.concatenate([rest[None], parts]).astype(np.float32)
    return np.asarray(kernels.apply_class_transfer(display, maps, held, np.float32(_HIGHLIGHT)))
