"""The wan engine and its parts on tiny models: exact against stock code, exact sizes, refusals."""

import json
import multiprocessing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, WanPipeline
from tiny import clips as builders
from tiny import models as tiny_models

import simlift
from simlift.core.errors import RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.protocols import WindowSize
from simlift.engines.wan import Wan
from simlift.engines.wan._sampler import Conditions, Sampler, fused_parts
from simlift.models.hub._lora import load_lora
from simlift.models.wan import _adapter, _parts
from simlift.models.wan._incontext import InContextTransformer
from simlift.models.wan._offload import BlockStream
from simlift.models.wan.adapter import FORMAT, TARGETS, AdapterCard, find_adapter, read_card
from simlift.models.wan.base_model import find_wan
from simlift.models.wan.flow_matching import Experts, schedule, shifted, stratified, unshifted
from simlift.models.wan.incontext import InContext
from simlift.pixels.colour.drift_correction import apply_colour_correction, colour_correction

RANK = 2


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.wan(tmp_path_factory.mktemp("models") / "wan")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return tiny_models.wan(tmp_path_factory.mktemp("models") / "wan-single", experts=1)


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return tiny_models.wan_dense(tmp_path_factory.mktemp("models") / "wan-dense")


def write_adapter(folder: Path, base: Path, incontext=InContext(), noise=0.3, **changes) -> Path:
    """Write an adapter with random weights for every expert of a base."""
    model = find_wan(str(base))
    for expert in model.experts.names:
        network = _parts.load_transformer(model, expert, torch.float32)
        _adapter.add_adapter(network, rank=RANK, alpha=RANK, targets=TARGETS["attention"], seed=1)
        tensors = _adapter.adapter_tensors(network)
        generator = torch.manual_seed(7)
        for name in tensors:
            tensors[name] = noise * torch.randn(tensors[name].shape, generator=generator)
        card = AdapterCard(
            **{
                "format": FORMAT,
                "base": str(base),
                "base_digest": model.digest(expert),
                "expert": expert,
                "rank": RANK,
                "alpha": float(RANK),
                "targets": TARGETS["attention"],
                "incontext": incontext,
                "shift": 5.0,
                "boundary": model.experts.boundary,
                "height": 32,
                "width": 48,
                "num_frames": 9,
                "prompt_template": "photo: {caption}",
                "prefix_share": 0.2,
                "steps": 1,
                "pairs": "0" * 16,
                **changes,
            }
        )
        _adapter.write_adapter(folder / f"{expert}.safetensors", tensors, card)
    return folder


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    return write_adapter(tmp_path_factory.mktemp("adapter"), base)


def clip(folder, count, height=32, width=48):
    """A clip of full contrast: a random autoencoder makes nothing of little."""
    y, x = np.mgrid[0:height, 0:width]
    frames = [np.stack([x * 5 + i, y * 7, x + y + 9 * i], axis=-1) % 256 for i in range(count)]
    path = builders.video(
        folder / "clip.mp4", np.stack(frames).astype(np.uint8), pixel_format="yuv444p", gop=1
    )
    return simlift.open_clip(path)


def engine(base, adapter, **changes):
    settings = {"steps": 2, "frames": 9, "overlap": 5, "dtype": "float32", **changes}
    return Wan(base=str(base), adapter=None if adapter is None else str(adapter), **settings)


# --- levels


def test_levels_follow_their_formula_and_back():
    u = np.linspace(0, 1, 11)
    assert shifted(0.5, 12.0) == pytest.approx(12 * 0.5 / (1 + 11 * 0.5))
    np.testing.assert_allclose(unshifted(shifted(u, 12.0), 12.0), u, atol=1e-12)
    np.testing.assert_allclose(schedule(4, 5.0)[:4], [1, 0.9375, 0.83333333, 0.625], atol=1e-7)


def test_of_40_steps_at_shift_12_the_high_noise_expert_runs_26():
    experts = Experts(0.875)
    assert sum(experts.of(s) == "high" for s in schedule(40, 12.0)[:-1]) == 26
    assert experts.interval("high", 5.0)[0] == pytest.approx(0.5833333)
    assert experts.interval("low", 12.0)[1] == pytest.approx(0.368421)
    assert Experts().interval("single", 5.0) == (0.0, 1.0)


def test_strata_hold_one_value_each():
    values = stratified(8, 0.3)
    assert sorted((values * 8).astype(int)) == list(range(8))


# --- parts of a model


@pytest.mark.parametrize("model", ["base", "dense"])
def test_streamed_decoding_equals_decoding_at_once(model, request):
    base = request.getfixturevalue(model)
    vae = _parts.load_vae(find_wan(str(base)).folder)
    channels = vae.config.z_dim
    latents = torch.randn(1, channels, 3, 4, 6, generator=torch.manual_seed(1))
    mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1)
    with torch.no_grad():
        whole = vae.decode(latents * std + mean).sample[0].clamp(-1, 1)
    expected = ((whole + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 3, 0).numpy()
    parts = list(_parts.decode_latents(vae, latents))
    assert [len(part) for part in parts] == [1, 4, 4]
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_a_prompt_becomes_what_the_stock_pipeline_makes_of_it(base):
    pipeline = WanPipeline.from_pretrained(base)
    with torch.no_grad():
        expected, _ = pipeline.encode_prompt(
            "a  street &amp; rain", do_classifier_free_guidance=False, max_sequence_length=512
        )
    folder = find_wan(str(base)).folder
    encoder = _parts.TextEncoder(folder, torch.float32, torch.device("cpu"))
    found = encoder("a  street &amp; rain")
    assert len(found) == len("a street & rain") + 1
    padded = _parts.padded_text(found, torch.device("cpu"), torch.float32)
    torch.testing.assert_close(padded, expected, atol=0, rtol=0)


def test_streamed_blocks_compute_the_same_and_go_home():
    model = tiny_models.transformer(1)
    ours = InContextTransformer(model, InContext())
    x = torch.randn(1, 16, 2, 4, 4, generator=torch.manual_seed(1))
    text = torch.randn(1, 5, tiny_models.TEXT_DIM, generator=torch.manual_seed(2))
    with torch.no_grad():
        expected = ours(x, torch.tensor([500.0]), text)
        stream = BlockStream(ours.blocks, torch.device("cpu"))
        streamed = ours(x, torch.tensor([500.0]), text)
        stream.detach()
        after = ours(x, torch.tensor([500.0]), text)
    assert torch.equal(streamed, expected)
    assert torch.equal(after, expected)


# --- sampling


def test_sampling_is_euler_over_the_stock_networks_with_guidance():
    networks = {"high": tiny_models.transformer(1), "low": tiny_models.transformer(2)}
    experts = Experts(0.875)
    noise = torch.randn(1, 16, 2, 4, 4, generator=torch.manual_seed(1))
    texts = torch.randn(2, 5, tiny_models.TEXT_DIM, generator=torch.manual_seed(2))
    levels = [float(s) for s in schedule(4, 5.0)]
    x = noise.clone()
    with torch.no_grad():
        for here, there in pairwise(levels):
            network = networks["high" if here >= 0.875 else "low"]
            step = torch.tensor([here * 1000])
            prompt, negative = (network(x, step, text[None])[0] for text in texts)
            weight = 4.0 if here >= 0.875 else 3.0
            x = x + (there - here) * (negative + weight * (prompt - negative))
    found = sample(networks, experts, noise, levels, texts)
    torch.testing.assert_close(found, x, atol=2e-6, rtol=1e-5)


def sample(networks, experts, noise, levels, texts, parts=None, reference=None, settings=None):
    from contextlib import nullcontext

    opened = {e: InContextTransformer(n, settings or InContext()) for e, n in networks.items()}
    conditions = Conditions(
        reference=reference,
        prompt=texts[:1],
        negative=texts[1:],
        empty=torch.zeros_like(texts[:1]),
        prefix=None,
        parts=parts or (slice(0, noise.shape[2]),),
    )
    sampler = Sampler(
        experts,
        lambda e: nullcontext(opened[e]),
        {"high": 4.0, "low": 3.0},
        None,
        lambda done, total: None,
    )
    return sampler(noise, levels, conditions)


def test_fused_windows_blend_to_one_and_cover_everything():
    from simlift.engines.wan._sampler import _ramp

    for frames in (3, 4, 7, 12, 13):
        parts = fused_parts(frames, 5, 2)
        total = torch.zeros(frames)
        for number, part in enumerate(parts):
            assert part.stop - part.start == min(5, frames)
            total[part] += _ramp(parts, number) > 0
        assert total.min() >= 1
    two = fused_parts(8, 5, 2)
    weights = torch.zeros(8)
    for number, part in enumerate(two):
        weights[part] += _ramp(two, number)
    torch.testing.assert_close(weights, torch.ones(8))


def test_one_window_is_the_same_however_it_is_cut_where_windows_agree():
    """Two parts that are the same slice blend to what one of them gives."""
    networks = {"high": tiny_models.transformer(1), "low": tiny_models.transformer(2)}
    noise = torch.randn(1, 16, 2, 4, 4, generator=torch.manual_seed(1))
    reference = torch.randn(1, 16, 2, 4, 4, generator=torch.manual_seed(3))
    texts = torch.randn(2, 5, tiny_models.TEXT_DIM, generator=torch.manual_seed(2))
    levels = [1.0, 0.9, 0.5, 0.0]
    for settings in (InContext(), InContext(attention="self")):
        one = sample(networks, Experts(0.875), noise, levels, texts, None, reference, settings)
        parts = (slice(0, 2), slice(0, 2))
        twice = sample(networks, Experts(0.875), noise, levels, texts, parts, reference, settings)
        torch.testing.assert_close(one, twice, atol=1e-5, rtol=1e-5)


# --- the engine


@pytest.mark.parametrize(("count", "height", "width"), [(1, 32, 48), (6, 33, 49), (12, 40, 30)])
def test_takes_have_the_clips_size_and_length(base, adapter, tmp_path, count, height, width):
    source = clip(tmp_path, count, height, width)
    frames = simlift.lift(source, engine(base, adapter), seed=3)
    assert frames.shape == (count, height, width, 3)
    again = simlift.lift(source, engine(base, adapter), seed=3)
    np.testing.assert_array_equal(frames, again)
    other = simlift.lift(source, engine(base, adapter), seed=4)
    assert (frames != other).any()


def test_a_long_clip_goes_on_from_its_last_frames(base, adapter, tmp_path):
    source = clip(tmp_path, 17)
    assert engine(base, adapter).window_size() == WindowSize(9, 5)
    assert engine(base, adapter, fuse=3).window_size() == WindowSize(17, 5)
    held = simlift.lift(source, engine(base, adapter))
    free = simlift.lift(source, engine(base, adapter, hold_colour=False))
    fused = simlift.lift(source, engine(base, adapter, fuse=3))
    assert held.shape == free.shape == fused.shape
    np.testing.assert_array_equal(held[:9], free[:9])
    assert (held[9:] != free[9:]).any()


@pytest.mark.parametrize(
    "changes",
    [{"offload": "model"}, {"offload": "layer"}, {"keep": "cpu"}],
    ids=lambda changes: next(iter(changes.values())),
)
def test_where_weights_lie_changes_no_pixel(base, tmp_path, changes):
    kept = write_adapter(tmp_path / "adapter", base, InContext(attention="self"))
    source = clip(tmp_path, 5)
    expected = simlift.lift(source, engine(base, kept))
    np.testing.assert_array_equal(simlift.lift(source, engine(base, kept, **changes)), expected)


def test_a_smaller_reference_and_one_expert(single, tmp_path):
    settings = InContext(attention="self", downscale=2)
    kept = write_adapter(tmp_path / "adapter", single, settings)
    frames = simlift.lift(clip(tmp_path, 5), engine(single, kept, resolution=(32, 32)))
    assert frames.shape == (5, 32, 48, 3)


@pytest.mark.parametrize("attention", [pytest.param("full", marks=pytest.mark.slow), "self"])
def test_two_processes_that_share_tokens_lift_what_one_does(base, tmp_path, attention):
    """Three tokens a frame: an odd number of them in every segment, a clean start among them."""
    kept = write_adapter(tmp_path / "adapter", base, InContext(attention=attention))
    source = clip(tmp_path, 17, 16, 48)
    alone = simlift.lift(source, engine(base, kept)).astype(int)
    shared = simlift.lift(source, engine(base, kept, parallel=2)).astype(int)
    assert np.ptp(alone) > 50
    assert np.abs(shared - alone).max() <= 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parallel": 3}, r"found 3; allowed: 1, 2: divisors of the 2 attention"),
        ({"loras": ("nowhere",)}, "nowhere: does not exist"),
        ({"loras": (str(Path(__file__).parent),)}, "holds no LoRA for the expert 'high'"),
        ({"vae": "nowhere"}, "nowhere: is no autoencoder"),
    ],
)
def test_what_does_not_fit_is_told_before_weights_are_read(base, adapter, tmp_path, changes, words):
    with pytest.raises(RecipeError, match=words):
        engine(base, adapter, **changes).check(clip(tmp_path, 5))


def test_a_lost_process_is_told(base, adapter):
    text = torch.zeros(1, 5, tiny_models.TEXT_DIM)
    conditions = Conditions(None, text, text, text, None, (slice(0, 2),))
    with engine(base, adapter, parallel=2).open("cpu") as opened:
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        with pytest.raises(RunError, match=r"wan.parallel: a process was lost"):
            opened._denoiser(torch.zeros(1, 16, 2, 2, 4), [1.0, 0.5, 0.0], conditions)


def test_a_denser_autoencoder_as_ti2v_5b_has(dense, tmp_path):
    """16 pixels a latent, 32 a token: 33 x 49 is padded to 64 x 64."""
    model = find_wan(str(dense))
    assert (model.multiple, model.latent_shape(9, 64, 96)) == (32, (48, 3, 4, 6))
    kept = write_adapter(tmp_path / "adapter", dense, InContext(attention="self"))
    source = clip(tmp_path, 6, 33, 49)
    frames = simlift.lift(source, engine(dense, kept))
    assert frames.shape == (6, 33, 49, 3)
    assert (frames != simlift.lift(source, engine(dense, kept), seed=4)).any()


def test_eight_bit_weights_and_bfloat16_stay_near(base, adapter, tmp_path):
    source = clip(tmp_path, 5)
    exact = simlift.lift(source, engine(base, adapter)).astype(float)
    coarse = simlift.lift(source, engine(base, adapter, dtype="bfloat16", fp8=True)).astype(float)
    assert 0 < np.abs(exact - coarse).mean() < 12


def test_words_change_the_video(base, adapter, tmp_path):
    source = clip(tmp_path, 5)
    dry = simlift.lift(source, engine(base, adapter))
    wet = simlift.lift(source, engine(base, adapter, prompt="heavy rain"))
    assert (dry != wet).any()


def test_without_adapter_the_render_is_where_it_starts(base, tmp_path):
    source = clip(tmp_path, 5)
    with pytest.raises(RecipeError, match="nothing would tie the video to its render"):
        engine(base, None)
    near, far = (simlift.lift(source, engine(base, None, strength=s)) for s in (0.01, 0.9))
    vae = AutoencoderKLWan.from_pretrained(base / "vae")
    with source.open([Layer.RGB]) as reader:
        render = reader.window(range(5)).rgb
    code = _parts.encode_frames(vae, render)
    known = np.concatenate(list(_parts.decode_latents(vae, code))).astype(float)
    assert np.abs(known - near).mean() < np.abs(known - far).mean() / 4


def test_few_steps_with_a_stacked_lora(base, adapter, tmp_path):
    lora = write_adapter(tmp_path / "lora", base, noise=0.5)
    source = clip(tmp_path, 5)
    fast = {"steps": 4, "shift": 5.0, "guidance": (1.0, 1.0)}
    alone = simlift.lift(source, engine(base, adapter, **fast))
    stacked = simlift.lift(source, engine(base, adapter, loras=(str(lora),), **fast))
    assert (alone != stacked).any()


# --- adapters


def test_an_adapter_is_a_plain_lora_to_diffusers(base, adapter):
    pipeline = WanPipeline.from_pretrained(base)
    pipeline.load_lora_weights(adapter, weight_name="high.safetensors", adapter_name="high")
    pipeline.load_lora_weights(
        adapter,
        weight_name="low.safetensors",
        adapter_name="low",
        load_into_transformer_2=True,
    )
    network = _parts.load_transformer(find_wan(str(base)), "low", torch.float32)
    file = adapter / "low.safetensors"
    load_lora(
        network, _adapter.read_adapter(file), name=_adapter.ADAPTER, path=file, alpha=float(RANK)
    )
    x = torch.randn(1, 16, 1, 4, 4, generator=torch.manual_seed(1))
    text = torch.randn(1, 5, tiny_models.TEXT_DIM, generator=torch.manual_seed(2))
    with torch.no_grad():
        ours = network(x, torch.tensor([500.0]), text)[0]
        theirs = pipeline.transformer_2(x, torch.tensor([500.0]), text)[0]
    torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_a_plain_lora_is_no_in_context_adapter(tmp_path):
    from safetensors.torch import save_file

    save_file({"blocks.0.attn1.to_q.lora_A.weight": torch.ones(2, 24)}, tmp_path / "a.safetensors")
    with pytest.raises(RecipeError, match="without the card"):
        read_card(tmp_path / "a.safetensors")


def test_an_adapter_of_another_base_is_refused(base, single, adapter, tmp_path):
    other = tiny_models.wan(tmp_path / "other", layers=3)
    with pytest.raises(RecipeError, match="has other weights"):
        find_adapter(str(adapter), find_wan(str(other)))
    with pytest.raises(RecipeError, match=r"holds high\.safetensors, low\.safetensors"):
        find_adapter(str(adapter), find_wan(str(single)))


def test_a_missing_expert_and_a_renamed_one_are_refused(base, adapter, tmp_path):
    import shutil

    part = tmp_path / "part"
    shutil.copytree(adapter, part)
    (part / "low.safetensors").unlink()
    with pytest.raises(RecipeError, match=r"lacks low\.safetensors"):
        find_adapter(str(part), find_wan(str(base)))
    shutil.copy(part / "high.safetensors", part / "low.safetensors")
    with pytest.raises(RecipeError, match="renamed"):
        find_adapter(str(part), find_wan(str(base)))


def test_experts_of_two_trainings_are_refused(base, tmp_path):
    mixed = write_adapter(tmp_path / "one", base)
    other = write_adapter(tmp_path / "two", base, InContext(positions="offset"))
    (other / "low.safetensors").replace(mixed / "low.safetensors")
    with pytest.raises(RecipeError, match="trained with different incontext"):
        find_adapter(str(mixed), find_wan(str(base)))


def test_a_card_survives_its_file(base, adapter):
    card = read_card(adapter / "high.safetensors")
    assert card.expert == "high"
    assert card.incontext == InContext()
    assert card.targets == TARGETS["attention"]


def test_models_of_other_conditions_are_refused(base, tmp_path):
    import shutil

    other = tmp_path / "i2v"
    shutil.copytree(base, other)
    config = other / "transformer" / "config.json"
    shape = json.loads(config.read_text())
    config.write_text(json.dumps(shape | {"in_channels": 36, "image_dim": 1280}))
    with pytest.raises(RecipeError, match="through CLIP"):
        find_wan(str(other))
    config.write_text(json.dumps(shape | {"in_channels": 33}))
    with pytest.raises(RecipeError, match="33 channels for latents of 16"):
        find_wan(str(other))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": 8}, "4k"),
        ({"overlap": 9}, "below frames"),
        ({"overlap": 4}, "4k"),
        ({"steps": 0}, "at least 1"),
        ({"strength": 0.0}, "above 0"),
        ({"overlap": 0, "fuse": 2}, "where overlap is 0"),
        ({"parallel": 0}, "at least 1"),
        ({"compile": True, "fp8": True}, "none of fp8"),
        ({"compile": True, "parallel": 2}, "none of fp8"),
    ],
)
def test_settings_are_checked(base, adapter, changes, words):
    with pytest.raises(RecipeError, match=words):
        engine(base, adapter, **changes)


# --- colour


def test_a_drift_of_colour_is_undone():
    generator = np.random.default_rng(1)
    prompt = generator.integers(60, 180, (3, 8, 8, 3)).astype(np.uint8)
    drifted = np.clip(np.rint(prompt * 0.9 + 12), 0, 255).astype(np.uint8)
    mended = apply_colour_correction(drifted, colour_correction(drifted, prompt))
    assert np.abs(mended.astype(int) - prompt).max() <= 2
    gain, offset = colour_correction(prompt, prompt)
    np.testing.assert_allclose(gain, 1)
    np.testing.assert_allclose(offset, 0, atol=1e-9)
