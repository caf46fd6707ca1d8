"""Add LoRA weights to a transformer, read, write and convert them; nothing is ever ignored."""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers import WanPipeline, WanTransformer3DModel
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save

from simlift.core.errors import RecipeError
from simlift.core.strict_json import encode
from simlift.models.wan.adapter import CARD_KEY, AdapterCard

Tensors: TypeAlias = dict[str, torch.Tensor]
_PREFIX = "transformer."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_KOHYA = "lora_unet_"
_KOHYA_LAYER = re.compile(r"lora_unet_blocks_(?P<block>\d+)_(?P<place>\w+)")
_KOHYA_PLACES = {
    **{
        f"{long}_{short}": f"{attention}.{layer}"
        for long, attention in (("self_attn", "attn1"), ("cross_attn", "attn2"))
        for short, layer in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("o", "to_out.0"))
    },
    "ffn_0": "ffn.net.0.proj",
    "ffn_2": "ffn.net.2",
}
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


def read_lora(path: Path) -> Tensors:
    """Return a plain LoRA's tensors under diffusers' names; other trainers' names are converted.

    Names of kohya's trainers (musubi-tuner) are converted here, those of ComfyUI by diffusers.
    """
    raw = load_file(path)
    if any(name.startswith(_KOHYA) for name in raw):
        return _from_kohya(raw, path)
    found: dict[str, Any] = WanPipeline.lora_state_dict(
        str(path.parent), weight_name=path.name, use_safetensors=True, local_files_only=True
    )
    return {name.removeprefix(_PREFIX): tensor for name, tensor in found.items()}


def _from_kohya(raw: Tensors, path: Path) -> Tensors:
    """Convert `lora_unet_blocks_0_self_attn_q.lora_down.weight`, and alpha into the weights."""
    out: Tensors = {}
    for name, tensor in raw.items():
        layer, _, kind = name.partition(".")
        found = _KOHYA_LAYER.fullmatch(layer)
        if found is None or found["place"] not in _KOHYA_PLACES:
            raise RecipeError(
                path,
                f"{name} has no place in a Wan transformer",
                allowed="LoRA weights of attention and feed-forward layers",
            )
        place = f"blocks.{found['block']}.{_KOHYA_PLACES[found['place']]}"
        if kind == "lora_down.weight":
            out[place + _DOWN] = tensor
        elif kind == "lora_up.weight":
            rank = tensor.shape[1]
            alpha = float(raw.get(f"{layer}.alpha", torch.tensor(float(rank))))
            out[place + _UP] = tensor * (alpha / rank)
        elif kind != "alpha":
            raise RecipeError(path, f"{name} is no LoRA weight")
    return out


def load_lora(
    model: WanTransformer3DModel,
    tensors: Tensors,
    *,
    name: str,
    path: Path,
    alpha: float | None = None,
) -> None:
    """Put a LoRA on a transformer; RecipeError where a tensor has no place or does not fit.

    Without `alpha`, each layer has its own rank and a scale of 1.
    """
    check_fit(model, tensors, path)
    metadata = None
    if alpha is not None:
        downs = {k.removesuffix(_DOWN): t for k, t in tensors.items() if k.endswith(_DOWN)}
        rank = next(iter(downs.values())).shape[0]
        metadata = {"r": rank, "lora_alpha": alpha, "target_modules": sorted(downs)}
    with warnings.catch_warnings():  # several LoRAs on one network are meant to be
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        model.load_lora_adapter(tensors, prefix=None, adapter_name=name, metadata=metadata)


def check_fit(
    model: WanTransformer3DModel, tensors: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Raise RecipeError unless every tensor belongs to a linear layer of its size."""
    layers = {
        name.removesuffix(".base_layer"): module  # a layer that bears another LoRA already
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    matched = 0
    strange = []
    for key, tensor in tensors.items():
        layer = layers.get(key.removesuffix(_DOWN).removesuffix(_UP))
        down, up = key.endswith(_DOWN), key.endswith(_UP)
        if layer is None or not (down or up):
            strange.append(key)
            continue
        size = tensor.shape[1] if down else tensor.shape[0]
        expected = layer.in_features if down else layer.out_features
        if size != expected:
            raise RecipeError(
                path,
                f"{key} is {list(tensor.shape)}, the base's layer has {expected} "
                + ("inputs" if down else "outputs"),
                allowed="an adapter of this base",
            )
        matched += 1
    if strange or not matched:
        raise RecipeError(
            path,
            f"{len(strange)} of {len(tensors)} tensors have no place in the base, such as "
            f"{strange[0] if strange else 'none that is a LoRA'}",
            allowed="LoRA weights of this base, named as diffusers, ComfyUI or musubi-tuner do",
            way_out="load it with the trainer that wrote it and save it in diffusers' layout",
        )
