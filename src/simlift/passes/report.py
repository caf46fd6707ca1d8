"""Write the report of a run, with the controls of every clip drawn as overlays."""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from simlift.controls import Edges, EngineEdges
from simlift.core.clip import Clip
from simlift.core.errors import RunError
from simlift.core.layers import Layer
from simlift.core.protocols import Control
from simlift.core.recipe import Encoding
from simlift.core.run import Run
from simlift.evaluation.metrics import DEFINITIONS
from simlift.passes.control_videos import draw_controls
from simlift.passes.score import source_clips
from simlift.passes.twin import light_note
from simlift.reports import write_report
from simlift.scale.progress import Progress

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
                progress=advance,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _controls(clip: Clip) -> dict[str, Control]:
    controls: dict[str, Control] = {"edges": Edges()}
    if any(layer in clip for layer in _GEOMETRY):
        controls["geometry edges"] = EngineEdges()
    return controls
