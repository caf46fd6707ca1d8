"""Find the key frames at which a video changes its size, without decoding the others.

A coder states the size in a parameter set or in the header of its key frames. Only key frames whose
header differs from all before are decoded; codecs without such a header are sampled.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import av

_SAMPLES = 8  # key frames that are decoded at most where no header tells
_HEAD = 1 << 16  # bytes of a packet in which parameter sets are looked for


class SizeWatch:
    """Looks at the key frames of one stream as they are demuxed."""

    def __init__(self, stream: Any) -> None:
        context = stream.codec_context
        self._codec, self._extradata = context.name, context.extradata
        self._header = _HEADERS.get(stream.codec_context.codec.canonical_name)
        self._seen: set[bytes] = set()
        self._samples: dict[int, Any] = {}
        self._last: tuple[int, Any] | None = None
        self._count, self._stride = 0, 1
        self.sizes: dict[int, tuple[int, int]] = {}  # packet -> width, height

    @property
    def sampled(self) -> bool:
        """Whether some key frames were decoded and the others not looked at."""
        return self._header is None

    def look(self, number: int, packet: Any) -> None:
        """Take note of the key frame in the packet of a number, counted in decoding order."""
        if packet.has_sidedata("new_extradata"):
            self._extradata = bytes(packet.get_sidedata("new_extradata"))
            self._measure(number, packet)
        elif self._header is None:
            self._sample(number, packet)
        else:
            stated = self._header(memoryview(packet)[:_HEAD].tobytes(), self._extradata or b"")
            if stated and stated not in self._seen:
                self._seen.add(stated)
                # The first is compared as well: what it states may not be what is decoded.
                self._measure(number, packet)

    def finish(self) -> None:
        """Measure the key frames that were kept as samples."""
        if self._last is not None:
            self._samples.setdefault(*self._last)
        for number, packet in self._samples.items():
            self._measure(number, packet)
        self._samples.clear()

    def _sample(self, number: int, packet: Any) -> None:
        if self._count % self._stride == 0:
            self._samples[number] = packet
            if len(self._samples) > _SAMPLES:
                self._samples = dict(list(self._samples.items())[::2])
                self._stride *= 2
        self._count += 1
        self._last = (number, packet)

    def _measure(self, number: int, packet: Any) -> None:
        context: Any = av.CodecContext.create(self._codec, "r")
        context.extradata = self._extradata
        try:
            frames = [*context.decode(packet), *context.decode(None)]
        except av.error.FFmpegError:
            return  # damage is found when the frame is read
        if frames:
            self.sizes[number] = (frames[0].width, frames[0].height)


def has_messages(codec: str) -> bool:
    """Whether a codec writes supplemental messages (SEI) beside its pictures."""
    return codec in ("h264", "hevc")


def without_messages(data: bytes, codec: str, extradata: bytes) -> bytes:
    """Leave out the supplemental messages of an H.264 or HEVC picture.

    Data without any picture stays as it is, and so does data whose lengths do not add up: what
    seems a message there may be a damaged picture.
    """
    of_type, messages, pictures = (
        (_h264_type, (6,), range(1, 6)) if codec == "h264" else (_hevc_type, (39, 40), range(32))
    )
    length = _length_bytes(extradata, codec)
    units = list(nal_units(data, codec, extradata))
    kept = [unit for unit in units if of_type(unit) not in messages]
    if not any(of_type(unit) in pictures for unit in kept):
        return data
    if length and _joined(units, length) != data:
        return data
    return _joined(kept, length)


def _joined(units: Iterable[bytes], length: int) -> bytes:
    return b"".join((len(u).to_bytes(length, "big") if length else b"\0\0\1") + u for u in units)


def _h264(data: bytes, extradata: bytes) -> bytes:
    units = nal_units(data, "h264", extradata)
    return b"".join(unit for unit in units if _h264_type(unit) == 7)


def _hevc(data: bytes, extradata: bytes) -> bytes:
    units = nal_units(data, "hevc", extradata)
    return b"".join(unit for unit in units if _hevc_type(unit) == 33)


def _h264_type(unit: bytes) -> int:
    return unit[0] & 31


def _hevc_type(unit: bytes) -> int:
    return (unit[0] >> 1) & 63


def _length_bytes(extradata: bytes, codec: str) -> int:
    """Return the bytes of the lengths in front of units; 0 where start codes part them."""
    at = 4 if codec == "h264" else 21
    return (extradata[at] & 3) + 1 if len(extradata) > at and extradata[0] == 1 else 0


def nal_units(data: bytes, codec: str, extradata: bytes) -> Iterator[bytes]:
    """Split H.264 or HEVC into NAL units: behind start codes, or behind lengths (ISO 14496-15)."""
    if length := _length_bytes(extradata, codec):
        at = 0
        while at + length < len(data):
            size = int.from_bytes(data[at : at + length], "big")
            if size:
                yield data[at + length : at + length + size]
            at += length + size
    else:
        yield from (unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:] if unit.strip(b"\0"))


def _mpeg12(data: bytes, _: bytes) -> bytes:
    at = data.find(b"\0\0\1\xb3")
    return data[at : at + 8] if at >= 0 else b""


def _mpeg4(data: bytes, _: bytes) -> bytes:
    """Return the video object layer, up to the next start code."""
    parts = data.split(b"\0\0\1")[1:]
    return b"".join(p for p in parts if p and 0x20 <= p[0] <= 0x2F)


def _vp8(data: bytes, _: bytes) -> bytes:
    return data[3:10]


def _vp9(data: bytes, _: bytes) -> bytes:
    return data[:10]  # up to the size of the frame, by whichever profile


def _av1(data: bytes, _: bytes) -> bytes:
    """Return the sequence header, an open bitstream unit of type 1."""
    at = 0
    while at < len(data):
        kind, extended, sized = (data[at] >> 3) & 15, data[at] & 4, data[at] & 2
        at += 2 if extended else 1
        if not sized:
            return b""
        size = shift = 0
        while at < len(data):
            size |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 128:
                break
        if kind == 1:
            return data[at : at + size]
        at += size
    return b""


def _jpeg(data: bytes, _: bytes) -> bytes:
    """Return the frame header: its marker, length, precision, height and width."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):
            return data[at : at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b""


_HEADERS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "h264": _h264,
    "hevc": _hevc,
    "mpeg1video": _mpeg12,
    "mpeg2video": _mpeg12,
    "mpeg4": _mpeg4,
    "vp8": _vp8,
    "vp9": _vp9,
    "av1": _av1,
    "mjpeg": _jpeg,
}
