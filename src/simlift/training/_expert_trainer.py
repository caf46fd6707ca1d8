"""Train one expert: its network with a LoRA, its optimiser, and the loss of a sample.

Shapes: B batch, C channels, F H W latent frames, rows, columns; T text tokens, D their width.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from simlift.models.wan import _adapter
from simlift.models.wan._incontext import InContextTransformer
from simlift.models.wan._parts import DTYPES, load_transformer
from simlift.models.wan.adapter import TARGETS
from simlift.models.wan.base_model import WanBase
from simlift.models.wan.flow_matching import TIMESTEPS, Expert
from simlift.training._process_group import ProcessGroup, gather, shard_like
from simlift.training.recipe import TrainRecipe

Tensor: TypeAlias = torch.Tensor
Tensors: TypeAlias = dict[str, torch.Tensor]
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, eq=False)
class Sample:
    """What one forward is asked: clean target, reference and noise [B C F H W], texts [B T D].

    `prefix` latent frames are clean at the target's start; an image-to-video model is told of them
    by `given` [B 4+C F H W] instead.
    """

    target: Tensor
    reference: Tensor
    noise: Tensor
    level: Tensor  # [B]
    text: Tensor
    empty: Tensor
    prefix: int
    given: Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> "Sample":
        """Return the sample on a device; latents stay in float32, texts take the type."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Sample(
            moved(self.target),
            moved(self.reference),
            moved(self.noise),
            moved(self.level),
            moved(self.text).to(dtype),
            moved(self.empty).to(dtype),
            self.prefix,
            None if self.given is None else moved(self.given),
        )


class VelocityLoss(nn.Module):
    """The flow-matching loss of a network, on the target frames that were noisy.

    |v(x_s, s, reference, text) - (eps - x_0)|^2 with x_s = (1 - s) x_0 + s eps.
    """

    def __init__(self, network: InContextTransformer, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def forward(self, sample: Sample) -> Tensor:
        """Return the loss of every sample, [B], float32."""
        s = sample.level.view(-1, 1, 1, 1, 1)
        noisy = (1 - s) * sample.target + s * sample.noise
        if sample.prefix:
            clean = sample.target[:, :, : sample.prefix]
            noisy = torch.cat([clean, noisy[:, :, sample.prefix :]], dim=2)
        alone = self.network.settings.attention == "self"
        velocity = self.network(
            noisy.to(self.dtype),
            (sample.level * TIMESTEPS).float(),
            sample.text,
            reference=sample.reference.to(self.dtype),
            reference_text=sample.empty if alone else None,
            prefix=sample.prefix,
            given=sample.given,
        )
        error = velocity.float() - (sample.noise - sample.target)
        return error[:, :, sample.prefix :].square().flatten(1).mean(1)


class ExpertTrainer:
    """An expert under training."""

    def __init__(
        self, base: WanBase, expert: Expert, recipe: TrainRecipe, processes: ProcessGroup
    ) -> None:
        dtype = DTYPES[recipe.dtype]
        self.expert, self._processes, self._recipe = expert, processes, recipe
        self._model = load_transformer(base, expert, dtype)
        if recipe.fp8:  # before the LoRA is there, which stays in float32
            _adapter.store_in_8_bits(self._model, dtype)
        _adapter.add_adapter(
            self._model,
            rank=recipe.rank,
            alpha=recipe.alpha,
            targets=TARGETS[recipe.targets],
            seed=recipe.seed,
        )
        if recipe.init is not None:
            start = _adapter.read_adapter(Path(recipe.init) / f"{expert}.safetensors")
            _adapter.set_adapter_tensors(self._model, start)
        self.network = InContextTransformer(self._model, recipe.incontext)
        self.network.checkpointing = recipe.checkpointing
        if recipe.compile:
            self.network.compile_blocks()
        loss = VelocityLoss(self.network, dtype)
        self._idle = recipe.offload and processes.size == 1
        if not self._idle:
            loss.to(processes.device)
        self.loss = processes.wrap(loss, self.network.blocks)
        self._optimiser: Any = torch.optim.AdamW(
            [p for _, p in self._parameters()],
            betas=(0.9, 0.99),
            weight_decay=recipe.weight_decay,
            foreach=False,
        )

    def work(self) -> None:
        """Come onto the device."""
        if self._idle:
            self._move(self._processes.device)

    def rest(self) -> None:
        """Leave the device to the other expert."""
        if self._idle:
            self._move(torch.device("cpu"))

    def update(self, lr: float) -> float:
        """Take a step with the gradients that have come together; return their norm.

        Nothing changes where the norm is not finite.
        """
        trained = [p for _, p in self._parameters()]
        found: Any = nn.utils.clip_grad_norm_(trained, self._recipe.clip_norm, foreach=False)
        norm = float(gather(found))
        if torch.isfinite(torch.tensor(norm)):
            for group in self._optimiser.param_groups:
                group["lr"] = lr
            self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return norm

    def adapter(self) -> Tensors:
        """Return the LoRA, whole, under the names of the transformer."""
        return {name: gather(p).float().contiguous() for name, p in self._parameters()}

    def state(self) -> Tensors:
        """Return the LoRA and the optimiser's moments, whole; step counts are among them."""
        out = {f"lora/{name}": tensor for name, tensor in self.adapter().items()}
        for name, parameter in self._parameters():
            moments = self._optimiser.state.get(parameter, {})
            for key in _MOMENTS:
                if key in moments:
                    out[f"{key}/{name}"] = gather(moments[key])
            if "step" in moments:
                out[f"step/{name}"] = gather(moments["step"]).reshape(1)
        return out

    def restore(self, state: Tensors) -> None:
        """Become what `state` was taken from."""
        with torch.no_grad():
            for name, parameter in self._parameters():
                parameter.copy_(shard_like(state[f"lora/{name}"], parameter))
                if f"step/{name}" not in state:
                    continue
                self._optimiser.state[parameter] = {
                    "step": state[f"step/{name}"].reshape(()).float(),
                    **{key: shard_like(state[f"{key}/{name}"], parameter) for key in _MOMENTS},
                }

    def _parameters(self) -> list[tuple[str, Any]]:
        """Return the LoRA's parameters under their names inside the transformer, in order."""
        found = [
            (name.replace(f".{_adapter.ADAPTER}.", "."), parameter)
            for name, parameter in self._model.named_parameters()
            if "lora_" in name
        ]
        return sorted(found, key=lambda pair: pair[0])

    def _move(self, device: torch.device) -> None:
        self.network.to(device)
        for moments in self._optimiser.state.values():
            for key in _MOMENTS:
                moments[key] = moments[key].to(device)
        if device.type == "cpu" and self._processes.device.type == "cuda":
            torch.cuda.empty_cache()
