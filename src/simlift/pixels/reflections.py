"""Light and depth of an image to what smooth surfaces in it mirror of the image itself."""

import numpy as np
from jaxtyping import Float

_STEPS = 24
_SMOOTHEST = np.float32(0.5)  # roughness above which a reflection is too blurred to be looked up
_REACH = 1.2  # depths


def mirrored(
    depth: Float[np.ndarray, "h w"],
    normals: Float[np.ndarray, "h w 3"],
    roughness: Float[np.ndarray, "h w"],
    light: Float[np.ndarray, "h w 3"],
    fallback: Float[np.ndarray, "h w 3"],
    intrinsics: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "h w 3"]:
    """Return the radiance that arrives from each pixel's mirrored direction.

    What the reflected ray meets in the image is `light` there; elsewhere, and on rough surfaces, it
    is `fallback`. Screen-space ray tracing (McGuire and Mara, JCGT 2014).
    """
    from simlift.pixels import _occlusion_kernels, _reflection_kernels

    if roughness.min() >= _SMOOTHEST:
        return fallback
    shift = (np.arange(1, 17) / 16)[:, None]
    distances = (_REACH * ((np.arange(_STEPS) + shift) / _STEPS) ** 1.8).astype(np.float32)
    inverse = np.reciprocal(np.fmin(depth, np.float32(1e5)))
    pinhole = tuple(np.float32(intrinsics[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return np.asarray(
        _reflection_kernels.mirrored(
            inverse,
            normals,
            roughness,
            light,
            fallback,
            pinhole,
            _SMOOTHEST,
            distances,
            _occlusion_kernels.TILE,
        )
    )
