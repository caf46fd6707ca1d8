"""Compute screen-space reflections, and glossy reflection directions by GGX."""

import numpy as np
from jaxtyping import Float, Int

from simlift.pixels.light.shading import OutgoingLight

_SMOOTHEST = np.float32(0.5)  # roughness above which a reflection is too blurred to be looked up
_REACH = 1.2  # depths


def screen_space_reflections(
    depth: Float[np.ndarray, "h w"],
    normals: Float[np.ndarray, "h w 3"],
    roughness: Float[np.ndarray, "h w"],
    leaving: OutgoingLight,
    intrinsics: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "h w 3"]:
    """Compute outgoing light in which smooth surfaces reflect what the image shows.

    Where the reflected ray hits the image, the light scattered there is reflected; elsewhere, and
    on rough surfaces, the environment's reflection remains. Screen-space ray tracing (McGuire and
    Mara, JCGT 2014).
    """
    from simlift.pixels.image import _upsampling_kernels
    from simlift.pixels.light import _reflection_kernels

    if roughness.min() >= _SMOOTHEST:
        return leaving.light
    steps = _reflection_kernels.STEPS
    shift = (np.arange(1, 17) / 16)[:, None]
    distances = (_REACH * ((np.arange(steps) + shift) / steps) ** 1.8).astype(np.float32)
    inverse = np.reciprocal(np.fmin(depth, np.float32(1e5)))
    pinhole = tuple(np.float32(intrinsics[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return np.asarray(
        _reflection_kernels.trace_reflections(
            inverse,
            normals,
            roughness,
            leaving.light,
            leaving.mirror,
            leaving.gloss,
            pinhole,
            _SMOOTHEST,
            distances,
            _upsampling_kernels.TILE,
        )
    )


def glossy_directions(
    normals: Float[np.ndarray, "n 3"],
    ways: Float[np.ndarray, "n 3"],
    roughness: Float[np.ndarray, "n"],
    places: Int[np.ndarray, "n"],
) -> Float[np.ndarray, "n 3"]:
    """Perturb mirror directions `ways` by the roughness of their surfaces (GGX).

    About one of sixteen half vectors of the GGX distribution (Walter et al., "Microfacet models for
    refraction", 2007, eq. 35 and 36), which `places`, 0 to 15, say: nothing is drawn, so nothing is
    noisy. Directions below the surface stay mirror directions.
    """
    along = np.einsum("nc,nc->n", normals, ways)[:, None]
    came = ways - np.float32(2) * along * normals
    aside = ways - along * normals
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), np.float32(1e-6))
    share = (np.arange(16) + 0.5) / 16
    turn = np.arange(16) * np.pi * (3 - np.sqrt(5))
    slopes = np.sqrt(share / (1 - share))
    first, second = (
        (slopes * part).astype(np.float32)[places] * roughness**2
        for part in (np.cos(turn), np.sin(turn))
    )
    half = normals + first[:, None] * aside + second[:, None] * np.cross(normals, aside)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    way = came - np.float32(2) * np.einsum("nc,nc->n", came, half)[:, None] * half
    under = np.einsum("nc,nc->n", way, normals) <= 0
    way[under] = ways[under]
    return np.asarray(way, dtype=np.float32)
