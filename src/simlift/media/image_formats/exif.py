"""Read the orientation that EXIF data states; turn pixels upright by it.

Source: CIPA DC-008 (Exif 2.32), tag 274.
"""

from collections.abc import Callable

import numpy as np

from simlift.core.layers import Array

_ORIENTATION = 0x0112
_SHORT = 3

# What makes stored pixels upright; orientation 1 needs nothing.
_TURNS: dict[int, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


def read_orientation(exif: bytes) -> int:
    """Return the orientation 1 to 8 of EXIF data (a TIFF structure); 1 where it states none."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(exif[:4])
    if order is None:
        return 1
    little = order == "little"

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "little" if little else "big")

    at = number(4, 4)
    for entry in range(at + 2, at + 2 + 12 * number(at, 2), 12):
        if number(entry, 2) == _ORIENTATION and number(entry + 2, 2) == _SHORT:
            found = number(entry + 8, 2)
            return found if 1 <= found <= 8 else 1
        if entry > len(exif):
            break
    return 1


def turn_upright(pixels: Array, orientation: int) -> Array:
    """Turn or mirror pixels [h w ...] as an EXIF orientation asks."""
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))
