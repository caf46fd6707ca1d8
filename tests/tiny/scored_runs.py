"""Runs of small datasets, lifted by the engine that hands frames back, with verdicts as told."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, ScoreSheet, write_text
from simlift.core.strict_json import digest, dumps
from simlift.engines.echo import Echo
from simlift.passes.lift import lift_clips
from simlift.scale.progress import Silent


def lifted(clips: Sequence[Clip], out: Path, variants: Sequence[str] = ("one",)) -> Run:
    """Lift clips; every take shows the frames of its source."""
    recipe = Recipe(variants=tuple(Variant(name, Plugin.of(Echo())) for name in variants))
    assert lift_clips(list(clips), recipe, out, progress=Silent()).failures == ()
    return Run(out)


def judged(run: Run, rejected: Mapping[str, str] | None = None) -> Run:
    """Write a sheet for every take: `rejected` gives the reason by "clip/variant"."""
    for take in run.takes():
        reason = (rejected or {}).get(str(take.key))
        sheet = ScoreSheet(
            clip=take.clip,
            variant=take.variant,
            take_digest=digest(take),
            accepted=reason is None,
            reasons=() if reason is None else (reason,),
            scores=(),
            flow="none",
        )
        write_text(run.score_file(take.key), dumps(sheet))
    return run
