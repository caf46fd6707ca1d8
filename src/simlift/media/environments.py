"""Read environment maps (Radiance .hdr, OpenEXR) -> equirectangular linear radiance [h w 3]."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from simlift.core.errors import MissingLibrary, RecipeError


def read_environment(path: Path) -> Float[np.ndarray, "h w 3"]:
    """Read an environment map; RecipeError on damage, NaN, negative light, or another
    projection."""
    if not path.is_file():
        raise RecipeError(path, "does not exist", way_out="give a .hdr or .exr file")
    radiance = _read_exr(path) if path.suffix.lower() == ".exr" else _read_hdr(path)
    height, width = radiance.shape[:2]
    if width != 2 * height:
        raise RecipeError(
            path, f"is {width}x{height}", allowed="equirectangular: twice as wide as high"
        )
    if not np.isfinite(radiance).all() or (radiance < 0).any():
        raise RecipeError(
            path,
            "holds values that are NaN, infinite or negative",
            allowed="finite light from 0 up",
        )
    if not radiance.any():
        raise RecipeError(path, "is black everywhere", way_out="give one that holds light")
    if height > 1024:
        radiance = cv2.resize(radiance, (2048, 1024), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(radiance, dtype=np.float32)


def _read_hdr(path: Path) -> np.ndarray:
    data = np.fromfile(path, dtype=np.uint8)
    if not data[:2].tobytes() == b"#?":
        raise RecipeError(path, "is no Radiance file", allowed="a file that begins with #?RADIANCE")
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.ndim != 3:
        raise RecipeError(path, "is damaged or cut short", way_out="download it again")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _read_exr(path: Path) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError:
        raise MissingLibrary("OpenEXR", f"reading {path.name}", "exr") from None
    try:
        with OpenEXR.File(str(path)) as file:
            channels = file.channels()
            if "RGB" in channels:
                return np.asarray(channels["RGB"].pixels, dtype=np.float32)
            if "RGBA" in channels:
                return np.asarray(channels["RGBA"].pixels[..., :3], dtype=np.float32)
    except (RuntimeError, OSError, ValueError) as error:
        raise RecipeError(path, f"is damaged ({error})", way_out="download it again") from error
    raise RecipeError(path, f"has the channels {', '.join(channels)}", allowed="R, G and B")
