"""Load an adapter of VACE's blocks, whatever trainer named its matrices.

DiffSynth-Studio, by which Ditto was trained, writes
vace_blocks.0.self_attn.q.lora_A.default.weight; Wan's own names with lora_down and lora_up, and
diffusers' names, are read too. diffusers converts the plain blocks of Wan alone, so the VACE blocks
are converted here.
"""

import re
from typing import Any

import torch
from safetensors.torch import load_file

from simlift.core.errors import RecipeError
from simlift.engines.diffusers._adapters import ADAPTER, adapter_errors, check_adapter
from simlift.engines.diffusers.weights import LoraFile

_OUTER = ("pipe.vace.", "pipe.dit.", "diffusion_model.", "transformer.", "vace.")
_LAYERS = {
    "self_attn.q": "attn1.to_q",
    "self_attn.k": "attn1.to_k",
    "self_attn.v": "attn1.to_v",
    "self_attn.o": "attn1.to_out.0",
    "cross_attn.q": "attn2.to_q",
    "cross_attn.k": "attn2.to_k",
    "cross_attn.v": "attn2.to_v",
    "cross_attn.o": "attn2.to_out.0",
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    "before_proj": "proj_in",
    "after_proj": "proj_out",
}
_MATRIX = re.compile(
    r"(?P<block>(?:vace_)?blocks\.\d+)\.(?P<layer>.+?)\."
    r"(?P<side>lora_A|lora_B|lora_down|lora_up)(?:\.default)?\.weight"
)
_ALPHA = re.compile(r"(?P<block>(?:vace_)?blocks\.\d+)\.(?P<layer>.+?)\.alpha")
_SIDES = {"lora_down": "lora_A", "lora_up": "lora_B"}


def load_vace_lora(pipeline: Any, lora: LoraFile, scale: float) -> None:
    """Put an adapter into a pipeline's network; RecipeError where it does not fit."""
    with adapter_errors(lora, "ditto.lora"):
        weights = read_vace_lora(lora, pipeline.transformer)
        pipeline.transformer.load_lora_adapter(weights, adapter_name=ADAPTER, prefix=None)
        pipeline.transformer.set_adapters([ADAPTER], [scale])
        check_adapter(pipeline, lora, "ditto.lora")


def set_flow_shift(pipeline: Any, shift: float) -> None:
    """Give a pipeline its scheduler anew with another shift; RecipeError where it knows none."""
    config = pipeline.scheduler.config
    key = next((key for key in ("flow_shift", "shift") if key in config), None)
    if key is None:
        raise RecipeError(
            "ditto.shift",
            f"{type(pipeline.scheduler).__name__} has no flow shift",
            way_out="leave it away: --set shift=null",
        )
    pipeline.scheduler = type(pipeline.scheduler).from_config(config, **{key: shift})


def read_vace_lora(lora: LoraFile, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return an adapter's matrices by diffusers' names; RecipeError for a name without a layer."""
    layers = {name for name, _ in network.named_modules()}
    stored = load_file(lora.path)
    alphas = _alphas(stored)
    weights: dict[str, torch.Tensor] = {}
    for key, tensor in stored.items():
        name = _inner(key)
        if _ALPHA.fullmatch(name):
            continue
        found = _MATRIX.fullmatch(name)
        layer = _layer(found) if found else name
        if found is None or layer not in layers:
            raise RecipeError(
                "ditto.lora",
                f"{lora.path} holds {key}, which names no layer of the base",
                allowed="low-rank matrices of the base's blocks and VACE blocks",
                way_out="name the base that it was trained on",
            )
        side = _SIDES.get(found["side"], found["side"])
        if side == "lora_A" and layer in alphas:
            tensor = tensor * (alphas[layer] / tensor.shape[0])
        weights[f"{layer}.{side}.weight"] = tensor
    return weights


def _inner(key: str) -> str:
    for prefix in _OUTER:
        key = key.removeprefix(prefix)
    return key


def _layer(found: re.Match[str]) -> str:
    return f"{found['block']}.{_LAYERS.get(found['layer'], found['layer'])}"


def _alphas(stored: dict[str, Any]) -> dict[str, float]:
    """Return the scales that some trainers store: alpha over rank multiplies the product."""
    found = ((_ALPHA.fullmatch(_inner(key)), tensor) for key, tensor in stored.items())
    return {_layer(match): float(tensor) for match, tensor in found if match}
