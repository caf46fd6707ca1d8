"""Lift clips under a recipe into the takes of a run, resumable at every take."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Recipe
from simlift.core.run import Run, TakeKey, write_text
from simlift.core.strict_json import dumps
from simlift.engines.photographic import Look
from simlift.passes.agreement import first_of_each, require_agreement
from simlift.passes.lift_windows import LiftJob, lift_clip
from simlift.passes.plan import check_disk
from simlift.passes.provenance import describe_machine
from simlift.scale.processes import Failure, run_jobs
from simlift.scale.progress import Progress


@dataclass(frozen=True)
class LiftResult:
    """What a lift pass did: takes made now, takes that were there, clips that failed."""

    made: int
    kept: int
    failures: tuple[Failure, ...]


def lift_clips(
    clips: Sequence[Clip],
    recipe: Recipe,
    out: Path,
    *,
    workers: int = 1,
    progress: Progress,
    device: str = "cpu",
    attempt: int = 0,
) -> LiftResult:
    """Fill a run folder; whatever can be refused is refused before the first frame is made.

    Takes that were set apart are made again where `attempt` is their next one. ClipError where the
    layers of a clip contradict each other, unless it was opened with `trust`.
    """
    check_names(clips)
    for clip in require_agreement(first_of_each(clips)):
        for variant in recipe.variants:
            spec = recipe.spec_for(variant, clip.group, attempt)
            check_layers(clip, spec.needs())
            spec.check(clip)
    run = Run(out)
    with run.lock():
        run.begin(recipe, describe_machine())
        run.sweep()
        write_looks(recipe, run)
        jobs, kept = plan_jobs(clips, recipe, run, device, attempt)
        check_disk(jobs, out)
        return _execute(run, jobs, kept, workers, progress)


def write_looks(recipe: Recipe, run: Run) -> None:
    """Write every variant's look, to be shared and loaded by `--look`."""
    for variant in recipe.variants:
        look = getattr(variant.engine.load(), "look", None)
        if isinstance(look, Look):
            write_text(run.path / "looks" / f"{variant.name}.json", dumps(look))


def _execute(
    run: Run, jobs: Sequence[LiftJob], kept: int, workers: int, progress: Progress
) -> LiftResult:
    sizes = {job.name: job for job in jobs}
    begun = time.monotonic()

    def finished(name: str, failure: Failure | None) -> None:
        run.record(
            {
                "event": "clip failed" if failure else "clip lifted",
                "clip": name,
                "takes": len(sizes[name].variants),
                "frames": sizes[name].num_frames,
                "seconds_since_start": round(time.monotonic() - begun, 3),
                **({"reason": failure.reason} if failure else {}),
            }
        )

    with progress.task("lift", sum(job.num_frames for job in jobs)) as advance:
        failures = run_jobs(jobs, lift_clip, workers=workers, progress=advance, finished=finished)
    failed = {failure.name for failure in failures}
    made = sum(len(job.variants) for job in jobs if job.name not in failed)
    return LiftResult(made, kept, tuple(failures))


def plan_jobs(
    clips: Sequence[Clip], recipe: Recipe, run: Run, device: str, attempt: int = 0
) -> tuple[list[LiftJob], int]:
    """Return what is still to do at an attempt, and how many takes are there already."""
    jobs, kept, due = [], 0, attempts_due(run)
    for clip in clips:
        todo = []
        for variant in recipe.variants:
            key = TakeKey(clip.name, variant.name)
            if run.take_video(key).exists():
                kept += 1
            elif due.get((clip.group, variant.name), 0) == attempt:
                todo.append(variant)
        if todo:
            jobs.append(LiftJob(clip, run, recipe, tuple(todo), device, attempt))
    return jobs, kept


def attempts_due(run: Run) -> dict[tuple[str, str], int]:
    """Return, for episodes (`Clip.group`) and variants, the attempt that comes or that lies there.

    All cameras of an episode are at the same attempt; what is not named is at its first, 0.
    """
    rejected = run.rejected()
    if not rejected:
        return {}
    due: dict[tuple[str, str], int] = {}
    for name, number in [
        *(((take.group, take.variant), take.attempt) for take in run.takes()),
        *(((take.group, take.variant), take.attempt + 1) for take in rejected),
    ]:
        due[name] = max(due.get(name, 0), number)
    return due


def check_names(clips: Sequence[Clip]) -> None:
    """Raise RunError when two clips would fill the same folder."""
    for name, count in Counter(clip.name for clip in clips).items():
        if count > 1:
            paths = ", ".join(str(c.path) for c in clips if c.name == name)
            raise RunError(
                paths,
                f"{count} clips are named {name!r}",
                allowed="one clip for each name in a run",
                way_out="rename a file or folder, or lift them into different runs",
            )


def check_layers(clip: Clip, needs: frozenset[Layer]) -> None:
    """Raise ClipError when the clip lacks a layer that the engine cannot do without."""
    missing = sorted(layer.value for layer in needs if layer not in clip)
    if missing:
        found = ", ".join(stored.layer.value for stored in clip.layers)
        raise ClipError(
            clip.path, f"the engine needs {', '.join(missing)}", allowed=f"the clip has {found}"
        )
