"""Prepare the image pyramid and circles of confusion for depth of field (compiled).

Circles are signed radii in pixels of their level, negative before the plane of focus. A level is
the image, halved so and so often, with a border of 8 repeated pixels.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

PAD = 8  # no level looks further
SHARP = 0.5  # a circle of this radius is one pixel
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_MARGIN = np.float32(1.5)  # circles that differ by less belong to one surface
_TWELFTH = np.float32(1 / 12)
_PI = np.float32(math.pi)


@compiled
def _ramp(radius, low, high):
    """Return the share of a circle that the next coarser level draws."""
    return min(max((radius - low) / (high - low), _ZERO), _ONE)


@compiled
def prepare(linear, circles, most):
    """Return colour with a coverage of 1 [.. 4], and the circles between 0.5 and `most`."""
    height, width = circles.shape
    colour = np.empty((height + 2 * PAD, width + 2 * PAD, 4), np.float32)
    bounded = np.empty((height + 2 * PAD, width + 2 * PAD), np.float32)
    for row in range(height + 2 * PAD):
        y = min(max(row - PAD, 0), height - 1)
        for column in range(width + 2 * PAD):
            x = min(max(column - PAD, 0), width - 1)
            radius = min(max(abs(circles[y, x]), _HALF), most)
            bounded[row, column] = -radius if circles[y, x] < 0 else radius
            colour[row, column, 0] = linear[y, x, 0]
            colour[row, column, 1] = linear[y, x, 1]
            colour[row, column, 2] = linear[y, x, 2]
            colour[row, column, 3] = _ONE
    return colour, bounded


@compiled
def halve(colour, circles):
    """Halve colour and circles; a block keeps what is blurred like its most blurred pixel."""
    height, width = circles.shape[0] - 2 * PAD, circles.shape[1] - 2 * PAD
    rows, columns = (height + 1) // 2, (width + 1) // 2
    out = np.zeros((rows + 2 * PAD, columns + 2 * PAD, 4), np.float32)
    small = np.empty((rows + 2 * PAD, columns + 2 * PAD), np.float32)
    for row in range(rows + 2 * PAD):
        top = 2 * min(max(row - PAD, 0), rows - 1) + PAD
        for column in range(columns + 2 * PAD):
            left = 2 * min(max(column - PAD, 0), columns - 1) + PAD
            widest = circles[top, left]
            for k in range(1, 4):
                circle = circles[top + k // 2, left + k % 2]
                if abs(circle) > abs(widest):
                    widest = circle
            total, mean = _ZERO, _ZERO
            for k in range(4):
                y, x = top + k // 2, left + k % 2
                alike = min(max(_MARGIN - abs(circles[y, x] - widest), _ZERO), _ONE)
                total += alike
                mean += alike * circles[y, x]
                for c in range(4):
                    out[row, column, c] += np.float32(0.25) * alike * colour[y, x, c]
            small[row, column] = _HALF * mean / total
    return out, small


@compiled
def brightness(circles, low, high, finest, coarsest):
    """Return the light that each pixel gives to a pixel of its circle, at this level's share."""
    height, width = circles.shape
    out = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            radius = abs(circles[y, x])
            share = _ONE
            if not finest:
                share *= _ramp(radius * np.float32(2), low, high)
            if not coarsest:
                share *= _ONE - _ramp(radius, low, high)
            out[y, x] = share / (_PI * (radius * radius + _TWELFTH))
    return out
