"""Depth to what hides light: ambient occlusion and the shadow of a distant light, in screen space.

Both see only what the camera sees; beyond the image and behind surfaces nothing casts a shadow.
Patterns are fixed on the screen and depend on geometry alone: no noise, no flicker.
"""

import numpy as np
from jaxtyping import Float

_DIRECTIONS, _STEPS = 6, 9
_MARCH = 26
_FAR = np.float32(1e5)  # stands for the sky, where a number is needed


def ambient_occlusion(
    depth: Float[np.ndarray, "h w"],
    normals: Float[np.ndarray, "h w 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    radius: float,
) -> Float[np.ndarray, "h w"]:
    """Return the share of the sky that each pixel sees, in [0, 1], within `radius` metres.

    Horizon-based (Bavoil et al., "Image-space horizon-based ambient occlusion", SIGGRAPH 2008):
    in each direction the highest sample above the tangent plane hides light; samples further than
    the radius fade out, so that a near object draws no halo on what lies behind it.
    """
    from simlift.pixels import _geometry_kernels, _occlusion_kernels

    near = _finite(depth)
    shift = (np.arange(16) / 16)[:, None]
    angles = 2 * np.pi * (np.arange(_DIRECTIONS) + shift) / _DIRECTIONS
    rings = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    steps = ((np.arange(_STEPS) + 0.3 + 0.7 * shift) / _STEPS) ** 2
    raw = _occlusion_kernels.horizons(
        near, normals, _pinhole(intrinsics), radius, rings, steps, _occlusion_kernels.TILE
    )
    return 1 - _geometry_kernels.smooth(raw, near, normals)


def distant_shadow(
    depth: Float[np.ndarray, "h w"],
    normals: Float[np.ndarray, "h w 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    towards: Float[np.ndarray, "k 3"],
    length: float,
) -> Float[np.ndarray, "h w"]:
    """Return how much of a distant light reaches each pixel, in [0, 1].

    Marches `length` metres towards each of the light's directions (unit, camera axes) and compares
    with the depth buffer; something in front of the ray hides the light if it is not too far in
    front, since how thick it is cannot be seen.
    """
    from simlift.pixels import _geometry_kernels, _occlusion_kernels

    near = _finite(depth)
    directions = np.ascontiguousarray(towards, dtype=np.float32)
    shift = (np.arange(1, 17) / 16)[:, None]
    distances = length * ((np.arange(_MARCH) + shift) / _MARCH) ** 1.6
    raw = _occlusion_kernels.march(
        near, normals, _pinhole(intrinsics), directions, distances, _occlusion_kernels.TILE
    )
    return np.asarray(_geometry_kernels.smooth(raw, near, normals))


def upsample(
    small: Float[np.ndarray, "a b"],
    small_depth: Float[np.ndarray, "a b"],
    small_normals: Float[np.ndarray, "a b 3"],
    depth: Float[np.ndarray, "h w"],
    normals: Float[np.ndarray, "h w 3"],
) -> Float[np.ndarray, "h w"]:
    """Enlarge a map by depth and normals, so that values do not leak across edges.

    Joint bilateral upsampling (Kopf et al., SIGGRAPH 2007) over the four nearest small pixels.
    """
    from simlift.pixels import _geometry_kernels

    return np.asarray(
        _geometry_kernels.enlarge(
            small, _finite(small_depth), small_normals, _finite(depth), normals
        )
    )


def _finite(depth: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    return np.where(np.isfinite(depth), depth, _FAR).astype(np.float32)


def _pinhole(intrinsics: Float[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    k = intrinsics
    return float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])
