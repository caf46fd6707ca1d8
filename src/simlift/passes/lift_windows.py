"""Stream the windows of a clip through every open engine into videos.

Memory is bounded by one window, whatever the clip's length. The windows of a clip are read once for
all variants; what they derive (normals, occlusion) is shared.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from simlift.core.clip import Clip, ClipReader
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import InputError
from simlift.core.layers import Layer
from simlift.core.progress import doing
from simlift.core.protocols import Attesting, Engine, EngineSpec, Stage, WindowSize
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, Take, write_text
from simlift.core.strict_json import digest, dumps
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.media.images import write_image
from simlift.media.video import pixel_aspect
from simlift.media.video.writer import VideoWriter, write_video
from simlift.passes.agreement import require_agreement
from simlift.passes.provenance import source_digest, versions
from simlift.passes.rows_digest import rows_digest
from simlift.scale.prefetch import WriteBehind, read_ahead


@dataclass(frozen=True, eq=False)
class LiftJob:
    """The takes of one clip that are still to be made."""

    clip: Clip
    run: Run
    recipe: Recipe
    variants: tuple[Variant, ...]
    device: str = "cpu"
    attempt: int = 0

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
        sample = sample_clip(reader)
        parts, previous = [], None
        for window in read_windows(reader, engine.window_size()):
            frames = lift_window(
                opened, window, sample, previous, seed, engine.window_size(), clip.name
            )
            parts.append(frames)
            previous = _last_frames(previous, frames, engine.window_size())
        return np.concatenate(parts)


def read_windows(reader: ClipReader, window_size: WindowSize) -> Iterator[Window]:
    """Read a clip's windows in order; each begins with `window_size.overlap` frames of the last."""
    total, start = reader.clip.num_frames, 0
    while True:
        stop = min(start + window_size.frames, total)
        yield reader.window(range(start, stop))
        if stop == total:
            return
        start = stop - window_size.overlap


def lift_window(
    engine: Engine,
    window: Window,
    sample: ClipSample,
    previous: PreviousFrames | None,
    seed: int,
    window_size: WindowSize,
    where: str,
) -> UInt8[np.ndarray, "new h w 3"]:
    """Lift a window and check that the engine returned the frames it owes."""
    frames = engine.lift(window, sample=sample, previous=previous, seed=seed)
    owed = len(window) - (window_size.overlap if previous is not None else 0)
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
    # The clips of a dataset are many: each is checked when its turn comes.
    (clip,), recipe = require_agreement([job.clip]), job.recipe
    job = replace(job, clip=clip)
    specs = {v.name: recipe.spec_for(v, clip.group, job.attempt) for v in job.variants}
    kinds = {name: Plugin.of(spec) for name, spec in specs.items()}
    stages = {name: spec.check(clip) for name, spec in specs.items()}
    layers: frozenset[Layer] = frozenset()
    for spec in specs.values():
        layers |= spec.needs() | spec.uses()
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for variant in job.variants:
            kind = digest(kinds[variant.name])
            if kind not in engines:
                engines[kind] = stack.enter_context(specs[variant.name].open(job.device))
        reader = stack.enter_context(clip.open(layers))
        with doing(f"sampling {clip.name}"):
            sample = sample_clip(reader)
            source = source_digest(clip)
        for window_size in {_window_size(spec, recipe): None for spec in specs.values()}:
            group = [v for v in job.variants if _window_size(specs[v.name], recipe) == window_size]
            takes = [
                Track(
                    engine=engines[digest(kinds[v.name])],
                    take=_provenance(
                        job, v, kinds[v.name], source, window_size, stages[v.name], sample.notes
                    ),
                    window_size=window_size,
                )
                for v in group
            ]
            _lift_together(job, reader, sample, window_size, takes, progress)


@dataclass(frozen=True, eq=False)
class Track:
    """One take being made."""

    engine: Engine
    take: Take
    window_size: WindowSize


def _lift_together(
    job: LiftJob,
    reader: ClipReader,
    sample: ClipSample,
    window_size: WindowSize,
    tracks: Sequence[Track],
    progress: Callable[[int], None],
) -> None:
    with ExitStack() as stack:
        writers = [WriteBehind(stack.enter_context(_writer(job, track.take))) for track in tracks]
        for writer in writers:
            stack.callback(writer.stop)
        windows = stack.enter_context(read_ahead(read_windows(reader, window_size)))
        previous: list[PreviousFrames | None] = [None] * len(tracks)
        for window in windows:
            for k, track in enumerate(tracks):
                frames = lift_window(
                    track.engine,
                    window,
                    sample,
                    previous[k],
                    track.take.seed,
                    window_size,
                    str(track.take.key),
                )
                writers[k].append(frames)
                if job.clip.num_frames == 1:  # a picture gives a picture, without loss
                    write_image(job.run.take_picture(track.take.key), frames[0])
                previous[k] = _last_frames(previous[k], frames, window_size)
                progress(len(frames))
        for writer in writers:
            writer.finish()
        # The provenance lies there before the take does: a take is never without it.
        for track in tracks:
            write_text(job.run.take_file(track.take.key), dumps(_attested(track)))


def _attested(track: Track) -> Take:
    """Return the provenance of a take, with what its engine measured while it was made."""
    if not isinstance(track.engine, Attesting):
        return track.take
    told = track.engine.attest(track.take.seed)
    return replace(track.take, notes=(*track.take.notes, *told))


def _last_frames(
    previous: UInt8[np.ndarray, "a h w 3"] | None, frames: Frames, window_size: WindowSize
) -> PreviousFrames | None:
    """Return the last `window_size.overlap` frames that were made."""
    if not window_size.overlap:
        return None
    made = frames if previous is None else np.concatenate([previous, frames])
    return made[-window_size.overlap :]


def _window_size(spec: EngineSpec, recipe: Recipe) -> WindowSize:
    window_size = spec.window_size()
    if recipe.window is None or window_size.overlap:
        return window_size
    return WindowSize(frames=recipe.window)


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
        pixel_aspect=pixel_aspect(clip.stored(Layer.RGB).store),
    )


def _provenance(
    job: LiftJob,
    variant: Variant,
    engine: Plugin,
    source: str,
    window_size: WindowSize,
    stages: Sequence[Stage],
    notes: Sequence[str],
) -> Take:
    clip = job.clip
    window_starts = (
        range(window_size.frames, clip.num_frames, window_size.frames - window_size.overlap)
        if window_size.overlap
        else ()
    )
    return Take(
        clip=clip.name,
        variant=variant.name,
        source=clip.path.resolve(),
        source_digest=source,
        engine=engine.kind,
        settings=engine.settings,
        recipe_digest=digest(job.recipe),
        seed=job.recipe.seed_for(variant, clip.group, job.attempt),
        num_frames=clip.num_frames,
        height=clip.height,
        width=clip.width,
        fps=clip.fps,
        window_starts=tuple(window_starts),
        stages=tuple(f"{s.name}: {s.reason}" for s in stages if s.on),
        skipped=tuple(f"{s.name}: {s.reason}" for s in stages if not s.on),
        notes=(*clip.notes, *notes),
        versions=versions(),
        read_options=clip.read_options,
        trusted=clip.trusted,
        origin=clip.origin,
        attempt=job.attempt,
        rows_digest=rows_digest(clip),
    )
