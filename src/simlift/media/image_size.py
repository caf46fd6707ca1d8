"""Read an image's height and width from its file header, without decoding it."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the markers SOF0 to SOF15


def image_size(path: Path) -> tuple[int, int] | None:
    """Read (height, width) of a PNG, JPEG, BMP or .npy file; None for other formats."""
    with path.open("rb") as file:
        head = file.read(26)
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")
        if head[:2] == b"BM":
            height = abs(int.from_bytes(head[22:26], "little", signed=True))
            return height, int.from_bytes(head[18:22], "little")
        if head[:6] == b"\x93NUMPY":
            return _npy_size(file)
        if head[:2] == b"\xff\xd8":
            return _jpeg_size(file)
    return None


def _npy_size(file: BinaryIO) -> tuple[int, int] | None:
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, _ = read(file)
    except ValueError:
        return None
    return (shape[0], shape[1]) if len(shape) > 1 else None


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    at = 2
    while True:
        file.seek(at)
        segment = file.read(9)
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        if segment[1] in _JPEG_SIZES:
            return int.from_bytes(segment[5:7], "big"), int.from_bytes(segment[7:9], "big")
        at += 2 + int.from_bytes(segment[2:4], "big")
