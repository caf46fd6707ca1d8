"""Voxelise meshes and march rays through a voxel grid in compiled loops."""

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_ROUNDING = np.float32(1e-6)
_EDGE = np.float32(1e-3)  # cells by which a step ends beyond a border
BLOCK = 4  # cells to a side of a block
_SHIFT, _WHOLE = np.uint32(2), np.uint32(0xFFFFFFFC)  # a place to its block, and to where it starts
COLUMNS = 11  # of the sums over a voxel: place, normal, albedo, glow, weight
_PER_CELL = np.float32(2)  # samples of a triangle along the side of a cell


@compiled
def fill(index, sums, count, triangles, normals, uv, texture, glow):
    """Add triangles to the cells that they pass through; return the sums and how many are solid.

    `index` [x y z] numbers solid cells from 0, -1 is empty; `sums` [n COLUMNS] are weighted by
    area, and grow. `triangles` [f 3 3] in cells, `normals` [f 3 3] and `uv` [f 3 2] at their
    corners, `texture` [a b 3] linear and repeated, `glow` the share of the surface that shines.
    """
    nx, ny, nz = index.shape
    size = np.empty(3, np.float32)
    size[0], size[1], size[2] = np.float32(nx), np.float32(ny), np.float32(nz)
    rows, columns = texture.shape[0], texture.shape[1]
    place, facing = np.empty(3, np.float32), np.empty(3, np.float32)
    across, down = np.empty(3, np.float32), np.empty(3, np.float32)
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        for m in range(3):
            across[m], down[m] = b[m] - a[m], c[m] - a[m]
        area = _ZERO
        for m in range(3):
            p, q = (m + 1) % 3, (m + 2) % 3
            side = across[p] * down[q] - across[q] * down[p]
            area += side * side
        if not area > _ZERO:
            continue
        wide, deep = _samples(across), _samples(down)
        weight = np.sqrt(area) / np.float32(_within(wide, deep))
        for i in range(wide):
            s = (np.float32(i) + _HALF) / np.float32(wide)
            # The part of this row that is within both the triangle and the grid.
            first, last = _ZERO, _ONE - s + _ROUNDING
            for m in range(3):
                at, way = a[m] + across[m] * s, down[m]
                if abs(way) < np.float32(1e-9):
                    if at < _ZERO or at >= size[m]:
                        last = -_ONE
                else:
                    one, other = -at / way, (size[m] - at) / way
                    first, last = max(first, min(one, other)), min(last, max(one, other))
            if last < first:
                continue
            for j in range(max(int(first * np.float32(deep) - _HALF), 0), deep):
                t = (np.float32(j) + _HALF) / np.float32(deep)
                if t > last:
                    break
                for m in range(3):
                    place[m] = a[m] + across[m] * s + down[m] * t
                    facing[m] = _mix(normals[f, 0, m], normals[f, 1, m], normals[f, 2, m], s, t)
                x, y = int(np.floor(place[0])), int(np.floor(place[1]))
                z = int(np.floor(place[2]))
                if not (0 <= x < nx and 0 <= y < ny and 0 <= z < nz):
                    continue
                number = index[x, y, z]
                if number < 0:
                    if count == sums.shape[0]:
                        sums = _longer(sums)
                    number = np.int32(count)
                    index[x, y, z] = number
                    count += 1
                u = _mix(uv[f, 0, 0], uv[f, 1, 0], uv[f, 2, 0], s, t)
                v = _mix(uv[f, 0, 1], uv[f, 1, 1], uv[f, 2, 1], s, t)
                row = min(int((v - np.floor(v)) * np.float32(rows)), rows - 1)
                column = min(int((u - np.floor(u)) * np.float32(columns)), columns - 1)
                mine = sums[number]
                for m in range(3):
                    mine[m] += weight * place[m]
                    mine[3 + m] += weight * facing[m]
                    mine[6 + m] += weight * texture[row, column, m]
                mine[9] += weight * glow
                mine[10] += weight
    return sums, count


@compiled
def _samples(side):
    """Return how many samples a side [3] of a triangle takes, in cells."""
    length = np.sqrt(side[0] * side[0] + side[1] * side[1] + side[2] * side[2])
    return max(int(np.ceil(length * _PER_CELL)), 1)


@compiled
def _within(wide, deep):
    """Return how many places of a grid over a triangle's sides lie within it."""
    count = 0
    for i in range(wide):
        left = _ONE - (np.float32(i) + _HALF) / np.float32(wide) + _ROUNDING
        count += int(np.floor(left * np.float32(deep) + _HALF))
    return max(count, 1)


@compiled
def _mix(a, b, c, s, t):
    """Return what three corners have at (s, t) between them."""
    return a + (b - a) * s + (c - a) * t


@compiled
def _longer(sums):
    more = np.zeros((2 * sums.shape[0], sums.shape[1]), np.float32)
    more[: sums.shape[0]] = sums
    return more


@compiled
def clearance(solid):
    """Compute the Chebyshev distance, in blocks, of each block to the next solid one [x y z], at
    most 255.

    Two sweeps of the chessboard distance (Rosenfeld and Pfaltz, "Distance functions on digital
    pictures", 1968).
    """
    nx, ny, nz = solid.shape
    out = np.full(solid.shape, 255, np.int64)
    for sweep in range(2):
        for a in range(nx):
            i = a if sweep == 0 else nx - 1 - a
            for b in range(ny):
                j = b if sweep == 0 else ny - 1 - b
                for c in range(nz):
                    k = c if sweep == 0 else nz - 1 - c
                    if solid[i, j, k]:
                        out[i, j, k] = 0
                        continue
                    least = out[i, j, k]
                    for near in range(13):  # the neighbours that this sweep has been at
                        di, dj, dk = near // 9 - 1, near // 3 % 3 - 1, near % 3 - 1
                        if sweep == 1:
                            di, dj, dk = -di, -dj, -dk
                        p, q, r = i + di, j + dj, k + dk
                        if 0 <= p < nx and 0 <= q < ny and 0 <= r < nz:
                            least = min(least, out[p, q, r] + 1)
                    out[i, j, k] = least
    return out.astype(np.uint8)


@compiled
def hits(index, clear, origin, cell, starts, ways, skip):
    """Return which voxel each ray hits first [n k], -1 for one that leaves the grid.

    `index` [x y z] numbers solid voxels from 0, -1 is empty; `clear` is the clearance of its
    blocks; `starts` [n 3] in metres, `ways` [k 3] unit vectors; the first `skip` metres of a ray
    are not looked at.
    """
    out = np.full((starts.shape[0], ways.shape[0]), -1, np.int32)
    per, skip = _ONE / np.float32(cell), np.float32(skip)
    for n in range(starts.shape[0]):
        for k in range(ways.shape[0]):
            dx, dy, dz = ways[k, 0], ways[k, 1], ways[k, 2]
            x = (starts[n, 0] + dx * skip - origin[0]) * per
            y = (starts[n, 1] + dy * skip - origin[1]) * per
            z = (starts[n, 2] + dz * skip - origin[2]) * per
            out[n, k] = _first(index, clear, x, y, z, dx, dy, dz)
    return out


@compiled
def first_hits(index, clear, origin, cell, starts, ways, skip):
    """Return which voxel the ray from each start [n 3] along its own direction [n 3] hits, or
    -1."""
    out = np.empty(starts.shape[0], np.int32)
    per = _ONE / np.float32(cell)
    for n in range(starts.shape[0]):
        dx, dy, dz = ways[n, 0], ways[n, 1], ways[n, 2]
        x = (starts[n, 0] + dx * skip - origin[0]) * per
        y = (starts[n, 1] + dy * skip - origin[1]) * per
        z = (starts[n, 2] + dz * skip - origin[2]) * per
        out[n] = _first(index, clear, x, y, z, dx, dy, dz)
    return out


@compiled
def unoccluded_cosine(index, clear, origin, cell, starts, normals, ways, skip):
    """Return the mean cosine [n] of `normals` [n 3] and those of `ways` [k 3] that are not
    occluded.

    Of four ways neighbours ask two each, in turns.
    """
    out = np.empty(starts.shape[0], np.float32)
    per, step = _ONE / np.float32(cell), 2 if ways.shape[0] == 4 else 1
    for n in range(starts.shape[0]):
        total = _ZERO
        for k in range(n % step, ways.shape[0], step):
            dx, dy, dz = ways[k, 0], ways[k, 1], ways[k, 2]
            cosine = normals[n, 0] * dx + normals[n, 1] * dy + normals[n, 2] * dz
            if cosine <= _ZERO:
                continue
            x = (starts[n, 0] + dx * skip - origin[0]) * per
            y = (starts[n, 1] + dy * skip - origin[1]) * per
            z = (starts[n, 2] + dz * skip - origin[2]) * per
            if _first(index, clear, x, y, z, dx, dy, dz) < 0:
                total += cosine
        out[n] = total / np.float32(ways.shape[0] // step)
    return out


@compiled
def visibility_beyond_frustum(index, clear, origin, cell, starts, ways, sides, reach, skip, even):
    """Return the share of `ways` [k 3] that are free beyond the view frustum, for each start [a b
    3].

    Neighbours take turns: each asks every other way. `sides` [s 4] are the planes of the view's
    frustum, inside where a x + b y + c z + d >= 0. The first `reach` metres of a way, or as many as
    it stays in view, are not looked at. If light is `even`, a start between others of which all
    ways are free, or none, is taken to be as they are.
    """
    height, width, count = starts.shape[0], starts.shape[1], ways.shape[0]
    out = np.ones((height, width), np.float32)
    within, per = np.empty(sides.shape[0], np.float32), _ONE / np.float32(cell)
    pace = np.zeros((count, sides.shape[0]), np.float32)  # metres along a way to a metre outwards
    for k in range(count):
        for s in range(sides.shape[0]):
            slope = sides[s, 0] * ways[k, 0] + sides[s, 1] * ways[k, 1] + sides[s, 2] * ways[k, 2]
            pace[k, s] = -_ONE / slope if slope < np.float32(-1e-6) else np.float32(1e12)
    for first in range(2):  # every other row and column before those between
        for row in range(height):
            for column in range(width):
                if (first == 0) != (row % 2 == 0 and column % 2 == 0):
                    continue
                if first == 1 and even and _agree(out, row, column):
                    out[row, column] = out[row - row % 2, column - column % 2]
                    continue
                x, y, z = starts[row, column, 0], starts[row, column, 1], starts[row, column, 2]
                for s in range(sides.shape[0]):
                    inside = sides[s, 0] * x + sides[s, 1] * y + sides[s, 2] * z + sides[s, 3]
                    within[s] = max(inside, _ZERO)
                free, asked = 0, 0
                turn = (row // 2 + column // 2 + row + column) % 2
                for k in range(turn % count, count, 2):
                    dx, dy, dz = ways[k, 0], ways[k, 1], ways[k, 2]
                    asked += 1
                    at = reach
                    for s in range(sides.shape[0]):
                        if pace[k, s] < np.float32(1e11):
                            at = min(at, within[s] * pace[k, s])
                    at += skip
                    px = (x + dx * at - origin[0]) * per
                    py = (y + dy * at - origin[1]) * per
                    pz = (z + dz * at - origin[2]) * per
                    free += 1 if _first(index, clear, px, py, pz, dx, dy, dz) < 0 else 0
                out[row, column] = np.float32(free) / np.float32(asked)
    return out


@compiled
def _agree(values, row, column):
    """Whether the even rows and columns around a place hold nothing but ones, or zeros."""
    top, left = row - row % 2, column - column % 2
    bottom, right = top + 2 * (row % 2), left + 2 * (column % 2)
    if bottom >= values.shape[0] or right >= values.shape[1]:
        return False
    here = values[top, left]
    if here != _ZERO and here != _ONE:
        return False
    return (
        values[top, right] == here
        and values[bottom, left] == here
        and values[bottom, right] == here
    )


@compiled
def _first(index, clear, x, y, z, dx, dy, dz):
    """Return what a ray from a place in cells meets first, or -1.

    Where the clearance says that blocks around are empty, it passes them in one step; else it goes
    from cell to cell (Amanatides and Woo, "A fast voxel traversal algorithm", 1987).
    """
    nx, ny, nz = index.shape
    wide, high, deep = np.float32(nx), np.float32(ny), np.float32(nz)
    ex, ey, ez = _pace(dx), _pace(dy), _pace(dz)
    # A ray from outside starts where it enters.
    enter = max(_ahead(x, wide, dx, ex), _ahead(y, high, dy, ey), _ahead(z, deep, dz, ez))
    if enter > _ZERO:
        x, y, z = x + dx * enter, y + dy * enter, z + dz * enter
        if not (
            -_EDGE < x < wide + _EDGE and -_EDGE < y < high + _EDGE and -_EDGE < z < deep + _EDGE
        ):
            return np.int32(-1)
        x = min(max(x, _ZERO), wide - _EDGE)
        y = min(max(y, _ZERO), high - _EDGE)
        z = min(max(z, _ZERO), deep - _EDGE)
    fastest = min(ex, ey, ez)
    while _ZERO <= x < wide and _ZERO <= y < high and _ZERO <= z < deep:
        # Places are not negative here: what int() cuts off is what floor() would.
        i, j, k = np.uint32(x), np.uint32(y), np.uint32(z)
        far = clear[i >> _SHIFT, j >> _SHIFT, k >> _SHIFT]
        if far > 1:
            step = np.float32(BLOCK) * np.float32(far - 1) * fastest
        elif far == 1:
            i, j, k = i & _WHOLE, j & _WHOLE, k & _WHOLE
            step = _leave(x, y, z, i, j, k, dx, dy, dz, ex, ey, ez, np.float32(BLOCK))
        else:
            found = index[i, j, k]
            if found >= 0:
                return found
            step = _leave(x, y, z, i, j, k, dx, dy, dz, ex, ey, ez, _ONE)
        x, y, z = x + dx * step, y + dy * step, z + dz * step
    return np.int32(-1)


@compiled
def _leave(x, y, z, i, j, k, dx, dy, dz, ex, ey, ez, side):
    """Return how far a ray goes until it is past the cube at i, j, k."""
    fx, fy, fz = x - np.float32(i), y - np.float32(j), z - np.float32(k)
    tx = ((side - fx) if dx > _ZERO else fx) * ex
    ty = ((side - fy) if dy > _ZERO else fy) * ey
    tz = ((side - fz) if dz > _ZERO else fz) * ez
    return min(tx, ty, tz) + _EDGE


@compiled
def _pace(way):
    return _ONE / max(abs(way), np.float32(1e-9))


@compiled
def _ahead(x, cells, way, pace):
    """Return how far a ray is from the side of the grid that it may enter by; 0 when past it."""
    outside = -x if way > _ZERO else x - cells
    return outside * pace if outside > _ZERO else _ZERO
