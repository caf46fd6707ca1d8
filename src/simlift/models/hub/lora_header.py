"""Read what a LoRA file holds from its header alone: layers, strength, and what is no LoRA.

Trainers and re-packers name the same matrices in many ways: `LAYER.lora_A.weight` (peft and
diffusers), `LAYER.lora_A.default.weight` (DiffSynth-Studio), `LAYER.lora_down.weight` (kohya and
ComfyUI). How strong they are, alpha over rank, is a tensor `LAYER.alpha`, or an entry of the
header, or nowhere: then it is 1. Whatever is in a file and not understood here is refused.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from simlift.core.errors import RecipeError
from simlift.models.hub.pipeline_folder import check_whole

Addend = Literal["weight", "bias", "table"]

_MATRIX = re.compile(
    r"(?P<layer>.+)\.lora_(?P<side>A|B|down|up)(?:\.(?P<name>\w+))?\.(?P<kind>weight|bias)"
)
_OTHER = re.compile(r"(?P<layer>.+)\.(?P<kind>alpha|diff|diff_b|diff_m|w_norm|b_norm)")
_ADDENDS: Mapping[str, Addend] = {
    "diff": "weight",
    "w_norm": "weight",
    "diff_b": "bias",
    "b_norm": "bias",
    "diff_m": "table",
}
_DORA = ("dora_scale", "lora_magnitude_vector")
_LYCORIS = (".hada_", ".lokr_", ".oft_", ".boft_", ".lora_mid.", ".glora_")
_KOHYA = "lora_unet_"
_BASE_CHANGED = ("pissa", "olora", "corda", "loftq", "lora_ga")
_ALLOWED = "low-rank matrices with alpha, and what is added to weights and biases"
_WAY_OUT = "load it with the trainer that wrote it and save it as a LoRA in diffusers' layout"


@dataclass(frozen=True)
class StatedAlpha:
    """The strength that a header states for layers without a tensor `alpha` of their own."""

    alpha: float
    patterns: Mapping[str, float] = field(default_factory=dict)
    by_root: bool = False  # rank-stabilised: alpha over the root of the rank

    def scale(self, layer: str, rank: int) -> float:
        """Return what multiplies the product of a layer's matrices."""
        alpha = self.alpha
        for pattern, own in self.patterns.items():
            if re.match(rf"(.*\.)?({pattern})$", layer):
                alpha = own
                break
        return alpha / (math.sqrt(rank) if self.by_root else rank)


@dataclass(frozen=True)
class LoraHeader:
    """The tensors' names in a LoRA file by the layer that they belong to, as the file names it.

    `scaled_biases` are added to biases after they were multiplied as the layer's matrices are.
    """

    path: Path
    down: Mapping[str, str]
    up: Mapping[str, str]
    alphas: Mapping[str, str]
    scaled_biases: Mapping[str, str]
    addends: Mapping[tuple[str, Addend], str]
    stated: StatedAlpha | None

    @property
    def matrices(self) -> int:
        """How many low-rank matrices there are."""
        return len(self.down) + len(self.up)


def read_lora_header(path: Path) -> LoraHeader:
    """Sort the names in a LoRA file; RecipeError for whatever is no LoRA or not understood."""
    header = check_whole(path)
    entries = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
    _refuse_other_kinds(path, header)
    down: dict[str, str] = {}
    up: dict[str, str] = {}
    found: dict[str, dict[Any, str]] = {"alpha": {}, "bias": {}, "addend": {}}
    names, unknown = set(), []
    for key in header:
        if matrix := _MATRIX.fullmatch(key):
            first, layer = matrix["side"] in ("A", "down"), matrix["layer"]
            names.add(matrix["name"])
            if matrix["kind"] == "weight":
                place = down if first else up
            elif not first:
                place = found["bias"]
            else:
                unknown.append(key)
                continue
            where: Any = layer
        elif other := _OTHER.fullmatch(key):
            kind, layer = other["kind"], other["layer"]
            place = found["alpha" if kind == "alpha" else "addend"]
            where = layer if kind == "alpha" else (layer, _ADDENDS[kind])
        else:
            unknown.append(key)
            continue
        if where in place:
            raise RecipeError(path, f"{place[where]} and {key} are of one layer", way_out=_WAY_OUT)
        place[where] = key
    if unknown:
        raise RecipeError(
            path,
            f"{len(unknown)} of {len(header)} tensors are not known: {_some(unknown)}",
            allowed=_ALLOWED,
            way_out=_WAY_OUT,
        )
    if len(names) > 1:
        texts = ", ".join(sorted(str(name) for name in names))
        raise RecipeError(
            path, f"holds several adapters ({texts})", allowed="one", way_out=_WAY_OUT
        )
    alone = sorted(set(down) ^ set(up)) + sorted((found["alpha"].keys() | found["bias"]) - set(up))
    if alone:
        raise RecipeError(
            path,
            f"{len(alone)} layers lack one of their two matrices: {_some(alone)}",
            allowed="lora_A and lora_B, or lora_down and lora_up, of every layer",
            way_out="download it again",
        )
    if not header:
        raise RecipeError(path, "holds no tensor", allowed=_ALLOWED)
    stated = _stated_alpha(path, entries, header, bool(found["alpha"]))
    return LoraHeader(path, down, up, found["alpha"], found["bias"], found["addend"], stated)


def _refuse_other_kinds(path: Path, keys: Mapping[str, Any]) -> None:
    if dora := [key for key in keys if any(part in key for part in _DORA)]:
        _refuse_dora(path, dora[0])
    if other := [key for key in keys if any(part in key for part in _LYCORIS)]:
        raise RecipeError(
            path,
            f"is of another kind than LoRA: it holds {other[0]}",
            allowed="plain LoRAs; LoHa, LoKr, OFT and others are not read",
            way_out="merge it into the base with its trainer, or extract a LoRA from that",
        )


def _refuse_dora(path: Path, found: str) -> None:
    raise RecipeError(
        path,
        f"is a DoRA ({found}): it also rescales the base's columns, which is not done here",
        allowed="plain LoRAs",
        way_out="merge it into the base with its trainer, or train without DoRA",
    )


def _stated_alpha(
    path: Path, entries: Mapping[str, str], keys: Mapping[str, Any], has_alphas: bool
) -> StatedAlpha | None:
    """Return what header or peft's file of settings states; None where neither states a strength.

    Tensors beat headers: what cuts a LoRA to another rank rewrites the tensors alone.
    """
    if "lora_adapter_metadata" in entries:
        return _of_settings(path, _diffusers_settings(path, entries, keys))
    settings = path.with_name("adapter_config.json")
    if path.name == "adapter_model.safetensors" and settings.is_file():
        return _of_settings(settings, _object(settings, settings.read_text(encoding="utf-8")))
    if has_alphas:
        return None
    for name in ("lora_alpha", "network_alpha", "alpha"):
        if name in entries:
            return StatedAlpha(_number(path, name, entries[name]))
    stated = entries.get("ss_network_alpha")
    if stated is None or stated == "None":
        return None
    alpha = _number(path, "ss_network_alpha", stated)
    if not all(key.startswith(_KOHYA) for key in keys):
        if entries.get("ss_network_dim") == stated:  # of strength 1, folded in or not
            return None
        raise RecipeError(
            path,
            f"its header states alpha {alpha:g} (ss_network_alpha), its layers were renamed and "
            "hold none: whether the strength is in the weights already is not known",
            allowed="tensors named alpha, or a header that states none",
            way_out="give the file that the trainer wrote, whose tensors are named "
            f"{_KOHYA}...alpha",
        )
    return StatedAlpha(alpha)


def _diffusers_settings(
    path: Path, entries: Mapping[str, str], keys: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of the network that the tensors are of: keys begin with its name."""
    settings = _object(path, entries["lora_adapter_metadata"])
    networks = {key.partition(".")[0] for key in settings if "." in key}
    prefixes = {key.partition(".")[0] for key in keys}
    own = sorted(networks & prefixes) or sorted(networks)
    if len(own) > 1:
        raise RecipeError(
            path,
            f"holds LoRAs of several networks ({', '.join(own)})",
            allowed="the LoRA of one transformer",
            way_out="save each in a file of its own",
        )
    if not own:
        return settings
    return {k.removeprefix(f"{own[0]}."): v for k, v in settings.items()}


def _of_settings(where: Path, settings: Mapping[str, Any]) -> StatedAlpha | None:
    if settings.get("use_dora"):
        _refuse_dora(where, "use_dora")
    start = str(settings.get("init_lora_weights", "")).lower()
    if start.startswith(_BASE_CHANGED):
        raise RecipeError(
            where,
            f"was trained on a base whose weights it changed first ({start})",
            allowed="plain LoRAs",
            way_out="save it with peft as a plain LoRA: path_initial_model_for_weight_conversion",
        )
    if settings.get("lora_alpha") is None:
        return None
    patterns = settings.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise RecipeError(where, f"alpha_pattern is {patterns!r}", allowed="an object of numbers")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise RecipeError(where, f"alpha_pattern {pattern!r}: {error}") from error
    return StatedAlpha(
        _number(where, "lora_alpha", settings["lora_alpha"]),
        {key: _number(where, key, value) for key, value in patterns.items()},
        bool(settings.get("use_rslora")),
    )


def _object(where: Path, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RecipeError(where, f"its settings are no JSON ({error})") from error
    if not isinstance(found, dict):
        raise RecipeError(where, "its settings are no JSON object")
    return found


def _number(where: Path, name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise RecipeError(where, f"{name} is {value!r}", allowed="a number") from error
    if not math.isfinite(number):
        raise RecipeError(where, f"{name} is {value!r}", allowed="a finite number")
    return number


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", .." if len(names) > 3 else "")
