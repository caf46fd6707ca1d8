"""Count the operations and bytes of a transformer of some shape on a number of tokens.

A multiply-add counts as two operations. Norms, modulation and rotations are left out: they move
bytes and are below 1 % of the operations at the sizes of Wan.
"""

from dataclasses import dataclass
from typing import Any

from simlift.models.wan.incontext import InContext

_TEXT = 512  # tokens


@dataclass(frozen=True)
class Shape:
    """The numbers of a Wan transformer that decide its cost."""

    layers: int
    width: int
    ffn: int

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Shape":
        """Read a transformer's config.json."""
        width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
        return cls(int(config["num_layers"]), width, int(config["ffn_dim"]))

    @property
    def parameters(self) -> int:
        """Weights of the blocks, which are nearly all."""
        attention = 8 * self.width**2  # q, k, v, o of both attentions
        return self.layers * (attention + 2 * self.width * self.ffn)

    def dense(self, tokens: int) -> float:
        """Operations of the linear layers on some tokens, once through all blocks."""
        own = 6 * self.width**2 + 2 * self.width * self.ffn  # q k v o, q o of text, feed-forward
        text = 2 * self.width**2 * _TEXT
        return 2.0 * self.layers * (own * tokens + text)

    def attention(self, queries: int, keys: int) -> float:
        """Operations of self-attention and of attention to the text."""
        return 4.0 * self.layers * self.width * queries * (keys + _TEXT)


@dataclass(frozen=True)
class StepCost:
    """One forward of a window: its operations, what is paid once a window, and bytes cached."""

    operations: float
    once: float
    cache_bytes: int


def forward_cost(
    shape: Shape, target: int, reference: int, settings: InContext, *, cached: bool
) -> StepCost:
    """Count one forward with `target` and `reference` tokens; one expert, one guidance branch."""
    both = target + reference
    if settings.attention == "full":
        return StepCost(shape.dense(both) + shape.attention(both, both), 0.0, 0)
    own = shape.dense(reference) + shape.attention(reference, reference)
    made = shape.dense(target) + shape.attention(target, both)
    if not cached:
        return StepCost(own + made, 0.0, 0)
    return StepCost(made, own, 2 * shape.layers * reference * shape.width * 2)


def adapter_parameters(shape: Shape, rank: int, targets: tuple[str, ...]) -> int:
    """Count a LoRA's parameters in one expert."""
    total = 0
    for target in targets:
        wide = target.startswith("ffn")
        total += rank * (shape.width + (shape.ffn if wide else shape.width))
    return shape.layers * total
