"""Define robot.json: what a user says of a robot, its columns and its cameras.

Wherever recorders differ (units, the order of quaternions, which end of a gripper is open), the key
is required: nothing is assumed. Columns are those of the dataset's rows; `first` counts from 0.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from simlift.core.camera_conventions import rotation_of_quaternion
from simlift.core.errors import RecipeError
from simlift.core.strict_json import load
from simlift.robots.mjcf import read_mjcf
from simlift.robots.urdf import RobotModel, read_urdf

FORMAT = "simlift-robot/1"
Order = Literal["wxyz", "xyzw"]
MeshKind = Literal["visual", "collision", "none"]
RotationForm = Literal[
    "quaternion wxyz", "quaternion xyzw", "rotation vector", "euler xyz", "euler zyx"
]


@dataclass(frozen=True)
class Pose:
    """A place in metres, and a unit quaternion in a stated order."""

    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    order: Order

    def matrix(self) -> Float[np.ndarray, "4 4"]:
        """Return the pose as a matrix."""
        out = np.eye(4)
        out[:3, :3] = rotation_of_quaternion(np.array(self.quaternion), self.order)
        out[:3, 3] = self.position
        return out


@dataclass(frozen=True)
class JointColumns:
    """Joints in a column of the rows, one after the other from `first` on.

    unit: of hinges radians or degrees (slides are in metres), or "normalised": numbers between the
    two of `scale` stand for degrees (millimetres of slides) between the two of each joint's
    `ranges`, as LeRobot's -100..100 does.
    """

    column: str
    names: tuple[str, ...]
    unit: Literal["radians", "degrees", "normalised"]
    first: int = 0
    scale: tuple[float, float] | None = None
    ranges: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        normalised = self.unit == "normalised"
        if normalised != (self.scale is not None) or normalised != bool(self.ranges):
            raise RecipeError(
                "joints",
                f"the unit is {self.unit} with scale {self.scale} and {len(self.ranges)} ranges",
                allowed="scale and ranges with the unit normalised, and there alone",
            )
        if normalised and len(self.ranges) != len(self.names):
            raise RecipeError(
                "joints.ranges", f"holds {len(self.ranges)}", allowed=f"{len(self.names)}, as names"
            )


@dataclass(frozen=True)
class Gripper:
    """How open a gripper is: the number in a column, and which numbers are closed and open."""

    column: str
    closed: float
    open: float
    at: int = 0

    def __post_init__(self) -> None:
        if self.closed == self.open:
            raise RecipeError("gripper", f"closed and open are {self.open}", allowed="two numbers")


@dataclass(frozen=True)
class ArmDescription:
    """An arm: the link that ends it, its gripper, and the links that are drawn, if not all."""

    name: str
    end_effector: str
    gripper: Gripper | None = None
    links: tuple[str, ...] = ()  # end effector to base; the whole chain without them


@dataclass(frozen=True)
class Check:
    """A recorded pose of a link, against which the kinematics are held.

    `position` is the column of its place from `at` on, in metres or millimetres of the base's
    frame or of the world's; `rotation` that of its orientation from `rotation_at` on. `offset` is
    where the recorded point, such as a tool's centre, lies in the axes of the link, in metres.
    """

    link: str
    position: str
    unit: Literal["m", "mm"]
    frame: Literal["base", "world"]
    at: int = 0
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: str | None = None
    rotation_at: int = 0
    form: RotationForm | None = None
    tolerance_mm: float = 5.0
    tolerance_degrees: float = 2.0

    def __post_init__(self) -> None:
        if (self.rotation is None) != (self.form is None):
            raise RecipeError(
                "checks",
                f"rotation is {self.rotation}, form {self.form}",
                allowed="both or neither",
            )


@dataclass(frozen=True)
class LinkColumns:
    """Poses of links as the simulator gave them: taken as they are, no model is needed.

    `positions` holds x y z of each link, one after the other, `quaternions` four numbers of each.
    """

    names: tuple[str, ...]
    positions: str
    quaternions: str
    order: Order
    unit: Literal["m", "mm"]


@dataclass(frozen=True)
class CameraDescription:
    """A camera: its lens, and its pose in the world or on a link.

    intrinsics: fx fy cx cy in pixels of pictures of `size` (width, height). fov_down: degrees from
    top to bottom instead, with the middle of the picture as its centre. pose: a matrix of rows,
    `direction` what it leads from and to ("camera_to_link" where a link bears the camera), `axes`
    those of the camera: opencv (x right, y down, z forward) or opengl (x right, y up, z back).
    """

    size: tuple[int, int]
    pose: tuple[tuple[float, ...], ...]
    direction: Literal["camera_to_world", "world_to_camera", "camera_to_link"]
    axes: Literal["opencv", "opengl"]
    intrinsics: tuple[float, float, float, float] | None = None
    fov_down: float | None = None
    link: str | None = None

    def __post_init__(self) -> None:
        if (self.intrinsics is None) == (self.fov_down is None):
            raise RecipeError(
                "cameras",
                f"intrinsics are {self.intrinsics}, fov_down is {self.fov_down}",
                allowed="one of the two",
            )
        if (self.link is None) == (self.direction == "camera_to_link"):
            raise RecipeError(
                "cameras",
                f"link is {self.link}, direction {self.direction}",
                allowed="camera_to_link with a link, and there alone",
            )
        shape = [len(row) for row in self.pose]
        if shape != [4] * 4:
            raise RecipeError("cameras.pose", f"has rows of {shape}", allowed="4 rows of 4 numbers")


@dataclass(frozen=True)
class RobotDescription:
    """All that robot.json may hold; paths are relative to it.

    model: URDF (.urdf) or MJCF (.xml). base: the root's pose in the world; its origin without one.
    fixed: values of joints that no column holds, in radians or metres. meshes: from which shapes of
    the model the robot's mask is rendered: what links show, what they collide by, or none at all.
    """

    format: str
    arms: tuple[ArmDescription, ...] = ()
    model: str | None = None
    meshes: MeshKind = "visual"
    base: Pose | None = None
    joints: tuple[JointColumns, ...] = ()
    fixed: dict[str, float] = field(default_factory=dict)
    links: LinkColumns | None = None
    checks: tuple[Check, ...] = ()
    cameras: dict[str, CameraDescription] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise RecipeError("format", f"is {self.format!r}", allowed=FORMAT)
        if self.links is not None and self.model is not None:
            raise RecipeError(
                "links", "are given beside a model", allowed="poses as recorded, or a model"
            )
        if self.model is not None and not self.joints:
            raise RecipeError("joints", "are missing", allowed="the columns of the model's joints")


def read_description(file: Path) -> RobotDescription:
    """Read robot.json; RecipeError names the key, the value found and the value allowed."""
    if not file.is_file():
        raise RecipeError(file, "does not exist", way_out="check --robot")
    return load(file, RobotDescription)


def read_model(file: Path, description: RobotDescription) -> RobotModel:
    """Read the model that a description names; RecipeError for a file of another kind."""
    path = file.parent / str(description.model)
    if path.suffix.lower() not in (".urdf", ".xml", ".mjcf"):
        raise RecipeError(
            file, f"names the model {description.model!r}", allowed="a .urdf, or an MJCF .xml"
        )
    return model_at(path)


def model_at(path: Path) -> RobotModel:
    """Read a model by its suffix, once by a process as long as the file does not change."""
    stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else (0, 0)
    return _model_at(path, stamp)


@lru_cache(maxsize=8)
def _model_at(path: Path, _stamp: tuple[int, int]) -> RobotModel:
    return read_urdf(path) if path.suffix.lower() == ".urdf" else read_mjcf(path)
