"""Fit the planes that bound a scene to surface samples, and extend them beyond the view.

Positions are in metres in world axes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

_SUPPORT, _BEHIND = 0.01, 0.03  # shares of all samples on a plane, and behind it
_BEYOND = 0.25  # share of the scene by which its walls are continued on each side


@dataclass(frozen=True, eq=False)
class Plane:
    """A flat surface, normal . x = offset, with the height up to which it was seen and its mean
    colour."""

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
    """Find the planes that bound a scene (floors, walls): planes with nothing behind them.

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


def extend_plane(
    plane: Plane,
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    spacing: float,
    up: Float[np.ndarray, "3"] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample a plane around a box: points, normals, albedo.

    A wall that the image border cuts continues beyond it; otherwise light would leak in there. It
    is continued to each side, and upwards too unless `up` says that its top was seen.
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
