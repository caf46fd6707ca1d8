"""Collect static surfaces that the sampled images show -> surface samples and voxels."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.scene import frame_geometry
from simlift.pixels.colour import spaces
from simlift.pixels.geometry.planes import bounding_planes, extend_plane
from simlift.pixels.geometry.voxels import Voxels, voxelise

_RESOLUTION = 112  # voxels along the longest side
_FEWEST = 64  # samples
_DEEPEST = 0.08  # metres behind a visible surface that count as its inside
_NEAR = 5.0  # median depths; what is further away neither hides nor sends much light

_Samples = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # points, normals, albedo, glow


@dataclass(frozen=True, eq=False)
class ObservedSurfaces:
    """Samples of still surfaces, in world axes; `low` and `high` bound most of them."""

    points: Float32[np.ndarray, "n 3"]
    normals: Float32[np.ndarray, "n 3"]
    albedo: Float32[np.ndarray, "n 3"]
    emission_share: Float32[np.ndarray, "n"]
    sight: Float32[np.ndarray, "n 3"]  # from the camera to them
    deep: Float32[np.ndarray, "n"]  # metres that things are likely to go on behind them
    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]


def observed_surfaces(
    window: Window, thickness: Callable[[Int[np.ndarray, "n"]], Float[np.ndarray, "n"]]
) -> ObservedSurfaces | None:
    """Return what the sampled window shows of what stands still; None where it is next to nothing.

    `thickness` tells in metres how deep the segments of some ids are likely to be.
    """
    near = _NEAR * frame_geometry.median_depth(window)
    found = []
    for frame, keep in zip(window.derive(frame_geometry.split), still_pixels(window), strict=True):
        depth = frame[Layer.DEPTH][0]
        seen = keep & np.isfinite(depth) & (depth > 0) & (depth < near)
        world = frame_geometry.camera_to_world(frame).astype(np.float32)
        facing = cv2.transform(frame.derive(frame_geometry.normals), world)
        surface = frame[Layer.ALBEDO][0] if Layer.ALBEDO in frame else frame.rgb[0]
        places = frame_geometry.world_points(frame)[seen]
        inside = np.zeros(len(places), np.float32)
        if Layer.SEGMENTATION in frame:
            inside += thickness(frame[Layer.SEGMENTATION][0][seen])
        rest = (
            facing[seen],
            spaces.decode_srgb(surface)[seen],
            frame_geometry.emission_share(frame)[seen],
        )
        found.append((places, *rest, _sight(frame)[seen], inside))
    joined = [np.concatenate(parts).astype(np.float32) for parts in zip(*found, strict=True)]
    points, normals, albedo, emission_share, sight, deep = joined
    if len(points) < _FEWEST:
        return None
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    return ObservedSurfaces(points, normals, albedo, emission_share, sight, deep, low, high)


def observed_voxels(window: Window, seen: ObservedSurfaces) -> Voxels:
    """Fill voxels with what was seen, its likely insides, and walls and floors that go on."""
    low, high = seen.low, seen.high
    cell = float((high - low).max()) / _RESOLUTION
    up = frame_geometry.world_up(window)
    roof = None if frame_geometry.sky_share(window) < frame_geometry.OUTDOORS else up
    surface: _Samples = (seen.points, seen.normals, seen.albedo, seen.emission_share)
    samples = [surface]
    for wall in bounding_planes(*surface[:3], up, cell):
        more = extend_plane(wall, low, high, cell, roof)
        kept = ~observed_empty(window, more[0])
        samples.append((*(part[kept] for part in more), np.zeros(int(kept.sum()), np.float32)))
    everywhere = np.concatenate([part[0] for part in samples])
    bounds = everywhere.min(0), everywhere.max(0)
    for step in np.arange(1, int(_DEEPEST / cell) + 1) * cell:
        go = seen.deep >= step
        inside = seen.points[go] + seen.sight[go] * step
        samples.append((inside, *(part[go] for part in surface[1:])))
    points, normals, albedo, emission_share = (
        np.concatenate(parts).astype(np.float32) for parts in zip(*samples, strict=True)
    )
    return voxelise(points, normals, albedo, emission_share, *bounds, cell)


def _sight(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return the unit direction from the camera through every pixel, in world axes."""
    turn = frame_geometry.camera_to_world(frame).astype(np.float32)
    return np.asarray(cv2.transform(frame_geometry.view_directions(frame), turn))


def observed_empty(window: Window, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
    """Return which points stand before the surface that a sampled frame shows there."""
    empty = np.zeros(len(points), dtype=bool)
    for frame in window.derive(frame_geometry.split):
        if frame.camera is None:
            continue
        pose = frame.camera.world_to_camera[0]
        local = np.einsum("nc,dc->nd", points, pose[:3, :3]) + pose[:3, 3]
        fx, fy, cx, cy = frame_geometry.pinhole_of(frame)
        deep = np.maximum(local[:, 2], 1e-3)
        u, v = local[:, 0] / deep * fx + cx, local[:, 1] / deep * fy + cy
        height, width = frame.size
        inside = (local[:, 2] > 0.05) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        seen = frame[Layer.DEPTH][0][v[inside].astype(int), u[inside].astype(int)]
        empty[inside] |= local[inside, 2] < 0.98 * seen
    return empty


def still_pixels(window: Window) -> Bool[np.ndarray, "t h w"]:
    """Return the pixels of what never moves, as far as the clip tells."""
    everything = np.ones((len(window), *window.size), dtype=bool)
    if window.objects is None or Layer.SEGMENTATION not in window:
        return everything
    return everything & ~np.isin(window[Layer.SEGMENTATION], moving_ids(window))


def moving_ids(window: Window) -> Int[np.ndarray, "m"]:
    """Return the bodies that move within the sampled window."""
    if window.objects is None:
        return np.zeros(0, int)
    poses = window.objects.poses
    moves = (np.abs(poses - poses[:1]) > 1e-4).any(axis=(0, 2, 3))
    return window.objects.ids[moves]
