"""Make pairs with models: edit anchor frames, then propagate; one model at a time.

Editor and propagator seldom fit beside each other, so each works through every open segment before
the other is loaded. A rejected pair waits for the next round with the next seed.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from simlift.core.clip import ClipReader
from simlift.core.clip_sample import sample_clip
from simlift.core.recipe import derive_seed
from simlift.core.window import ClipSample, Window
from simlift.engines.keyframed import Keyframed
from simlift.engines.keyframed.anchors import Anchors, anchor_positions, edit_anchors
from simlift.engines.keyframed.engine import join_anchors
from simlift.engines.keyframed.protocols import Editor, Propagator
from simlift.passes.pairs.captions import Captions
from simlift.passes.pairs.pair_store import PairRow, PairStore
from simlift.passes.pairs.quality import EVIDENCE, Judge
from simlift.passes.pairs.recipe import PairRecipe
from simlift.passes.pairs.task import Task, attempt_each, write_pair
from simlift.scale.processes import Failure
from simlift.scale.progress import Progress

M = TypeVar("M")


def pair_by_models(
    tasks: Sequence[Task], tool: "Keyframing", progress: Progress, device: str
) -> list[Failure]:
    """Finish every task, in rounds, and return those that failed."""
    failures: list[Failure] = []
    engine, still = tool.engine, [task for task in tasks if not task.row.done]
    while still:
        unedited = [t for t in still if engine.anchors != "none" and t.row.anchors is None]
        ready = [t for t in still if t not in unedited]
        edited = _work("edit", unedited, engine.open_editor, tool.edit, failures, progress, device)
        ready += [task for task in edited if not task.row.done]
        joined = _work("join", ready, engine.open_propagator, tool.join, failures, progress, device)
        still = [task for task in joined if not task.row.done]
    return failures


def _work(
    name: str,
    tasks: Sequence[Task],
    open_model: Callable[[str], AbstractContextManager[M]],
    work: Callable[[M, Task], PairRow],
    failures: list[Failure],
    progress: Progress,
    device: str,
) -> list[Task]:
    """Open a model once for all tasks, and work at each with it; without tasks open none."""
    if not tasks:
        return []
    with progress.task(name, _frames(tasks)) as advance, open_model(device) as model:
        return attempt_each(tasks, partial(work, model), failures, advance)


@dataclass(frozen=True, eq=False)
class Keyframing:
    """What both steps of a pair need."""

    engine: Keyframed
    recipe: PairRecipe
    store: PairStore
    judge: Judge
    captions: Captions

    def edit(self, editor: Editor, task: Task) -> PairRow:
        """Edit anchors with one seed after another until they lie over the render."""
        row = task.row
        with task.clip.open(self.engine.needs()) as reader:
            render = reader.window(task.frames).rgb
        positions = anchor_positions(self.engine.anchors, len(render))
        while not row.done and row.anchors is None:
            anchors = edit_anchors(editor, render, positions, self._seed(task, row, "anchor"))
            reasons, gates = anchors.reasons(self.engine.alignment), _lie(anchors)
            row = replace(row, gates=gates, reasons=reasons)
            if not reasons:
                self.store.save_anchors(row.id, anchors.pictures)
                row = replace(row, anchors=anchors.positions)
            else:
                row = self._spent(row)
            row = self.store.save(row)
        return row

    def join(self, propagator: Propagator, task: Task) -> PairRow:
        """Make the frames between the anchors, judge the pair, and write it if it is accepted."""
        engine, row = self.engine, task.row
        seeds = {"propagation": self._seed(task, row, "propagation")}
        if row.anchors is not None:
            seeds["anchors"] = self._seed(task, row, "anchor")
            anchors = Anchors(row.anchors, self.store.anchors(row), ())
        with task.clip.open(EVIDENCE | engine.needs() | engine.uses()) as reader:
            shot = reader.window(task.frames)
            if row.anchors is None:
                anchors = Anchors((), shot.rgb[:0], ())
            caption = self.captions.caption(task.clip, task.segment.start, shot.rgb)
            sample = self._survey(reader, shot)
            number = seeds["propagation"]
            target = join_anchors(engine, propagator, shot, sample, anchors, caption, number)
            gates, reasons = self.judge(reader, task.segment.start, shot.rgb, target, task.novelty)
        row = replace(row, gates=gates, reasons=reasons)
        if reasons:
            return self.store.save(self._spent(row))
        controls = self.recipe.controls
        pair = write_pair(self.store.pairs, task, shot.rgb, target, caption, seeds, gates, controls)
        return self.store.save(replace(row, attempts=row.attempts + 1, done=True, pair=pair))

    def _spent(self, row: PairRow) -> PairRow:
        attempts = row.attempts + 1
        return replace(row, attempts=attempts, anchors=None, done=attempts > self.recipe.retries)

    def _seed(self, task: Task, row: PairRow, what: str) -> int:
        names = (task.clip.name, str(task.segment.start), what, str(row.attempts))
        return derive_seed(self.recipe.seed, *names)

    def _survey(self, reader: ClipReader, shot: Window) -> ClipSample:
        # Only the range of depth is asked of it.
        return sample_clip(reader) if self.engine.control == "depth" else ClipSample(shot.frame(0))


def _lie(anchors: Anchors) -> dict[str, float]:
    """Return how the worst anchor lies over its render."""
    lies = anchors.alignments
    return {
        "anchor_edge_f1": round(min(a.edge_f1 for a in lies), 6),
        "anchor_shift": round(max(a.shift for a in lies), 6),
        "anchor_zoom": round(max(abs(a.zoom) for a in lies), 6),
    }


def _frames(tasks: Sequence[Task]) -> int:
    return sum(task.segment.num_frames for task in tasks)
