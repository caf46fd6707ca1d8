"""Compiled loops that look for what hides light: horizons, and marches towards a light.

Screen-space sampling shifts each pixel's samples by its place in a 4x4 tile, and an average over
one tile of the same surface follows: sixteen times the samples for the price of one set, fixed on
the screen, so without noise.

Samples are taken sixteen at once: the loops over them have a constant length, no branches, and
gather whole numbers, which the compiler may add up in any order. Places are kept as float32, exact
in images of up to 16 million pixels.
"""

import numpy as np

from simlift.pixels._compile import compiled

TILE = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])  # Bayer's order
SAMPLES = 16

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_NO, _YES = np.int32(0), np.int32(1)
_TINY = np.float32(1e-20)
_SKY = np.float32(1e4)  # metres; beyond, nothing is in the dark

_BIAS = np.float32(0.07)  # 4 degrees keep flat, finely tessellated surfaces clean
_FINE = np.float32(2**24)
_WIDEST = 0.3  # share of the image's longer side that occlusion sees

_NEAREST = np.float32(1e-3)  # metres
_LIFT = np.float32(0.003)  # relative depth by which a ray starts over its surface
_SLACK = np.float32(0.02)  # relative depth that everything is thick, at least


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
        other = depth[np.int32(v * width + u if inside else _ZERO)]
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


@compiled
def _hits(depth, thickness, distances, size, start, way, grow):
    """Return how many of sixteen samples of a ray lie within something.

    `start` and `way` are in pixels times depth, and depth: u = (x + way_x t) / (z + way_z t).
    """
    width, height = size
    x, y, z = start
    wx, wy, wz = way
    hits = _NO
    for s in range(SAMPLES):
        distance = distances[s]
        along = z + wz * distance
        nearer = _ONE / along
        u, v = np.floor((x + wx * distance) * nearer), np.floor((y + wy * distance) * nearer)
        inside = (along > _NEAREST) & (u >= _ZERO) & (u < width) & (v >= _ZERO) & (v < height)
        place = np.int32(v * width + u if inside else _ZERO)
        gap = along - depth[place]
        within = (gap > _LIFT * along) & (
            gap < max(grow * distance + _SLACK * along, thickness[place])
        )
        hits += _YES if inside & within else _NO
    return hits


@compiled
def enclosure(depth, thickness, normals, pinhole, radius, ways, steps, tile):
    """Return how much of the light from all around is hidden within `radius` metres, by cosine.

    `ways` [16 k 3] are unit vectors in camera axes for each place in the tile, whose sphere all of
    them fill evenly; `steps` [16 16] where along a way it looks, as shares of the radius. What is
    met near the radius hides little, so that nothing appears at once.
    """
    height, width = depth.shape
    fx, fy = np.float32(pinhole[0]), np.float32(pinhole[1])
    cx, cy = np.float32(pinhole[2]), np.float32(pinhole[3])
    size = (np.float32(width), np.float32(height))
    out = np.zeros((height, width), np.float32)
    flat, thick, count = depth.ravel(), thickness.ravel(), ways.shape[1]
    radius, per = np.float32(radius), np.float32(4) / np.float32(count)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            if not _ZERO < z < _SKY:
                continue
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            z0 = z + n2 * _LIFT * z
            x = (np.float32(column) + _HALF - cx) * z + n0 * _LIFT * z * fx + cx * z0
            y = (np.float32(row) + _HALF - cy) * z + n1 * _LIFT * z * fy + cy * z0
            place = tile[row % 4, column % 4]
            pace, total = steps[tile[column % 4, row % 4]], _ZERO
            for k in range(count):
                lx, ly, lz = ways[place, k, 0], ways[place, k, 1], ways[place, k, 2]
                cosine = lx * n0 + ly * n1 + lz * n2
                if cosine > _ZERO:
                    way = (lx * fx + cx * lz, ly * fy + cy * lz, lz)
                    total += cosine * _nearest(flat, thick, pace, radius, size, (x, y, z0), way)
            # The mean cosine over the sphere is a quarter.
            out[row, column] = min(total * per, _ONE)
    return out


@compiled
def _nearest(depth, thickness, steps, radius, size, start, way):
    """Return 1 - share^2 of the nearest of sixteen samples of a ray that lies in something, or 0.

    `start` and `way` as in `_hits`.
    """
    width, height = size
    x, y, z = start
    wx, wy, wz = way
    best = _NO
    for s in range(SAMPLES):
        distance = steps[s] * radius
        along = z + wz * distance
        nearer = _ONE / along
        u, v = np.floor((x + wx * distance) * nearer), np.floor((y + wy * distance) * nearer)
        inside = (along > _NEAREST) & (u >= _ZERO) & (u < width) & (v >= _ZERO) & (v < height)
        place = np.int32(v * width + u if inside else _ZERO)
        gap = along - depth[place]
        within = (gap > _LIFT * along) & (gap < max(_SLACK * along, thickness[place]))
        hides = (_ONE - steps[s] * steps[s]) * _FINE
        best = max(best, np.int32(hides if inside & within else _ZERO))
    return np.float32(best) / _FINE


@compiled
def march(depth, thickness, normals, pinhole, towards, distances, tile, parts, grow):
    """Return the share of the light directions `towards` [k 3] that each pixel sees.

    `thickness` [h w] is how deep in metres what is seen goes, and no less than `grow` of the way
    along the ray; `distances` [16 s] are metres along the ray, one set for each place in the tile;
    s is a multiple of sixteen. A pixel marches towards every `parts`-th direction, its tile towards
    all.
    """
    height, width = depth.shape
    fx, fy = np.float32(pinhole[0]), np.float32(pinhole[1])
    cx, cy = np.float32(pinhole[2]), np.float32(pinhole[3])
    size = (np.float32(width), np.float32(height))
    out = np.ones((height, width), np.float32)
    flat, thick, count = depth.ravel(), thickness.ravel(), towards.shape[0]
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            if not _ZERO < z < _SKY:
                continue
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            z0 = z + n2 * _LIFT * z
            x = (np.float32(column) + _HALF - cx) * z + n0 * _LIFT * z * fx + cx * z0
            y = (np.float32(row) + _HALF - cy) * z + n1 * _LIFT * z * fy + cy * z0
            place = tile[row % 4, column % 4]
            pace = distances[place]
            seen, asked = _ZERO, _ZERO
            for k in range(place % parts, count, parts):
                lx, ly, lz = towards[k, 0], towards[k, 1], towards[k, 2]
                asked += _ONE
                if lx * n0 + ly * n1 + lz * n2 <= _ZERO:
                    continue  # the surface turns away: its own side is dark
                way = (lx * fx + cx * lz, ly * fy + cy * lz, lz)
                open_way = True
                for first in range(0, pace.shape[0], SAMPLES):
                    part = pace[first : first + SAMPLES]
                    if _hits(flat, thick, part, size, (x, y, z0), way, grow) > 0:
                        open_way = False
                        break
                if open_way:
                    seen += _ONE
            out[row, column] = seen / asked
    return out
