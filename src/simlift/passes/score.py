"""Score the takes of a run against their clips, and apply the gate."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from simlift.core.clip import Clip, ClipReader
from simlift.core.errors import ClipError, RunError
from simlift.core.layers import FrameReader, Layer
from simlift.core.recipe import Gate
from simlift.core.run import Run, ScoreSheet, Take, write_text
from simlift.core.score import Score, merge_all
from simlift.core.strict_json import digest, dumps
from simlift.core.window import Frames, Window
from simlift.evaluation.gate import judge
from simlift.evaluation.metrics import FirstFrameDrift, Lpips, flow_source, standard
from simlift.evaluation.objects import follow, read_references
from simlift.media.video import VideoInfo, VideoStore, probe_video
from simlift.passes.agreement import first_of_each, require_agreement
from simlift.passes.critic import Critic
from simlift.passes.provenance import source_digest
from simlift.passes.rows_digest import rows_digest
from simlift.scale.processes import Failure, run_jobs
from simlift.scale.progress import Progress
from simlift.sources import open_clip

LPIPS_VARIABLE = "SIMLIFT_LPIPS"  # names the folder of LPIPS's weights
_EVIDENCE = frozenset(Layer) - {Layer.ALBEDO, Layer.MATERIAL}  # what metrics look at
_WINDOW = 8  # new frames of a window; each window also holds the last frame of the one before


@dataclass(frozen=True, eq=False)
class ScoreJob:
    """The takes of one clip that are to be scored together, so that they share its geometry."""

    clip: Clip
    run: Run
    gate: Gate
    takes: tuple[Take, ...]
    lpips: Path | None = None
    critic: Critic | None = None

    @property
    def name(self) -> str:
        return self.clip.name


def score_run(
    run: Run,
    *,
    workers: int = 1,
    progress: Progress,
    opened: Sequence[Clip] | None = None,
    critic: Critic | None = None,
) -> list[Failure]:
    """Score every take that has no sheet yet, or whose sheet was made for another take.

    `opened` are the clips of the takes, where they were just opened; else they are opened again.
    `critic` asks a vision model about each take as well.
    """
    takes = run.takes()
    if not takes:
        raise RunError(run.path, "holds no takes", way_out="make some: simlift lift")
    gate = run.recipe().gate
    clips = source_clips(run).values() if opened is None else opened
    lpips = _lpips_weights(clips)
    takes_of: dict[str, list[Take]] = {}
    for take in takes:
        takes_of.setdefault(take.clip, []).append(take)
    jobs = []
    for clip in clips:
        made = takes_of.get(clip.name, ())
        todo = tuple(take for take in made if _is_open(run, take, clip, lpips, critic))
        if todo:
            _check_source(todo, clip)
            jobs.append(ScoreJob(clip, run, gate, todo, lpips, critic))
    total = sum(job.clip.num_frames * len(job.takes) for job in jobs)
    with progress.task("score", total) as advance:
        return run_jobs(
            jobs, score_clip, workers=workers, progress=advance, finished=lambda *_: None
        )


def source_clips(run: Run) -> dict[str, Clip]:
    """Reopen the clips that the takes of a run were made from; RunError when one has changed."""
    clips: dict[str, Clip] = {}
    for take in run.takes():
        if take.clip in clips:
            continue
        clip = open_clip(take.source, take.read_options)
        _check_source((take,), clip)
        clips[take.clip] = clip
    require_agreement(first_of_each(list(clips.values())))
    return clips


def _check_source(takes: Sequence[Take], clip: Clip) -> None:
    pixels, rows = source_digest(clip), rows_digest(clip)
    for take in takes:
        # Takes of versions that did not note their rows are held against their pixels alone.
        if pixels != take.source_digest or take.rows_digest not in ("", rows):
            raise RunError(
                take.source,
                "has changed since its takes were made",
                way_out="restore it, or lift it again into another run",
            )


def score_clip(job: ScoreJob, progress: Callable[[int], None]) -> None:
    """Measure the takes of a clip window by window and write one sheet for each."""
    layers = frozenset(stored.layer for stored in job.clip.layers)
    found: list[dict[str, Score]] = [{} for _ in job.takes]
    flow = ""
    with ExitStack() as stack:
        reader = stack.enter_context(job.clip.open(_EVIDENCE))
        stores = [VideoStore(_probe_take(job.run, take)) for take in job.takes]
        videos = [stack.enter_context(store.open()) for store in stores]
        references = read_references(reader)
        first = reader.window([0]).rgb[0]
        metrics = [
            standard(
                take.window_starts,
                layers=layers,
                lpips=job.lpips,
                followed=follow(references, partial(_read, video)),
                first=FirstFrameDrift(first, _read(video, [0])[0]),
            )
            for take, video in zip(job.takes, videos, strict=True)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(max(cv2.getNumThreads(), 1)))

        def measure(k: int, window: Window) -> None:
            frames = videos[k].read(window.indices.tolist())
            scores = [s for metric in metrics[k] for s in metric.measure(window, frames)]
            found[k] = merge_all([*found[k].values(), *scores])
            progress(len(window) - (1 if window.indices[0] else 0))

        for window in overlapping(reader):
            flow = flow or flow_source(window)
            # The first take derives the geometry and motion that the others then share.
            measure(0, window)
            list(pool.map(partial(measure, window=window), range(1, len(videos))))
        for k, (take, video) in enumerate(zip(job.takes, videos, strict=True)):
            if job.critic is not None:
                shown = _read(video, job.critic.frames(take.num_frames))
                said = job.critic.judge(shown, str(take.key))
                found[k][said.name] = said
    for take, merged in zip(job.takes, found, strict=True):
        _write_sheet(job, take, tuple(merged.values()), flow)


def _read(video: FrameReader, frames: Sequence[int]) -> Frames:
    return video.read(list(frames))


def overlapping(reader: ClipReader) -> Iterator[Window]:
    """Read windows that share one frame, so that every pair of neighbours lies in one of them."""
    total, start = reader.clip.num_frames, 0
    while True:
        stop = min(start + _WINDOW + 1, total)
        yield reader.window(range(start, stop))
        if stop == total:
            return
        start = stop - 1


def _probe_take(run: Run, take: Take) -> VideoInfo:
    """Index a take; RunError when it is damaged or has lost frames."""
    path = run.take_video(take.key)
    try:
        info = probe_video(path)
    except ClipError as error:
        raise RunError(
            path,
            f"is damaged ({error})",
            way_out="delete the take and run simlift lift again: it makes only what is missing",
        ) from error
    if info.num_frames != take.num_frames:
        raise RunError(
            path,
            f"holds {info.num_frames} frames, its provenance says {take.num_frames}",
            way_out="delete the take and run simlift lift again: it makes only what is missing",
        )
    return info


def _write_sheet(job: ScoreJob, take: Take, scores: Sequence[Score], flow: str) -> None:
    values = {score.name: score.value() for score in scores}
    accepted, reasons = judge(job.gate, values)
    sheet = ScoreSheet(
        clip=take.clip,
        variant=take.variant,
        take_digest=digest(take),
        accepted=accepted,
        reasons=reasons,
        scores=tuple(scores),
        flow=flow,
    )
    write_text(job.run.score_file(take.key), dumps(sheet))


def _lpips_weights(clips: Iterable[Clip]) -> Path | None:
    """Return the folder the user named, once its weights were read; None without need or folder."""
    folder = os.environ.get(LPIPS_VARIABLE)
    if not folder or not any(Layer.TWIN in clip for clip in clips):
        return None
    Lpips(Path(folder)).check()
    return Path(folder)


def _is_open(run: Run, take: Take, clip: Clip, lpips: Path | None, critic: Critic | None) -> bool:
    sheet = run.sheet(take.key)
    if sheet is None or sheet.take_digest != digest(take):
        return True
    _probe_take(run, take)  # a verdict holds for a whole take alone
    # The twin, the weights or the critic may have come after the take was scored.
    twin = Layer.TWIN in clip
    wanted = {
        "twin_psnr": twin,
        "lpips": twin and lpips is not None,
        "critic_score": critic is not None,
    }
    missing = {name for name, can in wanted.items() if can}
    return bool(missing - {score.name for score in sheet.scores})
