"""Albedo, normals and an environment to the light that leaves a surface; and the way back."""

import cv2
import numpy as np
from jaxtyping import Float

from simlift.pixels.environment import Environment, harmonic_basis, lookup_octahedral

_DIELECTRIC = np.float32(0.04)  # reflectance at normal incidence of plastic, wood, paint


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
    `shadows` has one map for each sun. Reflections use Schlick's Fresnel term with Lagarde's
    roughness-limited edge, and the suns a normalised Blinn-Phong lobe.
    """
    irradiance = diffuse(normals, environment.harmonics)
    irradiance *= ambient[..., None]
    facing = np.maximum(-(normals * view).sum(-1), np.float32(1e-3))
    fresnel = _DIELECTRIC + (np.float32(1 - roughness) - _DIELECTRIC) * (1 - facing) ** 5
    mirror = view + 2 * facing[..., None] * normals
    gloss = lookup_octahedral(environment.glossy, mirror)
    # What hides the sky hides its reflection; grazing reflections of the near are not seen at all.
    gloss *= (fresnel * np.square(ambient))[..., None]
    power = np.float32(2 / max(roughness, 0.05) ** 4 - 2)
    for sun, shadow in zip(environment.suns, shadows, strict=True):
        cosine = np.maximum(normals @ sun.direction, 0) * shadow
        irradiance += cosine[..., None] * (sun.irradiance / np.float32(np.pi))
        half = sun.direction - view
        half /= np.maximum(np.sqrt((half * half).sum(-1, keepdims=True)), np.float32(1e-6))
        lobe = (
            np.maximum((half * normals).sum(-1), 0) ** power * (power + 8) / np.float32(8 * np.pi)
        )
        gloss += (np.minimum(lobe, 8.0) * cosine * fresnel)[..., None] * sun.irradiance
    return np.asarray(cv2.add(cv2.multiply(albedo, irradiance), gloss * np.float32(specular)))


def diffuse(
    normals: Float[np.ndarray, "h w 3"], harmonics: Float[np.ndarray, "9 3"]
) -> Float[np.ndarray, "h w 3"]:
    """Return irradiance / pi for unit normals, never negative."""
    height, width = normals.shape[:2]
    flat = harmonic_basis(normals).reshape(-1, 9) @ harmonics
    return np.maximum(flat, np.float32(1e-3)).reshape(height, width, 3)


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
        solution = np.linalg.solve(
            weighted.T @ basis + penalty + 1e-9 * np.eye(9), weighted.T @ target
        )
        weight = 1 / (1 + ((target - basis @ solution) / 0.6) ** 2)
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
    height, width = normals.shape[:2]
    log_shading = (harmonic_basis(normals).reshape(-1, 9) @ varying).reshape(height, width)
    gain = np.exp(-np.float32(strength) * np.clip(log_shading, -0.92, 0.92))
    return np.minimum(linear * gain[..., None], np.float32(0.95))
