"""Read the headers of image files, and whether a file is whole, without decoding: a module each."""

from simlift.media.image_formats.header import (
    Buffer,
    DamagedImage,
    ImageHeader,
    UnreadableImage,
)
from simlift.media.image_formats.sniff import colour_words, icc_profile, read_header

__all__ = [
    "Buffer",
    "DamagedImage",
    "ImageHeader",
    "UnreadableImage",
    "colour_words",
    "icc_profile",
    "read_header",
]
