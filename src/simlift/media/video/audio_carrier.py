"""Copy the sound of one file into another, in step with its frames.

Sound keeps the distance to the first frame that players give it, whichever clock its file has: a
transport stream starts at 1.4 s, and B-frames without an edit list put the first frame behind 0.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from simlift.core.errors import ClipError
from simlift.media.video.index import probe_video
from simlift.media.video.streams import best_sound
from simlift.media.video.url import media_url, reason

# Audio that the MP4 container holds as it is; anything else is stored as FLAC, without loss.
_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
# Seconds in front of the first frame from which decoders start up (Opus asks for 80 ms).
_LEAD_IN = Fraction(1, 10)


class AudioCarrier:
    """Moves the audio packets of one file into another; its time 0 is that of the first frame."""

    def __init__(self, source: Path, target: Any) -> None:
        self._path, self._target = source, target
        self._source = av.open(media_url(source))
        stream = best_sound(self._source)
        if stream is None:
            raise ClipError(source, "holds no sound", way_out="name a file with sound")
        self._start = probe_video(source).start if self._source.streams.video else Fraction(0)
        self._copy = stream.codec_context.codec.canonical_name in _MP4_AUDIO
        self._out = target.add_stream_from_template(stream) if self._copy else _flac(stream, target)
        self._rate = stream.codec_context.sample_rate
        self._packets = self._source.demux(stream)
        self._waiting: Any = None
        self._done = False

    def advance(self, seconds: float) -> None:
        """Move the packets that start before a time."""
        while not self._done:
            packet = self._waiting or self._next()
            self._waiting = None
            if packet is None:
                self._flush()
                return
            if packet.dts is not None:
                at = packet.dts * packet.time_base - self._start
                if at > seconds:
                    self._waiting = packet
                    return
            for moved in self._moved(packet):
                self._target.mux(moved)

    def _next(self) -> Any:
        try:
            packet = next(self._packets, None)
        except av.error.FFmpegError as error:
            raise self._damaged(error) from error
        return packet if packet is not None and packet.size else None

    def _moved(self, packet: Any) -> Iterator[Any]:
        if not self._copy:
            for frame in self._decode(packet):
                yield from self._out.encode(frame)
            return
        shift = round(self._start / packet.time_base)
        end = ((packet.dts or 0) + (packet.duration or 0) - shift) * packet.time_base
        if packet.dts is not None and end + _LEAD_IN <= 0:
            return
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        packet.stream = self._out
        yield packet

    def _decode(self, packet: Any) -> Iterator[Any]:
        """Decode the samples from the first frame on, with times on its clock."""
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            raise self._damaged(error) from error
        for frame in frames:
            if frame.pts is not None:
                at = round((frame.pts * frame.time_base - self._start) * self._rate)
                frame.pts, frame.time_base = at, Fraction(1, self._rate)
            yield frame

    def _damaged(self, error: Exception) -> ClipError:
        return ClipError(
            self._path,
            f"its sound does not decode ({reason(error)})",
            way_out="export the video again, or remove its sound with ffmpeg -an",
        )

    def _flush(self) -> None:
        self._done = True
        if not self._copy:
            self._target.mux(self._out.encode(None))

    def close(self) -> None:
        """Close the file the sound comes from."""
        self._source.close()


def _flac(stream: Any, target: Any) -> Any:
    """Add a FLAC stream of the same rate, channels and depth, so that nothing is resampled."""
    source = stream.codec_context
    out: Any = target.add_stream("flac", rate=source.sample_rate, layout=source.layout)
    out.codec_context.format = "s16" if source.format.bytes <= 2 else "s32"
    return out
