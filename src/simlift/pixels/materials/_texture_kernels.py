"""Apply textures by triplanar projection and bump mapping in compiled loops.

A row is taken apart into lines of one number for each pixel, and these in runs of one id, whose
material is then constant. What has no branches goes along a run into a single line, so that the
compiler works on many pixels at once.
"""

import inspect
import math

import numpy as np
from numba import njit

from simlift.pixels._compile import compiled

_SIZE = 512  # texels across the finest level; a power of two
_TOP = 9  # the level of one texel
_TEXELS = (4 * _SIZE * _SIZE - 1) // 3  # of a pyramid: a geometric series
_EVEN = 0x00FF00FF00FF00FF
_ZERO, _HALF, _ONE, _FOUR = np.float32(0), np.float32(0.5), np.float32(1), np.float32(4)
_FAR = np.float32(1e5)  # metres
_SHARPEN = np.float32(0.35)  # levels; the lens softens after this
_FADE = np.float32(0.3)  # levels are blended over this share of the way between them
_CORNER = np.float32(0.2)  # squared cosine from which a projection counts
_FLAT = np.float32(0.9999)  # cosine above which a slant has no direction
_STEEP = np.float32(1 / 12)  # cosine below which a pixel on a surface grows no longer
_PLAIN = np.float32(3)  # level of detail below which eight pixels see one stain
_SLANTED, _COARSE = np.float32(4), np.float32(4)  # longer pixels of finer levels are halved
_WIDEST = np.float32(0.18)  # squared slopes that unseen relief may add to the roughness
_DARKEST, _GLOSSIEST = np.float32(0.05), np.float32(0.03)

# The lines of a row: as it was, what is known before textures are looked up, and those looked up.
_N, _A, _OWN = 0, 3, 6
_Q, _M, _DEEP, _LOD, _SPREAD, _LOCATED = 0, 3, 6, 7, 8, 9
_S, _G, _GLOSS, _STAIN, _LOST, _GATHERED = 0, 3, 6, 7, 8, 9


def _inlined(function):
    """Compile into the caller: a call for each pixel costs more than what is called."""
    return njit(inline="always", error_model="numpy")(inspect.unwrap(function))


@_inlined
def _split(values, start, count, first, lines):
    """Fill three lines from a row of vectors that begins at `start`."""
    for i in range(count):
        k = start + np.uint64(3 * i)
        lines[first, i] = values[k]
        lines[first + 1, i] = values[k + np.uint64(1)]
        lines[first + 2, i] = values[k + np.uint64(2)]


@_inlined
def _join(lines, first, count, start, out):
    """Write three lines as a row of vectors that begins at `start`."""
    for i in range(count):
        k = start + np.uint64(3 * i)
        out[k] = lines[first, i]
        out[k + np.uint64(1)] = lines[first + 1, i]
        out[k + np.uint64(2)] = lines[first + 2, i]


@_inlined
def _mix(out, towards, share, begin, end):
    """Move a line of numbers towards one of them."""
    for i in range(begin, end):
        out[i] += (towards - out[i]) * share


@_inlined
def _along(own, r0, r1, r2, begin, end, out):
    """Fill `out` with the product of a normal and a direction."""
    for i in range(begin, end):
        out[i] = r0 * own[_N, i] + r1 * own[_N + 1, i] + r2 * own[_N + 2, i]


@_inlined
def _reach(depth, x, y, r0, r1, r2, offset, begin, end, out):
    """Fill `out` with how far points are along a direction, in tiles."""
    for i in range(begin, end):
        out[i] = (r0 * x[i] + r1 * y + r2) * depth[i] + offset


@_inlined
def _footprint(depth, own, x, near, y, texel, begin, end, deep, lod, spread):
    """Fill the distance to the tangent plane, the level of detail and the slant of pixels.

    A pixel covers z / f across, and longer where the surface slants away; `texel` is how many
    texels that is at a depth of 1. `near` is 1 over the length of the ray.
    """
    for i in range(begin, end):
        deep[i] = own[_N, i] * x[i] + own[_N + 1, i] * y + own[_N + 2, i]
    for i in range(begin, end):
        longer = _ONE / max(min(abs(deep[i]) * near[i], _FLAT), _STEEP)
        lod[i] = _HALF * texel * depth[i] * (_ONE + longer)
    # About log2: the exponent of a float32, and its mantissa as a line.
    bits = lod.view(np.int32)
    for i in range(begin, end):
        level = np.float32(bits[i]) * np.float32(2.0**-23) - np.float32(126.94) - _SHARPEN
        lod[i] = max(level, _ZERO)
    for i in range(begin, end):
        cosine = min(abs(deep[i]) * near[i], _FLAT)
        longer = _ONE / max(cosine, _STEEP)
        half = np.float32(0.25) * texel * depth[i] * (longer - _ONE) * near[i]
        half /= np.sqrt(_ONE - cosine * cosine) * np.float32(_SIZE)
        spread[i] = half if (longer > _SLANTED) & (lod[i] < _COARSE) else _ZERO


@_inlined
def _four(texels, p, q, r, s, right, low):
    """Return the even and the odd channels between four texels, each in 16 bits, times 256.

    Weights are whole 256ths, so that one product does for all channels of a half.
    """
    w11 = (right * low) >> 8
    w10, w01 = low - w11, right - w11
    w00 = 256 - w11 - w10 - w01
    a, b, c, d = texels[p], texels[q], texels[r], texels[s]
    even = w00 * (a & _EVEN) + w01 * (b & _EVEN) + w10 * (c & _EVEN) + w11 * (d & _EVEN)
    odd = w00 * ((a >> 8) & _EVEN) + w01 * ((b >> 8) & _EVEN)
    return even, odd + w10 * ((c >> 8) & _EVEN) + w11 * ((d >> 8) & _EVEN)


@_inlined
def _value(lanes, k):
    """Return one of the 16-bit numbers, as steps of a texel."""
    return np.float32(((lanes >> (16 * k)) & 0xFFFF) - 0x8000)


@_inlined
def _gather(texels, first, steps, lod, q0, q1, q2, m0, m1, m2, a0, a1, a2):
    """Return colour [3], the gradient of the relief [3] and roughness.

    The three projections at `q` tiles are blended by the normal `m`; what blending averages away
    is given back (Heitz and Neyret, HPG 2018, eq. 2). `a` is half the way between two samples on a
    slanted pixel, or 0.
    """
    level = int(lod)
    share = min(max((lod - np.float32(level) - _HALF) / _FADE + _HALF, _ZERO), _ONE)
    taps = 1 if a0 == 0 and a1 == 0 and a2 == 0 else 2
    begin, end = (0 if share < 1 else taps), (2 * taps if share > 0 else taps)
    s0, s1, s2, s5 = _ZERO, _ZERO, _ZERO, _ZERO
    g0, g1, g2, squares = _ZERO, _ZERO, _ZERO, _ZERO
    for axis in range(3):
        facing = m0 if axis == 0 else (m1 if axis == 1 else m2)
        blend = facing * facing - _CORNER
        if blend <= 0:
            continue
        blend *= blend
        squares += blend * blend
        u, v = (q1 if axis == 0 else q0), (q1 if axis == 2 else q2)
        du, dv = (a1 if axis == 0 else a0), (a1 if axis == 2 else a2)
        su, sv = _ZERO, _ZERO
        for sample in range(begin, end):
            size = _SIZE >> (level if sample < taps else level + 1)
            start = first + _TEXELS - (4 * size * size - 1) // 3
            weight = blend * (_ONE - share if sample < taps else share) * np.float32(1 / 256)
            if taps == 2:
                weight *= _HALF
                du, dv = -du, -dv
            scale = np.float32(256 * size)
            x, y = np.int64((u + du) * scale) - 128, np.int64((v + dv) * scale) - 128
            i, j, last = y >> 8, x >> 8, size - 1
            upper, lower = start + (i & last) * size, start + ((i + 1) & last) * size
            p, q = np.uint64(upper + (j & last)), np.uint64(upper + ((j + 1) & last))
            r, s = np.uint64(lower + (j & last)), np.uint64(lower + ((j + 1) & last))
            even, odd = _four(texels, p, q, r, s, x & 255, y & 255)
            s0, s1 = s0 + weight * _value(even, 0), s1 + weight * _value(odd, 0)
            s2, su = s2 + weight * _value(even, 1), su + weight * _value(odd, 1)
            sv, s5 = sv + weight * _value(even, 2), s5 + weight * _value(odd, 2)
        su, sv = su * steps[3], sv * steps[4]
        if axis == 0:
            g1, g2 = g1 + su, g2 + sv
        elif axis == 1:
            g0, g2 = g0 + su, g2 + sv
        else:
            g0, g1 = g0 + su, g1 + sv
    k = _ONE / np.float32(math.sqrt(squares))
    s0, s1, s2, s5 = s0 * steps[0], s1 * steps[1], s2 * steps[2], s5 * steps[5]
    return s0 * k, s1 * k, s2 * k, g0 * k, g1 * k, g2 * k, s5 * k


@_inlined
def _stain(stains, x, y, z):
    """Return the solid noise at a place in cells."""
    last = stains.shape[0] - 1
    i, j, k = np.int64(x), np.int64(y), np.int64(z)
    i, j, k = i - (x < np.float32(i)), j - (y < np.float32(j)), k - (z < np.float32(k))
    fx, fy, fz = x - np.float32(i), y - np.float32(j), z - np.float32(k)
    i0, j0, k0 = np.uint64(i & last), np.uint64(j & last), np.uint64(k & last)
    i1, j1 = np.uint64((i + 1) & last), np.uint64((j + 1) & last)
    k1 = np.uint64((k + 1) & last)
    a = stains[i0, j0, k0] + fz * (stains[i0, j0, k1] - stains[i0, j0, k0])
    b = stains[i0, j1, k0] + fz * (stains[i0, j1, k1] - stains[i0, j1, k0])
    c = stains[i1, j0, k0] + fz * (stains[i1, j0, k1] - stains[i1, j0, k0])
    d = stains[i1, j1, k0] + fz * (stains[i1, j1, k1] - stains[i1, j1, k0])
    a += fy * (b - a)
    c += fy * (d - c)
    return a + fx * (c - a)


@_inlined
def _dirt(stains, at, begin, end, out):
    """Fill the solid noise of a run from every fourth or eighth pixel: it has no finer detail."""
    i = begin
    before = _stain(stains, _FOUR * at[_Q, i], _FOUR * at[_Q + 1, i], _FOUR * at[_Q + 2, i])
    out[i] = before
    while i < end - 1:
        k = min(i + (8 if at[_LOD, i] < _PLAIN else 4), end - 1)
        here = _stain(stains, _FOUR * at[_Q, k], _FOUR * at[_Q + 1, k], _FOUR * at[_Q + 2, k])
        step = (here - before) / np.float32(k - i)
        for j in range(i + 1, k + 1):
            out[j] = before + step * np.float32(j - i)
        i, before = k, here


@_inlined
def _look_up(texels, first, steps, faint, unseen, at, place, scale, begin, end, out):
    """Fill the looked up lines of a run: `out`, from the located ones: `at`."""
    for i in range(begin, end):
        lod, q0, q1, q2 = at[_LOD, i], at[_Q, i], at[_Q + 1, i], at[_Q + 2, i]
        s = (_ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO)
        if lod < faint:
            m0, m1, m2 = at[_M, i], at[_M + 1, i], at[_M + 2, i]
            a0, a1, a2, spread = _ZERO, _ZERO, _ZERO, at[_SPREAD, i]
            if spread > 0:
                a0 = ((q0 - place[0, 3]) * scale[i] - at[_DEEP, i] * m0) * spread
                a1 = ((q1 - place[1, 3]) * scale[i] - at[_DEEP, i] * m1) * spread
                a2 = ((q2 - place[2, 3]) * scale[i] - at[_DEEP, i] * m2) * spread
            s = _gather(texels, first, steps, lod, q0, q1, q2, m0, m1, m2, a0, a1, a2)
        out[_S, i], out[_S + 1, i], out[_S + 2, i] = s[0], s[1], s[2]
        out[_G, i], out[_G + 1, i], out[_G + 2, i], out[_GLOSS, i] = s[3], s[4], s[5], s[6]
        out[_LOST, i] = unseen[min(int(lod), _TOP)]


@_inlined
def _paint(shade, stain, colour, dirt, begin, end, out):
    """Multiply a channel of colours by a texture and stains; at most 1."""
    for i in range(begin, end):
        varied = max(_ONE + colour * shade[i], _DARKEST) * (_ONE + dirt * stain[i])
        out[i] = min(out[i] * varied, _ONE)


@_inlined
def _tilt(g0, g1, g2, place, relief, begin, end, own):
    """Turn unit normals against the gradient of the relief (Mikkelsen 2020)."""
    r00, r01, r02 = place[0, 0] * relief, place[0, 1] * relief, place[0, 2] * relief
    r10, r11, r12 = place[1, 0] * relief, place[1, 1] * relief, place[1, 2] * relief
    r20, r21, r22 = place[2, 0] * relief, place[2, 1] * relief, place[2, 2] * relief
    for i in range(begin, end):
        n0, n1, n2 = own[_N, i], own[_N + 1, i], own[_N + 2, i]
        x = r00 * g0[i] + r10 * g1[i] + r20 * g2[i]
        y = r01 * g0[i] + r11 * g1[i] + r21 * g2[i]
        z = r02 * g0[i] + r12 * g1[i] + r22 * g2[i]
        rise = _ONE + x * n0 + y * n1 + z * n2
        x, y, z = rise * n0 - x, rise * n1 - y, rise * n2 - z
        scale = _ONE / np.sqrt(x * x + y * y + z * z)
        own[_N, i], own[_N + 1, i], own[_N + 2, i] = x * scale, y * scale, z * scale


@_inlined
def _roughen(varied, stain, lost, row, begin, end, out):
    """Move roughness: towards the material's, varied, and widened by the relief that is lost."""
    share, level, gloss, smear, relief = row[9], row[7], row[4], row[6], row[3]
    relief *= relief
    for i in range(begin, end):
        base = out[i] + (level - out[i]) * share
        base = min(max(base + gloss * varied[i] + smear * stain[i], _GLOSSIEST), _ONE)
        base *= base
        out[i] = min(np.sqrt(np.sqrt(base * base + min(lost[i] * relief, _WIDEST))), _ONE)


@compiled
def apply_textures(
    albedo, normals, roughness, metallic, depth, ids, pinhole, known, places, rows,
    texels, steps, faint, unseen, stains,
):  # fmt: skip
    """Return textured albedo, normals, roughness and metallic; see `textures.apply_textures`."""
    height, width = depth.shape
    # As one line: three channels are then a known way apart.
    colours, facing = albedo.ravel(), normals.ravel()
    painted, turned = np.empty_like(colours), np.empty_like(facing)
    rough, metal = roughness.copy(), metallic.copy()
    own = np.empty((_OWN, width), np.float32)
    at, found = np.empty((_LOCATED, width), np.float32), np.empty((_GATHERED, width), np.float32)
    x, near, scale = (
        np.empty(width, np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
    )
    fx, fy, cx, cy = pinhole
    for i in range(width):
        x[i] = (i + 0.5 - cx) / fx
    for v in range(height):
        y = np.float32((v + 0.5 - cy) / fy)
        z, start = depth[v], np.uint64(3 * v * width)
        _split(facing, start, width, _N, own)
        _split(colours, start, width, _A, own)
        for i in range(width):
            near[i] = _ONE / np.sqrt(x[i] * x[i] + y * y + _ONE)
        end = 0
        while end < width:
            begin, name = end, ids[v, end]
            hit = _ZERO < z[begin] < _FAR
            while end < width and ids[v, end] == name and (_ZERO < z[end] < _FAR) == hit:
                end += 1
            if not hit:
                continue
            k = np.searchsorted(known, name)
            slot = k + 1 if k < known.shape[0] and known[k] == name else 0
            row, place, cloth = rows[slot], places[slot], int(rows[slot, 0])
            # Without a sign, so that the compiler need not ask whether they count from the end.
            first, last = np.uint64(begin), np.uint64(end)
            _mix(metal[v], row[8], row[9], first, last)
            if row[4] > 0:
                tiles = row[1]
                for i in range(first, last):
                    scale[i] = _ONE / (z[i] * tiles)
                for c in range(3):
                    r0, r1, r2 = place[c, 0], place[c, 1], place[c, 2]
                    _along(own, r0, r1, r2, first, last, at[_M + c])
                    t0, t1, t2 = r0 * tiles, r1 * tiles, r2 * tiles
                    _reach(z, x, y, t0, t1, t2, place[c, 3], first, last, at[_Q + c])
                texel = np.float32(_SIZE / fx) * tiles
                _footprint(z, own, x, near, y, texel, first, last, at[_DEEP], at[_LOD], at[_SPREAD])
                _look_up(
                    texels, cloth * _TEXELS, steps[cloth], faint[cloth], unseen[cloth],
                    at, place, scale, first, last, found,
                )  # fmt: skip
                if row[5] > 0 or row[6] > 0:
                    _dirt(stains, at, begin, end, found[_STAIN])
                else:
                    found[_STAIN, begin:end] = _ZERO
                for c in range(3):
                    _paint(found[_S + c], found[_STAIN], row[2], row[5], first, last, own[_A + c])
                _tilt(found[_G], found[_G + 1], found[_G + 2], place, row[3], first, last, own)
            else:
                found[:, begin:end] = _ZERO
            _roughen(found[_GLOSS], found[_STAIN], found[_LOST], row, first, last, rough[v])
        _join(own, _A, width, start, painted)
        _join(own, _N, width, start, turned)
    return painted.reshape(albedo.shape), turned.reshape(normals.shape), rough, metal
