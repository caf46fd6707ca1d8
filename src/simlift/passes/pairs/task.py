"""Define the task of making one pair, and write the pair once it is accepted."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from simlift.controls import open_control
from simlift.core.clip import Clip
from simlift.core.errors import RunError, SimliftError
from simlift.core.layers import Layer
from simlift.core.pair import NEAR_LOSSLESS, Pair, PairControl, PairSet
from simlift.core.recipe import Plugin
from simlift.core.window import Frames
from simlift.media.video.writer import write_video
from simlift.passes.pairs.pair_store import PairRow
from simlift.passes.pairs.segments import Segment
from simlift.scale.processes import Failure

Origin: TypeAlias = Literal["keyframed", "twin", "take"]


@dataclass(frozen=True, eq=False)
class Task:
    """A segment of a clip that becomes a pair; `models` names what makes it with its digest."""

    clip: Clip
    segment: Segment
    origin: Origin
    models: dict[str, str]
    novelty: float
    row: PairRow

    @property
    def frames(self) -> range:
        """The indices of the segment in its clip."""
        return range(self.segment.start, self.segment.start + self.segment.num_frames)

    def at(self, row: PairRow) -> "Task":
        """Return the task with another row."""
        return replace(self, row=row)


def attempt_each(
    tasks: Sequence[Task],
    work: Callable[[Task], PairRow],
    failures: list[Failure],
    advance: Callable[[int], None],
) -> list[Task]:
    """Work at every task and return those that did not fail, with their new rows.

    A clip that cannot be read fails alone; a disk that cannot be written ends the pass.
    """
    done = []
    for task in tasks:
        try:
            done.append(task.at(work(task)))
        except RunError:
            raise
        except SimliftError as error:
            failures.append(Failure(task.row.id, str(error)))
        advance(task.segment.num_frames)
    return done


def task_id(clip: Clip, segment: Segment, origin: Origin) -> str:
    """Name a pair by its clip, first frame and origin."""
    return f"{clip.name}-{segment.start:06d}-{origin}"


def write_pair(
    pairs: PairSet,
    task: Task,
    render: Frames,
    target: Frames,
    caption: str,
    seeds: dict[str, int],
    gates: dict[str, float],
    controls: Sequence[str] = (),
) -> Pair:
    """Write both videos and the controls of the render, near-lossless, and return the pair."""
    drawn = draw_controls_of(task, controls)
    names = {pairs.video_of(task.row.id): target, pairs.reference_of(task.row.id): render}
    places = {name: pairs.control_of(task.row.id, name) for name in drawn}
    files = names | {places[name]: frames for name, (_, frames) in drawn.items()}
    for name, frames in files.items():
        with write_video(
            pairs.path / name,
            height=task.clip.height,
            width=task.clip.width,
            fps=task.clip.fps,
            encoding=NEAR_LOSSLESS,
        ) as writer:
            writer.append(frames)
    video, reference = names
    return Pair(
        id=task.row.id,
        caption=caption,
        video=video,
        reference_video=reference,
        num_frames=len(target),
        height=task.clip.height,
        width=task.clip.width,
        fps=task.clip.fps,
        source=str(task.clip.path.resolve()),
        start=task.segment.start,
        origin=task.origin,
        video_digest=file_digest(pairs.path / video),
        reference_digest=file_digest(pairs.path / reference),
        seeds=seeds,
        models=task.models,
        gates=gates,
        controls={
            name: PairControl(place, drawn[name][0], file_digest(pairs.path / place))
            for name, place in places.items()
        },
    )


def check_controls(clip: Clip, names: Sequence[str]) -> None:
    """Draw some controls of a clip's first frame; ClipError where it lacks what one needs."""
    if names:
        with clip.open(Layer) as reader:
            window = reader.window([0])
        for name in names:
            open_control(name).draw(window)


def draw_controls_of(task: Task, names: Sequence[str]) -> dict[str, tuple[Plugin, Frames]]:
    """Draw some controls of a task's frames; ClipError where the clip lacks what one needs."""
    if not names:
        return {}
    with task.clip.open(Layer) as reader:
        window = reader.window(task.frames)
    controls = {name: open_control(name) for name in names}
    return {name: (Plugin.of(c), c.draw(window)) for name, c in controls.items()}


def file_digest(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def target_digest(clip: Clip) -> str:
    """Hash the files of a clip's own target: its twin, or the take that stands for it."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted({Path(f) for f in clip.stored(Layer.TWIN).store.files}):
        total.update(path.name.encode())
        total.update(file_digest(path).encode())
    return total.hexdigest()
