"""Compute normals and depth discontinuities from inverse depth in compiled loops.

All is float32, and each inner loop runs along a row, without branches, into a single array: the
compiler then works on many pixels at once. What is separable is done along rows, then along the
rows of the transposed image.
"""

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_TWO, _THREE = np.float32(2), np.float32(3)

_REACH = 6  # pixels to either side that a slope uses
_OUTSIDE = np.float32(-1)  # stands for inverse depth beyond the border
_BENT = np.float32(50)
_FLATTEST = np.float32(1e-9)  # inverse depth, 1/m
_LONE = np.float32(0.05)
_LONG, _LONGER = np.float32(4), np.float32(9)
_ALIEN = np.float32(1e-3)  # weight of another segment, which hardly counts
_THIRD = np.float32(1 / 3)
_NO_DEPTH = np.float32(1e-12)  # metres; nearer, the square of its inverse is too large
_NO_WEIGHT = np.float32(1e-12)
_NO_LENGTH = np.float32(1e-24)


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
def _side(line, own, at, step, length, sharpness, most):
    """Return the weight of one side of a pixel, and the weighted step of inverse depth to it.

    `step` is 1 to 3 pixels to the right, or to the left below 0; `length` is its size. Samples
    beyond an edge may lie in line with this one by chance, but not the one next to it too.
    """
    here, near, far = line[at], line[at + step], line[at + 2 * step]
    first = (line[at + 1 if step > 0 else at - 1] - here) * length
    step_there = near - here
    bend, apart = (far - near - step_there) * sharpness, (step_there - first) * sharpness
    bend *= bend
    apart *= apart
    weight = most / (_ONE + _BENT * (bend * bend + apart * apart))
    # At the border the far sample is missing: the near one must do.
    weight = _LONE if far < _ZERO else weight
    weight *= _ONE if own[at + step] == own[at] else _ALIEN
    weight = weight if near > _ZERO else _ZERO
    return weight, weight * step_there


@compiled
def slopes(inverse, ids, curvature):
    """Return the slopes [h w] of inverse depth along the rows, never across an edge.

    Differences over 1, 2 and 3 pixels to both sides, each weighted by how straight its side is and
    by its length squared: long ones average quantised depth. Where `ids` [h w] change is an edge.
    """
    height, width = inverse.shape
    out = np.empty((height, width), np.float32)
    line = np.empty(width + 2 * _REACH, np.float32)
    own = np.zeros(width + 2 * _REACH, np.int32)
    for i in range(_REACH):
        line[i] = line[_REACH + width + i] = _OUTSIDE
    curvature = np.float32(curvature)
    for row in range(height):
        source, target, segments = inverse[row], out[row], ids[row]
        for i in range(width):
            line[_REACH + i], own[_REACH + i] = source[i], segments[i]
        for i in range(width):
            sharp = _ONE / (curvature * line[i + 6] + _FLATTEST)
            w1, right1 = _side(line, own, i + 6, 1, _ONE, sharp, _ONE)
            w2, left1 = _side(line, own, i + 6, -1, _ONE, sharp, _ONE)
            w3, right2 = _side(line, own, i + 6, 2, _TWO, sharp * _HALF, _LONG)
            w4, left2 = _side(line, own, i + 6, -2, _TWO, sharp * _HALF, _LONG)
            w5, right3 = _side(line, own, i + 6, 3, _THREE, sharp * _THIRD, _LONGER)
            w6, left3 = _side(line, own, i + 6, -3, _THREE, sharp * _THIRD, _LONGER)
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
def steps(inverse, least):
    """Return where inverse depth [h w] jumps to the next pixel of its row or column.

    By a share of `least` or more of the nearer one, and off the line through the pixel before: the
    second difference is 0 on planes, however steeply they are seen.
    """
    height, width = inverse.shape
    out = np.zeros((height, width), np.bool_)
    for row in range(height):
        here, target = inverse[row], out[row]
        for i in range(1, width - 1):
            target[i] = _jump(here[i - 1], here[i], here[i + 1], least)
        if 0 < row < height - 1:
            above, below = inverse[row - 1], inverse[row + 1]
            for i in range(width):
                target[i] |= _jump(above[i], here[i], below[i], least)
    return out


@compiled
def _jump(behind, here, ahead, least):
    step = ahead - here
    bend = step - (here - behind)
    return min(abs(bend), abs(step)) > least * max(here, ahead) + _FLATTEST


@compiled
def folds(normals, limit):
    """Return where normals [h w 3] and those of the next pixel of the row or column meet at a
    cosine below `limit`."""
    height, width = normals.shape[0], normals.shape[1]
    out, flat = np.zeros((height, width), np.bool_), normals.ravel()
    over, down = np.uint64(3), np.uint64(3 * width)
    for row in range(height):
        start, target = np.uint64(3 * row * width), out[row]
        for i in range(width - 1):
            k = start + np.uint64(3 * i)
            target[i] = _cosine(flat, k, k + over) < limit
        if row < height - 1:
            for i in range(width):
                k = start + np.uint64(3 * i)
                target[i] |= _cosine(flat, k, k + down) < limit
    return out


@compiled
def _cosine(flat, k, m):
    one, two = np.uint64(1), np.uint64(2)
    return flat[k] * flat[m] + flat[k + one] * flat[m + one] + flat[k + two] * flat[m + two]
