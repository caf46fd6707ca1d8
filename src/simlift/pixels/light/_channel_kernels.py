"""Copy interleaved colour channels to separate lines of a scratch array, and back (compiled)."""

import numpy as np

from simlift.pixels._compile import compiled

_NEXT, _LAST = np.uint64(1), np.uint64(2)  # channels after the first


@compiled
def split(at, first, step, count, values, start):
    """Fill three lines of `at`, `step` apart, with `count` pixels of interleaved `values`."""
    for i in range(count):
        k = start + np.uint64(3 * i)
        at[first + i] = values[k]
        at[first + step + i] = values[k + _NEXT]
        at[first + 2 * step + i] = values[k + _LAST]


@compiled
def line(at, first, count, values):
    """Fill a line of `at` with `count` numbers."""
    for i in range(count):
        at[first + i] = values[i]


@compiled
def join(each, first, step, count, out, start):
    """Write three lines of `each`, `step` apart, as `count` interleaved pixels of `out`."""
    for i in range(count):
        k = start + np.uint64(3 * i)
        out[k] = each[first + i]
        out[k + _NEXT] = each[first + step + i]
        out[k + _LAST] = each[first + 2 * step + i]
