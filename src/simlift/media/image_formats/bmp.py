"""Read the header of a BMP file, and whether it is whole. Source: Microsoft, BITMAPFILEHEADER."""

from simlift.media.image_formats.header import Buffer, DamagedImage, ImageHeader

_OLD = 12  # bytes of the header of OS/2
_PLAIN = (0, 3)  # compressions whose rows have a fixed length


def bmp_header(data: Buffer) -> ImageHeader:
    """Read a BMP header; DamagedImage where rows are missing."""
    head = data[:54]
    if len(head) < 26:
        raise DamagedImage("is cut short in its header")

    def number(at: int, size: int = 4, signed: bool = False) -> int:
        return int.from_bytes(head[at : at + size], "little", signed=signed)

    start, old = number(10), number(14) == _OLD
    width, height = (number(18, 2), number(20, 2)) if old else (number(18), number(22, 4, True))
    bits, compression = (number(24, 2), 0) if old else (number(28, 2), number(30))
    needed = number(2)
    if compression in _PLAIN:
        needed = start + (width * bits + 31) // 32 * 4 * abs(height)
    if needed > len(data):
        raise DamagedImage(f"is cut short: at least {needed - len(data)} bytes are missing")
    return ImageHeader("BMP", abs(height), width, bits=bits, palette=bits <= 8)
