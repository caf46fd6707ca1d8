"""Read the colours of an indexed PNG, whose order gives the ids of segmentation images."""

from pathlib import Path

from simlift.core.errors import ClipError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3  # the colour type of PNG images that hold indices into a palette


def png_palette(path: Path) -> bytes | None:
    """Return red, green and blue of every index, three bytes each; None for other PNG images.

    Source: Portable Network Graphics Specification (W3C), 11.2.
    """
    with path.open("rb") as file:
        if file.read(8) != _SIGNATURE:
            raise ClipError(path, "is no PNG", allowed="a whole PNG image", way_out="export again")
        header = file.read(25)  # the chunk IHDR with its length, name and checksum
        if len(header) < 25 or header[17] != _INDEXED:
            return None
        while len(start := file.read(8)) == 8:
            length = int.from_bytes(start[:4], "big")
            if start[4:] == b"PLTE":
                return file.read(length)
            file.seek(length + 4, 1)
    raise ClipError(path, "is an indexed PNG without a palette", way_out="export it again")
