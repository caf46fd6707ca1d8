"""Apply fog, wetness and snow to images and G-buffers in compiled loops."""

import numpy as np

from simlift.pixels._compile import compiled

PERIOD = 32  # a power of 2; cells after which the table of noise repeats
OCTAVES = 4
_SPREAD = np.float32(0.185)  # deviation of one octave: uniform values, faded between eight corners
_FINER = np.float32(2.03)  # not 2, so that the corners of octaves never meet
_KEEP = np.float32(0.55)  # how much weaker each octave is
_INVERSE_SQUARED = 1 / 1.33**2  # refractive index of water
_DIFFUSE_MIRROR = 0.066  # share of diffuse light that a water surface reflects outside

# A Python number beside a float32 makes everything after it twice as wide.
_ZERO, _HALF, _ONE, _2, _3, _4 = (np.float32(x) for x in (0, 0.5, 1, 2, 3, 4))

_WATER_PATCH, _SNOW_PATCH = (
    np.float32(2.6),
    np.float32(0.9),
)  # metres, the wavelength of the coarsest noise
_GRAIN = np.float32(0.11)  # metres, of the bumps of lying snow
_FILM_GLOSS = np.float32(0.5)  # share of its roughness that a surface keeps under a film of water
_SNOW_ALBEDO, _SNOW_ROUGHNESS = np.float32(0.85), np.float32(0.9)


@compiled
def apply_fog(linear, depth, behind, pinhole, extinction, airlight):
    """Return L t + A (1 - t) [h w 3], t = exp(-extinction distance) along each pixel's ray."""
    height, width = depth.shape
    out = np.empty((height, width, 3), np.float32)
    fx, fy, cx, cy = pinhole
    a0, a1, a2 = np.float32(airlight[0]), np.float32(airlight[1]), np.float32(airlight[2])
    across = ((np.arange(width) + 0.5 - cx) / fx).astype(np.float32)
    thick = np.float32(-extinction)
    for row in range(height):
        y = np.float32((row + 0.5 - cy) / fy)
        for column in range(width):
            x, t = across[column], _ZERO
            if not behind[row, column] and depth[row, column] < np.float32(np.inf):
                t = np.exp(thick * depth[row, column] * np.sqrt(_ONE + x * x + y * y))
            out[row, column, 0] = a0 + (linear[row, column, 0] - a0) * t
            out[row, column, 1] = a1 + (linear[row, column, 1] - a1) * t
            out[row, column, 2] = a2 + (linear[row, column, 2] - a2) * t
    return out


@compiled
def _step(low, high, x):
    """Return 0 below `low`, 1 above `high`, and a smooth cubic between."""
    x = min(max((x - np.float32(low)) / np.float32(high - low), _ZERO), _ONE)
    return x * x * (_3 - _2 * x)


@compiled
def _octave(table, x, y, z, channel):
    """Return the table's value at a point, interpolated between its eight corners, around 0."""
    i, j, k = _floor(x), _floor(y), _floor(z)
    sx, sy, sz = x - np.float32(i), y - np.float32(j), z - np.float32(k)
    sx, sy, sz = sx * sx * (_3 - _2 * sx), sy * sy * (_3 - _2 * sy), sz * sz * (_3 - _2 * sz)
    last = PERIOD - 1
    i1, j1, k1 = np.uint64((i + 1) & last), np.uint64((j + 1) & last), np.uint64((k + 1) & last)
    i, j, k = np.uint64(i & last), np.uint64(j & last), np.uint64(k & last)
    values = table[channel]
    edge = values[i, j, k] + (values[i, j, k1] - values[i, j, k]) * sz
    edge += (values[i, j1, k] + (values[i, j1, k1] - values[i, j1, k]) * sz - edge) * sy
    far = values[i1, j, k] + (values[i1, j, k1] - values[i1, j, k]) * sz
    far += (values[i1, j1, k] + (values[i1, j1, k1] - values[i1, j1, k]) * sz - far) * sy
    return edge + (far - edge) * sx - _HALF


@compiled
def _floor(x):
    whole = np.int64(x)
    return whole - (x < np.float32(whole))


@compiled
def fractal(table, x, y, z, footprint):
    """Return fractal noise, uniform over [0, 1], and how much of it a pixel can resolve.

    One unit is the wavelength of the first octave; `footprint` is the pixel's size in it. Octaves
    finer than a pixel fade, and the rest is rescaled, so that shares of an area keep their size.
    """
    # Turned, so that no level plane follows the table's axes.
    x, y, z = (
        np.float32(0.676) * x - np.float32(0.634) * y + np.float32(0.376) * z + np.float32(7.3),
        np.float32(0.729) * x + np.float32(0.504) * y - np.float32(0.463) * z + np.float32(3.1),
        np.float32(0.104) * x + np.float32(0.587) * y + np.float32(0.803) * z + np.float32(5.7),
    )
    total, power, weight, resolved = _ZERO, np.float32(1e-9), _ONE, _ZERO
    for octave in range(OCTAVES):
        seen = _2 - _4 * footprint
        if seen <= _ZERO:
            break
        w = weight * min(seen, _ONE)
        total += w * _octave(table, x, y, z, 0)
        power += w * w
        if octave == 0:
            resolved = min(seen, _ONE)
        x, y, z = (
            y * _FINER + np.float32(11.7),
            z * _FINER + np.float32(4.9),
            x * _FINER + np.float32(19.3),
        )
        weight *= _KEEP
        footprint *= _FINER
    # The logistic curve stands for the normal one that a sum of octaves follows.
    steep = np.float32(1.702) / _SPREAD * total / np.sqrt(power)
    return _ONE / (_ONE + np.exp(-steep)), resolved


@compiled
def wetted(albedo):
    """Return the albedo under a film of water, without the film's own reflection.

    Light that leaves the ground is reflected back inside the film in the share p and meets the
    ground again: (1 - R) a (1 - p) / (1 - p a), with 1 - p = (1 - R) / n^2
    (Lekner and Dorf, "Why some things are darker when wet", Applied Optics 27, 1988, eqs. 1-6).
    """
    one, entering = np.float32(1), np.float32(1 - _DIFFUSE_MIRROR)
    leaving = np.float32((1 - _DIFFUSE_MIRROR) * _INVERSE_SQUARED)
    return entering * leaving * albedo / (one - (one - leaving) * albedo)


@compiled
def _part(wanted, share, resolved, edge):
    """Return how much of a pixel is covered where noise below `wanted` is, with a soft edge."""
    edge = np.float32(edge)
    sharp = min(max((wanted * (_ONE + edge) - share) / edge, _ZERO), _ONE)
    return wanted + (sharp - wanted) * resolved


@compiled
def _soak(at, out, up, level, share, resolved, water):
    """Wet one pixel of `out` (albedo, normals, roughness, metal); level its normal in a puddle."""
    albedo, normals, roughness, metallic = out
    row, column = at
    wetness, puddles, puddle_roughness = water
    # Walls get less rain, and what dries does so in patches.
    rained_on = wetness * (np.float32(0.6) + np.float32(0.4) * _step(0.2, 0.7, level))
    dried = np.float32(0.4) * (_HALF + (share - _HALF) * resolved)
    film = min(max(np.float32(1.4) * rained_on - dried, _ZERO), _ONE)
    pool = _ZERO
    if puddles > _ZERO and level > np.float32(0.96):
        pool = _part(puddles, share, resolved, 0.06) * _step(0.96, 0.985, level)
        film = max(film, pool)
    film *= _ONE - metallic[row, column]
    for c in range(3):
        dry = albedo[row, column, c]
        albedo[row, column, c] = dry + (wetted(dry) - dry) * film
        if pool > 0:
            normals[row, column, c] += (up[c] - normals[row, column, c]) * pool
    rough = roughness[row, column] * (_ONE - (_ONE - _FILM_GLOSS) * film)
    roughness[row, column] = rough + (min(rough, puddle_roughness) - rough) * pool


@compiled
def _whiten(at, out, p, level, share, resolved, snow, table, footprint):
    """Lay snow on one pixel of `out` (albedo, normals, roughness, metal), and bump its normal."""
    albedo, normals, roughness, metallic = out
    row, column = at
    cover = _part(snow * _step(0.3, 0.75, level), share, resolved, 0.18)
    if cover <= _ZERO:
        return
    seen = min(max(_2 - _4 * footprint / _GRAIN, _ZERO), _ONE) * cover
    white = _SNOW_ALBEDO
    if seen > _ZERO:
        x, y, z = p[0] / _GRAIN, p[1] / _GRAIN, p[2] / _GRAIN
        for c in range(3):
            normals[row, column, c] += np.float32(0.3) * seen * _octave(table, x, y, z, c + 1)
        white += np.float32(0.06) * seen * _octave(table, x, y, z, 0)
    for c in range(3):
        albedo[row, column, c] += (white - albedo[row, column, c]) * cover
    roughness[row, column] += (_SNOW_ROUGHNESS - roughness[row, column]) * cover
    metallic[row, column] *= _ONE - cover


@compiled
def _carried(anchor, x, y, z):
    """Return a camera-space point where the body that carries it rests."""
    return (
        anchor[0, 0] * x + anchor[0, 1] * y + anchor[0, 2] * z + anchor[0, 3],
        anchor[1, 0] * x + anchor[1, 1] * y + anchor[1, 2] * z + anchor[1, 3],
        anchor[2, 0] * x + anchor[2, 1] * y + anchor[2, 2] * z + anchor[2, 3],
    )


@compiled
def apply_wetness_and_snow(
    albedo, normals, roughness, metallic, depth, behind, ids, bodies, anchors, still, pinhole, up,
    table, water, snow,
):  # fmt: skip
    """Return albedo, normals, roughness and metal of wet and snowy surfaces; see `atmosphere`.

    `water` is (wetness, share of level ground under puddles, roughness of a puddle).
    """
    height, width = depth.shape
    out = (albedo.copy(), normals.copy(), roughness.copy(), metallic.copy())
    fx, fy, cx, cy = pinhole
    across = ((np.arange(width) + 0.5 - cx) / fx).astype(np.float32)
    per_patch, per_fx = _ONE / (_SNOW_PATCH if snow > 0 else _WATER_PATCH), np.float32(1 / fx)
    wetness, puddles, rippled = np.float32(water[0]), np.float32(water[1]), np.float32(water[2])
    cover, n_up = np.float32(snow), up.astype(np.float32)
    last, body = 0, 0
    for row in range(height):
        ry = np.float32((row + 0.5 - cy) / fy)
        for column in range(width):
            z = depth[row, column]
            if behind[row, column] or not _ZERO < z < np.float32(np.inf):
                continue
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            level = n0 * n_up[0] + n1 * n_up[1] + n2 * n_up[2]
            if level <= np.float32(0.2):
                if wetness > _ZERO:
                    wet = (wetness, puddles, rippled)
                    _soak((row, column), out, n_up, level, _HALF, _ZERO, wet)
                continue
            if ids[row, column] != last:
                last = ids[row, column]
                found = np.searchsorted(bodies, last)
                body = found + 1 if found < len(bodies) and bodies[found] == last else 0
            rx = across[column]
            p = _carried(anchors[body], rx * z, ry * z, z)
            facing = abs(n0 * rx + n1 * ry + n2) / np.sqrt(_ONE + rx * rx + ry * ry)
            footprint = z * per_fx / np.sqrt(max(facing, np.float32(0.01)))
            share, resolved = fractal(
                table, p[0] * per_patch, p[1] * per_patch, p[2] * per_patch, footprint * per_patch
            )
            if wetness > _ZERO:
                wet = (wetness, puddles if still[body] else _ZERO, rippled)
                _soak((row, column), out, n_up, level, share, resolved, wet)
            if cover > _ZERO:
                lying = cover if still[body] else _HALF * cover
                _whiten((row, column), out, p, level, share, resolved, lying, table, footprint)
            n = out[1][row, column]
            if n[0] != n0 or n[1] != n1 or n[2] != n2:
                n /= np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + np.float32(1e-9)
    return out
