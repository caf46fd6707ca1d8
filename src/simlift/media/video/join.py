"""Join videos one behind the other without coding them anew, each frame at a whole tick.

Only the times of packets change, so a frame decodes to the same codes as before. Videos can be
joined where one description of the decoder holds for all of them: equal codec, size and parameter
sets (H.264, ITU-T H.264 7.3.2; AV1 sequence header).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from simlift.core.errors import RunError
from simlift.media.video.url import media_url

_TICKS = 512  # of a frame: more than any encoder needs to order what it decodes


@dataclass(frozen=True)
class Description:
    """What must be equal in videos that are joined."""

    codec: str
    width: int
    height: int
    pixel_format: str
    parameters: bytes


def describe(path: Path) -> Description:
    """Return the description of a video's first stream of pictures."""
    with av.open(media_url(path)) as container:
        stream: Any = container.streams.video[0]
        context = stream.codec_context
        return Description(
            context.codec.canonical_name,
            context.width,
            context.height,
            str(context.pix_fmt),
            bytes(context.extradata or b""),
        )


class VideoJoiner:
    """A video that grows by whole videos: `append` returns the number of its first frame."""

    def __init__(self, container: Any, fps: Fraction) -> None:
        self._container, self._fps = container, fps
        self._stream: Any = None
        self.description: Description | None = None
        self.num_frames = 0
        self.num_bytes = 0

    def append(self, path: Path, num_frames: int, first: int = 0) -> int:
        """Copy the packets of `num_frames` frames from frame `first` of a video on.

        RunError where it holds fewer, or where a frame outside is needed to decode one inside.
        """
        begin, base = self.num_frames, Fraction(1, _TICKS) / self._fps
        with av.open(media_url(path)) as source:
            stream: Any = source.streams.video[0]
            if self._stream is None:
                # Opaque: no encoder is looked for, so that dav1d, which only decodes, will do.
                self._stream = self._container.add_stream_from_template(stream, opaque=True)
                self._stream.time_base = base
                self.description = describe(path)
            origin = _first_shown(path)
            count = 0
            for packet in source.demux(stream):
                if packet.size == 0:
                    continue
                if packet.pts is None or packet.dts is None:
                    raise RunError(path, "holds a picture without a time")
                shown = self._frame(packet.pts - origin, stream.time_base) - first
                if not 0 <= shown < num_frames:
                    continue
                if count == 0 and (shown or not packet.is_keyframe):
                    raise _not_alone(path, first)
                decoded = self._frame(packet.dts - origin, stream.time_base) - first
                packet.pts = (begin + shown) * _TICKS
                packet.dts = (begin + decoded) * _TICKS
                packet.duration = _TICKS
                packet.time_base = base
                packet.stream = self._stream
                self.num_bytes += packet.size
                self._container.mux(packet)
                count += 1
        if count != num_frames:
            raise RunError(
                path,
                f"holds {count} pictures from frame {first} on, {num_frames} were expected",
                way_out="copy the file again, or make it again",
            )
        self.num_frames += num_frames
        return begin

    def _frame(self, stamp: int, time_base: Fraction) -> int:
        # The clock of a file is its frame rate, or one that rounds it: whole frames come back.
        return round(stamp * time_base * self._fps)


def _not_alone(path: Path, first: int) -> RunError:
    return RunError(
        path,
        f"frame {first} cannot be decoded without frames before it",
        allowed="sections that begin with a key frame",
        way_out="state a codec, so that it is coded anew: --codec h264",
    )


def _first_shown(path: Path) -> int:
    """Return the earliest time of a picture, in the stream's own ticks."""
    with av.open(media_url(path)) as container:
        stamps = [p.pts for p in container.demux(container.streams.video[0]) if p.size]
    return min(stamp for stamp in stamps if stamp is not None)


@contextmanager
def join_videos(path: Path, fps: Fraction) -> Iterator[VideoJoiner]:
    """Open a video that grows; it lies at `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    rate = Fraction(fps)
    clock = {"video_track_timescale": str(int(rate.numerator * _TICKS))}
    try:
        with av.open(media_url(partial), "w", options={"fflags": "+bitexact", **clock}) as out:
            yield VideoJoiner(out, rate)
        partial.replace(path)
    except (av.error.FFmpegError, OSError) as error:
        raise RunError(
            path,
            f"cannot be written ({getattr(error, 'strerror', None) or error})",
            way_out="free space on the disk or choose another --out, then run again: it resumes",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
