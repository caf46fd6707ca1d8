"""State what a task offers: a model and its state, an action, an observation, a verdict.

Places are in metres from the robot's foot, in the frame of the tabletop scene, whatever frame the
simulator has, so that one expert and one policy serve every task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float

from bench.policy.camera import Picture, SceneCamera
from bench.policy.scene import TABLE_TOP, Layout
from bench.policy.shifts import Appearance
from simlift.simulators.mujoco._library import mujoco

MOST = 0.03  # metres that the tool is sent along an axis in one step
LIFTED = 0.05  # metres above where it lay, at which the cube is picked up
HORIZON = 40  # steps after which an episode has failed; the expert takes 10 to 22
RATE = 10  # steps a second
LOW = np.array([0.30, -0.24, TABLE_TOP + 0.012])  # where the tool may be sent
HIGH = np.array([0.66, 0.24, TABLE_TOP + 0.30])
ACTIONS, PROPRIOCEPTION = 4, 4
TASKS = ("tabletop", "robosuite-lift")


@dataclass(frozen=True)
class Observation:
    """What the policy gets: a picture, and proprioception [4]: where the tool was sent (x, y, z in
    metres) and the fingers' measured opening, 0 to 1."""

    picture: Picture
    proprioception: Float[np.ndarray, "4"]


class Task(Protocol):
    """Pick up the cube.

    An action sends the tool to a place (x, y, z in metres), by up to `MOST` along each axis in a
    step, and opens (1) or closes (0) the fingers. An episode succeeds when the cube is `LIFTED`
    metres above where it lay.
    """

    model: "mujoco.MjModel"
    data: "mujoco.MjData"
    camera: SceneCamera | None
    appearance: Appearance
    robot: frozenset[int]  # its bodies
    kept: frozenset[str]  # classes that chroma keying leaves as they are
    view: str  # the name of the camera
    target: Float[np.ndarray, "3"]  # of the tool, where it was sent last
    steps: int

    def reset(self, layout: Layout) -> None:
        """Begin an episode from a layout, everything at rest."""
        ...

    def step(self, action: Float[np.ndarray, "4"]) -> None:
        """Send the tool towards the action's place, and simulate a tenth of a second."""
        ...

    def observe(self) -> Observation:
        """Draw the picture that the policy sees; ValueError without a camera."""
        ...

    @property
    def proprioception(self) -> Float[np.ndarray, "4"]:
        """Where the tool was sent, in metres, and how far the fingers are open."""
        ...

    @property
    def cube(self) -> Float[np.ndarray, "3"]:
        """The cube's position in metres."""
        ...

    @property
    def succeeded(self) -> bool:
        """Whether the cube is lifted now."""
        ...

    @property
    def failed(self) -> bool:
        """Whether time is over."""
        ...


@contextmanager
def open_task(name: str, *, camera: bool = True) -> Iterator[Task]:
    """Build a task of `TASKS` and open its camera, unless nothing is to be seen."""
    if name == "tabletop":
        from bench.policy.env import open_env

        with open_env(camera=camera) as env:
            yield env
    else:
        from bench.policy.robosuite_lift import open_lift

        with open_lift(camera=camera) as lift:
            yield lift
