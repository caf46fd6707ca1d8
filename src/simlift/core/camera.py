"""Define a moving pinhole camera and the poses of rigid bodies, as numbers for each frame.

Axes are OpenCV's (x right, y down, z forward); pixel centres lie at +0.5; metres.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from simlift.core.errors import ClipError


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics [t 3 3] in pixels, world_to_camera [t 4 4], and the world's up direction [3]."""

    intrinsics: Float[np.ndarray, "t 3 3"]
    world_to_camera: Float[np.ndarray, "t 4 4"]
    up: Float[np.ndarray, "3"]

    def __post_init__(self) -> None:
        if len(self.intrinsics) != len(self.world_to_camera):
            raise ValueError(
                f"{len(self.intrinsics)} intrinsics for {len(self.world_to_camera)} poses"
            )
        for name, array in (
            ("intrinsics", self.intrinsics),
            ("world_to_camera", self.world_to_camera),
            ("up", self.up),
        ):
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds a value that is not finite")
        rotation = self.world_to_camera[:, :3, :3]
        identity = rotation @ rotation.transpose(0, 2, 1)
        if not np.allclose(identity, np.eye(3), atol=1e-3):
            raise ValueError("world_to_camera holds a rotation that is not orthonormal")
        if (np.linalg.det(rotation) < 0).any():
            raise ValueError("world_to_camera mirrors: the determinant of a rotation is -1")
        if not np.allclose(self.world_to_camera[:, 3], (0, 0, 0, 1)):
            raise ValueError("world_to_camera has a last row that is not 0 0 0 1")
        focal = self.intrinsics[:, (0, 1), (0, 1)]
        if (focal <= 0).any():
            raise ValueError(f"intrinsics hold a focal length of {focal.min():.4g} pixels")
        rest = self.intrinsics[:, (0, 1, 2, 2, 2), (1, 0, 0, 1, 2)]
        if not np.allclose(rest, (0, 0, 0, 0, 1), atol=1e-3):
            raise ValueError("intrinsics are not of the form [[fx 0 cx] [0 fy cy] [0 0 1]]")
        if not np.isclose(np.linalg.norm(self.up), 1.0, atol=1e-3):
            raise ValueError(f"up has the length {np.linalg.norm(self.up):.3g}, not 1")

    def at(self, indices: Int[np.ndarray, "t"]) -> "Camera":
        """Return the camera of some frames."""
        return Camera(self.intrinsics[indices], self.world_to_camera[indices], self.up)

    def scaled(self, x: float, y: float) -> "Camera":
        """Return the camera of an image that was resized by `x` in width and `y` in height."""
        return Camera(np.diag([x, y, 1.0]) @ self.intrinsics, self.world_to_camera, self.up)

    @property
    def moves(self) -> bool:
        """Whether the pose changes at all."""
        return not np.allclose(self.world_to_camera, self.world_to_camera[:1], atol=1e-6)


@dataclass(frozen=True, eq=False)
class Objects:
    """Rigid bodies: segmentation ids [o] and their object_to_world poses [t o 4 4]."""

    ids: Int[np.ndarray, "o"]
    poses: Float[np.ndarray, "t o 4 4"]

    def __post_init__(self) -> None:
        if len(np.unique(self.ids)) != len(self.ids):
            raise ValueError("ids are not unique")
        if self.poses.shape[1] != len(self.ids):
            raise ValueError(f"{self.poses.shape[1]} poses for {len(self.ids)} ids")
        if not np.isfinite(self.poses).all():
            raise ValueError("poses hold a value that is not finite")

    def at(self, indices: Int[np.ndarray, "t"]) -> "Objects":
        """Return the bodies' poses of some frames."""
        return Objects(self.ids, self.poses[indices])


@dataclass(frozen=True, eq=False)
class Arm:
    """One arm: its links from the end effector to the base, and how far its gripper is open.

    `gripper` [t] runs from 0, closed, to 1, open; NaN where nothing says so.
    """

    name: str
    links: tuple[str, ...]
    gripper: Float[np.ndarray, "t"]


@dataclass(frozen=True, eq=False)
class Robot:
    """A robot's achieved motion: joints [t j] in radians or metres, link_to_world poses [t l 4 4].

    `gripper` [t] is that of its one arm, 0 closed and 1 open; `arms` say which links form an arm,
    where that is known.
    """

    joint_names: tuple[str, ...]
    joint_positions: Float[np.ndarray, "t j"]
    link_names: tuple[str, ...]
    link_poses: Float[np.ndarray, "t l 4 4"]
    gripper: Float[np.ndarray, "t"]
    arms: tuple[Arm, ...] = ()

    def __post_init__(self) -> None:
        if self.joint_positions.shape[1] != len(self.joint_names):
            raise ValueError("joint_positions and joint_names differ in length")
        if self.link_poses.shape[1] != len(self.link_names):
            raise ValueError("link_poses and link_names differ in length")
        for arm in self.arms:
            if unknown := set(arm.links) - set(self.link_names):
                raise ValueError(f"arm {arm.name} has no link {', '.join(sorted(unknown))}")
            if len(arm.gripper) != len(self.link_poses):
                raise ValueError(f"arm {arm.name} has {len(arm.gripper)} openings of its gripper")

    def at(self, indices: Int[np.ndarray, "t"]) -> "Robot":
        """Return the robot of some frames."""
        return Robot(
            self.joint_names,
            self.joint_positions[indices],
            self.link_names,
            self.link_poses[indices],
            self.gripper[indices],
            tuple(Arm(arm.name, arm.links, arm.gripper[indices]) for arm in self.arms),
        )

    def poses_of(self, links: tuple[str, ...]) -> Float[np.ndarray, "t k 4 4"]:
        """Return the link_to_world poses of some links, in the order named."""
        return self.link_poses[:, [self.link_names.index(name) for name in links]]


def check_length(where: object, name: str, found: int, expected: int) -> None:
    """Raise ClipError when a per-frame array does not have one row for each frame."""
    if found != expected:
        raise ClipError(
            where,
            f"{name} holds {found} frames, the clip {expected}",
            allowed="one row for each frame",
            way_out="write both from the same recording",
        )
