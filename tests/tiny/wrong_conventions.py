"""Right clips written in conventions other than they are read in, and what must be said of each."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from simlift.core.layers import Layer
from simlift.media.geometry_decodings import ray_lengths
from tiny.excerpts import Excerpt, excerpt

Change = Callable[[Excerpt], Excerpt]
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


def depth(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda e: e.changed(Layer.DEPTH, lambda d: np.float32(change(d)))


def ids(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda e: e.changed(Layer.SEGMENTATION, change)


def normals(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda e: e.changed(Layer.NORMALS, lambda n: np.float32(change(n)))


def poses(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda e: replace(e, poses=change(e.poses))


def lens(scale: float) -> Change:
    return lambda e: replace(e, intrinsics=np.diag([scale, scale, 1.0]) @ e.intrinsics)


def focal(scale: float) -> Change:
    factors = np.array([[scale, 1, 1], [1, scale, 1], [1, 1, 1]])
    return lambda e: replace(e, intrinsics=e.intrinsics * factors)


def along_ray(e: Excerpt) -> Excerpt:
    return depth(lambda d: d * ray_lengths(e.intrinsics, *d.shape[1:]))(e)


def z_buffer(near: float, far: float) -> Change:
    return depth(lambda d: np.where(np.isinf(d), 1, (1 / near - 1 / d) / (1 / near - 1 / far)))


def world_normals(e: Excerpt) -> Excerpt:
    return normals(lambda n: np.einsum("tij,thwi->thwj", e.poses[:, :3, :3], n))(e)


def positions(scale: float) -> Change:
    factors = np.ones((4, 4))
    factors[:3, 3] = scale
    return poses(lambda p: p * factors)


def late(frames: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.concatenate([x[:1].repeat(frames, 0), x[:-frames]])


# What was done to a right clip, and words of the finding that must name it.
WRONG: dict[str, tuple[str, Change, str, str]] = {
    "radial depth": ("drive", along_ray, "depth and camera", "ray"),
    "radial depth, fixed camera": ("tabletop", along_ray, "straight", "ray"),
    "millimetres": ("drive", depth(lambda d: d * 1000), "depth and camera", "millimetres"),
    "millimetres, fixed camera": ("tabletop", depth(lambda d: d * 1000), "range", "unit"),
    "z-buffer": ("drive", z_buffer(0.1, 500), "depth and camera", "z-buffer"),
    "z-buffer, fixed camera": ("tabletop", z_buffer(0.1, 500), "range", "z-buffer"),
    "inverse depth": ("drive", depth(lambda d: 1 / d), "depth and camera", "inverse"),
    "inverse depth, fixed": ("tabletop", depth(lambda d: 1 / d), "straight", "inverse"),
    "half float's largest": (
        "drive",
        depth(lambda d: np.where(np.isinf(d), 65504, d)),
        "range",
        "65504",
    ),
    "depth from below": ("drive", depth(lambda d: d[:, ::-1]), "depth and picture", "bottom-up"),
    "depth mirrored": ("tabletop", depth(lambda d: d[:, :, ::-1]), "picture", "mirrored"),
    "ids from below": ("tabletop", ids(lambda x: x[:, ::-1]), "ids and picture", "bottom-up"),
    "ids shifted": ("drive", ids(lambda x: np.roll(x, 4, 2)), "ids and picture", "shifted"),
    "OpenGL axes": ("drive", poses(lambda p: FLIP @ p), "depth and camera", "OpenGL"),
    "inverse poses": ("drive", poses(np.linalg.inv), "depth and camera", "camera_to_world"),
    "inverse OpenGL poses": (
        "drive",
        poses(lambda p: np.linalg.inv(FLIP @ p)),
        "depth and camera",
        '"convention": "opengl", "direction": "camera_to_world"',
    ),
    "positions in centimetres": ("drive", positions(100), "depth and camera", "centimetres"),
    "intrinsics of twice the size": ("drive", lens(2.0), "lens", "1280x720"),
    "intrinsics of half the size": ("drive", lens(0.5), "lens", "320x180"),
    "world normals": ("drive", world_normals, "normals", '"axes": "world"'),
    "OpenGL normals": ("tabletop", normals(lambda n: n * (1, -1, -1)), "normals", "opengl"),
    "normals inward": ("tabletop", normals(lambda n: -n), "normals", "opposite"),
    "normals from 0 to 1": ("tabletop", normals(lambda n: n / 2 + 0.5), "normals", "0..1"),
}

# Faults that the frames show weakly: they are said, and not refused.
DOUBTED: dict[str, tuple[str, Change, str, str]] = {
    "a vertical angle read as horizontal": ("drive", focal(16 / 9), "depth and camera", "1.78"),
    "normals of mirrored x": ("drive", normals(lambda n: n * (-1, 1, 1)), "normals", "mirrored x"),
    "normals as blue, green, red": ("drive", normals(lambda n: n[..., ::-1]), "normals", "blue"),
    "ids of another scene": (
        "drive",
        lambda e: e.changed(
            Layer.SEGMENTATION, lambda _: excerpt("tabletop", 10, 6).layers[Layer.SEGMENTATION]
        ),
        "ids and picture",
        "different frames",
    ),
}
