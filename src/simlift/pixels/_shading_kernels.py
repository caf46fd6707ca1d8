"""The compiled loop that lights surfaces."""

import math

import numpy as np

from simlift.pixels._compile import compiled


@compiled
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
