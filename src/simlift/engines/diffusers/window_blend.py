"""Blend the start of a window into the frames that were made before it.

For pipelines that are not conditioned on what was made before. The window makes those frames
again; what differs between both makings in colour and light, blurred so that no detail doubles, is
added to the frames after the overlap and fades out.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.window import Frames, PreviousFrames

_FADE = 2  # the correction fades out over twice the overlap
_SMOOTH = 1 / 16  # of the image height: the finest thing that is corrected


def blend_window(
    made: UInt8[np.ndarray, "t h w 3"], previous: PreviousFrames | None
) -> UInt8[np.ndarray, "new h w 3"]:
    """Return the frames of a window after the overlap, joined to what was made before."""
    if previous is None:
        return made
    overlap = len(previous)
    own, frames = made[:overlap], made[overlap:]
    fade = min(_FADE * overlap, len(frames))
    correction = _difference(previous, own)
    eased = [
        frames[i].astype(np.float32) + correction * (1 - (i + 1) / (fade + 1)) for i in range(fade)
    ]
    joined = [np.rint(np.clip(frame, 0, 255)).astype(np.uint8) for frame in eased]
    return np.concatenate([np.stack(joined), frames[fade:]])


def _difference(shown: Frames, own: Frames) -> Float[np.ndarray, "h w 3"]:
    """Return how much brighter and in which colour the frames were that were shown."""
    mean = shown.astype(np.float32).mean(0) - own.astype(np.float32).mean(0)
    return np.asarray(cv2.GaussianBlur(mean, (0, 0), max(mean.shape[0] * _SMOOTH, 1.0)))
