"""Compute horizon-based ambient occlusion of a depth buffer in compiled loops.

Samples are taken sixteen at once, as in the marches of `_occlusion_kernels.py`.
"""

import numpy as np

from simlift.pixels._compile import compiled

SAMPLES = 16  # in one direction

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_NO, _TINY = np.int32(0), np.float32(1e-20)
_SKY = np.float32(1e4)  # metres; beyond, nothing is in the dark
_BIAS = np.float32(0.07)  # 4 degrees keep flat, finely tessellated surfaces clean
_FINE = np.float32(2**24)
_WIDEST = 0.3  # share of the image's longer side that occlusion covers


@compiled
def _highest(depth, steps, size, view, start, way, point, normal, reach):
    """Return how high the horizon stands over the tangent plane in one direction of the screen."""
    width, height = size
    cx, cy, per_fx, per_fy = view
    column, row = start
    du, dv = way
    x, y, z = point
    n0, n1, n2 = normal
    span = reach - _ONE
    limit = reach * z * per_fx
    limit *= limit
    fade = _ONE / limit
    best = _NO
    for s in range(SAMPLES):
        length = _ONE + steps[s] * span
        u, v = np.floor(column + du * length), np.floor(row + dv * length)
        inside = (u >= _ZERO) & (u < width) & (v >= _ZERO) & (v < height)
        other = depth[np.uint64(np.int32(v * width + u if inside else _ZERO))]
        tx, ty, tz = (u - cx) * per_fx * other - x, (v - cy) * per_fy * other - y, other - z
        above = tx * n0 + ty * n1 + tz * n2
        square = tx * tx + ty * ty + tz * tz + _TINY
        lifted = (above / np.sqrt(square) - _BIAS) * (_ONE - square * fade)
        good = inside & (above > _ZERO) & (square < limit)
        best = max(best, np.int32(lifted * _FINE if good else _ZERO))
    return np.float32(best) / _FINE


@compiled
def horizons(depth, normals, pinhole, radius, rings, steps, tile):
    """Return the mean height of the horizon over the tangent plane, 0 (open) to 1 (closed).

    `rings` [16 d 2] are unit screen directions and `steps` [16 16] shares of the reach, one set for
    each place in the tile.
    """
    height, width = depth.shape
    fx, fy = np.float32(pinhole[0]), np.float32(pinhole[1])
    cx, cy = np.float32(pinhole[2] - 0.5), np.float32(pinhole[3] - 0.5)
    view, size = (cx, cy, _ONE / fx, _ONE / fy), (np.float32(width), np.float32(height))
    out = np.zeros((height, width), np.float32)
    most, radius = np.float32(_WIDEST * max(height, width)), np.float32(radius)
    directions, flat = rings.shape[1], depth.ravel()
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            if not _ZERO < z < _SKY:
                continue
            u, v = np.float32(column), np.float32(row)
            point = ((u - cx) * view[2] * z, (v - cy) * view[3] * z, z)
            normal = (normals[row, column, 0], normals[row, column, 1], normals[row, column, 2])
            reach = min(max(radius * fx / z, _TWO), most)
            pace = steps[tile[column % 4, row % 4]]
            ring = rings[tile[row % 4, column % 4]]
            total = _ZERO
            for k in range(directions):
                total += _highest(
                    flat, pace, size, view, (u + _HALF, v + _HALF), (ring[k, 0], ring[k, 1]),
                    point, normal, reach,
                )  # fmt: skip
            out[row, column] = total / np.float32(directions)
    return out
