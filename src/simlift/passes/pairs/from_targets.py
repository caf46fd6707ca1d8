"""Make pairs of segments that have targets already (twins, accepted takes)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from simlift.core.layers import Layer
from simlift.passes.pairs.captions import Captions
from simlift.passes.pairs.pair_store import PairRow, PairStore
from simlift.passes.pairs.quality import EVIDENCE, Judge
from simlift.passes.pairs.task import Task, write_pair


def pair_from_targets(
    store: PairStore, judge: Judge, captions: Captions, controls: Sequence[str], task: Task
) -> PairRow:
    """Judge one pair and write it where it is accepted: no model, so one attempt."""
    with task.clip.open(EVIDENCE) as reader:
        window = reader.window(task.frames)
        render, target = window.rgb, window[Layer.TWIN]
        gates, reasons = judge(reader, task.segment.start, render, target, task.novelty)
    done = replace(task.row, attempts=1, gates=gates, reasons=reasons, done=True)
    if not reasons:
        caption = captions.caption(task.clip, task.segment.start, render)
        pair = write_pair(store.pairs, task, render, target, caption, {}, gates, controls)
        done = replace(done, pair=pair)
    return store.save(done)


def drop_repeats(tasks: Iterable[Task], store: PairStore, limit: float) -> list[Task]:
    """Return the tasks that show something new; the others become rejected rows."""
    kept = []
    for task in tasks:
        if task.row.done or task.novelty >= limit:
            kept.append(task)
            continue
        reason = f"novelty {task.novelty:.3g} is below {limit:g}: seen in a segment before"
        gates = {"novelty": round(task.novelty, 6)}
        kept.append(
            task.at(store.save(replace(task.row, gates=gates, reasons=(reason,), done=True)))
        )
    return kept
