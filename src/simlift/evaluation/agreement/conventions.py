"""List the conventions in which engines write depth and cameras, as what they do to a geometry."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simlift.core.layers import Array, Layer
from simlift.evaluation.agreement.evidence import Evidence
from simlift.media.coded_depth import along_ray
from simlift.media.geometry_decodings import ray_lengths

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])

# By how much numbers in other units are too large.
_UNITS = ((0.001, "millimetres"), (0.01, "centimetres"), (1000.0, "kilometres"))


@dataclass(frozen=True)
class Geometry:
    """Depth [n h w], intrinsics [n 3 3] and world_to_camera [n 4 4] of a run."""

    depth: Array
    intrinsics: Array
    poses: Array


@dataclass(frozen=True)
class Convention:
    """Another way to read the same files: what it does to the geometry, and how it is stated."""

    cause: str
    statement: str
    read: Callable[[Geometry], Geometry]


_POSES = (
    Convention(
        "poses that lead from the camera to the world",
        '"camera": {"direction": "camera_to_world", ...}',
        lambda g: Geometry(g.depth, g.intrinsics, np.linalg.inv(g.poses)),
    ),
    Convention(
        "a camera in OpenGL axes (y up, z backward)",
        '"camera": {"convention": "opengl", ...}',
        lambda g: Geometry(g.depth, g.intrinsics, _FLIP @ g.poses),
    ),
    Convention(
        "poses from the camera to the world, in OpenGL axes",
        '"camera": {"convention": "opengl", "direction": "camera_to_world", ...}',
        lambda g: Geometry(g.depth, g.intrinsics, _FLIP @ np.linalg.inv(g.poses)),
    ),
)
_ROWS = (
    Convention(
        "depth whose first row is the lowest",
        '"rows": "bottom-up" of depth',
        lambda g: Geometry(g.depth[:, ::-1], g.intrinsics, g.poses),
    ),
    Convention(
        "depth that is mirrored, left for right",
        "",
        lambda g: Geometry(g.depth[:, :, ::-1], g.intrinsics, g.poses),
    ),
    Convention(
        "inverse depth",
        '"measure": "inverse" of depth',
        lambda g: Geometry(_inverted(g.depth), g.intrinsics, g.poses),
    ),
)


def conventions(evidence: Evidence) -> tuple[Convention, ...]:
    """Return the conventions that engines write instead of the stated one.

    Units are proposed where the scene then has the size of one that a camera sees.
    """
    stored = evidence.clip.stored(Layer.DEPTH)
    unit = getattr(getattr(stored.decode, "decode", stored.decode), "metres_per_unit", 1.0)
    depth = evidence.frames(Layer.DEPTH)
    known = depth[np.isfinite(depth) & (depth > 0)]
    middle = float(np.median(known)) if known.size else 1.0
    found = [_ray_or_plane(along_ray(stored)), *_POSES, *_ROWS]
    coded = bool(known.size) and float(np.quantile(known, 0.99)) <= 1
    units = [unit for unit in _UNITS if not (coded and unit[0] > 1)]
    found += [_depth_in(f, name, unit) for f, name in units if _plausible(middle * f)]
    if _plausible(middle) and not coded:
        found += [_camera_in(factor, name) for factor, name in _UNITS]
    if coded and middle > 0.5:
        found += [_z_buffer(near) for near in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)]
    if other := _other_size(evidence):
        found.append(other)
    return tuple(found)


def _plausible(middle: float) -> bool:
    return 0.02 < middle < 1000


def _depth_in(factor: float, name: str, unit: float) -> Convention:
    return Convention(
        f"depth in {name}",
        f'"metres_per_unit": {unit * factor:g} of depth',
        lambda g: Geometry(g.depth * np.float32(factor), g.intrinsics, g.poses),
    )


def _camera_in(factor: float, name: str) -> Convention:
    scale = np.ones((4, 4))
    scale[:3, 3] = factor
    return Convention(
        f"a camera in {name}",
        f'"camera": {{"metres_per_unit": {factor:g}, ...}}',
        lambda g: Geometry(g.depth, g.intrinsics, g.poses * scale),
    )


def _z_buffer(near: float) -> Convention:
    def read(g: Geometry) -> Geometry:
        with np.errstate(divide="ignore"):
            z = np.where(g.depth < 1, near / (1 - g.depth), np.inf)
        return Geometry(z.astype(np.float32), g.intrinsics, g.poses)

    return Convention(
        f"a z-buffer, whose near plane is at about {near:g} m",
        f'"measure": "z-buffer", "near": {near:g}, "far": (the far plane) of depth',
        read,
    )


def _other_size(evidence: Evidence) -> Convention | None:
    """Return the intrinsics of the clip's own size, where the principal point is far off it."""
    camera = evidence.clip.camera
    assert camera is not None
    centre = camera.intrinsics[0, :2, 2]
    if (centre <= 0).any():  # a crop, or a lens of no size
        return None
    ratio = np.array([evidence.clip.width, evidence.clip.height]) / 2 / centre
    if np.abs(np.log(np.abs(ratio))).max() < 0.15:
        return None
    scale = np.diag([*ratio, 1.0])
    width, height = np.rint(2 * centre).astype(int)
    return Convention(
        f"intrinsics of pictures of {width}x{height}",
        "intrinsics of the size of the frames",
        lambda g: Geometry(g.depth, scale @ g.intrinsics, g.poses),
    )


def _ray_or_plane(stated_ray: bool) -> Convention:
    def read(geometry: Geometry, power: int) -> Geometry:
        height, width = geometry.depth.shape[1:]
        lengths = ray_lengths(geometry.intrinsics, height, width)
        return Geometry(geometry.depth * lengths**power, geometry.intrinsics, geometry.poses)

    if stated_ray:
        return Convention(
            "depth along the optical axis, not along the ray",
            '"measure": "z" of depth',
            lambda g: read(g, 1),
        )
    return Convention(
        "distance along the ray (radial), not along the optical axis",
        '"measure": "ray" of depth',
        lambda g: read(g, -1),
    )


def other_lenses(evidence: Evidence) -> tuple[Convention, ...]:
    """Return lenses of other focal lengths; among them a vertical angle read as horizontal."""
    wide = max(evidence.clip.width / evidence.clip.height, 1.2)
    return tuple(_lens_of(factor) for factor in (1 / wide, 0.8, 1.25, wide))


def _lens_of(factor: float) -> Convention:
    scale = np.array([[factor, 1, 1], [1, factor, 1], [1, 1, 1]])
    return Convention(
        f"a focal length that is about {1 / factor:.2f} times the true one",
        "",
        lambda g: Geometry(g.depth, g.intrinsics * scale, g.poses),
    )


def inverse_depth(depth: Array) -> Array:
    """Return 1 / depth, 0 where nothing was hit [... h w]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(np.isfinite(depth) & (depth > 0), 1 / depth, 0)
    return np.ascontiguousarray(inverse, dtype=np.float32)


def _inverted(depth: Array) -> Array:
    inverse = inverse_depth(depth)
    return np.where(inverse > 0, inverse, np.float32(np.inf))
