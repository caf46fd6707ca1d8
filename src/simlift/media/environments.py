"""Read environment maps (Radiance .hdr, OpenEXR) -> equirectangular linear radiance [h w 3]."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float

from simlift.core.errors import MissingLibrary, RecipeError

# Lossy EXR coding (DWA, B44) rings below zero around bright lights: in dark maps many values, but
# always many orders below this share of the light (3e-7 in published maps that are coded so).
_NEGATIVE_LIGHT = 1e-3

_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)  # x, y of red, green, blue, white
_MOST_ROWS = 1024


@dataclass(frozen=True, eq=False)
class EnvironmentMap:
    """Linear radiance, and what was assumed or changed as it was read."""

    radiance: Float[np.ndarray, "h w 3"]
    notes: tuple[str, ...]


def read_environment(path: Path) -> EnvironmentMap:
    """Read an environment map; RecipeError on damage, NaN, infinite light, or another projection.

    Slightly negative values, as lossy coding leaves them, become 0 and are noted. A value that is
    NaN or infinite is refused, even a single one: nothing tells how bright it was.
    """
    if not path.is_file():
        raise RecipeError(path, "does not exist", way_out="give a .hdr or .exr file")
    notes: list[str] = []
    radiance = _read_exr(path, notes) if path.suffix.lower() == ".exr" else _read_hdr(path)
    height, width = radiance.shape[:2]
    if width != 2 * height:
        raise RecipeError(
            path, f"is {width}x{height}", allowed="equirectangular: twice as wide as high"
        )
    _check_finite(path, radiance)
    if not radiance.any():
        raise RecipeError(path, "is black everywhere", way_out="give one that holds light")
    radiance = _without_negative(path, radiance, notes)
    if height > _MOST_ROWS:
        size = (2 * _MOST_ROWS, _MOST_ROWS)
        radiance = cv2.resize(radiance, size, interpolation=cv2.INTER_AREA)
    return EnvironmentMap(np.ascontiguousarray(radiance, dtype=np.float32), tuple(notes))


def _check_finite(path: Path, radiance: np.ndarray) -> None:
    bad = ~np.isfinite(radiance).all(axis=-1)
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    raise RecipeError(
        path,
        f"{int(bad.sum())} pixels are NaN or infinite, the first at row {row}, column {column}",
        allowed="finite light from 0 up",
        way_out="paint them over, or export with 32-bit floats if a sun is beyond 65504",
    )


def _without_negative(path: Path, radiance: np.ndarray, notes: list[str]) -> np.ndarray:
    negative = radiance < 0
    if not negative.any():
        return radiance
    share = float(negative.mean())
    light = float(-radiance[negative].sum(dtype=np.float64))
    light /= max(float(radiance[~negative].sum(dtype=np.float64)), 1e-30)
    found = f"{share:.2g} of the values are negative, down to {radiance.min():.2g}"
    if light > _NEGATIVE_LIGHT:
        raise RecipeError(
            path,
            f"{found}, together {light:.2g} of the light",
            allowed=f"at most {_NEGATIVE_LIGHT:g} of the light, as lossy coding leaves it",
            way_out="give a map of radiance: not of differences, normals or logarithms",
        )
    notes.append(f"{found}: read as 0")
    return np.maximum(radiance, 0)


def _read_hdr(path: Path) -> np.ndarray:
    data = path.read_bytes()
    if not data.startswith(b"#?"):
        raise RecipeError(path, "is no Radiance file", allowed="a file that begins with #?RADIANCE")
    if b"FORMAT=32-bit_rle_xyze" in data[:4096]:
        raise RecipeError(
            path, "holds CIE XYZ values", allowed="red, green and blue (32-bit_rle_rgbe)"
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.ndim != 3:
        raise RecipeError(path, "is damaged or cut short", way_out="download it again")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _read_exr(path: Path, notes: list[str]) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError:
        raise MissingLibrary("OpenEXR", f"reading {path.name}", "exr") from None
    try:
        with OpenEXR.File(str(path)) as file:
            channels, primaries = file.channels(), file.header().get("chromaticities")
            for name in ("RGB", "RGBA"):
                if name in channels:
                    _note_primaries(primaries, notes)
                    return np.asarray(channels[name].pixels[..., :3], dtype=np.float32)
    except (RuntimeError, OSError, ValueError) as error:
        raise RecipeError(path, f"is damaged ({error})", way_out="download it again") from error
    raise RecipeError(path, f"has the channels {', '.join(channels)}", allowed="R, G and B")


def _note_primaries(primaries: Any, notes: list[str]) -> None:
    if primaries is not None and not np.allclose(primaries, _REC709, atol=2e-3):
        notes.append("it states other primaries than Rec. 709: its colours are read as Rec. 709")
