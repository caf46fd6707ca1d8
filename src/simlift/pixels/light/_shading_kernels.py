"""Shade surfaces in compiled loops: Burley diffuse, GGX specular, image-based lighting.

A row is taken in parts. What has no branches goes along a part within one array, whose lines lie a
constant way apart, so that the compiler works on many pixels at once.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled, compiled_with
from simlift.pixels.light import _channel_kernels as channels

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_PI = np.float32(math.pi)
_BRIGHTEST = np.float32(20)  # a sun's highlight on a mirror, which the pixel averages anyway
_BLUR_FROM, _BLUR_OVER = np.float32(0.35), np.float32(4)  # roughness at which maps give way
# Harmonics of irradiance / pi to those of radiance under probes.WINDOW, of orders 1 and 2.
_FIRST, _SECOND = np.float32(1.2 * 0.488603), np.float32(1.6 * 1.092548)
_COAT = np.float32(0.04)  # what a dielectric reflects at normal incidence

_PART = 128  # pixels of a row; all lines of a part stay in the fastest cache
# Where lines begin: normals, the view and the mirrored direction, three of each; then single ones.
_N, _V, _E, _FACING, _GRAZE, _RETRO, _BEND, _SLOPE, _STILL = (
    _PART * k for k in (0, 3, 6, 9, 10, 11, 12, 13, 14)
)
_BLUR, _ROUGH, _BODY, _OPEN, _COSINE, _LIT, _LOBE, _FRESNEL, _U, _W, _LEVEL, _SEEN = (
    _PART * k for k in range(15, 27)
)
_SHARED = 27 * _PART
# The lines of one channel: colour, scattered light, mirrored light and its share.
_A, _S, _R, _G = (_PART * k for k in range(4))
_OWN = 4 * _PART


@compiled_with(channels)
def shade(
    albedo, normals, roughness, metallic, pinhole, turn, harmonics, glossy, levels, suns, ways,
    lobes, ambient, shadows, known, around, ahead, sky, specular, apart,
):  # fmt: skip
    """Return outgoing radiance [h w 3]; `apart`, the mirrored radiance in it and its share too.

    See `shading.shade`. `suns` [k 6]: irradiance, spread of each lobe (0 for a point), number of
    `ways` [k 8 3] and of `lobes` [k 4 3].
    """
    height, width = roughness.shape
    # As one line each: three channels are then a known way apart.
    colours, facing = albedo.ravel(), normals.ravel()
    light, rest = np.empty_like(colours), colours.size if apart else 0
    mirror, gloss = np.empty(rest, np.float32), np.empty(rest, np.float32)
    at, each = np.empty(_SHARED, np.float32), np.empty(3 * _OWN, np.float32)
    mine = (each[:_OWN], each[_OWN : 2 * _OWN], each[2 * _OWN :])
    across = (np.arange(width).astype(np.float32) + _HALF - pinhole[2]) / pinhole[0]
    flat, side = glossy.ravel(), glossy.shape[1]
    kept = min(specular, _ONE)
    for row in range(height):
        down = (np.float32(row) + _HALF - pinhole[3]) / pinhole[1]
        for left in range(0, width, _PART):
            right = min(left + _PART, width)
            count = right - left
            start = np.uint64(3 * (row * width + left))
            channels.split(each, _A, _OWN, count, colours, start)
            channels.split(at, _N, _PART, count, facing, start)
            channels.line(at, _ROUGH, count, roughness[row, left:right])
            channels.line(at, _BODY, count, metallic[row, left:right])
            channels.line(at, _OPEN, count, ambient[row, left:right])
            _view(at, count, across[left:right], down)
            _reflect(at, count, turn)
            _respond(at, count)
            _place(at, count, levels, side)
            _look_up(at, each, count, flat, side, known)
            for c in range(3):
                if known:
                    _blend(at, mine[c], count, harmonics[:, c], around[c, row, left:right],
                           ahead[c, row, left:right], sky[row, left:right])  # fmt: skip
                else:
                    _even_light(at, mine[c], count, harmonics[:, c], turn)
                _scatter(at, mine[c], count, specular, kept)
            for k in range(suns.shape[0]):
                _face(at, count, ways[k], int(suns[k, 4]), shadows[k, row, left:right])
                _highlight(at, count, lobes[k], int(suns[k, 5]), suns[k, 3], known)
                for c in range(3):
                    _shine(at, mine[c], count, suns[k, c], specular, kept)
            if apart:
                channels.join(each, _R, _OWN, count, mirror, start)
                channels.join(each, _G, _OWN, count, gloss, start)
            for c in range(3):
                _add(mine[c], count)
            channels.join(each, _S, _OWN, count, light, start)
    shape, other = (height, width, 3), (height if apart else 0, width, 3)
    return light.reshape(shape), mirror.reshape(other), gloss.reshape(other)


@compiled
def _add(own, count):
    """Add what is mirrored to what is scattered."""
    for i in range(count):
        own[_S + i] += own[_R + i] * own[_G + i]


@compiled
def _view(at, count, x, y):
    """Fill the unit direction from the camera to the surface."""
    for i in range(count):
        per = _ONE / np.sqrt(x[i] * x[i] + y * y + _ONE)
        at[_V + i] = x[i] * per
        at[_V + _PART + i] = y * per
        at[_V + 2 * _PART + i] = per


@compiled
def _reflect(at, count, turn):
    """Fill how much surfaces face the camera, and the mirrored direction in environment axes."""
    t00, t01, t02 = turn[0, 0], turn[0, 1], turn[0, 2]
    t10, t11, t12 = turn[1, 0], turn[1, 1], turn[1, 2]
    t20, t21, t22 = turn[2, 0], turn[2, 1], turn[2, 2]
    for i in range(count):
        n0, n1, n2 = at[_N + i], at[_N + _PART + i], at[_N + 2 * _PART + i]
        v0, v1, v2 = at[_V + i], at[_V + _PART + i], at[_V + 2 * _PART + i]
        facing = max(-(n0 * v0 + n1 * v1 + n2 * v2), np.float32(0.05))
        m0, m1, m2 = v0 + _TWO * facing * n0, v1 + _TWO * facing * n1, v2 + _TWO * facing * n2
        at[_FACING + i] = facing
        at[_E + i] = t00 * m0 + t01 * m1 + t02 * m2
        at[_E + _PART + i] = t10 * m0 + t11 * m1 + t12 * m2
        at[_E + 2 * _PART + i] = t20 * m0 + t21 * m1 + t22 * m2


@compiled
def _respond(at, count):
    """Fill what depends on roughness and angle alone; metal becomes the share of the body.

    Karis' fit of the coat's response to even light is F0 bend + slope. Where crevices close,
    reflections go first (Lagarde and de Rousiers 2014).
    """
    for i in range(count):
        rough, facing, visible = at[_ROUGH + i], at[_FACING + i], at[_OPEN + i]
        x = _ONE - rough
        a = min(x * x, _falling(np.float32(6.4324) * facing)) * x
        a += np.float32(0.0425) - np.float32(0.0275) * rough
        at[_BEND + i] = np.float32(-1.04) * a + np.float32(1.04) - np.float32(0.572) * rough
        at[_SLOPE + i] = np.float32(1.04) * a + np.float32(0.022) * rough - np.float32(0.04)
        away = _ONE - facing
        graze = away * away * away * away * away
        # Burley's diffuse term, averaged over light from the whole hemisphere.
        extra = rough * (_ONE + np.float32(0.667) * facing) - _HALF
        at[_RETRO + i] = (_ONE + extra * graze) * (_ONE + extra * np.float32(0.0476))
        at[_GRAZE + i] = graze
        still = facing + visible
        at[_STILL + i] = min(max(still * still - _ONE + visible, _ZERO), _ONE)
        at[_BLUR + i] = min(max((rough - _BLUR_FROM) * _BLUR_OVER, _ZERO), _ONE)
        at[_BODY + i] = _ONE - at[_BODY + i]


@compiled
def _falling(x):
    """Return exp(-x) for x in [0, 6.5] within 1e-4, as the sixteenth power of a short series."""
    x = np.float32(0.2) - x * np.float32(1 / 16)
    y = _ONE + x * (_ONE + x * (_HALF + x * (np.float32(1 / 6) + x * np.float32(1 / 24))))
    y *= np.float32(math.exp(-0.2))
    y *= y
    y *= y
    y *= y
    return y * y


@compiled
def _place(at, count, levels, size):
    """Fill where a direction is on the octahedral map, and which level of roughness, in pixels."""
    half_size = np.float32((size - 2) * 0.5)
    last = levels.shape[0] - 2
    for i in range(count):
        e0, e1, e2 = at[_E + i], at[_E + _PART + i], at[_E + 2 * _PART + i]
        scale = _ONE / max(abs(e0) + abs(e1) + abs(e2), np.float32(1e-9))
        u, v = e0 * scale, e2 * scale
        folded_u = (_ONE - abs(v)) * (_ONE if u >= _ZERO else -_ONE)
        folded_v = (_ONE - abs(u)) * (_ONE if v >= _ZERO else -_ONE)
        below = e1 < _ZERO
        at[_U + i] = ((folded_u if below else u) + _ONE) * half_size + _HALF
        at[_W + i] = ((folded_v if below else v) + _ONE) * half_size + _HALF
        at[_LEVEL + i] = _ZERO
    for k in range(last + 1):
        low, per = levels[k], _ONE / (levels[k + 1] - levels[k])
        for i in range(count):
            at[_LEVEL + i] += min(max((at[_ROUGH + i] - low) * per, _ZERO), _ONE)
    # The last level is the end of the way from the one before.
    for i in range(count):
        at[_LEVEL + i] = min(at[_LEVEL + i], np.float32(last) + np.float32(0.99999))


@compiled
def _look_up(at, each, count, glossy, side, known):
    """Fill what a surface reflects from a direction; for the roughest ones only probes count."""
    for i in range(count):
        if known and at[_BLUR + i] >= _ONE:
            for c in range(3):
                each[c * _OWN + _R + i] = _ZERO
            continue
        u, v, level = at[_U + i], at[_W + i], at[_LEVEL + i]
        x, y, k = np.int64(u), np.int64(v), np.int64(level)
        fu, fv, mix = u - np.float32(x), v - np.float32(y), level - np.float32(k)
        b, d = fu * (_ONE - fv), fu * fv
        a, g = _ONE - fv - b, fv - d
        # Four texels of the lower level, and as many of the higher one.
        p = np.uint64(3 * ((k * side + y) * side + x))
        q = p + np.uint64(3 * side)
        r = p + np.uint64(3 * side * side)
        s = r + np.uint64(3 * side)
        for c in range(3):
            m, n = np.uint64(c), np.uint64(c + 3)
            low = a * glossy[p + m] + b * glossy[p + n] + g * glossy[q + m] + d * glossy[q + n]
            high = a * glossy[r + m] + b * glossy[r + n] + g * glossy[s + m] + d * glossy[s + n]
            each[c * _OWN + _R + i] = low + mix * (high - low)


@compiled
def _blend(at, own, count, harmonics, around, ahead, sky):
    """Fill the light around, and what is reflected: the sky as sharp as it is, bounces as known.

    The environment's radiance that probes hold is subtracted, as blurred as they hold it
    (probes.WINDOW).
    """
    h0, h6 = np.float32(0.282095) * harmonics[0], np.float32(1.6 * 0.315392) * harmonics[6]
    h1, h2, h3 = _FIRST * harmonics[1], _FIRST * harmonics[2], _FIRST * harmonics[3]
    h4, h5, h7 = _SECOND * harmonics[4], _SECOND * harmonics[5], _SECOND * harmonics[7]
    h8 = np.float32(1.6 * 0.546274) * harmonics[8]
    for i in range(count):
        x, y, z = at[_E + i], at[_E + _PART + i], at[_E + 2 * _PART + i]
        far = h0 + y * h1 + z * h2 + x * h3 + x * y * h4 + y * z * h5 + x * z * h7
        far += (np.float32(3) * z * z - _ONE) * h6 + (x * x - y * y) * h8
        share, met = min(sky[i], _ONE), ahead[i]
        sharp = own[_R + i] * share + max(met - share * max(far, _ZERO), _ZERO)
        own[_R + i] = sharp + at[_BLUR + i] * (met - sharp)
        own[_S + i] = around[i]


@compiled
def _even_light(at, own, count, harmonics, turn):
    """Fill the environment's irradiance / pi along the normal."""
    t00, t01, t02 = turn[0, 0], turn[0, 1], turn[0, 2]
    t10, t11, t12 = turn[1, 0], turn[1, 1], turn[1, 2]
    t20, t21, t22 = turn[2, 0], turn[2, 1], turn[2, 2]
    h0, h1, h2, h3, h4, h5, h6, h7, h8 = (
        harmonics[0], harmonics[1], harmonics[2], harmonics[3], harmonics[4],
        harmonics[5], harmonics[6], harmonics[7], harmonics[8],
    )  # fmt: skip
    for i in range(count):
        n0, n1, n2 = at[_N + i], at[_N + _PART + i], at[_N + 2 * _PART + i]
        x = t00 * n0 + t01 * n1 + t02 * n2
        y = t10 * n0 + t11 * n1 + t12 * n2
        z = t20 * n0 + t21 * n1 + t22 * n2
        light = np.float32(0.282095) * h0 + np.float32(0.488603) * (y * h1 + z * h2 + x * h3)
        light += np.float32(1.092548) * (x * y * h4 + y * z * h5 + x * z * h7)
        light += np.float32(0.315392) * (np.float32(3) * z * z - _ONE) * h6
        light += np.float32(0.546274) * (x * x - y * y) * h8
        own[_S + i] = max(light, np.float32(1e-3))


@compiled
def _scatter(at, own, count, specular, kept):
    """Turn the light around into what is scattered, and fill what is mirrored and its share.

    Crevices are brightened by what bounces in them (Jimenez et al. 2016, eq. 10).
    """
    for i in range(count):
        base, body, visible = own[_A + i], at[_BODY + i], at[_OPEN + i]
        p = np.float32(2.0404) * base - np.float32(0.3324)
        q = np.float32(-4.7951) * base + np.float32(0.6417)
        r = np.float32(2.7552) * base + np.float32(0.6903)
        bounced = max(visible, ((visible * p + q) * visible + r) * visible)
        own[_S + i] *= base * body * at[_RETRO + i] * bounced
        f0 = _COAT * specular * body + base * (_ONE - body)
        own[_G + i] = max(f0 * at[_BEND + i] + at[_SLOPE + i] * kept, _ZERO)
        own[_R + i] *= at[_STILL + i]


@compiled
def _face(at, count, ways, number, shadow):
    """Fill the mean cosine towards a sun, its visible share, and Burley's diffuse term.

    Ways below the horizon count as dark in the shadow, and not at all in the cosine.
    """
    for i in range(count):
        at[_COSINE + i] = _ZERO
        at[_LIT + i] = _ZERO
    for s in range(number):
        x, y, z = ways[s, 0], ways[s, 1], ways[s, 2]
        for i in range(count):
            dot = at[_N + i] * x + at[_N + _PART + i] * y + at[_N + 2 * _PART + i] * z
            at[_COSINE + i] += max(dot, _ZERO)
            at[_LIT + i] += _ONE if dot > _ZERO else _ZERO
    per, all_of = _ONE / np.float32(number), np.float32(number)
    x, y, z = ways[0, 0], ways[0, 1], ways[0, 2]
    for i in range(count):
        at[_SEEN + i] = min(shadow[i] * all_of / max(at[_LIT + i], _ONE), _ONE)
        at[_COSINE + i] *= per
        along = x * at[_V + i] + y * at[_V + _PART + i] + z * at[_V + 2 * _PART + i]
        extra = at[_ROUGH + i] * (_ONE - along) - _HALF
        away = max(_ONE - at[_COSINE + i], _ZERO)
        away = away * away * away * away * away
        at[_LIT + i] = (_ONE + extra * at[_GRAZE + i]) * (_ONE + extra * away) / _PI


@compiled
def _highlight(at, count, lobes, number, spread, known):
    """Fill what a GGX lobe returns of a sun, plain and weighted by Schlick's Fresnel term.

    The lobe is D G / (4 n.v), averaged over `lobes`. A large light is reflected by the map, but
    rough surfaces do not use the map where probes give their reflections, which hold no suns:
    these get parts of it as lobes whose alpha is larger by `spread`.
    """
    for i in range(count):
        at[_LOBE + i] = _ZERO
        at[_FRESNEL + i] = _ZERO
    if spread > _ZERO and not known:
        return
    per_lobe = _ONE / np.float32(number)
    for s in range(number):
        s0, s1, s2 = lobes[s, 0], lobes[s, 1], lobes[s, 2]
        for i in range(count):
            n0, n1, n2 = at[_N + i], at[_N + _PART + i], at[_N + 2 * _PART + i]
            v0, v1, v2 = at[_V + i], at[_V + _PART + i], at[_V + 2 * _PART + i]
            # The half vector of unit vectors s and -v needs no length of its own.
            turn = _ONE - (s0 * v0 + s1 * v1 + s2 * v2)
            square = _TWO * max(turn, np.float32(1e-6))
            facing, cosine = at[_FACING + i], max(n0 * s0 + n1 * s1 + n2 * s2, _ZERO)
            along = cosine + facing
            away = _ONE - np.sqrt(_HALF * max(turn, _ZERO))
            alpha = max(at[_ROUGH + i], np.float32(0.1))
            alpha = alpha * alpha + spread
            width, k = alpha * alpha, alpha * _HALF
            bell = along * along * (width - _ONE) + square
            masks = (facing * (_ONE - k) + k) * (cosine * (_ONE - k) + k)
            lobe = width * square * square
            lobe /= _PI * bell * bell * (masks * np.float32(4) + np.float32(1e-6))
            share = at[_BLUR + i] if spread > _ZERO else _ONE
            lobe = min(lobe, _BRIGHTEST) * cosine * share * per_lobe
            at[_LOBE + i] += lobe
            at[_FRESNEL + i] += lobe * away * away * away * away * away


@compiled
def _shine(at, own, count, sun, specular, kept):
    """Add what a channel of a sun gives."""
    for i in range(count):
        base, body = own[_A + i], at[_BODY + i]
        f0 = _COAT * specular * body + base * (_ONE - body)
        coat = f0 * at[_LOBE + i] + (_ONE - f0) * at[_FRESNEL + i] * kept
        diffuse = base * body * at[_LIT + i] * at[_COSINE + i]
        own[_S + i] += sun * at[_SEEN + i] * (diffuse + coat)
