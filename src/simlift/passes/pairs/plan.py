"""Plan a pair pass before it runs: what it will do and cost, from the clips' own sizes."""

from collections.abc import Sequence
from dataclasses import replace

from simlift.core.clip import Clip
from simlift.core.errors import RunError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage
from simlift.core.run import Run
from simlift.passes.lift import check_layers, check_names
from simlift.passes.pairs.recipe import PairRecipe
from simlift.passes.pairs.segments import divide
from simlift.passes.plan import ClipPlan, plan_clip, plan_copy
from simlift.passes.score import source_clips


def plan_pairs(clips: Sequence[Clip], recipe: PairRecipe) -> list[ClipPlan]:
    """Plan pairs of clips; InputError for whatever the pass would refuse before it starts.

    Cuts are not looked for, so the pairs that are counted are the most that there can be. Models
    are not loaded, so their time is told only where their network can be counted.
    """
    check_names(clips)
    recipe.check_makes_something()
    plans = []
    for clip in clips:
        lengths = [n for _, n in divide(clip.num_frames, (), recipe.frames, recipe.min_frames)]
        words = f"at most {len(lengths)}, of up to {recipe.frames} frames"
        cut = Stage("pairs", bool(lengths), words)
        if recipe.engine is not None:
            check_layers(clip, recipe.engine.needs())
            made = plan_clip(clip, "keyframed", recipe.engine, measure=False)
            basis = made.basis or "time is not known before: the models are not loaded"
            plans.append(replace(made, stages=(cut, *made.stages), basis=basis))
        else:
            check_layers(clip, frozenset({Layer.TWIN}))
        if recipe.twins and Layer.TWIN in clip:
            stages = (cut, Stage("targets", True, "the path-traced twin"))
            plans.append(plan_copy(clip, "twin", stages))
    return plans


def plan_takes(run: Run) -> list[ClipPlan]:
    """Plan pairs of a run's accepted takes; RunError where it was not scored or has none."""
    clips, plans = source_clips(run), []
    for take in run.takes():
        sheet = run.sheet(take.key)
        if sheet is None:
            raise RunError(run.path, f"{take.key} has no score", way_out="simlift score RUN")
        if sheet.accepted:
            stages = (Stage("targets", True, "the take that the gate accepted"),)
            plans.append(plan_copy(clips[take.clip], take.variant, stages))
    if not plans:
        raise RunError(run.path, "has no accepted take", way_out="see: simlift report RUN")
    return plans
