"""Derive geometry from a frame's layers: normals, points, rays, occlusion, sky mask, poses."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from simlift.core.layers import Layer
from simlift.core.scene_geometry import FULL_EMISSION
from simlift.core.window import ClipSample, Window
from simlift.pixels.geometry import projection
from simlift.pixels.geometry.projection import normals_from_depth, pinhole, rays
from simlift.pixels.image.upsampling import (
    GeometryView,
    JointBilateralUpsampler,
    joint_bilateral_upsampler,
)
from simlift.pixels.light.occlusion import Occluders, ambient_occlusion, ambient_occlusion_by_rays

_ASSUMED_FOV = np.radians(60.0)  # where a clip tells nothing of its camera
_FULL_OCCLUSION_LINES = 200  # images with fewer rows get occlusion at full resolution


def split(window: Window) -> tuple[Window, ...]:
    """Return the window's frames as one-frame windows, which remember their geometry."""
    return tuple(window.frame(i) for i in range(len(window)))


def intrinsics(frame: Window) -> Float[np.ndarray, "3 3"]:
    """Return the frame's intrinsics, or those of an assumed 60 degree camera."""
    if frame.camera is not None:
        return frame.camera.intrinsics[0]
    return pinhole(*frame.size, _ASSUMED_FOV)


def has_normals(window: Window) -> bool:
    """Whether surfaces can be lit: normals are there, or depth in metres to find them."""
    return Layer.NORMALS in window or (Layer.DEPTH in window and window.metric_depth)


def normals(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return camera-space normals, given or from depth."""
    if Layer.NORMALS in frame:
        return np.asarray(frame[Layer.NORMALS][0])
    ids = frame[Layer.SEGMENTATION][0] if Layer.SEGMENTATION in frame else None
    return normals_from_depth(frame[Layer.DEPTH][0], intrinsics(frame), ids)


def points(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return where every pixel's surface is, in metres in camera axes; not finite in the sky."""
    with np.errstate(invalid="ignore"):
        return projection.unproject(frame[Layer.DEPTH][0], intrinsics(frame))


def world_points(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return where every pixel's surface is, in metres in world axes; not finite in the sky."""
    local = frame.derive(points)
    if frame.camera is None:
        return local
    pose = np.linalg.inv(frame.camera.world_to_camera[0]).astype(np.float32)
    return np.asarray(cv2.transform(local, pose[:3]))


def emission_share(frame: Window) -> Float[np.ndarray, "h w"]:
    """Return how much of a lamp each pixel is, in [0, 1]; 0 without a material layer."""
    if Layer.MATERIAL not in frame:
        return np.zeros(frame.size, np.float32)
    return _emission_share(frame[Layer.MATERIAL][0][..., 2])


def _emission_share(emission: UInt8[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.minimum(emission.astype(np.float32) / np.float32(255 * FULL_EMISSION), 1)


@dataclass(frozen=True, eq=False)
class Lamps:
    """The pixels that shine, and how much of a lamp each is."""

    rows: Int[np.ndarray, "n"]
    columns: Int[np.ndarray, "n"]
    share: Float[np.ndarray, "n"]


def lamps(frame: Window) -> Lamps:
    """Return the pixels of a frame that its material layer says shine."""
    emission = np.ascontiguousarray(frame[Layer.MATERIAL][0][..., 2])
    rows, columns = np.divmod(np.flatnonzero(emission), emission.shape[1])
    return Lamps(rows, columns, _emission_share(emission[rows, columns]))


_FAR = np.float32(1e4)  # metres; where the sky is put when a number is needed
OUTDOORS = 0.02  # share of pixels that hit nothing above which a clip is taken as outdoors


def sky_share(window: Window) -> float:
    """Return the share of all pixels in which nothing was hit."""
    frames = window.derive(split)
    return float(np.mean([hidden(frame, frozenset()).mean() for frame in frames]))


def median_depth(sample: Window) -> float:
    """Return the median depth of what the clip shows, in metres: the scale of the scene."""
    depth = sample[Layer.DEPTH]
    finite = depth[np.isfinite(depth) & (depth > 0)]
    return float(np.median(finite)) if len(finite) else 1.0


@dataclass(frozen=True)
class Occlusion:
    """Ambient occlusion within `radius` metres, at half resolution and upsampled by depth.

    `occluders` finds what is known of what hides light; what moves reaches `far` metres.
    """

    radius: float
    far: float
    occluders: Callable[[Window], Occluders] | None = None

    def __call__(self, frame: Window) -> Float[np.ndarray, "h w"]:
        if frame.size[0] <= _FULL_OCCLUSION_LINES:
            return ambient_occlusion(frame.derive(view), self.radius)
        half = halve(frame).view
        if self.occluders is None:
            return frame.derive(enlarger)(ambient_occlusion(half, self.radius))
        known = frame.derive(self.occluders)
        return frame.derive(enlarger)(ambient_occlusion_by_rays(half, self.radius, self.far, known))


def view(frame: Window) -> GeometryView:
    """Return the surfaces that a frame shows."""
    return GeometryView(frame[Layer.DEPTH][0], frame.derive(normals), intrinsics(frame))


@dataclass(frozen=True, eq=False)
class HalfFrame:
    """Geometry at half resolution, for what varies slowly over the image."""

    view: GeometryView
    points: Float[np.ndarray, "a b 3"]  # metres in camera axes; the sky is far, not infinite
    segmentation: Int[np.ndarray, "a b"]  # 0 without a segmentation


def halve(frame: Window) -> HalfFrame:
    """Return the frame's geometry at half resolution."""
    return frame.derive(_halve)


def _halve(frame: Window) -> HalfFrame:
    depth = frame[Layer.DEPTH][0]
    height, width = depth.shape
    size = (max(width // 2, 1), max(height // 2, 1))
    scale = np.diag([size[0] / width, size[1] / height, 1.0])
    small = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    ids = np.zeros(small.shape, np.int32)
    if Layer.SEGMENTATION in frame:
        ids = cv2.resize(frame[Layer.SEGMENTATION][0], size, interpolation=cv2.INTER_NEAREST)
    camera = scale @ intrinsics(frame)
    facing = cv2.resize(frame.derive(normals), size, interpolation=cv2.INTER_NEAREST)
    places = projection.unproject(np.minimum(small, _FAR), camera)
    return HalfFrame(GeometryView(small, facing, camera), places, ids)


def enlarger(frame: Window) -> JointBilateralUpsampler:
    """Return what enlarges maps of half resolution along the frame's own edges."""
    return joint_bilateral_upsampler(halve(frame).view, frame.derive(view))


def has_depth(frame: Window) -> bool:
    """Whether depth is there, in metres."""
    return Layer.DEPTH in frame and frame.metric_depth


def camera_pose(frame: Window) -> Float[np.ndarray, "4 4"]:
    """Return camera_to_world; an unknown camera stands at the origin."""
    if frame.camera is None:
        return np.eye(4)
    return np.asarray(np.linalg.inv(frame.camera.world_to_camera[0]))


def frustum(frame: Window) -> Float[np.ndarray, "4 4"]:
    """Return the planes of the view's four sides in world axes, a x + b y + c z + d >= 0 inside."""
    height, width = frame.size
    fx, fy, cx, cy = pinhole_of(frame)
    sides = np.array(
        [[fx, 0, cx, 0], [-fx, 0, width - cx, 0], [0, fy, cy, 0], [0, -fy, height - cy, 0]]
    )
    sides /= np.linalg.norm(sides[:, :3], axis=1, keepdims=True)
    return np.einsum("sc,cd->sd", sides, np.linalg.inv(camera_pose(frame)))


def camera_to_world(frame: Window) -> Float[np.ndarray, "3 3"]:
    """Return the rotation from camera to world axes; an unknown camera stands level and still."""
    if frame.camera is None:
        return np.eye(3)
    return np.asarray(frame.camera.world_to_camera[0, :3, :3].T)


def world_up(frame: Window) -> Float[np.ndarray, "3"]:
    """Return the world's up direction; for an unknown camera, its own up."""
    return frame.camera.up if frame.camera is not None else np.array([0.0, -1.0, 0.0])


def heading(sample: ClipSample) -> Float[np.ndarray, "3"]:
    """Return where the camera looks in the clip's first frame, in world axes."""
    first = sample.window.derive(split)[0]
    return camera_to_world(first) @ np.array([0.0, 0.0, 1.0])


def view_directions(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return the unit direction from the camera through every pixel, in camera axes."""
    return _view_directions(pinhole_of(frame), frame.size)


def unit_rays(
    camera: Float[np.ndarray, "3 3"], size: tuple[int, ...]
) -> Float[np.ndarray, "h w 3"]:
    """Return the unit direction through every pixel of an image of `size` (height, width)."""
    lens = (camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2])
    return _view_directions(tuple(map(float, lens)), (size[0], size[1]))


@lru_cache(maxsize=8)
def _view_directions(
    lens: tuple[float, float, float, float], size: tuple[int, int]
) -> Float[np.ndarray, "h w 3"]:
    fx, fy, cx, cy = lens
    ray = rays(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), *size)
    ray /= np.sqrt((ray * ray).sum(-1, keepdims=True))
    ray.flags.writeable = False
    return ray


def pinhole_of(frame: Window) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy in pixels."""
    k = intrinsics(frame)
    return float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])


@dataclass(frozen=True)
class Hidden:
    """Finds where the backdrop shows, once for each frame and set of replaced classes."""

    classes: frozenset[str]

    def __call__(self, frame: Window) -> Bool[np.ndarray, "h w"]:
        return hidden(frame, self.classes)


def hidden(frame: Window, classes: frozenset[str]) -> Bool[np.ndarray, "h w"]:
    """Return where the backdrop shows: nothing was hit, or the class is to be replaced."""
    mask = np.zeros(frame.size, dtype=bool)
    if Layer.DEPTH in frame and frame.metric_depth:
        mask |= ~np.isfinite(frame[Layer.DEPTH][0])
    wanted = [i for i, name in frame.categories.items() if name in classes or name == "sky"]
    if wanted and Layer.SEGMENTATION in frame:
        mask |= np.isin(frame[Layer.SEGMENTATION][0], wanted)
    return mask
