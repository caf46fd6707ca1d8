"""A frame's layers -> its geometry, shared by every variant, and its place in the world."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from simlift.core.layers import Layer
from simlift.core.window import Survey, Window
from simlift.pixels import geometry
from simlift.pixels.geometry import normals_from_depth, pinhole, rays
from simlift.pixels.occlusion import ambient_occlusion, upsample

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
    return normals_from_depth(frame[Layer.DEPTH][0], intrinsics(frame))


def points(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return where every pixel's surface is, in metres in camera axes; infinite in the sky."""
    return geometry.points(frame[Layer.DEPTH][0], intrinsics(frame))


def world_points(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return where every pixel's surface is, in metres in world axes; infinite in the sky."""
    local = frame.derive(points)
    if frame.camera is None:
        return local
    pose = np.linalg.inv(frame.camera.world_to_camera[0]).astype(np.float32)
    return np.asarray(cv2.transform(local, pose[:3]))


def median_depth(survey: Window) -> float:
    """Return the median depth of what the clip shows, in metres: the scale of the scene."""
    depth = survey[Layer.DEPTH]
    finite = depth[np.isfinite(depth) & (depth > 0)]
    return float(np.median(finite)) if len(finite) else 1.0


@dataclass(frozen=True)
class Occlusion:
    """Ambient occlusion within `radius` metres, at half resolution and upsampled by depth."""

    radius: float

    def __call__(self, frame: Window) -> Float[np.ndarray, "h w"]:
        depth, camera = frame[Layer.DEPTH][0], intrinsics(frame)
        normal = frame.derive(normals)
        if len(depth) <= _FULL_OCCLUSION_LINES:
            return ambient_occlusion(depth, normal, camera, self.radius)
        half = halve(frame)
        small = ambient_occlusion(half.depth, half.normals, half.intrinsics, self.radius)
        return upsample(small, half.depth, half.normals, depth, normal)


@dataclass(frozen=True, eq=False)
class HalfFrame:
    """Geometry at half resolution, for what varies slowly over the image."""

    depth: Float[np.ndarray, "a b"]
    normals: Float[np.ndarray, "a b 3"]
    intrinsics: Float[np.ndarray, "3 3"]


def halve(frame: Window) -> HalfFrame:
    """Return the frame's geometry at half resolution."""
    return frame.derive(_halve)


def _halve(frame: Window) -> HalfFrame:
    depth = frame[Layer.DEPTH][0]
    height, width = depth.shape
    size = (max(width // 2, 1), max(height // 2, 1))
    scale = np.diag([size[0] / width, size[1] / height, 1.0])
    return HalfFrame(
        cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST),
        cv2.resize(frame.derive(normals), size, interpolation=cv2.INTER_NEAREST),
        scale @ intrinsics(frame),
    )


def camera_to_world(frame: Window) -> Float[np.ndarray, "3 3"]:
    """Return the rotation from camera to world axes; an unknown camera stands level and still."""
    if frame.camera is None:
        return np.eye(3)
    return np.asarray(frame.camera.world_to_camera[0, :3, :3].T)


def world_up(frame: Window) -> Float[np.ndarray, "3"]:
    """Return the world's up direction; for an unknown camera, its own up."""
    return frame.camera.up if frame.camera is not None else np.array([0.0, -1.0, 0.0])


def heading(survey: Survey) -> Float[np.ndarray, "3"]:
    """Return where the camera looks in the clip's first frame, in world axes."""
    first = survey.window.derive(split)[0]
    return camera_to_world(first) @ np.array([0.0, 0.0, 1.0])


def view_directions(frame: Window) -> Float[np.ndarray, "h w 3"]:
    """Return the unit direction from the camera through every pixel, in camera axes."""
    ray = rays(intrinsics(frame), *frame.size)
    return ray / np.sqrt((ray * ray).sum(-1, keepdims=True))


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
