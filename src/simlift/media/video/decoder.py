"""Decode a video file from a key frame on, and find the frame at which it is damaged.

The decoder is strict: a packet that does not decode, or needs a picture that was lost, is an error.
Otherwise decoders repeat old pixels or fill in gray, without a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import av

from simlift.core.errors import ClipError
from simlift.media.video.ffv1_checksum import checksum_fails
from simlift.media.video.info import VideoInfo
from simlift.media.video.parameter_sets import has_messages, without_messages
from simlift.media.video.url import media_url, reason

_MADE_UP = "parts of it had to be made up"
_MARGIN = 32  # packets that decoders hold back at most


class PicturesAreWhole(Exception):
    """Only messages beside the pictures are damaged: decoding starts again without them."""


@dataclass(frozen=True)
class Damage:
    """The first damaged frame, the packet it was found in, counted from the start, and why."""

    index: int
    packet: int
    words: str


class Decoder:
    """Decodes the frames of one file in the order in which they are shown."""

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self._container: Any = None
        self._strict = self._messages = True
        self._checked = info.codec == "ffv1"

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def frames(self, start: int) -> Iterator[Any]:
        """Decode from the key frame of an index; 0 is the beginning of the file."""
        # In an open group the frames in front of a key frame lack references after a seek, which
        # is no damage. A strict decoder would stop at them.
        strict = start == 0 or not self._info.open_groups
        if start == 0 or self._container is None or strict != self._strict:
            self.close()
            self._container, self._stream = _open(self._info, strict=strict, threads=True)
            self._strict = strict
        if start:
            self._container.seek(self._info.pts[start], stream=self._stream, backward=True)
        return self._decode(start)

    def _decode(self, start: int) -> Iterator[Any]:
        try:
            messages = self._messages or not self._strict
            for packet in _packets(self._container, self._stream, self._info, start, messages):
                if self._checked and packet.size and checksum_fails(_data(packet)):
                    self.refuse_damage(start)
                yield from packet.decode()
        except av.error.FFmpegError as error:
            self.refuse_damage(start, error)

    def refuse_damage(self, start: int, error: Exception | None = None) -> NoReturn:
        """Raise ClipError that names the first damaged frame; PicturesAreWhole if there is none."""
        info = self._info
        # Several threads decode at once, so that an error may belong to another frame.
        damage = first_damage(info, start, strict=self._strict, messages=self._messages)
        if damage is not None and self._strict and self._messages and has_messages(info.codec):
            end = damage.packet + _MARGIN
            damage = first_damage(info, start, strict=True, messages=False, end=end)
            if damage is None:
                self._messages = False
                raise PicturesAreWhole from error
        where = f"frame {damage.index} of {info.num_frames}" if damage else "a frame"
        words = damage.words if damage else reason(error) if error else _MADE_UP
        raise ClipError(
            info.path,
            f"{where} does not decode: the file is damaged there ({words})",
            way_out="copy or export the video again, or cut the damaged part out with ffmpeg",
        ) from error


def first_damage(
    info: VideoInfo, start: int, *, strict: bool, messages: bool = True, end: int | None = None
) -> Damage | None:
    """Decode on one thread from the key frame of an index until a frame is damaged.

    `messages` keeps what is said beside the pictures (SEI); `end` is a number of packets.
    """
    index_of = {stamp: i for i, stamp in enumerate(info.pts)} if info.seekable else {}
    container, stream = _open(info, strict=strict, threads=False)
    with container:
        if start:
            container.seek(info.pts[start], stream=stream, backward=True)
        shown = start
        for number, packet in enumerate(_packets(container, stream, info, start, messages)):
            if end is not None and number > end:
                return None
            stamp = packet.pts if packet.pts is not None else packet.dts
            if info.codec == "ffv1" and packet.size and checksum_fails(_data(packet)):
                return Damage(index_of.get(stamp, start + number), number, "its checksum fails")
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                return Damage(index_of.get(stamp, start + number), number, reason(error))
            for frame in frames:
                index = index_of.get(frame.pts, shown)
                shown = index + 1
                if frame.is_corrupt and index >= start:
                    return Damage(index, number, _MADE_UP)
    return None


def _open(info: VideoInfo, *, strict: bool, threads: bool) -> tuple[Any, Any]:
    container = av.open(media_url(info.path))
    stream: Any = container.streams[info.stream]
    if strict:
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    stream.thread_type = "AUTO" if threads else "NONE"
    return container, stream


def _packets(
    container: Any, stream: Any, info: VideoInfo, start: int, messages: bool
) -> Iterator[Any]:
    """Demux the packets with data, and the empty one at the end that empties the decoder."""
    skip = 0 if start else info.lost
    packets = (p for p in container.demux(stream) if p.size or p.dts is None)
    kept = (packet for number, packet in enumerate(packets) if number >= skip)
    if messages:
        return kept
    codec, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata
    return (_without_messages(packet, codec, extradata or b"") for packet in kept)


def _without_messages(packet: Any, codec: str, extradata: bytes) -> Any:
    if not packet.size:
        return packet
    copy = av.Packet(without_messages(_data(packet), codec, extradata))
    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
    copy.is_keyframe, copy.stream = packet.is_keyframe, packet.stream
    return copy


def _data(packet: Any) -> bytes:
    return memoryview(packet).tobytes()
