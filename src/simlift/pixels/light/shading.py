"""Shade a G-buffer under an environment map and suns (GGX BRDF); estimate and remove shading."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int

from simlift.pixels.light.environment import GLOSSY, POINT, WAYS, Environment, harmonic_basis

_LOBES = 4  # that what rough surfaces reflect of a large light is put together from


@dataclass(frozen=True, eq=False)
class IncidentLight:
    """The light that arrives at the surface of each pixel.

    `around` is irradiance / pi of the sky and all it bounces off, `ahead` the blurred radiance from
    the reflected direction and `sky` the share of open sky in it; None where only the environment
    is known. `ambient` is what nearby things leave of all these; `shadows` what they leave of each
    sun.
    """

    ambient: Float[np.ndarray, "h w"]
    shadows: Float[np.ndarray, "k h w"]
    around: Float[np.ndarray, "3 h w"] | None = None
    ahead: Float[np.ndarray, "3 h w"] | None = None
    sky: Float[np.ndarray, "h w"] | None = None


@dataclass(frozen=True, eq=False)
class OutgoingLight:
    """The radiance that leaves the surface of each pixel towards the camera.

    It includes `gloss` times `mirror`, the environment's specular reflection; the rest is diffuse
    light and the highlights of suns.
    Both are None where only `light` was requested.
    """

    light: Float[np.ndarray, "h w 3"]
    mirror: Float[np.ndarray, "h w 3"] | None
    gloss: Float[np.ndarray, "h w 3"] | None

    @property
    def scattered(self) -> Float[np.ndarray, "h w 3"]:
        """Outgoing radiance without the mirrored part."""
        return np.asarray(cv2.subtract(self.light, cv2.multiply(self.mirror, self.gloss)))


def shade(
    albedo: Float[np.ndarray, "h w 3"],
    normals: Float[np.ndarray, "h w 3"],
    roughness: Float[np.ndarray, "h w"],
    metallic: Float[np.ndarray, "h w"],
    intrinsics: Float[np.ndarray, "3 3"],
    turn: Float[np.ndarray, "3 3"],
    environment: Environment,
    arriving: IncidentLight,
    *,
    specular: float,
    apart: bool = True,
) -> OutgoingLight:
    """Shade surfaces: `normals` in camera axes, `turn` from those to the environment's.

    A diffuse base (Burley, "Physically based shading at Disney", 2012) under a GGX coat of F0 =
    0.04 `specular`, metals of F0 = albedo. Suns are evaluated (GGX: Walter et al. 2007; visibility:
    Schlick 1994), larger lights over eight directions; the environment's reflection is split into
    prefiltered radiance and an analytic response (Karis, "Real shading in Unreal Engine 4", 2013,
    and its fit "on mobile", 2014).
    Ambient visibility is brightened by bounces within crevices and darkens reflections (Jimenez et
    al., "Practical realtime strategies for accurate indirect occlusion", 2016; Lagarde and de
    Rousiers, "Moving Frostbite to physically based rendering", 2014).
    With `apart`, at some cost, the mirrored radiance and its share are returned too.
    """
    from simlift.pixels.light import _shading_kernels as kernels

    height, width = roughness.shape
    suns, ways, lobes = _suns(environment, turn)
    known = arriving.around is not None
    empty = np.zeros((3, 1, 1), np.float32)
    light, mirror, gloss = kernels.shade(
        albedo,
        normals,
        roughness,
        metallic,
        tuple(np.float32(intrinsics[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))),
        turn.astype(np.float32),
        environment.harmonics,
        environment.glossy,
        np.array(GLOSSY, np.float32),
        suns,
        ways,
        lobes,
        arriving.ambient,
        arriving.shadows.reshape(len(suns), height, width),
        known,
        arriving.around if arriving.around is not None else empty,
        arriving.ahead if arriving.ahead is not None else empty,
        arriving.sky if arriving.sky is not None else empty[0],
        np.float32(specular),
        apart,
    )
    return OutgoingLight(light, mirror if apart else None, gloss if apart else None)


def add_emission(
    light: Float[np.ndarray, "h w 3"],
    albedo: Float[np.ndarray, "h w 3"],
    rows: Int[np.ndarray, "n"],
    columns: Int[np.ndarray, "n"],
    share: Float[np.ndarray, "n"],
) -> None:
    """Add emission in place: `share` of the colour of the pixels at `rows` and `columns`."""
    from simlift.pixels.light import _emission_kernels as kernels

    kernels.add_emission(light, albedo, rows, columns, share)


def _suns(
    environment: Environment, turn: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "k 6"], Float[np.ndarray, "k 8 3"], Float[np.ndarray, "k 4 3"]]:
    """Return each sun's irradiance, how wide each lobe is, how many ways and lobes there are; the
    ways to it, and to the middles of its lobes, in camera axes."""
    suns = np.zeros((len(environment.suns), 6), np.float32)
    ways = np.zeros((len(environment.suns), WAYS, 3), np.float32)
    lobes = np.zeros((len(environment.suns), _LOBES, 3), np.float32)
    for k, sun in enumerate(environment.suns):
        found = np.einsum("ne,ec->nc", sun.samples(), turn)
        middles = np.einsum("ne,ec->nc", sun.samples(_LOBES), turn)
        # A lobe stands for its part of the disc, and half its angle is that of the half vector.
        # Widths add as squares: a lobe of alpha a grows to sqrt(a a + s s), about a + s s.
        part = (np.tan(sun.radius) / 2) ** 2 / len(middles) if sun.radius > POINT else 0.0
        suns[k] = (*sun.irradiance, part, len(found), len(middles))
        ways[k, : len(found)], lobes[k, : len(middles)] = found, middles
    return suns, ways, lobes


def estimate_shading(
    luma: Float[np.ndarray, "n"], normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "9"]:
    """Estimate the light of a render: log luminance as order-2 spherical harmonics of the normal.

    Albedo varies from surface to surface, so the fit is robust (iteratively reweighted, Cauchy) and
    shrunk towards flat light; cast shadows and highlights remain in the albedo.
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
