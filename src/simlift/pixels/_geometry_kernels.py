"""Compiled loops over geometry: slopes of inverse depth, and filters that stay on one surface."""

import math

import numpy as np

from simlift.pixels._compile import compiled


@compiled
def slopes(inverse, curvature):
    """Return the slopes [h w 2] of inverse depth across and down, never over an edge."""
    height, width = inverse.shape
    out = np.zeros((height, width, 2), np.float32)
    for row in range(height):
        for column in range(width):
            here = inverse[row, column]
            if here <= 0:
                continue
            for axis in range(2):
                size = width if axis == 0 else height
                place = column if axis == 0 else row
                total, weight = 0.0, 1e-12
                for step in range(1, 4):
                    for sign in (-1, 1):
                        near_at, far_at = place + sign * step, place + 2 * sign * step
                        if near_at < 0 or near_at >= size:
                            continue
                        near = inverse[row, near_at] if axis == 0 else inverse[near_at, column]
                        if near <= 0:
                            continue
                        # At the border the far sample is missing: the near one must do.
                        w = 0.05
                        if 0 <= far_at < size:
                            far = inverse[row, far_at] if axis == 0 else inverse[far_at, column]
                            bend = (far - 2 * near + here) / (step * (curvature * here + 1e-9))
                            # Long steps average quantised depth, where the surface is straight.
                            w = step * step / (1 + 50 * bend**4)
                        total += w * sign * (near - here) / step
                        weight += w
                out[row, column, axis] = total / weight
    return out


@compiled
def smooth(values, depth, normals):
    """Average a 4x4 tile around each pixel over the same surface."""
    height, width = depth.shape
    out = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            total, weight = 0.0, 0.0
            for dv in range(-2, 2):
                v = min(max(row + dv, 0), height - 1)
                for du in range(-2, 2):
                    u = min(max(column + du, 0), width - 1)
                    apart = (depth[v, u] - z) / (0.02 * z)
                    facing = (
                        normals[v, u, 0] * normals[row, column, 0]
                        + normals[v, u, 1] * normals[row, column, 1]
                        + normals[v, u, 2] * normals[row, column, 2]
                    )
                    w = max(facing, 0.0) ** 4 / (1.0 + apart * apart) + 1e-4
                    total += w * values[v, u]
                    weight += w
            out[row, column] = total / weight
    return out


@compiled
def enlarge(small, small_depth, small_normals, depth, normals):
    """Joint bilateral upsampling over the four nearest small pixels, by depth and normal."""
    height, width = depth.shape
    rows, columns = small.shape
    out = np.empty((height, width), np.float32)
    for row in range(height):
        y = (row + 0.5) * rows / height - 0.5
        y0 = math.floor(y)
        for column in range(width):
            x = (column + 0.5) * columns / width - 0.5
            x0 = math.floor(x)
            z = depth[row, column]
            total, weight = 0.0, 1e-9
            for dy in range(2):
                v = min(max(y0 + dy, 0), rows - 1)
                fy = y - y0 if dy else 1 - y + y0
                for dx in range(2):
                    u = min(max(x0 + dx, 0), columns - 1)
                    fx = x - x0 if dx else 1 - x + x0
                    apart = (small_depth[v, u] - z) / (0.015 * z)
                    facing = (
                        small_normals[v, u, 0] * normals[row, column, 0]
                        + small_normals[v, u, 1] * normals[row, column, 1]
                        + small_normals[v, u, 2] * normals[row, column, 2]
                    )
                    w = (fx * fy + 0.02) * (max(facing, 0.0) ** 4 + 0.001) / (1 + apart * apart)
                    total += w * small[v, u]
                    weight += w
            out[row, column] = total / weight
    return out
