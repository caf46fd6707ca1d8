"""Write an adapter's model card: README.md with metadata for the Hugging Face Hub.

Metadata is YAML between two lines of dashes; its keys are those of the Hub's model cards
(`base_model`, `library_name`, `pipeline_tag`, `tags`, `license`).
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from simlift.core.pair import Pair
from simlift.models.hub.locate import HUB_NAME

_TAGS = ("lora", "in-context-lora", "video-to-video", "sim-to-real", "simlift")
_ROWS = 12  # of the evaluation curve, at most
# Where each expert's weights go in a pipeline of diffusers.
_PLACES = {"high": "transformer", "low": "transformer_2", "single": "transformer"}


@dataclass(frozen=True)
class ExpertFacts:
    """One expert's weights: `high` and `low` noise of two, or the `single` one of a base."""

    name: Literal["high", "low", "single"]
    file: str


@dataclass(frozen=True)
class SetFacts:
    """What an adapter learned from: pairs by origin, and each gate's smallest, median, largest."""

    pairs: int
    frames: int
    origins: Mapping[str, int]
    gates: Mapping[str, tuple[float, float, float]]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> "SetFacts":
        """Count a training set."""
        gates: dict[str, list[float]] = {}
        for pair in pairs:
            for name, value in pair.gates.items():
                gates.setdefault(name, []).append(value)
        return cls(
            pairs=len(pairs),
            frames=sum(pair.num_frames for pair in pairs),
            origins=dict(sorted(Counter(pair.origin for pair in pairs).items())),
            gates={k: (min(v), float(median(v)), max(v)) for k, v in sorted(gates.items())},
        )


@dataclass(frozen=True)
class AdapterFacts:
    """Everything that a card says; `evaluation` holds steps and fixed-noise losses, in order.

    `licence` is the user's choice: an identifier of the Hub such as apache-2.0, or any words.
    """

    name: str
    base: str
    licence: str
    experts: tuple[ExpertFacts, ...]
    rank: int
    positions: str
    reference_attention: str
    shift: float
    boundary: float | None
    height: int
    width: int
    num_frames: int
    steps: int
    prompt_template: str
    training_set: SetFacts
    reference: str = "render"
    pipeline: str = "WanPipeline"  # the base's class in diffusers
    evaluation: tuple[tuple[int, float], ...] = ()
    repository: str | None = None  # owner/name on the Hub, once there is one


def adapter_card(facts: AdapterFacts) -> str:
    """Return the text of README.md, which ends in a newline."""
    parts = (
        _metadata(facts),
        f"# {facts.name}",
        _what(facts),
        "## Use it with simlift\n\n" + _with_simlift(facts),
        "## Load it in diffusers\n\n" + _with_diffusers(facts),
        "## What inference must match\n\n" + _table(_must_match(facts)),
        "## Trained on\n\n" + _trained_on(facts.training_set),
        "## Evaluation\n\n" + _evaluation(facts.evaluation),
    )
    return "\n\n".join(parts) + "\n"


def _metadata(facts: AdapterFacts) -> str:
    lines = []
    if on_hub(facts.base):
        lines += [f"base_model: {_yaml(facts.base)}", "base_model_relation: adapter"]
    lines += ["library_name: diffusers", "pipeline_tag: video-to-video"]
    if re.fullmatch(r"[a-z0-9][a-z0-9.-]*", facts.licence):
        lines.append(f"license: {_yaml(facts.licence)}")
    else:
        lines += ["license: other", f"license_name: {_yaml(facts.licence)}"]
    lines += ["tags:", *(f"- {tag}" for tag in _TAGS)]
    return "\n".join(("---", *lines, "---"))


def on_hub(base: str) -> bool:
    """Whether a base is named as owner/model, and is no folder of this machine."""
    return bool(HUB_NAME.fullmatch(base)) and not Path(base).exists()


def _base(facts: AdapterFacts) -> str:
    """Name the base without telling where it lies on this machine."""
    return facts.base if on_hub(facts.base) else Path(facts.base).name


def _what(facts: AdapterFacts) -> str:
    experts = "both experts" if len(facts.experts) == 2 else "one expert"
    if facts.experts[0].name == "single":
        experts = "the one transformer"
    if facts.reference != "render":
        return (
            f"An in-context adapter (LoRA of rank {facts.rank}, {experts}) for {_base(facts)}. It "
            f"makes video that moves as a {facts.reference} control says and looks as a first "
            "frame does: the control enters as clean reference tokens beside the tokens that are "
            "denoised."
        )
    return (
        f"An in-context adapter (LoRA of rank {facts.rank}, {experts}) for {_base(facts)}. It "
        "turns a simulator's render into photorealistic video: the render enters as clean "
        "reference tokens beside the tokens that are denoised. The text prompt changes weather and "
        "light."
    )


def _with_simlift(facts: AdapterFacts) -> str:
    adapter = facts.repository or "ADAPTER"
    base = _base(facts)
    command = f"simlift lift CLIP --out RUN --engine wan --base {base} --adapter {adapter}"
    return f"```\n{command}\n```\n\nPrompts follow the template:\n\n" + _fenced(
        facts.prompt_template
    )


def _with_diffusers(facts: AdapterFacts) -> str:
    adapter = facts.repository or "ADAPTER"
    lines = [
        "import torch",
        f"from diffusers import {facts.pipeline}",
        "",
        f"pipe = {facts.pipeline}.from_pretrained({json.dumps(_base(facts))}, "
        "torch_dtype=torch.bfloat16)",
    ]
    for expert in facts.experts:
        second = _PLACES[expert.name] == "transformer_2"
        lines += [
            "pipe.load_lora_weights(",
            f"    {json.dumps(adapter)}, weight_name={json.dumps(expert.file)}, "
            f"adapter_name={json.dumps(_adapter_name(facts))}"
            + (", load_into_transformer_2=True" if second else ""),
            ")",
        ]
    note = (
        f"This loads the weights. `{facts.pipeline}` itself has no place for a reference video: "
        "alone it generates from text, and what the adapter learned needs the render's tokens, "
        "which simlift brings in."
    )
    return _fenced("\n".join(lines), "python") + "\n\n" + note


def _adapter_name(facts: AdapterFacts) -> str:
    """Return a name that PEFT takes: it may hold no dot."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", facts.name) or "adapter"


def _must_match(facts: AdapterFacts) -> list[tuple[str, str]]:
    return [
        ("base", _base(facts)),
        ("experts", ", ".join(f"{e.name}: `{e.file}`" for e in facts.experts)),
        ("rank", str(facts.rank)),
        ("reference", facts.reference),
        ("positions of the reference", facts.positions),
        ("reference attention", facts.reference_attention),
        ("sigma shift", f"{facts.shift:g}"),
        ("boundary", "none" if facts.boundary is None else f"{facts.boundary:g}"),
        ("trained at", f"{facts.width}x{facts.height}, {facts.num_frames} frames"),
        ("steps of training", str(facts.steps)),
    ]


def _trained_on(known: SetFacts) -> str:
    origins = ", ".join(f"{count} {name}" for name, count in known.origins.items())
    text = f"{known.pairs} pairs of a render and its photoreal twin ({origins or 'no origin'}), "
    text += f"{known.frames} frames of each."
    if not known.gates:
        return text
    rows = [(name, *(f"{value:.4g}" for value in values)) for name, values in known.gates.items()]
    return text + " What admitted them:\n\n" + _table(rows, ("gate", "least", "median", "most"))


def _evaluation(curve: Sequence[tuple[int, float]]) -> str:
    if not curve:
        return "Not measured."
    first, last = curve[0], curve[-1]
    best = min(curve, key=lambda point: point[1])
    text = (
        "Flow-matching loss on held noise, sigmas and clips: "
        f"{first[1]:.4g} at step {first[0]}, {last[1]:.4g} at step {last[0]}, "
        f"least {best[1]:.4g} at step {best[0]}."
    )
    count = min(len(curve), _ROWS)
    places = [round(k * (len(curve) - 1) / max(count - 1, 1)) for k in range(count)]
    rows = [(str(curve[k][0]), f"{curve[k][1]:.4g}") for k in places]
    return text + "\n\n" + _table(rows, ("step", "loss"))


def _table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = ("setting", "value")) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _fenced(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any in its text."""
    runs = [len(run) for run in re.findall(r"`+", text)]
    fence = "`" * max(3, max(runs, default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _yaml(text: str) -> str:
    """Return a YAML scalar: plain where it is safe, else in double quotes as JSON has them."""
    plain = re.fullmatch(r"[A-Za-z][\w./-]*", text)
    reserved = text.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    return text if plain and not reserved else json.dumps(text)
