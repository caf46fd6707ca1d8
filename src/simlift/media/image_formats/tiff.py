"""Read the header of a TIFF file, and whether its strips are whole. Source: TIFF 6.0; BigTIFF."""

import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from simlift.media.image_formats.header import (
    Buffer,
    DamagedImage,
    ImageHeader,
    UnreadableImage,
    upright_size,
)

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 16: 8}  # bytes of the types of numbers that are read here
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _STRIP_BYTES, _TILES, _TILE_BYTES, _ICC = 273, 274, 279, 324, 325, 34675
_WHITE_IS_ZERO, _PALETTE, _CMYK = 0, 3, 5  # photometric interpretations
_LZW, _JPEG, _DEFLATE = 5, (6, 7), (8, 32946)  # compressions
_MOST_PAGES = 65536


@dataclass(frozen=True)
class _Numbers:
    """A TIFF file as numbers: its byte order, and whether it is a BigTIFF."""

    data: Buffer
    little: bool
    big: bool

    def at(self, offset: int, size: int) -> int:
        part = self.data[offset : offset + size]
        if len(part) < size:
            raise DamagedImage("is cut short: its directory is missing")
        return int.from_bytes(part, "little" if self.little else "big")

    def _type(self, size: int) -> str:
        return f"{'<' if self.little else '>'}u{size}"

    def directory(self, offset: int) -> tuple[dict[int, list[int]], int]:
        """Return the entries of a directory, and the offset of the next one or 0."""
        wide, step, count = (8, 20, 8) if self.big else (4, 12, 2)
        entries = {}
        start, number = offset + count, self.at(offset, count)
        if number == 0 or number > 4096:
            raise DamagedImage("is cut or zeroed: its directory is missing")
        for at in range(start, start + step * number, step):
            size = _SIZES.get(self.at(at + 2, 2), 0)
            found = self.at(at + 4, wide)
            place = at + 4 + wide
            if size * found > wide:
                place = self.at(place, wide)
            if size and place + size * found <= len(self.data):
                stored = self.data[place : place + size * found]
                entries[self.at(at, 2)] = np.frombuffer(stored, self._type(size)).tolist()
        return entries, self.at(start + step * number, wide)


def tiff_header(data: Buffer) -> ImageHeader:
    """Read a TIFF header; DamagedImage where a strip reaches beyond the end of the file."""
    pages = _pages(data)
    first = pages[0]
    kind, bits = first.get(_PHOTOMETRIC, [1])[0], first.get(_BITS, [1])[0]
    if kind == _CMYK:
        raise UnreadableImage("holds CMYK colours")
    if kind == _WHITE_IS_ZERO and bits > 8:  # OpenCV turns 8 bits round, and 16 not
        raise UnreadableImage(f"stores white as 0, in {bits} bits")
    end = int(_strips(first).max(initial=0))
    if end > len(data):
        raise DamagedImage(f"is cut short: at least {end - len(data)} bytes are missing")
    _check_lzw(data, first, end)
    orientation = first.get(_ORIENTATION, [1])[0]
    orientation = orientation if 1 <= orientation <= 8 else 1
    height, width = upright_size(first[_HEIGHT][0], first[_WIDTH][0], orientation)
    # Reduced pictures (previews, pyramids) are no frames.
    frames = sum(not page.get(_SUBFILE, [0])[0] & 1 for page in pages)
    return ImageHeader(
        "TIFF",
        height,
        width,
        orientation,
        bits=bits,
        palette=kind == _PALETTE,
        inverted=kind == _WHITE_IS_ZERO,
        lossy=first.get(_COMPRESSION, [1])[0] in _JPEG,
        frames=max(frames, 1),
    )


def tiff_profile(data: Buffer) -> bytes:
    """Return the ICC profile, or nothing."""
    return bytes(_pages(data)[0].get(_ICC, []))


def check_tiff_strips(data: Buffer) -> None:
    """Raise DamagedImage where a compressed strip is not whole; others have no marks."""
    page = _pages(data)[0]
    for start, stop in _strips(page).tolist():
        _check_lzw(data, page, stop)
        if page.get(_COMPRESSION, [1])[0] in _DEFLATE:
            try:
                zlib.decompress(data[start:stop])
            except zlib.error as error:
                raise DamagedImage(f"is damaged at byte {start} ({error})") from error


def _check_lzw(data: Buffer, page: dict[int, list[int]], stop: int) -> None:
    # The last code of an LZW strip is never zero.
    if page.get(_COMPRESSION) == [_LZW] and not any(data[stop - 2 : stop]):
        raise DamagedImage("is zeroed: the end of its picture is missing")


def _pages(data: Buffer) -> list[dict[int, list[int]]]:
    little = data[:2] == b"II"
    version = int.from_bytes(data[2:4], "little" if little else "big")
    numbers = _Numbers(data, little, version == 43)
    offset = numbers.at(8, 8) if numbers.big else numbers.at(4, 4)
    pages: list[dict[int, list[int]]] = []
    seen: set[int] = set()
    while offset and offset not in seen and len(pages) < _MOST_PAGES:
        seen.add(offset)
        page, offset = numbers.directory(offset)
        pages.append(page)
    if not pages or _HEIGHT not in pages[0] or _WIDTH not in pages[0]:
        raise DamagedImage("is cut or zeroed: its directory states no size")
    return pages


def _strips(page: dict[int, list[int]]) -> Int[np.ndarray, "n 2"]:
    """Return where each strip or tile begins and ends."""
    starts = page.get(_STRIPS) or page.get(_TILES) or []
    sizes = page.get(_STRIP_BYTES) or page.get(_TILE_BYTES) or []
    count = min(len(starts), len(sizes))
    begin = np.array(starts[:count], dtype=np.int64)
    return np.stack([begin, begin + np.array(sizes[:count], dtype=np.int64)], axis=-1)
