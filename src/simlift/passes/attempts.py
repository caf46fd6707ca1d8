"""Lift, score, set apart what the gate rejects, and try it again with another seed.

    run/rejected/<clip>/<variant>.attempt-<k>.mp4 + .json + .scores.json
    run/yield.json    what came of it
    run/redo.json     the takes that are missing, and why

Whatever is on disk decides how it goes on, so that a killed run resumes. Setting apart moves
several files: what is to be moved is written down first (`rejected/moving.json`), and a move that
was begun is finished by the next start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.recipe import Recipe
from simlift.core.run import Run, ScoreSheet, TakeKey, write_text
from simlift.core.strict_json import dumps, load
from simlift.passes.lift import attempts_due, lift_clips
from simlift.passes.score import score_run
from simlift.scale.processes import Failure
from simlift.scale.progress import Progress


@dataclass(frozen=True)
class Redo:
    """A take that is missing: how often it was tried, and what spoke against the last one."""

    clip: str
    variant: str
    attempts: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Yield:
    """What came of the takes that a run was asked for."""

    attempts: int  # at most, of each take
    asked: int
    accepted: int
    accepted_at: tuple[int, ...]  # at the first attempt, the second, ...
    rejected: int  # takes that were made and set apart, over all attempts
    share: float  # accepted of asked


@dataclass(frozen=True)
class Moving:
    """The takes that are being set apart."""

    keys: tuple[TakeKey, ...]
    attempt: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class AttemptsResult:
    """What was accepted, what is to be redone, and the clips that failed."""

    yielded: Yield
    redo: tuple[Redo, ...]
    failures: tuple[Failure, ...]


def lift_until_accepted(
    clips: Sequence[Clip],
    recipe: Recipe,
    out: Path,
    *,
    attempts: int,
    workers: int = 1,
    progress: Progress,
    device: str = "cpu",
) -> AttemptsResult:
    """Fill a run with takes that the gate accepts, each tried `attempts` times at most.

    All cameras of an episode are tried again together, for they share their look: where one is
    rejected, its fellows are set apart with it. A later call with more attempts goes on.
    """
    if attempts < 1:
        raise RecipeError("--attempts", f"found {attempts}", allowed="at least 1")
    run, failures = Run(out), dict[str, Failure]()
    if (out / "recipe.json").is_file():
        with run.lock():
            _finish_moving(run)
    for attempt in range(attempts):
        lifted = lift_clips(
            clips, recipe, out, workers=workers, progress=progress, device=device, attempt=attempt
        )
        failed = list(lifted.failures)
        if any(run.take_video(key).exists() for key in _keys(clips, recipe)):
            failed += score_run(run, workers=workers, progress=progress, opened=clips)
        failures |= {failure.name: failure for failure in failed}
        with run.lock():
            _set_apart_rejected(run, clips, recipe)
        if not any(number > attempt for number in attempts_due(run).values()):
            break
    result = _summarise(run, clips, recipe, attempts, tuple(failures.values()))
    write_text(out / "yield.json", dumps(result.yielded))
    write_text(out / "redo.json", dumps(result.redo))
    return result


def _keys(clips: Sequence[Clip], recipe: Recipe) -> list[TakeKey]:
    return [TakeKey(clip.name, variant.name) for clip in clips for variant in recipe.variants]


def _set_apart_rejected(run: Run, clips: Sequence[Clip], recipe: Recipe) -> None:
    named = {clip.name for clip in clips}
    takes = {take.key: take for take in run.takes() if take.clip in named}
    for variant in recipe.variants:
        groups: dict[str, list[TakeKey]] = {}
        for key, take in takes.items():
            if take.variant == variant.name:
                groups.setdefault(take.group, []).append(key)
        for keys in groups.values():
            sheets = {key: run.sheet(key) for key in keys}
            bad = [(k, s) for k, s in sheets.items() if s is not None and not s.accepted]
            if bad:
                attempt = takes[bad[0][0]].attempt
                reasons = tuple(f"{k.clip}: {reason}" for k, s in bad for reason in s.reasons)
                moving = Moving(tuple(keys), attempt, reasons)
                write_text(_journal(run), dumps(moving))
                _finish_moving(run)


def _journal(run: Run) -> Path:
    return run.path / "rejected" / "moving.json"


def _finish_moving(run: Run) -> None:
    """Move what is written down to be moved; what was moved already is left."""
    if not _journal(run).exists():
        return
    moving = load(_journal(run), Moving)
    for key in moving.keys:
        # The video goes first, for by it a take is there: none is ever without its provenance.
        parts = {
            ".mp4": run.take_video(key),
            ".scores.json": run.score_file(key),
            ".png": run.take_picture(key),
            ".json": run.take_file(key),
        }
        for suffix, source in parts.items():
            target = run.rejected_file(key, moving.attempt, suffix)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.exists():
                source.replace(target)
    run.record(
        {
            "event": "takes set apart",
            "takes": [str(key) for key in moving.keys],
            "attempt": moving.attempt,
            "reasons": list(moving.reasons),
        }
    )
    _journal(run).unlink()


def _summarise(
    run: Run,
    clips: Sequence[Clip],
    recipe: Recipe,
    attempts: int,
    failures: tuple[Failure, ...],
) -> AttemptsResult:
    due, why = attempts_due(run), {failure.name: failure.reason for failure in failures}
    taken = {take.key: take for take in run.takes()}
    # A run that was tried more often before keeps what came of that.
    most = max((take.attempt + 1 for take in taken.values()), default=0)
    accepted, redo = [0] * max(attempts, most), []
    fellows: dict[str, list[Clip]] = {}
    for clip in clips:
        fellows.setdefault(clip.group, []).append(clip)
    for clip in clips:
        for variant in recipe.variants:
            key = TakeKey(clip.name, variant.name)
            take, sheet = taken.get(key), run.sheet(key)
            if take is not None and sheet is not None and sheet.accepted:
                accepted[take.attempt] += 1
                continue
            tried = due.get((clip.group, variant.name), 0)
            reasons = _reasons(run, fellows[clip.group], key, tried)
            if clip.name in why:
                reasons = (why[clip.name],)
            redo.append(Redo(clip.name, variant.name, tried, reasons))
    asked, total = len(clips) * len(recipe.variants), sum(accepted)
    yielded = Yield(
        attempts, asked, total, tuple(accepted), len(run.rejected()), total / max(asked, 1)
    )
    return AttemptsResult(yielded, tuple(redo), failures)


def _reasons(run: Run, fellows: Sequence[Clip], key: TakeKey, tried: int) -> tuple[str, ...]:
    """Return what spoke against the last attempt: of this camera, or of its fellows."""
    found: list[str] = []
    for clip in fellows:
        file = run.rejected_file(TakeKey(clip.name, key.variant), tried - 1, ".scores.json")
        if file.exists():
            own = clip.name == key.clip
            reasons = load(file, ScoreSheet).reasons
            found += [reason if own else f"{clip.name}: {reason}" for reason in reasons]
    return tuple(found)
