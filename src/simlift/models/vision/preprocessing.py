"""Preprocess frames (resize, normalise) as a model's preprocessor_config.json says.

Sizes follow the keys that transformers defines for its image processors; the resampling is
OpenCV's. Images are scaled to a multiple of the model's patch instead of being padded, so that
every number that comes out belongs to a pixel of the frame.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.errors import RecipeError
from simlift.core.strict_json import read_json

# Codes of Pillow, which the files use, and the filters of OpenCV that come closest.
_FILTERS = {0: cv2.INTER_NEAREST, 1: cv2.INTER_LANCZOS4, 2: cv2.INTER_LINEAR, 3: cv2.INTER_CUBIC}


@dataclass(frozen=True)
class ImagePreprocessing:
    """How a frame becomes the input of a model; 0 stands for a bound that is not set.

    `height` and `width` are the trained size, or `shortest` and `longest` the lengths of sides.
    """

    height: int = 0
    width: int = 0
    shortest: int = 0
    longest: int = 0
    keep_aspect: bool = False
    multiple: int = 1
    resample: int = 2
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.multiple < 1 or min(self.std) <= 0:
            raise ValueError(f"multiple is {self.multiple}, image_std {self.std}")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width at which the model sees a frame of that size."""
        down, across = 1.0, 1.0
        if self.shortest:
            down = across = self.shortest / min(height, width)
            if self.longest and max(height, width) * down > self.longest:
                down = across = self.longest / max(height, width)
        elif self.height and self.width:
            down, across = self.height / height, self.width / width
            if self.keep_aspect:  # as little as possible, as MiDaS and DPT do
                down = across = min((down, across), key=lambda s: abs(1 - s))
        return self._rounded(height * down), self._rounded(width * across)

    def _rounded(self, length: float) -> int:
        return max(round(length / self.multiple), 1) * self.multiple

    def __call__(self, frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "3 a b"]:
        """Return a frame resized, scaled and normalised, channels first."""
        height, width = self.size(*frame.shape[:2])
        if (height, width) != frame.shape[:2]:
            shrinks = height * width < frame.shape[0] * frame.shape[1]
            how = cv2.INTER_AREA if shrinks else _FILTERS[self.resample]
            frame = np.asarray(cv2.resize(frame, (width, height), interpolation=how))
        mean, std = np.array([self.mean, self.std], dtype=np.float32)
        values = (frame.astype(np.float32) * np.float32(self.scale) - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1))


def read_preprocessing(folder: Path) -> ImagePreprocessing:
    """Read how a model wants its frames; RecipeError where the file says something unknown."""
    path = folder / "preprocessor_config.json"
    data = read_json(path)
    if not isinstance(data, dict):
        raise RecipeError(path, "is no object", allowed="the settings of an image processor")
    normalises = data.get("do_normalize", True)
    try:
        return ImagePreprocessing(
            **(_size(data) if data.get("do_resize", True) else {}),
            keep_aspect=bool(data.get("keep_aspect_ratio", False)),
            multiple=_multiple(data),
            resample=_one_of(data.get("resample", 2), _FILTERS),
            scale=float(data.get("rescale_factor", 1 / 255)) if data.get("do_rescale", True) else 1,
            mean=_three(data["image_mean"]) if normalises and "image_mean" in data else (0, 0, 0),
            std=_three(data["image_std"]) if normalises and "image_std" in data else (1, 1, 1),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(
            path, f"cannot be used ({error})", allowed="settings of an image processor"
        ) from error


def _size(data: dict[str, Any]) -> dict[str, int]:
    size = data.get("size")
    if size is None:
        return {}
    if isinstance(size, int):  # files from before sizes had names
        if "max_size" in data:
            return {"shortest": size, "longest": int(data["max_size"])}
        return {"height": size, "width": size}
    if not isinstance(size, dict):
        raise ValueError(f"size is {size!r}")
    names = {
        "height": "height",
        "width": "width",
        "shortest_edge": "shortest",
        "longest_edge": "longest",
    }
    return {ours: int(size[theirs]) for theirs, ours in names.items() if size.get(theirs)}


def _multiple(data: dict[str, Any]) -> int:
    found = data.get("ensure_multiple_of") or data.get("size_divisor") or 1
    return max(int(found), 1)


def _one_of(value: int, known: dict[int, int]) -> int:
    if value not in known:
        raise ValueError(f"resample is {value}; known are {', '.join(map(str, known))}")
    return value


def _three(values: Any) -> tuple[float, ...]:
    out = tuple(float(v) for v in values)
    if len(out) != 3:
        raise ValueError(f"{len(out)} values for three channels")
    return out
