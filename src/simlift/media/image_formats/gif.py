"""Read the frames of a GIF file and their times, without decoding. Source: CompuServe, GIF89a."""

from fractions import Fraction

from simlift.media.image_formats.header import Buffer, DamagedImage, ImageHeader

_EXTENSION, _IMAGE, _TRAILER, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9


def gif_header(data: Buffer) -> ImageHeader:
    """Read a GIF header; DamagedImage where it ends within a block."""
    head = data[:10]
    height, width = (int.from_bytes(head[at : at + 2], "little") for at in (8, 6))
    return ImageHeader("GIF", height, width, palette=True, frames=len(gif_delays(data)))


def gif_delays(data: Buffer) -> tuple[Fraction, ...]:
    """Walk the blocks of a GIF file and return the delay of each frame in seconds.

    A trailer may be missing, as some writers leave it out, where a block ends with the file.
    """
    at = 13 + _table(data, 10)
    delays: list[Fraction] = []
    delay = Fraction(0)
    while at != len(data) and (kind := _byte(data, at)) != _TRAILER:
        if kind == _EXTENSION:
            if _byte(data, at + 1) == _CONTROL:
                delay = Fraction(int.from_bytes(data[at + 4 : at + 6], "little"), 100)
            at = _behind_blocks(data, at + 2)
        elif kind == _IMAGE:
            delays.append(delay)
            at = _behind_blocks(data, at + 11 + _table(data, at + 9))
        else:
            raise DamagedImage(f"is damaged at byte {at} of {len(data)}")
    if not delays:
        raise DamagedImage("holds no picture")
    return tuple(delays)


def _table(data: Buffer, at: int) -> int:
    """Return the bytes of the colour table that packed fields announce."""
    packed = _byte(data, at)
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _behind_blocks(data: Buffer, at: int) -> int:
    while length := _byte(data, at):
        at += 1 + length
    return at + 1


def _byte(data: Buffer, at: int) -> int:
    if at >= len(data):
        raise DamagedImage("is cut short: it ends within a block")
    return data[at]
