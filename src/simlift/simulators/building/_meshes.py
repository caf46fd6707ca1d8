"""Build triangle meshes with texture coordinates from measures in metres.

A vertex on a sharp edge is there once for each face, so that its shading stays flat; `uv` counts
metres, and a texture says how many metres it covers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, Num

Number: TypeAlias = float | int  # measures are written as 0 and as 0.5
Vector: TypeAlias = Sequence[Number] | Num[np.ndarray, "_"]

SHARP = np.cos(np.deg2rad(35))


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices [v 3], outward counter-clockwise faces [f 3], texture coordinates [v 2]."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    uv: Float[np.ndarray, "v 2"]

    def moved(self, offset: Vector, yaw: Number = 0.0) -> "Mesh":
        """Turn about +z, then translate."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        return replace(self, vertices=self.vertices @ turn.T + np.asarray(offset, float))

    def turned(self, rotation: Float[np.ndarray, "3 3"]) -> "Mesh":
        """Rotate about the origin."""
        return replace(self, vertices=self.vertices @ np.asarray(rotation).T)

    def flipped(self) -> "Mesh":
        """Turn the mesh inside out."""
        return replace(self, faces=self.faces[:, ::-1])

    def mirrored(self) -> "Mesh":
        """Reflect in the plane y = 0."""
        return replace(self, vertices=self.vertices * [1, -1, 1], faces=self.faces[:, ::-1])


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Join meshes of one material."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=True)]),
        np.concatenate([m.uv for m in meshes]),
    )


def sheet(points: Float[np.ndarray, "r c 3"], *, closed: bool = False) -> Mesh:
    """Skin a grid of points; the front faces (next column) x (next row). `closed` joins columns."""
    points = np.asarray(points, float)
    if closed:
        points = np.concatenate([points, points[:, :1]], axis=1)
    rows, columns = points.shape[:2]
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b = corner[:-1, :-1].ravel(), corner[:-1, 1:].ravel()
    c, d = corner[1:, 1:].ravel(), corner[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    across = np.linalg.norm(np.diff(points, axis=1), axis=2).mean(axis=0)
    along = np.linalg.norm(np.diff(points, axis=0), axis=2).mean(axis=1)
    u, v = np.append(0, across.cumsum()), np.append(0, along.cumsum())
    uv = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), axis=-1).reshape(-1, 2)
    vertices = points.reshape(-1, 3)
    corners = vertices[faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    return Mesh(vertices, faces[area > 1e-12], uv)


def box(size: Vector, centre: Vector = (0, 0, 0)) -> Mesh:
    """Build a box of full `size`; every face is textured upright."""
    half, middle = np.asarray(size, float) / 2, np.asarray(centre, float)
    faces = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            normal = np.eye(3)[axis] * sign
            up = np.array([0.0, 0, 1]) if axis < 2 else np.array([0.0, 1, 0])
            right = np.cross(up, normal)
            corners = [
                [normal - right - up, normal + right - up],
                [normal - right + up, normal + right + up],
            ]
            faces.append(sheet(np.array(corners) * half + middle))
    return merged(faces)


def lathe(profile: Sequence[Vector], *, sides: int = 32) -> Mesh:
    """Turn (radius, z) about +z; a profile that runs upwards faces outwards."""
    points = np.asarray(profile, float)
    steps = np.diff(points, axis=0)
    steps /= np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
    sharp = np.flatnonzero((steps[:-1] * steps[1:]).sum(axis=1) < SHARP) + 1
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(sides)], axis=1)
    strips = []
    for part in np.split(np.arange(len(points)), sharp):
        last = min(part[-1] + 1, len(points) - 1)
        radius, z = points[part[0] : last + 1].T
        grid = ring[None] * radius[:, None, None] + z[:, None, None] * np.array([0.0, 0, 1])
        if len(grid) > 1:
            strips.append(sheet(grid, closed=True))
    return merged(strips)


def cylinder(radius: Number, low: Number, high: Number, *, sides: int = 32) -> Mesh:
    """Build an upright closed cylinder."""
    return lathe([(0, low), (radius, low), (radius, high), (0, high)], sides=sides)


def tube(path: Float[np.ndarray, "n 3"], radius: Number, *, sides: int = 12) -> Mesh:
    """Sweep a circle along a path that lies in a plane."""
    path = np.asarray(path, float)
    tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    # The plane's normal is the same everywhere, so the tube does not twist.
    normal = np.linalg.svd(path - path.mean(axis=0))[2][2]
    side = np.cross(tangents, normal)
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    return sheet(
        path[:, None] + radius * (np.cos(angles) * normal - np.sin(angles) * side[:, None]),
        closed=True,
    )


def ball(radius: Number, *, rings: int = 10, sides: int = 20) -> Mesh:
    """Build a sphere of rings between its poles."""
    polar = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    return lathe([(radius * np.cos(p), radius * np.sin(p)) for p in polar], sides=sides)


def rough(mesh: Mesh, amount: Number, rng: np.random.Generator) -> Mesh:
    """Push a round mesh's vertices in and out along a few random waves; seams stay closed."""
    waves = rng.normal(size=(6, 3))
    waves *= (rng.uniform(3.0, 9.0, 6) / np.linalg.norm(waves, axis=1))[:, None]
    direction = mesh.vertices / np.maximum(
        np.linalg.norm(mesh.vertices, axis=1, keepdims=True), 1e-9
    )
    bumps = np.sin(direction @ waves.T + rng.uniform(0, 6.28, 6)).mean(axis=1)
    return replace(mesh, vertices=mesh.vertices * (1 + amount * bumps[:, None]))
