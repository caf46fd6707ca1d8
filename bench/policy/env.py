"""The task in the tabletop scene: position servos, and inverse kinematics with the tool down."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from bench.policy.camera import SceneCamera, open_camera, shrink
from bench.policy.scene import (
    BYSTANDERS,
    CAMERA,
    FILL,
    LAMP,
    TABLE_TOP,
    TIMESTEP,
    Layout,
    build_scene,
)
from bench.policy.shifts import Appearance, Parts
from bench.policy.task import HIGH, HORIZON, LIFTED, LOW, MOST, RATE, Observation
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.tabletop._franka import ARM_JOINTS, FINGER_JOINTS, LINKS, OPEN, PREFIX, TOOL
from simlift.simulators.tabletop._inverse_kinematics import Arm, pointing_down

SUBSTEPS = round(1 / RATE / TIMESTEP)
HOME = (0.0, -0.30, 0.0, -2.2, 0.0, 1.9, 0.0)
KEPT = frozenset({"robot", "mount", "block"})


@dataclass(eq=False)
class PickCube:
    """One model and its state; `open_env` opens it with its camera."""

    model: "mujoco.MjModel"
    camera: SceneCamera | None
    appearance: Appearance
    kept: frozenset[str] = KEPT
    view: str = CAMERA
    robot: frozenset[int] = field(init=False)
    data: "mujoco.MjData" = field(init=False)
    target: Float[np.ndarray, "3"] = field(init=False)  # of the tool, where it was sent last
    opening: float = field(init=False, default=1.0)  # of the fingers, as commanded
    steps: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        model = self.model
        self.robot = frozenset(model.body(name).id for name in LINKS)
        self.data, self._scratch = mujoco.MjData(model), mujoco.MjData(model)
        joints = [model.joint(name) for name in ARM_JOINTS]
        self._arm = Arm(
            model=model,
            tool=model.site(TOOL).id,
            positions=[int(joint.qposadr[0]) for joint in joints],
            velocities=[int(joint.dofadr[0]) for joint in joints],
            limits=np.array([joint.range for joint in joints]),
        )
        self._fingers = [int(model.joint(name).qposadr[0]) for name in FINGER_JOINTS]
        self._servos = [model.actuator(name).id for name in (*ARM_JOINTS, *FINGER_JOINTS)]
        self._cube_body = model.body("block/cube").id
        self._cube_joint = int(model.body("block/cube").jntadr[0])

    def reset(self, layout: Layout) -> None:
        """Begin an episode from a layout, everything at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self.target = np.array([layout.tool[0], layout.tool[1], TABLE_TOP + layout.tool[2]])
        self.opening, self.steps = 1.0, 0
        rest = np.array(HOME)
        self._scratch.qpos[:] = self.data.qpos
        self._scratch.qpos[self._arm.positions] = rest
        joints = self._solve()
        self.data.qpos[self._arm.positions] = joints
        self.data.qpos[self._fingers] = OPEN
        start = int(self.model.jnt_qposadr[self._cube_joint])
        half = layout.cube_yaw / 2
        self.data.qpos[start : start + 2] = layout.cube
        self.data.qpos[start + 3 : start + 7] = np.cos(half), 0, 0, np.sin(half)
        self._command(joints, 1.0)
        for _ in range(2 * SUBSTEPS):
            mujoco.mj_step(self.model, self.data)
        self.data.time = 0.0
        self._rest = float(self.cube[2])

    def step(self, action: Float[np.ndarray, "4"]) -> None:
        """Send the tool towards the action's place, and simulate a tenth of a second."""
        towards = np.clip(action[:3] - self.target, -MOST, MOST)
        self.target = (self.target + towards).clip(LOW, HIGH)
        before, opened = self._joints, self.opening
        self._joints, self.opening = self._solve(), float(np.clip(action[3], 0.0, 1.0))
        for substep in range(SUBSTEPS):
            share = (substep + 1) / SUBSTEPS
            joints = before + share * (self._joints - before)
            self._command(joints, opened + share * (self.opening - opened))
            mujoco.mj_step(self.model, self.data)
        mujoco.mj_kinematics(self.model, self.data)
        self.steps += 1

    def observe(self) -> Observation:
        """Draw the picture that the policy sees; ValueError without a camera."""
        if self.camera is None:
            raise ValueError("the environment was opened without a camera")
        return Observation(shrink(self.camera.picture(self.data)), self.proprioception)

    @property
    def proprioception(self) -> Float[np.ndarray, "4"]:
        """Where the tool was sent, in metres, and how far the fingers are open."""
        gap = self.data.qpos[self._fingers].mean() / OPEN
        return np.array([*self.target, float(gap)])

    @property
    def cube(self) -> Float[np.ndarray, "3"]:
        """The cube's position in metres."""
        return self.data.xpos[self._cube_body].copy()

    @property
    def succeeded(self) -> bool:
        """Whether the cube is lifted now."""
        return bool(self.cube[2] - self._rest > LIFTED)

    @property
    def failed(self) -> bool:
        """Whether time is over."""
        return self.steps >= HORIZON and not self.succeeded

    def _solve(self) -> Float[np.ndarray, "7"]:
        joints = self._arm.solve(self._scratch, self.target, pointing_down(0.0), np.array(HOME))
        self._joints = joints
        return joints

    def _command(self, joints: Float[np.ndarray, "7"], opening: float) -> None:
        self.data.ctrl[self._servos] = [*joints, OPEN * opening, OPEN * opening]


@contextmanager
def open_env(*, camera: bool = True) -> Iterator[PickCube]:
    """Build the scene and open its camera, unless nothing is to be seen."""
    model = build_scene()
    appearance = Appearance(model, parts_of(model))
    if not camera:
        yield PickCube(model, None, appearance)
        return
    with open_camera(model, CAMERA) as opened:
        yield PickCube(model, opened, appearance)


def parts_of(model: "mujoco.MjModel") -> Parts:
    """Name what a shift changes in the tabletop scene."""
    return Parts(
        table=("table", "mat"),
        room=("floor", "back_wall", "left_wall"),
        cube="cube",
        shell=(f"{PREFIX}white",),
        lamp=model.light(LAMP).id,
        fill=model.light(FILL).id,
        centre=(0.45, 0.0, 0.85),
        bystanders=BYSTANDERS,
    )
