"""Compiled loops that look for what hides light: horizons, and marches towards a light.

Screen-space sampling shifts each pixel's samples by its place in a 4x4 tile, and `smooth` averages
one tile of the same surface: sixteen times the samples for the price of one set, fixed on the
screen, so without noise.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

TILE = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])  # Bayer's order


@compiled
def horizons(depth, normals, pinhole, radius, rings, steps, tile):
    """Return the mean height of the horizon over the tangent plane, 0 (open) to 1 (closed).

    `rings` [16 d 2] are unit screen directions and `steps` [16 s] shares of the reach, one set for
    each place in the tile.
    """
    height, width = depth.shape
    fx, fy, cx, cy = pinhole
    out = np.zeros((height, width), np.float32)
    most = 0.3 * max(height, width)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            if not z < 1e4:
                continue
            x = (column + 0.5 - cx) / fx * z
            y = (row + 0.5 - cy) / fy * z
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            reach = min(max(radius * fx / z, 2.0), most)
            limit = (reach * z / fx) ** 2
            ring, pace = tile[row % 4, column % 4], tile[column % 4, row % 4]
            total = 0.0
            for k in range(rings.shape[1]):
                du, dv = rings[ring, k, 0], rings[ring, k, 1]
                highest = 0.0
                for s in range(steps.shape[1]):
                    length = 1.0 + steps[pace, s] * (reach - 1.0)
                    u = int(column + du * length + 0.5)
                    v = int(row + dv * length + 0.5)
                    if u < 0 or v < 0 or u >= width or v >= height:
                        break
                    other = depth[v, u]
                    tx = (u + 0.5 - cx) / fx * other - x
                    ty = (v + 0.5 - cy) / fy * other - y
                    tz = other - z
                    above = tx * n0 + ty * n1 + tz * n2
                    square = tx * tx + ty * ty + tz * tz
                    if above <= 0.0 or square >= limit:
                        continue
                    # A bias of 4 degrees keeps flat, finely tessellated surfaces clean.
                    lifted = (above / math.sqrt(square) - 0.07) * (1.0 - square / limit)
                    if lifted > highest:
                        highest = lifted
                total += highest
            out[row, column] = total / rings.shape[1]
    return out


@compiled
def march(depth, normals, pinhole, towards, distances, tile):
    """Return the share of the light directions `towards` [k 3] that each pixel sees.

    `distances` [16 s] are metres along the ray, one set for each place in the tile.
    """
    height, width = depth.shape
    fx, fy, cx, cy = pinhole
    out = np.ones((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            if not z < 1e4:
                continue
            lift = 0.003 * z
            x = (column + 0.5 - cx) / fx * z + normals[row, column, 0] * lift
            y = (row + 0.5 - cy) / fy * z + normals[row, column, 1] * lift
            z0 = z + normals[row, column, 2] * lift
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            pace = tile[row % 4, column % 4]
            seen = 0.0
            for k in range(towards.shape[0]):
                lx, ly, lz = towards[k, 0], towards[k, 1], towards[k, 2]
                if lx * n0 + ly * n1 + lz * n2 <= 0.0:
                    continue  # the surface turns away: its own side is dark
                light = 1.0
                for s in range(distances.shape[1]):
                    distance = distances[pace, s]
                    pz = z0 + lz * distance
                    if pz <= 1e-3:
                        break
                    nearer = 1.0 / pz
                    u = int((x + lx * distance) * nearer * fx + cx)
                    v = int((y + ly * distance) * nearer * fy + cy)
                    if u < 0 or v < 0 or u >= width or v >= height:
                        break
                    gap = pz - depth[v, u]
                    # How thick the blocker is cannot be seen; the further along, the thicker.
                    if 0.003 * pz < gap < 0.3 * distance + 0.02 * pz:
                        light = 0.0
                        break
                seen += light
            out[row, column] = seen / towards.shape[0]
    return out
