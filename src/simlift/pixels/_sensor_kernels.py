"""Compiled loops of the sensor: the mosaic with its noise, and the colour of its pixels."""

import math

import numpy as np

from simlift.pixels._compile import compiled


@compiled
def mosaic(linear, noise, scale, shot, read_squared):
    """Return the 16-bit codes of an RGGB mosaic with noise of variance shot x + read^2."""
    height, width = noise.shape
    out = np.empty((height, width), np.uint16)
    for row in range(height):
        for column in range(width):
            light = max(linear[row, column, row % 2 + column % 2], np.float32(0))
            deviation = math.sqrt(light * shot + read_squared)
            code = (light + noise[row, column] * deviation) * scale + 0.5
            out[row, column] = min(max(code, 0.0), 65535.0)
    return out


@compiled
def colour_ratios(codes, floor):
    """Return red and blue over luma [a b 2] of 2x2 blocks; luma is (R + 2 G + B) / 4."""
    height, width = codes.shape[0], codes.shape[1]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    out = np.empty((rows, columns, 2), np.float32)
    for i in range(rows):
        for j in range(columns):
            red, blue = 0.0, 0.0
            for dv in range(2):
                v = min(2 * i + dv, height - 1)
                for du in range(2):
                    u = min(2 * j + du, width - 1)
                    r, g, b = codes[v, u, 0], codes[v, u, 1], codes[v, u, 2]
                    inverse = 0.25 / (0.25 * r + 0.5 * g + 0.25 * b + floor)
                    red += (r + floor) * inverse
                    blue += (b + floor) * inverse
            out[i, j, 0], out[i, j, 1] = red, blue
    return out


@compiled
def recolour(codes, ratios):
    """Give each pixel of [h w 3] the colour ratios of its place, and keep its luma."""
    height, width = codes.shape[0], codes.shape[1]
    rows, columns = ratios.shape[0], ratios.shape[1]
    out = np.empty((height, width, 3), np.uint16)
    for v in range(height):
        i = v // 2
        i2 = min(max(i + (1 if v % 2 else -1), 0), rows - 1)
        for u in range(width):
            j = u // 2
            j2 = min(max(j + (1 if u % 2 else -1), 0), columns - 1)
            luma = 0.25 * codes[v, u, 0] + 0.5 * codes[v, u, 1] + 0.25 * codes[v, u, 2]
            red = (
                0.5625 * ratios[i, j, 0] + 0.1875 * (ratios[i, j2, 0] + ratios[i2, j, 0])
                + 0.0625 * ratios[i2, j2, 0]
            )  # fmt: skip
            blue = (
                0.5625 * ratios[i, j, 1] + 0.1875 * (ratios[i, j2, 1] + ratios[i2, j, 1])
                + 0.0625 * ratios[i2, j2, 1]
            )  # fmt: skip
            green = 2.0 - 0.5 * (red + blue)
            out[v, u, 0] = min(luma * red + 0.5, 65535.0)
            out[v, u, 1] = min(max(luma * green, 0.0) + 0.5, 65535.0)
            out[v, u, 2] = min(luma * blue + 0.5, 65535.0)
    return out
