"""Prepare equirectangular environment maps for image-based lighting: irradiance, glossy maps, suns.

Environment axes: y up; column 0 looks along +z, the middle of the map along -z, u grows to the
right as seen from inside: u = atan2(x, -z) / 2 pi + 1/2, v = acos(y) / pi. Radiance is linear RGB.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float

from simlift.pixels.colour.spaces import LUMINANCE

_SMALL = (32, 64)  # rows and columns for integrals over the sphere; lobes wider than 6 degrees
_LARGEST_LIGHT = np.radians(32.0)
_MOST_SUNS = 2
GLOSSY = (0.15, 0.3, 0.45, 0.6, 0.8, 1.0)  # roughness for which reflections are kept
POINT = 0.1  # radians; larger lights are reflected by the map
COSINE = np.array([1] + [2 / 3] * 3 + [1 / 4] * 5, np.float32)  # radiance to irradiance / pi
WAYS = 8  # directions towards a light that is no point


@dataclass(frozen=True, eq=False)
class Sun:
    """A distant light: `direction` [3] towards it, `irradiance` [3] on a surface that faces it.

    `radius` is its angular radius in radians: 0.005 for the sun, more for a window or a soft box.
    """

    direction: Float[np.ndarray, "3"]
    irradiance: Float[np.ndarray, "3"]
    radius: float = 0.005

    @cached_property
    def _samples(self) -> dict[int, Float[np.ndarray, "k 3"]]:
        return {}

    def samples(self, count: int = WAYS) -> Float[np.ndarray, "k 3"]:
        """Sample directions over the light's disc: one for a point, else `count`."""
        if count not in self._samples:
            self._samples[count] = self._spread(count)
        return self._samples[count]

    def _spread(self, count: int) -> Float[np.ndarray, "k 3"]:
        if self.radius < 0.03:
            return self.direction[None]
        aside = np.cross(
            self.direction, [0.0, 1.0, 0.0] if abs(self.direction[1]) < 0.9 else [1.0, 0, 0]
        )
        aside /= np.linalg.norm(aside)
        above = np.cross(aside, self.direction)
        # A sunflower: equal areas, evenly turned (Vogel 1979).
        turns = 0.4 + np.pi * (3 - 5**0.5) * np.arange(count)[:, None]
        spread = np.tan(self.radius) * np.sqrt((np.arange(count)[:, None] + 0.5) / count)
        out = self.direction + spread * (np.cos(turns) * aside + np.sin(turns) * above)
        return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Environment:
    """An environment map prepared for lookup, with its suns split off.

    `harmonics` [9 3] give irradiance / pi by direction, without the suns; `glossy` what surfaces of
    the roughness GLOSSY reflect from a direction.
    """

    radiance: Float[np.ndarray, "h w 3"]
    harmonics: Float[np.ndarray, "9 3"]
    glossy: Float[np.ndarray, "l n n 3"]  # octahedral, seen by each of GLOSSY
    suns: tuple[Sun, ...]
    soft: Float[np.ndarray, "a b 3"]  # the map without its suns, small
    unpainted: tuple[Sun, ...] = ()  # those of the suns that are not in `radiance`

    @property
    def mean_radiance(self) -> Float[np.ndarray, "3"]:
        """Mean radiance over all directions, without the suns."""
        return np.asarray(self.harmonics[0] * np.float32(0.282095))

    @property
    def mean_light(self) -> Float[np.ndarray, "3"]:
        """Mean radiance of a white diffuse surface: the sky and half of each sun."""
        return self.mean_radiance + sum(
            (sun.irradiance * np.float32(0.5 / np.pi) for sun in self.suns), np.zeros(3, np.float32)
        )


def build_environment(
    radiance: Float[np.ndarray, "h w 3"], suns: tuple[Sun, ...] = ()
) -> Environment:
    """Prepare an equirectangular radiance map for lookup.

    Suns inside the map are taken out and become distant lights of their own, because harmonics
    cannot hold them without ringing. `suns` are those that were never in it.
    """
    rest, found = (radiance, ()) if suns else extract_suns(radiance)
    small = cv2.resize(rest, _SMALL[::-1], interpolation=cv2.INTER_AREA)
    # A large light is seen in reflections as it is; a small one only as the highlight of a sun.
    mirrored = radiance if any(sun.radius > POINT for sun in found) else rest
    return Environment(
        radiance=radiance,
        harmonics=project_irradiance(small),
        glossy=_reflections(mirrored),
        suns=(*suns, *found),
        soft=small,
        unpainted=suns,
    )


def _reflections(radiance: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "l n n 3"]:
    """Return the map as surfaces of each roughness in GLOSSY see it.

    A GGX lobe of alpha = roughness^2 is about as wide as a Blinn-Phong lobe of 2 / alpha^2 - 2
    (Walter et al. 2007), which about a reflected direction is a cosine lobe of a quarter of that.
    """
    small = cv2.resize(radiance, _SMALL[::-1], interpolation=cv2.INTER_AREA)
    sharp = cv2.resize(radiance, (256, 128), interpolation=cv2.INTER_AREA)
    levels = [octahedral(sharp, 64)]
    for roughness in GLOSSY[1:]:
        power = max((2 / roughness**4 - 2) / 4, 0.5)
        levels.append(octahedral(prefilter(small, power), 64))
    return np.stack(levels)


def equirectangular_directions(height: int, width: int) -> Float[np.ndarray, "h w 3"]:
    """Compute the unit direction of every pixel of an equirectangular map."""
    theta = (np.arange(height) + 0.5) / height * np.pi
    phi = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    sine = np.sin(theta)[:, None]
    return np.stack(
        [sine * np.sin(phi), np.cos(theta)[:, None] * np.ones(width), -sine * np.cos(phi)], axis=-1
    ).astype(np.float32)


def fibonacci_sphere(count: int) -> Float[np.ndarray, "count 3"]:
    """Sample directions evenly over the sphere (Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    height = 1 - 2 * k / count
    around = np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - height * height)
    return np.stack([flat * np.cos(around), flat * np.sin(around), height], 1).astype(np.float32)


def solid_angles(height: int, width: int) -> Float[np.ndarray, "h 1"]:
    """Compute the solid angle of a pixel in each row; over the map they sum to 4 pi."""
    edges = np.cos(np.arange(height + 1) / height * np.pi)
    return ((edges[:-1] - edges[1:]) * 2 * np.pi / width)[:, None].astype(np.float32)


def lookup(
    radiance: Float[np.ndarray, "h w 3"], direction: Float[np.ndarray, "*n 3"]
) -> Float[np.ndarray, "*n 3"]:
    """Sample the radiance that arrives from unit directions, interpolated across the seam."""
    height, width = radiance.shape[:2]
    x, y, z = (np.ascontiguousarray(direction[..., k], dtype=np.float32) for k in range(3))
    u = (np.arctan2(x, -z) / (2 * np.pi) + 0.5) * width
    v = np.arccos(np.clip(y, -1, 1)) / np.pi * height - 0.5
    wrapped = cv2.copyMakeBorder(radiance, 0, 0, 1, 1, cv2.BORDER_WRAP)
    out = cv2.remap(
        wrapped,
        (u + 0.5).astype(np.float32).reshape(len(u), -1),
        v.astype(np.float32).reshape(len(v), -1),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return out.reshape(direction.shape)


def extract_suns(
    radiance: Float[np.ndarray, "h w 3"],
) -> tuple[Float[np.ndarray, "h w 3"], tuple[Sun, ...]]:
    """Split off the strongest lights, up to two, each as `extract_sun` finds it in the rest."""
    suns: tuple[Sun, ...] = ()
    for _ in range(_MOST_SUNS):
        radiance, found = extract_sun(radiance)
        if not found:
            break
        suns += found
    return radiance, suns


def extract_sun(
    radiance: Float[np.ndarray, "h w 3"],
) -> tuple[Float[np.ndarray, "h w 3"], tuple[Sun, ...]]:
    """Split off the strongest light: the brightest patch, if it is far brighter than the rest.

    It may be a sun, a window or a soft box. The patch is the bright region around the peak; what
    exceeds its surroundings becomes a distant light that casts shadows, if that is a tenth of all
    light or more.
    """
    height, width = radiance.shape[:2]
    way = equirectangular_directions(height, width)
    angle = np.broadcast_to(solid_angles(height, width), (height, width))
    luma = _dot(radiance, LUMINANCE)
    # The patch that gives most light, not the brightest pixel: seen through a 12 degree lobe.
    small = cv2.resize(radiance, _SMALL[::-1], interpolation=cv2.INTER_AREA)
    blurred = _dot(prefilter(small, 60.0), LUMINANCE)
    peak = equirectangular_directions(*_SMALL).reshape(-1, 3)[int(blurred.argmax())]
    towards = _dot(way, peak)
    cone = towards > np.cos(_LARGEST_LIGHT)
    ring = (towards > np.cos(1.6 * _LARGEST_LIGHT)) & ~cone
    fill = np.median(radiance[ring], axis=0)
    level = float(fill @ LUMINANCE)
    patch = cone & (luma > level + 0.25 * (np.percentile(luma[cone], 99.5) - level))
    excess = np.maximum(radiance - fill, 0) * patch[..., None]
    weight = _dot(excess, LUMINANCE) * angle
    if luma[cone].max() < 3 * level or weight.sum() <= 0.1 * float((luma * angle).sum()):
        return radiance, ()
    centre = (way * weight[..., None]).sum((0, 1))
    centre /= np.linalg.norm(centre)
    spread = np.arccos(np.clip(_dot(way, centre), -1, 1)) ** 2
    radius = float(np.sqrt(2 * (spread * weight).sum() / weight.sum()))
    irradiance = (excess * angle[..., None]).sum((0, 1))
    rest = np.where(patch[..., None], np.minimum(radiance, fill), radiance).astype(np.float32)
    return rest, (
        Sun(centre.astype(np.float32), irradiance.astype(np.float32), max(radius, 0.005)),
    )


def _dot(
    vectors: Float[np.ndarray, "*n 3"], vector: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "*n"]:
    # Not the @ operator: BLAS starts threads for it, which spin where other processes are at work.
    return np.einsum("...k,k->...", vectors, vector)


def harmonic_basis(normal: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 9"]:
    """Evaluate the nine real spherical harmonics up to order 2 (Ramamoorthi and Hanrahan 2001)."""
    x, y, z = normal[..., 0], normal[..., 1], normal[..., 2]
    out = np.empty((*normal.shape[:-1], 9), dtype=np.float32)
    out[..., 0] = 0.282095
    out[..., 1], out[..., 2], out[..., 3] = 0.488603 * y, 0.488603 * z, 0.488603 * x
    out[..., 4], out[..., 5], out[..., 7] = 1.092548 * x * y, 1.092548 * y * z, 1.092548 * x * z
    out[..., 6] = 0.315392 * (3 * z * z - 1)
    out[..., 8] = 0.546274 * (x * x - y * y)
    return out


def rotate_harmonics(
    light: Float[np.ndarray, "9"], turn: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "9"]:
    """Rotate spherical harmonics to other axes; `turn` takes a direction in those to one of
    theirs."""
    ways = fibonacci_sphere(256)
    seen = harmonic_basis(np.einsum("kd,cd->kc", ways, turn).astype(np.float32)) @ light
    return np.linalg.lstsq(harmonic_basis(ways), seen, rcond=None)[0].astype(np.float32)


def project_irradiance(radiance: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "9 3"]:
    """Project a radiance map to harmonics of irradiance / pi: a white diffuse surface's radiance.

    Source: Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment
    maps", SIGGRAPH 2001: E_lm = A_l L_lm with A = (pi, 2 pi / 3, pi / 4).
    """
    height, width = radiance.shape[:2]
    basis = (
        harmonic_basis(equirectangular_directions(height, width))
        * solid_angles(height, width)[..., None]
    )
    light = np.tensordot(basis, radiance, axes=([0, 1], [0, 1]))
    return (light * COSINE[:, None]).astype(np.float32)


def prefilter(radiance: Float[np.ndarray, "h w 3"], gloss: float) -> Float[np.ndarray, "h w 3"]:
    """Convolve the map with a normalised cos^gloss lobe (prefiltered environment map)."""
    height, width = radiance.shape[:2]
    polar = (np.arange(height) + 0.5) / height * np.pi
    apart = np.cos(np.arange(width) / width * 2 * np.pi)
    across, along = np.sin(polar), np.cos(polar)
    cosine = across[:, None, None] * across[:, None] * apart + along[:, None, None] * along[:, None]
    kernel = np.maximum(cosine, 0) ** gloss * solid_angles(height, width)
    kernel /= kernel.sum((1, 2), keepdims=True)
    lobes, light = np.fft.rfft(kernel, axis=2), np.fft.rfft(radiance.astype(float), axis=1)
    seen = np.fft.irfft(np.einsum("ijf,jfc->ifc", lobes, light), width, axis=1)
    return np.maximum(seen, 0).astype(np.float32)


def octahedral(radiance: Float[np.ndarray, "h w 3"], size: int) -> Float[np.ndarray, "n n 3"]:
    """Resample onto an octahedral map, whose lookup needs no trigonometry.

    Source: Engelhardt and Dachsbacher, "Octahedron environment maps", VMV 2008.
    """
    # One pixel beyond each side, so that interpolation at the folds finds its neighbours.
    axis = (np.arange(size + 2) - 0.5) / size * 2 - 1
    u, v = np.meshgrid(axis, axis)
    over = (np.abs(u) > 1) ^ (np.abs(v) > 1)
    u, v = np.where(over & (np.abs(u) > 1), np.sign(u) * 2 - u, u), v
    v = np.where(over & (np.abs(v) > 1), np.sign(v) * 2 - v, v)
    # Crossing a side of the square leads to the mirrored place on the same side.
    u, v = (
        np.where(over & (np.abs(np.meshgrid(axis, axis)[1]) > 1), -u, u),
        np.where(over & (np.abs(np.meshgrid(axis, axis)[0]) > 1), -v, v),
    )
    up = 1 - np.abs(u) - np.abs(v)
    x = np.where(up >= 0, u, (1 - np.abs(v)) * np.where(u >= 0, 1, -1))
    z = np.where(up >= 0, v, (1 - np.abs(u)) * np.where(v >= 0, 1, -1))
    way = np.stack([x, up, z], axis=-1)
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    return lookup(radiance, way.astype(np.float32))


def axes_from_world(
    up: Float[np.ndarray, "3"], forward: Float[np.ndarray, "3"], turn: float
) -> Float[np.ndarray, "3 3"]:
    """Compute the rotation from world axes to environment axes.

    `forward` (levelled) comes to look at the middle of the map, turned by `turn` radians to the
    right: a light in the middle of the map then stands `turn` to the left of the camera's view.
    """
    up = up / np.linalg.norm(up)
    level = forward - up * (forward @ up)
    if np.linalg.norm(level) < 1e-6:  # looking straight up or down: any heading will do
        level = np.cross(up, [1.0, 0, 0]) + np.cross(up, [0, 1.0, 0])
    level /= np.linalg.norm(level)
    right = np.cross(level, up)
    heading = level * np.cos(turn) - right * np.sin(turn)
    right = np.cross(heading, up)
    return np.stack([right, up, -heading]).astype(np.float32)
