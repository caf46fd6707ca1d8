"""Check that the pictures of an episode move with its robot, and that its first one is its own.

Decoders that lose their place repeat one frame, and recorders that read a buffer before it is
rendered anew begin an episode with the last picture of the one before.
"""

import numpy as np

from simlift.core.layers import Array
from simlift.evaluation.agreement.findings import Finding, Verdict

STUCK, FIRST = "pictures and robot", "first picture"
_FEWEST = 4  # frames in a row that must be alike
_MOVES = 0.05  # radians, metres or other units of a state: by so much the robot surely moves
_SAME = 6  # codes by which coding moves a pixel of a picture that is coded again
_JUMP = 4.0  # times the largest other step: what no motion explains
_LARGE = 2.0  # codes: a smaller step is none
_NEARER = 0.25  # of the first step, by which the first picture differs from the episode before


def check_stuck(indices: Array, frames: Array, states: Array) -> list[Finding]:
    """Judge whether frames [k h w 3] stand still while `states` [t n] of the whole episode move.

    `indices` [k] grow; runs of frames that follow on each other are compared within.
    """
    if len(frames) < _FEWEST or not states.size:
        return []
    same = _changes(frames).max((1, 2, 3)) <= _SAME
    if same.all():
        moved = _reach(states[indices[0] : indices[-1] + 1])
        if moved < _MOVES:
            return []
        text = (
            f"all {len(frames)} pictures that were looked at are the same, while a state of the "
            f"robot moves by {moved:.3g}"
        )
        cause = "a decoder that is stuck on one frame, or a camera that sees nothing of the scene"
        return [Finding(STUCK, Verdict.CONTRADICTS, text, cause, frame=int(indices[0]))]
    worst: tuple[float, int, int] | None = None
    for first, last in _still_runs(indices, same):
        moved = _reach(states[first : last + 1])
        if last - first + 1 >= _FEWEST and moved >= _MOVES and (worst is None or moved > worst[0]):
            worst = (moved, first, last)
    if worst is None:
        return [Finding(STUCK, Verdict.AGREES, "pictures change while the robot moves")]
    moved, first, last = worst
    text = f"frames {first} to {last} are the same, while a state of the robot moves by {moved:.3g}"
    cause = "frames that were repeated, or a view in which nothing moves there"
    return [Finding(STUCK, Verdict.DOUBT, text, cause, frame=first)]


def check_first(indices: Array, frames: Array, last_before: Array | None) -> list[Finding]:
    """Judge whether frame 0 belongs to the others; `last_before` [h w 3] ends the episode before.

    `indices` begin with 0 and 1.
    """
    follows = np.diff(indices) == 1
    if len(frames) < _FEWEST or indices[0] != 0 or not follows[0] or follows.sum() < 3:
        return []
    steps = _changes(frames).mean((1, 2, 3))
    first, others = float(steps[0]), float(steps[1:][follows[1:]].max())
    if first < _LARGE or first <= others:
        return []
    cause = "a picture from before the reset"
    if last_before is not None and last_before.shape == frames.shape[1:]:
        apart = float(_changes(np.stack([last_before, frames[0]])).mean())
        if apart < _NEARER * first:
            text = (
                "frame 0 shows the last picture of the episode before: it differs from it by "
                f"{apart:.2g} codes, from frame 1 by {first:.2g}"
            )
            return [Finding(FIRST, Verdict.DOUBT, text, cause, frame=0)]
    if first > _JUMP * max(others, _LARGE / _JUMP):
        text = (
            f"frame 0 differs from frame 1 by {first:.2g} codes, no other step by more than "
            f"{others:.2g}"
        )
        return [Finding(FIRST, Verdict.DOUBT, text, cause, frame=0)]
    return []


def _changes(frames: Array) -> Array:
    """Return how far every pixel is from that of the frame before, in codes [k - 1 h w 3]."""
    return np.abs(np.diff(frames.astype(np.int16), axis=0))


def _reach(states: Array) -> float:
    """Return how far the state that moves most goes; states with NaN say nothing."""
    whole = states[:, np.isfinite(states).all(0)]
    return float(np.ptp(whole, axis=0).max()) if whole.size else 0.0


def _still_runs(indices: Array, same: Array) -> list[tuple[int, int]]:
    """Return the first and last frames of runs that follow on each other and are alike."""
    still = same & (np.diff(indices) == 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(np.int8), [0]])))
    return [(int(indices[a]), int(indices[b])) for a, b in edges.reshape(-1, 2)]
