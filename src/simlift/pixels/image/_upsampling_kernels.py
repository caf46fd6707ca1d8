"""Filter over tiles and upsample along edges (joint bilateral) in compiled loops.

What is the same for every map of a view is found once: shares of neighbours. Each inner loop runs
along a row, without branches, into a single array: the compiler then works on many pixels at once.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

TILE = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])  # Bayer's order

_ZERO, _ONE = np.float32(0), np.float32(1)
_TINY = np.float32(1e-20)
_NO_DEPTH = np.float32(1e-12)  # metres; nearer, the square of its inverse is too large

_SIDE = 4  # pixels of a tile: two before to one behind
_STEP = np.float32(1 / 0.02)  # relative depth at which a neighbour counts half
_ANY = np.float32(1e-4)

_COARSE_STEP = np.float32(1 / 0.015)
_LEAK = np.float32(0.001)
_FLOOR = np.float32(0.05)


@compiled
def tile_shares(depth, normals):
    """Return the shares of four pixels along rows, then along columns [2 h 4 w], two before to one
    behind, of a mean over the same surface around each pixel.

    Inverse depth is linear on a plane: what lies on the tangent at a pixel belongs to it, however
    steeply the surface runs away.
    """
    height, width = depth.shape
    out = np.empty((2, height, _SIDE, width), np.float32)
    # Planes, so that neighbours in a line are neighbours in memory.
    near, facing = np.empty((height, width), np.float32), np.empty((3, height, width), np.float32)
    flat = normals.ravel()
    for row in range(height):
        start = np.uint64(3 * row * width)
        for i in range(width):
            k = start + np.uint64(3 * i)
            near[row, i] = _ONE / max(depth[row, i], _NO_DEPTH)
            facing[0, row, i], facing[1, row, i] = flat[k], flat[k + np.uint64(1)]
            facing[2, row, i] = flat[k + np.uint64(2)]
    lines, slope = np.empty((4, width + 3), np.float32), np.zeros(width, np.float32)
    for row in range(height):
        for i in range(width):
            lines[0, i + 2], lines[1, i + 2] = near[row, i], facing[0, row, i]
            lines[2, i + 2], lines[3, i + 2] = facing[1, row, i], facing[2, row, i]
        for m in range(4):
            lines[m, 0] = lines[m, 1] = lines[m, 2]
            lines[m, width + 2] = lines[m, width + 1]
        for i in range(1, width - 1):
            slope[i] = _gentler(lines[0, i + 1], lines[0, i + 2], lines[0, i + 3])
        for j in range(_SIDE):
            away, target = np.float32(j - 2), out[0, row, j]
            for i in range(width):
                apart = lines[0, i + j] - lines[0, i + 2] - slope[i] * away
                turn = lines[1, i + j] * lines[1, i + 2] + lines[2, i + j] * lines[2, i + 2]
                turn += lines[3, i + j] * lines[3, i + 2]
                target[i] = _share(apart, turn, lines[0, i + 2])
        _even(out[0, row])
    slope[:] = _ZERO
    for row in range(height):
        if 0 < row < height - 1:
            for i in range(width):
                slope[i] = _gentler(near[row - 1, i], near[row, i], near[row + 1, i])
        else:
            slope[:] = _ZERO
        for j in range(_SIDE):
            there = min(max(row + j - 2, 0), height - 1)
            away, target = np.float32(j - 2), out[1, row, j]
            for i in range(width):
                apart = near[there, i] - near[row, i] - slope[i] * away
                turn = facing[0, there, i] * facing[0, row, i]
                turn += facing[1, there, i] * facing[1, row, i]
                turn += facing[2, there, i] * facing[2, row, i]
                target[i] = _share(apart, turn, near[row, i])
        _even(out[1, row])
    return out


@compiled
def _gentler(before, here, behind):
    """Return the smaller of two steps: the one that is not over an edge."""
    first, second = here - before, behind - here
    return first if abs(first) < abs(second) else second


@compiled
def _share(apart, turn, here):
    """Return how much a pixel belongs to a surface that it is `apart` from and turned away from."""
    apart *= _STEP / here
    turn = max(turn, _ZERO)
    turn *= turn
    return turn * turn / (_ONE + apart * apart) + _ANY


@compiled
def _even(shares):
    """Make the shares [4 w] of each pixel sum to one."""
    for i in range(shares.shape[1]):
        per = _ONE / (shares[0, i] + shares[1, i] + shares[2, i] + shares[3, i])
        shares[0, i] *= per
        shares[1, i] *= per
        shares[2, i] *= per
        shares[3, i] *= per


@compiled
def tile_means(maps, shares):
    """Return the means of `maps` [k h w] over the tiles around each pixel: along rows, then along
    columns."""
    count, height, width = maps.shape
    out, line = np.empty_like(maps), np.empty(width + 3, np.float32)
    along = np.empty((height, width), np.float32)
    for k in range(count):
        for row in range(height):
            source, target, part = maps[k, row], along[row], shares[0, row]
            for i in range(width):
                line[i + 2] = source[i]
            line[0] = line[1] = line[2]
            line[width + 2] = line[width + 1]
            for i in range(width):
                total = part[0, i] * line[i] + part[1, i] * line[i + 1]
                target[i] = total + part[2, i] * line[i + 2] + part[3, i] * line[i + 3]
        for row in range(height):
            before, above = along[max(row - 2, 0)], along[max(row - 1, 0)]
            here, below = along[row], along[min(row + 1, height - 1)]
            target, part = out[k, row], shares[1, row]
            for i in range(width):
                total = part[0, i] * before[i] + part[1, i] * above[i]
                target[i] = total + part[2, i] * here[i] + part[3, i] * below[i]
    return out


@compiled
def _likeness(here, there, scale, turn):
    """Return how much two pixels look like one surface; `turn` is the product of their normals."""
    apart = (there - here) * scale
    turn = max(turn, _ZERO)
    turn *= turn
    return (turn * turn + _LEAK) / (_ONE + apart * apart)


@compiled
def _between(count, small):
    """Return the two of `small` places around each of `count`, and the share of the second."""
    first, second = np.empty(count, np.uint64), np.empty(count, np.uint64)
    share = np.empty(count, np.float32)
    for i in range(count):
        place = (i + 0.5) * small / count - 0.5
        below = math.floor(place)
        first[i], second[i] = max(below, 0), min(below + 1, small - 1)
        share[i] = place - below
    return first, second, share


@compiled
def mix_rows(small_depth, small_normals, depth, normals):
    """Return the share [a w] of the right one of the two small pixels [a b] around each place.

    Shares go by distance, and by likeness to the pixel of `depth` [h w], `normals` [h w 3] there.
    """
    rows, columns = small_depth.shape
    height, width = depth.shape
    out = np.empty((rows, width), np.float32)
    first, second, share = _between(width, columns)
    for row in range(rows):
        place = int((row + 0.5) * height / rows - 0.5)
        line, direction, target = depth[place], normals[place], out[row]
        small_line, small_direction = small_depth[row], small_normals[row]
        for i in range(width):
            z, n0, n1, n2 = line[i], direction[i, 0], direction[i, 1], direction[i, 2]
            scale = _COARSE_STEP / (z + _TINY)
            p, q = first[i], second[i]
            n = small_direction[p]
            a = _likeness(z, small_line[p], scale, n[0] * n0 + n[1] * n1 + n[2] * n2)
            n = small_direction[q]
            b = _likeness(z, small_line[q], scale, n[0] * n0 + n[1] * n1 + n[2] * n2)
            a *= _ONE - share[i] + _FLOOR
            b *= share[i] + _FLOOR
            target[i] = b / (a + b)
    return out


@compiled
def _turns(normals, others, out):
    """Write the products of two rows of normals [w 3]."""
    for i in range(out.shape[0]):
        out[i] = normals[i, 0] * others[i, 0] + normals[i, 1] * others[i, 1]
        out[i] += normals[i, 2] * others[i, 2]


@compiled
def mix_columns(depth, normals, rows):
    """Return the share [h w] of the lower one of the two of `rows` around each pixel."""
    height, width = depth.shape
    out = np.empty((height, width), np.float32)
    first, second, share = _between(height, rows)
    turn_a, turn_b = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(height):
        above = int((first[row] + 0.5) * height / rows - 0.5)
        below = int((second[row] + 0.5) * height / rows - 0.5)
        here, before, behind, target = depth[row], depth[above], depth[below], out[row]
        _turns(normals[row], normals[above], turn_a)
        _turns(normals[row], normals[below], turn_b)
        far, near = _ONE - share[row] + _FLOOR, share[row] + _FLOOR
        for i in range(width):
            scale = _COARSE_STEP / (here[i] + _TINY)
            a = far * _likeness(here[i], before[i], scale, turn_a[i])
            b = near * _likeness(here[i], behind[i], scale, turn_b[i])
            target[i] = b / (a + b)
    return out


@compiled
def enlarge(maps, across, down):
    """Enlarge maps [k a b] to [k h w] by the shares of `mix_rows` and `mix_columns`."""
    count, rows, columns = maps.shape
    height, width = down.shape
    out = np.empty((count, height, width), np.float32)
    left, right, _ = _between(width, columns)
    first, second, _ = _between(height, rows)
    wide = np.empty((rows, width), np.float32)
    for k in range(count):
        for row in range(rows):
            line, mix, target = maps[k, row], across[row], wide[row]
            for i in range(width):
                before = line[left[i]]
                target[i] = before + (line[right[i]] - before) * mix[i]
        for row in range(height):
            upper, lower = wide[first[row]], wide[second[row]]
            mix, target = down[row], out[k, row]
            for i in range(width):
                target[i] = upper[i] + (lower[i] - upper[i]) * mix[i]
    return out
