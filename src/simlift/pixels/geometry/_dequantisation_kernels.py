"""Fit planes to coded inverse depth in windows of many sizes, and blend them, in compiled loops.

A window of a level is twice as wide as the step between windows, which doubles from level to level:
windows overlap by half, and four of them cover a pixel. What a window knows of its pixels are sums
(`_SUMS`), in float64, so that those of larger windows are the sums of smaller ones. Sums are kept
apart by id, for the ids with most pixels (`SLOTS`); others are served by smaller windows.
"""

import numpy as np

from simlift.pixels._compile import compiled

CELL = 4  # pixels, the step between the smallest windows
SLOTS = 4  # ids of a cell or window that have a plane of their own
_SUMS = 11  # 1, x, y, xx, xy, yy, q, xq, yq, qq, variance of the codes
_PLANE = 4  # inverse depth at the pixel (0, 0), its slopes across and down, trust
_NOBODY = np.int32(-2147483648)

_ZERO, _HALF = np.float32(0), np.float32(0.5)
_ONE, _TWO = np.float32(1), np.float32(2)
_LEAST, _LARGEST = np.float32(1e-12), np.float32(1e12)  # inverse depth, 1/m
_TRUSTED = np.float32(0.02)  # trust below which a plane is not asked
_DECIDED = np.float32(0.99)  # how far a pixel is known when no smaller window is asked
_FEWEST = 6.0  # pixels of a window that a plane is fitted to
_SLACK = np.float32(0.2)  # share of a step by which the surfaces at its sides may go on
_SURE = np.float32(4)  # a quarter of the windows around a pixel are enough to decide it


@compiled
def gather(inverse, step, ids):
    """Return the sums of cells of CELL x CELL pixels [rows columns slots sums], and their ids.

    Where inverse depth is 0 there is no surface.
    """
    height, width = inverse.shape
    rows, columns = (height + CELL - 1) // CELL, (width + CELL - 1) // CELL
    out = np.zeros((rows, columns, SLOTS, _SUMS), np.float64)
    own = np.full((rows, columns, SLOTS), _NOBODY, np.int32)
    for row in range(rows):
        for column in range(columns):
            names, cell = own[row, column], out[row, column]
            for i in range(row * CELL, min((row + 1) * CELL, height)):
                for j in range(column * CELL, min((column + 1) * CELL, width)):
                    q = np.float64(inverse[i, j])
                    if q <= 0:
                        continue
                    k = 0
                    while k < SLOTS and names[k] != _NOBODY and names[k] != ids[i, j]:
                        k += 1
                    if k == SLOTS:
                        continue
                    names[k] = ids[i, j]
                    x, y = np.float64(j), np.float64(i)
                    sums = cell[k]
                    sums[0] += 1
                    sums[1] += x
                    sums[2] += y
                    sums[3] += x * x
                    sums[4] += x * y
                    sums[5] += y * y
                    sums[6] += q
                    sums[7] += x * q
                    sums[8] += y * q
                    sums[9] += q * q
                    sums[10] += np.float64(step[i, j]) ** 2 / 12
    return out, own


@compiled
def _collect(cells, own, top, left, sums, names):
    """Sum 2 x 2 cells from (top, left) by id into `sums` and `names`; return how many there are."""
    count = 0
    for r in range(max(top, 0), min(top + 2, cells.shape[0])):
        for c in range(max(left, 0), min(left + 2, cells.shape[1])):
            for slot in range(SLOTS):
                name = own[r, c, slot]
                if name == _NOBODY:
                    break
                k = 0
                while k < count and names[k] != name:
                    k += 1
                if k == count:
                    names[k], count = name, count + 1
                    sums[k, :] = 0
                for m in range(_SUMS):
                    sums[k, m] += cells[r, c, slot, m]
    # The ids with most pixels first.
    for k in range(min(SLOTS, count)):
        best = k
        for m in range(k + 1, count):
            if sums[m, 0] > sums[best, 0]:
                best = m
        if best != k:
            names[k], names[best] = names[best], names[k]
            for m in range(_SUMS):
                sums[k, m], sums[best, m] = sums[best, m], sums[k, m]
    return min(count, SLOTS)


@compiled
def merge(cells, own):
    """Return the sums and ids of cells twice as wide."""
    rows, columns = (cells.shape[0] + 1) // 2, (cells.shape[1] + 1) // 2
    out = np.zeros((rows, columns, SLOTS, _SUMS), np.float64)
    whose = np.full((rows, columns, SLOTS), _NOBODY, np.int32)
    sums, names = np.empty((4 * SLOTS, _SUMS), np.float64), np.empty(4 * SLOTS, np.int32)
    for row in range(rows):
        for column in range(columns):
            count = _collect(cells, own, 2 * row, 2 * column, sums, names)
            for k in range(count):
                whose[row, column, k] = names[k]
                out[row, column, k, :] = sums[k]
    return out, whose


@compiled
def fit(cells, own, noise):
    """Return the planes of the windows of 2 x 2 cells [rows + 1, columns + 1, slots, plane], ids.

    The window (r, c) has cell (r, c) at its lower right. Its trust falls from 1 to 0 where the
    residual exceeds that of codes on a plane, whose variance is `noise` times that of rounding.
    """
    rows, columns = cells.shape[0], cells.shape[1]
    out = np.zeros((rows + 1, columns + 1, SLOTS, _PLANE), np.float32)
    whose = np.full((rows + 1, columns + 1, SLOTS), _NOBODY, np.int32)
    sums, names = np.empty((4 * SLOTS, _SUMS), np.float64), np.empty(4 * SLOTS, np.int32)
    for row in range(rows + 1):
        for column in range(columns + 1):
            count = _collect(cells, own, row - 1, column - 1, sums, names)
            for k in range(count):
                whose[row, column, k] = names[k]
                _plane(sums[k], noise, out[row, column, k])
    return out, whose


@compiled
def _plane(total, noise, plane):
    n = total[0]
    if n < _FEWEST:
        return
    x, y, q = total[1] / n, total[2] / n, total[6] / n
    xx, xy, yy = total[3] / n - x * x, total[4] / n - x * y, total[5] / n - y * y
    xq, yq, qq = total[7] / n - x * q, total[8] / n - y * q, total[9] / n - q * q
    determinant = xx * yy - xy * xy
    if determinant < 1e-3 * (xx + yy) ** 2:
        return
    a, b = (yy * xq - xy * yq) / determinant, (xx * yq - xy * xq) / determinant
    residual = max(qq - a * xq - b * yq, 0.0) / (noise * total[10] / n)
    plane[0] = q - a * x - b * y
    plane[1], plane[2] = a, b
    plane[3] = 1 / (1 + residual**6)


@compiled
def blend(inverse, step, ids, known, done, planes, whose, size, tolerance):
    """Add what the planes of one level say of each pixel to `done`, where `known` is not yet 1.

    Levels come from the largest windows to the smallest: the largest that agrees with a pixel
    decides it. Planes are continued beyond their windows, so that pixels beside an edge have one
    too, and count for a pixel of their id only where they pass within `tolerance` widths of its
    own code.
    """
    height, width = inverse.shape
    rows, columns = planes.shape[0], planes.shape[1]
    # Blocks lie around the windows' centres: the same nine windows speak of all their pixels.
    down, across = _splines(height, size), _splines(width, size)
    weight, total = np.empty(size, np.float32), np.empty(size, np.float32)
    sharp = np.empty(size, np.float32)
    near = np.empty((9 * SLOTS, 3), np.int64)
    for r in range(rows):
        top, bottom = max(r * size - size // 2, 0), min(r * size + size - size // 2, height)
        for c in range(columns):
            left, right = max(c * size - size // 2, 0), min(c * size + size - size // 2, width)
            if not _undecided(known, top, bottom, left, right):
                continue
            count = 0
            for i in range(max(r - 1, 0), min(r + 2, rows)):
                for j in range(max(c - 1, 0), min(c + 2, columns)):
                    for slot in range(SLOTS):
                        if planes[i, j, slot, 3] > _TRUSTED:
                            near[count, 0], near[count, 1], near[count, 2] = i, j, slot
                            count += 1
            if count == 0:
                continue
            for row in range(top, bottom):
                first = left
                while first < right:
                    # Pixels of one id in a row have the same planes.
                    name, last = ids[row, first], first + 1
                    while last < right and ids[row, last] == name:
                        last += 1
                    begin, first = first, last
                    if not _undecided(known, row, row + 1, begin, last):
                        continue
                    length = last - begin
                    codes, wide = inverse[row, begin:last], step[row, begin:last]
                    for n in range(length):
                        weight[n] = total[n] = _ZERO
                        sharp[n] = _TWO / (tolerance * wide[n])
                    for k in range(count):
                        i, j, slot = near[k, 0], near[k, 1], near[k, 2]
                        if whose[i, j, slot] != name:
                            continue
                        plane, along = planes[i, j, slot], across[j - c + 1, begin:last]
                        share, slope = plane[3] * down[i - r + 1, row], plane[1]
                        start = plane[0] + plane[2] * np.float32(row) + slope * np.float32(begin)
                        for n in range(length):
                            value = start + slope * np.float32(n)
                            # Full weight up to half the tolerance: no code leaves a contour.
                            agrees = _TWO - abs(value - codes[n]) * sharp[n]
                            agrees = agrees if agrees < _ONE else _ONE
                            agrees = agrees if agrees > _ZERO else _ZERO
                            w = share * along[n] * agrees
                            weight[n] += w
                            total[n] += w * value
                    for n in range(length):
                        part = min(weight[n] * _SURE, _ONE) * (_ONE - known[row, begin + n])
                        part = part if codes[n] > _ZERO else _ZERO
                        done[row, begin + n] += part * total[n] / max(weight[n], _LEAST)
                        known[row, begin + n] += part


@compiled
def _undecided(known, top, bottom, left, right):
    """Whether a pixel of a rectangle is not known yet."""
    for row in range(top, bottom):
        for column in range(left, right):
            if known[row, column] < _DECIDED:
                return True
    return False


@compiled
def _splines(length, size):
    """Return the weights [3 length] of the windows before, at and after each pixel's block."""
    out = np.empty((3, length), np.float32)
    for i in range(length):
        place = (np.float32(i) + _HALF) / np.float32(size)
        block = (i + size // 2) // size
        for k in range(3):
            t = abs(place - np.float32(block + k - 1))
            beyond = max(np.float32(1.5) - t, _ZERO)
            out[k, i] = np.float32(0.75) - t * t if t < _HALF else _HALF * beyond * beyond
    return out


@compiled
def _around(inverse, row, column, reach):
    """Return the least and the largest inverse depth around a pixel, and a little beyond them."""
    low = high = inverse[row, column]
    for i in range(max(row - reach, 0), min(row + reach + 1, inverse.shape[0])):
        for j in range(max(column - reach, 0), min(column + reach + 1, inverse.shape[1])):
            if inverse[i, j] > _ZERO:
                low, high = min(low, inverse[i, j]), max(high, inverse[i, j])
    slack = _SLACK * (high - low)
    return low - slack, high + slack


@compiled
def finish(inverse, step, ids, known, done, planes, whose, size, reach):
    """Return `done`, and where no plane agreed with a code, the code or the surface beside it.

    Thin ids have no plane of their own: one of another id that passes within a code is theirs.
    Lossy coding blurs edges: a code between two surfaces belongs to that of its own id, else to the
    nearer one. Whatever else no plane explains, such as a thin body, keeps its code.
    """
    height, width = inverse.shape
    rows, columns = planes.shape[0], planes.shape[1]
    out = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            q, part = inverse[row, column], known[row, column]
            if q <= _ZERO:
                out[row, column] = _ZERO
                continue
            value = q
            if part < _HALF:
                r, c = (row + size // 2) // size, (column + size // 2) // size
                above, below, nearest, closest = _LARGEST, _ZERO, q, step[row, column]
                own_above, own_below = False, False
                for i in range(max(r - reach, 0), min(r + reach + 1, rows)):
                    for j in range(max(c - reach, 0), min(c + reach + 1, columns)):
                        for slot in range(SLOTS):
                            plane = planes[i, j, slot]
                            if plane[3] < _HALF:
                                continue
                            there = plane[0] + plane[1] * column + plane[2] * row
                            if abs(there - q) < closest:
                                nearest, closest = there, abs(there - q)
                            own = whose[i, j, slot] == ids[row, column]
                            if there >= q and (
                                (own >= own_above and there < above) or own > own_above
                            ):
                                above, own_above = there, own
                            elif q > there > _ZERO and (
                                (own >= own_below and there > below) or own > own_below
                            ):
                                below, own_below = there, own
                # The surfaces beside it are seen there: a plane leads no further than they do.
                low, high = _around(inverse, row, column, reach)
                if closest < step[row, column]:
                    value = nearest
                elif below > _ZERO and low <= below and above <= high:
                    nearer = above - q < q - below if own_above == own_below else own_above
                    value = above if nearer else below
            out[row, column] = max(done[row, column] + (_ONE - part) * value, _LEAST)
    return out
