"""Generate built-in environment maps: clear sky with sun, overcast sky, night, studio, rooms.

All return equirectangular linear radiance (axes as in `environment`), scaled so that a white
surface facing up reflects about 1.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from simlift.pixels.colour.spaces import daylight, xyy_to_rgb
from simlift.pixels.light.environment import Sun, equirectangular_directions, solid_angles

_HEIGHT, _WIDTH = 512, 1024
_NIGHT = np.float32(0.1)  # of the light of day
_GROUND = np.array([0.20, 0.19, 0.17], dtype=np.float32)


def clear_sky(
    elevation: float, turbidity: float, clouds: float, seed: int
) -> tuple[Float[np.ndarray, "h w 3"], Sun]:
    """Generate a daylight sky and its sun, at `elevation` radians over the map's middle.

    `turbidity` 2 (clear) to 8 (hazy); `clouds` in [0, 1] is the share of the sky they cover.
    Source: Preetham, Shirley and Smits, "A practical analytic model for daylight", SIGGRAPH 1999.
    """
    way = equirectangular_directions(_HEIGHT, _WIDTH)
    towards = np.array([0, np.sin(elevation), -np.cos(elevation)])
    above = way[: _HEIGHT // 2]
    zenith = np.pi / 2 - elevation
    cosine = np.maximum(above[..., 1], 0.02)
    gamma = np.arccos(np.clip(np.einsum("hwk,k->hw", above, towards), -1, 1))
    table = _perez_table(turbidity)
    ratio = [_perez(c, cosine, gamma) / _perez(c, np.ones(1), np.full(1, zenith))[0] for c in table]
    zenith_luma, zenith_x, zenith_y = _zenith(turbidity, zenith)
    sky = xyy_to_rgb(zenith_x * ratio[1], zenith_y * ratio[2], zenith_luma * ratio[0])
    sky /= max(_irradiance_up(sky), 1e-6)
    if clouds > 0:
        cover = _clouds(above, clouds, seed)[..., None]
        glow = 1 + 1.2 * np.exp(-((gamma / 0.5) ** 2))[..., None]
        sky = sky * (1 - cover) + cover * glow * (0.75 * sky.mean((0, 1)).mean() + 0.25)
    warmth = daylight(float(np.clip(2100 + 5200 * np.sin(elevation) ** 0.5, 2100, 5600)))
    sun_luma = 11.0 * np.sin(elevation) ** 0.45 * (1 - 0.85 * clouds**2)
    scale = np.float32(0.35)
    return _with_ground(sky * scale), Sun(
        towards.astype(np.float32), (warmth * sun_luma * scale).astype(np.float32)
    )


def overcast_sky(seed: int) -> Float[np.ndarray, "h w 3"]:
    """Generate the CIE standard overcast sky (CIE S 011: L = Lz (1 + 2 sin) / 3) with soft
    clouds."""
    above = equirectangular_directions(_HEIGHT, _WIDTH)[: _HEIGHT // 2]
    luma = (1 + 2 * above[..., 1]) / 3
    luma = luma * (0.82 + 0.36 * _clouds(above, 0.5, seed))
    sky = luma[..., None] * daylight(6800)
    return _with_ground((sky / _irradiance_up(sky)).astype(np.float32))


def night_sky(elevation: float, seed: int) -> tuple[Float[np.ndarray, "h w 3"], Sun]:
    """Generate a clear night over a town, and its moon at `elevation` radians over the map's
    middle.

    The sky brightens towards the horizon as 1 / (0.12 + sin) where the town's lights are scattered
    (warm: sodium and warm white), over a faint blue; stars are points of random brightness. A tenth
    as bright as the skies of day, which is far brighter than it is: cameras open up at night.
    """
    above = equirectangular_directions(_HEIGHT, _WIDTH)[: _HEIGHT // 2]
    height = above[..., 1:2]
    glow = daylight(2600) * np.float32(0.10) / (np.float32(0.12) + height)
    sky = np.float32(0.55) * daylight(11000) + glow
    generator = np.random.default_rng(seed)
    stars = generator.random(above.shape[:2]) > 0.9988
    sky = sky + (stars * generator.exponential(3.0, above.shape[:2]))[..., None]
    sky = (sky / _irradiance_up(sky) * _NIGHT).astype(np.float32)
    towards = np.array([0, np.sin(elevation), -np.cos(elevation)], np.float32)
    moonlight = daylight(4100) * np.float32(0.9 * _NIGHT * np.pi * np.sin(elevation) ** 0.5)
    return _with_ground(sky), Sun(towards, moonlight.astype(np.float32))


@dataclass(frozen=True)
class Panel:
    """A soft-edged rectangular light: centre and half size in radians, radiance, kelvin."""

    azimuth: float
    elevation: float
    half_width: float
    half_height: float
    radiance: float
    kelvin: float


def room(panels: tuple[Panel, ...], walls: float, kelvin: float) -> Float[np.ndarray, "h w 3"]:
    """Generate a room: dim walls with a brighter ceiling and darker floor, lit by panels."""
    way = equirectangular_directions(_HEIGHT, _WIDTH)
    x, y, z = way[..., 0], way[..., 1], way[..., 2]
    shade = walls * (0.75 + 0.35 * y + 0.1 * np.cos(2 * np.arctan2(x, -z)))
    out = shade[..., None] * daylight(kelvin)
    azimuth, elevation = np.arctan2(x, -z), np.arcsin(np.clip(y, -1, 1))
    for panel in panels:
        across = np.abs((azimuth - panel.azimuth + np.pi) % (2 * np.pi) - np.pi)
        mask = _edge(across, panel.half_width) * _edge(
            np.abs(elevation - panel.elevation), panel.half_height
        )
        out = out + (mask * panel.radiance)[..., None] * daylight(panel.kelvin)
    return (out / max(_irradiance_up(out[: _HEIGHT // 2]), 1e-6)).astype(np.float32)


def studio() -> Float[np.ndarray, "h w 3"]:
    """Generate a photo studio: a large key soft box, a weaker fill, a rim light, an overhead."""
    return room(
        (
            Panel(-0.9, 0.75, 0.42, 0.34, 14.0, 5200),
            Panel(1.3, 0.35, 0.35, 0.45, 3.0, 5600),
            Panel(2.9, 0.7, 0.3, 0.2, 6.0, 6200),
            Panel(0.3, 1.35, 1.2, 0.16, 5.0, 5400),
        ),
        walls=0.22,
        kelvin=5000,
    )


def window_room() -> Float[np.ndarray, "h w 3"]:
    """Generate a living room in daylight: two tall windows on one side, warm walls and lamp."""
    return room(
        (
            Panel(-1.25, 0.28, 0.30, 0.42, 16.0, 6800),
            Panel(-2.10, 0.28, 0.28, 0.42, 16.0, 7000),
            Panel(1.9, 0.75, 0.14, 0.12, 9.0, 2900),
        ),
        walls=0.30,
        kelvin=4100,
    )


def lamp_room() -> Float[np.ndarray, "h w 3"]:
    """Generate a room in the evening: warm ceiling lamps and a little blue from outside."""
    return room(
        (
            Panel(-0.5, 1.05, 0.24, 0.12, 22.0, 2800),
            Panel(1.1, 0.95, 0.20, 0.11, 16.0, 3000),
            Panel(-1.8, 0.25, 0.22, 0.3, 1.4, 9500),
        ),
        walls=0.20,
        kelvin=3200,
    )


def _edge(distance: np.ndarray, half: float) -> np.ndarray:
    soft = 0.12 * half
    return np.clip((half - distance) / soft + 0.5, 0, 1)


def _irradiance_up(upper: np.ndarray) -> float:
    height, width = upper.shape[:2]
    way = equirectangular_directions(2 * height, width)[:height]
    angle = solid_angles(2 * height, width)[:height]
    return float((upper.mean(-1) * way[..., 1] * angle).sum() / np.pi)


def _with_ground(sky: np.ndarray) -> Float[np.ndarray, "h w 3"]:
    level = np.maximum(_irradiance_up(sky), 1e-6) * _GROUND
    ground = np.broadcast_to(level, sky.shape).copy()
    # The horizon is haze, not a line: the first degrees below it fade from sky to ground.
    rows = np.arange(len(sky))[:, None, None] / len(sky) * 90
    fade = np.clip(1 - rows / 3, 0, 1) ** 2
    ground = ground * (1 - fade) + sky[-1][None] * fade
    return np.concatenate([sky, ground]).astype(np.float32)


def _perez_table(t: float) -> tuple[tuple[float, ...], ...]:
    return (
        (0.1787 * t - 1.4630, -0.3554 * t + 0.4275, -0.0227 * t + 5.3251,
         0.1206 * t - 2.5771, -0.0670 * t + 0.3703),
        (-0.0193 * t - 0.2592, -0.0665 * t + 0.0008, -0.0004 * t + 0.2125,
         -0.0641 * t - 0.8989, -0.0033 * t + 0.0452),
        (-0.0167 * t - 0.2608, -0.0950 * t + 0.0092, -0.0079 * t + 0.2102,
         -0.0441 * t - 1.6537, -0.0109 * t + 0.0529),
    )  # fmt: skip


def _perez(c: tuple[float, ...], cosine: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    return (1 + c[0] * np.exp(c[1] / cosine)) * (
        1 + c[2] * np.exp(c[3] * gamma) + c[4] * np.cos(gamma) ** 2
    )


def _zenith(t: float, zenith: float) -> tuple[float, float, float]:
    chi = (4 / 9 - t / 120) * (np.pi - 2 * zenith)
    luma = (4.0453 * t - 4.9710) * np.tan(chi) - 0.2155 * t + 2.4192
    powers = np.array([zenith**3, zenith**2, zenith, 1.0])
    squares = np.array([t * t, t, 1.0])
    x = squares @ np.array(
        [[0.00166, -0.00375, 0.00209, 0], [-0.02903, 0.06377, -0.03202, 0.00394],
         [0.11693, -0.21196, 0.06052, 0.25886]]
    ) @ powers  # fmt: skip
    y = squares @ np.array(
        [[0.00275, -0.00610, 0.00317, 0], [-0.04214, 0.08970, -0.04153, 0.00516],
         [0.15346, -0.26756, 0.06670, 0.26688]]
    ) @ powers  # fmt: skip
    return max(float(luma), 0.1), float(x), float(y)


def _clouds(above: np.ndarray, cover: float, seed: int) -> Float[np.ndarray, "h w"]:
    """Fractal value noise on a plane overhead, thresholded to the share `cover`."""
    height = np.maximum(above[..., 1], 0.06)
    x, z = above[..., 0] / height, above[..., 2] / height
    generator = np.random.default_rng(seed)
    total = np.zeros(above.shape[:2], dtype=np.float32)
    for octave in range(6):
        grid = generator.random((64, 64), dtype=np.float32)
        scale = 0.55 * 2**octave
        u = ((x * scale + 17.3 * octave) % 64).astype(np.float32)
        v = ((z * scale * 1.4 + 5.1 * octave) % 64).astype(np.float32)
        tile = cv2.copyMakeBorder(grid, 0, 1, 0, 1, cv2.BORDER_WRAP)
        total += cv2.remap(tile, u, v, cv2.INTER_LINEAR) * np.float32(0.55**octave)
    total = (total - total.mean()) / total.std()
    level = float(np.quantile(total, 1 - cover))
    fade = np.clip(above[..., 1] / 0.12, 0, 1)
    return (np.clip((total - level) / 1.2, 0, 1) ** 0.8 * fade).astype(np.float32)
