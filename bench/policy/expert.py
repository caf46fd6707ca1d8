"""Script the task, and record demonstrations with noise in what is executed.

The expert is a feedback law of the true state, so what it answers to a disturbed state is a right
label. Noise is injected into executed actions and never into labels (DART, Laskey et al. 2017), so
that demonstrations show how to come back.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bench.policy.scene import CUBE, TABLE_TOP, random_layout
from bench.policy.task import MOST, Task
from simlift.simulators.mujoco._episode import save_state

NOISE = 0.010  # metres, the deviation of what is added to an executed step
NOISY = 0.4  # share of the steps that are disturbed
_GRASP = TABLE_TOP + CUBE  # height of the tool when it grasps
_HELD, _EMPTY = 0.62, 0.35  # opening of fingers that hold the cube; of fingers that hold nothing


@dataclass(eq=False)
class Expert:
    """Come over the cube, go down while staying over it, close, lift."""

    closing: bool = False

    def act(self, env: Task) -> Float[np.ndarray, "4"]:
        """Return the action for the state that the environment is in."""
        cube, tool = env.cube, env.target
        opening = float(env.proprioception[3])
        offset = cube[:2] - tool[:2]
        distance = float(np.linalg.norm(offset))
        if self.closing and (opening < _EMPTY or distance > 0.04):
            self.closing = False  # it slipped away: open, and begin again
        if not self.closing and opening > 0.9:
            self.closing = bool(distance < 0.006 and abs(tool[2] - _GRASP) < 0.006)
        if self.closing:
            held = opening < _HELD
            return np.array([*tool[:2], tool[2] + (MOST if held else 0.0), 0.0])
        # A funnel: no lower than three times as far away as the tool is beside the cube.
        height = _GRASP + float(np.clip(3 * (distance - 0.008), 0.0, 0.12))
        if opening < 0.9:
            height = float(tool[2])
        step = np.array([*offset, height - tool[2]])
        step[:2] *= min(1.0, MOST / max(float(np.abs(step[:2]).max()), 1e-9))
        return np.array([*(tool + step.clip(-MOST, MOST)), 1.0])


@dataclass(frozen=True, eq=False)
class Demonstration:
    """The states [t n] of the simulator, what the robot felt [t 4], and what was right [t 4]."""

    states: Float[np.ndarray, "t n"]
    proprioception: Float[np.ndarray, "t 4"]
    actions: Float[np.ndarray, "t 4"]
    succeeded: bool


def demonstrate(env: Task, seed: int, *, noise: float = NOISE) -> Demonstration:
    """Run one episode of the seed; three steps more after success, so that lifting goes on."""
    rng = np.random.default_rng((seed, 1))
    env.reset(random_layout(np.random.default_rng((seed, 0))))
    expert = Expert()
    states, felt, actions = [], [], []
    more = 3
    while not env.failed and more:
        action = expert.act(env)
        states.append(save_state(env.model, env.data))
        felt.append(env.proprioception)
        actions.append(action)
        executed = action.copy()
        if not expert.closing and rng.random() < NOISY:
            executed[:3] += rng.normal(0, noise, 3)
        env.step(executed)
        more -= env.succeeded
    return Demonstration(np.array(states), np.array(felt), np.array(actions), env.succeeded)
