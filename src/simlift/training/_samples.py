"""Write sample videos during training (reference, sample, target) and their distances."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import torch

from simlift.core.progress import report_step
from simlift.engines.wan._sampler import Conditions, Sampler
from simlift.media.video.writer import write_video
from simlift.models.wan._incontext import InContextTransformer
from simlift.models.wan._parts import DTYPES, decode_latents, load_vae, padded_text
from simlift.models.wan.flow_matching import Expert, schedule
from simlift.training._encode import read_frames
from simlift.training._expert_trainer import ExpertTrainer
from simlift.training._job import Training

_SHIFT = 12.0  # of the levels of Wan2.2's own sampling


def write_sample(
    job: Training, trainers: dict[Expert, ExpertTrainer], step: int
) -> dict[str, str | int | float]:
    """Lift the first evaluated item and write samples/step-<step>-<item>.mp4.

    Returns how far the sample is from its target and from its reference: root mean squares of
    normalised latents. An adapter that learned brings the first below the second.
    """
    recipe, item, device = job.recipe, job.evaluated[0], job.processes.device
    found = job.cache.read(item)
    dtype = DTYPES[recipe.dtype]
    empty = padded_text(job.cache.text(""), device, dtype)
    # Where a first frame says what things look like, there is no sample without it.
    shown = recipe.first_frame_share + recipe.prefix_share > 0.5
    conditions = Conditions(
        reference=found.reference.to(device),
        prompt=padded_text(found.text, device, dtype),
        negative=empty,
        empty=empty,
        prefix=found.target[:, :, :1].to(device) if shown and not found.given else None,
        given=found.given[int(shown)].to(device) if found.given else None,
        parts=(slice(0, found.target.shape[2]),),
    )

    @contextmanager
    def use(expert: Expert) -> Iterator[InContextTransformer]:
        trainers[expert].work()
        try:
            yield trainers[expert].network
        finally:
            trainers[expert].rest()

    guidance: dict[str, float] = dict.fromkeys(job.base.experts.names, recipe.sample_guidance)
    sampler = Sampler(job.base.experts, use, guidance, None, report_step)
    noise = torch.randn(found.target.shape, generator=torch.Generator("cpu").manual_seed(0))
    levels = [float(s) for s in schedule(recipe.sample_steps, _SHIFT)]
    latents = sampler(noise.to(device), levels, conditions)
    row: dict[str, str | int | float] = {"step": step, "pair": item.name}
    for name, other in (("target", found.target), ("reference", found.reference)):
        if other.shape == latents.shape:  # a reference of lower resolution has no distance
            error = latents.float().cpu() - other.float()
            row[f"to_{name}"] = round(float(error.square().mean().sqrt()), 6)
    if not job.processes.first:
        return row
    vae = load_vae(job.base.folder).to(device)
    made = np.concatenate(list(decode_latents(vae, latents)))
    render, target = read_frames(item.reference, item), read_frames(item.target, item)
    beside = np.concatenate([render, made, target], axis=2)
    path = job.folder.path / "samples" / f"step-{step:08d}-{item.name.replace(':', '-')}.mp4"
    height, width = beside.shape[1:3]
    with write_video(path, height=height, width=width, fps=Fraction(16)) as video:
        video.append(beside)
    return row
