"""Run a policy in the loop under shifts, on layouts that no demonstration had."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.policy.network import Policy
from bench.policy.scene import random_layout
from bench.policy.task import Observation, Task

EXECUTED = 4  # actions of a chunk that are carried out before the policy looks again
FIRST_TEST = 1_000_000  # the seed of the first test layout; demonstrations have 0, 1, ...


@dataclass(frozen=True)
class Trial:
    """One episode: whether it succeeded, and after how many steps it ended."""

    succeeded: bool
    steps: int


def run_trials(env: Task, policy: Policy, shift: str, count: int) -> list[Trial]:
    """Run `count` episodes under a shift; every policy meets the same layouts and appearances."""
    trials = []
    for number in range(count):
        seed = FIRST_TEST + number
        env.appearance.shift(shift, seed)
        if env.camera is not None:
            env.camera.upload_textures()
        env.reset(random_layout(np.random.default_rng(seed)))
        trials.append(run_episode(env, policy, env.observe))
    return trials


def run_episode(env: Task, policy: Policy, observe: Callable[[], Observation]) -> Trial:
    """Run one episode from where the environment is, on what `observe` answers."""
    while True:
        for action in policy.act(observe())[:EXECUTED]:
            env.step(action)
            if env.succeeded or env.failed:
                return Trial(env.succeeded, env.steps)
