"""The task of bench/policy: it begins the same way twice, and the expert alone solves it."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium_robotics")
sys.path.append(str(Path(__file__).parents[1]))

from bench.policy.env import HORIZON, open_env
from bench.policy.expert import demonstrate
from bench.policy.scene import random_layout


def test_expert_picks_up_the_cube_and_standing_still_does_not():
    with open_env(camera=False) as env:
        once, again = demonstrate(env, 3), demonstrate(env, 3)
        assert once.succeeded
        assert len(once.states) < HORIZON
        np.testing.assert_array_equal(once.states, again.states)
        np.testing.assert_array_equal(once.actions, again.actions)

        env.reset(random_layout(np.random.default_rng(0)))
        stay = np.array([*env.target, 1.0])
        while not env.failed:
            env.step(stay)
        assert not env.succeeded


def test_a_shift_is_the_same_for_a_seed_changes_no_physics_and_can_be_undone():
    with open_env(camera=False) as env:
        fields = ("mat_rgba", "light_dir", "light_diffuse", "tex_data", "body_pos")
        plain = {name: getattr(env.model, name).copy() for name in fields}
        places = env.model.geom_size.copy(), env.model.geom_friction.copy()
        for name in ("none", "light", "colour"):
            env.appearance.shift(name, 5)
            once = {field: getattr(env.model, field).copy() for field in fields}
            env.appearance.shift(name, 5)
            changed = [f for f in fields if not np.array_equal(plain[f], once[f])]
            assert all(np.array_equal(getattr(env.model, f), once[f]) for f in fields)
            assert bool(changed) == (name != "none")
        env.appearance.restore()
        assert all(np.array_equal(getattr(env.model, f), plain[f]) for f in fields)
        assert np.array_equal(env.model.geom_size, places[0])
        assert np.array_equal(env.model.geom_friction, places[1])
