"""Compute optical flow between a window's neighbouring frames and where it is reliable.

Everything is computed at 180 rows at most: flicker is a matter of areas, and large frames would
cost ten times as much.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float

from simlift.core.clip_sample import shrink
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.pixels.geometry.flow import (
    collision_free,
    estimate_flow,
    forward_backward_consistent,
    off_motion_boundaries,
    resize_flow,
)
from simlift.pixels.geometry.projection import backward_warp, lands_inside, rigid_flow

LINES = 180
_DEPTH_AGREES = 0.02  # relative: two surfaces closer than this are taken for one

Source = Literal["simulator", "rigid motion", "estimated"]


@dataclass(frozen=True, eq=False)
class Motion:
    """Forward flow from a frame to the next, and where both show the same surface."""

    flow: Float[np.ndarray, "h w 2"]
    seen: Bool[np.ndarray, "h w"]


def flow_source(window: Window) -> Source:
    """Say where motion comes from.

    The simulator's flow; or the motion of rigid bodies, where depth in metres, the camera, ids and
    the bodies' poses are known (without poses, moving bodies would be taken for still ones); or
    else an estimate on the render, never on the take.
    """
    if Layer.FLOW in window:
        return "simulator"
    geometry = window.metric_depth and Layer.DEPTH in window and Layer.SEGMENTATION in window
    if geometry and window.camera is not None and window.objects is not None:
        return "rigid motion"
    return "estimated"


def motions(window: Window) -> tuple[Motion, ...]:
    """Return the motion from each frame of the window to the next."""
    source = flow_source(window)
    small = shrink(window, LINES)
    find = {"simulator": _given, "rigid motion": _rigid, "estimated": _estimated}[source]
    found = []
    for i in range(len(window) - 1):
        flow, seen = find(window, small, i)
        # A frame is low-passed over 3 x 3 pixels, so what surrounds a lost pixel is lost too.
        kept = cv2.erode(seen.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        found.append(Motion(np.nan_to_num(flow), kept))
    return tuple(found)


def _given(window: Window, small: Window, i: int) -> tuple[np.ndarray, np.ndarray]:
    flow = resize_flow(window[Layer.FLOW][i], *small.size, nearest=True)
    seen = collision_free(flow) & off_motion_boundaries(flow)
    if Layer.SEGMENTATION in small:
        seen &= _same_ids(small, flow, i)
    return flow, seen


def _rigid(_window: Window, small: Window, i: int) -> tuple[np.ndarray, np.ndarray]:
    camera, objects = small.camera, small.objects
    assert camera is not None and objects is not None
    depth, ids = small[Layer.DEPTH], small[Layer.SEGMENTATION]
    flow, expected = rigid_flow(
        depth[i],
        ids[i],
        (camera.intrinsics[i], camera.intrinsics[i + 1]),
        (camera.world_to_camera[i], camera.world_to_camera[i + 1]),
        objects.ids,
        (objects.poses[i], objects.poses[i + 1]),
    )
    with np.errstate(invalid="ignore"):
        there = backward_warp(depth[i + 1], flow, nearest=True)
        same = np.abs(there - expected) <= _DEPTH_AGREES * expected
    same |= np.isinf(there) & np.isinf(expected)
    return flow, same & lands_inside(flow) & _same_ids(small, flow, i)


def _estimated(_window: Window, small: Window, i: int) -> tuple[np.ndarray, np.ndarray]:
    forward = estimate_flow(small.rgb[i], small.rgb[i + 1])
    backward = estimate_flow(small.rgb[i + 1], small.rgb[i])
    return forward, forward_backward_consistent(forward, backward) & off_motion_boundaries(forward)


def _same_ids(small: Window, flow: np.ndarray, i: int) -> np.ndarray:
    ids = small[Layer.SEGMENTATION]
    # OpenCV samples floats, and ids below 2^24 are exact in them.
    there = backward_warp(ids[i + 1].astype(np.float32), flow, nearest=True)
    return np.asarray(there == ids[i])
