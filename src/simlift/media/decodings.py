"""Decode stored colours, ids and flow to what a layer holds: frozen callables on [t ...]."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.pixels.colour.spaces import linear_to_srgb

_LARGEST_ID = 2**31 - 1


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
class LinearColour:
    """Linear light, 1 being white, to uint8 sRGB [t h w 3]; what is brighter than white is cut."""

    def __call__(self, raw: Array) -> Array:
        linear = raw[..., None].repeat(3, axis=-1) if raw.ndim == 3 else raw[..., :3]
        if linear.dtype.kind == "u":
            linear = linear.astype(np.float32) / np.iinfo(linear.dtype).max
        linear = np.nan_to_num(linear.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        return np.rint(linear_to_srgb(np.clip(linear, 0, 1)) * 255).astype(np.uint8)


@dataclass(frozen=True)
class Ids:
    """Whole numbers as they are, to int32 [t h w]; floats that are whole numbers too."""

    def __call__(self, raw: Array) -> Array:
        ids = raw.reshape(raw.shape[:3])
        if ids.dtype.kind == "f":
            ids = np.rint(np.nan_to_num(ids, nan=0.0, posinf=0.0, neginf=0.0))
        if ids.dtype.itemsize > 2 and ids.size and max(ids.max(), -ids.min()) > _LARGEST_ID:
            raise ClipError(
                "segmentation",
                f"ids reach from {ids.min()} to {ids.max()}",
                allowed=f"-{_LARGEST_ID} to {_LARGEST_ID}",
                way_out="number the instances anew",
            )
        return ids.astype(np.int32)


@dataclass(frozen=True)
class ChannelIds:
    """Numbers in some channels of a colour image, the lowest byte first, to int32 [t h w]."""

    channels: tuple[int, ...]

    def __call__(self, raw: Array) -> Array:
        planes = raw[..., None] if raw.ndim == 3 else raw
        if max(self.channels) >= planes.shape[-1]:
            raise ClipError(
                "segmentation",
                f"the images have {planes.shape[-1]} channels",
                allowed=f"channel {max(self.channels) + 1} is where the ids are stated to be",
            )
        parts = [planes[..., c].astype(np.int32) << (8 * k) for k, c in enumerate(self.channels)]
        return np.asarray(sum(parts[1:], parts[0]))


@dataclass(frozen=True)
class FromBelow:
    """A decoding of frames whose first row is the lowest, as OpenGL's buffers are."""

    decode: Callable[[Array], Array]

    def __call__(self, raw: Array) -> Array:
        return self.decode(np.ascontiguousarray(raw[:, ::-1]))


@dataclass(frozen=True)
class PaletteIds:
    """Colours to ids: each pixel takes the id of the nearest palette colour.

    `palette` holds (red, green, blue, id). Colours from lossy video are matched on a grid of 5
    bits for each channel, exact colours from images as they are. A colour that is farther than
    `tolerance` (in any channel) from every colour of the palette is a ClipError.
    """

    palette: tuple[tuple[int, int, int, int], ...]
    exact: bool = True
    tolerance: int = 255

    def __call__(self, raw: Array) -> Array:
        if not self.exact:
            code = raw[..., :3].astype(np.uint16) >> 3
            return _grid(self.palette)[(code[..., 0] << 10) | (code[..., 1] << 5) | code[..., 2]]
        code = raw[..., :3].astype(np.uint32)
        packed = (code[..., 0] << 16) | (code[..., 1] << 8) | code[..., 2]
        colours, inverse = np.unique(packed, return_inverse=True)
        rgb = np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=-1)
        self._check(rgb, np.bincount(inverse.ravel()))
        return _nearest(rgb, self.palette)[inverse.ravel()].reshape(packed.shape)

    def _check(self, colours: Array, counts: Array) -> None:
        table = np.asarray(self.palette, dtype=np.int32)[:, :3]
        apart = np.abs(colours.astype(np.int32)[:, None] - table[None]).max(-1).min(-1)
        strange = apart > self.tolerance
        if strange.any():
            red, green, blue = colours[strange][counts[strange].argmax()]
            share = counts[strange].sum() / counts.sum()
            raise ClipError(
                "segmentation",
                f"{share:.1%} of a frame has colours of no name, such as ({red}, {green}, {blue})",
                allowed=f"the {len(table)} colours that are named, to {self.tolerance} codes",
                way_out="name the colour under colours in clip.json, or store ids without loss",
            )


@dataclass(frozen=True)
class ScaledFlow:
    """Stored numbers to flow in pixels: (stored - zero) * pixels_per_unit, for right and down."""

    pixels_per_unit: tuple[float, float]
    zero: float = 0.0

    def __call__(self, raw: Array) -> Array:
        flow = (raw[..., :2].astype(np.float32) - np.float32(self.zero)) * np.asarray(
            self.pixels_per_unit, dtype=np.float32
        )
        # KITTI marks pixels without evidence by 0 in a third channel.
        if raw.shape[-1] >= 3 and raw.dtype == np.uint16:
            flow[raw[..., 2] == 0] = np.nan
        return flow


@dataclass(frozen=True)
class RangedFlow:
    """Whole numbers that span the pixels from `low` to `high`, to flow in pixels [t h w 2].

    `channels` are those that hold the motion to the right and down.
    """

    low: float
    high: float
    channels: tuple[int, int] = (0, 1)

    def __call__(self, raw: Array) -> Array:
        share = raw[..., self.channels].astype(np.float32) / np.float32(np.iinfo(raw.dtype).max)
        return np.asarray(share * np.float32(self.high - self.low) + np.float32(self.low))


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
