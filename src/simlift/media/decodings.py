"""Decode raw stored numbers to the physical quantity of a layer: frozen callables on [t ...]."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array


@dataclass(frozen=True)
class Colour:
    """Gray, RGB or RGBA, uint8 or uint16, to uint8 [t h w 3]; alpha is dropped."""

    def __call__(self, raw: Array) -> Array:
        if raw.dtype == np.uint16:
            raw = (raw >> 8).astype(np.uint8)
        if raw.dtype != np.uint8:
            raise ClipError("colour", f"numbers of type {raw.dtype}", allowed="uint8 or uint16")
        if raw.ndim == 3:
            raw = raw[..., None].repeat(3, axis=-1)
        return np.ascontiguousarray(raw[..., :3])


@dataclass(frozen=True)
class ScaledDepth:
    """Whole numbers times `metres_per_unit`, to float32 metres; the number `sky` becomes +inf."""

    metres_per_unit: float
    sky: int | None = None

    def __call__(self, raw: Array) -> Array:
        depth = raw.astype(np.float32) * np.float32(self.metres_per_unit)
        if self.sky is not None:
            depth[raw == self.sky] = np.inf
        return depth


@dataclass(frozen=True)
class FloatDepth:
    """Floats in metres, or in units of `metres_per_unit`; beyond `far` is sky."""

    metres_per_unit: float = 1.0
    far: float = float("inf")

    def __call__(self, raw: Array) -> Array:
        depth = raw.reshape(raw.shape[:3]).astype(np.float32) * np.float32(self.metres_per_unit)
        depth[depth >= self.far] = np.inf
        return depth


@dataclass(frozen=True)
class CarlaDepth:
    """CARLA's 24-bit depth to float32 metres; `channels` says where red, green and blue stand.

    depth = 1000 m * (R + 256 G + 65536 B) / (2^24 - 1); the far plane at 1000 m is the sky.
    Source: CARLA documentation, "Sensors reference", depth camera.
    """

    channels: tuple[int, int, int] = (0, 1, 2)

    def __call__(self, raw: Array) -> Array:
        red, green, blue = (raw[..., c].astype(np.uint32) for c in self.channels)
        code = red + (green << 8) + (blue << 16)
        depth = (code * (1000.0 / (2**24 - 1))).astype(np.float32)
        depth[code >= 2**24 - 256] = np.inf
        return depth


@dataclass(frozen=True)
class RelativeDepth:
    """Gray values to [0, 1], larger is farther; `bright_is_near` for inverse-depth pictures."""

    bright_is_near: bool
    full: float = 255.0

    def __call__(self, raw: Array) -> Array:
        gray = raw if raw.ndim == 3 else raw[..., 0]
        value = gray.astype(np.float32) / np.float32(self.full)
        return 1 - value if self.bright_is_near else value


@dataclass(frozen=True)
class CameraNormals:
    """Vectors in the camera frame as floats in [-1, 1], or uint8/uint16 with 0 at mid-range.

    Where nothing was hit (a vector of no length) the normal faces the camera: (0, 0, -1).
    """

    def __call__(self, raw: Array) -> Array:
        vector = raw[..., :3].astype(np.float32)
        if raw.dtype in (np.uint8, np.uint16):
            vector = vector / np.float32(np.iinfo(raw.dtype).max) * 2 - 1
        length = np.linalg.norm(vector, axis=-1, keepdims=True)
        # Renderers write (0, 0, 0) where nothing was hit.
        nothing = length < np.float32(0.1)
        towards = np.array([0, 0, -1], dtype=np.float32)
        return np.where(nothing, towards, vector / np.where(nothing, np.float32(1), length))


@dataclass(frozen=True)
class Ids:
    """Whole numbers as they are, to int32 [t h w]."""

    def __call__(self, raw: Array) -> Array:
        return raw.reshape(raw.shape[:3]).astype(np.int32)


@dataclass(frozen=True)
class PaletteIds:
    """Colours to ids: each pixel takes the id of the nearest palette colour.

    `palette` holds (red, green, blue, id). Colours from lossy video are matched on a grid of 5
    bits for each channel, exact colours from images as they are.
    """

    palette: tuple[tuple[int, int, int, int], ...]
    exact: bool = True

    def __call__(self, raw: Array) -> Array:
        if not self.exact:
            code = raw[..., :3].astype(np.uint16) >> 3
            return _grid(self.palette)[(code[..., 0] << 10) | (code[..., 1] << 5) | code[..., 2]]
        code = raw[..., :3].astype(np.uint32)
        packed = (code[..., 0] << 16) | (code[..., 1] << 8) | code[..., 2]
        colours, inverse = np.unique(packed, return_inverse=True)
        rgb = np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=-1)
        return _nearest(rgb, self.palette)[inverse].reshape(packed.shape)


@dataclass(frozen=True)
class Vectors:
    """Floats as they are, to float32 (flow in pixels)."""

    def __call__(self, raw: Array) -> Array:
        return raw.astype(np.float32)


def _nearest(rgb: Array, palette: tuple[tuple[int, int, int, int], ...]) -> Array:
    table = np.asarray(palette, dtype=np.int32)
    distance = ((rgb.astype(np.int32)[:, None, :] - table[None, :, :3]) ** 2).sum(-1)
    return table[distance.argmin(1), 3].astype(np.int32)


@lru_cache(maxsize=4)
def _grid(palette: tuple[tuple[int, int, int, int], ...]) -> Array:
    steps = np.arange(32) * 8 + 4
    red, green, blue = np.meshgrid(steps, steps, steps, indexing="ij")
    rgb = np.stack([red.ravel(), green.ravel(), blue.ravel()], axis=-1)
    return np.concatenate([_nearest(part, palette) for part in np.array_split(rgb, 32)])
