"""Write video files atomically (by rename when whole), with audio copied unchanged."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from simlift.core.errors import RunError
from simlift.core.layers import Array
from simlift.core.recipe import Encoding
from simlift.media.video.audio_carrier import AudioCarrier
from simlift.media.video.url import media_url

LOSSLESS_GRAY16 = Encoding(codec="ffv1", chroma="gray16le", keyframe_interval=1)
LOSSLESS_RGB = Encoding(codec="ffv1", chroma="bgr0", keyframe_interval=1)
Matrix: TypeAlias = Literal["bt709", "bt601"]
_MATRICES = {"bt709": Colorspace.ITU709, "bt601": Colorspace.ITU601}
_LOSSLESS = (LOSSLESS_GRAY16.chroma, LOSSLESS_RGB.chroma)


@contextmanager
def write_video(
    path: Path,
    *,
    height: int,
    width: int,
    fps: Fraction,
    encoding: Encoding = Encoding(),
    timestamps: Sequence[Fraction] | None = None,
    audio_from: Path | None = None,
    pixel_aspect: Fraction = Fraction(1),
    matrix: Matrix = "bt709",
) -> Iterator["VideoWriter"]:
    """Open a video for writing; it appears at `path` by rename when the block ends well.

    `matrix` is "bt601" for readers that take every file for that, whatever it says of itself.
    RunError when the disk is full or the file cannot be written; nothing half-made stays behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        with contextlib.ExitStack() as stack:
            writer = VideoWriter(
                partial, height, width, fps, encoding, timestamps, pixel_aspect, matrix
            )
            stack.callback(writer.abandon)
            if audio_from is not None:
                writer.carry_audio(audio_from)
            yield writer
            writer.finish()
        partial.replace(path)
    except UnknownCodecError as error:
        raise RunError(path, f"this FFmpeg has no encoder {error}") from error
    except (av.error.FFmpegError, OSError) as error:
        raise RunError(
            path,
            f"cannot be written ({getattr(error, 'strerror', None) or error})",
            way_out="free space on the disk or choose another --out, then run again: it resumes",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


class VideoWriter:
    """An opened video: `append` takes uint8 rgb [t h w 3], or uint16 [t h w] for gray16le."""

    def __init__(
        self,
        path: Path,
        height: int,
        width: int,
        fps: Fraction,
        encoding: Encoding,
        timestamps: Sequence[Fraction] | None,
        pixel_aspect: Fraction,
        matrix: Matrix = "bt709",
    ) -> None:
        self._matrix = _MATRICES[matrix]
        # Matroska otherwise stamps every file with random ids.
        self._container = av.open(media_url(path), "w", options={"fflags": "+bitexact"})
        self._closed = False
        self._timestamps = timestamps
        self._reformatter = VideoReformatter()  # kept: setting one up costs as much as using it
        self._ticks = Fraction(1, 90_000) if timestamps else 1 / fps
        self._stream: Any = self._container.add_stream(encoding.codec, rate=fps)
        self._gray = encoding.chroma.startswith("gray")
        self._lossless = encoding.chroma in _LOSSLESS
        odd = height % 2 or width % 2
        stream: Any = self._stream
        stream.height, stream.width = height, width
        # 4:2:0 halves the size of the colour planes, which odd sizes do not allow.
        stream.pix_fmt = "yuv444p" if odd and encoding.chroma == "yuv420p" else encoding.chroma
        stream.codec_context.time_base = self._ticks
        if pixel_aspect != 1:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.codec_context.gop_size = encoding.keyframe_interval
        stream.codec_context.thread_count = encoding.threads
        if not self._lossless:
            stream.options = {
                "crf": str(encoding.crf),
                "preset": encoding.preset,
                # Its vectorised macroblock tree now and then codes equal frames differently.
                "x264-params": "mbtree=0",
            }
            stream.codec_context.color_range = ColorRange.MPEG
            stream.codec_context.colorspace = self._matrix
            stream.codec_context.color_primaries = 1
            stream.codec_context.color_trc = 13  # IEC 61966-2-1, the sRGB curve
        self._count, self._last = 0, -1
        self._audio: AudioCarrier | None = None

    def carry_audio(self, source: Path) -> None:
        """Copy the sound of another file alongside the frames."""
        self._audio = AudioCarrier(source, self._container)

    def append(self, frames: Array) -> None:
        """Encode frames at the end of the video."""
        for pixels in frames:
            seconds = self._timestamps[self._count] if self._timestamps else None
            frame = self._frame(np.ascontiguousarray(pixels))
            frame.pts = self._count if seconds is None else round(seconds / self._ticks)
            if frame.pts <= self._last:
                raise ValueError(f"frame {self._count} is shown at {seconds} s, not after the last")
            self._last = frame.pts
            frame.time_base = self._ticks
            if self._audio:
                self._audio.advance(float(frame.pts * self._ticks))
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            self._count += 1

    def _frame(self, pixels: Array) -> Any:
        if self._gray:
            return av.VideoFrame.from_ndarray(pixels, "gray16le")
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
        if self._lossless:  # the channels change places, nothing else
            return self._reformatter.reformat(frame, format=self._stream.pix_fmt, threads=1)
        return self._reformatter.reformat(
            frame,
            format=self._stream.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=self._matrix,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def finish(self) -> None:
        """Write what the encoder still holds and close the file."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        if self._audio:
            self._audio.advance(float("inf"))
        self._closed = True
        self._container.close()

    def abandon(self) -> None:
        """Abort: close the file without finishing it; harmless after `finish`."""
        if self._audio:
            self._audio.close()
        if not self._closed:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                self._container.close()
