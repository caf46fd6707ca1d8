"""Plan a lift before it runs: stages, frames, memory, disk, time."""

import shutil
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import RunError
from simlift.core.layers import Layer
from simlift.core.protocols import Counted, EngineSpec, Stage, Unmeasured
from simlift.core.recipe import Recipe
from simlift.passes.agreement import first_of_each, require_agreement, what_stands_for
from simlift.passes.lift_windows import LiftJob

# Bits for a pixel of an H.264 take at CRF 14: noisy takes of the shipped episodes need 1.2 to 1.6.
_BITS_PER_PIXEL = 1.8
_WORKING_ARRAYS = 16  # float32 colour images that one frame passes through or leaves behind
_BASE_BYTES = 250 << 20  # interpreter, libraries, codecs
_SCENE_BYTES = 400_000_000  # voxels, probes and meshes of a scene that a clip carries


@dataclass(frozen=True)
class ClipPlan:
    """What lifting one clip under one variant will do and cost.

    all_frames: those of every clip that this one stands for, itself among them: the episodes of a
    dataset that one camera saw. They have one size, so that disk and time grow with their frames.
    """

    clip: str
    variant: str
    num_frames: int
    all_frames: int
    stages: tuple[Stage, ...]
    memory_bytes: int
    disk_bytes: int
    seconds: float | None  # None where it was not measured
    basis: str  # what seconds rest on

    @property
    def times(self) -> float:
        """How often its cost is paid in all."""
        return self.all_frames / self.num_frames


def plan_lift(
    clips: Sequence[Clip], recipe: Recipe, *, measure: bool = True, device: str = "cpu"
) -> list[ClipPlan]:
    """Plan every clip and variant, the episodes of a dataset by the first that each camera saw.

    InputError for whatever a run would refuse.
    """
    firsts = first_of_each(clips)
    frames = Counter[Hashable]()
    for clip in clips:
        frames[what_stands_for(clip)] += clip.num_frames
    return [
        replace(
            plan_clip(clip, variant.name, spec, recipe.window, measure=measure, device=device),
            all_frames=frames[what_stands_for(first)],
        )
        for first, clip in zip(firsts, require_agreement(firsts), strict=True)
        for variant, spec in ((v, recipe.spec_for(v, clip.group)) for v in recipe.variants)
    ]


def plan_clip(
    clip: Clip,
    variant: str,
    spec: EngineSpec,
    window: int | None = None,
    *,
    measure: bool = True,
    device: str = "cpu",
) -> ClipPlan:
    """Plan one clip under one engine; `window` are its frames where the engine leaves it open."""
    stages = spec.check(clip)
    memory = _memory(clip, window or spec.window_size().frames)
    seconds, basis = None, ""
    if isinstance(spec, Counted):
        cost = spec.cost(clip)
        memory += cost.memory_bytes
        basis = f"{cost.forwards} forwards of {cost.tokens} tokens"
        if measure:
            seconds = cost.operations / _rate(device, spec)
            basis += ", at the rate of this device's matrix products: no run is faster"
    elif isinstance(spec, Unmeasured):
        basis = spec.effort(clip)
    elif measure:
        seconds, basis = _measure(clip, spec, device) * clip.num_frames, "two frames"
    return ClipPlan(
        clip=clip.name,
        variant=variant,
        num_frames=clip.num_frames,
        all_frames=clip.num_frames,
        stages=stages,
        memory_bytes=memory,
        disk_bytes=_disk(clip),
        seconds=seconds,
        basis=basis,
    )


def plan_copy(clip: Clip, variant: str, stages: tuple[Stage, ...]) -> ClipPlan:
    """Plan what only reads a clip and codes it again; nothing is measured."""
    return ClipPlan(
        clip=clip.name,
        variant=variant,
        num_frames=clip.num_frames,
        all_frames=clip.num_frames,
        stages=stages,
        memory_bytes=_memory(clip, 1),
        disk_bytes=_disk(clip),
        seconds=None,
        basis="time is not known before: frames are read, judged and coded",
    )


def check_disk(jobs: Sequence[LiftJob], out: Path) -> None:
    """Raise RunError when the takes will not fit on the disk."""
    needed = sum(_disk(job.clip) * len(job.variants) for job in jobs)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise RunError(
            out,
            f"{free / 1e9:.2f} GB are free, the takes need about {needed / 1e9:.2f} GB",
            way_out="free space or choose another --out",
        )


def _rate(device: str, spec: EngineSpec) -> float:
    from simlift.models.wan import _matmul_rate

    return _matmul_rate.matmul_rate(device, getattr(spec, "dtype", "float32"))


def _measure(clip: Clip, spec: EngineSpec, device: str) -> float:
    """Return seconds for one frame, without coding, from lifting two."""
    indices = range(min(2, clip.num_frames))
    with clip.open(spec.needs() | spec.uses()) as reader, spec.open(device) as engine:
        sample = sample_clip(reader)
        engine.lift(reader.window([0]), sample=sample, previous=None, seed=0)
        begun = time.perf_counter()
        engine.lift(reader.window(indices), sample=sample, previous=None, seed=0)
        return (time.perf_counter() - begun) / len(indices)


def _memory(clip: Clip, frames: int) -> int:
    pixels = clip.height * clip.width
    bytes_read = sum(12 if s.layer in (Layer.NORMALS,) else 4 for s in clip.layers)
    base = _BASE_BYTES + (_SCENE_BYTES if clip.scene is not None else 0)
    return base + pixels * (frames * (bytes_read + 19) + _WORKING_ARRAYS * 12)


def _disk(clip: Clip) -> int:
    return int(clip.num_frames * clip.height * clip.width * _BITS_PER_PIXEL / 8)
