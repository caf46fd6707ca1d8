"""Read the header of a WebP file, and whether it is whole. Source: RFC 9649."""

from collections.abc import Iterator

from simlift.media.image_formats.exif import read_orientation
from simlift.media.image_formats.header import (
    Buffer,
    DamagedImage,
    ImageHeader,
    upright_size,
)

_BLOCK = 256  # pixels of a macroblock


def webp_header(data: Buffer) -> ImageHeader:
    """Read a WebP header; DamagedImage where its end is missing or zeroed.

    Neither of the codings of WebP has a checksum, and flat areas are coded as zeros. More of them
    than encoders write for a flat picture are taken for a loss.
    """
    orientation, frames, lossy, size = 1, 0, False, (0, 0)
    coded = (0, 0)
    for name, start, stop in webp_chunks(data):
        if name == b"VP8X":
            size = _canvas(data[start : start + 10])
        elif name in (b"VP8 ", b"VP8L"):
            size = size if size[0] else _coded_size(name, data[start : start + 10])
            lossy, coded = name == b"VP8 ", (start, stop)
        elif name == b"ANMF":
            frames, coded = frames + 1, (start, stop)
            lossy = lossy or b"VP8 " in data[start + 16 : start + 64]
        elif name == b"EXIF":
            exif = data[start:stop]
            orientation = read_orientation(exif.removeprefix(b"Exif\0\0"))
    if not coded[1] or not size[0]:
        raise DamagedImage("is cut short: it holds no picture")
    tail = max(coded[1] - _most_zeros(*size, lossy), coded[0])
    if not any(data[tail : coded[1]]):
        raise DamagedImage("is zeroed: the end of its picture is missing")
    height, width = upright_size(*size, orientation)
    return ImageHeader("WebP", height, width, orientation, lossy=lossy, frames=max(frames, 1))


def check_webp_picture(data: Buffer) -> None:
    """Raise DamagedImage on more zeros within the picture than a flat one holds."""
    size = (0, 0)
    for name, start, stop in webp_chunks(data):
        if name == b"VP8X":
            size = _canvas(data[start : start + 10])
        elif name in (b"VP8 ", b"VP8L"):
            size = size if size[0] else _coded_size(name, data[start : start + 10])
            lost = data.find(bytes(_most_zeros(*size, name == b"VP8 ") + 1), start, stop)
            if lost >= 0:
                raise DamagedImage(f"is damaged: zeros in place of its picture from byte {lost}")


def _most_zeros(height: int, width: int, lossy: bool) -> int:
    # libwebp writes up to 5.8 bits of zeros for a flat macroblock, and 0.7 for a lossless pixel,
    # at its fastest settings; at others hardly any. The bounds leave a factor of three.
    pixels = height * width
    return 64 + (2 * pixels // _BLOCK if lossy else pixels // 4)


def webp_profile(data: Buffer) -> bytes:
    """Return the ICC profile, or nothing."""
    for name, start, stop in webp_chunks(data):
        if name == b"ICCP":
            return data[start:stop]
    return b""


def webp_chunks(data: Buffer) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, and where what it holds begins and ends."""
    size = 8 + int.from_bytes(data[4:8], "little")
    if size > len(data):
        raise DamagedImage(f"is cut short: at least {size - len(data)} bytes are missing")
    at = 12
    while at + 8 <= size:
        head = data[at : at + 8]
        stop = at + 8 + int.from_bytes(head[4:], "little")
        if stop > size or not any(head):
            raise DamagedImage(f"is cut, zeroed or damaged at byte {at} of {size}")
        yield head[:4], at + 8, stop
        at = stop + stop % 2


def _canvas(head: bytes) -> tuple[int, int]:
    width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (4, 7))
    return height, width


def _coded_size(name: bytes, head: bytes) -> tuple[int, int]:
    if name == b"VP8 ":
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return height, width
    bits = int.from_bytes(head[1:5], "little")
    return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
