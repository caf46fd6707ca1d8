"""Surfaces seen from many views to light between them: voxels, probes, and bounces.

What a frame shows is not all that lights it: a wall hides the sky behind it and reflects what falls
on it, beyond the borders of the image too. The surfaces of a whole clip fill a voxel grid once;
probes in free space remember which voxel each of their rays meets; light then bounces from voxel to
probe to voxel under any environment at the cost of a table lookup.

Positions are in metres in world axes, radiance is linear RGB. The scheme is that of irradiance
probes (Majercik et al., "Dynamic diffuse global illumination with ray-traced irradiance fields",
JCGT 2019) over voxels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from simlift.pixels.environment import Environment, harmonic_basis, lookup, sphere

_RAYS = 96
_SPREAD = 12  # directions towards a large light
_BOUNCES = 4
_COSINE = np.array([1.0, 2 / 3, 1 / 4], np.float32)  # irradiance / pi of radiance harmonics
WINDOW = np.array([1.0, 0.8, 0.4], np.float32)
_LIFT, _SKIP = 1.2, 1.0  # cells by which a ray starts above its surface, and ahead
_SUPPORT, _BEHIND = 0.01, 0.03  # shares of all samples on a plane, and behind it
_BEYOND = 0.25  # share of the scene by which its walls are continued on each side
_BLOCK = 2  # voxels to a side of what shadows are asked of
_BURIED = 0.02  # weight of a probe within something, beside 1 of one in the open


@dataclass(frozen=True, eq=False)
class Voxels:
    """Solid cells of a grid: `index` numbers them from 0, -1 is empty."""

    origin: Float32[np.ndarray, "3"]
    cell: float  # metres
    index: Int32[np.ndarray, "x y z"]
    centres: Float32[np.ndarray, "v 3"]
    normals: Float32[np.ndarray, "v 3"]
    albedo: Float32[np.ndarray, "v 3"]
    glow: Float32[np.ndarray, "v"]  # share of the cell's surface that shines

    @cached_property
    def coarse(self) -> Int32[np.ndarray, "i j k"]:
        """Blocks of voxels: 0 where any is solid, -1 where all are empty."""
        pad = [(0, -n % _BLOCK) for n in self.index.shape]
        whole = np.pad(self.index >= 0, pad)
        i, j, k = (n // _BLOCK for n in whole.shape)
        solid = whole.reshape(i, _BLOCK, j, _BLOCK, k, _BLOCK).any(axis=(1, 3, 5))
        return np.where(solid, 0, -1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Probes:
    """A grid of points in space, and the voxel that each ray from them meets (-1: the sky)."""

    origin: Float32[np.ndarray, "3"]
    spacing: float
    trust: Float32[np.ndarray, "x y z"]
    hits: Int32[np.ndarray, "p k"]
    ways: Float32[np.ndarray, "k 3"]


@dataclass(frozen=True, eq=False)
class LightVolume:
    """Light everywhere in a scene under one environment.

    `arriving` are harmonics per probe, nine of four: the radiance that arrives there and its view
    of the sky. `trust` is the weight of a probe, small where it stands within something.
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
        from simlift.pixels import _voxel_kernels as kernels

        return np.asarray(
            kernels.gather(
                points,
                normals,
                ways,
                self.arriving,
                self.trust,
                self.origin,
                np.float32(self.spacing),
                _COSINE,
                WINDOW,
            )
        )


def voxelise(
    points: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    albedo: Float32[np.ndarray, "n 3"],
    glow: Float32[np.ndarray, "n"],
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    cell: float,
) -> Voxels:
    """Average the surface samples within a box in cells of `cell` metres."""
    origin = (low - 1.5 * cell).astype(np.float32)
    shape = np.ceil((high - low) / cell + 3).astype(int)
    at = np.floor((points - origin) / cell).astype(np.int64)
    inside = ((at >= 0) & (at < shape)).all(1)
    at, kept = at[inside], np.flatnonzero(inside)
    key, member = np.unique(np.ravel_multi_index(tuple(at.T), tuple(shape)), return_inverse=True)
    count = np.bincount(member, minlength=len(key)).astype(np.float32)

    def mean(values: np.ndarray) -> np.ndarray:
        sums = [np.bincount(member, v, len(key)) for v in values[kept].T]
        return (np.stack(sums, -1) / count[:, None]).astype(np.float32)

    index = np.full(tuple(shape), -1, np.int32)
    index.ravel()[key] = np.arange(len(key))
    facing = mean(normals)
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-6)
    return Voxels(
        origin, cell, index, mean(points), facing, mean(albedo), mean(glow[:, None])[:, 0]
    )


@dataclass(frozen=True, eq=False)
class Plane:
    """A flat surface, normal . x = offset, as high as it was seen, and its mean colour."""

    normal: Float32[np.ndarray, "3"]
    offset: float
    top: float
    albedo: Float32[np.ndarray, "3"]


def bounding_planes(
    points: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    albedo: Float32[np.ndarray, "n 3"],
    up: Float[np.ndarray, "3"],
    cell: float,
) -> tuple[Plane, ...]:
    """Return the planes that bound a scene: floors, walls. Nothing stands behind them.

    Candidates are the tangent planes of evenly chosen samples; one is accepted when a hundredth of
    all samples lies on it and hardly any behind it.
    """
    every = max(len(points) // 20_000, 1)
    sample, facing, colours = points[::every], normals[::every], albedo[::every]
    found: list[tuple[float, Plane]] = []
    for k in range(0, len(sample), max(len(sample) // 600, 1)):
        distance = np.einsum("nc,c->n", sample - sample[k], facing[k])
        aligned = np.einsum("nc,c->n", facing, facing[k]) > 0.95
        on = (np.abs(distance) < 0.4 * cell) & aligned
        if on.mean() >= _SUPPORT and (distance < -1.2 * cell).mean() <= _BEHIND:
            offset = float(sample[on].mean(0) @ facing[k])
            top = float(np.quantile(np.einsum("nc,c->n", sample[on], up), 0.98))
            plane = Plane(facing[k], offset, top, colours[on].mean(0).astype(np.float32))
            found.append((float(on.mean()), plane))
    accepted: list[Plane] = []
    for _, plane in sorted(found, key=lambda pair: -pair[0]):
        if all(plane.normal @ other.normal < 0.9 for other in accepted):
            accepted.append(plane)
    return tuple(accepted)


def continued(
    plane: Plane,
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    spacing: float,
    up: Float[np.ndarray, "3"] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return samples of a plane around a box: points, normals, albedo.

    A wall that the image cuts goes on beyond it; left out, light would come in from there. It is
    continued to each side, and upwards too unless `up` says that its top was seen.
    """
    centre, half = (low + high) / 2, (high - low) * (0.5 + _BEYOND)
    across = np.cross(plane.normal, np.eye(3)[np.argmin(np.abs(plane.normal))])
    across /= np.linalg.norm(across)
    along = np.cross(plane.normal, across)
    middle = centre - plane.normal * (centre @ plane.normal - plane.offset)
    reach = float(np.linalg.norm(half))
    steps = np.arange(-reach, reach, spacing * 0.9)
    grid = middle + (steps[:, None, None] * across + steps[None, :, None] * along)
    points = grid.reshape(-1, 3)
    inside = (np.abs(points - centre) < half + 2 * spacing).all(1)
    if up is not None:
        inside &= np.einsum("nc,c->n", points, up) < plane.top
    points = points[inside].astype(np.float32)
    ones = np.ones((len(points), 1), np.float32)
    return points, ones * plane.normal.astype(np.float32), ones * plane.albedo


def place_probes(voxels: Voxels, low: np.ndarray, high: np.ndarray, spacing: float) -> Probes:
    """Stand a probe at every `spacing` metres of a box, and see what its rays meet."""
    from simlift.pixels import _voxel_kernels as kernels

    shape = np.ceil((high - low) / spacing).astype(int) + 2
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    origin = low.astype(np.float32)
    places = (origin + grid.reshape(-1, 3) * spacing).astype(np.float32)
    at = np.floor((places - voxels.origin) / voxels.cell).astype(int)
    inside = ((at >= 0) & (at < voxels.index.shape)).all(1)
    solid = np.zeros(len(places), bool)
    solid[inside] = voxels.index[tuple(at[inside].T)] >= 0
    ways = sphere(_RAYS)
    hit = kernels.hits(voxels.index, voxels.origin, voxels.cell, places, ways, 0.0)
    trust = np.where(solid, _BURIED, 1).astype(np.float32).reshape(shape)
    return Probes(origin, spacing, trust, hit, ways)


def solve(
    voxels: Voxels,
    probes: Probes,
    environment: Environment,
    axes: Float[np.ndarray, "3 3"],
    sky: Float[np.ndarray, "a b 3"],
    glow: Float[np.ndarray, "3"] | float,
) -> LightVolume:
    """Let light bounce under an environment; `sky` is its map without suns, softened.

    `axes` turn world to map; `glow` is the radiance of a surface that shines, times its albedo.
    """
    from simlift.pixels import _voxel_kernels as kernels

    turn = axes.astype(np.float32)
    outside = lookup(sky.astype(np.float32), np.einsum("kc,dc->kd", probes.ways, turn)[None])[0]
    basis = harmonic_basis(probes.ways)
    direct = np.zeros_like(voxels.albedo)
    for sun in environment.suns:
        ways = np.einsum("kd,dc->kc", sun.samples(_SPREAD), turn).astype(np.float32)
        free = open_ways(voxels, voxels.centres, voxels.normals, ways)
        cosine = np.maximum(np.einsum("vc,kc->vk", voxels.normals, ways), 0) * free
        direct += cosine.mean(1)[:, None] * (sun.irradiance / np.float32(np.pi))
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
            _dig_out(probes, arriving),
            leaving.astype(np.float32),
        )
        if bounce < _BOUNCES - 1:
            around = volume.at(voxels.centres, voxels.normals, voxels.normals)[:, :3]
            leaving = voxels.albedo * (direct + around) + shining
    return volume


def open_ways(
    voxels: Voxels,
    points: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    ways: Float32[np.ndarray, "k 3"],
) -> Bool[np.ndarray, "n k"]:
    """Return whether nothing solid stands between surface points and the far end of each way."""
    from simlift.pixels import _voxel_kernels as kernels

    # Shadows of large lights are soft: blocks of voxels do, beyond the block one stands in.
    lifted = points + normals * np.float32(_LIFT * _BLOCK * voxels.cell)
    cell = np.float32(_BLOCK * voxels.cell)
    met = kernels.hits(voxels.coarse, voxels.origin, cell, lifted, ways, _SKIP * cell)
    return np.asarray(met < 0)


def met(
    voxels: Voxels,
    points: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    ways: Float32[np.ndarray, "n 3"],
) -> Int32[np.ndarray, "n"]:
    """Return which voxel is seen from each surface point along its own way, -1 for the sky."""
    from simlift.pixels import _voxel_kernels as kernels

    lifted = points + normals * np.float32(_LIFT * voxels.cell)
    skip = np.float32(_SKIP * voxels.cell)
    return np.asarray(
        kernels.first_hits(voxels.index, voxels.origin, np.float32(voxels.cell), lifted, ways, skip)
    )


def beyond_view(
    voxels: Voxels,
    points: Float32[np.ndarray, "n 3"],
    ways: Float[np.ndarray, "k 3"],
    sides: Float[np.ndarray, "s 4"],
    reach: float,
) -> Float32[np.ndarray, "n"]:
    """Return the share of `ways` that are free from where they leave the view of a camera.

    `sides` are the planes of its frustum, a x + b y + c z + d >= 0 inside; ways that are longer in
    view than `reach` metres are asked from there.
    """
    from simlift.pixels import _voxel_kernels as kernels

    return np.asarray(
        kernels.beyond_view(
            voxels.coarse,
            voxels.origin,
            np.float32(_BLOCK * voxels.cell),
            points,
            ways.astype(np.float32),
            sides.astype(np.float32),
            np.float32(reach),
            np.float32(_SKIP * _BLOCK * voxels.cell),
        )
    )


def _dig_out(
    probes: Probes, arriving: Float32[np.ndarray, "x y z 36"]
) -> Float32[np.ndarray, "x y z 36"]:
    """Give probes within something the light of those around them in the open."""
    light = arriving.copy()
    known = probes.trust > _BURIED
    for _ in range(2):
        total = np.zeros_like(light)
        count = np.zeros(known.shape, np.float32)
        for axis in range(3):
            for step in (-1, 1):
                beside = np.roll(known, step, axis)
                # What comes round from the far side of the grid is not beside.
                np.moveaxis(beside, axis, 0)[0 if step > 0 else -1] = False
                total += np.roll(light, step, axis) * beside[..., None]
                count += beside
        fill = ~known & (count > 0)
        light[fill] = total[fill] / count[fill][:, None]
        known = known | fill
    return light
