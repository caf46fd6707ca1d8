"""Apply fog to images, and wetness and snow to surfaces; extinction laws of rain and snow.

Rates are mm of water per hour; light is linear, 1 = a white surface in full light. How much drops
and flakes take out of light follows from the measured laws of their sizes and numbers.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int

_STILL_WATER, _RIPPLED = 0.03, 0.07  # roughness of a puddle, and what rain adds to it
_FLAKE_DENSITY = 0.17  # kg/m^3 for a flake of one metre: density falls as 1 / diameter


def fog_extinction(visibility: float) -> float:
    """Compute the extinction per metre at a visibility in metres, where contrast is 2 %.

    Koschmieder, "Theorie der horizontalen Sichtweite", 1924: ln(1 / 0.02) / visibility.
    """
    return 3.912 / visibility


def rain_slope(rate: float) -> float:
    """Compute the slope of drop sizes per mm: N(D) = 8000 exp(-slope D) per m^3 and mm.

    Marshall and Palmer, "The distribution of raindrops with size", J. Meteorology 5, 1948.
    """
    return 4.1 * float(rate**-0.21)


def rain_extinction(rate: float) -> float:
    """Compute the extinction of rain per metre: twice the drops' cross-section in a unit of air.

    Drops are large against the wavelength, so each takes out 2 pi D^2 / 4 (van de Hulst, "Light
    scattering by small particles", 1957); integrated over Marshall and Palmer's drops.
    """
    return np.pi * 8000e-6 / rain_slope(rate) ** 3 if rate > 0 else 0.0


def snow_size_distribution(rate: float) -> tuple[float, float]:
    """Compute number and slope of the flakes by melted diameter D: N(D) = n exp(-slope D).

    Per m^3 and mm, and per mm. Gunn and Marshall, "The distribution with size of aggregate
    snowflakes", J. Meteorology 15, 1958.
    """
    return 3800 * float(rate**-0.87), 2.55 * float(rate**-0.48)


def snow_extinction(rate: float) -> float:
    """Compute the extinction of falling snow per metre: twice the flakes' cross-section.

    Rasmussen et al., "The estimation of snowfall rate using visibility", J. Applied Meteorology
    38, 1999, integrated over Gunn and Marshall's flakes.
    """
    if rate <= 0:
        return 0.0
    number, slope = snow_size_distribution(rate)
    return np.pi / 2 * 6 * number / (_FLAKE_DENSITY * slope**4) * 1e-6


def flake_diameter_mm(melted_mm: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Compute the diameter of flakes from their melted one: density 0.17 / D g/cm^3, D in mm.

    Holroyd 1971, as used by Rasmussen et al. 1999.
    """
    return np.sqrt(melted_mm**3 / _FLAKE_DENSITY)


def apply_fog(
    linear: Float[np.ndarray, "h w 3"],
    depth: Float[np.ndarray, "h w"],
    behind: Bool[np.ndarray, "h w"],
    intrinsics: Float[np.ndarray, "3 3"],
    extinction: float,
    airlight: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "h w 3"]:
    """Apply fog: attenuate light and add airlight, L t + A (1 - t), t = exp(-extinction d).

    Koschmieder 1924; d is the distance along the ray, endless where `behind` or nothing was hit.
    """
    from simlift.pixels.weather import _atmosphere_kernels as kernels

    air = tuple(float(a) for a in airlight)
    pinhole = _pinhole(intrinsics)
    return np.asarray(kernels.apply_fog(linear, depth, behind, pinhole, extinction, air))


@dataclass(frozen=True, eq=False)
class NoiseAnchors:
    """Rest frames that noise is anchored to: `bodies` [k] are sorted ids of the map `ids`.

    `to_rest` [k+1 3 4] leads from camera axes to a body's rest frame, `still` [k+1] says
    whether the body stands still; the first of each is for pixels that are no body.
    """

    ids: Int[np.ndarray, "h w"]
    bodies: Int[np.ndarray, "k"]
    to_rest: Float[np.ndarray, "k1 3 4"]
    still: Bool[np.ndarray, "k1"]


def apply_wetness_and_snow(
    layers: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    depth: Float[np.ndarray, "h w"],
    behind: Bool[np.ndarray, "h w"],
    intrinsics: Float[np.ndarray, "3 3"],
    anchors: NoiseAnchors,
    up: Float[np.ndarray, "3"],
    *,
    wetness: float,
    ripples: float,
    snow: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Apply wetness and snow to albedo [h w 3], normals [h w 3], roughness [h w] and metal [h w].

    `wetness`, `ripples` and `snow` are in [0, 1]; above half of full wetness puddles stand in the
    hollows of level ground, on up to a fifth of it, and rain ripples them. `up` is in camera axes,
    as the normals are.
    """
    from simlift.pixels.weather import _atmosphere_kernels as kernels

    puddles = 0.4 * max(wetness - 0.5, 0.0)
    return kernels.apply_wetness_and_snow(
        *layers,
        depth,
        behind,
        anchors.ids,
        anchors.bodies,
        anchors.to_rest.astype(np.float32),
        anchors.still,
        _pinhole(intrinsics),
        up,
        _noise_table(seed),
        (wetness, puddles, _STILL_WATER + _RIPPLED * ripples),
        snow,
    )


@lru_cache(maxsize=4)
def _noise_table(seed: int) -> Float[np.ndarray, "4 p p p"]:
    from simlift.pixels.weather._atmosphere_kernels import PERIOD

    return np.random.default_rng(seed).random((4, PERIOD, PERIOD, PERIOD), dtype=np.float32)


def _pinhole(intrinsics: Float[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    k = intrinsics
    return float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])
