"""Fit frames of a clip to the sizes and lengths that a video network takes, and back."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from simlift.core.window import Frames
from simlift.pixels.image.letterbox import Letterbox, letterbox, pad_frames, padded_length


@dataclass(frozen=True)
class Shape:
    """Sides that are multiples of `multiple`, and `stride` * k + 1 frames, never below `least`."""

    multiple: int
    stride: int
    least: int = 1
    resolution: tuple[int, int] | None = None

    def letterbox(self, height: int, width: int) -> Letterbox:
        """Return how frames of a size lie in those that the network sees."""
        return letterbox(height, width, self.multiple, self.resolution)

    def length(self, num_frames: int) -> int:
        """Return how many frames the network sees of so many."""
        return padded_length(max(num_frames, self.least), self.stride)

    def apply(self, frames: Frames, how: Letterbox) -> UInt8[np.ndarray, "seen a b 3"]:
        """Return the frames that the network sees."""
        return pad_frames(how.apply(frames), self.length(len(frames)))

    def undo(
        self, frames: UInt8[np.ndarray, "seen a b 3"], how: Letterbox, num_frames: int
    ) -> Frames:
        """Return the first `num_frames` at the clip's own size."""
        return how.undo(frames[:num_frames])
