"""Add an in-context adapter to a transformer, read and write its tensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from diffusers import WanTransformer3DModel
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save

from simlift.core.errors import RecipeError
from simlift.core.strict_json import encode
from simlift.models.wan.adapter import CARD_KEY, AdapterCard

Tensors: TypeAlias = dict[str, torch.Tensor]
_PREFIX = "transformer."
ADAPTER = "incontext"


def add_adapter(
    model: WanTransformer3DModel, *, rank: int, alpha: float, targets: tuple[str, ...], seed: int
) -> list[torch.nn.Parameter]:
    """Add a fresh LoRA, which changes nothing yet, and return its parameters, float32.

    Source: Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.add_adapter(
            LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets)), ADAPTER
        )
    trained = [p for name, p in model.named_parameters() if "lora_" in name]
    if not trained:
        raise RecipeError("targets", f"the network has none of {', '.join(targets)}")
    for parameter in trained:
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return trained


def adapter_tensors(model: WanTransformer3DModel) -> Tensors:
    """Return the LoRA's tensors under their names inside the transformer."""
    found = get_peft_model_state_dict(model, adapter_name=ADAPTER)
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in found.items()}


def set_adapter_tensors(model: WanTransformer3DModel, tensors: Mapping[str, torch.Tensor]) -> None:
    """Overwrite the LoRA's tensors, all of them."""
    places = {
        name.replace(f".{ADAPTER}.", "."): p
        for name, p in model.named_parameters()
        if "lora_" in name
    }
    if set(places) != set(tensors):
        raise RecipeError("adapter", "holds other tensors than the network has")
    with torch.no_grad():
        for name, parameter in places.items():
            parameter.copy_(tensors[name])


def write_adapter(path: Path, tensors: Tensors, card: AdapterCard) -> None:
    """Write one expert's file; it appears whole, by rename."""
    lora = {
        "r": card.rank,
        "lora_alpha": card.alpha,
        "target_modules": list(card.targets),
    }
    metadata = {
        "format": "pt",
        CARD_KEY: json.dumps(encode(card), sort_keys=True),
        "lora_adapter_metadata": json.dumps(
            {f"{_PREFIX}{key}": value for key, value in lora.items()}, sort_keys=True
        ),
    }
    write_safetensors(path, {f"{_PREFIX}{k}": v for k, v in tensors.items()}, metadata)


def write_safetensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file that appears whole; equal contents give equal bytes.

    The library writes metadata in an order that changes from process to process.
    """
    data = save(dict(sorted(tensors.items())), metadata=dict(metadata))
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(memoryview(data)[8 + length :])
    partial.replace(path)


def store_in_8_bits(model: WanTransformer3DModel, compute: torch.dtype) -> None:
    """Keep the base's linear layers as 8-bit floats; LoRAs, norms and embeddings stay."""
    model.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn, compute_dtype=compute, skip_modules_pattern=("lora_",)
    )


def read_adapter(path: Path) -> Tensors:
    """Return the tensors of one of our files."""
    return {name.removeprefix(_PREFIX): tensor for name, tensor in load_file(path).items()}
