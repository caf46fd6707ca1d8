"""Read and check an adapter: a safetensors file for each expert, with a card in its header.

    adapter/high.safetensors  low.safetensors      of a base with two experts
    adapter/single.safetensors                     of a base with one
    adapter/README.md                              the same for people, and for the Hub

Keys are those of diffusers (`transformer.blocks.0.attn1.to_q.lora_A.weight`), so that any of the
files loads as a plain LoRA too. The header's entry `simlift` holds the card as JSON.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from simlift.core.errors import RecipeError
from simlift.core.recipe import Plugin
from simlift.core.strict_json import decode
from simlift.models.hub.locate import locate
from simlift.models.hub.pipeline_folder import check_whole
from simlift.models.wan.base_model import EXTRA, WanBase
from simlift.models.wan.flow_matching import Expert
from simlift.models.wan.incontext import InContext

CARD_KEY = "simlift"
FORMAT = "simlift-adapter/1"
_LAYOUT = "high.safetensors and low.safetensors, or single.safetensors"

ATTENTION = (
    *(f"attn{n}.to_{x}" for n in (1, 2) for x in "qkv"),
    "attn1.to_out.0",
    "attn2.to_out.0",
)
TARGETS = {
    "attention": ATTENTION,
    "attention+ffn": (*ATTENTION, "ffn.net.0.proj", "ffn.net.2"),
    "self-attention": ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0"),
}


@dataclass(frozen=True)
class AdapterCard:
    """Everything that inference must match, and how the adapter came to be.

    base: the model's name as training was given it; `base_digest` names the weights themselves.
    shift: of the noise levels in training; `boundary` is where the experts part.
    height, width, num_frames: what the adapter saw in training.
    prompt_template: how a caption becomes a prompt; `{caption}` is replaced.
    prefix_share: share of training steps whose target began with clean frames, as windows of a long
        clip do.
    pairs: digest of the training set.
    reference: what entered in context: "render", or the name of a control, drawn by `control`.
    """

    format: str
    base: str
    base_digest: str
    expert: Expert
    rank: int
    alpha: float
    targets: tuple[str, ...]
    incontext: InContext
    shift: float
    boundary: float | None
    height: int
    width: int
    num_frames: int
    prompt_template: str
    prefix_share: float
    steps: int
    pairs: str
    reference: str = "render"
    control: Plugin | None = None


@dataclass(frozen=True)
class Adapter:
    """A checked adapter: a file and a card for each of its experts."""

    path: Path
    files: tuple[Path, ...]
    cards: tuple[AdapterCard, ...]

    @property
    def card(self) -> AdapterCard:
        """What all experts' cards agree on, from the first of them."""
        return self.cards[0]

    def digest(self) -> str:
        """Name the adapter by the bytes of its files."""
        total = hashlib.blake2b(digest_size=8)
        for path in self.files:
            with path.open("rb") as file:
                part = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            total.update(part.digest())
        return total.hexdigest()

    def file_of(self, expert: Expert) -> Path | None:
        """Return the file of an expert, or None where the adapter leaves that expert as it is."""
        for file, card in zip(self.files, self.cards):
            if card.expert == expert:
                return file
        return None


def read_card(path: Path) -> AdapterCard:
    """Return the card in a file's header; RecipeError where there is none."""
    metadata = check_whole(path).get("__metadata__", {})
    if CARD_KEY not in metadata:
        raise RecipeError(
            path,
            "is a LoRA without the card of an in-context adapter: how its reference enters is "
            "not known",
            allowed="what simlift train writes",
            way_out="a plain LoRA goes on top: --set 'loras=[\"FILE\"]'",
        )
    card = decode(json.loads(metadata[CARD_KEY]), AdapterCard, f"{path}: card")
    if card.format != FORMAT:
        raise RecipeError(path, f"its card is of format {card.format!r}", allowed=FORMAT)
    return card


def adapter_files(path: Path, experts: Sequence[Expert]) -> tuple[Path, ...]:
    """Return the files of some experts; RecipeError where one is missing."""
    wanted = tuple(path / f"{expert}.safetensors" for expert in experts)
    if missing := [file.name for file in wanted if not file.is_file()]:
        raise RecipeError(
            path,
            f"lacks {', '.join(missing)}",
            allowed=_LAYOUT,
            way_out="copy the whole folder, or train the other expert too",
        )
    return wanted


def find_adapter(name: str, base: WanBase, *, any_base: bool = False) -> Adapter:
    """Return an adapter that fits a base; RecipeError says what does not fit.

    `any_base` lets weights differ whose settings agree: a fine-tune or another precision.
    """
    path = locate(name, purpose="an adapter", layout=_LAYOUT, extra=EXTRA)
    others = [
        path / f"{expert}.safetensors"
        for expert in ("high", "low", "single")
        if expert not in base.experts.names
    ]
    if foreign := [file.name for file in others if file.is_file()]:
        raise RecipeError(
            path,
            f"holds {', '.join(foreign)}; the base has the experts {', '.join(base.experts.names)}",
            allowed="an adapter that was trained on this base",
        )
    wanted = adapter_files(path, base.experts.names)
    cards = tuple(read_card(file) for file in wanted)
    for file, card in zip(wanted, cards):
        _check_base(file, card, base, any_base)
    _check_agreement(path, cards)
    return Adapter(path, wanted, cards)


def _check_base(file: Path, card: AdapterCard, base: WanBase, any_base: bool) -> None:
    if file.stem != card.expert:
        raise RecipeError(file, f"is the adapter of the expert {card.expert!r}, renamed")
    if card.boundary != base.experts.boundary:
        raise RecipeError(
            file,
            f"was trained for experts that part at {card.boundary}",
            allowed=f"the base's boundary, {base.experts.boundary}",
        )
    found = base.digest(card.expert)
    if card.base_digest != found and not any_base:
        raise RecipeError(
            file,
            f"was trained on {card.base} ({card.base_digest}); {base.folder.name} has other "
            f"weights ({found})",
            allowed="the base that it was trained on",
            way_out="name that base, or --set any_base=true for a fine-tune of it",
        )


def _check_agreement(path: Path, cards: tuple[AdapterCard, ...]) -> None:
    free = {"base_digest", "expert", "steps"}
    for field in fields(AdapterCard):
        values = {repr(getattr(card, field.name)) for card in cards}
        if field.name not in free and len(values) > 1:
            raise RecipeError(
                path,
                f"its experts were trained with different {field.name}: "
                f"{' and '.join(sorted(values))}",
                allowed="both experts of one training",
            )
