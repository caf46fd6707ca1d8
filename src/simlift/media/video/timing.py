"""Order the packets of a video as they are shown; repair times that repeat or step back.

Recorders of network streams write equal times, and times that step back; files that were joined
byte by byte start their clock again. The frames are right in all of them, so only times change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

_FINER = 1000  # ticks that a repaired clock has for each tick of the file's


@dataclass(frozen=True)
class Timing:
    """The order in which packets are shown, and the growing times of the frames.

    `exact` says that the times are the file's own. `remarks` say what was repaired.
    """

    order: tuple[int, ...]
    pts: tuple[int, ...]
    time_base: Fraction
    exact: bool
    remarks: tuple[str, ...] = ()


def order_packets(
    stamps: Sequence[int | None], keys: Sequence[bool], time_base: Fraction, *, reorders: bool
) -> Timing:
    """Order the packets of a stream, given in the order of decoding.

    `reorders` says whether the coding may show frames in another order than it decodes them.
    """
    if any(stamp is None for stamp in stamps):
        count = range(len(stamps))
        return Timing(tuple(count), tuple(count), time_base, exact=False)
    known = [stamp for stamp in stamps if stamp is not None]
    groups = [0, *(i for i, key in enumerate(keys) if key and i), len(known)]
    order: list[int] = []
    for first, end in pairwise(groups):
        # Whatever is decoded before a key frame is shown before it, whatever its time says.
        group = range(first, end)
        order += sorted(group, key=lambda i: (known[i], i)) if reorders else group
    shown = [known[i] for i in order]
    if all(a < b for a, b in pairwise(shown)):
        return Timing(tuple(order), tuple(shown), time_base, exact=True)
    restarts = _restarts(known, keys)
    remarks = [f"its clock starts again at frame {i}: times go on from there" for i in restarts]
    shown = _continued(shown, restarts)
    if _coarse(shown):
        rate = (len(shown) - 1) / ((shown[-1] - shown[0]) * time_base)
        remarks.append(
            f"its clock ticks slower than its frames: they are taken as evenly spaced,"
            f" {float(rate):.4g} frames a second"
        )
        ticks = np.linspace(shown[0] * _FINER, shown[-1] * _FINER, len(shown))
    else:
        remarks += _repeats(shown)
        ticks = _FINER * _spread(shown)
    pts = tuple(int(t) for t in np.rint(ticks))
    return Timing(tuple(order), pts, time_base / _FINER, exact=False, remarks=tuple(remarks))


def _restarts(stamps: Sequence[int], keys: Sequence[bool]) -> list[int]:
    """Return the key frames in front of which the clock jumps back."""
    found, latest, before = [], stamps[0], stamps[0]
    for i, stamp in enumerate(stamps[1:], 1):
        # A little back is jitter; a joined file goes back to where its first part began.
        if keys[i] and stamp < latest and latest - stamp > (latest - before) / 2:
            found.append(i)
            latest = before = stamp
        latest = max(latest, stamp)
    return found


def _continued(shown: list[int], restarts: Sequence[int]) -> list[int]:
    """Let every part that starts the clock again follow the part before it."""
    usual = _usual_step(shown)
    for first in restarts:
        shift = max(shown[:first]) + usual - shown[first]
        shown = [*shown[:first], *(round(s + shift) for s in shown[first:])]
    return shown


def _usual_step(shown: Sequence[int]) -> int:
    steps = np.diff(np.asarray(shown, dtype=np.int64))
    return round(float(np.median(steps[steps > 0]))) if (steps > 0).any() else 1


def _coarse(shown: Sequence[int]) -> bool:
    """Whether repeated times are those of a constant rate, cut to whole ticks."""
    even = np.linspace(shown[0], shown[-1], len(shown))
    off = np.abs(np.asarray(shown) - even).max()
    return bool(off <= 1 and shown[-1] > shown[0] and _usual_step(shown) <= 2)


def _repeats(shown: Sequence[int]) -> list[str]:
    steps = np.diff(np.asarray(shown, dtype=np.int64))
    equal, back = np.flatnonzero(steps == 0) + 1, np.flatnonzero(steps < 0) + 1
    way = "their times are spread evenly between their neighbours"
    remarks = []
    if len(equal):
        remarks.append(f"{_frames(equal)} the time of the frame before: {way}")
    if len(back):
        remarks.append(f"{_frames(back)} a time before that of the frame before: {way}")
    return remarks


def _frames(indices: np.ndarray) -> str:
    if len(indices) == 1:
        return f"frame {indices[0]} has"
    more = ", ..." if len(indices) > 4 else ""
    return f"{len(indices)} frames ({', '.join(str(i) for i in indices[:4])}{more}) have"


def _spread(shown: Sequence[int]) -> np.ndarray:
    """Interpolate the times that do not exceed all before them."""
    values = np.asarray(shown, dtype=np.float64)
    latest = np.maximum.accumulate(values)
    good = np.concatenate([[True], latest[1:] > latest[:-1]])
    at, times = np.flatnonzero(good), values[good]
    # What follows the last good time goes on at the usual step.
    at = np.append(at, len(values))
    times = np.append(times, times[-1] + (len(values) - at[-2]) * _usual_step(shown))
    return np.interp(np.arange(len(values)), at, times)


def frame_rate(
    pts: Sequence[int], time_base: Fraction, named: Sequence[Fraction | None]
) -> Fraction:
    """Compute the frames in a second; `named` are the rates that the file states, best first.

    Containers with coarse ticks cannot express 30000/1001: a stated rate is trusted where it agrees
    with the times, or with the usual step where frames are missing.
    """
    exact = Fraction(len(pts) - 1) / ((pts[-1] - pts[0]) * time_base)
    usual = 1 / (_usual_step(pts) * time_base)
    for measured in (exact, usual):
        for rate in named:
            if rate and abs(float(rate) / float(measured) - 1) < 0.01:
                return Fraction(rate)
    return exact.limit_denominator(1001)


def gap_remarks(pts: Sequence[int], time_base: Fraction) -> list[str]:
    """Say where frames of a steady rate are missing, or where a frame stays longest."""
    steps: np.ndarray = np.diff(np.asarray(pts, dtype=np.int64))
    usual = _usual_step(pts)
    long = np.flatnonzero(steps > 1.5 * usual)
    if len(steps) < 3 or not len(long):
        return []
    times = steps[long] / usual
    off = np.abs(times - np.rint(times)) * usual
    steady = np.abs(np.delete(steps, long) - usual).max() <= 1 + 0.02 * usual
    if len(long) <= len(steps) / 10 and steady and (off <= 1 + 0.1 * usual).all():
        count = round(float((np.rint(times) - 1).sum()))
        first = f"{', the first' if len(long) > 1 else ''} after frame {long[0]}"
        words = "1 frame seems" if count == 1 else f"{count} frames seem"
        return [f"{words} to be missing{first}: if data was lost, what follows may be wrong"]
    where = int(steps.argmax())
    if steps[where] <= 1.5 * usual + 1:  # a coarse clock
        return []
    return [f"frame {where} stays longest, {float(steps[where] * time_base):.3g} s"]
