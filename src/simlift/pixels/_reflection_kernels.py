"""The compiled loop that looks for what smooth surfaces mirror: a march through the image."""

import math

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_CLEAR = np.float32(0.9)  # relative depth below which no slope within a pixel matters
_STEEP = np.float32(0.1)  # relative change of depth from pixel to pixel that is an edge


@compiled
def mirrored(inverse, normals, roughness, scattered, mirror, pinhole, smoothest, distances, tile):
    """Return `mirror` [h w 3] with what smooth surfaces reflect of the image itself.

    Rays march through `inverse` depth over `distances` [16 s], as shares of the pixel's depth;
    pixels rougher than `smoothest` keep what they have, those near it a part. Hits fade towards the
    image's border, where there is nothing more to find (McGuire and Mara, "Efficient GPU
    screen-space ray tracing", JCGT 2014).
    """
    height, width = inverse.shape
    out = mirror.copy()
    fx, fy, cx, cy = pinhole
    for row in range(height):
        for column in range(width):
            z, rough = _ONE / inverse[row, column], roughness[row, column]
            if not _ZERO < z < np.float32(1e4) or rough >= smoothest:
                continue
            v0, v1 = (np.float32(column) + _HALF - cx) / fx, (np.float32(row) + _HALF - cy) / fy
            per = _ONE / math.sqrt(v0 * v0 + v1 * v1 + _ONE)
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            facing = -(n0 * v0 + n1 * v1 + n2) * per
            if facing <= _ZERO:
                continue
            m0 = v0 * per + _TWO * facing * n0
            m1 = v1 * per + _TWO * facing * n1
            m2 = per + _TWO * facing * n2
            # In pixels times depth, the ray is a line.
            x0, wx = (v0 * fx + cx) * z, m0 * fx + m2 * cx
            y0, wy = (v1 * fy + cy) * z, m1 * fy + m2 * cy
            pace = distances[tile[row % 4, column % 4]]
            before = _ZERO
            for s in range(pace.shape[0]):
                at = pace[s] * z
                pz = z + m2 * at
                if pz <= np.float32(1e-3):
                    break
                nearer = _ONE / pz
                x, y = (x0 + wx * at) * nearer, (y0 + wy * at) * nearer
                u, v = int(x), int(y)
                if x < _ZERO or y < _ZERO or u >= width or v >= height:
                    break
                if pz * inverse[v, u] <= _CLEAR:
                    before = at
                    continue
                near = _at(inverse, v, u, x - np.float32(u) - _HALF, y - np.float32(v) - _HALF)
                if np.float32(0.998) * pz * near <= _ONE:
                    before = at
                    continue
                gap = pz - _ONE / near
                # Within the step that crossed the surface; else behind something in front.
                if gap < np.float32(1.5) * (at - before) + np.float32(0.01) * pz:
                    across = min(x, np.float32(width) - x) / np.float32(width)
                    down = min(y, np.float32(height) - y) / np.float32(height)
                    trust = min(min(across, down) * np.float32(12), _ONE)
                    trust *= min((smoothest - rough) / (smoothest * _HALF), _ONE)
                    for c in range(3):
                        out[row, column, c] += trust * (scattered[v, u, c] - out[row, column, c])
                break
    return out


@compiled
def _at(inverse, v, u, right, below):
    """Return inverse depth beside a pixel's centre: linear, so that no plane hides itself."""
    height, width = inverse.shape
    du, dv = (1 if right > _ZERO else -1), (1 if below > _ZERO else -1)
    here = inverse[v, u]
    across = _slope(
        here,
        inverse[v, min(max(u + du, 0), width - 1)],
        inverse[v, min(max(u - du, 0), width - 1)],
    )
    down = _slope(
        here,
        inverse[min(max(v + dv, 0), height - 1), u],
        inverse[min(max(v - dv, 0), height - 1), u],
    )
    return here + across * abs(right) + down * abs(below)


@compiled
def _slope(here, ahead, behind):
    """Return the step to the pixel ahead; over an edge, that from the pixel behind."""
    steep = _STEEP * here
    if abs(ahead - here) < steep:
        return ahead - here
    return here - behind if abs(here - behind) < steep else _ZERO
