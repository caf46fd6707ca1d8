"""March rays through a depth buffer for ambient occlusion and shadows in compiled loops.

Screen-space sampling shifts each pixel's samples by its place in a 4x4 tile, and an average over
one tile of the same surface follows: sixteen times the samples for the price of one set, fixed on
the screen, so without noise.

Samples are taken eight or sixteen at once: the loops over them have a constant length, no branches,
and gather whole numbers, which the compiler may add up in any order. Places are kept as float32,
exact in images of up to 16 million pixels.
"""

import numpy as np

from simlift.pixels._compile import compiled

SAMPLES = 16  # of a ray at once
NEAR = 8  # of a way that light comes from

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_NO, _YES = np.int32(0), np.int32(1)
_PARALLEL = np.float32(1e-9)
_SKY = np.float32(1e4)  # metres; beyond, nothing is in the dark

_SMALL = np.float32(6)  # the square of how many half diagonals away a box still counts
_BLOCK = 16  # pixels to a side of what boxes are sorted for
_FINE = np.float32(2**24)

_NEAREST = np.float32(1e-3)  # metres
_LIFT = np.float32(0.003)  # relative depth by which a ray starts over its surface
_SLACK = np.float32(0.02)  # relative depth that everything is thick, at least


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
        place = np.uint64(np.int32(v * width + u if inside else _ZERO))
        gap = along - depth[place]
        within = (gap > _LIFT * along) & (
            gap < max(grow * distance + _SLACK * along, thickness[place])
        )
        hits = np.int32(hits + (_YES if inside & within else _NO))
    return hits


@compiled
def enclosure(
    depth, thickness, reach, still, normals, pinhole, radius, ways, bright, sky, surfaces, steps,
    tile, boxes,
):  # fmt: skip
    """Return the share of the light from all around that is hidden within `radius` metres, and
    that of the hemisphere, by cosine, over the fourth root of all light that arrives [2 h w].

    `ways` [16 k 3] are unit vectors in camera axes for each place in the tile, whose sphere all of
    them fill evenly, and `bright` [16 k] the light that comes from there; `steps` [16 NEAR] where
    along a way it looks, as shares of the radius. In all there arrives what `sky` [9] says, by
    harmonics of irradiance / pi (1 where it is all open), and from `surfaces` the rest. What a
    pixel shows hides light as far as its `reach` [h w] in metres, and near that little, so that
    nothing appears at once. `boxes` [m 15] hide it as far as the radius from what is `still` [h w],
    seen or not: centres, axes (one after the other) and half sides.
    """
    height, width = depth.shape
    fx, fy = np.float32(pinhole[0]), np.float32(pinhole[1])
    cx, cy = np.float32(pinhole[2]), np.float32(pinhole[3])
    size = (np.float32(width), np.float32(height))
    out = np.zeros((2, height, width), np.float32)
    flat, thick, count = depth.ravel(), thickness.ravel(), ways.shape[1]
    per_reach = (_ONE / reach).ravel()
    radius, per = np.float32(radius), np.float32(4) / np.float32(count)
    around, close = np.empty(boxes.shape[0], np.int32), np.empty(boxes.shape[0], np.int32)
    local, paces = np.empty((boxes.shape[0], 3), np.float32), _paces(boxes, ways)
    farthest = _farthest(boxes, radius)
    for block in range(-(-height // _BLOCK) * -(-width // _BLOCK)):
        top = block // -(-width // _BLOCK) * _BLOCK
        left = block % -(-width // _BLOCK) * _BLOCK
        view = (cx, cy, _ONE / fx, _ONE / fy)
        some = _boxes_around(boxes, depth, view, top, left, radius, around)
        for row in range(top, min(top + _BLOCK, height)):
            for column in range(left, min(left + _BLOCK, width)):
                z = depth[row, column]
                if not _ZERO < z < _SKY:
                    continue
                n0, n1 = normals[row, column, 0], normals[row, column, 1]
                n2 = normals[row, column, 2]
                z0 = z + n2 * _LIFT * z
                u, v = np.float32(column) + _HALF - cx, np.float32(row) + _HALF - cy
                x = u * z + n0 * _LIFT * z * fx + cx * z0
                y = v * z + n1 * _LIFT * z * fy + cy * z0
                place = tile[row % 4, column % 4]
                pace, total, all_of = steps[tile[column % 4, row % 4]], _ZERO, _ZERO
                point, near = (u / fx * z, v / fy * z, z), 0
                if some > 0 and still[row, column]:
                    near = _boxes_near(boxes, farthest, around, some, point, radius, close, local)
                for k in range(count):
                    lx, ly, lz = ways[place, k, 0], ways[place, k, 1], ways[place, k, 2]
                    cosine = lx * n0 + ly * n1 + lz * n2
                    if cosine <= _ZERO:
                        continue
                    way = (lx * fx + cx * lz, ly * fy + cy * lz, lz)
                    hidden = _nearest(flat, thick, per_reach, pace, radius, size, (x, y, z0), way)
                    for b in range(near):
                        share = _enters(boxes, close[b], local, b, paces, place, k) / radius
                        hidden = max(hidden, _ONE - share * share)
                    total += cosine * bright[place, k] * hidden
                    all_of += cosine * hidden
                # The mean cosine over the sphere is a quarter; over the ways of a pixel it varies.
                arriving = surfaces + (_ONE - surfaces) * max(_harmonics(sky, n0, n1, n2), _ZERO)
                out[0, row, column] = total * per / arriving
                out[1, row, column] = all_of * per * np.sqrt(np.sqrt(_ONE / arriving))
    return out


@compiled
def _harmonics(sky, x, y, z):
    """Return the sum of nine harmonics along a direction."""
    out = np.float32(0.282095) * sky[0]
    out += np.float32(0.488603) * (y * sky[1] + z * sky[2] + x * sky[3])
    out += np.float32(1.092548) * (x * y * sky[4] + y * z * sky[5] + x * z * sky[7])
    out += np.float32(0.315392) * (np.float32(3) * z * z - _ONE) * sky[6]
    return out + np.float32(0.546274) * (x * x - y * y) * sky[8]


@compiled
def _boxes_around(boxes, depth, view, top, left, radius, around):
    """Fill `around` with the boxes that a block of pixels may be near; return how many."""
    if boxes.shape[0] == 0:
        return 0
    cx, cy, per_fx, per_fy = view
    low, high = np.full(3, np.float32(1e9)), np.full(3, np.float32(-1e9))
    for row in range(top, min(top + _BLOCK, depth.shape[0])):
        for column in range(left, min(left + _BLOCK, depth.shape[1])):
            z = depth[row, column]
            if not _ZERO < z < _SKY:
                continue
            x, y = (np.float32(column) + _HALF - cx) * per_fx * z, np.float32(row) + _HALF - cy
            y = y * per_fy * z
            low[0], low[1], low[2] = min(low[0], x), min(low[1], y), min(low[2], z)
            high[0], high[1], high[2] = max(high[0], x), max(high[1], y), max(high[2], z)
    count = 0
    for b in range(boxes.shape[0]):
        square, extent = _ZERO, _ZERO
        for k in range(3):
            beyond = max(low[k] - boxes[b, k], boxes[b, k] - high[k], _ZERO)
            square += beyond * beyond
            extent += boxes[b, 12 + k] * boxes[b, 12 + k]
        reach = radius + np.sqrt(extent)
        if square < reach * reach:
            around[count] = b
            count += 1
    return count


@compiled
def _boxes_near(boxes, farthest, around, count, point, radius, close, local):
    """Fill `close` with those of `around` that a point is near and not within; return how many.

    `local` [m 3] is where the point is in the axes of each of these.
    """
    x, y, z = point
    near = 0
    for a in range(count):
        b = np.uint64(around[a])
        dx, dy, dz = x - boxes[b, 0], y - boxes[b, 1], z - boxes[b, 2]
        if dx * dx + dy * dy + dz * dz > farthest[b]:
            continue
        square, extent, within = _ZERO, _ZERO, True
        for k in range(3):
            at = dx * boxes[b, 3 + 3 * k] + dy * boxes[b, 4 + 3 * k] + dz * boxes[b, 5 + 3 * k]
            local[near, k] = at
            beyond = abs(at) - boxes[b, 12 + k]
            within = within and beyond < _SLACK * z
            square += max(beyond, _ZERO) * max(beyond, _ZERO)
            extent += boxes[b, 12 + k] * boxes[b, 12 + k]
        # From farther away than it is large it fills next to nothing of the view.
        if not within and square < min(radius * radius, _SMALL * extent):
            close[near] = around[a]
            near += 1
    return near


@compiled
def _farthest(boxes, radius):
    """Return the square of how far from the centre of each box a point may be near it."""
    out = np.empty(boxes.shape[0], np.float32)
    for b in range(boxes.shape[0]):
        extent = _ZERO
        for k in range(3):
            extent += boxes[b, 12 + k] * boxes[b, 12 + k]
        reach = np.sqrt(extent) + min(radius, np.sqrt(_SMALL * extent))
        out[b] = reach * reach
    return out


@compiled
def _paces(boxes, ways):
    """Return how far `ways` [16 k 3] go for a metre along each axis of boxes [m 16 k 3]."""
    out = np.empty((boxes.shape[0], *ways.shape), np.float32)
    for b in range(boxes.shape[0]):
        for place in range(ways.shape[0]):
            for k in range(ways.shape[1]):
                for c in range(3):
                    along = _ZERO
                    for d in range(3):
                        along += ways[place, k, d] * boxes[b, 3 + 3 * c + d]
                    out[b, place, k, c] = _ONE / (along if abs(along) > _PARALLEL else _PARALLEL)
    return out


@compiled
def _enters(boxes, box, local, b, paces, place, k):
    """Return how far a ray goes until it is within a box, 1e4 if it never is (the slab method)."""
    first, last, m = _ZERO, _SKY, np.uint64(box)
    for c in range(3):
        pace, at, half = paces[m, place, k, c], local[b, c], boxes[m, 12 + c]
        one, other = (-half - at) * pace, (half - at) * pace
        first, last = max(first, min(one, other)), min(last, max(one, other))
    return first if first < last else _SKY


@compiled
def _nearest(depth, thickness, per_reach, steps, radius, size, start, way):
    """Return 1 - share^2 of the samples of a ray that lie in something, the most of them, or 0.

    The share is that of the distance in the reach of what is met; `start` and `way` as in `_hits`.
    """
    width, height = size
    x, y, z = start
    wx, wy, wz = way
    best = _NO
    for s in range(NEAR):
        distance = steps[s] * radius
        along = z + wz * distance
        nearer = _ONE / along
        u, v = np.floor((x + wx * distance) * nearer), np.floor((y + wy * distance) * nearer)
        inside = (along > _NEAREST) & (u >= _ZERO) & (u < width) & (v >= _ZERO) & (v < height)
        place = np.uint64(np.int32(v * width + u if inside else _ZERO))
        gap = along - depth[place]
        within = (gap > _LIFT * along) & (gap < max(_SLACK * along, thickness[place]))
        share = distance * per_reach[place]
        hides = (_ONE - share * share) * _FINE
        best = max(best, np.int32(hides if inside & within else _ZERO))
    return np.float32(best) / _FINE


@compiled
def march(depth, thickness, normals, pinhole, towards, distances, tile, parts, grow):
    """Return the share of the light directions `towards` [k 3] that reach each pixel unoccluded.

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


@compiled
def sight(rows, points, depth, to_box, low, high, out):
    """Raise `out` [h w] to the depth in metres at which each pixel's view ray leaves its box.

    `rows` [h w] number the boxes, -1 is none; `points` [h w 3] and `depth` [h w] are seen, `to_box`
    [m 3 4] lead from camera axes to each box's, in which it goes from `low` to `high` [m 3].
    """
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            m = rows[row, column]
            if m < 0:
                continue
            per = _ONE / max(depth[row, column], _NEAREST)
            deep = _SKY
            for k in range(3):
                towards = _ZERO
                for c in range(3):
                    towards += to_box[m, k, c] * points[row, column, c]
                way = towards * per
                way = way if abs(way) > _PARALLEL else _PARALLEL
                far = high[m, k] if way > _ZERO else low[m, k]
                deep = min(deep, (far - towards - to_box[m, k, 3]) / way)
            out[row, column] = max(out[row, column], deep)
