"""Compiled loops of the weather: the veil, wet and snowy surfaces, and what falls through the air.

Everything random is a hash of integer coordinates, so it depends on no window and no order.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

PERIOD = 32  # a power of 2; cells after which the table of noise repeats
OCTAVES = 4
_SPREAD = 0.185  # deviation of one octave: uniform values, faded between eight corners
_FINER = 2.03  # not 2, so that the corners of octaves never meet
_KEEP = 0.55  # how much weaker each octave is
_INVERSE_SQUARED = 1 / 1.33**2  # refractive index of water
_DIFFUSE_MIRROR = 0.066  # share of diffuse light that a water surface reflects outside

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S11, _S22, _S27, _S30, _S31, _S43 = (np.uint64(s) for s in (11, 22, 27, 30, 31, 43))
_LOW = np.uint64((1 << 21) - 1)
_UNIT = 1.0 / (1 << 21)
_2, _3 = np.float32(2), np.float32(3)

_WATER_PATCH, _SNOW_PATCH = 2.6, 0.9  # metres, the wavelength of the coarsest noise
_GRAIN = 0.11  # metres, of the bumps of lying snow
_FILM_GLOSS = 0.5  # share of its roughness that a surface keeps under a film of water
_SNOW_ALBEDO, _SNOW_ROUGHNESS = 0.85, 0.9


@compiled
def veil(linear, depth, behind, pinhole, extinction, airlight):
    """Return L t + A (1 - t) [h w 3], t = exp(-extinction distance) along each pixel's ray."""
    height, width = depth.shape
    out = np.empty((height, width, 3), np.float32)
    fx, fy, cx, cy = pinhole
    a0, a1, a2 = np.float32(airlight[0]), np.float32(airlight[1]), np.float32(airlight[2])
    for row in range(height):
        y = (row + 0.5 - cy) / fy
        for column in range(width):
            x = (column + 0.5 - cx) / fx
            t = np.float32(0)
            if not behind[row, column] and depth[row, column] < np.inf:
                metres = depth[row, column] * math.sqrt(1 + x * x + y * y)
                t = np.exp(np.float32(-extinction * metres))
            out[row, column, 0] = a0 + (linear[row, column, 0] - a0) * t
            out[row, column, 1] = a1 + (linear[row, column, 1] - a1) * t
            out[row, column, 2] = a2 + (linear[row, column, 2] - a2) * t
    return out


@compiled
def _step(low, high, x):
    """Return 0 below `low`, 1 above `high`, and a smooth cubic between."""
    x = min(max((x - low) / (high - low), 0.0), 1.0)
    return x * x * (3 - 2 * x)


@compiled
def _octave(table, x, y, z, channel):
    """Return the table's value at a point, interpolated between its eight corners, around 0."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    sx, sy, sz = np.float32(x - i), np.float32(y - j), np.float32(z - k)
    sx, sy, sz = sx * sx * (_3 - _2 * sx), sy * sy * (_3 - _2 * sy), sz * sz * (_3 - _2 * sz)
    i, j, k = i & (PERIOD - 1), j & (PERIOD - 1), k & (PERIOD - 1)
    i1, j1, k1 = (i + 1) & (PERIOD - 1), (j + 1) & (PERIOD - 1), (k + 1) & (PERIOD - 1)
    values = table[channel]
    edge = values[i, j, k] + (values[i, j, k1] - values[i, j, k]) * sz
    edge += (values[i, j1, k] + (values[i, j1, k1] - values[i, j1, k]) * sz - edge) * sy
    far = values[i1, j, k] + (values[i1, j, k1] - values[i1, j, k]) * sz
    far += (values[i1, j1, k] + (values[i1, j1, k1] - values[i1, j1, k]) * sz - far) * sy
    return edge + (far - edge) * sx - np.float32(0.5)


@compiled
def fractal(table, x, y, z, footprint):
    """Return fractal noise, uniform over [0, 1], and how much of it a pixel can resolve.

    One unit is the wavelength of the first octave; `footprint` is the pixel's size in it. Octaves
    finer than a pixel fade, and the rest is rescaled, so that shares of an area keep their size.
    """
    # Turned, so that no level plane follows the table's axes.
    x, y, z = (
        0.676 * x - 0.634 * y + 0.376 * z + 7.3,
        0.729 * x + 0.504 * y - 0.463 * z + 3.1,
        0.104 * x + 0.587 * y + 0.803 * z + 5.7,
    )
    total, power, weight, resolved = 0.0, 1e-9, 1.0, 0.0
    for octave in range(OCTAVES):
        seen = 2.0 - 4.0 * footprint
        if seen <= 0:
            break
        w = weight * min(seen, 1.0)
        total += w * _octave(table, x, y, z, 0)
        power += w * w
        if octave == 0:
            resolved = min(seen, 1.0)
        x, y, z = y * _FINER + 11.7, z * _FINER + 4.9, x * _FINER + 19.3
        weight *= _KEEP
        footprint *= _FINER
    # The logistic curve stands for the normal one that a sum of octaves follows.
    steep = np.float32(-1.702 / _SPREAD * total / math.sqrt(power))
    return 1 / (1 + np.exp(steep)), resolved


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
    sharp = min(max((wanted * (1 + edge) - share) / edge, 0.0), 1.0)
    return wanted + (sharp - wanted) * resolved


@compiled
def _soak(at, out, up, level, share, resolved, water):
    """Wet one pixel of `out` (albedo, normals, roughness, metal); level its normal in a puddle."""
    albedo, normals, roughness, metallic = out
    row, column = at
    wetness, puddles, puddle_roughness = water
    # Walls get less rain, and what dries does so in patches.
    rained_on = wetness * (0.6 + 0.4 * _step(0.2, 0.7, level))
    film = min(max(1.4 * rained_on - 0.4 * (0.5 + (share - 0.5) * resolved), 0.0), 1.0)
    pool = 0.0
    if puddles > 0 and level > 0.96:
        pool = _part(puddles, share, resolved, 0.06) * _step(0.96, 0.985, level)
        film = max(film, pool)
    film = np.float32(film * (1 - metallic[row, column]))
    for c in range(3):
        dry = albedo[row, column, c]
        albedo[row, column, c] = dry + (wetted(dry) - dry) * film
        if pool > 0:
            normals[row, column, c] += (up[c] - normals[row, column, c]) * pool
    rough = roughness[row, column] * (1 - (1 - _FILM_GLOSS) * film)
    roughness[row, column] = rough + (min(rough, puddle_roughness) - rough) * pool


@compiled
def _whiten(at, out, p, level, share, resolved, snow, table, footprint):
    """Lay snow on one pixel of `out` (albedo, normals, roughness, metal), and bump its normal."""
    albedo, normals, roughness, metallic = out
    row, column = at
    cover = _part(snow * _step(0.3, 0.75, level), share, resolved, 0.18)
    if cover <= 0:
        return
    seen = min(max(2.0 - 4.0 * footprint / _GRAIN, 0.0), 1.0) * cover
    white = _SNOW_ALBEDO
    if seen > 0:
        x, y, z = p[0] / _GRAIN, p[1] / _GRAIN, p[2] / _GRAIN
        for c in range(3):
            normals[row, column, c] += 0.3 * seen * _octave(table, x, y, z, c + 1)
        white += 0.06 * seen * _octave(table, x, y, z, 0)
    for c in range(3):
        albedo[row, column, c] += (white - albedo[row, column, c]) * cover
    roughness[row, column] += (_SNOW_ROUGHNESS - roughness[row, column]) * cover
    metallic[row, column] *= 1 - cover


@compiled
def _carried(anchor, x, y, z):
    """Return a camera-space point where the body that carries it rests."""
    return (
        anchor[0, 0] * x + anchor[0, 1] * y + anchor[0, 2] * z + anchor[0, 3],
        anchor[1, 0] * x + anchor[1, 1] * y + anchor[1, 2] * z + anchor[1, 3],
        anchor[2, 0] * x + anchor[2, 1] * y + anchor[2, 2] * z + anchor[2, 3],
    )


@compiled
def surfaces(
    albedo, normals, roughness, metallic, depth, behind, ids, bodies, anchors, still, pinhole, up,
    table, water, snow,
):  # fmt: skip
    """Return albedo, normals, roughness and metal of wet and snowy surfaces; see `weathered`.

    `water` is (wetness, share of level ground under puddles, roughness of a puddle).
    """
    height, width = depth.shape
    out = (albedo.copy(), normals.copy(), roughness.copy(), metallic.copy())
    fx, fy, cx, cy = pinhole
    patch = _SNOW_PATCH if snow > 0 else _WATER_PATCH
    last, body = 0, 0
    for row in range(height):
        ry = (row + 0.5 - cy) / fy
        for column in range(width):
            z = depth[row, column]
            if behind[row, column] or not 0 < z < np.inf:
                continue
            n0, n1, n2 = normals[row, column, 0], normals[row, column, 1], normals[row, column, 2]
            level = n0 * up[0] + n1 * up[1] + n2 * up[2]
            if level <= 0.2:
                if water[0] > 0:
                    _soak((row, column), out, up, level, 0.5, 0.0, water)
                continue
            if ids[row, column] != last:
                last = ids[row, column]
                found = np.searchsorted(bodies, last)
                body = found + 1 if found < len(bodies) and bodies[found] == last else 0
            rx = (column + 0.5 - cx) / fx
            p = _carried(anchors[body], rx * z, ry * z, z)
            facing = abs(n0 * rx + n1 * ry + n2) / math.sqrt(1 + rx * rx + ry * ry)
            footprint = z / (fx * math.sqrt(max(facing, 0.01)))
            share, resolved = fractal(
                table, p[0] / patch, p[1] / patch, p[2] / patch, footprint / patch
            )
            if water[0] > 0:
                pools = water[1] if still[body] else 0.0
                _soak((row, column), out, up, level, share, resolved, (water[0], pools, water[2]))
            if snow > 0:
                lying = snow if still[body] else 0.5 * snow
                _whiten((row, column), out, p, level, share, resolved, lying, table, footprint)
            n = out[1][row, column]
            if n[0] != n0 or n[1] != n1 or n[2] != n2:
                n /= np.float32(math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-9)
    return out


@compiled
def _mix(bits):
    """Scramble 64 bits (Steele, Lea and Flood, "Fast splittable generators", OOPSLA 2014)."""
    bits = (bits ^ (bits >> _S30)) * _MIX_1
    bits = (bits ^ (bits >> _S27)) * _MIX_2
    return bits ^ (bits >> _S31)


@compiled
def _cell(seed, kind, i, j, k):
    """Return the random bits of a cell of the air."""
    bits = _mix(np.uint64(seed) + np.uint64(kind) * _GOLDEN)
    bits = _mix(bits ^ np.uint64(i))
    bits = _mix(bits ^ np.uint64(j))
    return _mix(bits ^ np.uint64(k))


@compiled
def _count(bits, floor):
    """Return a Poisson number whose mean is -log(floor), by Knuth's product of uniforms."""
    product, count = 1.0, -1
    while product > floor:
        bits = _mix(bits + _GOLDEN)
        product *= (float(bits >> _S11) + 0.5) * (1.0 / 9007199254740992.0)
        count += 1
    return count


@compiled
def _in_view(p, margin, far, slants):
    """Whether a ball of radius `margin` around the camera-space point p can be seen up to `far`."""
    if p[2] < -margin or p[2] > far + margin:
        return False
    wide_x, wide_y = math.sqrt(1 + slants[0] ** 2), math.sqrt(1 + slants[1] ** 2)
    return abs(p[0]) <= slants[0] * p[2] + wide_x * margin and (
        abs(p[1]) <= slants[1] * p[2] + wide_y * margin
    )


@compiled
def _move(pose, x, y, z, out):
    """Write a world point to `out` in the axes of the camera `pose` [3 4]."""
    for c in range(3):
        out[c] = pose[c, 0] * x + pose[c, 1] * y + pose[c, 2] * z + pose[c, 3]


@compiled
def _ends(place, velocity, moments, poses, p, q):
    """Write where a particle is when the shutter opens and closes, in camera axes."""
    for c in range(2):
        t = moments[c]
        _move(
            poses[c], place[0] + velocity[0] * t, place[1] + velocity[1] * t,
            place[2] + velocity[2] * t, q if c else p,
        )  # fmt: skip


@compiled
def _drop(bits, i, j, k, side, sway, time, out):
    """Write the place of a particle in its own air to `out`: uniform in its cell, and its sway."""
    out[0] = (i + float(bits & _LOW) * _UNIT) * side
    out[1] = (j + float((bits >> _S22) & _LOW) * _UNIT) * side
    out[2] = (k + float(bits >> _S43) * _UNIT) * side
    if sway > 0:
        bits = _mix(bits + _MIX_2)
        phase = float(bits & _LOW) * _UNIT * 2 * math.pi
        pace = 3.0 + 5.0 * float(bits >> _S43) * _UNIT
        out[0] += sway * math.sin(pace * time + phase)
        out[1] += sway * math.cos(0.8 * pace * time + 2 * phase)
        out[2] += sway * math.sin(0.9 * pace * time + 3 * phase)


@compiled
def scatter(
    kind, air, view, first, after, velocity, moments, seed, poses, pinhole, size,
):  # fmt: skip
    """Return one kind of particle in view [n 6]: both ends of the streak, depth, width; in pixels.

    `air` is (side of a cell, particles in it, diameter, sway), `view` (margin of a cell and of a
    particle, nearest, furthest), all in metres. All air of a kind moves as one; its cells from
    `first` to `after` are looked through, and each holds a Poisson number of particles: the world
    is endless and nothing repeats. `moments` are when the shutter opens and closes, `poses`
    [2 3 4] world to camera at these times.
    """
    side, mean, diameter, sway = air
    margin, spread, nearest, far = view
    seen, number = np.empty((1024, 6), np.float32), 0
    p, q, place = np.empty(3), np.empty(3), np.empty(3)
    fx, fy, cx, cy = pinhole
    slants = (max(cx, size[1] - cx) / fx, max(cy, size[0] - cy) / fy)
    time, floor = 0.5 * (moments[0] + moments[1]), math.exp(-mean)
    for i in range(first[0], after[0]):
        for j in range(first[1], after[1]):
            for k in range(first[2], after[2]):
                for c in range(3):
                    place[c] = ((i if c == 0 else (j if c == 1 else k)) + 0.5) * side
                    place[c] += velocity[c] * time
                _move(poses[0], place[0], place[1], place[2], p)
                if not _in_view(p, margin, far, slants):
                    continue
                bits = _cell(seed, kind, i, j, k)
                drops = _count(bits, floor)
                bits ^= _MIX_1
                for _ in range(drops):
                    bits = _mix(bits + _GOLDEN)
                    _drop(bits, i, j, k, side, sway, time, place)
                    _ends(place, velocity, moments, poses, p, q)
                    deep = 0.5 * (p[2] + q[2])
                    if min(p[2], q[2]) < nearest or deep > far:
                        continue
                    if not (_in_view(p, spread, far, slants) or _in_view(q, spread, far, slants)):
                        continue
                    if number == len(seen):
                        grown = np.empty((2 * number, 6), np.float32)
                        grown[:number] = seen
                        seen = grown
                    seen[number, 0], seen[number, 1] = p[0] / p[2] * fx + cx, p[1] / p[2] * fy + cy
                    seen[number, 2], seen[number, 3] = q[0] / q[2] * fx + cx, q[1] / q[2] * fy + cy
                    seen[number, 4], seen[number, 5] = deep, fx * diameter / deep
                    number += 1
    return seen[:number].copy()


@compiled
def splat(linear, depth, behind, particles, shown, extinction, airlight, blur, focus):
    """Draw particles of radiance `shown` over [h w 3]; `blur` is focal length times aperture.

    A streak covers a pixel for a part of the exposure; these parts sum to the drop's area, spread
    over the streak with the profile (1 - d^2 / r^2)^2, whose variance is that of the drop's disc,
    its defocus and the pixel together.
    """
    height, width = depth.shape
    out, colour = linear.copy(), np.empty(3)
    for particle in range(len(particles)):
        x0, y0 = particles[particle, 0] - 0.5, particles[particle, 1] - 0.5
        dx, dy = particles[particle, 2] - 0.5 - x0, particles[particle, 3] - 0.5 - y0
        z, size = particles[particle, 4], particles[particle, 5]
        circle = blur * abs(1 / z - 1 / focus)
        squared = 2.25 + 0.4375 * (size * size + circle * circle)
        r = math.sqrt(squared)
        along = dx * dx + dy * dy
        length = math.sqrt(along)
        area = 0.25 * math.pi * size * size
        peak = min(area / (length * r * 16 / 15 + squared * math.pi / 3), 1.0)
        for c in range(3):
            colour[c] = airlight[c] + (shown[c] - airlight[c]) * math.exp(-extinction * z)
        left, right = min(x0, x0 + dx) - r, max(x0, x0 + dx) + r
        top = max(math.ceil(min(y0, y0 + dy) - r), 0)
        bottom = min(math.floor(max(y0, y0 + dy) + r), height - 1)
        for row in range(top, bottom + 1):
            low, high = left, right
            if abs(dy) > 1e-3:
                middle, reach = x0 + (row - y0) * dx / dy, r * length / abs(dy)
                low, high = max(low, middle - reach), min(high, middle + reach)
            for column in range(max(math.ceil(low), 0), min(math.floor(high), width - 1) + 1):
                if z >= depth[row, column] and not behind[row, column]:
                    continue
                u, v = column - x0, row - y0
                s = min(max((u * dx + v * dy) / max(along, 1e-6), 0.0), 1.0)
                apart = 1 - ((u - s * dx) ** 2 + (v - s * dy) ** 2) / squared
                if apart <= 0:
                    continue
                alpha = peak * apart * apart
                for c in range(3):
                    out[row, column, c] += alpha * (colour[c] - out[row, column, c])
    return out
