"""Solve inverse kinematics for tool trajectories made of overlapping minimum-jerk strokes.

A stroke moves the tool by a displacement along a minimum-jerk profile (Flash and Hogan 1985).
Strokes that overlap in time add up, so the tool rounds its corners instead of stopping at them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.simulators.building._meshes import Vector
from simlift.simulators.mujoco._library import mujoco

NUM_ITERATIONS = 60
DAMPING = 1e-4
TOLERANCE = 5e-4  # metres and radians


@dataclass(frozen=True)
class Stroke:
    """A displacement of the tool in metres and of its yaw in radians, between two times."""

    start: float
    end: float
    by: Vector
    yaw: float = 0.0


def minimum_jerk(time: float, start: float, end: float) -> float:
    """Rise from 0 at `start` to 1 at `end`."""
    s = np.clip((time - start) / (end - start), 0.0, 1.0)
    return float(s**3 * (10 - 15 * s + 6 * s * s))


def tool_at(
    time: float, origin: Float[np.ndarray, "3"], strokes: Sequence[Stroke]
) -> tuple[Float[np.ndarray, "3"], float]:
    """Return the tool's position and yaw at a time."""
    done = [minimum_jerk(time, stroke.start, stroke.end) for stroke in strokes]
    position = origin + sum(
        part * np.array(stroke.by) for part, stroke in zip(done, strokes, strict=True)
    )
    return position, sum(part * stroke.yaw for part, stroke in zip(done, strokes, strict=True))


def pointing_down(yaw: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation of a tool that looks down, its fingers closing along +y at yaw 0."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]])


@dataclass(frozen=True, eq=False)
class Arm:
    """The joints that carry a tool; solves for them by damped least squares."""

    model: "mujoco.MjModel"
    tool: int
    positions: Sequence[int]  # addresses in qpos
    velocities: Sequence[int]  # addresses in qvel
    limits: Float[np.ndarray, "j 2"]

    def solve(
        self,
        data: "mujoco.MjData",
        position: Float[np.ndarray, "3"],
        rotation: Float[np.ndarray, "3 3"],
        rest: Float[np.ndarray, "j"],
    ) -> Float[np.ndarray, "j"]:
        """Move `data` to the tool pose, from the joints it has, and return the joints.

        What the pose leaves free is drawn towards `rest`.
        """
        jacobian = np.zeros((6, self.model.nv))
        error = np.full(6, np.inf)
        for _ in range(NUM_ITERATIONS):
            mujoco.mj_kinematics(self.model, data)
            mujoco.mj_comPos(self.model, data)
            error = self._error(data, position, rotation)
            if np.abs(error).max() < TOLERANCE:
                return data.qpos[self.positions].copy()
            mujoco.mj_jacSite(self.model, data, jacobian[:3], jacobian[3:], self.tool)
            j = jacobian[:, self.velocities]
            inverse = j.T @ np.linalg.inv(j @ j.T + DAMPING * np.eye(6))
            free = np.eye(len(rest)) - inverse @ j
            step = inverse @ error + 0.05 * free @ (rest - data.qpos[self.positions])
            joints = data.qpos[self.positions] + step.clip(-0.3, 0.3)
            data.qpos[self.positions] = joints.clip(self.limits[:, 0], self.limits[:, 1])
        raise ArithmeticError(
            f"the arm cannot reach {np.round(position, 3)}: off by {np.abs(error).max():.3g}"
        )

    def _error(
        self,
        data: "mujoco.MjData",
        position: Float[np.ndarray, "3"],
        rotation: Float[np.ndarray, "3 3"],
    ) -> Float[np.ndarray, "6"]:
        current = data.site_xmat[self.tool].reshape(3, 3)
        turn, axis = np.empty(4), np.empty(3)
        mujoco.mju_mat2Quat(turn, (rotation @ current.T).ravel())
        mujoco.mju_quat2Vel(axis, turn, 1.0)
        return np.concatenate([position - data.site_xpos[self.tool], axis])
