"""Generate rain drops and snowflakes in view of a camera, and draw them over an image.

Rates are mm of water per hour, diameters metres unless a name says mm; light is linear, 1 = a white
surface in full light. Sizes, speeds and numbers of drops and flakes are the measured laws.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from simlift.pixels.weather.atmosphere import flake_diameter_mm, rain_slope, snow_size_distribution

_CONTRAST = 1 / 255  # a drop that covers less of a pixel's exposure only adds to the veil
_MOST = 25_000  # drops drawn in a frame, on average; beyond it the faintest are left out
_PER_CELL = 6.0  # drops; smaller cells follow the view more closely but cost more to find
_NEAREST = 0.15  # metres; a lens hood keeps the rest off
_RAREST = 1e-9  # per m^3; rarer particles never appear


def drop_speed(diameter_mm: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Compute the terminal velocity of raindrops in m/s, never below 0.

    Atlas, Srivastava and Sekhon, "Doppler radar characteristics of precipitation at vertical
    incidence", Reviews of Geophysics 11, 1973.
    """
    return np.maximum(9.65 - 10.3 * np.exp(-0.6 * diameter_mm), 0)


def flake_speed(diameter_mm: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Compute the terminal velocity of unrimed aggregates in m/s.

    Locatelli and Hobbs, "Fall speeds and masses of solid precipitation particles", J. Geophysical
    Research 79, 1974.
    """
    return 0.8 * diameter_mm**0.16


@dataclass(frozen=True, eq=False)
class Particles:
    """Falling particles by size: diameters [k] in metres, how many in a m^3, terminal velocities in
    m/s.

    `light` is a particle's radiance in units of what is around it, `sway` in metres.
    """

    diameters: Float[np.ndarray, "k"]
    densities: Float[np.ndarray, "k"]
    speeds: Float[np.ndarray, "k"]
    light: float
    sway: float = 0.0


def raindrops(rate: float) -> Particles:
    """Compute the drops of 0.5 to 6 mm at a rain rate, in classes of a quarter millimetre.

    A drop refracts 165 degrees of its surroundings into a pixel and passes 94 % of that light
    (Garg and Nayar, "Vision and rain", IJCV 75, 2007).
    """
    edges, slope = np.arange(0.5, 6.01, 0.25), rain_slope(rate)
    middle = (edges[:-1] + edges[1:]) / 2
    above = 8000 / slope * np.exp(-slope * edges)
    return Particles(middle * 1e-3, -np.diff(above), drop_speed(middle), light=0.94)


def snowflakes(rate: float) -> Particles:
    """Compute the flakes of 0.5 to 4 mm of melted diameter at a rate of water, swaying as they
    fall.

    Snow reflects nine tenths of the light that falls on it from all sides.
    """
    edges, (number, slope) = np.arange(0.5, 4.01, 0.25), snow_size_distribution(rate)
    size = flake_diameter_mm((edges[:-1] + edges[1:]) / 2)
    above = number / slope * np.exp(-slope * edges)
    return Particles(size * 1e-3, -np.diff(above), flake_speed(size), light=0.9, sway=0.05)


def visible_distance(
    particles: Particles, focal: float, exposure: float, contrast: float
) -> Float[np.ndarray, "k"]:
    """Compute how far, in metres, each size covers at least `contrast` of a pixel's exposure.

    At z metres a drop's disc of pi/4 (D f / z)^2 pixels is spread over a streak v T f / z long and
    1.6 wide with round ends of 2.36: a quadratic equation in z. `focal` is in pixels.
    """
    area = np.pi / 4 * (particles.diameters * focal) ** 2
    streak = 1.6 * particles.speeds * exposure * focal
    a, b = 2.36 * contrast, contrast * streak
    return (np.sqrt(b * b + 4 * a * area) - b) / (2 * a)


@dataclass(frozen=True)
class Shutter:
    """When and how a frame is exposed: its middle and length in seconds; aperture and focus.

    `aperture` is the diameter of the lens opening and `focus` the distance of sharp things, both
    in metres.
    """

    time: float
    exposure: float
    aperture: float = 0.002
    focus: float = 10.0


def particle_streaks(
    particles: Particles,
    wind: Float[np.ndarray, "3"],
    up: Float[np.ndarray, "3"],
    shutter: Shutter,
    poses: Float[np.ndarray, "2 4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    seed: int,
) -> Float[np.ndarray, "n 6"]:
    """Generate the particles in view: x and y of both ends in pixels, depth in metres, width.

    `wind` in m/s and `up` are in world axes, `poses` world to camera when the shutter opens and
    closes. The same particle appears in every frame, further along its path.
    """
    from simlift.pixels.weather import _precipitation_kernels as kernels

    focal = float(intrinsics[0, 0])
    view = size[0] * size[1] / focal / float(intrinsics[1, 1]) / 3  # volume is this times z^3
    contrast = _CONTRAST
    far = visible_distance(particles, focal, shutter.exposure, contrast)
    while (particles.densities * view * far**3).sum() > _MOST:
        contrast *= 1.1
        far = visible_distance(particles, focal, shutter.exposure, contrast)
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


def draw_streaks(
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
    """Draw `particle_streaks` over an image, depth-tested; `behind` is deeper than all.

    `shown` is a drop's radiance; the fog before it attenuates it.
    """
    from simlift.pixels.weather import _precipitation_kernels as kernels

    blur = focal * shutter.aperture
    return np.asarray(
        kernels.splat(linear, depth, behind, seen, shown, extinction, airlight, blur, shutter.focus)
    )


def _pinhole(intrinsics: Float[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    k = intrinsics
    return float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])
