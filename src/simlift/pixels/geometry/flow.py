"""Estimate dense optical flow between two frames, and mask the flow that can be trusted.

Flow is forward, in pixels (dx, dy).
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from simlift.pixels.geometry.projection import backward_warp, lands_inside
from simlift.pixels.image.similarity import shrink_to

_ESTIMATE_LINES = 240  # dense flow is estimated at this size: four times as fast as at 480


def estimate_flow(
    here: UInt8[np.ndarray, "h w 3"], ahead: UInt8[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w 2"]:
    """Estimate dense optical flow by inverse search (DIS, medium; Kroeger et al., ECCV 2016).

    It is estimated at no more than 240 lines and interpolated.
    """
    gray = [cv2.cvtColor(shrink_to(f, _ESTIMATE_LINES), cv2.COLOR_RGB2GRAY) for f in (here, ahead)]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(gray[0], gray[1], None)
    return resize_flow(flow, *here.shape[:2])


def resize_flow(
    flow: Float[np.ndarray, "a b 2"], height: int, width: int, *, nearest: bool = False
) -> Float[np.ndarray, "h w 2"]:
    """Resize optical flow to another size of the same frames."""
    if flow.shape[:2] == (height, width):
        return flow
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], dtype=np.float32)
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(flow, (width, height), interpolation=how)) * scale


def forward_backward_consistent(
    forward: Float[np.ndarray, "h w 2"], backward: Float[np.ndarray, "h w 2"]
) -> Bool[np.ndarray, "h w"]:
    """Mask pixels that pass the forward-backward check: |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5.

    Source: Sundaram et al., ECCV 2010; the thresholds that Lai et al. (ECCV 2018) evaluate with.
    """
    back = backward_warp(backward, forward)
    apart = np.square(forward + back).sum(-1)
    size = np.square(forward).sum(-1) + np.square(back).sum(-1)
    return np.asarray((apart <= 0.01 * size + 0.5) & lands_inside(forward))


def off_motion_boundaries(flow: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    """Mask pixels off motion boundaries: |grad u|^2 + |grad v|^2 <= 0.01 |w|^2 + 0.002.

    Source: as `forward_backward_consistent`.
    """
    steps = np.zeros(flow.shape[:2], dtype=np.float32)
    steps[:, :-1] += np.square(flow[:, 1:] - flow[:, :-1]).sum(-1)
    steps[:-1] += np.square(flow[1:] - flow[:-1]).sum(-1)
    return np.asarray(steps <= 0.01 * np.square(flow).sum(-1) + 0.002)


def collision_free(flow: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    """Mask pixels whose target no other motion shares: without backward flow or depth, one of two
    surfaces that arrive at the same pixel occludes the other, and neither is trusted."""
    height, width = flow.shape[:2]
    seen = lands_inside(flow)
    safe = np.where(seen[..., None], flow, 0)
    x = np.rint(np.arange(width)[None] + safe[..., 0]).astype(np.int64)
    y = np.rint(np.arange(height)[:, None] + safe[..., 1]).astype(np.int64)
    to = y * width + x
    weight = seen.ravel().astype(np.float64)
    count = np.maximum(np.bincount(to.ravel(), weight, height * width), 1)
    apart = np.zeros(height * width)
    for channel in (safe[..., 0], safe[..., 1]):
        values = channel.ravel().astype(np.float64) * weight
        mean = np.bincount(to.ravel(), values, height * width) / count
        square = np.bincount(to.ravel(), values * values, height * width) / count
        apart += square - mean * mean
    # Neighbours of a smooth motion differ by well below half a pixel.
    return np.asarray(seen & (apart[to] <= 0.25))
