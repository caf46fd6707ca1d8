"""Weather to what it does to light: the veil of air, wet and snowy surfaces, drops and flakes.

Rates are mm of water per hour, diameters metres unless a name says mm; light is linear, 1 = a white
surface in full light. Sizes, speeds and numbers of drops and flakes are the measured laws.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int

_CONTRAST = 1 / 255  # a drop that covers less of a pixel's exposure only adds to the veil
_MOST = 25_000  # drops drawn in a frame, on average; beyond it the faintest are left out
_PER_CELL = 6.0  # drops; smaller cells follow the view more closely but cost more to find
_NEAREST = 0.15  # metres; a lens hood keeps the rest off
_RAREST = 1e-9  # per m^3; of what is rarer none is ever met
_STILL_WATER, _RIPPLED = 0.03, 0.07  # roughness of a puddle, and what rain adds to it
_FLAKE_DENSITY = 0.17  # kg/m^3 for a flake of one metre: density falls as 1 / diameter


def fog_extinction(visibility: float) -> float:
    """Return the extinction per metre at a visibility in metres: contrast is 2 % there.

    Koschmieder, "Theorie der horizontalen Sichtweite", 1924: ln(1 / 0.02) / visibility.
    """
    return 3.912 / visibility


def rain_slope(rate: float) -> float:
    """Return the slope of the drop sizes per mm: N(D) = 8000 exp(-slope D) per m^3 and mm.

    Marshall and Palmer, "The distribution of raindrops with size", J. Meteorology 5, 1948.
    """
    return 4.1 * float(rate**-0.21)


def rain_extinction(rate: float) -> float:
    """Return the extinction of rain per metre: twice the drops' cross-section in a unit of air.

    Drops are large against the wavelength, so each takes out 2 pi D^2 / 4 (van de Hulst, "Light
    scattering by small particles", 1957); integrated over Marshall and Palmer's drops.
    """
    return np.pi * 8000e-6 / rain_slope(rate) ** 3 if rate > 0 else 0.0


def snow_law(rate: float) -> tuple[float, float]:
    """Return number and slope of the flakes by melted diameter D: N(D) = n exp(-slope D).

    Per m^3 and mm, and per mm. Gunn and Marshall, "The distribution with size of aggregate
    snowflakes", J. Meteorology 15, 1958.
    """
    return 3800 * float(rate**-0.87), 2.55 * float(rate**-0.48)


def snow_extinction(rate: float) -> float:
    """Return the extinction of falling snow per metre: twice the flakes' cross-section.

    Rasmussen et al., "The estimation of snowfall rate using visibility", J. Applied Meteorology
    38, 1999, integrated over Gunn and Marshall's flakes.
    """
    if rate <= 0:
        return 0.0
    number, slope = snow_law(rate)
    return np.pi / 2 * 6 * number / (_FLAKE_DENSITY * slope**4) * 1e-6


def flake_diameter_mm(melted_mm: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Return the diameter of flakes from their melted one: density 0.17 / D g/cm^3, D in mm.

    Holroyd 1971, as used by Rasmussen et al. 1999.
    """
    return np.sqrt(melted_mm**3 / _FLAKE_DENSITY)


def drop_speed(diameter_mm: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Return the terminal velocity of raindrops in m/s, never below 0.

    Atlas, Srivastava and Sekhon, "Doppler radar characteristics of precipitation at vertical
    incidence", Reviews of Geophysics 11, 1973.
    """
    return np.maximum(9.65 - 10.3 * np.exp(-0.6 * diameter_mm), 0)


def flake_speed(diameter_mm: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Return the terminal velocity of unrimed aggregates in m/s.

    Locatelli and Hobbs, "Fall speeds and masses of solid precipitation particles", J. Geophysical
    Research 79, 1974.
    """
    return 0.8 * diameter_mm**0.16


@dataclass(frozen=True, eq=False)
class Particles:
    """What falls, by size: diameters [k] in metres, how many in a m^3, terminal velocities in m/s.

    `light` is a particle's radiance in units of what is around it, `sway` in metres.
    """

    diameters: Float[np.ndarray, "k"]
    densities: Float[np.ndarray, "k"]
    speeds: Float[np.ndarray, "k"]
    light: float
    sway: float = 0.0


def raindrops(rate: float) -> Particles:
    """Return the drops of 0.5 to 6 mm at a rain rate, in classes of a quarter millimetre.

    A drop refracts 165 degrees of its surroundings into a pixel and passes 94 % of that light
    (Garg and Nayar, "Vision and rain", IJCV 75, 2007).
    """
    edges, slope = np.arange(0.5, 6.01, 0.25), rain_slope(rate)
    middle = (edges[:-1] + edges[1:]) / 2
    above = 8000 / slope * np.exp(-slope * edges)
    return Particles(middle * 1e-3, -np.diff(above), drop_speed(middle), light=0.94)


def snowflakes(rate: float) -> Particles:
    """Return the flakes of 0.5 to 4 mm of melted diameter at a rate of water, swaying as they fall.

    Snow reflects nine tenths of the light that falls on it from all sides.
    """
    edges, (number, slope) = np.arange(0.5, 4.01, 0.25), snow_law(rate)
    size = flake_diameter_mm((edges[:-1] + edges[1:]) / 2)
    above = number / slope * np.exp(-slope * edges)
    return Particles(size * 1e-3, -np.diff(above), flake_speed(size), light=0.9, sway=0.05)


def reach(
    particles: Particles, focal: float, exposure: float, contrast: float
) -> Float[np.ndarray, "k"]:
    """Return how far, in metres, each size covers at least `contrast` of a pixel's exposure.

    At z metres a drop's disc of pi/4 (D f / z)^2 pixels is spread over a streak v T f / z long and
    1.6 wide with round ends of 2.36: a quadratic equation in z. `focal` is in pixels.
    """
    area = np.pi / 4 * (particles.diameters * focal) ** 2
    streak = 1.6 * particles.speeds * exposure * focal
    a, b = 2.36 * contrast, contrast * streak
    return (np.sqrt(b * b + 4 * a * area) - b) / (2 * a)


@dataclass(frozen=True)
class Shutter:
    """When and how a frame is exposed: its middle and length in seconds; opening and focus.

    `aperture` is the diameter of the lens opening and `focus` the distance of sharp things, both
    in metres.
    """

    time: float
    exposure: float
    aperture: float = 0.002
    focus: float = 10.0


def streaks(
    particles: Particles,
    wind: Float[np.ndarray, "3"],
    up: Float[np.ndarray, "3"],
    shutter: Shutter,
    poses: Float[np.ndarray, "2 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    seed: int,
) -> Float[np.ndarray, "n 6"]:
    """Return the particles in view: x and y of both ends in pixels, depth in metres, width.

    `wind` in m/s and `up` are in world axes, `poses` world to camera when the shutter opens and
    closes. The same particle is met again in every frame, further along its way.
    """
    from simlift.pixels import _weather_kernels as kernels

    focal = float(intrinsics[0, 0])
    view = size[0] * size[1] / focal / float(intrinsics[1, 1]) / 3  # volume is this times z^3
    contrast = _CONTRAST
    far = reach(particles, focal, shutter.exposure, contrast)
    while (particles.densities * view * far**3).sum() > _MOST:
        contrast *= 1.1
        far = reach(particles, focal, shutter.exposure, contrast)
    sides = np.cbrt(_PER_CELL / np.maximum(particles.densities, _RAREST))
    half = shutter.exposure / 2
    moved = float(np.linalg.norm(poses[1, :3, 3] - poses[0, :3, 3]))
    corners = _frustum(poses[0], intrinsics, size)
    found = []
    for kind in np.flatnonzero((far > _NEAREST) & (particles.densities > _RAREST)):
        side, velocity = float(sides[kind]), wind - up * particles.speeds[kind]
        margin = 0.87 * side + 2 * particles.sway + half * float(np.linalg.norm(velocity)) + moved
        spread = float(particles.diameters[kind]) + shutter.aperture + 4 * float(far[kind]) / focal
        place = corners[:1] + corners[1:] * far[kind] - velocity * shutter.time
        place = np.concatenate([place, corners[:1] - velocity * shutter.time])
        found.append(
            kernels.scatter(
                int(kind),
                (side, _PER_CELL, float(particles.diameters[kind]), particles.sway),
                (margin, spread, _NEAREST, float(far[kind])),
                np.floor((place.min(0) - margin) / side).astype(np.int64),
                np.floor((place.max(0) + margin) / side).astype(np.int64) + 1,
                velocity,
                (shutter.time - half, shutter.time + half),
                np.uint64(seed % 2**64),
                np.ascontiguousarray(poses[:, :3]),
                _pinhole(intrinsics),
                size,
            )
        )
    return np.concatenate([np.zeros((0, 6), np.float32), *found])


def _frustum(
    pose: Float[np.ndarray, "4 4"], intrinsics: Float[np.ndarray, "3 3"], size: tuple[int, int]
) -> Float[np.ndarray, "5 3"]:
    """Return where the camera stands, and the ways to the image's corners one metre deep."""
    fx, fy, cx, cy = _pinhole(intrinsics)
    height, width = size
    ways = [[(x - cx) / fx, (y - cy) / fy, 1.0] for x in (0, width) for y in (0, height)]
    inverse = np.linalg.inv(pose)
    return np.concatenate([inverse[None, :3, 3], np.array(ways) @ inverse[:3, :3].T])


def draw(
    linear: Float[np.ndarray, "h w 3"],
    depth: Float[np.ndarray, "h w"],
    behind: Bool[np.ndarray, "h w"],
    seen: Float[np.ndarray, "n 6"],
    shown: Float[np.ndarray, "3"],
    shutter: Shutter,
    focal: float,
    extinction: float,
    airlight: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "h w 3"]:
    """Draw `streaks` over an image, in front of what is deeper; `behind` is deeper than all.

    `shown` is a drop's radiance; it is seen through the veil before it.
    """
    from simlift.pixels import _weather_kernels as kernels

    blur = focal * shutter.aperture
    return np.asarray(
        kernels.splat(linear, depth, behind, seen, shown, extinction, airlight, blur, shutter.focus)
    )


def veil(
    linear: Float[np.ndarray, "h w 3"],
    depth: Float[np.ndarray, "h w"],
    behind: Bool[np.ndarray, "h w"],
    intrinsics: Float[np.ndarray, "3 3"],
    extinction: float,
    airlight: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "h w 3"]:
    """Return light through air that takes out and adds: L t + A (1 - t), t = exp(-extinction d).

    Koschmieder 1924; d is the distance along the ray, endless where `behind` or nothing was hit.
    """
    from simlift.pixels import _weather_kernels as kernels

    air = tuple(float(a) for a in airlight)
    pinhole = _pinhole(intrinsics)
    return np.asarray(kernels.veil(linear, depth, behind, pinhole, extinction, air))


@dataclass(frozen=True, eq=False)
class Anchors:
    """What noise sticks to: `bodies` [k] are sorted ids of the map `ids`.

    `to_rest` [k+1 3 4] leads from camera axes to where a body's points rest, `still` [k+1] tells
    whether it stays there; the first of each is for pixels that are no body.
    """

    ids: Int[np.ndarray, "h w"]
    bodies: Int[np.ndarray, "k"]
    to_rest: Float[np.ndarray, "k1 3 4"]
    still: Bool[np.ndarray, "k1"]


def weathered(
    layers: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    depth: Float[np.ndarray, "h w"],
    behind: Bool[np.ndarray, "h w"],
    intrinsics: Float[np.ndarray, "3 3"],
    anchors: Anchors,
    up: Float[np.ndarray, "3"],
    *,
    wetness: float,
    ripples: float,
    snow: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return albedo [h w 3], normals [h w 3], roughness [h w] and metal [h w] wet and snowed on.

    `wetness`, `ripples` and `snow` are in [0, 1]; above half of full wetness puddles stand in the
    hollows of level ground, on up to a fifth of it, and rain ripples them. `up` is in camera axes,
    as the normals are.
    """
    from simlift.pixels import _weather_kernels as kernels

    puddles = 0.4 * max(wetness - 0.5, 0.0)
    return kernels.surfaces(
        *layers,
        depth,
        behind,
        anchors.ids,
        anchors.bodies,
        anchors.to_rest,
        anchors.still,
        _pinhole(intrinsics),
        up,
        _noise_table(seed),
        (wetness, puddles, _STILL_WATER + _RIPPLED * ripples),
        snow,
    )


@lru_cache(maxsize=4)
def _noise_table(seed: int) -> Float[np.ndarray, "4 p p p"]:
    from simlift.pixels._weather_kernels import PERIOD

    return np.random.default_rng(seed).random((4, PERIOD, PERIOD, PERIOD), dtype=np.float32)


def _pinhole(intrinsics: Float[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    k = intrinsics
    return float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])
