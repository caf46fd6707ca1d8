"""Per-pixel loops, compiled: normals, horizons, marches towards a light, joint filters, shading.

Screen-space sampling shifts each pixel's samples by its place in a 4x4 tile, and `smooth` averages
one tile of the same surface: sixteen times the samples for the price of one set, fixed on the
screen, so without noise. Arrays are float32; sums are kept in double precision.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

TILE = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])  # Bayer's order


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile once for each machine and keep the result beside the package; release the GIL."""
    # A type checker's import hook wraps functions, and only plain ones can be kept.
    plain = inspect.unwrap(function)
    return njit(cache=True, nogil=True, error_model="numpy")(plain)


@_compiled
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


@_compiled
def horizons(depth, normals, pinhole, radius, rings, steps, tile):
    """Return the mean height of the horizon over the tangent plane, 0 (open) to 1 (closed).

    `rings` [16 d 2] are unit screen directions and `steps` [16 s] shares of the reach, one set for
    each place in the tile.
    """
    height, width = depth.shape
    fx, fy, cx, cy = pinhole
    out = np.zeros((height, width), np.float32)
    most = 0.3 * max(height, width)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            if not z < 1e4:
                continue
            x = (column + 0.5 - cx) / fx * z
            y = (row + 0.5 - cy) / fy * z
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            reach = min(max(radius * fx / z, 2.0), most)
            limit = (reach * z / fx) ** 2
            ring, pace = tile[row % 4, column % 4], tile[column % 4, row % 4]
            total = 0.0
            for k in range(rings.shape[1]):
                du, dv = rings[ring, k, 0], rings[ring, k, 1]
                highest = 0.0
                for s in range(steps.shape[1]):
                    length = 1.0 + steps[pace, s] * (reach - 1.0)
                    u = int(column + du * length + 0.5)
                    v = int(row + dv * length + 0.5)
                    if u < 0 or v < 0 or u >= width or v >= height:
                        break
                    other = depth[v, u]
                    tx = (u + 0.5 - cx) / fx * other - x
                    ty = (v + 0.5 - cy) / fy * other - y
                    tz = other - z
                    above = tx * n0 + ty * n1 + tz * n2
                    square = tx * tx + ty * ty + tz * tz
                    if above <= 0.0 or square >= limit:
                        continue
                    # A bias of 4 degrees keeps flat, finely tessellated surfaces clean.
                    lifted = (above / math.sqrt(square) - 0.07) * (1.0 - square / limit)
                    if lifted > highest:
                        highest = lifted
                total += highest
            out[row, column] = total / rings.shape[1]
    return out


@_compiled
def march(depth, normals, pinhole, towards, distances, tile):
    """Return the share of the light directions `towards` [k 3] that each pixel sees.

    `distances` [16 s] are metres along the ray, one set for each place in the tile.
    """
    height, width = depth.shape
    fx, fy, cx, cy = pinhole
    out = np.ones((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            z = depth[row, column]
            if not z < 1e4:
                continue
            lift = 0.003 * z
            x = (column + 0.5 - cx) / fx * z + normals[row, column, 0] * lift
            y = (row + 0.5 - cy) / fy * z + normals[row, column, 1] * lift
            z0 = z + normals[row, column, 2] * lift
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            pace = tile[row % 4, column % 4]
            seen = 0.0
            for k in range(towards.shape[0]):
                lx, ly, lz = towards[k, 0], towards[k, 1], towards[k, 2]
                if lx * n0 + ly * n1 + lz * n2 <= 0.0:
                    continue  # the surface turns away: its own side is dark
                light = 1.0
                for s in range(distances.shape[1]):
                    distance = distances[pace, s]
                    pz = z0 + lz * distance
                    if pz <= 1e-3:
                        break
                    nearer = 1.0 / pz
                    u = int((x + lx * distance) * nearer * fx + cx)
                    v = int((y + ly * distance) * nearer * fy + cy)
                    if u < 0 or v < 0 or u >= width or v >= height:
                        break
                    gap = pz - depth[v, u]
                    # How thick the blocker is cannot be seen; the further along, the thicker.
                    if 0.003 * pz < gap < 0.3 * distance + 0.02 * pz:
                        light = 0.0
                        break
                seen += light
            out[row, column] = seen / towards.shape[0]
    return out


@_compiled
def shade(albedo, normals, view, ambient, shadows, harmonics, glossy, suns, specular, roughness):
    """Return radiance [h w 3]; see `shading.shade`. `suns` [k 7]: direction, irradiance, highlight.

    `normals` and `view` are in environment axes; `shadows` [k h w].
    """
    height, width = ambient.shape
    out = np.empty((height, width, 3), np.float32)
    half_size = (glossy.shape[0] - 2) * 0.5
    power = 2.0 / max(roughness, 0.05) ** 4 - 2.0
    for row in range(height):
        for column in range(width):
            x, y, z = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            v0, v1, v2 = view[row, column, 0], view[row, column, 1], view[row, column, 2]
            open_sky = ambient[row, column]
            facing = max(-(x * v0 + y * v1 + z * v2), 1e-3)
            # Rough surfaces never mirror fully at grazing angles, and normals at edges are unsafe.
            grazing = 1.0 - max(facing, 0.22)
            fresnel = 0.04 + (1.0 - roughness - 0.04) * grazing**5
            m0, m1, m2 = v0 + 2 * facing * x, v1 + 2 * facing * y, v2 + 2 * facing * z
            scale = 1.0 / max(abs(m0) + abs(m1) + abs(m2), 1e-9)
            u, v = m0 * scale, m2 * scale
            if m1 < 0:
                folded = (1.0 - abs(v)) * (1.0 if u >= 0 else -1.0)
                v = (1.0 - abs(u)) * (1.0 if v >= 0 else -1.0)
                u = folded
            pu, pv = (u + 1.0) * half_size + 0.5, (v + 1.0) * half_size + 0.5
            iu, iv = int(pu), int(pv)
            fu, fv = pu - iu, pv - iv
            # What hides the sky hides its reflection as well.
            mirror = fresnel * open_sky * open_sky * specular
            b4, b5, b7 = 1.092548 * x * y, 1.092548 * y * z, 1.092548 * x * z
            b6, b8 = 0.315392 * (3 * z * z - 1), 0.546274 * (x * x - y * y)
            for c in range(3):
                sky = (
                    0.282095 * harmonics[0, c]
                    + 0.488603 * (y * harmonics[1, c] + z * harmonics[2, c] + x * harmonics[3, c])
                    + b4 * harmonics[4, c] + b5 * harmonics[5, c] + b6 * harmonics[6, c]
                    + b7 * harmonics[7, c] + b8 * harmonics[8, c]
                )  # fmt: skip
                gloss = (1 - fv) * (
                    (1 - fu) * glossy[iv, iu, c] + fu * glossy[iv, iu + 1, c]
                ) + fv * ((1 - fu) * glossy[iv + 1, iu, c] + fu * glossy[iv + 1, iu + 1, c])
                light = max(sky, 1e-3) * open_sky
                out[row, column, c] = albedo[row, column, c] * light + gloss * mirror
            for k in range(suns.shape[0]):
                s0, s1, s2 = suns[k, 0], suns[k, 1], suns[k, 2]
                cosine = (x * s0 + y * s1 + z * s2) * shadows[k, row, column]
                if cosine <= 0:
                    continue
                lobe = 0.0
                if suns[k, 6] > 0:
                    h0, h1, h2 = s0 - v0, s1 - v1, s2 - v2
                    length = math.sqrt(h0 * h0 + h1 * h1 + h2 * h2) + 1e-9
                    aligned = max((h0 * x + h1 * y + h2 * z) / length, 0.0)
                    lobe = min(aligned**power * (power + 8) / (8 * math.pi), 8.0)
                    lobe *= fresnel * specular
                for c in range(3):
                    reflected = albedo[row, column, c] / math.pi + lobe
                    out[row, column, c] += suns[k, 3 + c] * cosine * reflected
    return out


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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
