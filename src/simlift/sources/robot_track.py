"""Give a clip the robot and the camera that robot.json describes, from the rows of its episode."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simlift.core.camera import Arm, Camera, Robot, check_length
from simlift.core.camera_conventions import rotation_of_quaternion
from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Array
from simlift.robots.check import Kinematics, Recorded, check_kinematics, rotations_of
from simlift.robots.description import (
    CameraDescription,
    Check,
    Gripper,
    JointColumns,
    LinkColumns,
    RobotDescription,
    read_description,
    read_model,
)
from simlift.sources.robot_mask import with_robot_mask
from simlift.sources.row_columns import numeric_columns

if TYPE_CHECKING:
    import pyarrow

_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # camera axes of OpenGL in those of OpenCV


def with_robot(
    clip: Clip, rows: "pyarrow.Table", file: Path, camera: str, row_files: Sequence[Path] = ()
) -> Clip:
    """Return the clip with robot, camera, mask and notes; errors where these do not fit.

    `rows` are those of the episode, `row_files` hold them.

    ClipError for columns that are missing or too narrow, RecipeError for the description itself,
    InputError with the likely cause where link poses differ from recorded ones.
    """
    description = read_description(file)
    columns = numeric_columns(rows)
    for name, column in columns.items():
        check_length(clip.path, name, len(column), clip.num_frames)
    reader = _Columns(clip.path, columns)
    notes: list[str] = []
    robot = clip.robot
    if description.links is not None:
        robot = _given_links(reader, description, description.links)
    elif description.model is not None:
        robot = _computed_links(reader, description, file, notes)
    seen = clip.camera
    if camera in description.cameras:
        if seen is not None:
            raise RecipeError(
                file,
                f"describes the camera {camera!r}, which the dataset states itself",
                way_out="leave it out of the description",
            )
        seen = _camera(clip, description.cameras[camera], robot, file)
    elif seen is None and description.cameras:
        notes.append(f"{file.name} describes no camera {camera!r}: the skeleton cannot be drawn")
    described = replace(clip, robot=robot, camera=seen, notes=(*clip.notes, *notes))
    return with_robot_mask(described, description, file, row_files)


class _Columns:
    """Reads numbers out of the rows of an episode."""

    def __init__(self, where: Path, columns: dict[str, Array]) -> None:
        self.where, self._columns = where, columns

    def take(self, name: str, first: int, count: int, what: str) -> Float[np.ndarray, "t n"]:
        """Return `count` numbers of each row of a column; ClipError where it holds fewer."""
        if name not in self._columns:
            raise ClipError(
                self.where,
                f"has no column {name!r}, which robot.json names for {what}",
                allowed=", ".join(self._columns) or "the rows hold no numbers",
            )
        column = self._columns[name].reshape(len(self._columns[name]), -1)
        if first < 0 or first + count > column.shape[1]:
            raise ClipError(
                self.where,
                f"the column {name} holds {column.shape[1]} number"
                f"{'s' * (column.shape[1] != 1)} a row",
                allowed=f"{count} from {first} on, for {what}",
                way_out="correct first and names in robot.json; a column that lost its vectors "
                "when it was converted has to be converted again",
            )
        return column[:, first : first + count]


def _joint_values(
    reader: _Columns, described: JointColumns, slides: frozenset[str] = frozenset()
) -> dict[str, Float[np.ndarray, "t"]]:
    """Return radians of hinges and metres of slides by the name of the joint."""
    found = reader.take(
        described.column, described.first, len(described.names), ", ".join(described.names)
    )
    if described.unit == "normalised" and described.scale is not None:
        low, high = described.scale
        share = (found - low) / (high - low)
        ends = np.array(described.ranges)
        found = ends[:, 0] + share * (ends[:, 1] - ends[:, 0])
    if described.unit != "radians":
        factors = [1e-3 if name in slides else np.pi / 180 for name in described.names]
        found = found * factors
    return {name: found[:, k] for k, name in enumerate(described.names)}


def _computed_links(
    reader: _Columns, description: RobotDescription, file: Path, notes: list[str]
) -> Robot:
    model = read_model(file, description)
    positions: dict[str, Float[np.ndarray, t]] = {}
    stated: list[str] = []
    slides = frozenset(j.name for j in model.tree.joints if j.kind == "prismatic")
    for columns in description.joints:
        for name, values in _joint_values(reader, columns, slides).items():
            if name in positions:
                raise RecipeError(file, f"names the joint {name!r} twice")
            model.tree.joint(name)  # names the joints that there are
            if name in slides and columns.unit == "degrees":
                raise RecipeError(
                    file, f"joint {name!r} slides and is stated in degrees", allowed="radians"
                )
            positions[name] = values
            stated.append(name)
    count = len(next(iter(positions.values())))
    for name, value in description.fixed.items():
        positions[name] = np.full(count, value)
    base = np.eye(4) if description.base is None else description.base.matrix()
    kinematics = Kinematics(model.tree, positions, tuple(stated), base)
    for check in description.checks:
        found = check_kinematics(file, kinematics, _recorded(reader, check, base))
        notes.append(f"{check.link} computed from the joints lies {found.words()} from its record")
    if not description.checks:
        notes.append("link poses were computed from the joints and held against no recorded pose")
    notes += _beyond_limits(kinematics)
    poses = kinematics.poses()
    links = model.tree.bodies
    arms = tuple(
        Arm(
            arm.name,
            arm.links or model.tree.chain(arm.end_effector),
            _opening(reader, arm.gripper, count),
        )
        for arm in description.arms
    )
    return Robot(
        joint_names=tuple(stated),
        joint_positions=np.stack([positions[name] for name in stated], axis=1),
        link_names=links,
        link_poses=np.stack([poses[link] for link in links], axis=1),
        gripper=arms[0].gripper if len(arms) == 1 else np.full(count, np.nan),
        arms=arms,
    )


def _beyond_limits(kinematics: Kinematics) -> list[str]:
    """Say which joints leave their limits by more than a tenth of a radian: often a wrong unit."""
    notes = []
    for name in kinematics.stated:
        joint, values = kinematics.tree.joint(name), kinematics.positions[name]
        beyond = max(float(joint.lower - values.min()), float(values.max() - joint.upper))
        if beyond > 0.1:
            notes.append(f"joint {name} goes {beyond:.2f} beyond the limits of the model")
    return notes


def _given_links(reader: _Columns, description: RobotDescription, links: LinkColumns) -> Robot:
    count = len(links.names)
    places = reader.take(links.positions, 0, 3 * count, "positions of links").reshape(-1, count, 3)
    turns = reader.take(links.quaternions, 0, 4 * count, "quaternions of links")
    poses = np.tile(np.eye(4), (len(places), count, 1, 1))
    try:
        poses[..., :3, :3] = rotation_of_quaternion(turns.reshape(-1, count, 4), links.order)
    except ValueError as error:
        raise ClipError(
            reader.where,
            f"the column {links.quaternions} holds no rotations: {error}",
            allowed="unit quaternions",
        ) from error
    poses[..., :3, 3] = places * (1e-3 if links.unit == "mm" else 1.0)
    arms = []
    for arm in description.arms:
        if not arm.links:
            raise RecipeError(
                f"arm {arm.name}",
                "names no links, and no model says how they hang together",
                allowed=f"end effector to base, of {', '.join(links.names)}",
            )
        arms.append(Arm(arm.name, arm.links, _opening(reader, arm.gripper, len(places))))
    joints = description.joints
    values = {n: v for columns in joints for n, v in _joint_values(reader, columns).items()}
    return Robot(
        joint_names=tuple(values),
        joint_positions=np.stack(list(values.values()), axis=1)
        if values
        else np.zeros((len(places), 0)),
        link_names=links.names,
        link_poses=poses,
        gripper=arms[0].gripper if len(arms) == 1 else np.full(len(places), np.nan),
        arms=tuple(arms),
    )


def _opening(reader: _Columns, gripper: Gripper | None, count: int) -> Float[np.ndarray, "t"]:
    """Return how far a gripper is open, 0 to 1; NaN where nothing says so."""
    if gripper is None:
        return np.full(count, np.nan)
    found = reader.take(gripper.column, gripper.at, 1, "the gripper")[:, 0]
    share = (found - gripper.closed) / (gripper.open - gripper.closed)
    return np.clip(share, 0.0, 1.0)


def _recorded(reader: _Columns, check: Check, base: Float[np.ndarray, "4 4"]) -> Recorded:
    places = reader.take(check.position, check.at, 3, f"the place of {check.link}")
    places = places * (1e-3 if check.unit == "mm" else 1.0)
    turns = None
    if check.rotation is not None and check.form is not None:
        width = 4 if check.form.startswith("quaternion") else 3
        found = reader.take(
            check.rotation, check.rotation_at, width, f"the orientation of {check.link}"
        )
        turns = rotations_of(found, check.form)
    if check.frame == "base":
        places = places @ base[:3, :3].T + base[:3, 3]
        turns = None if turns is None else base[:3, :3] @ turns
    return Recorded(
        check.link,
        places,
        turns,
        check.tolerance_mm,
        check.tolerance_degrees,
        np.array(check.offset),
    )


def _camera(clip: Clip, described: CameraDescription, robot: Robot | None, file: Path) -> Camera:
    pose = np.array(described.pose, np.float64)
    if described.axes == "opengl":
        pose = _OPENGL @ pose if described.direction == "world_to_camera" else pose @ _OPENGL
    if described.direction == "world_to_camera":
        world_to_camera = np.tile(pose, (clip.num_frames, 1, 1))
    elif described.link is None:
        world_to_camera = np.tile(np.linalg.inv(pose), (clip.num_frames, 1, 1))
    else:
        if robot is None or described.link not in robot.link_names:
            raise RecipeError(
                file,
                f"a camera hangs from the link {described.link!r}",
                allowed=", ".join(robot.link_names) if robot else "a robot with link poses",
            )
        borne = robot.poses_of((described.link,))[:, 0] @ pose
        world_to_camera = np.asarray(np.linalg.inv(borne), np.float64)
    width, height = described.size
    if abs(clip.width * height - clip.height * width) > 0.01 * clip.width * height:
        raise RecipeError(
            file,
            f"describes a camera of {width}x{height}, the pictures are {clip.width}x{clip.height}",
            allowed="a size of the same shape: nothing says whether pictures were cut or squeezed",
            way_out="state the lens of the pictures as they are",
        )
    if described.intrinsics is not None:
        fx, fy, cx, cy = described.intrinsics
        lens = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    else:
        focal = 0.5 * height / np.tan(np.radians(float(described.fov_down or 0)) / 2)
        lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    lens = np.diag([clip.width / width, clip.height / height, 1.0]) @ lens
    try:
        return Camera(
            np.tile(lens, (clip.num_frames, 1, 1)), world_to_camera, np.array([0.0, 0.0, 1.0])
        )
    except ValueError as error:
        raise RecipeError(file, f"a camera is none: {error}") from error
