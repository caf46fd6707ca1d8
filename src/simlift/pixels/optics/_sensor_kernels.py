"""Sample a noisy Bayer mosaic, and correct chroma, in compiled loops.

All is float32, and rows are split into channels first: the compiler then works on many pixels at
once.
"""

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _QUARTER, _HALF = np.float32(0), np.float32(0.25), np.float32(0.5)
_MOST, _TWO, _WHITE = np.float32(0.75), np.float32(2), np.float32(65535)


@compiled
def mosaic(linear, noise, scale, shot, read_squared):
    """Return the 16-bit codes of an RGGB mosaic with noise of variance shot x + read^2.

    Both sides are even.
    """
    height, width = noise.shape
    out = np.empty((height, width), np.uint16)
    scale, shot, read_squared = np.float32(scale), np.float32(shot), np.float32(read_squared)
    for row in range(height):
        light, grain, target, red = linear[row], noise[row], out[row], row % 2
        for j in range(width // 2):
            for side in range(2):
                x = max(light[2 * j + side, red + side], _ZERO)
                code = (x + grain[2 * j + side] * np.sqrt(x * shot + read_squared)) * scale + _HALF
                target[2 * j + side] = np.uint16(min(max(code, _ZERO), _WHITE))
    return out


@compiled
def _split(codes, red, green, blue):
    """Write the channels of a row [w 3] as float32."""
    for u in range(red.shape[0]):
        red[u] = np.float32(codes[u, 0])
    for u in range(red.shape[0]):
        green[u] = np.float32(codes[u, 1])
    for u in range(red.shape[0]):
        blue[u] = np.float32(codes[u, 2])


@compiled
def colour_ratios(codes, floor):
    """Return red and blue over luma [a b 2] of 2x2 blocks; luma is (R + 2 G + B) / 4."""
    height, width = codes.shape[0], codes.shape[1]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    out = np.empty((rows, columns, 2), np.float32)
    # An odd last column stands for the one that is missing.
    red, blue = np.empty(2 * columns, np.float32), np.empty(2 * columns, np.float32)
    r, g, b = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    floor = np.float32(floor)
    for i in range(rows):
        for j in range(2 * columns):
            red[j] = blue[j] = _ZERO
        for v in (2 * i, min(2 * i + 1, height - 1)):
            _split(codes[v], r, g, b)
            for u in range(width):
                inverse = _QUARTER / (_QUARTER * (r[u] + b[u]) + _HALF * g[u] + floor)
                r[u] = (r[u] + floor) * inverse
                b[u] = (b[u] + floor) * inverse
            for u in range(width):
                red[u] += r[u]
            for u in range(width):
                blue[u] += b[u]
        if width % 2:
            red[width], blue[width] = red[width - 1], blue[width - 1]
        for j in range(columns):
            out[i, j, 0] = red[2 * j] + red[2 * j + 1]
            out[i, j, 1] = blue[2 * j] + blue[2 * j + 1]
    return out


@compiled
def _double(near, far, channel, line, out):
    """Write a channel of two rows of ratios [b 2], a quarter of `far`, at twice the resolution.

    `line` [b + 2] is scratch.
    """
    count = near.shape[0]
    for j in range(count):
        line[j + 1] = _MOST * near[j, channel] + _QUARTER * far[j, channel]
    line[0], line[count + 1] = line[1], line[count]
    for j in range(count):
        here = _MOST * line[j + 1]
        out[2 * j] = here + _QUARTER * line[j]
        out[2 * j + 1] = here + _QUARTER * line[j + 2]


@compiled
def apply_colour_ratios(codes, ratios):
    """Set the colour ratios of each pixel of [h w 3], and keep its luma."""
    height, width = codes.shape[0], codes.shape[1]
    rows, columns = ratios.shape[0], ratios.shape[1]
    out = np.empty((height, width, 3), np.uint16)
    line = np.empty(columns + 2, np.float32)
    red, blue = np.empty(2 * columns, np.float32), np.empty(2 * columns, np.float32)
    luma = np.empty(width, np.float32)
    for v in range(height):
        other = min(max(v // 2 + (1 if v % 2 else -1), 0), rows - 1)
        _double(ratios[v // 2], ratios[other], 0, line, red)
        _double(ratios[v // 2], ratios[other], 1, line, blue)
        source, target = codes[v], out[v]
        for u in range(width):
            ends = np.float32(source[u, 0]) + np.float32(source[u, 2])
            luma[u] = _QUARTER * ends + _HALF * np.float32(source[u, 1])
        for u in range(width):
            r, b = red[u] * luma[u], blue[u] * luma[u]
            luma[u] = min(max(_TWO * luma[u] - _HALF * (r + b), _ZERO) + _HALF, _WHITE)
            red[u], blue[u] = min(r + _HALF, _WHITE), min(b + _HALF, _WHITE)
        for u in range(width):
            target[u, 0] = np.int32(red[u])
            target[u, 1] = np.int32(luma[u])
            target[u, 2] = np.int32(blue[u])
    return out
