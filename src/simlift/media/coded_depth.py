"""Decode depth that was stored in few codes, so that surfaces come out smooth.

A picture of depth has 256 codes or fewer between two distances; read as they are, they are steps,
and light on them shows contour lines.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simlift.core.camera import Camera
from simlift.core.layers import Array, StoredLayer
from simlift.media.geometry_decodings import AlongRay, CodedDepth, ray_lengths
from simlift.media.video import VideoInfo
from simlift.pixels.geometry.dequantisation import dequantise


@dataclass(frozen=True)
class CodeRange:
    """Which stored number is 0 and which is full: 16 and 235 for video of limited range."""

    zero: int
    full: int
    largest: int = 255

    @property
    def count(self) -> int:
        """How many numbers a store can hold."""
        return self.largest + 1


def luma_range(info: VideoInfo) -> CodeRange:
    """Return the codes of black and white in the luma of a video. Source: ITU-R BT.601, BT.2100."""
    more = info.bit_depth - 8
    largest = (256 << more) - 1
    return (
        CodeRange(0, largest, largest)
        if info.full_range
        else CodeRange(16 << more, 235 << more, largest)
    )


@dataclass(frozen=True)
class AsStored:
    """Numbers [t h w] as they are, for a decoding that needs more than them."""

    def __call__(self, raw: Array) -> Array:
        return raw[..., 0] if raw.ndim == 4 else raw


@dataclass(frozen=True)
class DequantisedDepth:
    """Codes to metres along the optical axis, without steps.

    `coding.full` is 1: the codes' own ends are `codes`. With `along_ray`, codes tell the distance
    from the camera's centre, and the camera is needed; without it, depth along the axis. Ids guide
    it: no surface reaches from one to another. Where `dark_is_nothing`, codes below one and a half
    are nothing (+inf): far, or beyond it.
    """

    coding: CodedDepth
    codes: CodeRange
    along_ray: bool = False
    dark_is_nothing: bool = False

    @property
    def note(self) -> str:
        """What was made of the codes, for the notes of a clip."""
        near, far = self.coding.near, self.coding.far
        what = "distance" if self.along_ray else "depth"
        return (
            f"depth is read from {self.codes.full - self.codes.zero + 1} codes of {what} "
            f"({self.coding.measure}, {near:g} to {far:g} m) and smoothed along surfaces"
            + (", black is nothing" if self.dark_is_nothing else "")
        )

    def __call__(self, raw: Array, camera: Camera | None, ids: Array | None) -> Array:
        inverse_of, step_of = _tables(self.coding, self.codes, self.dark_is_nothing)
        lengths = None
        if self.along_ray:
            assert camera is not None
            lengths = ray_lengths(camera.intrinsics, *raw.shape[1:])
        out = np.empty(raw.shape, np.float32)
        for i, frame in enumerate(raw):
            inverse, step = np.take(inverse_of, frame), np.take(step_of, frame)
            if lengths is not None:
                inverse, step = inverse * lengths[i], step * lengths[i]
            smooth = dequantise(inverse, step, None if ids is None else ids[i])
            with np.errstate(divide="ignore"):
                np.divide(np.float32(1), smooth, out=out[i])
        return out


def along_ray(stored: StoredLayer) -> bool:
    """Whether a layer of depth stores distances from the camera's centre."""
    coded = stored.guided
    if isinstance(coded, DequantisedDepth):
        return coded.along_ray
    return isinstance(stored.to_camera, AlongRay)


def depth_notes(layers: tuple[StoredLayer, ...]) -> tuple[str, ...]:
    """Say of depth in few codes what was made of it."""
    found = [stored.guided for stored in layers if isinstance(stored.guided, DequantisedDepth)]
    return tuple(coded.note for coded in found)


@lru_cache(maxsize=16)
def _tables(coding: CodedDepth, codes: CodeRange, dark_is_nothing: bool) -> tuple[Array, Array]:
    """Return inverse depth and the width of a code in it, float32, for each stored number."""
    stored = np.arange(codes.count)
    # Lossy coding rings beyond black and white.
    share = np.clip((stored - codes.zero) / (codes.full - codes.zero), 0, 1)
    half = 0.5 / (codes.full - codes.zero)
    ends = [np.clip(share + side * half, 0, 1) for side in (-1, 1)]
    low, high = (1 / coding(end).astype(np.float64) for end in ends)
    inside = (ends[1] - ends[0]) / (2 * half)  # the first and the last code are half as wide
    step = np.abs(high - low) / inside
    inverse = 1 / coding(share).astype(np.float64)
    nothing = np.zeros(codes.count, bool)
    for number in coding.nothing:
        nothing |= np.abs(stored - number) <= 1  # lossy coding moves a flat area by less
    if dark_is_nothing:
        nothing |= stored - codes.zero < 1.5
    inverse[nothing] = 0
    return inverse.astype(np.float32), np.maximum(step, 1e-9).astype(np.float32)
