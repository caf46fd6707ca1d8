"""Trace screen-space reflections by ray marching through the depth buffer (compiled)."""

import math

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
STEPS = 24  # of a ray
_NEAREST = np.float32(1e-3)  # metres
_STEEP = np.float32(0.1)  # relative change of depth from pixel to pixel that is an edge


@compiled
def trace_reflections(
    inverse, normals, roughness, light, mirror, gloss, pinhole, smoothest, distances, tile
):
    """Return `light` [h w 3] with screen-space reflections on smooth surfaces.

    It holds `mirror` times `gloss`, both [h w 3]; the rest is what surfaces scatter. Rays march
    through `inverse` depth over `distances` [16 STEPS], as shares of the pixel's depth; pixels
    rougher than `smoothest` keep what they have, those near it a part. Hits fade towards the
    image's border, where there is nothing more to find (McGuire and Mara, "Efficient GPU
    screen-space ray tracing", JCGT 2014).
    """
    height, width = inverse.shape
    size, flat = (np.float32(width), np.float32(height)), inverse.ravel()
    out, paces = light.copy(), distances.ravel()
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
            start = ((v0 * fx + cx) * z, (v1 * fy + cy) * z, z)
            way = ((m0 * fx + m2 * cx) * z, (m1 * fy + m2 * cy) * z, m2 * z)
            first, s = STEPS * tile[row % 4, column % 4], 0
            while s < STEPS:
                s = _candidate(flat, paces, np.uint64(first), s, size, start, way)
                if s >= STEPS:
                    break
                at = paces[first + s]
                pz = start[2] + way[2] * at
                x, y = (start[0] + way[0] * at) / pz, (start[1] + way[1] * at) / pz
                u, v = int(x), int(y)
                if pz <= _NEAREST or x < _ZERO or y < _ZERO or u >= width or v >= height:
                    break
                s += 1
                near = _at(inverse, v, u, x - np.float32(u) - _HALF, y - np.float32(v) - _HALF)
                if np.float32(0.998) * pz * near <= _ONE:
                    continue
                gap = pz - _ONE / near
                before = paces[first + s - 2] if s > 1 else _ZERO
                # Within the step that crossed the surface; else behind something in front.
                if gap < np.float32(1.5) * (at - before) * z + np.float32(0.01) * pz:
                    across = min(x, size[0] - x) / size[0]
                    down = min(y, size[1] - y) / size[1]
                    trust = min(min(across, down) * np.float32(12), _ONE)
                    trust *= min((smoothest - rough) / (smoothest * _HALF), _ONE)
                    for c in range(3):
                        there = light[v, u, c] - mirror[v, u, c] * gloss[v, u, c]
                        more = trust * (there - mirror[row, column, c])
                        out[row, column, c] += gloss[row, column, c] * more
                break
    return out


@compiled
def _candidate(inverse, paces, first, least, size, start, way):
    """Return the first step of a ray from `least` on that may be within something, or STEPS."""
    x, y, z = start
    wx, wy, wz = way
    width, height = size
    best = np.int32(STEPS)
    for s in range(STEPS):
        at = paces[first + np.uint64(s)]
        pz = z + wz * at
        nearer = _ONE / pz
        u, v = np.floor((x + wx * at) * nearer), np.floor((y + wy * at) * nearer)
        inside = (pz > _NEAREST) & (u >= _ZERO) & (u < width) & (v >= _ZERO) & (v < height)
        place = np.uint64(np.int32(v * width + u if inside else _ZERO))
        # Beyond the image a ray ends: the careful look stops there.
        good = ((pz * inverse[place] > _ONE) | (not inside)) & (s >= least)
        best = min(best, np.int32(s if good else STEPS))
    return best


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
