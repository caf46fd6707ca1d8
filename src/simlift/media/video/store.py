"""Read video files as raw frames, exact by index; any codec, constant or variable frame rate.

Indices count frames in the order in which they are shown. Damage inside a file is found when it is
decoded: a frame that the decoder had to make up is an error, never a picture.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array, FrameStore
from simlift.media.video.colour import (
    FrameConverter,
    MatrixName,
    RangeName,
    read_colour,
    upright,
)
from simlift.media.video.decoder import Decoder, PicturesAreWhole
from simlift.media.video.info import VideoInfo
from simlift.media.video.luma import first_plane

ANIMATIONS = frozenset({".gif", ".apng", ".avif"})
VIDEO_SUFFIXES = ANIMATIONS | frozenset(
    # containers
    ".mp4 .m4v .mov .qt .3gp .3g2 .f4v .mkv .mk3d .webm .avi .divx .wmv .asf .flv .mxf .nut .ivf"
    " .ogv .ogg .ogm .mpg .mpeg .mpe .vob .ts .m2ts .mts .m2t .dv .rm .rmvb"
    # pictures alone
    " .y4m .h264 .264 .avc .hevc .h265 .265 .vvc .h266 .266 .obu .av1 .mjpeg .mjpg"
    " .m1v .m2v .mpv".split()
)


@dataclass(frozen=True)
class VideoStore:
    """The frames of a video file as `pixel_format`: "rgb24" or "gray16le" or "gray" or "luma".

    "luma" are the codes of the first plane as they are stored, neither scaled nor rounded again.

    `matrix` and `colour_range` state how RGB was coded where the file does not, or wrongly.
    """

    info: VideoInfo
    pixel_format: str = "rgb24"
    matrix: MatrixName | None = None
    colour_range: RangeName | None = None

    def __post_init__(self) -> None:
        read_colour(self.info, self.matrix, self.colour_range)

    @property
    def num_frames(self) -> int:
        return self.info.num_frames

    @property
    def height(self) -> int:
        return self.info.height

    @property
    def width(self) -> int:
        return self.info.width

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.info.path,)

    @contextmanager
    def open(self) -> Iterator["VideoReader"]:
        """Open the file; frames are decoded as they are read."""
        reader = VideoReader(self)
        try:
            yield reader
        finally:
            reader.close()


def pixel_aspect(store: FrameStore) -> Fraction:
    """Return the width to height of a pixel; images and most videos have square ones."""
    return store.info.pixel_aspect if isinstance(store, VideoStore) else Fraction(1)


class VideoReader:
    """An opened video: reads forward cheaply, backward by seeking to a keyframe."""

    def __init__(self, store: VideoStore) -> None:
        self._info, self._pixel_format = store.info, store.pixel_format
        self._index_of = {stamp: i for i, stamp in enumerate(store.info.pts)}
        self._converter = FrameConverter(
            read_colour(store.info, store.matrix, store.colour_range), store.info.orientation
        )
        self._decoder = Decoder(store.info)
        self._decoded: Iterator[Any] = iter(())
        self._start_at(0)

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at increasing `indices`; equal neighbours repeat the frame."""
        frames: list[Array] = []
        last = -1
        for index in indices:
            if index == last:
                frames.append(frames[-1])
                continue
            frames.append(self._frame(index))
            last = index
        return np.stack(frames)

    def _frame(self, index: int) -> Array:
        keys = self._info.keyframes if self._info.seekable else (0,)
        key = max(bisect_right(keys, index) - 1, 0)
        if not (self._next <= index and (key == 0 or keys[key] <= self._next)):
            self._start_at(keys[key])
        back = 1
        while (frame := self._decode_until(index)) is None:
            if key == 0:
                raise ClipError(
                    self._info.path,
                    f"frame {index} of {self._info.num_frames} does not decode",
                    way_out="the file is damaged there: export the video again",
                )
            # AVI and MPEG-TS may land behind the keyframe they were asked for: start earlier.
            key, back = max(key - back, 0), 2 * back
            self._start_at(keys[key])
        return self._convert(index, frame)

    def _start_at(self, start: int) -> None:
        self._from, self._next = start, start
        self._decoded = self._decoder.frames(start)

    def _decode_until(self, index: int) -> Any:
        while True:
            try:
                return self._search(index)
            except PicturesAreWhole:
                self._start_at(self._from)

    def _search(self, index: int) -> Any:
        for frame in self._decoded:
            position = self._position(frame)
            if position is None:
                continue
            self._next = position + 1
            # Frames that are shown before the key frame may lack what they were predicted from.
            if frame.is_corrupt and position >= self._from:
                self._decoder.refuse_damage(self._from)
            if position == index:
                return frame
            if position > index:
                break
        return None

    def _position(self, frame: Any) -> int | None:
        if not self._info.seekable or frame.pts is None:
            return self._next
        if frame.pts < self._info.pts[0]:
            return None  # left out by the index: nothing that it is predicted from is there
        return self._index_of.get(frame.pts, self._next)

    def _convert(self, index: int, frame: Any) -> Array:
        info = self._info
        if (frame.width, frame.height) != (info.stored_width, info.stored_height):
            raise ClipError(
                info.path,
                f"frame {index} is {frame.width}x{frame.height}, frame 0 "
                f"{info.stored_width}x{info.stored_height}",
                allowed="one size in all frames",
                way_out="bring it to one size with ffmpeg -vf scale",
            )
        if self._pixel_format == "rgb24":
            return self._converter.rgb(frame)
        if self._pixel_format == "luma":
            return upright(first_plane(frame), info.orientation)
        return upright(
            np.asarray(frame.to_ndarray(format=self._pixel_format)), self._info.orientation
        )
