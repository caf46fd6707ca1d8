"""Compiled loops over geometry: slopes of inverse depth to normals, and filters along a surface.

All is float32, and each inner loop runs along a row, without branches, into a single array: the
compiler then works on many pixels at once. What is separable is done along rows, then along the
rows of the transposed image.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_TINY = np.float32(1e-20)

_REACH = 6  # pixels to either side that a slope sees
_OUTSIDE = np.float32(-1)  # stands for inverse depth beyond the border
_BENT = np.float32(50)
_FLATTEST = np.float32(1e-9)  # inverse depth, 1/m
_LONE = np.float32(0.05)
_LONG, _LONGER = np.float32(4), np.float32(9)
_THIRD = np.float32(1 / 3)
_NO_DEPTH = np.float32(1e-12)  # metres; nearer, the square of its inverse is too large
_NO_WEIGHT = np.float32(1e-12)
_NO_LENGTH = np.float32(1e-24)

_TILE = 4
_STEP = np.float32(1 / 0.02)  # relative depth at which a neighbour counts half
_ANY = np.float32(1e-4)

_COARSE_STEP = np.float32(1 / 0.015)
_LEAK = np.float32(0.001)
_FLOOR = np.float32(0.05)


@compiled
def inverse_depth(depth):
    """Return 1 / depth [h w], 0 where nothing was hit."""
    height, width = depth.shape
    out = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            out[row, column] = _ONE / z if z > _NO_DEPTH else _ZERO
    return out


@compiled
def _side(here, near, far, sharpness, most):
    """Return the weight of one side of a pixel, and the weighted step of inverse depth to it."""
    step = near - here
    bend = ((far - near) - step) * sharpness
    bend *= bend
    weight = most / (_ONE + _BENT * bend * bend)
    # At the border the far sample is missing: the near one must do.
    weight = _LONE if far < _ZERO else weight
    weight = weight if near > _ZERO else _ZERO
    return weight, weight * step


@compiled
def slopes(inverse, curvature):
    """Return the slopes [h w] of inverse depth along the rows, never over an edge.

    Differences over 1, 2 and 3 pixels to both sides, each weighted by how straight its side is and
    by its length squared: long ones average quantised depth.
    """
    height, width = inverse.shape
    out = np.empty((height, width), np.float32)
    line = np.empty(width + 2 * _REACH, np.float32)
    for i in range(_REACH):
        line[i] = line[_REACH + width + i] = _OUTSIDE
    curvature = np.float32(curvature)
    for row in range(height):
        source, target = inverse[row], out[row]
        for i in range(width):
            line[_REACH + i] = source[i]
        for i in range(width):
            here = line[i + 6]
            sharp = _ONE / (curvature * here + _FLATTEST)
            w1, right1 = _side(here, line[i + 7], line[i + 8], sharp, _ONE)
            w2, left1 = _side(here, line[i + 5], line[i + 4], sharp, _ONE)
            w3, right2 = _side(here, line[i + 8], line[i + 10], sharp * _HALF, _LONG)
            w4, left2 = _side(here, line[i + 4], line[i + 2], sharp * _HALF, _LONG)
            w5, right3 = _side(here, line[i + 9], line[i + 12], sharp * _THIRD, _LONGER)
            w6, left3 = _side(here, line[i + 3], line[i], sharp * _THIRD, _LONGER)
            total = (right1 - left1) + _HALF * (right2 - left2) + _THIRD * (right3 - left3)
            target[i] = total / ((w1 + w2) + (w3 + w4) + (w5 + w6) + _NO_WEIGHT)
    return out


@compiled
def facing(inverse, across, down, pinhole):
    """Return the unit normals [h w 3] of inverse depth with slopes `across` and `down`.

    They face the camera: the product with the ray is minus the inverse depth.
    """
    height, width = inverse.shape
    fx, fy = np.float32(pinhole[0]), np.float32(pinhole[1])
    out, x = np.empty((height, width, 3), np.float32), np.empty(width, np.float32)
    for i in range(width):
        x[i] = (i + 0.5 - pinhole[2]) / pinhole[0]
    for row in range(height):
        y = np.float32((row + 0.5 - pinhole[3]) / pinhole[1])
        near, right, below, target = inverse[row], across[row], down[row], out[row]
        for i in range(width):
            a, b = fx * right[i], fy * below[i]
            c = near[i] - a * x[i] - b * y
            square = a * a + b * b + c * c
            hit = (near[i] > _ZERO) & (square > _NO_LENGTH)
            scale = -_ONE / np.sqrt(max(square, _NO_LENGTH))
            target[i, 0] = a * scale if hit else _ZERO
            target[i, 1] = b * scale if hit else _ZERO
            target[i, 2] = c * scale if hit else -_ONE
    return out


@compiled
def smooth(values, depth, normals):
    """Average four pixels along each row [h w], two before to one behind, over the same surface.

    Inverse depth is linear on a plane: what lies on the tangent at a pixel belongs to it, however
    steeply the surface runs away.
    """
    height, width = depth.shape
    out = np.empty((height, width), np.float32)
    v, w = np.empty(width + 3, np.float32), np.empty(width + 3, np.float32)
    n0, n1, n2 = np.empty_like(w), np.empty_like(w), np.empty_like(w)
    slope = np.zeros(width, np.float32)
    for row in range(height):
        for i in range(width):
            v[i + 2], w[i + 2] = values[row, i], _ONE / max(depth[row, i], _NO_DEPTH)
            n0[i + 2], n1[i + 2] = normals[row, i, 0], normals[row, i, 1]
            n2[i + 2] = normals[row, i, 2]
        for i in range(1, width - 1):
            before, behind = w[i + 2] - w[i + 1], w[i + 3] - w[i + 2]
            slope[i] = before if abs(before) < abs(behind) else behind
        for line in (v, w, n0, n1, n2):
            line[0] = line[1] = line[2]
            line[width + 2] = line[width + 1]
        target = out[row]
        for i in range(width):
            scale = _STEP / w[i + 2]
            total, weight = _ZERO, _ZERO
            for j in range(_TILE):
                apart = (w[i + j] - w[i + 2] - slope[i] * np.float32(j - 2)) * scale
                turn = n0[i + j] * n0[i + 2] + n1[i + j] * n1[i + 2] + n2[i + j] * n2[i + 2]
                turn = max(turn, _ZERO)
                turn *= turn
                share = turn * turn / (_ONE + apart * apart) + _ANY
                total += share * v[i + j]
                weight += share
            target[i] = total / weight
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
    first, second = np.empty(count, np.int64), np.empty(count, np.int64)
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
