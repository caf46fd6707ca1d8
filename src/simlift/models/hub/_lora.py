"""Put LoRA files on a network: every tensor reaches its layer at its strength, or none is used."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors.torch import load_file

from simlift.core.errors import RecipeError
from simlift.models.hub.lora_header import LoraHeader, read_lora_header

Tensors: TypeAlias = dict[str, torch.Tensor]

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
_PREFIXES = re.compile(
    r"(base_model\.model\.|model\.|pipe\.|diffusion_model\.|transformer\.|dit\.|vace\.|"
    r"lora_unet_|lora_transformer_|lycoris_)+"
)
_TABLE = "scale_shift_table"  # what is added to a block's modulation, as diffusers names it


@dataclass(frozen=True, eq=False)
class Lora:
    """A LoRA by a network's own names; the strength of each layer is in its up matrix.

    weights: `LAYER.lora_A.weight` and `LAYER.lora_B.weight`.
    additions: by a parameter's name, what is added to it.
    """

    weights: Tensors
    additions: Tensors


def read_lora(
    path: Path, model: torch.nn.Module, original_name: Callable[[str], str] = str
) -> Lora:
    """Read a LoRA file for a network; RecipeError names what has no place, or that nothing changes.

    `original_name` gives the name under which the model's authors published a layer or parameter.
    """
    header = read_lora_header(path)
    stored = load_file(path)
    _check_finite(path, stored)
    names = _Names(path, model, original_name)
    names.check((*header.up, *(layer for layer, kind in header.addends if kind != "table")))
    weights: Tensors = {}
    additions: Tensors = {}
    for layer, key in header.up.items():
        down, up = stored[header.down[layer]], stored[key]
        if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1] or not down.shape[0]:
            raise RecipeError(
                path,
                f"{layer}: matrices of {list(down.shape)} and {list(up.shape)} do not belong "
                "together",
                allowed="(rank, inputs) and (outputs, rank) of a linear layer",
            )
        scale = _scale(header, stored, layer, down.shape[0])
        place = names.layer(layer)
        weights[place + DOWN] = down
        weights[place + UP] = (up.float() * scale).to(up.dtype)
        if layer in header.scaled_biases:
            bias = stored[header.scaled_biases[layer]]
            _add(additions, f"{place}.bias", (bias.float() * scale).to(bias.dtype))
    for (layer, kind), key in header.addends.items():
        _add(additions, names.parameter(layer, kind), stored[key])
    lora = Lora(weights, additions)
    if not _changes(lora):
        raise RecipeError(
            path,
            "changes nothing: its matrices are zero, or its strength is",
            allowed="a trained LoRA",
            way_out="leave it away, or give the file of a later step",
        )
    check_additions(model, additions, path)
    if weights:
        check_fit(model, weights, path)
    return lora


def put_lora(model: Any, lora: Lora, *, name: str, path: Path, strength: float = 1.0) -> None:
    """Put a LoRA on a network under a name; what it adds to weights and biases is added at once."""
    parameters = _parameters(model)
    with torch.no_grad():
        for key, change in lora.additions.items():
            target = parameters[key]
            target += (strength * change.float()).to(target.device, target.dtype).view_as(target)
    if lora.weights:
        load_lora(model, lora.weights, name=name, path=path)


def load_lora(
    model: Any,
    tensors: Mapping[str, torch.Tensor],
    *,
    name: str,
    path: Path,
    alpha: float | None = None,
) -> None:
    """Put low-rank matrices on a network; RecipeError where one has no place or does not fit.

    Without `alpha`, each layer has its own rank and a scale of 1.
    """
    check_fit(model, tensors, path)
    ranks = {k.removesuffix(DOWN): len(t) for k, t in tensors.items() if k.endswith(DOWN)}
    first = next(iter(ranks.values()))
    settings: dict[str, Any] = {"r": first, "lora_alpha": first, "target_modules": sorted(ranks)}
    if alpha is not None:
        settings["lora_alpha"] = alpha
    else:  # by peft's rule alone, all layers would have the alpha of one
        others = {re.escape(layer): rank for layer, rank in ranks.items() if rank != first}
        settings |= {"rank_pattern": others, "alpha_pattern": others}
    with warnings.catch_warnings():  # several LoRAs on one network are meant to be
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        model.load_lora_adapter(dict(tensors), prefix=None, adapter_name=name, metadata=settings)


def check_fit(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Raise RecipeError unless every tensor belongs to a linear layer of its size."""
    layers = {
        name: module
        for name, module in _modules(model).items()
        if isinstance(module, torch.nn.Linear)
    }
    strange = []
    for key, tensor in tensors.items():
        layer = layers.get(key.removesuffix(DOWN).removesuffix(UP))
        down = key.endswith(DOWN)
        if layer is None or not (down or key.endswith(UP)):
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
    if strange or not tensors:
        _refuse_strange(path, strange, len(tensors))


def check_additions(
    model: torch.nn.Module, additions: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Raise RecipeError unless every addition is of a parameter and of its size."""
    parameters = _parameters(model)
    if strange := [key for key in additions if key not in parameters]:
        _refuse_strange(path, strange, len(additions))
    for key, change in additions.items():
        size = parameters[key].shape
        if [n for n in change.shape if n != 1] != [n for n in size if n != 1]:
            raise RecipeError(
                path,
                f"what is added to {key} is {list(change.shape)}, the base has {list(size)}",
                allowed="an adapter of this base",
            )


class _Names:
    """Finds the network's layer or parameter behind the name that a file gives it."""

    def __init__(
        self, path: Path, model: torch.nn.Module, original_name: Callable[[str], str]
    ) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        tables = (name for name in _parameters(model) if name.endswith(_TABLE))
        for name in (*_modules(model), *tables):
            for alias in (name, original_name(name)):
                for written in (alias, alias.replace(".", "_")):
                    self._known.setdefault(written, name)

    def check(self, layers: Iterable[str]) -> None:
        """Raise RecipeError that names layers which the network lacks."""
        asked = tuple(layers)
        if strange := [layer for layer in asked if self._find(layer) is None]:
            _refuse_strange(self._path, strange, len(asked))

    def layer(self, written: str) -> str:
        """Return a layer's own name; `check` was called before."""
        return self._known[self._find(written) or ""]

    def parameter(self, written: str, kind: str) -> str:
        """Return the name of the parameter that something is added to."""
        if kind == "table":
            block = self._find(written)
            if block is not None:
                return f"{self._known[block]}.{_TABLE}"
            return _TABLE if written.endswith("head") else written
        place = self.layer(written)
        return place if place.endswith(_TABLE) else f"{place}.{kind}"

    def _find(self, written: str) -> str | None:
        if written in self._known:
            return written
        begin = _PREFIXES.match(written)
        bare = written[begin.end() :] if begin else written
        return bare if bare in self._known else None


def _scale(header: LoraHeader, stored: Tensors, layer: str, rank: int) -> float:
    if layer in header.alphas:
        alpha = stored[header.alphas[layer]]
        if alpha.numel() != 1:
            raise RecipeError(
                header.path,
                f"{header.alphas[layer]} is {list(alpha.shape)}",
                allowed="one number",
            )
        return float(alpha) / rank
    return 1.0 if header.stated is None else header.stated.scale(layer, rank)


def _add(additions: Tensors, name: str, change: torch.Tensor) -> None:
    additions[name] = change + additions[name] if name in additions else change


def _changes(lora: Lora) -> bool:
    matrices = any(
        bool(up.any()) and bool(lora.weights[key.removesuffix(UP) + DOWN].any())
        for key, up in lora.weights.items()
        if key.endswith(UP)
    )
    return matrices or any(bool(change.any()) for change in lora.additions.values())


def _check_finite(path: Path, stored: Tensors) -> None:
    for key, tensor in stored.items():
        if not bool(torch.isfinite(tensor.float()).all()):
            raise RecipeError(
                path,
                f"{key} holds numbers that are not finite",
                allowed="finite weights",
                way_out="its training failed: give the file of an earlier step",
            )


def _modules(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return the network's own layers, also those that bear a LoRA already."""
    return {
        name.removesuffix(".base_layer"): module
        for name, module in model.named_modules()
        if ".lora_" not in name
    }


def _parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {
        name.replace(".base_layer.", "."): parameter
        for name, parameter in model.named_parameters()
        if ".lora_" not in name
    }


def _refuse_strange(path: Path, strange: list[str], total: int) -> None:
    found = ", ".join(strange[:3]) + (", .." if len(strange) > 3 else "")
    raise RecipeError(
        path,
        f"{len(strange)} of {total} tensors have no place in the base, such as "
        f"{found or 'none that is a LoRA'}",
        allowed="LoRA weights of this base, named as diffusers, peft, ComfyUI, DiffSynth-Studio or "
        "kohya's trainers do",
        way_out="name the base that it was trained on, or load it with the trainer that wrote it "
        "and save it in diffusers' layout",
    )
