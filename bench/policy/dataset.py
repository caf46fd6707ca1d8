"""Record demonstrations as clips, lift them with simlift, and keep what policies are trained on.

    <out>/demos.npz          pictures, masks, proprioception and action chunks of every step
    <out>/clips/demo_000/    each demonstration as a native clip
    <out>/lifted/            the run that lifts them
    <out>/lifted.npz         its pictures, made as small as the policy sees them

Each file appears when it is whole, so that a killed recording goes on where it was.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from bench.policy.camera import RENDERED, SEEN, shrink
from bench.policy.expert import Demonstration, demonstrate
from bench.policy.task import RATE, Task, open_task
from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, TakeKey
from simlift.engines.photographic import Photographic
from simlift.engines.photographic.looks.drawn import DrawnLook
from simlift.passes.lift import lift_clips
from simlift.scale.progress import Silent
from simlift.simulators.mujoco._episode import STATE, Episode, fixed_camera
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._segments import Segments, segments_of
from simlift.simulators.record import record
from simlift.simulators.recording import Recording
from simlift.sources import open_clip

CHUNK = 8  # actions that the policy foretells
CAPTION = "A white robot arm picks up a red cube from a table."


@dataclass(frozen=True, eq=False)
class Steps:
    """All steps of some demonstrations, one after another."""

    pictures: UInt8[np.ndarray, "n h w 3"]
    background: UInt8[np.ndarray, "n h w"]  # share of a pixel that chroma keying replaces, 255 = 1
    proprioception: Float32[np.ndarray, "n 4"]
    chunks: Float32[np.ndarray, "n c 4"]  # this action and those that follow
    episode: Int[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class _Demonstrated:
    """A demonstration as a scene that simlift's recorder takes."""

    env: Task
    segments: Segments
    demonstration: Demonstration

    def simulate(self, seed: int) -> Recording:
        del seed
        camera = fixed_camera(self.env.model, self.env.view)
        states = self.demonstration.states
        episode = Episode(self.env.model, states, camera, self.segments, RENDERED, RENDERED)
        return episode.recording(RATE, caption=CAPTION)


def record_clip(env: Task, demonstration: Demonstration, folder: Path) -> Clip:
    """Record a demonstration to a native clip with every layer, unless it is there."""
    if not (folder / "clip.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        segments = segments_of(env.model, env.robot)
        record(_Demonstrated(env, segments, demonstration), folder, 0, lambda _: None)
    return open_clip(folder)


def make_steps(out: Path, task: str, count: int, say: Callable[[str], None]) -> Steps:
    """Record `count` demonstrations of seeds 0, 1, ... that succeed, unless they are there."""
    path = out / "demos.npz"
    if not path.exists():
        parts: list[Steps] = []
        with open_task(task) as env:
            seed = 0
            while len(parts) < count:
                demonstration = demonstrate(env, seed)
                seed += 1
                if not demonstration.succeeded:
                    say(f"seed {seed - 1}: the expert failed; left out")
                    continue
                number = len(parts)
                clip = record_clip(env, demonstration, out / "clips" / f"demo_{number:03d}")
                parts.append(_steps(env, clip, demonstration, number))
                if number % 10 == 9:
                    say(f"recorded {number + 1} of {count}")
        names = Steps.__dataclass_fields__
        save_arrays(
            path, {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        )
    with np.load(path) as stored:
        return Steps(**{name: stored[name] for name in Steps.__dataclass_fields__})


def _steps(env: Task, clip: Clip, demonstration: Demonstration, number: int) -> Steps:
    with clip.open({Layer.RGB, Layer.SEGMENTATION}) as reader:
        window = reader.window(range(clip.num_frames))
    pictures = np.stack([shrink(frame) for frame in window.rgb])
    _check_same(env, demonstration, pictures)
    kept = clip.ids_of(env.kept & clip.categories)
    background = ~np.isin(window[Layer.SEGMENTATION], list(kept))
    actions = demonstration.actions
    return Steps(
        pictures=pictures,
        background=np.stack([_share(mask) for mask in background]),
        proprioception=demonstration.proprioception.astype(np.float32),
        chunks=actions[ahead_of(len(actions))].astype(np.float32),
        episode=np.full(len(actions), number, np.int32),
    )


def ahead_of(length: int) -> Int[np.ndarray, "t c"]:
    """Return the steps of each step's chunk; after its end an episode stays as in its last step."""
    return np.minimum(np.arange(length)[:, None] + np.arange(CHUNK), length - 1)


def _check_same(env: Task, demonstration: Demonstration, pictures: np.ndarray) -> None:
    """Raise unless what was recorded is what the environment shows of the same state."""
    assert env.camera is not None
    env.appearance.restore()
    data = mujoco.MjData(env.model)
    mujoco.mj_setState(env.model, data, demonstration.states[0], STATE)
    mujoco.mj_forward(env.model, data)
    shown = shrink(env.camera.picture(data))
    apart = float(np.abs(shown.astype(float) - pictures[0]).mean())
    if apart > 2:
        raise RuntimeError(f"recorded pictures differ from those of the loop by {apart:.1f} codes")


def _share(mask: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    factor = RENDERED // SEEN
    blocks = mask.reshape(SEEN, factor, SEEN, factor).mean(axis=(1, 3))
    return (255 * blocks).round().astype(np.uint8)


def make_lifted(
    out: Path, steps: Steps, looks: int, say: Callable[[str], None]
) -> UInt8[np.ndarray, "k n h w 3"]:
    """Lift every demonstration by the default engine, as `simlift lift --variants K` does: each
    draws looks of its own, and the takes are coded as video."""
    path = out / "lifted.npz"
    if not path.exists():
        count = int(steps.episode.max()) + 1
        clips = [open_clip(out / "clips" / f"demo_{number:03d}") for number in range(count)]
        plain = Plugin.of(Photographic(strict=False))
        variants = tuple(
            Variant(f"look-{k:02d}", Plugin.of(DrawnLook(plain, k))) for k in range(looks)
        )
        run = Run(out / "lifted")
        for number, clip in enumerate(clips):
            result = lift_clips([clip], Recipe(variants), run.path, progress=Silent())
            if result.failures:
                raise RuntimeError(f"{clip.name}: {result.failures[0].reason}")
            if number % 10 == 9:
                say(f"lifted {number + 1} of {count} demonstrations under {looks} looks each")
        takes = [
            np.concatenate([_take(run.take_video(TakeKey(c.name, v.name))) for c in clips])
            for v in variants
        ]
        save_arrays(path, {"pictures": np.stack(takes)})
    with np.load(path) as stored:
        lifted = stored["pictures"]
    if lifted.shape[:2] != (looks, len(steps.episode)):
        raise RuntimeError(
            f"{path} holds {lifted.shape[:2]} looks and steps, not {(looks, len(steps.episode))}: "
            "remove it and the folder beside it"
        )
    return lifted


def _take(video: Path) -> UInt8[np.ndarray, "t h w 3"]:
    clip = open_clip(video)
    with clip.open({Layer.RGB}) as reader:
        window = reader.window(range(clip.num_frames))
    return np.stack([shrink(frame) for frame in window.rgb])


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays; the file appears when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial.npz")
    np.savez_compressed(partial, **arrays)
    partial.replace(path)
