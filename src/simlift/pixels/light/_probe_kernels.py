"""Project probe rays to spherical harmonics, and interpolate irradiance probes (compiled)."""

import math

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_LEAST = np.float32(1e-4)
_BANDS = 36  # nine harmonics of four channels


@compiled
def collect(hit, leaving, sky, basis):
    """Project each probe's radiance and sky visibility to harmonics [p 36], nine of four.

    `hit` [p k], `leaving` [v 3] what voxels radiate, `sky` [k 3], `basis` [k 9].
    """
    probes, rays = hit.shape
    out = np.zeros((probes, 36), np.float32)
    weight = np.float32(4 * math.pi / rays)
    for p in range(probes):
        mine = out[p]
        for k in range(rays):
            voxel = hit[p, k]
            if voxel >= 0:
                r, g, b, s = leaving[voxel, 0], leaving[voxel, 1], leaving[voxel, 2], np.float32(0)
            else:
                r, g, b, s = sky[k, 0], sky[k, 1], sky[k, 2], np.float32(1)
            for m in range(9):
                y = basis[k, m] * weight
                mine[4 * m] += y * r
                mine[4 * m + 1] += y * g
                mine[4 * m + 2] += y * b
                mine[4 * m + 3] += y * s
    return out


@compiled
def _basis(x, y, z, lobes, out):
    """Fill the nine harmonics of a direction, each band times its lobe."""
    one, two = lobes[1] * np.float32(0.488603), lobes[2]
    out[0] = lobes[0] * np.float32(0.282095)
    out[1], out[2], out[3] = one * y, one * z, one * x
    out[4] = two * np.float32(1.092548) * x * y
    out[5] = two * np.float32(1.092548) * y * z
    out[6] = two * np.float32(0.315392) * (np.float32(3) * z * z - np.float32(1))
    out[7] = two * np.float32(1.092548) * x * z
    out[8] = two * np.float32(0.546274) * (x * x - y * y)


@compiled
def _weights(point, normal, grid, trust, origin, per, out):
    """Fill the weights of the eight probes around a point; return the first one's place.

    They count by distance and by how far in front of the surface they stand, so that light does not
    pass through walls (Majercik et al. 2019).
    """
    p0, p1, p2 = (
        (point[0] - origin[0]) * per,
        (point[1] - origin[1]) * per,
        (point[2] - origin[2]) * per,
    )
    f0, f1, f2 = normal[0], normal[1], normal[2]
    # Probes half a step in front of the surface see what the surface sees.
    gx = min(max(p0 + f0 * _HALF, _ZERO), np.float32(grid[0] - 1.001))
    gy = min(max(p1 + f1 * _HALF, _ZERO), np.float32(grid[1] - 1.001))
    gz = min(max(p2 + f2 * _HALF, _ZERO), np.float32(grid[2] - 1.001))
    i, j, k = int(gx), int(gy), int(gz)
    gx, gy, gz = gx - np.float32(i), gy - np.float32(j), gz - np.float32(k)
    first = (i * grid[1] + j) * grid[2] + k
    p0, p1, p2 = np.float32(i) - p0, np.float32(j) - p1, np.float32(k) - p2
    total = _ZERO
    for corner in range(8):
        a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
        qx, qy, qz = p0 + np.float32(a), p1 + np.float32(b), p2 + np.float32(c)
        length = np.sqrt(qx * qx + qy * qy + qz * qz) + _LEAST
        front = max((qx * f0 + qy * f1 + qz * f2) / length, _ZERO)
        near = (gx if a else _ONE - gx) * (gy if b else _ONE - gy) * (gz if c else _ONE - gz)
        known = trust[np.uint64(first + (a * grid[1] + b) * grid[2] + c)]
        out[corner] = (near + _LEAST) * (front + np.float32(1e-3)) * known
        total += out[corner]
    total = _ONE / total
    for corner in range(8):
        out[corner] *= total
    return first


@compiled
def gather(points, normals, ways, probes, trust, origin, spacing, lobes, windows):
    """Return what arrives [n 7] at `points` [n 3]: irradiance / pi at `normals`, then radiance and
    the share of sky around `ways`, both [n 3].

    `probes` [x y z 36] harmonics, `trust` [x y z] the weight of each probe.
    """
    out = np.zeros((7, points.shape[0]), np.float32)
    grid, flat, reliance = trust.shape, probes.ravel(), trust.ravel()
    total, w = np.zeros(_BANDS, np.float32), np.zeros(8, np.float32)
    facing, looking = np.zeros(9, np.float32), np.zeros(9, np.float32)
    per = _ONE / spacing
    up, over = np.uint64(_BANDS * grid[2]), np.uint64(_BANDS * grid[2] * grid[1])
    for n in range(points.shape[0]):
        point = (points[n, 0], points[n, 1], points[n, 2])
        normal = (normals[n, 0], normals[n, 1], normals[n, 2])
        first = np.uint64(_BANDS * _weights(point, normal, grid, reliance, origin, per, w))
        _sum(flat, first, w, up, over, total)
        _basis(normal[0], normal[1], normal[2], lobes, facing)
        _basis(ways[n, 0], ways[n, 1], ways[n, 2], windows, looking)
        a0, a1, a2 = _ZERO, _ZERO, _ZERO
        b0, b1, b2, b3 = _ZERO, _ZERO, _ZERO, _ZERO
        for m in range(9):
            r, g, b, s = total[4 * m], total[4 * m + 1], total[4 * m + 2], total[4 * m + 3]
            a0, a1, a2 = a0 + facing[m] * r, a1 + facing[m] * g, a2 + facing[m] * b
            b0, b1 = b0 + looking[m] * r, b1 + looking[m] * g
            b2, b3 = b2 + looking[m] * b, b3 + looking[m] * s
        out[0, n], out[1, n], out[2, n] = max(a0, _ZERO), max(a1, _ZERO), max(a2, _ZERO)
        out[3, n], out[4, n] = max(b0, _ZERO), max(b1, _ZERO)
        out[5, n], out[6, n] = max(b2, _ZERO), max(b3, _ZERO)
    return out.T


@compiled
def _sum(probes, first, w, up, over, total):
    """Fill the weighted sum of the harmonics of eight probes, whose numbers begin at `first`."""
    # No slices: each would be counted.
    b, c, e = first + over, first + up, first + np.uint64(_BANDS)
    d, f, g = b + up, e + over, e + up
    h = f + up
    w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
    for i in range(_BANDS):
        m = np.uint64(i)
        lower = w0 * probes[first + m] + w1 * probes[b + m]
        lower = lower + w2 * probes[c + m] + w3 * probes[d + m]
        upper = w4 * probes[e + m] + w5 * probes[f + m]
        total[i] = lower + upper + w6 * probes[g + m] + w7 * probes[h + m]
