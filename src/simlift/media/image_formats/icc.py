"""Read ICC colour profiles, and convert pixels from them to sRGB.

Profiles of cameras, telephones and editors state three primaries and a curve; profiles of printers
hold tables and are not converted. Source: ICC.1:2022; matrix of Rec. 709 primaries: B. Lindbloom.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from simlift.core.layers import Array

_HEADER = 128  # bytes before the table of tags
_XYZ_D50_TO_REC709 = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def profile_name(profile: bytes) -> str:
    """Return the description of a profile, or "without a name"."""
    return _text(_tags(profile).get(b"desc", b"")) or "without a name"


@dataclass(frozen=True, eq=False)
class Conversion:
    """From stored codes to sRGB: a curve for each channel, then a matrix in linear light."""

    curves: tuple[Float[np.ndarray, "65536"], ...]
    matrix: Float[np.ndarray, "3 3"]

    def __call__(self, pixels: Array) -> Array:
        """Convert uint8 or uint16 [h w 3] or [h w 4]; what sRGB cannot show is clipped."""
        top = np.iinfo(pixels.dtype).max
        step = 65535 // top
        linear = np.stack(
            [self.curves[c][::step].astype(np.float32)[pixels[..., c]] for c in range(3)], axis=-1
        )
        linear = linear @ self.matrix.T.astype(np.float32)
        codes = np.rint(np.clip(linear, 0, 1) * 65535).astype(np.uint16)
        colours = np.rint(_srgb_curve() * top).astype(pixels.dtype)[codes]
        return np.concatenate([colours, pixels[..., 3:]], axis=-1)


@lru_cache(maxsize=8)
def conversion_to_srgb(profile: bytes) -> Conversion | None:
    """Return the conversion from a profile; None where it is sRGB, or has no primaries."""
    tags = _tags(profile)
    names = [(b"rXYZ", b"rTRC"), (b"gXYZ", b"gTRC"), (b"bXYZ", b"bTRC")]
    wanted = all(name in tags for pair in names for name in pair)
    if not wanted or profile[16:20] != b"RGB " or "srgb" in profile_name(profile).lower():
        return None
    curves = [_curve(tags[curve]) for _, curve in names]
    known = tuple(curve for curve in curves if curve is not None)
    if len(known) < 3:
        return None
    primaries = np.stack([_fixed(tags[name][8:20]) for name, _ in names], axis=-1)
    return Conversion(known, _XYZ_D50_TO_REC709 @ primaries)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    tags = {}
    for at in range(_HEADER + 4, _HEADER + 4 + 12 * min(count, 100), 12):
        start = int.from_bytes(profile[at + 4 : at + 8], "big")
        size = int.from_bytes(profile[at + 8 : at + 12], "big")
        tags[profile[at : at + 4]] = profile[start : start + size]
    return tags


def _text(tag: bytes) -> str:
    if tag[:4] == b"desc":  # version 2: ASCII
        size = int.from_bytes(tag[8:12], "big")
        return tag[12 : 12 + size].decode("ascii", "replace").strip("\0 ")
    if tag[:4] == b"mluc":  # version 4: UTF-16, the first of its languages
        size, start = (int.from_bytes(tag[at : at + 4], "big") for at in (20, 24))
        return tag[start : start + size].decode("utf-16-be", "replace").strip("\0 ")
    return ""


def _fixed(data: bytes) -> Float[np.ndarray, "n"]:
    """Return signed numbers of 16 bits before and 16 behind the point."""
    return np.frombuffer(data[: len(data) // 4 * 4], ">i4") / 65536


def _curve(tag: bytes) -> Float[np.ndarray, "65536"] | None:
    """Return the linear light of every 16-bit code; None for a curve that is not understood."""
    x = np.linspace(0, 1, 65536)
    if tag[:4] == b"curv":
        table = np.frombuffer(tag[12 : 12 + 2 * int.from_bytes(tag[8:12], "big")], ">u2")
        if len(table) == 0:
            return x
        if len(table) == 1:
            return x ** (table[0] / 256)
        return np.interp(x, np.linspace(0, 1, len(table)), table / 65535)
    if tag[:4] == b"para":
        return _parametric(x, int.from_bytes(tag[8:10], "big"), _fixed(tag[12:]))
    return None


def _parametric(
    x: Float[np.ndarray, "n"], kind: int, numbers: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "n"] | None:
    if kind > 4 or len(numbers) < (1, 3, 4, 5, 7)[kind]:
        return None
    gamma, a, b, c, d, e, f = np.pad(numbers[:7], (0, max(7 - len(numbers), 0))).tolist()
    if kind == 0:
        return x**gamma
    power = np.maximum(a * x + b, 0) ** gamma
    if kind == 1:
        return np.where(a * x + b >= 0, power, 0)
    if kind == 2:
        return np.where(a * x + b >= 0, power, 0) + c
    return np.where(x >= d, power + e, c * x + f)


@lru_cache(maxsize=1)
def _srgb_curve() -> Float[np.ndarray, "65536"]:
    """Return the sRGB value of every 16-bit code of linear light (IEC 61966-2-1)."""
    x = np.linspace(0, 1, 65536)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
