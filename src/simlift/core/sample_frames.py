"""Choose the frames of a clip sample: evenly spaced ones that show the scene, and the cuts between.

A frame that is blank (black while a renderer loads, a flash) or that the camera is elsewhere for
says nothing of the clip; the nearest usable frame after it, or before, stands in for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from simlift.core.layers import Array
from simlift.pixels.image.blank import is_blank
from simlift.pixels.image.cuts import FrameSummary, is_scene_change, likeness, summarise

Show = Callable[[int], Array]  # the colours of a frame


@dataclass(frozen=True)
class Choice:
    """Frames to sample, those that were due and cannot be used, and frames that begin a shot."""

    frames: tuple[int, ...]
    unusable: tuple[int, ...]
    cuts: tuple[int, ...]


def choose_frames(due: Sequence[int], show: Show, lost: Callable[[int], bool]) -> Choice:
    """Return which frames to sample in place of those that are `due`, in order.

    `lost` says of which frames the camera stands elsewhere. Where no frame that is due is usable,
    all of them are taken as they are.
    """

    def usable(frame: int) -> bool:
        return not lost(frame) and not is_blank(show(frame))

    good = [usable(frame) for frame in due]
    if not any(good):
        return Choice(tuple(due), (), ())
    ends = (-1, *due, due[-1] + 1)
    chosen = []
    for k, frame in enumerate(due):
        stand_in: int | None = frame
        if not good[k]:
            stand_in = _nearest(frame, ends[k + 2], usable)
            if stand_in is None:
                stand_in = _nearest(frame, ends[k], usable)
        if stand_in is not None:
            chosen.append(stand_in)
    frames = tuple(sorted(set(chosen)))
    unusable = tuple(frame for frame, fine in zip(due, good, strict=True) if not fine)
    return Choice(frames, unusable, find_sampled_cuts(frames, show))


def _nearest(start: int, end: int, usable: Callable[[int], bool]) -> int | None:
    """Return a usable frame near an unusable one and before `end`, in few looks; None without.

    Steps double until a frame is usable, then the border is halved in.
    """
    way = 1 if end > start else -1
    bad, step = start, 1
    while True:
        last = end - way
        frame = start + way * step if (last - start) * way > step else last
        if frame == bad:
            return None
        if usable(frame):
            break
        bad, step = frame, step * 2
    while abs(frame - bad) > 1:
        middle = (frame + bad) // 2
        if usable(middle):
            frame = middle
        else:
            bad = middle
    return frame


def find_sampled_cuts(frames: Sequence[int], show: Show) -> tuple[int, ...]:
    """Return the frames that begin a new shot, one at most between two sampled frames.

    Only where sampled neighbours show different scenes is there a search, which halves; a shot that
    moves on until nothing of it is left has no cut in it.
    """
    seen: dict[int, FrameSummary] = {}

    def summary(frame: int) -> FrameSummary:
        if frame not in seen:
            seen[frame] = summarise(show(frame))
        return seen[frame]

    def changes(one: int, other: int) -> bool:
        return is_scene_change(summary(one), summary(other))

    cuts = []
    for first, last in pairwise(frames):
        low, high = first, last
        while changes(low, high) and high - low > 1:
            middle = (low + high) // 2
            # Motion may have changed both halves; a cut changes its own more.
            between = summary(middle)
            if likeness(summary(low), between) < likeness(between, summary(high)):
                high = middle
            else:
                low = middle
        # A single odd frame leaves its neighbours alike: no cut.
        if changes(low, high) and changes(max(low - 1, first), min(high + 1, last)):
            cuts.append(high)
    return tuple(cuts)
