"""Fit a window to OSCAR's frames: its picture by a letterbox, its skeleton drawn at that size."""

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import UInt8

from simlift.core.camera import Camera
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.protocols import Control
from simlift.core.window import Frames, Window
from simlift.pixels.image.letterbox import Letterbox

HEIGHT, WIDTH = 480, 640
Fit: TypeAlias = Literal["letterbox", "squash"]
DrawnAt: TypeAlias = Literal["model", "clip"]


def fit_frames(height: int, width: int, fit: Fit) -> Letterbox:
    """Return how frames of a size lie in 480 x 640: whole and padded, or squashed to fill it."""
    if fit == "squash":
        return Letterbox(height, width, HEIGHT, WIDTH, HEIGHT, WIDTH)
    scale = min(HEIGHT / height, WIDTH / width)
    inner = min(max(round(height * scale), 1), HEIGHT), min(max(round(width * scale), 1), WIDTH)
    return Letterbox(height, width, *inner, HEIGHT, WIDTH)


def draw_skeleton(
    control: Control, window: Window, how: Letterbox, drawn_at: DrawnAt
) -> UInt8[np.ndarray, "t 480 640 3"]:
    """Return the skeleton of a window as OSCAR sees it; black where frames are padded.

    At "model" the camera is fitted and lines have their width in the model's pixels; at "clip" they
    are drawn on the clip's own frames and resized with them.
    """
    if drawn_at == "clip":
        drawn = how.apply(_whole(control, window))
    else:
        drawn = _whole(control, _fitted(window, how))
    seen = np.zeros_like(drawn)
    rows, columns = how.inside
    seen[:, rows, columns] = drawn[:, rows, columns]
    return seen


def check_skeleton(control: Control, clip: Clip) -> None:
    """Draw the first frame's skeleton without a pixel of the clip; ClipError where it cannot be.

    A control that reads more than colours and the camera is not tried.
    """
    if control.needs() - {Layer.RGB}:
        return
    first = np.array([0])
    blank = Window(
        indices=first,
        arrays={Layer.RGB: np.zeros((1, clip.height, clip.width, 3), np.uint8)},
        num_frames=clip.num_frames,
        fps=float(clip.fps),
        metric_depth=False,
        camera=clip.camera.at(first) if clip.camera else None,
        objects=clip.objects.at(first) if clip.objects else None,
        robot=clip.robot.at(first) if clip.robot else None,
    )
    control.draw(blank)


def first_skeleton(control: Control, window: Window) -> UInt8[np.ndarray, "h w 3"]:
    """Return the skeleton of a window's first frame, at the clip's own size."""
    return _whole(control, window.frame(0))[0]


def _whole(control: Control, window: Window) -> Frames:
    drawn = control.draw(window)
    if drawn.shape != window.rgb.shape or drawn.dtype != np.uint8:
        raise ClipError(
            type(control).__name__,
            f"drew {drawn.dtype} {drawn.shape}",
            allowed=f"uint8 {window.rgb.shape}",
            way_out="leave its size unset: the engine asks for the size that it needs",
        )
    return drawn


def _fitted(window: Window, how: Letterbox) -> Window:
    """Return the window as the model's frames show it: colours and camera alone."""
    camera = window.camera
    if camera is not None:
        camera = Camera(how.pixel_map @ camera.intrinsics, camera.world_to_camera, camera.up)
    return replace(
        window, arrays={Layer.RGB: how.apply(window.rgb)}, camera=camera, bad={}, _derived={}
    )
