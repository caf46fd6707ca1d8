"""Read video files as raw frames, exact by index; any codec, constant or variable frame rate.

Indices count frames in presentation order. The index is made by demuxing (no decoding), so that a
truncated file is found before any work is done.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.container_atoms import missing_bytes

VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".mkv",
        ".mov",
        ".avi",
        ".webm",
        ".m4v",
        ".mpg",
        ".mpeg",
        ".ts",
        ".wmv",
        ".flv",
        ".ogv",
        ".y4m",
        ".h264",
        ".hevc",
        ".264",
        ".265",
    ]
)


_UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED of ITU-T H.273, which PyAV does not name


@dataclass(frozen=True)
class VideoInfo:
    """The properties of a video file. `pts` are in units of `time_base`, in display order."""

    path: Path
    codec: str
    pixel_format: str
    height: int
    width: int
    fps: Fraction
    time_base: Fraction
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]  # indices that decoding can start from
    seekable: bool
    audio_codec: str | None
    rotation: int  # degrees by which players are asked to turn the picture

    @property
    def num_frames(self) -> int:
        return len(self.pts)

    @property
    def has_alpha(self) -> bool:
        """Whether the pixel format holds an alpha plane."""
        return any(c.is_alpha for c in av.VideoFormat(self.pixel_format).components)

    @property
    def bit_depth(self) -> int:
        """Bits of one component."""
        return max(c.bits for c in av.VideoFormat(self.pixel_format).components)

    @property
    def timestamps(self) -> tuple[Fraction, ...] | None:
        """Times in seconds from the first frame where the rate varies, else None."""
        if len(self.pts) < 3:
            return None
        ticks = np.asarray(self.pts, dtype=np.int64)
        steps = np.diff(ticks)
        even = np.linspace(ticks[0], ticks[-1], len(ticks))
        # A constant rate that is no multiple of the time base is rounded by less than one tick. A
        # clock that ticks once a frame rounds nothing: there a step of two is a dropped frame.
        if steps.max() == steps.min() or (steps.min() > 1 and np.abs(ticks - even).max() <= 1):
            return None
        return tuple((p - self.pts[0]) * self.time_base for p in self.pts)


def probe_video(path: Path) -> VideoInfo:
    """Index a video file; ClipError when it is no video, holds no frame, or is cut short."""
    if not path.is_file():
        found = "is not a file" if path.exists() else "does not exist"
        raise ClipError(path, found, way_out="check the path")
    if path.stat().st_size == 0:
        raise ClipError(path, "the file is empty (0 bytes)", way_out="export the video again")
    if missing := missing_bytes(path):
        raise ClipError(
            path,
            f"is cut short: at least {missing} bytes are missing at its end",
            way_out="copy or export it again, or cut it to its whole part with ffmpeg -c copy",
        )
    try:
        with av.open(str(path)) as container:
            return _index(path, container)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise ClipError(
            path,
            f"cannot be read as video ({_reason(error)})",
            allowed="a video file that FFmpeg reads",
            way_out="export it again, or check that the download is complete",
        ) from error


def _index(path: Path, container: Any) -> VideoInfo:
    if not container.streams.video:
        raise ClipError(path, "holds no video stream", way_out="name a file with pictures")
    stream = container.streams.video[0]
    stamped: list[tuple[int, bool]] = []
    seekable = True
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            seekable, stamp = False, len(stamped)
        stamped.append((stamp, packet.is_keyframe))
    _check_complete(path, stream, len(stamped))
    stamped.sort()
    pts = tuple(p for p, _ in stamped)
    if len(set(pts)) != len(pts):
        seekable = False
    context = stream.codec_context
    return VideoInfo(
        path=path,
        codec=context.name,
        pixel_format=context.pix_fmt or "",
        height=context.height,
        width=context.width,
        fps=_rate(stream, pts if seekable else ()),
        time_base=Fraction(stream.time_base),
        pts=pts,
        keyframes=tuple(i for i, (_, key) in enumerate(stamped) if key) or (0,),
        seekable=seekable,
        audio_codec=container.streams.audio[0].codec_context.name
        if container.streams.audio
        else None,
        rotation=_first_frame(path).rotation,
    )


def _check_complete(path: Path, stream: Any, found: int) -> None:
    if found == 0:
        raise ClipError(path, "holds no frames", way_out="export the video again")
    # Edit lists may hide a few frames of a whole file; a cut file lacks many.
    if stream.frames and found < stream.frames - 4:
        raise ClipError(
            path,
            f"is cut short: it declares {stream.frames} frames and holds {found}",
            way_out="copy or export it again, or cut it to its whole part with ffmpeg -c copy",
        )


def _first_frame(path: Path) -> Any:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            return frame
    raise ClipError(path, "not one frame decodes", way_out="export the video again")


def _rate(stream: Any, pts: Sequence[int]) -> Fraction:
    if len(pts) > 1 and pts[-1] > pts[0]:
        exact = Fraction(len(pts) - 1) / ((pts[-1] - pts[0]) * Fraction(stream.time_base))
        named = stream.average_rate or stream.guessed_rate
        # Containers with coarse ticks cannot express 30000/1001; trust the stream's own word then.
        if named and abs(float(named) / float(exact) - 1) < 0.01:
            return Fraction(named)
        return exact.limit_denominator(1001)
    return Fraction(stream.guessed_rate or stream.average_rate or 1)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@dataclass(frozen=True)
class VideoStore:
    """The frames of a video file as `pixel_format`: "rgb24" or "gray16le" or "gray"."""

    info: VideoInfo
    pixel_format: str = "rgb24"

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
        reader = VideoReader(self.info, self.pixel_format)
        try:
            yield reader
        finally:
            reader.close()


class VideoReader:
    """An opened video: reads forward cheaply, backward by seeking to a keyframe."""

    def __init__(self, info: VideoInfo, pixel_format: str) -> None:
        self._info, self._pixel_format = info, pixel_format
        self._index_of = {stamp: i for i, stamp in enumerate(info.pts)}
        self._container: Any = None
        self._reformatter = VideoReformatter()  # kept: setting one up costs as much as using it
        self._restart()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

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

    def _restart(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = av.open(str(self._info.path))
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._decoded = self._decode()
        self._next = 0

    def _decode(self) -> Iterator[Any]:
        try:
            yield from self._container.decode(self._stream)
        except av.error.FFmpegError as error:
            raise ClipError(
                self._info.path,
                f"frame {self._next} does not decode ({_reason(error)})",
                way_out="export the video again",
            ) from error

    def _frame(self, index: int) -> Array:
        keys = self._info.keyframes if self._info.seekable else (0,)
        key = max(bisect_right(keys, index) - 1, 0)
        if not (self._next <= index and (key == 0 or keys[key] <= self._next)):
            self._start_at(key)
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
            self._start_at(key)
        return self._convert(frame)

    def _decode_until(self, index: int) -> Any:
        for frame in self._decoded:
            position = self._position(frame)
            self._next = position + 1
            if position == index:
                return frame
            if position > index:
                break
        return None

    def _position(self, frame: Any) -> int:
        if not self._info.seekable or frame.pts is None:
            return self._next
        return self._index_of.get(frame.pts, self._next)

    def _start_at(self, key: int) -> None:
        start = self._info.keyframes[key]
        if key == 0 or start == 0:
            self._restart()
            return
        self._container.seek(self._info.pts[start], stream=self._stream, backward=True)
        self._decoded, self._next = self._decode(), start

    def _convert(self, frame: Any) -> Array:
        if self._pixel_format != "rgb24":
            return np.asarray(frame.to_ndarray(format=self._pixel_format))
        matrix = int(frame.colorspace)
        if matrix == _UNTAGGED:
            # As players do: untagged HD is BT.709, untagged SD is BT.601.
            matrix = int(Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601)
        rgb = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return np.asarray(rgb.to_ndarray())
