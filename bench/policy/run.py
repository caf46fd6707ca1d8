"""Fill a folder with what the table is made of; what is there is kept, so that it can be killed.

<out>/settings.json                 what decides the numbers; a folder of others is refused
<out>/cells/<arm>-<seed>/policy.pt  a trained policy, and in training.json how it went
<out>/cells/<arm>-<seed>/<test>.json   its episodes under a shift
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from bench.policy.augment import make_textures
from bench.policy.dataset import make_lifted, make_steps
from bench.policy.evaluate import Trial, run_trials
from bench.policy.network import Policy
from bench.policy.shifts import SHIFTS
from bench.policy.task import Task, open_task
from bench.policy.traced import Twins, aim_errors, make_twins
from bench.policy.train import ARMS, Pictures, Training, train


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a folder."""

    task: str = "tabletop"
    demonstrations: int = 120
    looks: int = 2  # of each demonstration
    trials: int = 20  # episodes of every policy under every shift
    traced_episodes: int = 8
    samples: int = 16  # paths for each pixel of a traced frame
    training: Training = field(default_factory=Training)
    photos: str | None = None  # a folder, for chroma keying


QUICK = Settings(
    demonstrations=2, looks=1, trials=2, traced_episodes=1, samples=1, training=Training(steps=20)
)
AIM = "aim"  # the open-loop test on rendered and path-traced twins of the same frames
TESTS = (*SHIFTS, AIM)


def begin(out: Path, settings: Settings) -> None:
    """Write the settings of a folder; ValueError where it has others."""
    path = out / "settings.json"
    text = json.dumps(asdict(settings), indent=1)
    if not path.exists():
        _write(path, text)
    elif json.loads(path.read_text()) != asdict(settings):
        raise ValueError(f"{path} has other settings; name another --out, or remove the folder")


def fill(
    out: Path,
    settings: Settings,
    arms: Sequence[str],
    seeds: Iterable[int],
    tests: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Make the demonstrations, then every cell that is not there yet, seed by seed."""
    begin(out, settings)
    steps = make_steps(out, settings.task, settings.demonstrations, say)
    lifted = None
    if any(ARMS[arm].lifted for arm in arms):
        lifted = make_lifted(out, steps, settings.looks, say)
    photos = Path(settings.photos) if settings.photos else None
    pictures = Pictures(steps, lifted, make_textures(photos))
    twins = None
    if AIM in tests:
        twins = make_twins(out, settings.task, settings.traced_episodes, settings.samples, say)
    with open_task(settings.task) as env:
        for seed in seeds:
            for arm in arms:
                cell = cell_of(out, arm, seed)
                policy = _policy(cell, arm, seed, pictures, settings, say)
                for test in tests:
                    _test(cell, policy, test, env, settings.trials, twins, say)


def cell_of(out: Path, arm: str, seed: int) -> Path:
    """Return the folder of an arm and a seed."""
    return out / "cells" / f"{arm}-{seed}"


def read_trials(cell: Path, test: str) -> list[Trial] | None:
    """Return the episodes of a cell under a test, where they were run."""
    path = cell / f"{test}.json"
    if not path.exists():
        return None
    return [Trial(**trial) for trial in json.loads(path.read_text())["trials"]]


def read_aims(cell: Path) -> dict[str, list[float]] | None:
    """Return the aim errors of a cell in millimetres, in rendered and in traced pictures."""
    path = cell / f"{AIM}.json"
    found: dict[str, list[float]] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def _policy(
    cell: Path,
    arm: str,
    seed: int,
    pictures: Pictures,
    settings: Settings,
    say: Callable[[str], None],
) -> Policy:
    weights = cell / "policy.pt"
    if weights.exists():
        policy = Policy()
        policy.load_state_dict(torch.load(weights, weights_only=True))
        return policy.eval()
    policy, measured = train(ARMS[arm], pictures, seed, settings.training)
    _write(cell / "training.json", json.dumps(measured))
    partial = weights.with_suffix(".partial")
    torch.save(policy.state_dict(), partial)
    partial.replace(weights)
    say(f"{cell.name}: trained in {measured['seconds']:.0f} s, loss {measured['loss']:.3f}")
    return policy


def _test(
    cell: Path,
    policy: Policy,
    test: str,
    env: Task,
    count: int,
    twins: Twins | None,
    say: Callable[[str], None],
) -> None:
    path = cell / f"{test}.json"
    if path.exists():
        return
    if test == AIM:
        assert twins is not None
        errors = {
            "rendered": aim_errors(policy, twins.rendered, twins).round(2).tolist(),
            "traced": aim_errors(policy, twins.traced, twins).round(2).tolist(),
        }
        _write(path, json.dumps(errors))
        return
    trials = run_trials(env, policy, test, count)
    _write(path, json.dumps({"trials": [asdict(trial) for trial in trials]}))
    say(f"{cell.name}: {test} {sum(t.succeeded for t in trials)} of {len(trials)}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text + "\n")
    partial.replace(path)
