"""Write run/report/index.html from a run, its clips and overlay videos."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import cv2

from simlift.core.clip import Clip
from simlift.core.layers import Array, Layer
from simlift.core.run import Run, TakeKey, write_text
from simlift.evaluation.metrics.definitions import Definition
from simlift.reports.model import ClipEntry, Motion, Threshold, build_model, gate_thresholds
from simlift.reports.page import write_page
from simlift.reports.previews import (
    ClipPreviews,
    Draft,
    PreviewAlbum,
    layer_frames,
    video_frames,
)

DEFAULT_BUDGET = 64_000_000


def write_report(
    run: Run,
    clips: Mapping[str, Clip],
    *,
    overlays: Mapping[str, Mapping[str, Path]],
    definitions: Mapping[str, Definition],
    thresholds: Mapping[str, Threshold] | None = None,
    twin_notes: Mapping[TakeKey, str] = MappingProxyType({}),
    motion: Mapping[str, tuple[Motion, ...]] = MappingProxyType({}),
    budget_bytes: int = DEFAULT_BUDGET,
    progress: Callable[[int], None] = lambda _: None,
) -> Path:
    """Write the page of a run and return its path; RunError when no take is finished.

    `clips` and `overlays` are by clip name; a clip that is absent is shown without its render.
    `twin_notes` stand at the distances of single takes to their twins, `motion` by episode, or by
    clip that is none, is drawn in step with the videos. Thresholds default to the
    recipe's gate. Previews beyond `budget_bytes` of page are linked. `progress` hears of as many
    frames as there are in renders, twins, takes and overlays together.
    """
    asked = gate_thresholds(run.recipe().gate) if thresholds is None else thresholds
    model = build_model(
        run, definitions=definitions, thresholds=asked, twin_notes=twin_notes, motion=motion
    )
    folder = run.report_file.parent / "previews"
    shutil.rmtree(folder, ignore_errors=True)
    album = PreviewAlbum(folder, budget_bytes)
    previews = [
        _clip_previews(
            run, clip, clips.get(clip.name), overlays.get(clip.name, {}), album, progress
        )
        for clip in model.clips
    ]
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    write_text(run.report_file, write_page(model, previews))
    return run.report_file


def _clip_previews(
    run: Run,
    entry: ClipEntry,
    clip: Clip | None,
    overlays: Mapping[str, Path],
    album: PreviewAlbum,
    progress: Callable[[int], None],
) -> ClipPreviews:
    shown = [layer for layer in (Layer.RGB, Layer.TWIN) if clip is not None and layer in clip]
    videos: list[tuple[Iterator[Array], str | None]] = []
    if clip is not None:
        videos += [(layer_frames(clip, layer), None) for layer in shown]
    for take in entry.takes:
        path = run.take_video(TakeKey(entry.name, take.variant))
        link = _link(run, path) if _plays_by_index(entry, clip) else None
        videos.append((video_frames(path), link))
    videos += [(video_frames(path), None) for path in overlays.values()]

    def draft(video: tuple[Iterator[Array], str | None]) -> Draft:
        frames, link = video
        made = album.draft(frames, fps=entry.fps, link=link)
        progress(entry.num_frames)
        return made

    with ThreadPoolExecutor(max(cv2.getNumThreads(), 1)) as pool:
        placed = [album.place(made) for made in pool.map(draft, videos)]
    known = {layer: placed.pop(0) for layer in shown}
    takes, drawn = placed[: len(entry.takes)], placed[len(entry.takes) :]
    return ClipPreviews(
        known.get(Layer.RGB),
        known.get(Layer.TWIN),
        tuple(takes),
        tuple(zip(overlays, drawn, strict=True)),
    )


def _plays_by_index(entry: ClipEntry, clip: Clip | None) -> bool:
    # A take with uneven times has no frame i at i/fps, and odd sizes are coded in 4:4:4, which
    # Safari does not play: neither can stand for its preview.
    even = entry.height % 2 == 0 and entry.width % 2 == 0
    return even and (clip is None or clip.timestamps is None)


def _link(run: Run, path: Path) -> str:
    parts = path.relative_to(run.path).parts
    return "/".join(("..", *(quote(part, safe="") for part in parts)))
