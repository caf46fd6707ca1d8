"""Measure where a policy aims in path-traced pictures, in open loop.

A traced picture takes seconds, so it is not made in the loop: frames of the expert's own test
episodes are traced once, under environment maps drawn here, which are none of those that lifted
episodes were lit by. The camera that photographs the traced light (exposure, film curve) is
simlift's, which the lifted arm has met and no other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from bench.policy.camera import shrink
from bench.policy.dataset import ahead_of, record_clip, save_arrays
from bench.policy.evaluate import FIRST_TEST
from bench.policy.expert import demonstrate
from bench.policy.network import Policy
from bench.policy.task import Observation, open_task
from simlift.core.clip import Clip
from simlift.core.clip_sample import sample_clip
from simlift.engines.pathtraced import PathTraced
from simlift.engines.photographic import Look
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.looks.look import Light

STRIDE = 3  # every how many frames one is traced
_ROWS = 64  # of an environment map


@dataclass(frozen=True, eq=False)
class Twins:
    """Frames rendered and traced, with what the robot felt and what the expert did from there."""

    rendered: UInt8[np.ndarray, "n h w 3"]
    traced: UInt8[np.ndarray, "n h w 3"]
    proprioception: Float[np.ndarray, "n 4"]
    chunks: Float[np.ndarray, "n c 4"]


def make_twins(
    out: Path, task: str, episodes: int, samples: int, say: Callable[[str], None]
) -> Twins:
    """Trace frames of test episodes, each under a light of its own, unless they are there."""
    folder = out / "traced"
    for number in range(episodes):
        if not (path := folder / f"{number}.npz").exists():
            save_arrays(path, _twins_of(folder, task, number, samples))
            say(f"traced {number + 1} of {episodes} episodes")
    stored = [np.load(folder / f"{number}.npz") for number in range(episodes)]
    names = Twins.__dataclass_fields__
    return Twins(**{name: np.concatenate([part[name] for part in stored]) for name in names})


def _twins_of(folder: Path, task: str, number: int, samples: int) -> dict[str, np.ndarray]:
    with open_task(task) as env:
        demonstration = demonstrate(env, FIRST_TEST + number, noise=0.0)
        clip = record_clip(env, demonstration, folder / f"clip_{number}")
    light = folder / f"light_{number}.hdr"
    if not cv2.imwrite(str(light), draw_environment(np.random.default_rng((number, 3)))):
        raise OSError(f"{light} could not be written")
    look = Look(light=Light(environment=str(light)), optics=Optics(shutter=0.0))
    chosen = np.arange(0, clip.num_frames, STRIDE)
    rendered, traced = _trace(clip, PathTraced(look, samples=samples), chosen)
    actions = demonstration.actions
    return {
        "rendered": rendered,
        "traced": traced,
        "proprioception": demonstration.proprioception[chosen],
        "chunks": actions[ahead_of(len(actions))][chosen],
    }


def _trace(
    clip: Clip, spec: PathTraced, chosen: np.ndarray
) -> tuple[UInt8[np.ndarray, "n h w 3"], UInt8[np.ndarray, "n h w 3"]]:
    spec.check(clip)
    rendered, traced = [], []
    with clip.open(spec.needs() | spec.uses()) as reader, spec.open("cpu") as engine:
        sample = sample_clip(reader)
        for index in chosen.tolist():
            window = reader.window([index])
            made = engine.lift(window, sample=sample, previous=None, seed=0)
            rendered.append(shrink(window.rgb[0]))
            traced.append(shrink(made[0]))
    return np.stack(rendered), np.stack(traced)


def draw_environment(rng: np.random.Generator) -> Float32[np.ndarray, "h w 3"]:
    """Draw an equirectangular map: a dim surrounding, and one to three coloured soft boxes above
    the horizon."""
    polar = (np.arange(_ROWS)[:, None] + 0.5) / _ROWS * np.pi
    azimuth = (np.arange(2 * _ROWS)[None] + 0.5) / _ROWS * np.pi
    x, y = np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth)
    directions = np.stack([x, y, np.cos(polar) + 0 * azimuth], axis=-1)
    radiance = rng.uniform(0.1, 0.5) * rng.uniform(0.7, 1.3, 3) * np.ones((_ROWS, 2 * _ROWS, 1))
    for _ in range(int(rng.integers(1, 4))):
        around, up = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(20, 75))
        towards = [np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)]
        lobe = np.exp(rng.uniform(15, 120) * (directions @ towards - 1))
        radiance = radiance + rng.uniform(4, 20) * lobe[..., None] * rng.uniform(0.6, 1.0, 3)
    return radiance.astype(np.float32)


def aim_errors(
    policy: Policy, pictures: UInt8[np.ndarray, "n h w 3"], twins: Twins
) -> Float[np.ndarray, "n"]:
    """Return how far, in millimetres over the table, the end of the policy's chunk lies from the
    end of the expert's: where the policy takes the cube to be."""
    aims = [
        policy.act(Observation(picture, felt))[-1, :2]
        for picture, felt in zip(pictures, twins.proprioception, strict=True)
    ]
    return 1000 * np.linalg.norm(np.array(aims) - twins.chunks[:, -1, :2], axis=1)
