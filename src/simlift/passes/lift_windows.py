"""A clip and a recipe -> takes: windows stream through every open engine, frames into videos.

Memory is bounded by one window, whatever the clip's length. The windows of a clip are read once for
all variants; what they derive (normals, occlusion) is shared.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from simlift.core.clip import Clip, ClipReader
from simlift.core.clip_sample import take_survey
from simlift.core.errors import InputError
from simlift.core.layers import Layer
from simlift.core.protocols import Engine, EngineSpec, Span, Stage
from simlift.core.recipe import Recipe, Variant, derive_seed
from simlift.core.run import Run, Take, TakeKey, write_text
from simlift.core.strict_json import digest, dumps
from simlift.core.window import Frames, Survey, Tail, Window
from simlift.media.video_writer import VideoWriter, write_video
from simlift.passes.provenance import source_digest, versions
from simlift.scale.prefetch import Behind, ahead


@dataclass(frozen=True, eq=False)
class LiftJob:
    """The takes of one clip that are still to be made."""

    clip: Clip
    run: Run
    recipe: Recipe
    variants: tuple[Variant, ...]
    device: str = "cpu"

    @property
    def name(self) -> str:
        return self.clip.name

    @property
    def num_frames(self) -> int:
        """Frames to make, over all variants."""
        return self.clip.num_frames * len(self.variants)


def lift(clip: Clip, engine: EngineSpec, *, seed: int = 0, device: str = "cpu") -> Frames:
    """Lift a whole clip in memory and return its frames, uint8 sRGB [t h w 3]."""
    engine.check(clip)
    with ExitStack() as stack:
        reader = stack.enter_context(clip.open(engine.needs() | engine.uses()))
        opened = stack.enter_context(engine.open(device))
        survey = take_survey(reader)
        parts, before = [], None
        for window in walk(reader, engine.span()):
            frames = advance(opened, window, survey, before, seed, engine.span(), clip.name)
            parts.append(frames)
            before = _tail(before, frames, engine.span())
        return np.concatenate(parts)


def walk(reader: ClipReader, span: Span) -> Iterator[Window]:
    """Read the windows of a clip in order; each begins with `span.overlap` frames of the last."""
    total, start = reader.clip.num_frames, 0
    while True:
        stop = min(start + span.frames, total)
        yield reader.window(range(start, stop))
        if stop == total:
            return
        start = stop - span.overlap


def advance(
    engine: Engine,
    window: Window,
    survey: Survey,
    before: Tail | None,
    seed: int,
    span: Span,
    where: str,
) -> UInt8[np.ndarray, "new h w 3"]:
    """Lift a window and check that the engine returned the frames it owes."""
    frames = engine.lift(window, survey=survey, before=before, seed=seed)
    owed = len(window) - (span.overlap if before is not None else 0)
    expected = (owed, *window.size, 3)
    if frames.shape != expected or frames.dtype != np.uint8:
        raise InputError(
            where,
            f"the engine returned {frames.dtype} {frames.shape}",
            allowed=f"uint8 {expected}",
            way_out="mend the engine",
        )
    return frames


def lift_clip(job: LiftJob, progress: Callable[[int], None]) -> None:
    """Make the takes of a job; each appears when it is whole."""
    clip, recipe = job.clip, job.recipe
    specs = {variant.name: variant.engine.load() for variant in job.variants}
    stages = {name: spec.check(clip) for name, spec in specs.items()}
    layers: frozenset[Layer] = frozenset()
    for spec in specs.values():
        layers |= spec.needs() | spec.uses()
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for variant in job.variants:
            kind = digest(variant.engine)
            if kind not in engines:
                engines[kind] = stack.enter_context(specs[variant.name].open(job.device))
        reader = stack.enter_context(clip.open(layers))
        survey = take_survey(reader)
        source = source_digest(clip)
        for span in {_span(spec, recipe): None for spec in specs.values()}:
            group = [v for v in job.variants if _span(specs[v.name], recipe) == span]
            takes = [
                Track(
                    engine=engines[digest(v.engine)],
                    take=_provenance(job, v, source, span, stages[v.name]),
                    span=span,
                )
                for v in group
            ]
            _lift_together(job, reader, survey, span, takes, progress)


@dataclass(frozen=True, eq=False)
class Track:
    """One take being made."""

    engine: Engine
    take: Take
    span: Span


def _lift_together(
    job: LiftJob,
    reader: ClipReader,
    survey: Survey,
    span: Span,
    tracks: Sequence[Track],
    progress: Callable[[int], None],
) -> None:
    with ExitStack() as stack:
        writers = [Behind(stack.enter_context(_writer(job, track.take))) for track in tracks]
        for writer in writers:
            stack.callback(writer.stop)
        windows = stack.enter_context(ahead(walk(reader, span)))
        before: list[Tail | None] = [None] * len(tracks)
        for window in windows:
            for k, track in enumerate(tracks):
                frames = advance(
                    track.engine,
                    window,
                    survey,
                    before[k],
                    track.take.seed,
                    span,
                    str(track.take.key),
                )
                writers[k].append(frames)
                before[k] = _tail(before[k], frames, span)
                progress(len(frames))
        for writer in writers:
            writer.finish()
        # The provenance lies there before the take does: a take is never without it.
        for track in tracks:
            write_text(job.run.take_file(track.take.key), dumps(track.take))


def _tail(before: UInt8[np.ndarray, "a h w 3"] | None, frames: Frames, span: Span) -> Tail | None:
    """Return the last `span.overlap` frames that were made."""
    if not span.overlap:
        return None
    made = frames if before is None else np.concatenate([before, frames])
    return made[-span.overlap :]


def _span(spec: EngineSpec, recipe: Recipe) -> Span:
    span = spec.span()
    if recipe.window is None or span.overlap:
        return span
    return Span(frames=recipe.window)


def _writer(job: LiftJob, take: Take) -> AbstractContextManager[VideoWriter]:
    clip = job.clip
    return write_video(
        job.run.take_video(take.key),
        height=clip.height,
        width=clip.width,
        fps=clip.fps,
        encoding=job.recipe.encoding,
        timestamps=clip.timestamps,
        audio_from=clip.audio,
    )


def _provenance(
    job: LiftJob, variant: Variant, source: str, span: Span, stages: Sequence[Stage]
) -> Take:
    clip = job.clip
    key = TakeKey(clip.name, variant.name)
    seams = range(span.frames, clip.num_frames, span.frames - span.overlap) if span.overlap else ()
    return Take(
        clip=clip.name,
        variant=variant.name,
        source=clip.path.resolve(),
        source_digest=source,
        engine=variant.engine.kind,
        settings=variant.engine.settings,
        recipe_digest=digest(job.recipe),
        seed=derive_seed(job.recipe.seed, key.clip, key.variant),
        num_frames=clip.num_frames,
        height=clip.height,
        width=clip.width,
        fps=clip.fps,
        seams=tuple(seams),
        stages=tuple(f"{s.name}: {s.reason}" for s in stages if s.on),
        skipped=tuple(f"{s.name}: {s.reason}" for s in stages if not s.on),
        notes=clip.notes,
        versions=versions(),
    )
