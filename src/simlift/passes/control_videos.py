"""Render control videos (condition videos) of a clip, all in one pass over the frames."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.protocols import Control, WindowSize
from simlift.core.recipe import Encoding
from simlift.media.video.writer import write_video
from simlift.passes.lift_windows import read_windows


def draw_controls(
    clip: Clip,
    controls: Mapping[str, Control],
    folder: Path,
    encoding: Encoding = Encoding(),
) -> dict[str, Path]:
    """Write `<folder>/<name>.mp4` for every control, of the clip's exact size and length."""
    paths = {name: folder / f"{name}.mp4" for name in controls}
    with ExitStack() as stack:
        reader = stack.enter_context(clip.open(Layer))
        writers = {
            name: stack.enter_context(
                write_video(
                    path,
                    height=clip.height,
                    width=clip.width,
                    fps=clip.fps,
                    encoding=encoding,
                    timestamps=clip.timestamps,
                )
            )
            for name, path in paths.items()
        }
        for window in read_windows(reader, WindowSize(frames=8)):
            for name, control in controls.items():
                writers[name].append(control.draw(window))
    return paths
