"""Choose one camera of a rig; tell a frame rate from times, and what is up from poses."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.camera_conventions import Up
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Array
from simlift.core.read_options import ReadOptions

_JITTER = 0.25  # of a frame: cameras that keep a rate stay within it
_HINT = "name one by --camera; each is a clip of its own"


def choose_camera(folder: Path, names: Sequence[str], options: ReadOptions) -> str:
    """Return the camera that is read: the only one, or the one that the user states.

    RecipeError where the user states one that is not there; ClipError, naming the cameras, where
    several are there and none is stated.
    """
    found = ", ".join(names)
    if options.camera is not None:
        if options.camera not in names:
            raise RecipeError(
                "--camera", f"{options.camera!r} is no camera of {folder}", allowed=found
            )
        return options.camera
    if len(names) > 1:
        raise ClipError(
            folder, f"holds {len(names)} cameras ({found})", allowed="one", way_out=_HINT
        )
    return names[0]


def rate_of(
    times: Sequence[int], where: Path
) -> tuple[Fraction, tuple[Fraction, ...] | None, tuple[str, ...]]:
    """Return the rate of frames at times in nanoseconds, their times if it varies, and notes.

    A rate that clocks round, or that jitters by less than a quarter of a frame, is even.
    """
    steps = np.diff(np.asarray(times, dtype=np.int64)).astype(np.float64) / 1e9
    if not len(steps):
        return Fraction(24), None, ()
    if steps.min() <= 0:
        at = int(steps.argmin()) + 1
        raise ClipError(where, f"the time of frame {at} is not later than that before it")
    step = float(np.median(steps))
    rate = Fraction(len(steps) * 10**9, times[-1] - times[0]).limit_denominator(1001)
    # Clocks of whole milliseconds give 29.97 for 30.
    whole = Fraction(round(1 / step))
    if whole and abs(float(rate / whole) - 1) < 0.005:
        rate = whole
    if np.abs(steps - step).max() <= _JITTER * step:
        return rate, None, (f"{float(rate):.4g} fps is measured from the times of frames",)
    kept = tuple(Fraction(time - times[0], 10**9) for time in times)
    return rate, kept, ("the frame rate varies: frame times are kept",)


def upright(poses: Array) -> Up:
    """Return the axis of the world that is up for the cameras of poses [t 4 4] in OpenCV's axes.

    It is +z where the cameras lean from it by less than 60 degrees, as most worlds have it.
    """
    # OpenCV's y leads down.
    share = -poses[:, :3, 1].mean(0)
    if share[2] > 0.5:
        return "+z"
    at = int(np.abs(share).argmax())
    names: tuple[tuple[Up, Up], ...] = (("-x", "+x"), ("-y", "+y"), ("-z", "+z"))
    return names[at][int(share[at] > 0)]
