"""Voxelise surface samples or meshes, and cast rays through the voxel grid.

Positions are in metres in world axes.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

_LIFT, _SKIP = 1.2, 1.0  # cells by which a ray starts above its surface, and ahead
_FEW = 4096  # starts below which threads cost more than they save


@dataclass(frozen=True, eq=False)
class Voxels:
    """A voxel grid of surfaces: `index` numbers solid cells from 0, -1 is empty."""

    origin: Float32[np.ndarray, "3"]
    cell: float  # metres
    index: Int32[np.ndarray, "x y z"]
    centres: Float32[np.ndarray, "v 3"]
    normals: Float32[np.ndarray, "v 3"]
    albedo: Float32[np.ndarray, "v 3"]
    glow: Float32[np.ndarray, "v"]  # share of the cell's surface that shines

    @cached_property
    def clearance(self) -> UInt8[np.ndarray, "i j k"]:
        """Distance of each block of cells to the next that has a solid one, in blocks; 0 has one
        itself."""
        from simlift.pixels.geometry import _voxel_kernels as kernels

        side = kernels.BLOCK
        whole = np.pad(self.index >= 0, [(0, -n % side) for n in self.index.shape])
        i, j, k = (n // side for n in whole.shape)
        solid = whole.reshape(i, side, j, side, k, side).any(axis=(1, 3, 5))
        return np.asarray(kernels.clearance(solid))

    def hits(
        self,
        points: Float32[np.ndarray, "n 3"],
        ways: Float32[np.ndarray, "k 3"],
        skip: float = 0.0,
    ) -> Int32[np.ndarray, "n k"]:
        """Return which voxel is hit first from each point along each direction, -1 for none.

        The first `skip` metres of a ray are skipped.
        """
        from simlift.pixels.geometry import _voxel_kernels as kernels

        grid = _grid(self)
        return _in_parts(
            len(points), lambda part: kernels.hits(*grid, points[part], ways, np.float32(skip))
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
    """Voxelise surface samples within a box: average them in cells of `cell` metres."""
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
class Mesh:
    """Triangles of one material, in world axes.

    `texture` is linear, its first row at v = 0, and repeats; `glow` is the share of the surface
    that shines.
    """

    corners: Float32[np.ndarray, "f 3 3"]
    normals: Float32[np.ndarray, "f 3 3"]
    uv: Float32[np.ndarray, "f 3 2"]
    texture: Float32[np.ndarray, "a b 3"]
    glow: float


def voxelise_meshes(
    meshes: Iterable[Mesh], low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"], cell: float
) -> Voxels:
    """Voxelise triangle meshes within a box in cells of `cell` metres.

    Their values are means over the surface within them, by area.
    """
    from simlift.pixels.geometry import _voxel_kernels as kernels

    origin = low.astype(np.float32)
    index = np.full(tuple(np.ceil((high - low) / cell).astype(int)), -1, np.int32)
    sums, count = np.zeros((4096, kernels.COLUMNS), np.float32), 0
    for mesh in meshes:
        corners = ((mesh.corners - origin) / np.float32(cell)).astype(np.float32)
        sums, count = kernels.fill(
            index, sums, count, corners, mesh.normals, mesh.uv, mesh.texture, np.float32(mesh.glow)
        )
    means = sums[:count, :-1] / sums[:count, -1:]
    facing = means[:, 3:6] / np.maximum(np.linalg.norm(means[:, 3:6], axis=1, keepdims=True), 1e-6)
    centres = origin + means[:, :3] * np.float32(cell)
    return Voxels(origin, cell, index, centres, facing, means[:, 6:9].copy(), means[:, 9].copy())


def unoccluded_cosine(
    voxels: Voxels,
    points: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    ways: Float32[np.ndarray, "k 3"],
) -> Float32[np.ndarray, "n"]:
    """Compute the cosine between surfaces and an area light, as far as no voxel occludes it.

    `ways` lead to parts of the light, and the cosine is the mean over them.
    """
    from simlift.pixels.geometry import _voxel_kernels as kernels

    lifted, skip = _lifted(voxels, points, normals)
    grid = _grid(voxels)
    return _in_parts(
        len(points),
        lambda part: kernels.unoccluded_cosine(*grid, lifted[part], normals[part], ways, skip),
    )


def first_hits(
    voxels: Voxels,
    points: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    ways: Float32[np.ndarray, "n 3"],
) -> Int32[np.ndarray, "n"]:
    """Return which voxel each surface point sees along its own direction, -1 for the sky."""
    from simlift.pixels.geometry import _voxel_kernels as kernels

    lifted, skip = _lifted(voxels, points, normals)
    return np.asarray(kernels.first_hits(*_grid(voxels), lifted, ways, skip))


def visibility_beyond_frustum(
    voxels: Voxels,
    points: Float32[np.ndarray, "a b 3"],
    ways: Float[np.ndarray, "k 3"],
    sides: Float[np.ndarray, "s 4"],
    reach: float,
) -> Float32[np.ndarray, "a b"]:
    """Compute the share of `ways` that no voxel occludes after they leave the view frustum.

    `sides` are the planes of its frustum, a x + b y + c z + d >= 0 inside; ways that are longer in
    view than `reach` metres are traced from there. Neighbours in the image take turns: each traces
    every other way. Of several ways, which lead to a large light, all or none may be free over much
    of the image: there only every other row and column traces.
    """
    from simlift.pixels.geometry import _voxel_kernels as kernels

    return np.asarray(
        kernels.visibility_beyond_frustum(
            *_grid(voxels),
            np.ascontiguousarray(points),
            ways.astype(np.float32),
            sides.astype(np.float32),
            np.float32(reach),
            np.float32(_SKIP * voxels.cell),
            len(ways) > 1,
        )
    )


def _in_parts(count: int, work: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Return the work on `count` rays' starts, done by as many threads as OpenCV may have.

    Parts begin at even numbers, so that starts that take turns do so however many threads work.
    """
    threads = cv2.getNumThreads()
    if threads <= 1 or count < _FEW:
        return np.asarray(work(slice(0, count)))
    bounds = np.linspace(0, count // 2, 4 * threads + 1).astype(int) * 2
    bounds[-1] = count
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(work, map(slice, bounds[:-1], bounds[1:]))
        return np.concatenate(list(parts))


def _grid(voxels: Voxels) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float32]:
    return voxels.index, voxels.clearance, voxels.origin, np.float32(voxels.cell)


def _lifted(
    voxels: Voxels, points: Float32[np.ndarray, "n 3"], normals: Float32[np.ndarray, "n 3"]
) -> tuple[Float32[np.ndarray, "n 3"], np.float32]:
    """Return where rays start above a surface, so that they do not hit it, and what they skip."""
    return points + normals * np.float32(_LIFT * voxels.cell), np.float32(_SKIP * voxels.cell)
