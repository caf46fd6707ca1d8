"""Write the report of a run, with the controls of every clip drawn as overlays."""

import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from simlift.controls import Edges, EngineEdges, Skeleton
from simlift.core.clip import Clip
from simlift.core.errors import RunError
from simlift.core.layers import Array, Layer
from simlift.core.protocols import Control
from simlift.core.recipe import Encoding
from simlift.core.run import Run
from simlift.evaluation.metrics import DEFINITIONS
from simlift.passes.contact_sheet import has_skeleton
from simlift.passes.control_videos import draw_controls
from simlift.passes.score import source_clips
from simlift.passes.twin import light_note
from simlift.reports import Motion, write_report
from simlift.scale.progress import Progress
from simlift.sources.curves import curves_of

_OVERLAY = Encoding(crf=23, keyframe_interval=4)
_GEOMETRY = (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)


def report_run(run: Run, *, progress: Progress) -> Path:
    """Write the page of a run and return its path."""
    takes = run.takes()
    if not takes:
        raise RunError(run.path, "holds no takes", way_out="make some: simlift lift")
    clips = source_clips(run)
    frames = sum(take.num_frames for take in takes)
    frames += sum(
        clip.num_frames * (2 + (Layer.TWIN in clip) + len(_controls(clip)))
        for clip in clips.values()
    )
    folder = Path(tempfile.mkdtemp(prefix="simlift-"))
    try:
        with progress.task("report", frames) as advance:

            def draw(name: str) -> dict[str, Path]:
                clip = clips[name]
                drawn = draw_controls(clip, _controls(clip), folder / name, _OVERLAY)
                advance(clip.num_frames)
                return drawn

            with ThreadPoolExecutor(max(cv2.getNumThreads(), 1)) as pool:
                overlays = list(pool.map(draw, clips))
            return write_report(
                run,
                clips,
                overlays=dict(zip(clips, overlays, strict=True)),
                definitions=DEFINITIONS,
                twin_notes={
                    take.key: note
                    for take in takes
                    if Layer.TWIN in clips[take.clip] and (note := light_note(take))
                },
                motion=_motion(clips),
                progress=advance,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _controls(clip: Clip) -> dict[str, Control]:
    controls: dict[str, Control] = {"edges": Edges()}
    if any(layer in clip for layer in _GEOMETRY):
        controls["geometry edges"] = EngineEdges()
    if has_skeleton(clip):
        controls["skeleton"] = Skeleton()
    return controls


def _motion(clips: Mapping[str, Clip]) -> dict[str, tuple[Motion, ...]]:
    """Return the joints and actions of every episode, from the first of its cameras."""
    first = {clip.group: clip for clip in reversed(list(clips.values()))}
    return {
        group: tuple(
            Motion(c.title, c.unit, c.names, tuple(map(_line, c.values.T))) for c in curves_of(clip)
        )
        for group, clip in sorted(first.items())
    }


def _line(values: Array) -> tuple[float | None, ...]:
    """Return numbers as a page holds them: four digits are more than a plot can show."""
    return tuple(float(f"{v:.4g}") if np.isfinite(v) else None for v in values.tolist())
