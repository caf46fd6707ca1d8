"""The in-context forward against the stock forward, itself reordered, itself cached, and LoRA."""

import os
import subprocess
import sys

import pytest
import torch
from tiny import models as tiny_models

from simlift.core.errors import RecipeError
from simlift.models.wan._incontext import InContextTransformer
from simlift.models.wan.incontext import InContext

FRAMES, HEIGHT, WIDTH, TOKENS = 3, 4, 6, 36 // 2


def model(seed=3):
    return tiny_models.transformer(seed)


def latents(seed, frames=FRAMES, height=HEIGHT, width=WIDTH, batch=1):
    return torch.randn(batch, 16, frames, height, width, generator=torch.manual_seed(seed))


def text(seed=5, batch=1):
    return torch.randn(batch, 7, tiny_models.TEXT_DIM, generator=torch.manual_seed(seed))


def levels(*values):
    return torch.tensor(values)


@torch.no_grad()
def test_without_reference_it_is_the_stock_forward_bit_for_bit():
    stock = model()
    ours = InContextTransformer(stock, InContext())
    x, e = latents(1, batch=2), text(batch=2)
    expected = stock(x, levels(700.0, 120.5), e)[0]
    assert torch.equal(ours(x, levels(700.0, 120.5), e), expected)


@torch.no_grad()
def test_offset_positions_are_a_stock_forward_of_both_joined_along_time():
    """Stock: target frames first, then the reference, each token with its own timestep."""
    stock = model()
    ours = InContextTransformer(stock, InContext(positions="offset"))
    x, r, e = latents(1), latents(2), text()
    tokens = FRAMES * (HEIGHT // 2) * (WIDTH // 2)
    steps = torch.cat([torch.full((1, tokens), 640.0), torch.zeros(1, tokens)], dim=1)
    expected = stock(torch.cat([x, r], dim=2), steps, e)[0][:, :, :FRAMES]
    found = ours(x, levels(640.0), e, reference=r)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("reference_first", [True, False])
def test_shared_positions_are_a_stock_forward_whose_rotations_are_repeated(
    reference_first, monkeypatch
):
    """The order of the two streams does not matter: attention knows tokens by their rotation."""
    stock = model()
    ours = InContextTransformer(stock, InContext(positions="shared"))
    x, r, e = latents(1), latents(2), text()
    found = ours(x, levels(640.0), e, reference=r)
    tokens = FRAMES * (HEIGHT // 2) * (WIDTH // 2)
    cos, sin = stock.rope(x)
    twice = (torch.cat([cos, cos], dim=1), torch.cat([sin, sin], dim=1))
    monkeypatch.setattr(stock.rope, "forward", lambda _: twice)
    streams, steps = [x, r], [torch.full((1, tokens), 640.0), torch.zeros(1, tokens)]
    if reference_first:
        streams, steps = streams[::-1], steps[::-1]
    made = stock(torch.cat(streams, dim=2), torch.cat(steps, dim=1), e)[0]
    expected = made[:, :, FRAMES:] if reference_first else made[:, :, :FRAMES]
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("positions", ["shared", "offset"])
@pytest.mark.parametrize("downscale", [1, 2])
def test_a_kept_reference_gives_the_same_bits(positions, downscale):
    settings = InContext(positions=positions, attention="self", downscale=downscale)
    ours = InContextTransformer(model(), settings)
    x, e = latents(1, height=8, width=8), text()
    r = latents(2, height=8 // downscale, width=8 // downscale)
    empty = text(9)
    kept = ours.cache_reference(r, empty, device="cpu")
    for step in (999.0, 400.0):
        fresh = ours(x, levels(step), e, reference=r, reference_text=empty)
        again = ours(x, levels(step), e, reference=kept)
        torch.testing.assert_close(again, fresh, atol=0, rtol=0)
    assert kept.num_bytes == 2 * 2 * r[0, 0].numel() // 4 * 24 * 4  # blocks, k and v, tokens, width


@torch.no_grad()
def test_a_reference_that_sees_itself_alone_does_not_hear_of_the_target():
    ours = InContextTransformer(model(), InContext(attention="self"))
    full = InContextTransformer(model(), InContext(attention="full"))
    x, r, e = latents(1), latents(2), text()
    assert not torch.equal(
        ours(x, levels(500.0), e, reference=r), full(x, levels(500.0), e, reference=r)
    )
    with pytest.raises(ValueError, match="only where the reference sees itself"):
        full.cache_reference(r, e)


@torch.no_grad()
def test_the_target_follows_its_reference():
    ours = InContextTransformer(model(), InContext())
    x, e = latents(1), text()
    one = ours(x, levels(500.0), e, reference=latents(2))
    other = ours(x, levels(500.0), e, reference=latents(3))
    assert (one - other).abs().max() > 1e-4


@torch.no_grad()
def test_a_clean_start_is_a_stock_forward_with_two_timesteps():
    stock = model()
    ours = InContextTransformer(stock, InContext())
    x, e = latents(1), text()
    each = (HEIGHT // 2) * (WIDTH // 2)
    steps = torch.cat([torch.zeros(1, each), torch.full((1, 2 * each), 640.0)], dim=1)
    expected = stock(x, steps, e)[0]
    found = ours(x, levels(640.0), e, prefix=1)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


def test_checkpointing_changes_no_gradient():
    gradients = []
    for checkpointing in (False, True):
        ours = InContextTransformer(model(), InContext())
        ours.checkpointing = checkpointing
        made = ours(latents(1), levels(640.0), text(), reference=latents(2), prefix=1)
        made.square().mean().backward()
        gradients.append([p.grad.clone() for p in ours.parameters() if p.grad is not None])
    assert len(gradients[0]) > 20
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


COMPILED = """
import torch
from test_incontext import InContext, InContextTransformer, latents, levels, model, text
found = []
for compiled in (False, True):
    ours = InContextTransformer(model(), InContext(attention={attention!r}))
    ours.checkpointing = True
    if compiled:
        ours.compile_blocks()
    velocity = ours(latents(1), levels(640.0), text(), reference=latents(2))
    velocity.square().mean().backward()
    found.append((velocity.detach(), ours.blocks[0].block.attn1.to_q.weight.grad))
torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)
assert torch._dynamo.utils.counters["frames"]["ok"] > 0
"""


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["full", "self"])
def test_compiled_blocks_give_the_same_velocity_and_gradients(attention):
    """In a process of its own: the types that tests check at every call cannot be compiled."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED.format(attention=attention)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


@torch.no_grad()
def test_a_reference_of_another_size_is_refused():
    ours = InContextTransformer(model(), InContext())
    with pytest.raises(ValueError, match="does not belong to a target"):
        ours(latents(1), levels(1.0), text(), reference=latents(2, frames=2))
    with pytest.raises(ValueError, match="positions that the network knows"):
        ours(latents(1, frames=80), levels(1.0), text())


def test_settings_are_checked():
    with pytest.raises(RecipeError, match="0 to 1000"):
        InContext(timestep=-1.0)
    with pytest.raises(RecipeError, match="1 or more"):
        InContext(downscale=0)
