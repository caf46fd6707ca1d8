"""Recover smooth inverse depth from coarse codes: planes come out straight, edges stay.

The inverse depth of a plane is linear in pixel coordinates, whatever the camera, so that codes of
a plane are a ramp with steps. Planes are fitted to windows of every size, and each pixel takes
what the largest windows say that agree with the codes in them. A pixel depends on its frame alone.
"""

import numpy as np
from jaxtyping import Float32, Int

_NOISE = 2.0  # variance of coded depth over that of rounding once: rounded twice, coded with loss
_TOLERANCE = 2.0  # code widths by which a plane may pass a pixel's own code
_LARGEST = 4  # the largest windows are about half as high as the image
_BLUR = 2  # pixels that lossy coding blurs an edge to each side, and windows beside it


def dequantise(
    inverse: Float32[np.ndarray, "h w"],
    step: Float32[np.ndarray, "h w"],
    ids: Int[np.ndarray, "h w"] | None = None,
) -> Float32[np.ndarray, "h w"]:
    """Return smooth inverse depth near `inverse`, whose codes are `step` apart there.

    Where inverse depth is 0 nothing was hit; it stays 0. `step` is in units of inverse depth. No
    plane reaches from one of `ids` to another.
    """
    from simlift.pixels.geometry import _dequantisation_kernels as kernels

    inverse = np.ascontiguousarray(inverse, dtype=np.float32)
    step = np.ascontiguousarray(step, dtype=np.float32)
    own = np.zeros(inverse.shape, np.int32) if ids is None else ids
    own = np.ascontiguousarray(own, dtype=np.int32)
    (cells, names), size = kernels.gather(inverse, step, own), kernels.CELL
    levels = [(*kernels.fit(cells, names, _NOISE), size)]
    while _LARGEST * size < min(inverse.shape):
        (cells, names), size = kernels.merge(cells, names), 2 * size
        levels.append((*kernels.fit(cells, names, _NOISE), size))
    known, done = np.zeros_like(inverse), np.zeros_like(inverse)
    tolerance = np.float32(_TOLERANCE)
    for planes, whose, size in reversed(levels):
        kernels.blend(inverse, step, own, known, done, planes, whose, size, tolerance)
    return np.asarray(kernels.finish(inverse, step, own, known, done, planes, whose, size, _BLUR))
