"""A survey -> the scene's still surfaces as voxels and probes; under a look, their light."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from simlift.core.layers import Layer
from simlift.core.window import Survey, Window
from simlift.engines.photographic import scene
from simlift.pixels import colour
from simlift.pixels.environment import Environment, prefilter
from simlift.pixels.light_volume import (
    LightVolume,
    Probes,
    Voxels,
    bounding_planes,
    continued,
    place_probes,
    solve,
    voxelise,
)

_RESOLUTION = 112  # voxels along the longest side
_PER_PROBE = 3  # voxels from a probe to the next, or as many more as keep them few
_MOST_PROBES = 16_000
_FEWEST, _THICKEST = 12, 4.0  # pixels that tell a thing's size; metres
_WIDTHS = 6.0  # distances to the border that a part is deep: three times as deep as wide
_FAR = 1e4  # metres; the sky
_DEEPEST = 0.08  # metres behind a visible surface that count as its inside
_NEAR = 5.0  # median depths; what is further away neither hides nor sends much light


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What stands still in a clip; the same for every look."""

    voxels: Voxels
    probes: Probes
    thickness: Float[np.ndarray, "ids"]  # metres, by segmentation id

    @property
    def solid(self) -> bool:
        """Whether the clip tells how deep its things are."""
        return bool(self.thickness.any())

    @property
    def reach(self) -> float:
        """Metres below which the volume does not see what hides light."""
        return self.probes.spacing


@dataclass(frozen=True)
class Deep:
    """Finds in metres how deep what each pixel shows is likely to be, at half resolution.

    A part is hardly deeper than it is wide: a pole belongs to a lamp, and is thin.
    """

    around: Surroundings

    def __call__(self, frame: Window) -> Float[np.ndarray, "a b"]:
        half, known = scene.halve(frame), self.around.thickness
        ids = half.segmentation
        likely = np.append(known, np.float32(0))[np.minimum(ids, len(known))]
        inside = np.ones(ids.shape, np.uint8)
        inside[:, 1:] &= ids[:, 1:] == ids[:, :-1]
        inside[1:] &= ids[1:] == ids[:-1]
        # Without any border the distance is endless.
        from_border = np.minimum(cv2.distanceTransform(inside, cv2.DIST_L2, 3), ids.size)
        per_pixel = np.float32(_WIDTHS / half.intrinsics[0, 0])
        girth = from_border * np.minimum(half.depth, np.float32(_FAR)) * per_pixel
        return np.asarray(np.minimum(likely, girth), dtype=np.float32)


def surroundings(window: Window) -> Surroundings | None:
    """Return the still surfaces of a surveyed window; None without depth in metres and a camera."""
    if Layer.DEPTH not in window or not window.metric_depth or window.camera is None:
        return None
    near = _NEAR * scene.median_depth(window)
    still = still_pixels(window)
    gathered, inside = [], []
    depths = thickness(window)
    for frame, keep in zip(window.derive(scene.split), still, strict=True):
        depth = frame[Layer.DEPTH][0]
        seen = keep & np.isfinite(depth) & (depth > 0) & (depth < near)
        world = scene.camera_to_world(frame).astype(np.float32)
        normals = cv2.transform(frame.derive(scene.normals), world)
        surface = frame[Layer.ALBEDO][0] if Layer.ALBEDO in frame else frame.rgb[0]
        linear = colour.decode(surface)
        at, ways = scene.world_points(frame)[seen], _sight(frame)[seen]
        ids = frame[Layer.SEGMENTATION][0][seen] if Layer.SEGMENTATION in frame else 0
        deep = depths[ids] * np.ones(len(at), np.float32)
        rest = (normals[seen], linear[seen], scene.glow(frame)[seen])
        gathered.append((at, *rest))
        inside.append((at, ways, deep, rest))
    points, normals, albedo, glow = _joined(gathered)
    if len(points) < 64:
        return None
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    cell = float((high - low).max()) / _RESOLUTION
    up = scene.world_up(window)
    roof = None if scene.sky_share(window) < scene.OUTDOORS else up
    samples = [(points, normals, albedo, glow)]
    for wall in bounding_planes(points, normals, albedo, up, cell):
        more = continued(wall, low, high, cell, roof)
        kept = ~seen_empty(window, more[0])
        samples.append((*(part[kept] for part in more), np.zeros(int(kept.sum()), np.float32)))
    everywhere = np.concatenate([part[0] for part in samples])
    bounds = everywhere.min(0), everywhere.max(0)
    for at, ways, deep, rest in inside:
        for step in np.arange(1, int(_DEEPEST / cell) + 1) * cell:
            go = deep >= step
            samples.append(((at + ways * step)[go], *(part[go] for part in rest)))
    voxels = voxelise(*_joined(samples), *bounds, cell)
    return Surroundings(voxels, place_probes(voxels, low, high, _spacing(low, high, cell)), depths)


def _spacing(low: np.ndarray, high: np.ndarray, cell: float) -> float:
    fewest = float(np.prod((high - low) / cell + _PER_PROBE) / _MOST_PROBES) ** (1 / 3)
    return max(fewest, float(_PER_PROBE)) * cell


_Samples = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # points, normals, albedo, glow


def _joined(samples: list[_Samples]) -> _Samples:
    points, normals, albedo, glow = (
        np.concatenate(parts).astype(np.float32) for parts in zip(*samples, strict=True)
    )
    return points, normals, albedo, glow


def _sight(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return the unit direction from the camera through every pixel, in world axes."""
    turn = scene.camera_to_world(frame).astype(np.float32)
    return np.asarray(cv2.transform(scene.view_directions(frame), turn))


def seen_empty(window: Window, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
    """Return which points stand before the surface that a surveyed frame shows there."""
    empty = np.zeros(len(points), dtype=bool)
    for frame in window.derive(scene.split):
        if frame.camera is None:
            continue
        pose = frame.camera.world_to_camera[0]
        local = np.einsum("nc,dc->nd", points, pose[:3, :3]) + pose[:3, 3]
        fx, fy, cx, cy = scene.pinhole_of(frame)
        deep = np.maximum(local[:, 2], 1e-3)
        u, v = local[:, 0] / deep * fx + cx, local[:, 1] / deep * fy + cy
        height, width = frame.size
        inside = (local[:, 2] > 0.05) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        seen = frame[Layer.DEPTH][0][v[inside].astype(int), u[inside].astype(int)]
        empty[inside] |= local[inside, 2] < 0.98 * seen
    return empty


def thickness(window: Window) -> Float[np.ndarray, "ids"]:
    """Return how deep each segment is likely to be, in metres, by its id; 0 where nothing is known.

    An image shows no backs. A thing is taken to be as deep as the middle one of its three extents,
    in the axes it moves in, over all surveyed frames.
    """
    if Layer.SEGMENTATION not in window:
        return np.zeros(1, np.float32)
    ids = window[Layer.SEGMENTATION]
    if window.objects is None:
        return np.zeros(int(ids.max()) + 1, np.float32)
    points = np.stack([scene.world_points(frame) for frame in window.derive(scene.split)])
    known = {int(i): k for k, i in enumerate(window.objects.ids)}
    out = np.zeros(int(ids.max()) + 1, np.float32)
    finite = np.isfinite(points).all(-1)
    for number in np.unique(ids[finite]):
        if int(number) not in known:
            continue
        where = (ids == number) & finite
        if where.sum() < _FEWEST:
            continue
        pose = window.objects.poses[np.nonzero(where)[0], known[int(number)]]
        local = np.einsum("ndc,nd->nc", pose[:, :3, :3], points[where] - pose[:, :3, 3])
        low, high = np.quantile(local, [0.02, 0.98], axis=0)
        out[number] = min(float(np.sort(high - low)[1]), _THICKEST)
    return out


def still_pixels(window: Window) -> Bool[np.ndarray, "t h w"]:
    """Return the pixels of what never moves, as far as the clip tells."""
    everything = np.ones((len(window), *window.size), dtype=bool)
    if window.objects is None or Layer.SEGMENTATION not in window:
        return everything
    poses = window.objects.poses
    moves = (np.abs(poses - poses[:1]) > 1e-4).any(axis=(0, 2, 3))
    return everything & ~np.isin(window[Layer.SEGMENTATION], window.objects.ids[moves])


def light_among(
    survey: Survey,
    environment: Environment,
    axes: Float[np.ndarray, "3 3"],
    emission: float,
) -> LightVolume | None:
    """Let the environment's light bounce among the clip's still surfaces."""
    around = survey.window.derive(surroundings)
    if around is None:
        return None
    softened = prefilter(environment.soft, 60.0)
    return solve(around.voxels, around.probes, environment, axes, softened, emission)
