"""Train an adapter on encoded items by a recipe: the training loop.

Everything random depends on the step alone, and a state holds weights and moments whole, so that a
killed training goes on from its last state to the same bytes.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from safetensors.torch import load_file, save_file

from simlift.core.errors import RunError
from simlift.core.progress import report_step
from simlift.models.wan import _adapter
from simlift.models.wan._parts import DTYPES, padded_text
from simlift.models.wan.adapter import FORMAT, TARGETS, AdapterCard
from simlift.models.wan.flow_matching import Expert
from simlift.scale.prefetch import read_ahead
from simlift.training._expert_trainer import ExpertTrainer, Sample
from simlift.training._job import Training
from simlift.training._logs import Logs, open_logs
from simlift.training.draws import Draw, Draws, evaluation_levels
from simlift.training.items import Item

Tensor: TypeAlias = torch.Tensor
_CPU = torch.device("cpu")


def train(job: Training, progress: Callable[[int], None]) -> None:
    """Train to the last step; RunError names the pair at which the loss stopped being a number."""
    trainers = {e: ExpertTrainer(job.base, e, job.recipe, job.processes) for e in job.experts}
    begun = _resume(job, trainers)
    progress(begun)
    draws = Draws(job.recipe, job.base.experts, len(job.trained), job.size)
    steps = (_samples_of(job, draws, step) for step in range(begun, job.recipe.steps))
    with (
        open_logs(job.folder, first=job.processes.first) as write,
        read_ahead(steps, count=2) as samples,
    ):
        if begun == 0:
            _evaluate(job, trainers, 0, write)
        working: Expert | None = None
        for step in range(begun, job.recipe.steps):
            expert = job.recipe.expert_of(step, job.experts)
            if expert != working:
                if working is not None:
                    trainers[working].rest()
                trainers[expert].work()
                working = expert
            row, times = _step(job, trainers, expert, step, samples)
            write.step(row, times)
            _after(job, trainers, step + 1, expert, write)
            progress(1)
            report_step(step + 1, job.recipe.steps)


def _step(
    job: Training,
    trainers: dict[Expert, ExpertTrainer],
    expert: Expert,
    step: int,
    samples: Iterator[list[tuple[Draw, Sample, str]]],
) -> tuple[dict[str, Any], dict[str, float]]:
    """Take one optimiser step; return its row for the log and what it cost."""
    trainer, recipe = trainers[expert], job.recipe
    begun = time.perf_counter()
    mine = next(samples)
    waited = time.perf_counter() - begun
    total, levels = 0.0, []
    for draw, sample, names in mine:
        losses = trainer.loss(sample.to(job.processes.device, DTYPES[recipe.dtype]))
        loss = losses.mean()
        value = job.processes.mean(float(loss.detach()))
        if not math.isfinite(value):
            _stop(job, trainers, step, f"the loss of {names} at level {draw.level:.3f}", value)
        (loss / len(mine)).backward()
        total += value / len(mine)
        levels.append(round(draw.level, 6))
    lr = recipe.learning_rate(expert, step)
    norm = trainer.update(lr)
    if not math.isfinite(norm):
        names = ", ".join(name for _, _, name in mine)
        _stop(job, trainers, step, f"the gradient of {names}", norm)
    row = {
        "step": step + 1,
        "expert": expert,
        "loss": total,
        "levels": levels,
        "gradient": norm,
        "rate": lr,
    }
    return row, {"seconds": time.perf_counter() - begun, "waited": waited}


def _stop(
    job: Training, trainers: dict[Expert, ExpertTrainer], step: int, what: str, value: float
) -> None:
    """Keep the state before the step and say which pair it was."""
    _save_state(job, trainers, step)
    raise RunError(
        job.folder.path,
        f"{what} is {value} in step {step + 1}; the state after step {step} is kept",
        allowed="finite numbers",
        way_out="look at that pair; remove its line from pairs.jsonl and go on into another --out "
        f"with --set init={job.folder.path}, or lower the rates",
    )


def _after(
    job: Training, trainers: dict[Expert, ExpertTrainer], step: int, expert: Expert, write: Logs
) -> None:
    recipe, last = job.recipe, step == job.recipe.steps
    if last or (recipe.evaluate_every and step % recipe.evaluate_every == 0):
        trainers[expert].rest()
        _evaluate(job, trainers, step, write)
        trainers[expert].work()
    if recipe.sample_every and (last or step % recipe.sample_every == 0):
        from simlift.training._samples import write_sample

        trainers[expert].rest()
        write.sample(write_sample(job, trainers, step))
        trainers[expert].work()
    if last or (recipe.save_every and step % recipe.save_every == 0):
        _save_adapter(job, trainers, step)
        _save_state(job, trainers, step)


@torch.no_grad()
def _evaluate(job: Training, trainers: dict[Expert, ExpertTrainer], step: int, write: Logs) -> None:
    """Measure the loss on fixed items, noise and levels: what changes is the adapter alone."""
    recipe = job.recipe
    row: dict[str, Any] = {"step": step}
    every: list[float] = []
    for expert, trainer in trainers.items():
        trainer.work()
        losses: dict[str, list[float]] = {}
        levels = evaluation_levels(recipe.evaluation_levels, job.base.experts, expert, recipe.shift)
        for number, item in enumerate(job.evaluated):
            for level in levels:
                draw = Draw(number, float(level), 1_000_003 * number + 1, False, 0)
                sample = _sample(job, [item], [draw]).to(job.processes.device, DTYPES[recipe.dtype])
                value = float(trainer.loss(sample).mean())
                losses.setdefault(f"{level:.4f}", []).append(value)
        trainer.rest()
        row |= {f"{expert} {k}": sum(v) / len(v) for k, v in losses.items()}
        every += [x for v in losses.values() for x in v]
    row["loss"] = sum(every) / len(every)
    write.evaluation(row)


def _sample(job: Training, items: Sequence[Item], draws: Sequence[Draw]) -> Sample:
    """Put some items and draws together as one forward's batch; one prefix holds for all."""
    latents = [job.cache.read(item) for item in items]
    empty = padded_text(job.cache.text(""), _CPU, torch.float32)
    texts = [
        empty if draw.dropped else padded_text(found.text, _CPU, torch.float32)
        for draw, found in zip(draws, latents)
    ]
    noise = [
        torch.randn(found.target.shape, generator=torch.Generator("cpu").manual_seed(draw.noise))
        for draw, found in zip(draws, latents)
    ]
    prefix = min(draws[0].prefix, latents[0].target.shape[2] - 1)
    told = None
    if job.base.image_to_video:
        told = torch.cat([found.given[prefix] for found in latents])
    return Sample(
        target=torch.cat([found.target for found in latents]),
        reference=torch.cat([found.reference for found in latents]),
        noise=torch.cat(noise),
        level=torch.tensor([draw.level for draw in draws], dtype=torch.float32),
        text=torch.cat(texts),
        empty=empty.expand(len(items), -1, -1),
        prefix=0 if told is not None else prefix,
        given=told,
    )


def _samples_of(job: Training, draws: Draws, step: int) -> list[tuple[Draw, Sample, str]]:
    """Return this process's forwards of a step: every size-th sample, so that shares are alike."""
    recipe, processes = job.recipe, job.processes
    every = draws.step(step, recipe.expert_of(step, job.experts))
    mine = every[processes.rank :: processes.size]
    out = []
    for first in range(0, len(mine), recipe.batch):
        part = mine[first : first + recipe.batch]
        items = [job.trained[draw.item] for draw in part]
        names = ", ".join(item.name for item in items)
        out.append((part[0], _sample(job, items, part), names))
    return out


def _resume(job: Training, trainers: dict[Expert, ExpertTrainer]) -> int:
    step = job.folder.last_step()
    job.processes.wait()
    if job.processes.first:
        job.folder.rewind(step)
    job.processes.wait()
    if step == 0:
        return 0
    state = load_file(job.folder.state_file(step))
    for expert, trainer in trainers.items():
        own = f"{expert}/"
        trainer.restore({k.removeprefix(own): v for k, v in state.items() if k.startswith(own)})
    return step


def _save_state(job: Training, trainers: dict[Expert, ExpertTrainer], step: int) -> None:
    tensors = {
        f"{expert}/{name}": tensor
        for expert, trainer in trainers.items()
        for name, tensor in trainer.state().items()
    }
    if job.processes.first:
        path = job.folder.state_file(step)
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        save_file(tensors, partial)
        partial.replace(path)
        job.folder.keep_last()
    job.processes.wait()


def _save_adapter(job: Training, trainers: dict[Expert, ExpertTrainer], step: int) -> None:
    for expert, trainer in trainers.items():
        tensors = trainer.adapter()
        if job.processes.first:
            card = card_of(job, expert, step)
            _adapter.write_adapter(job.folder.path / f"{expert}.safetensors", tensors, card)


def card_of(job: Training, expert: Expert, step: int) -> AdapterCard:
    """Return the card of an expert after a step."""
    recipe = job.recipe
    frames, height, width = max(item.shape for item in job.trained)
    return AdapterCard(
        format=FORMAT,
        base=recipe.base,
        base_digest=job.base.digest(expert),
        expert=expert,
        rank=recipe.rank,
        alpha=recipe.alpha,
        targets=TARGETS[recipe.targets],
        incontext=recipe.incontext,
        shift=recipe.shift,
        boundary=job.base.experts.boundary,
        height=height,
        width=width,
        num_frames=frames,
        prompt_template=recipe.prompt_template,
        prefix_share=recipe.prefix_share + recipe.first_frame_share,
        steps=step,
        pairs=job.pairs,
        reference=recipe.reference,
        control=job.control,
    )
