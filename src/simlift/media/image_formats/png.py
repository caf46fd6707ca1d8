"""Read the header of a PNG file, whether it is whole, and its samples as stored.

Source: W3C, Portable Network Graphics (third edition).
"""

import zlib
from collections.abc import Iterator
from fractions import Fraction

from simlift.media.image_formats.exif import read_orientation
from simlift.media.image_formats.header import (
    Buffer,
    DamagedImage,
    ImageHeader,
    upright_size,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LAST = b"\0\0\0\0IEND\xaeB`\x82"
_PALETTE = 3  # the colour type whose samples are indices
_TAIL = 1 << 16  # bytes at the end in which EXIF data is looked for
_SRGB_GAMMA = range(45000, 46000)  # 1/2.2 times 100,000, as files of sRGB state


def png_header(data: Buffer) -> ImageHeader:
    """Read a PNG header; DamagedImage where the end of the file is missing."""
    head = data[8:33]
    if len(head) < 25 or head[4:8] != b"IHDR":
        raise DamagedImage("is cut or damaged in its header")
    orientation, frames = 1, 1
    for name, start, stop in _chunks(data):
        if name == b"IDAT":
            break
        if name == b"eXIf":
            orientation = read_orientation(data[start:stop])
        elif name == b"acTL":
            frames = int.from_bytes(data[start : start + 4], "big")
    else:
        raise DamagedImage("is cut short: it holds no picture")
    if data[-12:] != _LAST and not any(name == b"IEND" for name, _, _ in _chunks(data)):
        raise DamagedImage("is cut short or zeroed: its last chunk (IEND) is missing")
    orientation = _late_orientation(data) or orientation
    height, width = upright_size(
        int.from_bytes(head[12:16], "big"), int.from_bytes(head[8:12], "big"), orientation
    )
    return ImageHeader(
        "PNG",
        height,
        width,
        orientation,
        bits=head[16],
        palette=head[17] == _PALETTE,
        frames=frames,
    )


def png_colours(data: Buffer) -> tuple[bytes, str]:
    """Return the ICC profile, or nothing, and what the file says of its colours otherwise."""
    words, named = "", False
    for name, start, stop in _chunks(data):
        if name == b"IDAT":
            break
        if name == b"iCCP":
            coded = data[start:stop].partition(b"\0")[2][1:]
            try:
                return zlib.decompress(coded), ""
            except zlib.error:
                return b"", "a colour profile that is damaged"
        if name == b"sRGB":
            named = True
        elif name == b"cICP" and data[start : start + 2] != b"\x01\x0d":
            primaries, curve = data[start], data[start + 1]
            return b"", f"colours of ITU-T H.273 primaries {primaries} and curve {curve}"
        elif name == b"gAMA":
            gamma = int.from_bytes(data[start:stop], "big")
            if gamma not in _SRGB_GAMMA:
                words = f"the gamma {gamma / 100_000:.3g}"
    return b"", "" if named else words


def as_samples(data: bytes) -> bytes:
    """Return the file as gray, so that it decodes to its samples: indices for a palette."""
    head = bytearray(data[12:29])
    head[13] = 0
    parts = [SIGNATURE, data[8:12], bytes(head), zlib.crc32(head).to_bytes(4, "big")]
    parts += [
        data[start - 8 : stop + 4]
        for name, start, stop in _chunks(data)
        if name in (b"IDAT", b"IEND")
    ]
    return b"".join(parts)


def apng_delays(data: Buffer) -> tuple[Fraction, ...]:
    """Return the delay of each frame of an animated PNG in seconds."""
    delays = []
    for name, start, stop in _chunks(data):
        if name == b"fcTL":
            control = data[start:stop]
            count, unit = (int.from_bytes(control[at : at + 2], "big") for at in (20, 22))
            delays.append(Fraction(count, unit or 100))
    return tuple(delays)


def _chunks(data: Buffer) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, and where what it holds begins and ends."""
    at, size = 8, len(data)
    while at + 12 <= size:
        head = data[at : at + 8]
        stop = at + 8 + int.from_bytes(head[:4], "big")
        if stop + 4 > size:
            raise DamagedImage(f"is cut short: at least {stop + 4 - size} bytes are missing")
        yield head[4:], at + 8, stop
        if head[4:] == b"IEND":
            return
        at = stop + 4


def _late_orientation(data: Buffer) -> int:
    """Return the orientation of EXIF data behind the picture, or 0."""
    at = data.rfind(b"eXIf", max(len(data) - _TAIL, 0))
    if at < 0:
        return 0
    stop = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    sound = zlib.crc32(data[at:stop]).to_bytes(4, "big") == data[stop : stop + 4]
    return read_orientation(data[at + 4 : stop]) if sound else 0
