"""Define what an image file says of itself before it is decoded."""

import mmap
from dataclasses import dataclass
from typing import TypeAlias

Buffer: TypeAlias = bytes | mmap.mmap  # a whole file, or one that is mapped and read where needed


class DamagedImage(ValueError):
    """A file is cut, or zeroed at its end: the text says what is missing."""


class UnreadableImage(ValueError):
    """A file is whole and of a kind that is not read: the text names it."""


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of itself. `height` and `width` are those of the picture held upright."""

    format: str
    height: int
    width: int
    orientation: int = 1  # EXIF: 1 is upright, 6 is to be turned clockwise by 90 degrees
    bits: int = 8  # of a stored sample
    palette: bool = False  # samples are indices into a table of colours
    inverted: bool = False  # white is stored as 0
    lossy: bool = False
    frames: int = 1  # of an animation; pages of a TIFF file


def upright_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Return (height, width) after the turn that an EXIF orientation asks for."""
    return (width, height) if orientation >= 5 else (height, width)
