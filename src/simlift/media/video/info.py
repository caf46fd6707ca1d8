"""Describe a video file as it was found: size, colour, orientation, and the time of each frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


@dataclass(frozen=True)
class ColourTags:
    """What a file says of its colours, as code points of ITU-T H.273; 2 is unspecified.

    `colour_range` counts as FFmpeg does: 0 unspecified, 1 limited, 2 full.
    """

    matrix: int = 2
    colour_range: int = 0
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Orientation:
    """How a stored frame becomes the upright one: transposed first, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def __bool__(self) -> bool:
        return self.transpose or self.flip_x or self.flip_y

    @property
    def words(self) -> str:
        """Name the change, such as "turned by 90 degrees clockwise"."""
        mirrored = self.transpose ^ self.flip_x ^ self.flip_y
        if mirrored:
            across = {
                (False, True): "left to right",
                (False, False): "top to bottom",
                (True, False): "across the diagonal",
                (True, True): "across the other diagonal",
            }[self.transpose, self.flip_x]
            return f"mirrored {across}"
        degrees = 180 if not self.transpose else 90 if self.flip_x else 270
        return f"turned by {degrees} degrees clockwise"


@dataclass(frozen=True)
class VideoInfo:
    """The properties of a video file; sizes are those of the upright frame.

    `pts` are in units of `time_base`, in the order in which frames are shown, and grow.
    """

    path: Path
    codec: str
    pixel_format: str
    height: int
    width: int
    fps: Fraction
    time_base: Fraction
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]  # indices that decoding can start from; the first is 0
    seekable: bool  # whether the file's own times name each frame
    audio_codec: str | None
    stream: int = 0  # the position of the video among all streams of the file
    start: Fraction = Fraction(0)  # of the first frame on the file's clock, in seconds
    lost: int = 0  # packets in front of the first key frame, which do not decode
    open_groups: bool = False  # whether frames before a key frame may need the group before it
    orientation: Orientation = Orientation()
    pixel_aspect: Fraction = Fraction(1)  # width to height of a pixel
    colour: ColourTags = ColourTags()
    has_alpha: bool = False
    remarks: tuple[str, ...] = ()  # what was lost, assumed or repaired when it was indexed

    @property
    def num_frames(self) -> int:
        return len(self.pts)

    @property
    def has_luma(self) -> bool:
        """Whether the first plane holds luma alone, in numbers that numpy reads as they are."""
        name = self.pixel_format
        return name.startswith(("yuv", "gray", "nv12")) and not name.endswith(("be", "f32le"))

    @property
    def full_range(self) -> bool:
        """Whether luma uses all codes, instead of 16 to 235 of 8 bits: as tagged, else implied."""
        if self.colour.colour_range:
            return self.colour.colour_range == 2
        return not self.pixel_format.startswith("yuv") or self.pixel_format.startswith("yuvj")

    @property
    def stored_height(self) -> int:
        """Height of a frame as it is decoded, before it is turned upright."""
        return self.width if self.orientation.transpose else self.height

    @property
    def stored_width(self) -> int:
        """Width of a frame as it is decoded, before it is turned upright."""
        return self.height if self.orientation.transpose else self.width

    @property
    def bit_depth(self) -> int:
        """Bits of one component."""
        return max(c.bits for c in av.VideoFormat(self.pixel_format).components)

    @property
    def is_rgb(self) -> bool:
        """Whether the pixels are red, green and blue, or gray: then no matrix is needed."""
        form = av.VideoFormat(self.pixel_format)
        return form.is_rgb or form.has_palette or len(form.components) < 3

    @property
    def timestamps(self) -> tuple[Fraction, ...] | None:
        """Times in seconds from the first frame where the rate varies, else None."""
        if is_even(self.pts):
            return None
        return tuple((p - self.pts[0]) * self.time_base for p in self.pts)


def is_even(pts: Sequence[int]) -> bool:
    """Whether growing times are those of a constant rate."""
    if len(pts) < 3:
        return True
    ticks = np.asarray(pts, dtype=np.int64)
    steps = np.diff(ticks)
    even = np.linspace(ticks[0], ticks[-1], len(ticks))
    # A constant rate that is no multiple of the time base is rounded by less than one tick. A
    # clock that ticks once a frame rounds nothing: there a step of two is a dropped frame.
    return bool(steps.max() == steps.min() or (steps.min() > 1 and np.abs(ticks - even).max() <= 1))
