"""Scatter and draw rain drops and snowflakes in compiled loops.

Everything random is a hash of integer coordinates, so it depends on no window and no order.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S11, _S22, _S27, _S30, _S31, _S43 = (np.uint64(s) for s in (11, 22, 27, 30, 31, 43))
_LOW = np.uint64((1 << 21) - 1)
_UNIT = 1.0 / (1 << 21)


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
