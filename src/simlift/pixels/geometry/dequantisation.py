"""Recover smooth inverse depth from coarse codes: planes come out straight, edges stay.

The inverse depth of a plane is linear in pixel coordinates, whatever the camera, so that codes of
a plane are a ramp with steps. Planes are fitted to windows of every size, and each pixel takes
what the largest windows say that agree with the codes in them. A pixel depends on its frame alone.
"""

import numpy as np
from jaxtyping import Float, Float32, Int

_NOISE = 2.0  # variance of coded depth over that of rounding once, where a frame does not tell
_MEASURED_AT = 32  # pixels: cells over which a frame tells it, by the middle one of its planes
_LEAST_CELLS = 24
_MARGIN = 1.25  # over the noise that is measured, and the least and most that is believed
_LEAST_NOISE, _MOST_NOISE = 1.1, 2.5
_TOLERANCE = 1.4  # code widths by which a plane may pass a code of rounding alone
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
    sums = [(*kernels.gather(inverse, step, own), kernels.CELL)]
    while _LARGEST * sums[-1][2] < min(inverse.shape):
        cells, names, size = sums[-1]
        sums.append((*kernels.merge(cells, names), 2 * size))
    noise = next((_noise(cells) for cells, _, size in sums if size == _MEASURED_AT), _NOISE)
    levels = [(*kernels.fit(cells, names, noise), size) for cells, names, size in sums]
    known, done = np.zeros_like(inverse), np.zeros_like(inverse)
    tolerance = np.float32(_TOLERANCE * np.sqrt(noise))
    for planes, whose, size in reversed(levels):
        kernels.blend(inverse, step, own, known, done, planes, whose, size, tolerance)
    planes, whose, size = levels[0]
    return np.asarray(kernels.finish(inverse, step, own, known, done, planes, whose, size, _BLUR))


def _noise(cells: Float[np.ndarray, "rows columns slots sums"]) -> float:
    """Measure the variance of codes about planes, over that of rounding once: two in three cells
    of most frames lie on one plane, so that the middle cell tells it.
    """
    n = cells[..., 0]
    whole = n > 0.9 * n.max()
    if whole.sum() < _LEAST_CELLS:
        return _NOISE
    n = n[whole]
    x, y, q = (cells[whole][:, k] / n for k in (1, 2, 6))
    xx, xy, yy = (cells[whole][:, k] / n - u * v for k, u, v in ((3, x, x), (4, x, y), (5, y, y)))
    xq, yq, qq = (cells[whole][:, k] / n - u * q for k, u in ((7, x), (8, y), (9, q)))
    determinant = xx * yy - xy * xy
    across, down = (yy * xq - xy * yq) / determinant, (xx * yq - xy * xq) / determinant
    ratio = (qq - across * xq - down * yq) * n / cells[whole][:, 10]
    return float(np.clip(_MARGIN * np.median(ratio), _LEAST_NOISE, _MOST_NOISE))
