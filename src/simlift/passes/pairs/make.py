"""Make a training set from clips and a recipe, with every decision and its reason.

Run again it goes on: what is finished and still of the same bytes, models and settings is kept, and
a pass that was killed ends with the files of one that was not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import RunError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.pair import PairSet
from simlift.core.run import Run, hold_folder
from simlift.core.strict_json import digest
from simlift.evaluation.metrics.anchors import novelty
from simlift.media.decodings import Colour
from simlift.media.video import VideoStore, probe_video
from simlift.passes.agreement import require_agreement
from simlift.passes.lift import check_layers, check_names
from simlift.passes.pairs.captions import FILES, Captions, captions_from
from simlift.passes.pairs.from_targets import drop_repeats, pair_from_targets
from simlift.passes.pairs.keyframing import Keyframing, pair_by_models
from simlift.passes.pairs.pair_store import PairStore
from simlift.passes.pairs.quality import open_judge
from simlift.passes.pairs.recipe import PairRecipe, pair_recipe
from simlift.passes.pairs.segments import Segment, Shots, find_shots
from simlift.passes.pairs.task import (
    Origin,
    Task,
    attempt_each,
    check_controls,
    file_digest,
    target_digest,
    task_id,
)
from simlift.passes.provenance import source_digest
from simlift.passes.score import source_clips
from simlift.scale.processes import Failure
from simlift.scale.progress import Progress

__all__ = ["PairRecipe", "PairResult", "pair_clips", "pair_recipe", "pair_takes"]


@dataclass(frozen=True)
class PairResult:
    """What a pair pass did: the folder, pairs in it, pairs rejected, those kept from before."""

    pairs: PairSet
    accepted: int
    rejected: int
    kept: int
    failures: tuple[Failure, ...]


def pair_clips(
    clips: Sequence[Clip],
    recipe: PairRecipe,
    out: Path,
    *,
    progress: Progress,
    device: str = "cpu",
    captions: Captions | None = None,
) -> PairResult:
    """Fill a training set; whatever can be refused is refused before the first frame is made.

    `captions` replaces those that the recipe describes.
    """
    check_names(clips)
    clips = require_agreement(clips)
    recipe.check_makes_something()
    if recipe.engine is not None:
        for clip in clips:
            check_layers(clip, recipe.engine.needs())
            recipe.engine.check(clip)
    else:
        for clip in clips:
            check_layers(clip, frozenset({Layer.TWIN}))
    return _pair(clips, recipe, PairStore(PairSet(out)), progress, device, captions, "twin")


def pair_takes(
    run: Run,
    recipe: PairRecipe,
    out: Path,
    *,
    progress: Progress,
    captions: Captions | None = None,
) -> PairResult:
    """Fill a training set with the takes of a run that its gate accepted, by the same door."""
    clips, found = source_clips(run), []
    for take in run.takes():
        sheet = run.sheet(take.key)
        if sheet is None:
            raise RunError(run.path, f"{take.key} has no score", way_out="simlift score RUN")
        if sheet.accepted:
            video = VideoStore(probe_video(run.take_video(take.key)))
            found.append(_with_target(clips[take.clip], take.variant, video))
    if not found:
        raise RunError(run.path, "has no accepted take", way_out="see: simlift report RUN")
    recipe = replace(recipe, engine=None, twins=True)
    return _pair(found, recipe, PairStore(PairSet(out)), progress, "cpu", captions, "take")


def _pair(
    clips: Sequence[Clip],
    recipe: PairRecipe,
    store: PairStore,
    progress: Progress,
    device: str,
    captions: Captions | None,
    given: Origin,
) -> PairResult:
    captions = captions or _captions(recipe, store.pairs)
    with hold_folder(store.pairs.path), open_judge(recipe) as judge:
        store.begin(recipe)
        for clip in clips:
            check_controls(clip, recipe.controls)
        shots = find_shots(clips, recipe, store.work / "clips", progress)
        tasks = drop_repeats(
            _plan(clips, recipe, store, shots, given), store, recipe.gate.min_novelty
        )
        kept = sum(task.row.attempts > 0 and task.row.done for task in tasks)
        todo = [t for t in tasks if t.origin != "keyframed" and not t.row.done]
        failures: list[Failure] = []
        with progress.task("pair", sum(t.segment.num_frames for t in todo)) as advance:
            attempt_each(
                todo,
                partial(pair_from_targets, store, judge, captions, recipe.controls),
                failures,
                advance,
            )
        if recipe.engine is not None:
            tool = Keyframing(recipe.engine, recipe, store, judge, captions)
            mine = [t for t in tasks if t.origin == "keyframed"]
            failures += pair_by_models(mine, tool, progress, device)
        names = frozenset(clip.name for clip in clips)
        finished = store.finish(frozenset(t.row.id for t in tasks), names)
    accepted = sum(row.pair is not None for row in finished)
    return PairResult(store.pairs, accepted, len(finished) - accepted, kept, tuple(failures))


def _plan(
    clips: Sequence[Clip],
    recipe: PairRecipe,
    store: PairStore,
    shots: dict[str, Shots],
    given: Origin,
) -> list[Task]:
    """Return a task for each segment and origin, in an order that depends on names alone."""
    engine_models = recipe.engine.digests() if recipe.engine is not None else {}
    common = digest((recipe, engine_models, _captions_digest(recipe)))
    tasks = []
    for origin in ("keyframed", given):
        seen: list[Segment] = []
        for clip in sorted(clips, key=lambda c: c.name):
            if origin == "keyframed":
                wanted, models = recipe.engine is not None, engine_models
            else:
                wanted = recipe.twins and Layer.TWIN in clip
                models = {origin: target_digest(clip)} if wanted else {}
            if not wanted:
                continue
            source = source_digest(clip)
            for segment in shots[clip.name].segments:
                others = [other.thumbnails() for other in seen]
                key = digest((common, source, models, segment, str(clip.fps)))
                row = store.of(task_id(clip, segment, origin), clip.name, key)
                new = novelty(segment.thumbnails(), others)
                tasks.append(Task(clip, segment, origin, dict(models), new, row))
                seen.append(segment)
    return tasks


def _captions(recipe: PairRecipe, pairs: PairSet) -> Captions:
    if recipe.endpoint is None:
        return captions_from(recipe.caption)
    if recipe.endpoint.cache is not None:
        return recipe.endpoint
    return replace(recipe.endpoint, cache=pairs.path / "captions.jsonl")


def _captions_digest(recipe: PairRecipe) -> str:
    path = Path(recipe.caption)
    return file_digest(path) if path.suffix.lower() in FILES and path.is_file() else ""


def _with_target(clip: Clip, variant: str, video: VideoStore) -> Clip:
    """Return the clip under the take's name, the take standing where a twin does."""
    others = tuple(stored for stored in clip.layers if stored.layer is not Layer.TWIN)
    target = StoredLayer(Layer.TWIN, video, Colour(), Unit.SRGB)
    return replace(clip, name=f"{clip.name}-{variant}", layers=(*others, target))
