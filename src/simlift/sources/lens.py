"""Make the camera that a user states by a field of view: fixed, at the origin, level."""

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import intrinsics_of_fov


def fixed_camera(num_frames: int, height: int, width: int, fov: float) -> Camera:
    """Return a camera that stands still, `fov` degrees wide; up is up in the picture."""
    intrinsics = intrinsics_of_fov(height, width, across=fov)
    return Camera(
        np.repeat(intrinsics[None], num_frames, 0),
        np.repeat(np.eye(4)[None], num_frames, 0),
        np.array([0.0, -1.0, 0.0]),
    )
