"""Pose the arms of a window's robot in its camera, and project points of all frames at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from simlift.core.camera import Camera, Robot
from simlift.core.errors import ClipError
from simlift.core.window import Window

Pixels = Int[np.ndarray, "t n 2"]  # column and row
Rounding = Literal["floor", "nearest"]

_FARTHEST = 100_000  # pixels from the corner, beyond which a point is moved nearer: 32 bits hold it


@dataclass(frozen=True, eq=False)
class PosedArm:
    """An arm as the camera sees it: link_to_camera [t k 4 4], end effector first, base last.

    `gripper` [t] runs from 0, closed, to 1, open; NaN where that is not known.
    """

    name: str
    links: Float[np.ndarray, "t k 4 4"]
    gripper: Float[np.ndarray, "t"]

    @property
    def origins(self) -> Float[np.ndarray, "t k 3"]:
        """The origins of its links in the camera, in metres."""
        return self.links[..., :3, 3]

    def at_end_effector(
        self, local: Float[np.ndarray, "*t n 3"] | Sequence[Sequence[float]]
    ) -> Float[np.ndarray, "t n 3"]:
        """Return points that are given in the frame of the end effector, in the camera."""
        hand = self.links[:, 0]
        turned = np.asarray(local, np.float64) @ hand[:, :3, :3].transpose(0, 2, 1)
        return np.asarray(turned + hand[:, None, :3, 3])


def require_arms(robot: Robot | None, camera: Camera | None, control: str) -> tuple[Robot, Camera]:
    """Return a robot with arms and a camera; ClipError where one of them is not there."""
    if robot is None:
        raise ClipError(
            control,
            "the clip has no robot",
            allowed="a clip that knows the poses of its robot's links",
            way_out="name the file that describes the robot: --robot FILE",
        )
    if not robot.arms:
        raise ClipError(
            control,
            f"nothing says which of the {len(robot.link_names)} links of the robot form an arm",
            allowed="the links of each arm, from the end effector to the base",
            way_out="name the file that describes the robot: --robot FILE",
        )
    if camera is None:
        raise ClipError(
            control,
            "the clip has no camera",
            allowed="a clip that knows the intrinsics and the pose of its camera",
            way_out="state the camera in the file that describes the robot (--robot FILE), or in "
            "clip.json",
        )
    return robot, camera


def posed_arms(window: Window, control: str) -> tuple[PosedArm, ...]:
    """Return every arm of a window's robot in its camera.

    ClipError as of `require_arms`, and for a pose that is not finite.
    """
    robot, camera = require_arms(window.robot, window.camera, control)
    arms = []
    for arm in robot.arms:
        links = camera.world_to_camera[:, None] @ robot.poses_of(arm.links)
        if not (known := np.isfinite(links).all(axis=(1, 2, 3))).all():
            frame = int(window.indices[np.flatnonzero(~known)[0]])
            raise ClipError(control, f"the pose of arm {arm.name} is not finite in frame {frame}")
        arms.append(PosedArm(arm.name, links, arm.gripper))
    return tuple(arms)


def project(
    points: Float[np.ndarray, "t n 3"],
    intrinsics: Float[np.ndarray, "t 3 3"],
    *,
    nearest: float = 1e-3,
    rounding: Rounding = "floor",
) -> Pixels:
    """Project points of the camera (metres, OpenCV's axes) to whole pixels.

    Points nearer than `nearest` metres, and those behind the camera, are taken to be at `nearest`;
    pixels reach to +-100000. "floor" is the pixel in which a point lies where pixel centres lie at
    +0.5, as `core.camera` has them; "nearest" is for intrinsics whose centres lie at whole numbers.
    """
    depth = np.maximum(points[..., 2:], nearest)
    focal = intrinsics[:, None, (0, 1), (0, 1)]
    centre = intrinsics[:, None, :2, 2]
    pixels = points[..., :2] / depth * focal + centre
    whole = np.floor(pixels) if rounding == "floor" else np.rint(pixels)
    return np.clip(whole, -_FARTHEST, _FARTHEST).astype(np.int64)
