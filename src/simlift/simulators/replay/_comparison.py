"""Compare a replay with the pictures that were recorded, and say what is wrong where it differs.

Tones of textures differ between releases of robosuite, so that the mean difference alone tells a
wrong camera but hardly a wrong pose of the robot; what changes between frames tells that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int, UInt8

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.simulators.mujoco._renderer import open_renderer
from simlift.simulators.replay._model import Replay, set_states

LARGEST_MEAN = 20.0  # codes of 255
LARGEST_MOTION = 0.5
_DOUBT = 0.15  # of the motion, above which a shift in time is looked for
_CHANGED = 12  # codes: more than noise
_FEWEST = 20  # pixels that change
NUM_COMPARED = 8

_Draw = Callable[[str, Array], Array]


@dataclass(frozen=True)
class Comparison:
    """How a replay differs from recorded pictures of one camera.

    mean: of the absolute differences, in codes of 255. other_way: the same with rows turned.
    motion: how much of what changes between frames differs, None where next to nothing changes.
    """

    camera: str
    bottom_up: bool
    mean: float
    other_way: float
    motion: float | None

    @property
    def agrees(self) -> bool:
        """Whether the replay shows what was recorded."""
        return self.mean <= LARGEST_MEAN and (self.motion or 0.0) <= LARGEST_MOTION

    @property
    def words(self) -> str:
        """The comparison in one sentence."""
        rows = "upside down" if self.bottom_up else "upright"
        moved = "" if self.motion is None else f", {self.motion:.0%} of what moves"
        return (
            f"{self.camera}: the replay differs from the recorded pictures by {self.mean:.1f} "
            f"codes of 255 in the mean{moved}; they are stored {rows} ({self.other_way:.1f} codes "
            "the other way)"
        )


def compared_frames(num_frames: int) -> Int[np.ndarray, "k"]:
    """Return the frames that are compared: some, evenly spaced, the first and last among them."""
    return np.unique(np.linspace(0, num_frames - 1, min(NUM_COMPARED, num_frames)).round()).astype(
        np.int64
    )


def compare(
    replay: Replay, camera: str, frames: Int[np.ndarray, "k"], stored: UInt8[np.ndarray, "k h w 3"]
) -> Comparison:
    """Compare some frames as they are stored; ClipError names the likely cause of a difference."""
    with _drawing(replay, stored.shape[1:3]) as draw:
        found = _compared(camera, draw(camera, replay.states[frames]), stored)
        if found.agrees and (found.motion or 0.0) <= _DOUBT:
            return found
        cause = _cause(replay, found, frames, stored, draw)
    if found.agrees and not cause:
        return found
    raise ClipError(
        replay.where,
        f"{replay.key}, {found.words}",
        allowed=f"at most {LARGEST_MEAN:g} codes and {LARGEST_MOTION:.0%} of what moves",
        way_out=cause
        or "the likely cause: assets of another robosuite than the one that recorded it "
        "(--assets), or pictures that were not taken in this model",
    )


def _compared(
    camera: str, drawn: UInt8[np.ndarray, "k h w 3"], stored: UInt8[np.ndarray, "k h w 3"]
) -> Comparison:
    ours = drawn.astype(np.int16)
    ways = [stored.astype(np.int16), stored[:, ::-1].astype(np.int16)]
    means = [float(np.abs(ours - theirs).mean()) for theirs in ways]
    turned = int(means[1] < means[0])
    return Comparison(
        camera, bool(turned), means[turned], means[1 - turned], _motion(ours, ways[turned])
    )


def _motion(ours: Int[np.ndarray, "k h w 3"], theirs: Int[np.ndarray, "k h w 3"]) -> float | None:
    """Return the share of recorded changes from frame to frame that the replay does not show."""
    mine, due = np.diff(ours, axis=0), np.diff(theirs, axis=0)
    changed = (np.abs(mine).max(-1) > _CHANGED) | (np.abs(due).max(-1) > _CHANGED)
    total = float(np.abs(due)[changed].sum()) if changed.sum() >= _FEWEST else 0.0
    if not total:
        return None if changed.sum() < _FEWEST else float("inf")
    return float(np.abs(mine - due)[changed].sum()) / total


@contextmanager
def _drawing(replay: Replay, size: tuple[int, ...]) -> Iterator[_Draw]:
    """Open a renderer, and yield what draws states [k n] as a camera sees them [k h w 3]."""
    height, width = size
    first = replay.episode(replay.cameras[0], height=height, width=width).camera
    with open_renderer(replay.model, height=height, width=width, camera=first) as renderer:

        def draw(camera: str, states: Array) -> Array:
            episode = replace(replay, states=states).episode(camera, height=height, width=width)
            seen = replace(renderer, camera=episode.camera)
            return np.array([seen.colour(data) for data in episode.visit()])

        yield draw


def _cause(
    replay: Replay,
    found: Comparison,
    frames: Int[np.ndarray, "k"],
    stored: UInt8[np.ndarray, "k h w 3"],
    draw: _Draw,
) -> str:
    """Try what is often wrong; return what makes it agree much better, "" where nothing does."""
    states, camera = replay.states, found.camera
    mirrored = _compared(camera, draw(camera, states[frames]), stored[:, :, ::-1])
    if mirrored.agrees and mirrored.mean < found.mean / 2:
        return "the pictures are mirrored, left for right"
    for other in replay.cameras if found.mean > LARGEST_MEAN else ():
        tried = _compared(other, draw(other, states[frames]), stored)
        if tried.agrees and tried.mean < found.mean / 2:
            return f"the pictures are those of the camera {other}"
    last = len(states) - 1
    orders = {
        "the states lie a frame before their pictures: write both of one moment": states[
            (frames + 1).clip(0, last)
        ],
        "the states lie a frame after their pictures: write both of one moment": states[
            (frames - 1).clip(0, last)
        ],
        "the states are in the order time, qvel, qpos: write them as time, qpos, qvel": _swapped(
            replay
        )[frames],
        "the states run backward: write them in the order of the pictures": states[::-1][frames],
    }
    for words, tried_states in orders.items():
        if _better(_compared(camera, draw(camera, tried_states), stored), found):
            return words
    if found.mean <= LARGEST_MEAN and not found.agrees:
        return (
            "the scene agrees but what moves does not: the states are in another order than the "
            "pictures, or of another episode"
        )
    return ""


def _better(tried: Comparison, found: Comparison) -> bool:
    """Whether one agrees, and shows what moves at least twice as well."""
    if tried.motion is None or found.motion is None or not tried.agrees:
        return False
    return tried.motion < found.motion / 2


def _swapped(replay: Replay) -> Array:
    """Return the states that the recorded ones are if qvel stands before qpos."""
    nq, nv = replay.model.nq, replay.model.nv
    order = np.r_[0, 1 + nv : 1 + nv + nq, 1 : 1 + nv]
    return set_states(replay.model, replay.recorded[:, order])
