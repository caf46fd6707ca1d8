"""Detect truncated video files from the sizes that their container atoms declare.

MP4, Matroska, AVI, GIF and PNG files declare the length of their parts in front of them, so that a
cut file is found by its size, without reading it. Streams (.ts, .h264, live .mkv) declare none.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067  # Matroska element ids (RFC 9559)
_MP4_BOXES = frozenset(
    b"ftyp moov mdat moof mfra free skip wide sidx styp uuid meta pdin udta emsg prft pnot".split()
)


def missing_bytes(path: Path) -> int:
    """Compute by how many bytes a file is shorter than it declares; 0 where it declares nothing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        declared_end: Callable[[BinaryIO, int], int] | None = None
        if head[4:8] in _MP4_BOXES:
            declared_end = _mp4_end
        elif head[:4] == _EBML.to_bytes(4, "big"):
            declared_end = _matroska_end
        elif head[:4] == b"RIFF":
            declared_end = _riff_end
        elif head[:4] == b"GIF8":
            declared_end = _gif_end
        elif head[:8] == b"\x89PNG\r\n\x1a\n":
            declared_end = _png_end
        return max(declared_end(file, size) - size, 0) if declared_end else 0


def trailing_zeros(path: Path) -> int:
    """Count the zeros at the end of a file, up to 64 KiB: what a full disk never wrote."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - (1 << 16), 0))
        data = file.read()
    return len(data) - len(data.rstrip(b"\0"))


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Walk the boxes: 4 bytes length, 4 bytes name; length 1 is long, 0 reaches to the end."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at + 8
        length = int.from_bytes(head[:4], "big")
        if head[4:8] not in _MP4_BOXES or length == 0:
            return size  # players ignore what follows the last known box
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return size
        at += length
    return at


def _matroska_end(file: BinaryIO, size: int) -> int:
    """Return the end of the first segment; a segment of unknown length is a live recording."""
    _number(file, keep_marker=True)
    header = _number(file, keep_marker=False)
    file.seek(header or 0, 1)
    if _number(file, keep_marker=True) != _SEGMENT:
        return size
    length = _number(file, keep_marker=False)
    return size if length is None else file.tell() + length


def _riff_end(file: BinaryIO, size: int) -> int:
    """Walk the RIFF chunks; recorders that were stopped leave lengths of 0."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            return size
        at += 8 + length + length % 2
    return at


def _gif_end(file: BinaryIO, size: int) -> int:
    """Walk the blocks of a GIF up to its trailer; each image and extension is a chain of parts."""
    file.seek(10)
    file.seek(13 + _palette_bytes(file.read(1)))
    while kind := file.read(1):
        if kind == b";":
            return size
        if kind == b",":
            place = file.read(9)
            file.seek(_palette_bytes(place[8:]) + 1, 1)
        elif kind == b"!":
            file.seek(1, 1)
        else:
            return size  # decoders stop here as well; it is no matter of length
        while (length := file.read(1)) not in (b"", b"\0"):
            file.seek(length[0], 1)
        if length == b"\0" and file.tell() == size:
            return size  # some writers leave the trailer out
    return max(file.tell(), size) + 1


def _palette_bytes(flags: bytes) -> int:
    """Return the bytes of the palette that a flag announces."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _png_end(file: BinaryIO, size: int) -> int:
    """Walk the chunks of a PNG up to its last: 4 bytes length, 4 bytes name, data, checksum."""
    at = 8
    while at < size:
        file.seek(at)
        head = file.read(8)
        if head[4:] == b"IEND":
            return at + 12
        at += 12 + int.from_bytes(head[:4], "big")
    return at + 12


def _number(file: BinaryIO, *, keep_marker: bool) -> int | None:
    """Read an EBML number of 1 to 8 bytes; None where all its bits are 1 (unknown)."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    more = 8 - first[0].bit_length()
    raw = first + file.read(more)
    value = int.from_bytes(raw, "big")
    marker = 1 << (7 * (more + 1))
    if keep_marker:
        return value
    return None if value == 2 * marker - 1 else value - marker
