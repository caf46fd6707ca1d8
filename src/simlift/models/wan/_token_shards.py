"""Shard a video's tokens over processes, which exchange them for heads in attention (Ulysses).

All but attention is done token by token, so each process has some of the tokens; for attention each
has all tokens of some of the heads (DeepSpeed-Ulysses, Jacobs et al., 2023). Nothing is computed
twice, and what is cached of a reference is shared out too. For lifting: no gradient passes.

Shapes: B batch, N tokens of which a process has n, A heads of width E, P processes.
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import distributed
from torch.nn.functional import pad

Tensor: TypeAlias = torch.Tensor


@dataclass(frozen=True)
class Place:
    """A process among those that share the tokens: the default group of torch.distributed."""

    rank: int = 0
    size: int = 1


@dataclass(frozen=True)
class TokenShard:
    """What a process has of `count` tokens: all where it is alone, n = ceil(N / P) otherwise.

    Where they do not divide, the last ones have zeros, which no token attends to.
    """

    count: int
    place: Place

    def take(self, x: Tensor) -> Tensor:
        """Return this process's tokens [B n ...] of [B N ...]."""
        if self.place.size == 1:
            return x
        first = self.place.rank * self._each
        return self._padded(x)[:, first : first + self._each].contiguous()

    def join(self, x: Tensor) -> Tensor:
        """Return the tokens [B N D] of all processes, each of which has [B n D]."""
        if self.place.size == 1:
            return x
        parts = [torch.empty_like(x) for _ in range(self.place.size)]
        distributed.all_gather(parts, x.contiguous())
        return torch.cat(parts, dim=1)[:, : self.count]

    def to_heads(self, x: Tensor) -> Tensor:
        """Exchange [B n A E], some tokens of all heads, for [B N A/P E]."""
        if self.place.size == 1:
            return x
        split = x.unflatten(2, (self.place.size, -1)).permute(2, 0, 1, 3, 4)
        return _exchanged(split).permute(1, 0, 2, 3, 4).flatten(1, 2)[:, : self.count]

    def to_tokens(self, x: Tensor) -> Tensor:
        """Exchange [B N A/P E], some heads of all tokens, for [B n A E]."""
        if self.place.size == 1:
            return x
        split = self._padded(x).unflatten(1, (self.place.size, -1)).transpose(0, 1)
        return _exchanged(split).permute(1, 2, 0, 3, 4).flatten(2, 3)

    @property
    def _each(self) -> int:
        return -(-self.count // self.place.size)

    def _padded(self, x: Tensor) -> Tensor:
        missing = self._each * self.place.size - self.count
        return pad(x, (*(0, 0) * (x.ndim - 2), 0, missing))


def _exchanged(parts: Tensor) -> Tensor:
    """Send part p [P ...] to process p; return what the others sent."""
    sent = parts.contiguous()
    found = torch.empty_like(sent)
    distributed.all_to_all_single(found, sent)
    return found
