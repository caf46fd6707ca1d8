"""Compute indirect light (global illumination) with irradiance probes over a voxel grid.

Surfaces beyond the borders of an image also occlude and reflect light. So the surfaces of a whole
clip are voxelised once; probes in free space store which voxel each of their rays hits; light then
bounces from voxel to probe to voxel under any environment at the cost of a table lookup.

Positions are in metres in world axes, radiance is linear RGB. The scheme is that of irradiance
probes (Majercik et al., "Dynamic diffuse global illumination with ray-traced irradiance fields",
JCGT 2019) over voxels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Int32

from simlift.pixels.geometry.voxels import Voxels, unoccluded_cosine
from simlift.pixels.light.environment import (
    COSINE,
    Environment,
    fibonacci_sphere,
    harmonic_basis,
    lookup,
)

_RAYS = 128
_SPREAD = 4  # directions towards a large light
_BOUNCES = 4
WINDOW = np.array([1.0, 0.8, 0.4], np.float32)
_BURIED = 0.02  # weight of a probe inside a solid; unburied ones have 1


@dataclass(frozen=True, eq=False)
class Probes:
    """A grid of irradiance probes, and the voxel that each ray from them hits (-1: the sky)."""

    origin: Float32[np.ndarray, "3"]
    spacing: float
    trust: Float32[np.ndarray, "x y z"]
    hits: Int32[np.ndarray, "p k"]
    ways: Float32[np.ndarray, "k 3"]

    @cached_property
    def openness(self) -> Float32[np.ndarray, "9"]:
        """Harmonics of the share of unburied probes that see the sky, by direction."""
        free = (self.hits[self.trust.ravel() > _BURIED] < 0).mean(0)
        return (harmonic_basis(self.ways).T @ free * (4 * np.pi / len(free))).astype(np.float32)


@dataclass(frozen=True, eq=False)
class LightVolume:
    """Light everywhere in a scene under one environment: a grid of irradiance probes.

    `arriving` are harmonics per probe, nine of four: the radiance that arrives there and its view
    of the sky. `trust` is the weight of a probe, small inside a solid.
    """

    origin: Float32[np.ndarray, "3"]
    spacing: float
    trust: Float32[np.ndarray, "x y z"]
    arriving: Float32[np.ndarray, "x y z 36"]
    leaving: Float32[np.ndarray, "v 3"]  # radiance of every voxel

    def at(
        self,
        points: Float32[np.ndarray, "n 3"],
        normals: Float32[np.ndarray, "n 3"],
        ways: Float32[np.ndarray, "n 3"],
    ) -> Float32[np.ndarray, "n 7"]:
        """Return what arrives at surfaces: irradiance / pi, then radiance from `ways`, then the
        share of sky in that.

        Radiance is as blurred as harmonics are, and windowed, so that it does not ring.
        """
        from simlift.pixels.light import _probe_kernels as kernels

        return np.asarray(
            kernels.gather(
                points,
                normals,
                ways,
                self.arriving,
                self.trust,
                self.origin,
                np.float32(self.spacing),
                COSINE[[0, 1, 4]],
                WINDOW,
            )
        )


def place_probes(voxels: Voxels, low: np.ndarray, high: np.ndarray, spacing: float) -> Probes:
    """Place a probe at every `spacing` metres of a box, and cast its rays."""
    shape = np.ceil((high - low) / spacing).astype(int) + 2
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    origin = low.astype(np.float32)
    places = (origin + grid.reshape(-1, 3) * spacing).astype(np.float32)
    at = np.floor((places - voxels.origin) / voxels.cell).astype(int)
    inside = ((at >= 0) & (at < voxels.index.shape)).all(1)
    solid = np.zeros(len(places), bool)
    solid[inside] = voxels.index[tuple(at[inside].T)] >= 0
    ways = fibonacci_sphere(_RAYS)
    hit = voxels.hits(places, ways)
    trust = np.where(solid, _BURIED, 1).astype(np.float32).reshape(shape)
    return Probes(origin, spacing, trust, hit, ways)


def solve_light_bounces(
    voxels: Voxels,
    probes: Probes,
    environment: Environment,
    axes: Float[np.ndarray, "3 3"],
    sky: Float[np.ndarray, "a b 3"],
    glow: Float[np.ndarray, "3"] | float,
) -> LightVolume:
    """Solve light bounces under an environment; `sky` is its map without suns, blurred.

    `axes` turn world to map; `glow` is the radiance of a surface that shines, times its albedo.
    """
    from simlift.pixels.light import _probe_kernels as kernels

    turn = axes.astype(np.float32)
    outside = lookup(sky.astype(np.float32), np.einsum("kc,dc->kd", probes.ways, turn)[None])[0]
    basis = harmonic_basis(probes.ways)
    direct = np.zeros_like(voxels.albedo)
    for sun in environment.suns:
        ways = np.einsum("kd,dc->kc", sun.samples(_SPREAD), turn).astype(np.float32)
        cosine = unoccluded_cosine(voxels, voxels.centres, voxels.normals, ways)
        direct += cosine[:, None] * (sun.irradiance / np.float32(np.pi))
    shining = voxels.albedo * (voxels.glow[:, None] * np.float32(glow))
    leaving = voxels.albedo * direct + shining
    shape = probes.trust.shape
    for bounce in range(_BOUNCES):
        arriving = kernels.collect(
            probes.hits, leaving.astype(np.float32), outside.astype(np.float32), basis
        ).reshape(*shape, 36)
        volume = LightVolume(
            probes.origin,
            probes.spacing,
            probes.trust,
            _fill_buried_probes(probes, arriving),
            leaving.astype(np.float32),
        )
        if bounce < _BOUNCES - 1:
            around = volume.at(voxels.centres, voxels.normals, voxels.normals)[:, :3]
            leaving = voxels.albedo * (direct + around) + shining
    return volume


def _fill_buried_probes(
    probes: Probes, arriving: Float32[np.ndarray, "x y z 36"]
) -> Float32[np.ndarray, "x y z 36"]:
    """Fill probes inside solids with the light of unburied neighbours."""
    light = arriving.copy()
    known = probes.trust > _BURIED
    for _ in range(2):
        total = np.zeros_like(light)
        count = np.zeros(known.shape, np.float32)
        for axis in range(3):
            for step in (-1, 1):
                beside = np.roll(known, step, axis)
                # What wraps around from the far side of the grid is not beside.
                np.moveaxis(beside, axis, 0)[0 if step > 0 else -1] = False
                total += np.roll(light, step, axis) * beside[..., None]
                count += beside
        fill = ~known & (count > 0)
        light[fill] = total[fill] / count[fill][:, None]
        known = known | fill
    return light
