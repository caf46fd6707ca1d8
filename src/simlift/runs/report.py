"""The report pass: a run -> its page, with the controls of every clip drawn as overlays."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from simlift.controls import Edges, EngineEdges
from simlift.core.clip import Clip
from simlift.core.errors import RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Encoding
from simlift.core.run import Run
from simlift.core.seams import Span
from simlift.media.video_writer import write_video
from simlift.metrics import DEFINITIONS
from simlift.reports import write_report
from simlift.runs.lifting import walk
from simlift.runs.progress import Progress
from simlift.runs.score import source_clips

_OVERLAY = Encoding(crf=23, keyframe_interval=4)
_GEOMETRY = (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)


def report_run(run: Run, *, progress: Progress) -> Path:
    """Write the page of a run and return its path."""
    takes = run.takes()
    if not takes:
        raise RunError(run.path, "holds no takes", way_out="make some: simlift lift")
    clips = source_clips(run)
    frames = sum(take.num_frames for take in takes)
    frames += sum(clip.num_frames * (2 + len(_controls(clip))) for clip in clips.values())
    folder = Path(tempfile.mkdtemp(prefix=".overlays-", dir=run.path))
    try:
        with progress.task("report", frames) as advance:
            overlays = {}
            for name, clip in clips.items():
                overlays[name] = _draw(clip, folder / name)
                advance(clip.num_frames)
            return write_report(
                run,
                clips,
                overlays=overlays,
                definitions={name: d.text for name, d in DEFINITIONS.items()},
                progress=advance,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _controls(clip: Clip) -> dict[str, Edges | EngineEdges]:
    controls: dict[str, Edges | EngineEdges] = {"edges": Edges()}
    if any(layer in clip for layer in _GEOMETRY):
        controls["geometry edges"] = EngineEdges()
    return controls


def _draw(clip: Clip, folder: Path) -> dict[str, Path]:
    """Draw the controls of a clip as videos, all in one pass over its frames."""
    controls = _controls(clip)
    paths = {name: folder / f"{name.replace(' ', '-')}.mp4" for name in controls}
    with ExitStack() as stack:
        reader = stack.enter_context(clip.open((Layer.RGB, *_GEOMETRY)))
        writers = {
            name: stack.enter_context(
                write_video(
                    path, height=clip.height, width=clip.width, fps=clip.fps, encoding=_OVERLAY
                )
            )
            for name, path in paths.items()
        }
        for window in walk(reader, Span(frames=8)):
            for name, control in controls.items():
                writers[name].append(control.draw(window))
    return paths
