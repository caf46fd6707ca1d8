"""Read the header of a JPEG file, and whether its picture is whole. Source: ITU-T T.81."""

import re
from dataclasses import dataclass

from simlift.media.image_formats.exif import read_orientation
from simlift.media.image_formats.header import (
    Buffer,
    DamagedImage,
    ImageHeader,
    UnreadableImage,
    upright_size,
)

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the markers SOF0 to SOF15
_BASELINE = (0xC0, 0xC1)
_TABLES, _SCAN, _END, _RESTART = 0xC4, 0xDA, 0xD9, range(0xD0, 0xD8)
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
_CMYK = 4  # components

# Within a scan 0xFF is followed by 0 (a stuffed byte) or by the number of a restart.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_ZEROS = bytes(64)


@dataclass
class _Segments:
    """What lies before the first scan; `scan` is the offset of its marker."""

    scan: int
    frame: int  # the marker SOFn
    bits: int
    height: int
    width: int
    components: int
    orientation: int
    profile: bytes
    first_ac_codes: dict[int, int]  # table -> what a code of zeros means in it


def jpeg_header(data: Buffer) -> ImageHeader:
    """Read a JPEG header; DamagedImage where the end of the picture is missing.

    UnreadableImage for CMYK, whose colours depend on inks that no file of a camera names.
    """
    found = _segments(data)
    if found.components == _CMYK:
        raise UnreadableImage("holds CMYK colours")
    if found.bits != 8:
        raise UnreadableImage(f"holds JPEG samples of {found.bits} bits")
    if data[-2:] != b"\xff\xd9":
        _find_end(data, found.scan)
    height, width = upright_size(found.height, found.width, found.orientation)
    return ImageHeader("JPEG", height, width, found.orientation, lossy=True)


def jpeg_profile(data: Buffer) -> bytes:
    """Return the ICC profile, or nothing."""
    return _segments(data).profile


def check_jpeg_scan(data: Buffer) -> None:
    """Raise DamagedImage on zeros within the picture that no encoder writes.

    JPEG has no checksums: zeros are codes too. But where a code of zeros does not mean "the rest of
    the block is empty", 64 bytes of it are blocks in which all coefficients are equal, which no
    picture holds: a sector was lost. Progressive files are not judged.
    """
    found = _segments(data)
    if found.frame not in _BASELINE:
        return
    begin = data[found.scan + 4 : found.scan + 5 + 2 * found.components]
    if len(begin) < 3 or begin[0] != found.components:
        return
    if found.first_ac_codes.get(begin[2] & 15, 0) == 0:
        return
    end = data.find(b"\xff\xd9", found.scan)
    lost = data.find(_ZEROS, found.scan, end)
    # Zeros up to the end marker are padding.
    if lost >= 0 and any(data[lost:end]):
        raise DamagedImage(f"is damaged: zeros in place of its picture from byte {lost}")


def _segments(data: Buffer) -> _Segments:
    found = _Segments(0, 0, 8, 0, 0, 0, 1, b"", {})
    at = 2
    while True:
        marker, start, stop = _segment(data, at)
        if marker == _SCAN:
            break
        head = data[start : start + 14]
        if marker in _FRAMES and stop - start >= 6:
            found.frame, found.bits, found.components = marker, head[0], head[5]
            found.height = int.from_bytes(head[1:3], "big")
            found.width = int.from_bytes(head[3:5], "big")
        elif marker == 0xE1 and head.startswith(_EXIF):
            found.orientation = read_orientation(data[start + len(_EXIF) : stop])
        elif marker == 0xE2 and head.startswith(_ICC):
            found.profile += data[start + len(_ICC) + 2 : stop]
        elif marker == _TABLES:
            found.first_ac_codes |= _first_ac_codes(data[start:stop])
        at = stop
    if not found.frame:
        raise DamagedImage("is damaged: its header states no size")
    found.scan = at
    return found


def _segment(data: Buffer, at: int) -> tuple[int, int, int]:
    """Return the marker at an offset, and where what it holds begins and ends."""
    head = data[at : at + 4]
    while len(head) == 4 and head[:2] == b"\xff\xff":  # fill bytes
        at += 1
        head = data[at : at + 4]
    length = int.from_bytes(head[2:4], "big")
    if len(head) < 4 or head[0] != 0xFF or length < 2:
        raise DamagedImage(f"is cut or damaged in its header (byte {at} of {len(data)})")
    return head[1], at + 4, at + 2 + length


def _find_end(data: Buffer, at: int) -> None:
    """Walk the scans to the end marker; cameras write previews and films behind it."""
    at = _segment(data, at)[2]
    while found := _MARKER.search(data, at):
        marker = found.group()[1]
        if marker == _END:
            return
        at = _segment(data, found.start())[2]
    raise DamagedImage("is cut short or zeroed: the end of its picture is missing")


def _first_ac_codes(tables: bytes) -> dict[int, int]:
    found, at = {}, 0
    while at + 17 < len(tables):
        kind, number = tables[at] >> 4, tables[at] & 15
        if kind == 1:
            found[number] = tables[at + 17]
        at += 17 + sum(tables[at + 1 : at + 17])
    return found
