"""Run the edge-avoiding a-trous wavelet filter of the denoiser in a compiled loop."""

import math

import numpy as np

from simlift.pixels._compile import compiled


@compiled
def a_trous(light, variance, normals, depth, slope, step, tolerance):
    """Average a 5x5 B3-spline with holes of `step` pixels, within the same surface and light.

    `light` [h w 3], `variance` [h w] of its luminance, `slope` [h w 2] of depth per pixel. Returns
    the filtered light and its variance.
    """
    height, width = depth.shape
    out = np.empty((height, width, 3), np.float32)
    spread = np.empty((height, width), np.float32)
    taps = np.array([1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16], np.float32)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            # The variance itself is noisy: a 3x3 mean steadies it (SVGF, section 4.4).
            around, count = 0.0, 0.0
            for dv in range(-1, 2):
                for du in range(-1, 2):
                    v, u = row + dv, column + du
                    if 0 <= v < height and 0 <= u < width:
                        around += variance[v, u]
                        count += 1
            scale = 1 / (tolerance * math.sqrt(max(around / count, 0.0)) + 1e-4)
            here = (
                0.2126 * light[row, column, 0]
                + 0.7152 * light[row, column, 1]
                + 0.0722 * light[row, column, 2]
            )
            total, squares, r, g, b = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(5):
                v = row + (i - 2) * step
                if v < 0 or v >= height:
                    continue
                for j in range(5):
                    u = column + (j - 2) * step
                    if u < 0 or u >= width:
                        continue
                    w = taps[i] * taps[j]
                    if i != 2 or j != 2:
                        other = depth[v, u]
                        if (other < 1e6) != (z < 1e6):
                            continue
                        if z < 1e6:
                            expected = slope[row, column, 0] * (u - column) + slope[
                                row, column, 1
                            ] * (v - row)
                            off = abs(other - z - expected) / (0.004 * z * step + 1e-6)
                            facing = (
                                normals[v, u, 0] * normals[row, column, 0]
                                + normals[v, u, 1] * normals[row, column, 1]
                                + normals[v, u, 2] * normals[row, column, 2]
                            )
                            w *= math.exp(-min(off, 50.0)) * max(facing, 0.0) ** 64
                        there = (
                            0.2126 * light[v, u, 0] + 0.7152 * light[v, u, 1]
                            + 0.0722 * light[v, u, 2]
                        )  # fmt: skip
                        w *= math.exp(-min(abs(there - here) * scale, 50.0))
                    total += w
                    squares += w * w * variance[v, u]
                    r += w * light[v, u, 0]
                    g += w * light[v, u, 1]
                    b += w * light[v, u, 2]
            out[row, column, 0], out[row, column, 1], out[row, column, 2] = (
                r / total, g / total, b / total,
            )  # fmt: skip
            spread[row, column] = squares / (total * total)
    return out, spread
