"""Letterbox frames to the sizes a video network takes, and undo it exactly.

Networks with causal video autoencoders take 4k+1 frames and sides that are multiples of 16 or 32.
Frames that have another size are resized at most once, keep their aspect ratio, and are padded by
their own border; going back cuts the padding away.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Frames = UInt8[np.ndarray, "t h w 3"]
Padded = UInt8[np.ndarray, "t padded_h padded_w 3"]


@dataclass(frozen=True)
class Letterbox:
    """How frames of `height` x `width` lie inside `padded_height` x `padded_width`, in pixels."""

    height: int
    width: int
    inner_height: int
    inner_width: int
    padded_height: int
    padded_width: int

    @property
    def resizes(self) -> bool:
        """Whether pixels are interpolated; without it, `undo` restores every frame exactly."""
        return (self.inner_height, self.inner_width) != (self.height, self.width)

    @property
    def _border(self) -> tuple[int, int]:
        return (
            (self.padded_height - self.inner_height) // 2,
            (self.padded_width - self.inner_width) // 2,
        )

    @property
    def inside(self) -> tuple[slice, slice]:
        """The rows and columns of a padded frame that hold the frame itself."""
        top, left = self._border
        return slice(top, top + self.inner_height), slice(left, left + self.inner_width)

    @property
    def pixel_map(self) -> Float[np.ndarray, "3 3"]:
        """The map of homogeneous pixel coordinates (centres at +0.5) to those of a padded frame."""
        top, left = self._border
        across, down = self.inner_width / self.width, self.inner_height / self.height
        return np.array([[across, 0, left], [0, down, top], [0, 0, 1]])

    def apply(self, frames: Frames) -> Padded:
        """Resize and pad frames, uint8 [t padded_height padded_width 3]."""
        inner = _resize(frames, self.inner_height, self.inner_width)
        top, left = self._border
        bottom = self.padded_height - self.inner_height - top
        right = self.padded_width - self.inner_width - left
        return np.pad(inner, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="edge")

    def undo(self, frames: Padded) -> Frames:
        """Crop and resize padded frames to their first size, uint8 [t height width 3]."""
        return _resize(frames[:, *self.inside], self.height, self.width)


def letterbox(
    height: int, width: int, multiple: int, within: tuple[int, int] | None = None
) -> Letterbox:
    """Compute the letterbox of frames of a size for a network whose sides are multiples of
    `multiple`.

    Without `within` nothing is resized. With it (height, width), frames are scaled to touch that
    box from inside, and padded to the multiples that hold them.
    """
    inner_height, inner_width = height, width
    if within is not None:
        scale = min(within[0] / height, within[1] / width)
        inner_height, inner_width = max(round(height * scale), 1), max(round(width * scale), 1)
    return Letterbox(
        height,
        width,
        inner_height,
        inner_width,
        -(-inner_height // multiple) * multiple,
        -(-inner_width // multiple) * multiple,
    )


def padded_length(num_frames: int, stride: int = 4) -> int:
    """Return the smallest k * stride + 1 that is at least `num_frames`."""
    return -(-(num_frames - 1) // stride) * stride + 1


def truncated_length(num_frames: int, stride: int = 4) -> int:
    """Return the largest k * stride + 1 that is at most `num_frames`; 1 for a single frame."""
    return (num_frames - 1) // stride * stride + 1


def pad_frames(frames: Frames, num_frames: int) -> UInt8[np.ndarray, "longer h w 3"]:
    """Pad a video in time: repeat the last frame until there are `num_frames`."""
    if not len(frames):
        raise ValueError("there is no last frame to repeat")
    missing = num_frames - len(frames)
    if missing <= 0:
        return frames
    return np.concatenate([frames, np.repeat(frames[-1:], missing, axis=0)])


def _resize(frames: Frames, height: int, width: int) -> UInt8[np.ndarray, "t {height} {width} 3"]:
    if frames.shape[1:3] == (height, width):
        return frames
    shrinks = height * width < frames.shape[1] * frames.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = np.empty((len(frames), height, width, 3), np.uint8)  # of no frames, none
    for k, frame in enumerate(frames):
        resized[k] = cv2.resize(frame, (width, height), interpolation=how)
    return resized


def box_downsample(
    frames: UInt8[np.ndarray, "t h w 3"], times: int
) -> UInt8[np.ndarray, "t rows columns 3"]:
    """Downsample frames `times` times along each side by a box filter."""
    if times == 1:
        return frames
    size = (frames.shape[2] // times, frames.shape[1] // times)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])
