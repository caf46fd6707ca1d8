"""Albedo, normals and an environment to the light that leaves a surface; and the way back."""

import numpy as np
from jaxtyping import Float

from simlift.pixels.environment import Environment, harmonic_basis

_POINT = 0.1  # radians; larger lights are reflected by the prefiltered map


def shade(
    albedo: Float[np.ndarray, "h w 3"],
    normals: Float[np.ndarray, "h w 3"],
    view: Float[np.ndarray, "h w 3"],
    ambient: Float[np.ndarray, "h w"],
    shadows: tuple[Float[np.ndarray, "h w"], ...],
    environment: Environment,
    *,
    specular: float,
    roughness: float,
) -> Float[np.ndarray, "h w 3"]:
    """Return radiance: diffuse sky light times visibility, suns times shadow, and reflections.

    `normals` and `view` (from the camera to the surface) are unit vectors in environment axes;
    `shadows` has one map for each sun. Dielectric reflections: Schlick's Fresnel term with
    Lagarde's roughness-limited edge, and for small suns a normalised Blinn-Phong lobe; a large
    light (a window, a soft box) is reflected by the prefiltered map.
    """
    from simlift.pixels import _shading_kernels as kernels

    suns = np.array(
        [[*s.direction, *s.irradiance, float(s.radius <= _POINT)] for s in environment.suns],
        dtype=np.float32,
    ).reshape(-1, 7)
    shaded = np.stack(shadows) if shadows else np.zeros((0, *ambient.shape), dtype=np.float32)
    return np.asarray(
        kernels.shade(
            albedo,
            normals,
            view,
            ambient,
            shaded,
            environment.harmonics,
            environment.glossy,
            suns,
            float(specular),
            float(roughness),
        )
    )


def estimate_shading(
    luma: Float[np.ndarray, "n"], normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "9"]:
    """Fit the light a render was made under: log luminance as order-2 harmonics of the normal.

    Albedo varies from surface to surface, so the fit is robust (iteratively reweighted, Cauchy) and
    shrunk towards flat light; cast shadows and highlights stay in the albedo.
    """
    basis = harmonic_basis(normals).astype(np.float64)
    target = np.log(np.maximum(luma.astype(np.float64), 1e-3))
    weight = np.ones(len(target))
    penalty = np.diag([0.0] + [1e-2] * 3 + [5e-2] * 5) * len(target)
    solution = np.zeros(9)
    for _ in range(8):
        weighted = basis * weight[:, None]
        normal_matrix = np.einsum("ni,nj->ij", weighted, basis)
        right_side = np.einsum("ni,n->i", weighted, target)
        solution = np.linalg.solve(normal_matrix + penalty + 1e-9 * np.eye(9), right_side)
        weight = 1 / (1 + ((target - np.einsum("ni,i->n", basis, solution)) / 0.6) ** 2)
    return solution.astype(np.float32)


def remove_shading(
    linear: Float[np.ndarray, "h w 3"],
    normals: Float[np.ndarray, "h w 3"],
    fit: Float[np.ndarray, "9"],
    strength: float,
) -> Float[np.ndarray, "h w 3"]:
    """Divide a render by its fitted shading, relative to the mean, within a factor of 2.5."""
    varying = fit.copy()
    varying[0] = 0
    log_shading = np.einsum("hwi,i->hw", harmonic_basis(normals), varying)
    gain = np.exp(-np.float32(strength) * np.clip(log_shading, -0.92, 0.92))
    return np.minimum(linear * gain[..., None], np.float32(0.95))
