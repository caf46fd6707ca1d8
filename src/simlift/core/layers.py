"""Define the per-frame layers of a clip, their units, and how a stored layer is opened.

Arrays, once read (t frames, h x w pixels):

    RGB, ALBEDO    uint8   [t h w 3]  sRGB
    DEPTH          float32 [t h w]    z-depth in metres, +inf where nothing was hit; or relative
    NORMALS        float32 [t h w 3]  unit vectors in the camera frame (x right, y down, z forward)
    SEGMENTATION   int32   [t h w]    ids; 0 = nothing
    FLOW           float32 [t h w 2]  forward flow (dx, dy) in pixels
    MATERIAL       uint8   [t h w 3]  roughness, metallic, emission: 0..255 for 0..1
    TWIN           uint8   [t h w 3]  sRGB; the scene as a path tracer shows it: ground truth that
                                      scores compare with and engines never read
"""

import enum
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

from simlift.core.camera import Camera

Array: TypeAlias = npt.NDArray[Any]


class Layer(enum.StrEnum):
    """One per-frame quantity of a clip."""

    RGB = "rgb"
    DEPTH = "depth"
    NORMALS = "normals"
    SEGMENTATION = "segmentation"
    FLOW = "flow"
    ALBEDO = "albedo"
    MATERIAL = "material"
    TWIN = "twin"


class Unit(enum.StrEnum):
    """What the numbers of a layer mean once read."""

    SRGB = "sRGB"
    METRES = "metres"
    RELATIVE = "relative"  # farther is larger, in [0, 1]; neither scale nor offset is known
    CAMERA_VECTOR = "camera-space unit vector"
    IDS = "ids"
    PIXELS = "pixels"
    SHARES = "shares of 255"


class FrameReader(Protocol):
    """Stored frames of one layer, opened."""

    def read(self, indices: Sequence[int]) -> Array:
        """Return the raw frames [t h w] or [t h w c] at increasing `indices`, as stored."""
        ...


class FrameStore(Protocol):
    """Where the frames of one layer lie: a frozen, picklable value."""

    @property
    def num_frames(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def files(self) -> Sequence[Any]:
        """The files that hold the frames (`Path`), for hashing."""
        ...

    def open(self) -> AbstractContextManager[FrameReader]: ...


@dataclass(frozen=True)
class StoredLayer:
    """One layer on disk: where it lies and how raw numbers become the physical quantity."""

    layer: Layer
    store: FrameStore
    decode: Callable[[Array], Array]
    unit: Unit
    note: str = ""
    # What needs the camera of the frames too: distance along the ray, normals in world axes.
    to_camera: Callable[[Array, Camera], Array] | None = None
    # What takes the camera and the ids of the frames as guides, where the clip has them.
    guided: Callable[[Array, Camera | None, Array | None], Array] | None = None
