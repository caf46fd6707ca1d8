"""Build triangle meshes of primitive shapes, as fine as MuJoCo draws them or finer.

Sizes and axes are those of MuJoCo's geoms: radii and half lengths, with z along what is round.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

_SIDES, _RINGS = 48, 24
_ENDLESS = 50.0  # metres to each side of a plane that has no size


@dataclass(frozen=True, eq=False)
class Shape:
    """A mesh with a normal and a texture coordinate for each vertex.

    `uv` covers a texture once, where MuJoCo lays it: once around what is round, from its top down;
    on each face of a box; over the size of a plane.
    """

    vertices: Float[np.ndarray, "v 3"]
    normals: Float[np.ndarray, "v 3"]
    uv: Float[np.ndarray, "v 2"]
    faces: Int[np.ndarray, "f 3"]


def primitive(kind: str, size: Float[np.ndarray, "3"]) -> Shape | None:
    """Return the mesh of a primitive in the axes of its geom; None for a kind that has none."""
    x, y, z = (float(s) for s in size)
    if kind == "plane":
        return _plane(x or _ENDLESS, y or _ENDLESS)
    if kind == "box":
        return _box((x, y, z))
    if kind == "sphere":
        return _spun(_arc(x, 0.0, -90, 90), (1, 1, 1))
    if kind == "ellipsoid":
        return _spun(_arc(1.0, 0.0, -90, 90), (x, y, z))
    if kind == "capsule":
        profiles = (_arc(x, -y, -90, 0), _wall(x, y), _arc(x, y, 0, 90))
        return _joined([_spun(profile, (1, 1, 1)) for profile in profiles])
    if kind == "cylinder":
        bottom = [((0.0, -y), (0.0, -1.0)), ((x, -y), (0.0, -1.0))]
        top = [((x, y), (0.0, 1.0)), ((0.0, y), (0.0, 1.0))]
        return _joined([_disc(bottom, x), _spun(_wall(x, y), (1, 1, 1)), _disc(top, x)])
    return None


_Profile = list[tuple[tuple[float, float], tuple[float, float]]]  # (radius, z) and its normal


def _arc(radius: float, centre: float, start: float, end: float) -> _Profile:
    angles = np.deg2rad(np.linspace(start, end, _RINGS // 2 + 1))
    return [
        ((radius * c, centre + radius * s), (c, s))
        for c, s in zip(np.cos(angles).tolist(), np.sin(angles).tolist(), strict=True)
    ]


def _wall(radius: float, half: float) -> _Profile:
    return [((radius, -half), (1.0, 0.0)), ((radius, half), (1.0, 0.0))]


def _disc(profile: _Profile, radius: float) -> Shape:
    """Turn a straight profile, on which a texture lies flat."""
    shape = _spun(profile, (1, 1, 1))
    return replace(shape, uv=(1 + shape.vertices[:, :2] / radius) / 2)


def _spun(profile: _Profile, scale: Sequence[float]) -> Shape:
    """Turn a profile, listed upwards, about z; `scale` segments the result."""
    turn = 2 * np.pi * np.arange(_SIDES + 1) / _SIDES
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    places, facing = (np.array([p[k] for p in profile]) for k in (0, 1))

    def around(pairs: np.ndarray) -> np.ndarray:
        flat = pairs[:, None, :1] * ring[None]
        up = np.broadcast_to(pairs[:, None, 1:], (*flat.shape[:2], 1))
        return np.concatenate([flat, up], axis=2).reshape(-1, 3)

    normals = around(facing) / scale
    rows, columns = len(profile), _SIDES + 1
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, above = corner + 1, corner + columns
    faces = np.concatenate(
        [np.stack([corner, right, above + 1], 1), np.stack([corner, above + 1, above], 1)]
    )
    down, turned = np.linspace(1, 0, rows), np.linspace(0, 1, columns)
    return Shape(
        around(places) * scale,
        normals / np.linalg.norm(normals, axis=1, keepdims=True),
        np.stack(np.broadcast_arrays(turned, down[:, None]), axis=-1).reshape(-1, 2),
        faces,
    )


def _plane(x: float, y: float) -> Shape:
    vertices = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])
    normals = np.tile([0.0, 0.0, 1.0], (4, 1))
    uv = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    return Shape(vertices, normals, uv, np.array([[0, 1, 2], [0, 2, 3]]))


def _box(half: tuple[float, float, float]) -> Shape:
    shapes = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            normal = np.zeros(3)
            normal[axis] = sign
            across, along = np.roll(np.eye(3)[0], axis + 1), np.roll(np.eye(3)[0], axis + 2)
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])[:: int(sign)]
            vertices = normal + corners[:, :1] * across + corners[:, 1:] * along
            faces = np.array([[0, 1, 2], [0, 2, 3]])
            flat = np.delete(vertices, axis, axis=1) * [0.5, -0.5] + 0.5
            shapes.append(Shape(vertices * half, np.tile(normal, (4, 1)), flat, faces))
    return _joined(shapes)


def _joined(shapes: Sequence[Shape]) -> Shape:
    starts = np.cumsum([0] + [len(s.vertices) for s in shapes[:-1]])
    return Shape(
        np.concatenate([s.vertices for s in shapes]),
        np.concatenate([s.normals for s in shapes]),
        np.concatenate([s.uv for s in shapes]),
        np.concatenate([s.faces + start for s, start in zip(shapes, starts, strict=True)]),
    )
