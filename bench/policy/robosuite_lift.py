"""The task in robosuite's Lift (1.5): its Panda, table and cube, under its own OSC_POSE controller.

robosuite 1.5.2 pins MuJoCo 3.3, so it lives in an environment of its own, with torch and simlift's
requirements beside it. The cube is placed where the tabletop scene has it, over 20 x 28 cm, and not
by robosuite's sampler, whose 6 x 6 cm a policy that sees nothing serves half of the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from bench.policy.camera import SceneCamera, open_camera, shrink
from bench.policy.scene import CUBE, TABLE_TOP, Layout
from bench.policy.shifts import Appearance, Parts
from bench.policy.task import HIGH, HORIZON, LIFTED, LOW, MOST, RATE, Observation
from simlift.core.errors import MissingLibrary
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.tabletop._franka import OPEN

VIEW = "agentview"
KEPT = frozenset({"robot", "object"})
RIGHT, TOP = -0.56, 0.80  # where robosuite has the robot's foot in x, and the table top
CONTROL = 20  # controller steps a second
REACH = 0.05  # metres that an action of 1 moves the controller's goal
SETTLING = 2.0  # seconds that the arm has to come to where an episode begins
FARTHEST, NEAREST = 6.0, 0.05  # metres, of the clipping planes; robosuite's are 500 m apart
# From the frame of the tabletop scene to robosuite's.
SHIFT = np.array([RIGHT, 0.0, TOP - TABLE_TOP])


@dataclass(eq=False)
class RobosuiteLift:
    """robosuite's environment and the raw model and state beneath; `open_lift` opens it."""

    env: Any
    model: "mujoco.MjModel"
    data: "mujoco.MjData"
    camera: SceneCamera | None
    appearance: Appearance
    robot: frozenset[int]
    kept: frozenset[str] = KEPT
    view: str = VIEW
    target: Float[np.ndarray, "3"] = field(init=False)
    steps: int = field(init=False, default=0)

    def reset(self, layout: Layout) -> None:
        """Begin an episode from a layout: place the cube, lead the tool there, and let it rest."""
        self.env.reset()
        half = layout.cube_yaw / 2
        place = np.array([*layout.cube, TABLE_TOP + CUBE + 0.003]) + SHIFT
        joint = self.env.cube.joints[0]
        pose = np.concatenate([place, [np.cos(half), 0, 0, np.sin(half)]])
        self.env.sim.data.set_joint_qpos(joint, pose)
        self.env.sim.forward()
        self.target = np.array([layout.tool[0], layout.tool[1], TABLE_TOP + layout.tool[2]])
        for _ in range(round(SETTLING * CONTROL)):
            self._control(1.0)
        self.steps, self._rest = 0, float(self.cube[2])

    def step(self, action: Float[np.ndarray, "4"]) -> None:
        """Send the tool towards the action's place, and simulate a tenth of a second."""
        towards = np.clip(action[:3] - self.target, -MOST, MOST)
        self.target = (self.target + towards).clip(LOW, HIGH)
        for _ in range(CONTROL // RATE):
            self._control(float(action[3]))
        self.steps += 1

    def observe(self) -> Observation:
        """Draw the picture that the policy sees; ValueError without a camera."""
        if self.camera is None:
            raise ValueError("the environment was opened without a camera")
        return Observation(shrink(self.camera.picture(self.data)), self.proprioception)

    @property
    def proprioception(self) -> Float[np.ndarray, "4"]:
        """Where the tool was sent, in metres, and how far the fingers are open."""
        fingers = [self.data.joint(f"gripper0_right_finger_joint{k}").qpos[0] for k in (1, 2)]
        return np.array([*self.target, float(np.abs(fingers).mean() / OPEN)])

    @property
    def cube(self) -> Float[np.ndarray, "3"]:
        """The cube's position in metres, from the robot's foot."""
        return self.data.body("cube_main").xpos - SHIFT

    @property
    def succeeded(self) -> bool:
        """Whether the cube is lifted now."""
        return bool(self.cube[2] - self._rest > LIFTED)

    @property
    def failed(self) -> bool:
        """Whether time is over."""
        return self.steps >= HORIZON and not self.succeeded

    def _control(self, opening: float) -> None:
        tool = self.data.site("gripper0_right_grip_site").xpos - SHIFT
        move = np.clip((self.target - tool) / REACH, -1, 1)
        # The gripper opens at -1 and closes at 1.
        self.env.step(np.array([*move, 0.0, 0.0, 0.0, 1 - 2 * opening]))


@contextmanager
def open_lift(*, camera: bool = True) -> Iterator[RobosuiteLift]:
    """Build robosuite's Lift; MissingLibrary where it is not installed."""
    try:
        import robosuite
    except ImportError as error:
        raise MissingLibrary("robosuite==1.5.2", "the Lift task", "record") from error

    env = robosuite.make(
        "Lift",
        robots="Panda",
        initialization_noise=None,
        has_renderer=False,
        has_offscreen_renderer=False,
        use_camera_obs=False,
        control_freq=CONTROL,
        hard_reset=False,
        ignore_done=True,
        seed=0,
    )
    env.reset()
    model, data = env.sim.model._model, env.sim.data._data
    # robosuite hides collision geoms (group 0) by an option of its viewer; simlift by their group.
    model.geom_group[model.geom_group == 0] = 3
    model.vis.map.zfar = FARTHEST / model.stat.extent
    model.vis.map.znear = NEAREST / model.stat.extent
    names = [model.body(body).name for body in range(model.nbody)]
    robot = frozenset(
        k for k, n in enumerate(names) if n.startswith(("robot0", "gripper0", "fixed_mount0"))
    )
    appearance = Appearance(model, parts_of(model))
    try:
        if not camera:
            yield RobosuiteLift(env, model, data, None, appearance, robot)
            return
        with open_camera(model, VIEW) as opened:
            yield RobosuiteLift(env, model, data, opened, appearance, robot)
    finally:
        env.close()


def parts_of(model: "mujoco.MjModel") -> Parts:
    """Name what a shift changes in robosuite's Lift."""
    bright = [
        model.mat(k).name
        for k in range(model.nmat)
        if model.mat(k).name.startswith("robot0_") and model.mat_rgba[k, :3].min() > 0.7
    ]
    return Parts(
        table=("table_ceramic",),
        room=("floorplane", "walls_mat"),
        cube="cube_redwood_mat",
        shell=tuple(bright),
        lamp=0,
        fill=None,
        centre=(0.0, 0.0, 0.85),
    )
