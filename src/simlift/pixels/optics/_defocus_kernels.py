"""Gather depth of field over circles of confusion in compiled loops, with occlusion.

Circles are signed radii in pixels, negative before the plane of focus. Every sample of a pixel is
either nearer than the pixel (its light is spread over the pixel) or of the rest (seen around and
past what is nearer). Levels are halved images, each with a border of 8 repeated pixels.
"""

import math

import numpy as np

from simlift.pixels._compile import compiled

ROWS, COLUMNS = 8, 64  # a tile: its pixels share one reach
PAD = 8  # no level looks further
_CELL = 8  # tiles and the border are whole cells
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_MARGIN = np.float32(1.5)  # circles that differ by less belong to one surface
_TWELFTH = np.float32(1 / 12)


@compiled
def _ramp(radius, low, high):
    """Return the share of a circle that the next coarser level draws."""
    return min(max((radius - low) / (high - low), _ZERO), _ONE)


@compiled
def _cells(circles):
    """Return for cells of 8 x 8 the smallest and largest circle, and the largest step."""
    height, width = circles.shape
    rows, columns = (height + _CELL - 1) // _CELL, (width + _CELL - 1) // _CELL
    out = np.empty((rows, columns, 3), np.float32)
    low, high = np.empty(width, np.float32), np.empty(width, np.float32)
    step = np.empty(width, np.float32)
    for i in range(rows):
        low[:] = circles[i * _CELL]
        high[:] = low
        step[:] = 0
        for y in range(i * _CELL, min((i + 1) * _CELL, height)):
            _extend(low, high, circles[y])
            _widen(step[: width - 1], circles[y, : width - 1], circles[y, 1:])
            _widen(step, circles[y], circles[min(y + 1, height - 1)])
        for j in range(columns):
            first, last = j * _CELL, min((j + 1) * _CELL, width)
            out[i, j, 0], out[i, j, 1] = low[first:last].min(), high[first:last].max()
            out[i, j, 2] = step[first:last].max()
    return out


@compiled
def _extend(low, high, row):
    for x in range(len(row)):
        low[x] = low[x] if low[x] < row[x] else row[x]
        high[x] = high[x] if high[x] > row[x] else row[x]


@compiled
def _widen(step, row, beside):
    for x in range(len(row)):
        apart = abs(row[x] - beside[x])
        step[x] = step[x] if step[x] > apart else apart


@compiled
def _plan(cells, top, bottom, left, right, limit):
    """Return how far the pixels of some cells reach, and how far what is nearer reaches them.

    The second is 0 where all circles around are alike.
    """
    low, high, step = np.float32(1e9), np.float32(-1e9), _ZERO
    inner_low, inner_high = low, high
    for i in range(max(top - 1, 0), min(bottom + 1, cells.shape[0])):
        for j in range(max(left - 1, 0), min(right + 1, cells.shape[1])):
            low, high = min(low, cells[i, j, 0]), max(high, cells[i, j, 1])
            step = max(step, cells[i, j, 2])
            if top <= i < bottom and left <= j < right:
                inner_low = min(inner_low, cells[i, j, 0])
                inner_high = max(inner_high, cells[i, j, 1])
    own = _ZERO
    if inner_low <= limit and inner_high >= -limit:
        own = min(max(abs(inner_low), abs(inner_high)), limit)
    widest = min(max(abs(low), abs(high)), limit)
    if step * widest <= _HALF or inner_high - low <= _HALF:
        return own, _ZERO
    nearer = _HALF
    for i in range(max(top - 1, 0), min(bottom + 1, cells.shape[0])):
        for j in range(max(left - 1, 0), min(right + 1, cells.shape[1])):
            if cells[i, j, 0] < inner_high - _HALF:
                last = min(cells[i, j, 1], inner_high - _HALF)
                nearer = max(nearer, abs(cells[i, j, 0]), abs(last))
    return own, min(nearer, limit)


@compiled
def _add(total, weight, source):
    for i in range(len(total)):
        total[i] += weight[i] * source[i]


@compiled
def _add_ring(total, here, distance, one, two, three, four):
    """Add four samples at one distance, by the share of each pixel's own circle there."""
    for i in range(len(total)):
        share = here[i] - distance
        share = share if share > _ZERO else _ZERO
        share = share if share < _ONE else _ONE
        total[i] += share * ((one[i] + two[i]) + (three[i] + four[i]))


@compiled
def _weigh_nearer(weight, here, there, light, distance):
    """Write how much light of what is nearer than a pixel is spread over it."""
    for i in range(len(here)):
        share = abs(there[i]) - distance
        share = share if share > _ZERO else _ZERO
        share = share if share < _ONE else _ONE
        nearer = here[i] - there[i] - _HALF
        nearer = nearer if nearer > _ZERO else _ZERO
        nearer = nearer if nearer < _ONE else _ONE
        share *= nearer * light[i]
        weight[4 * i] = share
        weight[4 * i + 1] = share
        weight[4 * i + 2] = share
        weight[4 * i + 3] = share


@compiled
def _weigh_rest(weight, here, there, distance):
    """Write how much a pixel sees of what is not nearer."""
    for i in range(len(here)):
        own, other = abs(here[i]), abs(there[i])
        # What is in better focus, before a blurred surface, stays within its own circle.
        held = other if other < own else own
        radius = held if there[i] < here[i] else own
        share = radius - distance
        share = share if share > _ZERO else _ZERO
        share = share if share < _ONE else _ONE
        rest = _MARGIN + there[i] - here[i]
        rest = rest if rest > _ZERO else _ZERO
        rest = rest if rest < _ONE else _ONE
        share *= rest / (radius * radius + _TWELFTH)
        weight[4 * i] = share
        weight[4 * i + 1] = share
        weight[4 * i + 2] = share
        weight[4 * i + 3] = share


@compiled
def _smooth_row(rest, here, colour, line, start, reach):
    """Sum the circles of a row of pixels whose neighbours are alike; equal distances share.

    `here` holds each radius four times, one for each number of a pixel.
    """
    size = len(rest)
    span = math.ceil(reach - _HALF)
    for i in range(size):
        rest[i] = colour[line, start + i]
    for dy in range(span + 1):
        above, below = colour[line - dy], colour[line + dy]
        # A quarter of the circle, turned: each sample stands for its four turns.
        for dx in range(1, span + 1):
            distance = np.float32(math.sqrt(dx * dx + dy * dy)) - _HALF
            if distance >= reach:
                break
            left, right = start - 4 * dx, start + 4 * dx
            if dy > 0:
                one, two = above[left : left + size], above[right : right + size]
                three, four = below[left : left + size], below[right : right + size]
            else:
                one, two = above[left : left + size], above[right : right + size]
                three = colour[line - dx, start : start + size]
                four = colour[line + dx, start : start + size]
            _add_ring(rest, here, distance, one, two, three, four)


@compiled
def _mixed_row(over, rest, weight, here, colour, circles, light, line, start, own, nearest):
    """Sum over a row of pixels what is spread over them, and the rest."""
    count = len(here)
    span = math.ceil(max(own, nearest) - _HALF)
    for dy in range(-span, span + 1):
        for dx in range(-span, span + 1):
            distance = np.float32(math.sqrt(dx * dx + dy * dy)) - _HALF
            first = start + dx
            if distance < max(own, nearest):
                there = circles[line + dy, first : first + count]
                source = colour[line + dy, 4 * first : 4 * (first + count)]
                if distance < own:
                    _weigh_rest(weight, here, there, distance)
                    _add(rest, weight, source)
                if distance < nearest:
                    _weigh_nearer(
                        weight, here, there, light[line + dy, first : first + count], distance
                    )
                    _add(over, weight, source)


@compiled
def draw(colour, circles, light, limit, low, high, spread_below, seen_below, circles_below, last):
    """Return what is spread over each pixel, light and coverage, and what is seen past it.

    The second has a last number of 1, or of 0 where the pixel's circle is above `limit` and a
    coarser level draws it. `_below` is that level, drawn; where it is empty this is the coarsest.
    The `last` level returns the picture [h w 3] in place of both.
    """
    height, width = circles.shape[0] - 2 * PAD, circles.shape[1] - 2 * PAD
    spread = np.zeros((0 if last else height, width, 4), np.float32)
    seen = np.zeros((height, width, 3 if last else 4), np.float32)
    cells = _cells(circles)
    lines = colour.reshape(colour.shape[0], colour.shape[1] * 4)
    here4 = np.empty(4 * COLUMNS, np.float32)
    over, rest = np.empty(4 * COLUMNS, np.float32), np.empty(4 * COLUMNS, np.float32)
    below = seen_below.shape[0] > 0
    # Halving averages circles that differ by less than the margin.
    least = _ZERO if last else _HALF * (low - _MARGIN)
    for top in range(0, height, ROWS):
        bottom = min(top + ROWS, height)
        for left in range(0, width, COLUMNS):
            right = min(left + COLUMNS, width)
            size = 4 * (right - left)
            own, nearer = _plan(
                cells, (top + PAD) // _CELL, (bottom + PAD + _CELL - 1) // _CELL,
                (left + PAD) // _CELL, (right + PAD + _CELL - 1) // _CELL, limit,
            )  # fmt: skip
            for y in range(top, bottom):
                here = circles[y + PAD, left + PAD : right + PAD]
                start = 4 * (left + PAD)
                over[:] = 0
                if max(own, nearer) <= _HALF:
                    rest[:size] = lines[y + PAD, start : start + size]
                elif nearer == 0:
                    for i in range(size):
                        here4[i] = abs(here[i // 4])
                    _smooth_row(rest[:size], here4[:size], lines, y + PAD, start, own)
                else:
                    rest[:] = 0
                    _mixed_row(
                        over[:size], rest[:size], here4, here, lines, circles, light,
                        y + PAD, left + PAD, own, nearer,
                    )  # fmt: skip
                _keep_sharp(rest[:size], here, lines[y + PAD, start : start + size])
                _normalise(rest[:size], here, least, limit)
                if below:
                    _merge_row(
                        over, rest, here, y, left, spread_below, seen_below, circles_below,
                        low, high,
                    )  # fmt: skip
                if last:
                    _finish_row(seen[y, left:right], over, rest)
                else:
                    for i in range(right - left):
                        for c in range(4):
                            spread[y, left + i, c] = over[4 * i + c]
                            seen[y, left + i, c] = rest[4 * i + c]
    return spread, seen


@compiled
def _keep_sharp(rest, here, line):
    """Take a circle of one pixel as it is: sums would round it."""
    for i in range(len(here)):
        if abs(here[i]) <= _HALF:
            for c in range(4):
                rest[4 * i + c] = line[4 * i + c]


@compiled
def _normalise(rest, here, least, limit):
    """Divide colours by their weight, and write whether this level draws such circles."""
    for i in range(len(here)):
        weight = rest[4 * i + 3]
        if weight != _ONE:
            inverse = _ONE / weight
            rest[4 * i] *= inverse
            rest[4 * i + 1] *= inverse
            rest[4 * i + 2] *= inverse
        rest[4 * i + 3] = _ONE if least <= abs(here[i]) <= limit else _ZERO


@compiled
def _merge_row(over, rest, here, y, left, spread, seen, circles, low, high):
    """Add a coarser level to a row, from those of its pixels that are blurred alike."""
    rows, columns = seen.shape[0], seen.shape[1]
    weights = np.empty(4, np.float32)
    i = y // 2
    i2 = min(max(i + (1 if y % 2 else -1), 0), rows - 1)
    for k in range(len(here)):
        x = left + k
        j = x // 2
        j2 = min(max(j + (1 if x % 2 else -1), 0), columns - 1)
        covered = spread[i, j, 3] + spread[i, j2, 3] + spread[i2, j, 3] + spread[i2, j2, 3] > 0
        share = _ramp(abs(here[k]), low, high)
        if not covered and share == 0:
            continue
        _alike(weights, circles, here[k] * _HALF, i + PAD, i2 + PAD, j + PAD, j2 + PAD)
        if covered:
            for c in range(4):
                over[4 * k + c] += (
                    weights[0] * spread[i, j, c] + weights[1] * spread[i, j2, c]
                    + weights[2] * spread[i2, j, c] + weights[3] * spread[i2, j2, c]
                )  # fmt: skip
        weights[0] *= seen[i, j, 3]
        weights[1] *= seen[i, j2, 3]
        weights[2] *= seen[i2, j, 3]
        weights[3] *= seen[i2, j2, 3]
        total = weights[0] + weights[1] + weights[2] + weights[3]
        if share == 0 or total == 0:
            continue
        share = share if rest[4 * k + 3] > 0 else _ONE
        inverse = _ONE / total
        for c in range(4):
            coarse = (
                weights[0] * seen[i, j, c] + weights[1] * seen[i, j2, c]
                + weights[2] * seen[i2, j, c] + weights[3] * seen[i2, j2, c]
            )  # fmt: skip
            rest[4 * k + c] += share * (coarse * inverse - rest[4 * k + c])


@compiled
def _alike(weights, coarse, circle, i, i2, j, j2):
    """Write the weights of four coarse pixels: bilinear, less where they are blurred otherwise."""
    a, b = coarse[i, j] - circle, coarse[i, j2] - circle
    c, d = coarse[i2, j] - circle, coarse[i2, j2] - circle
    a, b, c, d = a * a, b * b, c * c, d * d
    weights[0], weights[1] = np.float32(0.5625), np.float32(0.1875)
    weights[2], weights[3] = np.float32(0.1875), np.float32(0.0625)
    if max(max(a, b), max(c, d)) < np.float32(0.01):
        return
    weights[0] /= a + np.float32(0.02)
    weights[1] /= b + np.float32(0.02)
    weights[2] /= c + np.float32(0.02)
    weights[3] /= d + np.float32(0.02)
    inverse = _ONE / (weights[0] + weights[1] + weights[2] + weights[3])
    for k in range(4):
        weights[k] *= inverse


@compiled
def _finish_row(out, over, rest):
    """Write the picture: what is spread over each pixel, over what is seen past it."""
    for i in range(len(out)):
        cover = over[4 * i + 3]
        past = max(_ONE - cover, _ZERO)
        inverse = _ONE / max(cover, _ONE)
        for c in range(3):
            out[i, c] = over[4 * i + c] * inverse + past * rest[4 * i + c]
