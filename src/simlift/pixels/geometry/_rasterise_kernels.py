"""Fill triangles into a z-buffer in compiled loops.

An edge from a to b has E(p) = (bx - ax)(py - ay) - (by - ay)(px - ax), above 0 inside a triangle
that runs clockwise as the image is seen (Pineda, 1988). All places are whole 256ths of a pixel, so
E is exact, and so is the first and last pixel of a row for which all three hold.
"""

import numpy as np

from simlift.pixels._compile import compiled

_STEPS = 256  # parts of a pixel
_CENTRE = 128
_BAND = 2.0**15  # pixels to each side of the principal point, beyond which triangles are cut
_PLANES = 5
_MOST_CORNERS = 3 + _PLANES


@compiled
def rasterise(vertices, faces, face_ids, pinhole, near, depth, ids):
    """Draw faces [f 3] of vertices [v 3], in camera axes, into depth and ids [h w]."""
    count = len(vertices)
    across, down = np.zeros(count, np.int64), np.zeros(count, np.int64)
    inside = np.zeros(count, np.bool_)
    planes = _band(pinhole, near)
    for i in range(count):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        inside[i] = _within(planes, x, y, z)
        if inside[i]:
            across[i], down[i] = _snapped(x, y, z, pinhole)
    corners, spare = np.empty((_MOST_CORNERS, 3)), np.empty((_MOST_CORNERS, 3))
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        value = face_ids[face]
        if inside[a] and inside[b] and inside[c]:
            flat = (across[a], down[a], across[b], down[b], across[c], down[c])
            # Most triangles of a fine mesh lie between the centres of pixels.
            if _pixels(flat, depth)[0]:
                least = min(vertices[a, 2], vertices[b, 2], vertices[c, 2])
                most = max(vertices[a, 2], vertices[b, 2], vertices[c, 2])
                surface = _plane(vertices, a, b, c)
                _fill(flat, surface, least, most, pinhole, value, depth, ids)
            continue
        number = _clip(vertices, a, b, c, planes, corners, spare)
        if number < 3:
            continue
        surface = _plane(vertices, a, b, c)
        least = most = corners[0, 2]
        for i in range(number):
            least, most = min(least, corners[i, 2]), max(most, corners[i, 2])
        ax, ay = _snapped(corners[0, 0], corners[0, 1], corners[0, 2], pinhole)
        for i in range(1, number - 1):
            bx, by = _snapped(corners[i, 0], corners[i, 1], corners[i, 2], pinhole)
            cx, cy = _snapped(corners[i + 1, 0], corners[i + 1, 1], corners[i + 1, 2], pinhole)
            flat = (ax, ay, bx, by, cx, cy)
            _fill(flat, surface, least, most, pinhole, value, depth, ids)


@compiled
def _snapped(x, y, z, pinhole):
    """Return where a point is seen, in 256ths of a pixel."""
    u, v = x / z * pinhole[0] + pinhole[2], y / z * pinhole[1] + pinhole[3]
    return np.int64(np.floor(u * _STEPS + 0.5)), np.int64(np.floor(v * _STEPS + 0.5))


@compiled
def _band(pinhole, near):
    """Return the planes [5 4] that bound what is drawn: a point is inside where all are >= 0."""
    across, down = _BAND / pinhole[0], _BAND / pinhole[1]
    planes = np.zeros((_PLANES, 4))
    planes[0, 2], planes[0, 3] = 1.0, -near
    planes[1, 0], planes[1, 2] = 1.0, across
    planes[2, 0], planes[2, 2] = -1.0, across
    planes[3, 1], planes[3, 2] = 1.0, down
    planes[4, 1], planes[4, 2] = -1.0, down
    return planes


@compiled
def _within(planes, x, y, z):
    for k in range(_PLANES):
        if planes[k, 0] * x + planes[k, 1] * y + planes[k, 2] * z + planes[k, 3] < 0:
            return False
    return True


@compiled
def _clip(vertices, a, b, c, planes, corners, spare):
    """Cut a triangle by planes (Sutherland and Hodgman, 1974) into `corners`; return how many.

    A cut is computed from its inner end to its outer one, so that it is the same for both
    triangles of an edge.
    """
    for m in range(3):
        corners[0, m], corners[1, m], corners[2, m] = vertices[a, m], vertices[b, m], vertices[c, m]
    number = 3
    for k in range(_PLANES):
        kept = 0
        for i in range(number):
            one, two = corners[i], corners[(i + 1) % number]
            p = _distance(planes, k, one)
            q = _distance(planes, k, two)
            if p >= 0:
                spare[kept] = one
                kept += 1
            if (p >= 0) != (q >= 0):
                if p >= 0:
                    share = p / (p - q)
                    for m in range(3):
                        spare[kept, m] = one[m] + share * (two[m] - one[m])
                else:
                    share = q / (q - p)
                    for m in range(3):
                        spare[kept, m] = two[m] + share * (one[m] - two[m])
                kept += 1
        number = kept
        for i in range(number):
            corners[i] = spare[i]
        if number < 3:
            return 0
    return number


@compiled
def _distance(planes, k, point):
    return (
        planes[k, 0] * point[0] + planes[k, 1] * point[1] + planes[k, 2] * point[2] + planes[k, 3]
    )


@compiled
def _plane(vertices, a, b, c):
    """Return d and n of the plane n p = d through three points."""
    ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
    ux, uy, uz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
    vx, vy, vz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    return nx * ax + ny * ay + nz * az, nx, ny, nz


@compiled
def _pixels(flat, depth):
    """Return whether a triangle bounds a pixel centre, and rows and columns, first and last."""
    ax, ay, bx, by, cx, cy = flat
    top = max((min(ay, by, cy) + _CENTRE - 1) // _STEPS, 0)
    bottom = min((max(ay, by, cy) - _CENTRE) // _STEPS, depth.shape[0] - 1)
    left = max((min(ax, bx, cx) + _CENTRE - 1) // _STEPS, 0)
    right = min((max(ax, bx, cx) - _CENTRE) // _STEPS, depth.shape[1] - 1)
    return top <= bottom and left <= right, top, bottom, left, right


@compiled
def _fill(flat, surface, least, most, pinhole, value, depth, ids):
    """Draw a triangle with corners in 256ths of a pixel, from `least` to `most` metres away."""
    ax, ay, bx, by, cx, cy = flat
    twice = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if twice == 0:
        return
    if twice < 0:
        bx, by, cx, cy = cx, cy, bx, by
    some, top, bottom, left, right = _pixels(flat, depth)
    if not some:
        return
    d, n0, n1, n2 = surface
    slope = n0 / pinhole[0]
    for row in range(top, bottom + 1):
        y = np.int64(row) * _STEPS + _CENTRE
        first, last = _span(ax, ay, bx, by, y, left, right)
        first, last = _span(bx, by, cx, cy, y, first, last)
        first, last = _span(cx, cy, ax, ay, y, first, last)
        start = n1 * ((row + 0.5 - pinhole[3]) / pinhole[1]) + n2
        start += n0 * ((0.5 - pinhole[2]) / pinhole[0])
        for column in range(first, last + 1):
            z = d / (start + slope * column)
            # Of a triangle seen edge on the plane tells nothing, and its corners do.
            if not z >= least:
                z = least
            elif z > most:
                z = most
            near = np.float32(z)
            if near < depth[row, column]:
                depth[row, column] = near
                ids[row, column] = value


@compiled
def _span(ax, ay, bx, by, y, first, last):
    """Narrow the pixels of a row, whose centres lie at `y`, to those inside of an edge."""
    dx, dy = bx - ax, by - ay
    least = 0 if dy < 0 or (dy == 0 and dx > 0) else 1  # a top or left edge owns its pixels
    rest = dx * (y - ay) - dy * (_CENTRE - ax) - least
    step = dy * _STEPS  # E falls by this from a pixel to the next
    if dy == 0:
        return (first, last) if rest >= 0 else (1, 0)
    if dy > 0:
        return first, min(last, rest // step)
    return max(first, -(rest // -step)), last
