"""Render control videos (condition videos) of a clip, all in one pass over the frames."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from simlift.controls import CONTROLS, Overlay, Skeleton, open_control
from simlift.core.clip import Clip
from simlift.core.errors import RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.protocols import Control, WindowSize
from simlift.core.recipe import Encoding, Plugin
from simlift.core.run import write_text
from simlift.core.strict_json import digest, dumps
from simlift.media.video.writer import LOSSLESS_RGB, VideoWriter, write_video
from simlift.passes.lift_windows import read_windows
from simlift.passes.provenance import source_digest
from simlift.scale.progress import Progress

_WINDOW_PIXELS = 32 * 640 * 480


@dataclass(frozen=True)
class ControlVideos:
    """What a folder of control videos holds: it lies beside them as controls.json.

    Of equal clips and controls the digest is equal; the videos are then kept as they are.
    """

    clip: str
    source: Path
    num_frames: int
    fps: Fraction
    controls: dict[str, Plugin]
    encoding: Encoding
    digest: str


def draw_controls(
    clip: Clip,
    controls: Mapping[str, Control],
    folder: Path,
    encoding: Encoding = Encoding(),
) -> dict[str, Path]:
    """Write `<folder>/<name>.mp4` for every control, of the clip's exact length.

    They appear by rename when all are whole. With `LOSSLESS_RGB` they are .mkv (FFV1), whose pixels
    come back exactly. ClipError where the clip lacks what a control needs.
    """
    check_controls(clip, controls)
    suffix = ".mkv" if encoding == LOSSLESS_RGB else ".mp4"
    needs = [control.needs() for control in controls.values()]
    layers = frozenset().union(*needs) if all(needs) else frozenset(Layer)
    size = WindowSize(frames=min(max(_WINDOW_PIXELS // (clip.height * clip.width), 8), 32))
    with ExitStack() as stack:
        place = stack.enter_context(_appearing(folder))
        reader = stack.enter_context(clip.open(layers))
        writers: dict[str, VideoWriter] = {}
        for window in read_windows(reader, size):
            for name, control in controls.items():
                frames = control.draw(window)
                if name not in writers:
                    writers[name] = stack.enter_context(
                        write_video(
                            place / f"{name}{suffix}",
                            height=frames.shape[1],
                            width=frames.shape[2],
                            fps=clip.fps,
                            encoding=encoding,
                            timestamps=clip.timestamps,
                        )
                    )
                writers[name].append(frames)
    return {name: folder / f"{name}{suffix}" for name in controls}


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a hidden folder whose files move into `folder` when the block ends well."""
    place = folder / f".{os.getpid()}.partial"
    try:
        place.mkdir(parents=True, exist_ok=True)
        try:
            yield place
            for file in sorted(place.iterdir()):
                file.replace(folder / file.name)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise RunError(
            folder,
            f"cannot be written ({error.strerror or error})",
            way_out="free space on the disk, or choose another --out",
        ) from error


def named_controls(words: str, size: tuple[int, int] | None = None) -> dict[str, Control]:
    """Return the controls of names with commas between, skeletons drawn at `size`.

    RecipeError for a name that is none, one that is there twice, and a size that none heeds.
    """
    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names or len(set(names)) < len(names):
        raise RecipeError("--kind", f"found {words!r}", allowed="each once: " + ", ".join(CONTROLS))
    controls = {name: open_control(name) for name in names}
    sized = {n: replace(c, size=size) for n, c in controls.items() if isinstance(c, Skeleton)}
    if size is not None and not sized:
        raise RecipeError(
            "--size",
            f"is stated for {', '.join(names)}",
            allowed="with --kind skeleton or trajectory-map",
            way_out="leave it out: the others have the size of the clip",
        )
    return controls | sized


def unknown_grippers(clips: Sequence[Clip], controls: Mapping[str, Control]) -> list[str]:
    """Say of which arms nothing tells how far the gripper opens: theirs is not drawn."""
    if not any(isinstance(control, Skeleton | Overlay) for control in controls.values()):
        return []
    return sorted(
        {
            f"how far the gripper of arm {arm.name} opens is not known in every frame of "
            f"{clip.name}: it is left out there"
            for clip in clips
            if clip.robot is not None
            for arm in clip.robot.arms
            if not np.isfinite(arm.gripper).all()
        }
    )


def check_controls(clip: Clip, controls: Mapping[str, Control]) -> None:
    """Raise ClipError where a clip lacks a layer, the robot or the camera that a control needs."""
    for control in controls.values():
        for layer in sorted(control.needs()):
            clip.stored(layer)
        if isinstance(control, Skeleton | Overlay):
            control.check(clip)


def draw_clips(
    clips: Sequence[Clip],
    controls: Mapping[str, Control],
    out: Path,
    *,
    lossless: bool = False,
    progress: Progress,
) -> list[tuple[Path, bool]]:
    """Write the control videos of clips; return every video, and whether it was there already.

    Those of one clip lie in `out`, of several in `out/<clip>`. All clips are checked before the
    first is drawn. Run again, what is whole and of the same source and settings is kept.
    """
    for clip in clips:
        check_controls(clip, controls)
    encoding = LOSSLESS_RGB if lossless else Encoding()
    made: list[tuple[Path, bool]] = []
    with progress.task("controls", sum(clip.num_frames for clip in clips)) as advance:
        for clip in clips:
            folder = out / clip.name if len(clips) > 1 else out
            due = _described(clip, controls, encoding)
            text, manifest = dumps(due), folder / "controls.json"
            paths = [folder / f"{name}{'.mkv' if lossless else '.mp4'}" for name in controls]
            there = all(path.is_file() for path in (*paths, manifest)) and (
                manifest.read_text(encoding="utf-8") == text
            )
            if not there:
                manifest.unlink(missing_ok=True)  # it may not stand beside other videos
                draw_controls(clip, controls, folder, encoding)
                write_text(manifest, text)
            made += [(path, there) for path in paths]
            advance(clip.num_frames)
    return made


def _described(clip: Clip, controls: Mapping[str, Control], encoding: Encoding) -> ControlVideos:
    """Describe videos by all that decides their pixels."""
    tracks = hashlib.blake2b(digest_size=16)
    arrays: list[Any] = []
    if clip.camera is not None:
        arrays += [clip.camera.intrinsics, clip.camera.world_to_camera]
    if clip.robot is not None:
        arrays += [clip.robot.link_poses, *(arm.gripper for arm in clip.robot.arms)]
        tracks.update(repr([(arm.name, arm.links) for arm in clip.robot.arms]).encode())
    for array in arrays:
        tracks.update(np.ascontiguousarray(array).tobytes())
    plugins = {name: Plugin.of(control) for name, control in controls.items()}
    parts = [source_digest(clip), tracks.hexdigest(), digest(plugins), digest(encoding)]
    return ControlVideos(
        clip=clip.name,
        source=clip.path,
        num_frames=clip.num_frames,
        fps=clip.fps,
        controls=plugins,
        encoding=encoding,
        digest=hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest(),
    )
