"""Gather motion blur along pixel motion in compiled loops, with occlusion.

`reach` [h w 2] is half of what a pixel moves while the shutter is open, in pixels. Colour [h w 3]
is taken along a line at whole steps of its longer side, between the two pixels beside it.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

_LONGEST = np.float32(24)  # pixels; no streak reaches further to either side
_CELL = 8  # pixels that move alike share one streak, where nothing near moves otherwise
_SPAN = 4  # cells that the longest streak may cross
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_STEPS = np.float32(20)  # a depth 5 % nearer is another surface, by half
_NEAR, _FAR = np.float32(1e-3), np.float32(1e5)


@compiled
def traits(flow, depth, half):
    """Return each pixel's reach (dx, dy), log depth, and the longer side of the reach [h w 4]."""
    height, width = depth.shape
    out = np.empty((height, width, 4), np.float32)
    for y in range(height):
        for x in range(width):
            dx, dy = flow[y, x, 0] * half, flow[y, x, 1] * half
            if not (abs(dx) < _FAR and abs(dy) < _FAR):  # not seen in the next frame
                dx, dy = _ZERO, _ZERO
            longer = max(abs(dx), abs(dy))
            if longer > _LONGEST:
                dx, dy, longer = dx * _LONGEST / longer, dy * _LONGEST / longer, _LONGEST
            out[y, x, 0], out[y, x, 1], out[y, x, 3] = dx, dy, longer
            out[y, x, 2] = math.log(max(min(depth[y, x], _FAR), _NEAR))
    return out


@compiled
def fastest(pixels):
    """Return for each cell of 8 x 8 the longest reach (dx, dy) that may pass through it."""
    height, width = pixels.shape[0], pixels.shape[1]
    rows, columns = (height + _CELL - 1) // _CELL, (width + _CELL - 1) // _CELL
    inside = np.zeros((rows, columns, 3), np.float32)
    for y in range(height):
        for x in range(width):
            if pixels[y, x, 3] > inside[y // _CELL, x // _CELL, 2]:
                inside[y // _CELL, x // _CELL, 0] = pixels[y, x, 0]
                inside[y // _CELL, x // _CELL, 1] = pixels[y, x, 1]
                inside[y // _CELL, x // _CELL, 2] = pixels[y, x, 3]
    out = np.zeros((rows, columns, 2), np.float32)
    for i in range(rows):
        for j in range(columns):
            longest = _ZERO
            for v in range(max(i - _SPAN, 0), min(i + _SPAN + 1, rows)):
                for u in range(max(j - _SPAN, 0), min(j + _SPAN + 1, columns)):
                    gap = _CELL * (max(abs(v - i), abs(u - j)) - 1)
                    if inside[v, u, 2] > longest and inside[v, u, 2] > gap:
                        longest = inside[v, u, 2]
                        out[i, j, 0], out[i, j, 1] = inside[v, u, 0], inside[v, u, 1]
    return out


@compiled
def mixed(pixels, most):
    """Return for cells of 8 x 8 whether an edge of depth or motion lies within reach."""
    height, width = pixels.shape[0], pixels.shape[1]
    rows, columns = (height + _CELL - 1) // _CELL, (width + _CELL - 1) // _CELL
    edges = np.zeros((rows, columns), np.bool_)
    for y in range(height):
        for x in range(width):
            down, right = min(y + 1, height - 1), min(x + 1, width - 1)
            if _apart(pixels, y, x, down, x) or _apart(pixels, y, x, y, right):
                edges[y // _CELL, x // _CELL] = True
    out = np.zeros((rows, columns), np.bool_)
    for i in range(rows):
        for j in range(columns):
            longest = max(abs(most[i, j, 0]), abs(most[i, j, 1]))
            span = math.ceil(longest / _CELL) if longest > _HALF else 0
            for v in range(max(i - span, 0), min(i + span + 1, rows)):
                for u in range(max(j - span, 0), min(j + span + 1, columns)):
                    out[i, j] |= edges[v, u]
    return out


@compiled
def _apart(pixels, y, x, v, u):
    """Whether two neighbours differ: by a quarter of a pixel of reach, or 4 % of depth."""
    across = abs(pixels[y, x, 0] - pixels[v, u, 0])
    down = abs(pixels[y, x, 1] - pixels[v, u, 1])
    further = abs(pixels[y, x, 2] - pixels[v, u, 2])
    return max(across, down) > np.float32(0.25) or further > np.float32(0.04)


@compiled
def _spread(own, other, nearer, beside, distance):
    """Return the share of the time that another pixel's surface is over one `distance` away.

    `nearer` is by how much it is, in steps, and `beside` how far its line lies from its streak.
    """
    inverse = _ONE / other
    # Of two surfaces at one depth the faster passes over the slower.
    faster = min(np.float32(2) - np.float32(4) * own * inverse, nearer + np.float32(1.5))
    over = min(max(nearer - _HALF, faster, _ZERO), _ONE)
    # The streak of the other pixel must pass through this one.
    aligned = min(max(np.float32(1.5) - beside * inverse * distance, _ZERO), _ONE)
    return over * aligned * min(other - distance + _HALF, _ONE) * inverse * _HALF


@compiled
def _walk(sums, colour, pixels, y, x, ux, uy, reach, spreads, sees):
    """Add what lies to both sides of a pixel: [:4] is spread over it, [4:] is the rest."""
    height, width = colour.shape[0], colour.shape[1]
    own, depth = pixels[y, x, 3], pixels[y, x, 2]
    across = abs(ux) >= abs(uy)
    steps = math.ceil(reach + _HALF)
    for step in range(1 - steps, steps):
        if step == 0:
            continue
        distance = np.float32(abs(step))
        px, py = x + step * ux + _HALF, y + step * uy + _HALF
        if px < 0 or py < 0 or px >= width or py >= height:
            continue
        u, v = int(px), int(py)
        other, over, rest = pixels[v, u, 3], _ZERO, _ZERO
        nearer = (depth - pixels[v, u, 2]) * _STEPS
        if spreads and other >= _HALF and other + _HALF > distance:
            beside = abs(pixels[v, u, 0] * uy - pixels[v, u, 1] * ux)
            over = _spread(own, other, nearer, beside, distance)
        if sees and own + _HALF > distance:
            rest = min(max(np.float32(1.5) - nearer, _ZERO), _ONE)
            rest *= min(own - distance + _HALF, _ONE)
        if over + rest <= 0:
            continue
        part = np.float32(py - v if across else px - u) - _HALF
        v2 = min(max(v + (1 if part > 0 else -1), 0), height - 1) if across else v
        u2 = u if across else min(max(u + (1 if part > 0 else -1), 0), width - 1)
        part = abs(part)
        for c in range(3):
            light = colour[v, u, c] + part * (colour[v2, u2, c] - colour[v, u, c])
            sums[c] += over * light
            sums[4 + c] += rest * light
        sums[3] += over
        sums[7] += rest


@compiled
def _pixel(out, sums, colour, pixels, y, x, fx, fy):
    """Draw one pixel among others that move otherwise; (fx, fy) is the longest reach around."""
    longest = max(abs(fx), abs(fy))
    dx, dy, own = pixels[y, x, 0], pixels[y, x, 1], pixels[y, x, 3]
    sums[:] = 0
    for c in range(3):
        sums[4 + c] = colour[y, x, c]
    sums[7] = _ONE
    # One walk where the pixel moves as the fastest around it does.
    together = max(abs(fx - dx), abs(fy - dy)) <= np.float32(0.1) * longest + _HALF
    if own > _HALF:
        reach = longest if together else own
        _walk(sums, colour, pixels, y, x, dx / own, dy / own, reach, together, True)
    if not together or own <= _HALF:
        _walk(sums, colour, pixels, y, x, fx / longest, fy / longest, longest, True, False)
    cover = sums[3]
    if own <= _HALF and cover == 0:
        return
    past = max(_ONE - cover, _ZERO) / sums[7]
    inverse = _ONE / max(cover, _ONE)
    for c in range(3):
        out[y, x, c] = sums[c] * inverse + past * sums[4 + c]


@compiled
def _run(out, lines, total, y, start, size, dx, dy):
    """Draw some pixels of a row (`size` numbers from `start`) that share one reach."""
    height = lines.shape[0]
    across = abs(dx) >= abs(dy)
    own = abs(dx) if across else abs(dy)
    slope = dy / dx if across else dx / dy
    total[:size] = lines[y, start : start + size]
    weight = _ONE
    steps = math.ceil(own + _HALF)
    for step in range(1 - steps, steps):
        share = min(own - np.float32(abs(step)) + _HALF, _ONE)
        minor = step * slope
        whole = math.floor(minor)
        part = np.float32(minor - whole)
        v, v2, u, u2 = y + step, y + step, whole, whole + 1
        if across:
            v, v2, u, u2 = y + whole, y + whole + 1, step, step
        u, u2 = start + 3 * u, start + 3 * u2
        if step == 0 or v < 0 or v2 >= height:
            continue
        _add_two(total[:size], share * (_ONE - part), lines[v, u : u + size], share * part,
                 lines[v2, u2 : u2 + size])  # fmt: skip
        weight += share
    inverse = _ONE / weight
    for i in range(size):
        out[y, start + i] = total[i] * inverse


@compiled
def _add_two(total, first, one, second, two):
    for i in range(len(total)):
        total[i] += first * one[i] + second * two[i]


@compiled
def streak(colour, pixels, most, edges):
    """Return the image [h w 3] blurred along its motion while the shutter is open.

    `most` is the longest reach through each cell, `edges` where cells see a motion of their own.
    """
    height, width = colour.shape[0], colour.shape[1]
    out = colour.copy()
    lines, drawn = colour.reshape(height, 3 * width), out.reshape(height, 3 * width)
    sums, total = np.empty(8, np.float32), np.empty(3 * _CELL, np.float32)
    for y in range(height):
        for left in range(0, width, _CELL):
            fx, fy = most[y // _CELL, left // _CELL, 0], most[y // _CELL, left // _CELL, 1]
            longest = max(abs(fx), abs(fy))
            if longest <= _HALF:
                continue
            right = min(left + _CELL, width)
            outer = left < longest + _ONE or right + longest + _ONE > width
            if edges[y // _CELL, left // _CELL] or outer:
                for x in range(left, right):
                    _pixel(out, sums, colour, pixels, y, x, fx, fy)
                continue
            middle = (left + right) // 2
            dx, dy = pixels[y, middle, 0], pixels[y, middle, 1]
            if max(abs(dx), abs(dy)) > _HALF:
                size = 3 * (right - left)
                _run(drawn, lines, total, y, 3 * left, size, dx, dy)
    return out


@compiled
def rigid(depth, bodies, steps):
    """Return the flow [h w 2] of pixels under their body's step; NaN behind the camera.

    `steps` [n 3 4] take (u, v, 1, 1 / depth) to the next frame's homogeneous pixel, `bodies`
    [h w] say which of them holds. Sky turns with the camera alone.
    """
    height, width = depth.shape
    out = np.empty((height, width, 2), np.float32)
    for y in range(height):
        v = y + 0.5
        for x in range(width):
            u = x + 0.5
            sky = not depth[y, x] < _FAR
            m = steps[0 if sky else bodies[y, x]]
            inverse = 0.0 if sky else 1.0 / max(depth[y, x], _NEAR)
            w = m[2, 0] * u + m[2, 1] * v + m[2, 2] + m[2, 3] * inverse
            if w <= 1e-9:
                out[y, x, 0], out[y, x, 1] = np.nan, np.nan
                continue
            out[y, x, 0] = (m[0, 0] * u + m[0, 1] * v + m[0, 2] + m[0, 3] * inverse) / w - u
            out[y, x, 1] = (m[1, 0] * u + m[1, 1] * v + m[1, 2] + m[1, 3] * inverse) / w - v
    return out
