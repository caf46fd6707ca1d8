"""Takes in which an object goes elsewhere than the simulator says once it is let go.

They are composited of a take's own pixels: the object is cut out of one frame and laid into
another, and where it should be, the take's other frames show what lies behind it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from simlift.core.layers import Layer
from simlift.core.window import Frames, Window
from simlift.evaluation.objects import MovingObject

ROBOT = "robot"


@dataclass(frozen=True)
class Shown:
    """Which frame's object a frame shows, and how far from its place there, in pixels."""

    frame: int
    dx: float = 0.0
    dy: float = 0.0


Drop = Callable[[int, int], Shown | None]  # (release, frame after it) -> what is shown, if at all

WRONG_DROPS: Mapping[str, Drop] = {
    "falls at a third of the speed": lambda r, t: Shown(r + (t - r) // 3),
    "floats where it is let go": lambda r, _: Shown(r),
    "vanishes": lambda *_: None,
    "falls sideways": lambda r, t: Shown(t, dx=min(4.0 * (t - r), 40.0)),
    "let go 3 frames late": lambda r, t: Shown(max(t - 3, r)),
    "rests 6 px beside its place": lambda r, t: Shown(t, dx=min(1.5 * (t - r), 6.0)),
}


def drop_wrongly(take: Frames, window: Window, moving: MovingObject, drop: Drop) -> Frames:
    """Return a take of a still camera whose object is dropped wrongly after its release."""
    assert moving.release is not None
    ids = window[Layer.SEGMENTATION]
    masks = ids == moving.id
    wide = np.stack([cv2.dilate(m.view(np.uint8), np.ones((7, 7), np.uint8)) > 0 for m in masks])
    robots = np.isin(ids, [i for i, kind in window.categories.items() if kind == ROBOT])
    out = take.copy()
    for t in range(moving.release + 1, len(take)):
        frame = _without(take, wide, robots, t)
        shown = drop(moving.release, t)
        if shown is not None:
            move = np.array([[1, 0, shown.dx], [0, 1, shown.dy]], dtype=np.float64)
            size = frame.shape[1::-1]
            alpha = cv2.GaussianBlur(masks[shown.frame].astype(np.float32), (3, 3), 0.7)
            alpha = cv2.warpAffine(alpha, move, size)
            thing = cv2.warpAffine(take[shown.frame], move, size)
            alpha[robots[t] & ~masks[shown.frame]] = 0
            frame = frame + alpha[..., None] * (thing.astype(np.float32) - frame)
        out[t] = np.rint(frame).clip(0, 255).astype(np.uint8)
    return out


def robot_aside(take: Frames, window: Window, pixels: float) -> Frames:
    """Return a take whose robot stands some pixels to the right of its place."""
    robot = [i for i, kind in window.categories.items() if kind == ROBOT]
    out = []
    for frame, mask in zip(take, np.isin(window[Layer.SEGMENTATION], robot), strict=True):
        solid, size = mask.astype(np.uint8), frame.shape[1::-1]
        move = np.array([[1, 0, pixels], [0, 1, 0]])
        alpha = cv2.warpAffine(cv2.GaussianBlur(solid.astype(np.float32), (3, 3), 0.7), move, size)
        # Along its outline, what is behind it is guessed from beside it.
        rim = cv2.dilate(solid, np.ones((3, 3))) - cv2.erode(solid, np.ones((9, 9)))
        behind = cv2.inpaint(frame, rim, 3, cv2.INPAINT_TELEA).astype(np.float32)
        moved = cv2.warpAffine(frame, move, size).astype(np.float32)
        out.append(np.rint(behind + alpha[..., None] * (moved - behind)).astype(np.uint8))
    return np.stack(out)


def _without(take: Frames, wide: np.ndarray, robots: np.ndarray, t: int) -> np.ndarray:
    """Return a frame without its object: each pixel from the nearest frame that shows what is
    behind it."""
    frame, open_ = take[t].copy(), wide[t].copy()
    for s in sorted(range(len(take)), key=lambda s: abs(s - t)):
        behind = open_ & ~wide[s] & (robots[s] == robots[t])
        frame[behind] = take[s][behind]
        open_ &= ~behind
        if not open_.any():
            return frame.astype(np.float32)
    return cv2.inpaint(frame, open_.view(np.uint8), 3, cv2.INPAINT_TELEA).astype(np.float32)
