"""Decode stored depth and normals to metres and camera axes: frozen callables on [t ...].

Depth comes as distance along the optical axis or along the ray, as inverse depth, or as what a
z-buffer holds. What needs the camera of each frame is a second callable on (array, camera).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import TO_OPENCV
from simlift.core.layers import Array

Measure = Literal[
    "z",
    "ray",
    "inverse",
    "z-buffer",
    "reversed z-buffer",
    "linear",
    "reversed linear",
    "log",
    "reversed log",
]
Axes = Literal["opencv", "opengl", "unity", "unreal", "world"]
_ALMOST_FAR = 1e-6  # of the range of a z-buffer: the far plane, rounded


@dataclass(frozen=True)
class ScaledDepth:
    """Numbers times `metres_per_unit`, to float32 metres; the numbers `nothing` become +inf.

    Floats match `nothing` to one part in ten thousand, and whatever is at least `far` metres away
    is +inf too.
    """

    metres_per_unit: float = 1.0
    nothing: tuple[float, ...] = ()
    far: float = float("inf")

    def __call__(self, raw: Array) -> Array:
        raw = raw.reshape(raw.shape[:3])
        depth = raw.astype(np.float32) * np.float32(self.metres_per_unit)
        for number in self.nothing:
            depth[_equals(raw, number)] = np.inf
        depth[depth >= self.far] = np.inf
        return depth


@dataclass(frozen=True)
class CodedDepth:
    """Numbers from 0 to `full` between two distances `near` and `far` in metres, to metres.

    inverse: full is near, 0 is far, and 1 / z is linear between them, as disparity pictures are.
    z-buffer: what OpenGL's depth buffer holds, 0 near and full far. reversed z-buffer: the same
    with 1 near and 0 far, as Unreal and Unity hold it. linear: 0 near and full far, evenly; log:
    evenly in the logarithm of depth plus `shift` metres; both reversed too, so that near is bright.
    `nothing` are numbers where nothing was hit; the far plane of a z-buffer is nothing too.

    Source: OpenGL 4.6 specification, 13.8 (the depth range) with glFrustum's projection.
    """

    measure: Measure
    near: float
    far: float
    full: float = 1.0
    nothing: tuple[float, ...] = ()
    shift: float = 0.0

    def __call__(self, raw: Array) -> Array:
        raw = raw[..., 0] if raw.ndim == 4 else raw
        share = raw.astype(np.float64) / self.full
        even = 1 - share if self.measure.startswith("reversed") else share
        if self.measure.endswith("linear"):
            depth = self.near + even * (self.far - self.near)
        elif self.measure.endswith("log"):
            near, far = self.near + self.shift, self.far + self.shift
            depth = near * (far / near) ** even - self.shift
        else:
            inverse_near, inverse_far = 1 / self.near, 1 / self.far
            towards_near = 1 - share if self.measure == "z-buffer" else share
            inverse = inverse_far + towards_near * (inverse_near - inverse_far)
            with np.errstate(divide="ignore"):
                depth = np.where(inverse > 0, 1 / inverse, np.inf)
            if self.measure != "inverse":
                depth[towards_near <= _ALMOST_FAR] = np.inf
        for number in self.nothing:
            depth[_equals(raw, number)] = np.inf
        return depth.astype(np.float32)


@dataclass(frozen=True)
class InverseDepth:
    """Inverse depth to metres: z = metres_per_unit / number; 0 and below are nothing (+inf).

    With a focal length times a baseline for `metres_per_unit`, numbers are a stereo disparity.
    """

    metres_per_unit: float = 1.0
    nothing: tuple[float, ...] = ()

    def __call__(self, raw: Array) -> Array:
        raw = raw.reshape(raw.shape[:3])
        number = raw.astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(number > 0, np.float32(self.metres_per_unit) / number, np.inf)
        for value in self.nothing:
            depth[_equals(raw, value)] = np.inf
        return depth.astype(np.float32)


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
class AlongRay:
    """Distance from the camera's centre to depth along its axis: divided by |ray with z = 1|."""

    def __call__(self, distance: Array, camera: Camera) -> Array:
        height, width = distance.shape[1:]
        return np.asarray(distance / ray_lengths(camera.intrinsics, height, width))


def ray_lengths(intrinsics: Array, height: int, width: int) -> Array:
    """Return the length of the ray with z = 1 through every pixel centre, float32 [t h w]."""
    k = intrinsics
    u = (np.arange(width) + 0.5 - k[:, 0, 2, None]) / k[:, 0, 0, None]
    v = (np.arange(height) + 0.5 - k[:, 1, 2, None]) / k[:, 1, 1, None]
    return np.sqrt(1 + u[:, None] ** 2 + v[..., None] ** 2).astype(np.float32)


@dataclass(frozen=True)
class StoredNormals:
    """Stored vectors to unit vectors, turned from the axes of another camera to OpenCV's.

    Floats are in [-1, 1], or in [0, 1] with 0 at the middle where `unsigned`, as whole numbers
    always are. Where nothing was hit (a vector of no length) the normal faces the camera:
    (0, 0, -1). World axes are left as they are for `FromWorld`.
    """

    axes: Axes = "opencv"
    unsigned: bool = False

    def __call__(self, raw: Array) -> Array:
        vector = raw[..., :3].astype(np.float32)
        if raw.dtype in (np.uint8, np.uint16):
            vector = vector / np.float32(np.iinfo(raw.dtype).max) * 2 - 1
        elif self.unsigned:
            # Renderers leave black where nothing was hit.
            hit = (vector != 0).any(-1, keepdims=True)
            vector = np.where(hit, vector * 2 - 1, np.float32(0))
        if self.axes not in ("opencv", "world"):
            vector = vector @ TO_OPENCV[self.axes].T.astype(np.float32)
        return _unit(vector, self.axes == "world")


@dataclass(frozen=True)
class FromWorld:
    """Vectors in world axes to the camera's; `mirror` is the axis that a left-handed world lost."""

    mirror: Literal["x", "y", "z"] | None = None

    def __call__(self, vectors: Array, camera: Camera) -> Array:
        rotation = camera.world_to_camera[:, :3, :3].astype(np.float32)
        if self.mirror is not None:
            rotation = rotation.copy()
            rotation[:, :, "xyz".index(self.mirror)] *= -1
        turned = np.einsum("tij,thwj->thwi", rotation, vectors, optimize=True)
        return _unit(turned, world=False)


def _unit(vector: Array, world: bool) -> Array:
    """Return unit vectors; in camera axes, those of no length face the camera."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    nothing = length < np.float32(0.1)
    towards = np.array([0, 0, 0 if world else -1], dtype=np.float32)
    out = np.where(nothing, towards, vector / np.where(nothing, np.float32(1), length))
    return np.asarray(out, dtype=np.float32)


def _equals(raw: Array, number: float) -> Array:
    if raw.dtype.kind in "iu":
        return np.asarray(raw == number)
    if not np.isfinite(number):
        return ~np.isfinite(raw) if np.isnan(number) else np.asarray(raw == number)
    return np.isclose(raw, number, rtol=1e-4, atol=0)
