"""Predict the target's velocity beside a clean reference, by a stock Wan transformer.

Shapes: B batch, C channels, F H W latent frames, rows, columns; N tokens, D width, A heads, E width
of a head, T text tokens.

The stock forward takes a noise level for each token, but then holds six modulation vectors
for each token, in float32, in every block. Here tokens of one level are a segment, and a segment
has six vectors. Attention is over the segments that see each other; all else is by segment. Where
several processes share the tokens, N is what one of them has, and keys and values have A / P heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from diffusers import WanTransformer3DModel
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import nn
from torch.utils.checkpoint import checkpoint

from simlift.models.wan._token_shards import Place, TokenShard
from simlift.models.wan.incontext import InContext

Tensor: TypeAlias = torch.Tensor
Rotary: TypeAlias = tuple[Tensor, Tensor]  # cosines and sines [1 N 1 E]
KeysValues: TypeAlias = tuple[Tensor, Tensor]  # [B N A E] each


@dataclass(frozen=True, eq=False)
class ReferenceCache:
    """Keys and values of the reference in every block, on any device."""

    blocks: tuple[KeysValues, ...]

    @property
    def num_bytes(self) -> int:
        """Memory that the cache takes."""
        return sum(x.numel() * x.element_size() for pair in self.blocks for x in pair)


@dataclass(frozen=True, eq=False)
class _Segment:
    """Tokens of one noise level, without their values, which change from block to block."""

    level: Tensor  # what the network makes of the noise level, [B D]
    modulation: Tensor  # [B 6 D]
    text: Tensor  # [B T D]
    rotary: Rotary
    shard: TokenShard


class InContextBlock(nn.Module):
    """A stock Wan block over segments; a module, so that sharding and offloading can hook it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(
        self,
        tokens: Sequence[Tensor],
        segments: Sequence[_Segment],
        attends_to: Sequence[Sequence[int]],
        cached: KeysValues | None,
    ) -> tuple[tuple[Tensor, ...], KeysValues]:
        """Return the tokens of every segment after the block, and the first segment's keys, values.

        Segment i attends to the segments `attends_to[i]`; where `cached` is given, to it as well.
        """
        block = self.block
        table = block.scale_shift_table
        parts = [(table + s.modulation.float()).chunk(6, dim=1) for s in segments]
        attended = self._attention(tokens, segments, parts, attends_to, cached)
        out = []
        for x, segment, part, (attention, _) in zip(tokens, segments, parts, attended):
            _, _, gate, shift, scale, gate_2 = part
            x = (x.float() + attention * gate).type_as(x)
            x = x + block.attn2(block.norm2(x.float()).type_as(x), segment.text, None, None)
            normed = (block.norm3(x.float()) * (1 + scale) + shift).type_as(x)
            out.append((x.float() + block.ffn(normed).float() * gate_2).type_as(x))
        return tuple(out), attended[0][1]

    def _attention(
        self,
        tokens: Sequence[Tensor],
        segments: Sequence[_Segment],
        parts: Sequence[Sequence[Tensor]],
        attends_to: Sequence[Sequence[int]],
        cached: KeysValues | None,
    ) -> list[tuple[Tensor, KeysValues]]:
        attn = self.block.attn1
        queries, keys, values = [], [], []
        for x, segment, (shift, scale, *_) in zip(tokens, segments, parts):
            normed = (self.block.norm1(x.float()) * (1 + scale) + shift).type_as(x)
            query = _apply_rope(_heads(attn, attn.norm_q(attn.to_q(normed))), segment.rotary)
            key = _apply_rope(_heads(attn, attn.norm_k(attn.to_k(normed))), segment.rotary)
            queries.append(segment.shard.to_heads(query))
            keys.append(segment.shard.to_heads(key))
            values.append(segment.shard.to_heads(_heads(attn, attn.to_v(normed))))
        joined: dict[tuple[int, ...], KeysValues] = {}
        out = []
        for i, query in enumerate(queries):
            seen = tuple(attends_to[i])
            if seen not in joined:
                pairs = [(keys[j], values[j]) for j in seen]
                joined[seen] = _join([cached, *pairs] if cached is not None else pairs)
            found = dispatch_attention_fn(
                query,
                *joined[seen],
                attn_mask=None,
                dropout_p=0.0,
                is_causal=False,
                backend=attn.processor._attention_backend,
                parallel_config=attn.processor._parallel_config,
            )
            found = segments[i].shard.to_tokens(found)
            projected = attn.to_out[1](attn.to_out[0](found.flatten(2, 3).type_as(query)))
            out.append((projected, (keys[i], values[i])))
        return out


class InContextTransformer(nn.Module):
    """A stock Wan transformer that takes a reference; it holds the stock modules, not copies."""

    def __init__(self, model: WanTransformer3DModel, settings: InContext) -> None:
        super().__init__()
        self.settings = settings
        self.checkpointing = False  # trades a second forward for the memory of activations
        self.place = Place()  # among the processes that share a forward, which all call alike
        self.patch_size: tuple[int, int, int] = tuple(model.config.patch_size)
        self.rope = model.rope
        self.patch_embedding = model.patch_embedding
        self.condition_embedder = model.condition_embedder
        self.blocks = nn.ModuleList(InContextBlock(block) for block in model.blocks)
        self.norm_out = model.norm_out
        self.proj_out = model.proj_out
        self.scale_shift_table = model.scale_shift_table

    def compile_blocks(self) -> None:
        """Compile the blocks, which are alike, once for all: the first forward takes long."""
        for block in self.blocks:
            block.compile()

    def forward(
        self,
        noisy: Tensor,
        timestep: Tensor,
        text: Tensor,
        *,
        reference: Tensor | ReferenceCache | None = None,
        reference_text: Tensor | None = None,
        prefix: int = 0,
        given: Tensor | None = None,
    ) -> Tensor:
        """Return the velocity of the target, [B C F H W].

        Args:
            noisy: Target latents [B C F H W]; the first `prefix` latent frames are clean.
            timestep: 1000 times the noise level, [B], as float.
            text: Text embeddings [B T D'].
            reference: Clean latents [B C F' H' W'], or what `cache_reference` made of them.
            reference_text: Text that the reference sees; the target's own where it is None.
            prefix: Number of clean latent frames at the target's start.
            given: What an image-to-video model is told of the target's frames, [B 4+C F H W]: a
                mask of those that are given, and the latents of a video of them.
        """
        beside = noisy if given is None else torch.cat([noisy, given.to(noisy)], dim=1)
        tokens, segments = self._target(beside, timestep, text, prefix)
        attends_to = [tuple(range(len(tokens)))] * len(tokens)
        cache = reference if isinstance(reference, ReferenceCache) else None
        fresh = None if isinstance(reference, ReferenceCache) else reference
        if fresh is not None:
            self._check(noisy, fresh)
            segment, x = self._reference(fresh, text if reference_text is None else reference_text)
            tokens, segments = (x, *tokens), (segment, *segments)
            everything = tuple(range(len(tokens)))
            attends_to = [everything] * len(tokens)
            if self.settings.attention == "self":
                attends_to[0] = (0,)
        for number, block in enumerate(self.blocks):
            cached = _on(cache.blocks[number], noisy.device) if cache is not None else None
            if self.checkpointing and torch.is_grad_enabled():
                tokens, _ = checkpoint(
                    block, tokens, segments, attends_to, cached, use_reentrant=False
                )
            else:
                tokens, _ = block(tokens, segments, attends_to, cached)
        made = 0 if fresh is None else 1
        return self._velocity(noisy, tokens[made:], segments[made:])

    def cache_reference(
        self, reference: Tensor, text: Tensor, device: str | None = None
    ) -> ReferenceCache:
        """Return the reference's keys and values, which do not depend on the target's noise.

        Only for attention "self": with "full" they depend on the target in every block.
        `device` says where they are cached; None leaves them where they are made.
        """
        if self.settings.attention != "self":
            raise ValueError("keys and values can be cached only where the reference sees itself")
        segment, x = self._reference(reference, text)
        tokens: tuple[Tensor, ...] = (x,)
        cached = []
        for block in self.blocks:
            tokens, found = block(tokens, (segment,), ((0,),), None)
            cached.append(found if device is None else _on(found, torch.device(device)))
        return ReferenceCache(tuple(cached))

    def _target(
        self, noisy: Tensor, timestep: Tensor, text: Tensor, prefix: int
    ) -> tuple[tuple[Tensor, ...], tuple[_Segment, ...]]:
        """Return the tokens and segments of the target: its clean start, if any, and the rest."""
        x, (cos, sin) = self._embed(noisy), self._rotary(noisy)
        split = prefix * x.shape[1] // noisy.shape[2]
        parts = [(timestep, slice(split, None))]
        if prefix:
            parts.insert(0, (torch.zeros_like(timestep), slice(0, split)))
        made = [
            self._segment(x[:, tokens], (cos[:, tokens], sin[:, tokens]), level, text)
            for level, tokens in parts
        ]
        return tuple(x for _, x in made), tuple(segment for segment, _ in made)

    def _reference(self, reference: Tensor, text: Tensor) -> tuple[_Segment, Tensor]:
        # The target that is to be made has as many latent frames as its reference.
        offset = self.settings.positions == "offset"
        first = reference.shape[2] // self.patch_size[0] if offset else 0
        level = torch.full(
            (len(reference),), self.settings.timestep, device=reference.device, dtype=torch.float32
        )
        rotary = self._rotary(reference, first, self.settings.downscale)
        return self._segment(self._embed(self._all_given(reference)), rotary, level, text)

    def _all_given(self, reference: Tensor) -> Tensor:
        """Return a reference as a model sees a video all of whose frames are given: itself."""
        missing = self.patch_embedding.weight.shape[1] - reference.shape[1]
        if missing == 0:
            return reference
        mask = torch.ones_like(reference[:, : missing - reference.shape[1]])
        return torch.cat([reference, mask, reference], dim=1)

    def _segment(
        self, x: Tensor, rotary: Rotary, level: Tensor, text: Tensor
    ) -> tuple[_Segment, Tensor]:
        """Return a segment and this process's tokens of it, given all of them."""
        shard = TokenShard(x.shape[1], self.place)
        turned = shard.take(rotary[0]), shard.take(rotary[1])
        return _Segment(*self._condition(level, text), turned, shard), shard.take(x).contiguous()

    def _check(self, noisy: Tensor, reference: Tensor) -> None:
        frames, height, width = noisy.shape[2:]
        step = self.settings.downscale
        if tuple(reference.shape[2:]) != (frames, height // step, width // step):
            raise ValueError(
                f"a reference of {tuple(reference.shape[2:])} latents does not belong to a target "
                f"of {(frames, height, width)} at 1/{step} of its size"
            )

    def _condition(self, timestep: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a noise level and a text become: [B D], [B 6 D], [B T D]."""
        embedding, modulation, embedded, _ = self.condition_embedder(timestep, text, None)
        return embedding, modulation.unflatten(1, (6, -1)), embedded

    def _embed(self, latents: Tensor) -> Tensor:
        embedded: Tensor = self.patch_embedding(latents).flatten(2).transpose(1, 2).contiguous()
        return embedded

    def _rotary(self, latents: Tensor, first: int = 0, step: int = 1) -> Rotary:
        """Return the rotations of tokens in frames from `first` on, `step` apart in space."""
        frames, rows, columns = (
            size // patch for size, patch in zip(latents.shape[2:], self.patch_size)
        )
        rope = self.rope
        if first + frames > rope.max_seq_len or step * max(rows, columns) > rope.max_seq_len:
            raise ValueError(
                f"{frames} frames of {rows} x {columns} tokens lie beyond the "
                f"{rope.max_seq_len} positions that the network knows"
            )
        sizes = [rope.t_dim, rope.h_dim, rope.w_dim]
        places = (
            first + torch.arange(frames, device=latents.device),
            step * torch.arange(rows, device=latents.device),
            step * torch.arange(columns, device=latents.device),
        )
        return (
            _grid(rope.freqs_cos.to(latents.device).split(sizes, dim=1), places),
            _grid(rope.freqs_sin.to(latents.device).split(sizes, dim=1), places),
        )

    def _velocity(
        self, noisy: Tensor, targets: Sequence[Tensor], segments: Sequence[_Segment]
    ) -> Tensor:
        parts = []
        for x, segment in zip(targets, segments):
            shift, scale = (self.scale_shift_table + segment.level.unsqueeze(1)).chunk(2, dim=1)
            normed = (self.norm_out(x.float()) * (1 + scale) + shift).type_as(x)
            parts.append(segment.shard.join(self.proj_out(normed)))
        flat = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        batch, _, frames, height, width = noisy.shape
        t, h, w = self.patch_size
        patches = flat.reshape(batch, frames // t, height // h, width // w, t, h, w, -1)
        return patches.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def _heads(attn: Any, x: Tensor) -> Tensor:
    return x.unflatten(2, (attn.heads, -1))


def _apply_rope(x: Tensor, rotary: Rotary) -> Tensor:
    """Rotate pairs of channels by their angles (Su et al., "RoFormer", 2021)."""
    one, other = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = rotary[0][..., 0::2], rotary[1][..., 1::2]
    out = torch.empty_like(x)
    out[..., 0::2] = one * cos - other * sin
    out[..., 1::2] = one * sin + other * cos
    return out


def _grid(frequencies: Sequence[Tensor], places: Sequence[Tensor]) -> Tensor:
    sizes = [len(place) for place in places]
    parts = []
    for axis, (frequency, place) in enumerate(zip(frequencies, places)):
        shape = [1, 1, 1, -1]
        shape[axis] = sizes[axis]
        parts.append(frequency[place].view(*shape).expand(*sizes, -1))
    return torch.cat(parts, dim=-1).reshape(1, -1, 1, sum(f.shape[1] for f in frequencies))


def _join(pairs: Sequence[KeysValues]) -> KeysValues:
    if len(pairs) == 1:
        return pairs[0]
    return torch.cat([k for k, _ in pairs], dim=1), torch.cat([v for _, v in pairs], dim=1)


def _on(pair: KeysValues, device: torch.device) -> KeysValues:
    return pair[0].to(device, non_blocking=True), pair[1].to(device, non_blocking=True)
