"""Correct colour drift between the windows of a video, from frames that both windows made."""

import numpy as np
from jaxtyping import Float, UInt8

Frames = UInt8[np.ndarray, "t h w 3"]
_LEAST_SPREAD = 1.0  # code values: below it a channel has no contrast to match
_GAIN = 1.25  # a channel is stretched by no more than this


def colour_correction(
    seen: Frames, wanted: Frames
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Compute gain and offset of each channel that give `seen` the mean and spread of `wanted`.

    Both show the same moments: the first frames of a window, and the same frames as the window
    before it made them.
    """
    here, there = (x.reshape(-1, 3).astype(np.float64) for x in (seen, wanted))
    spread = np.maximum(here.std(0), _LEAST_SPREAD)
    gain = np.clip(np.maximum(there.std(0), _LEAST_SPREAD) / spread, 1 / _GAIN, _GAIN)
    return gain, there.mean(0) - gain * here.mean(0)


def apply_colour_correction(
    frames: Frames, correction: tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]
) -> Frames:
    """Apply gain and offset to frames, in code values."""
    gain, offset = correction
    return np.clip(np.rint(frames * gain + offset), 0, 255).astype(np.uint8)
