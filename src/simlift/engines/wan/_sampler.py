"""Integrate from noise to latents under conditions, by Euler's method over explicit levels.

Shapes: C channels, F H W latent frames, rows, columns; T text tokens, D their width. One clip at a
time, so that a pixel does not depend on what else is lifted.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

import torch

from simlift.models.wan._incontext import InContextTransformer, ReferenceCache
from simlift.models.wan.flow_matching import TIMESTEPS, Expert, Experts

Tensor: TypeAlias = torch.Tensor
Reference: TypeAlias = Tensor | ReferenceCache | None


@dataclass(frozen=True, eq=False)
class Conditions:
    """What a window is made from.

    reference: clean latents of the whole window [1 C F H' W'], or None without an adapter.
    prompt, negative, empty: texts [1 T D] of the prompt, of the negative prompt, and of no prompt,
        on which a reference that sees itself alone is conditioned.
    prefix: clean latents [1 C K H W] of the first K latent frames, or None.
    given: what an image-to-video model is told of the frames [1 4+C F H W]; others have None.
    parts: slices of latent frames that are denoised together.
    """

    reference: Tensor | None
    prompt: Tensor
    negative: Tensor
    empty: Tensor
    prefix: Tensor | None
    parts: tuple[slice, ...]
    given: Tensor | None = None

    def to(self, device: torch.device) -> "Conditions":
        """Return the conditions on a device."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        return Conditions(
            moved(self.reference),
            self.prompt.to(device),
            self.negative.to(device),
            self.empty.to(device),
            moved(self.prefix),
            self.parts,
            moved(self.given),
        )


@dataclass(frozen=True, eq=False)
class Sampler:
    """Integrates from noise to a video; `use` puts an expert where it can work."""

    experts: Experts
    use: Callable[[Expert], AbstractContextManager[InContextTransformer]]
    guidance: Mapping[str, float]
    cache_device: str | None  # of cached references; None leaves them where they are made
    step: Callable[[int, int], None]  # hears of every step: done, total

    @torch.inference_mode()
    def __call__(self, noise: Tensor, levels: Sequence[float], conditions: Conditions) -> Tensor:
        """Return the latents [1 C F H W] that lie at the end of the levels, float32.

        `noise` is the sample at the first level: noise alone where that is 1.
        """
        x = _with_prefix(noise.float(), conditions.prefix)
        done = 0
        for expert in self.experts.names:
            steps = [k for k in range(len(levels) - 1) if self.experts.of(levels[k]) == expert]
            if not steps:
                continue
            with self.use(expert) as model:
                references = [self._reference(model, conditions, p) for p in conditions.parts]
                for k in steps:
                    velocity = self._blended(model, expert, x, levels[k], conditions, references)
                    x = x + (levels[k + 1] - levels[k]) * velocity
                    x = _with_prefix(x, conditions.prefix)
                    done += 1
                    self.step(done, len(levels) - 1)
        return x

    def _reference(
        self, model: InContextTransformer, conditions: Conditions, part: slice
    ) -> Reference:
        if conditions.reference is None:
            return None
        latents = conditions.reference[:, :, part].to(_dtype(model))
        if model.settings.attention == "self":
            return model.cache_reference(latents, conditions.empty, device=self.cache_device)
        return latents

    def _blended(
        self,
        model: InContextTransformer,
        expert: Expert,
        x: Tensor,
        level: float,
        conditions: Conditions,
        references: Sequence[Reference],
    ) -> Tensor:
        """Return the velocity of all parts, those that overlap blended along ramps."""
        parts = conditions.parts
        if len(parts) == 1:
            return self._guided(model, expert, x, level, conditions, references[0], 0)
        total, weight = torch.zeros_like(x), x.new_zeros(x.shape[2])
        for number, (part, reference) in enumerate(zip(parts, references)):
            velocity = self._guided(
                model, expert, x[:, :, part], level, conditions, reference, number
            )
            ramp = _ramp(parts, number).to(x)
            total[:, :, part] += velocity * ramp.view(1, 1, -1, 1, 1)
            weight[part] += ramp
        return total / weight.view(1, 1, -1, 1, 1)

    def _guided(
        self,
        model: InContextTransformer,
        expert: Expert,
        x: Tensor,
        level: float,
        conditions: Conditions,
        reference: Reference,
        number: int,
    ) -> Tensor:
        """Return the velocity under classifier-free guidance (Ho and Salimans, 2022)."""
        step = torch.full((1,), level * TIMESTEPS, device=x.device, dtype=torch.float32)
        clean = 0 if conditions.prefix is None or number else conditions.prefix.shape[2]
        alone = model.settings.attention == "self"

        def predict(text: Tensor) -> Tensor:
            made = model(
                x.to(_dtype(model)),
                step,
                text,
                reference=reference,
                reference_text=conditions.empty if alone else None,
                prefix=clean,
                given=conditions.given,
            )
            return made.float()

        guidance = self.guidance[expert]
        prompt = predict(conditions.prompt)
        if guidance == 1:
            return prompt
        negative = predict(conditions.negative)
        return negative + guidance * (prompt - negative)


def _dtype(model: InContextTransformer) -> torch.dtype:
    # Normalisation and embeddings stay in the type of computation under 8-bit storage too.
    dtype: torch.dtype = model.patch_embedding.weight.dtype
    return dtype


def _with_prefix(x: Tensor, prefix: Tensor | None) -> Tensor:
    if prefix is None:
        return x
    return torch.cat([prefix.to(x), x[:, :, prefix.shape[2] :]], dim=2)


def _ramp(parts: Sequence[slice], number: int) -> Tensor:
    """Return a part's weights: rising and falling over what it shares with its neighbours."""
    part = parts[number]
    length = part.stop - part.start
    weights = torch.ones(length)
    if number:
        shared = parts[number - 1].stop - part.start
        weights[:shared] = torch.arange(1, shared + 1) / (shared + 1)
    if number + 1 < len(parts):
        shared = part.stop - parts[number + 1].start
        weights[length - shared :] = torch.arange(shared, 0, -1) / (shared + 1)
    return weights


def fused_parts(frames: int, window: int, overlap: int) -> tuple[slice, ...]:
    """Cut latent frames into windows that share `overlap`; the last is moved back to fit."""
    if frames <= window:
        return (slice(0, frames),)
    starts = [*range(0, frames - window, window - overlap), frames - window]
    return tuple(slice(start, start + window) for start in starts)
