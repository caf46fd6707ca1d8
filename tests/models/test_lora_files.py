"""LoRA files as trainers and re-packers write them: each layer at its strength, or a refusal."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tiny import models as tiny_models

from simlift.core.errors import RecipeError
from simlift.models.hub._lora import load_lora, put_lora, read_lora
from simlift.models.hub.lora_header import read_lora_header
from simlift.models.wan.layer_names import wan_name

RANK = 4
# A layer's name in diffusers, as Wan's authors named it, and its outputs and inputs.
LAYERS = {
    "blocks.0.attn1.to_q": ("blocks.0.self_attn.q", 24, 24),
    "blocks.0.attn2.to_out.0": ("blocks.0.cross_attn.o", 24, 24),
    "blocks.1.ffn.net.0.proj": ("blocks.1.ffn.0", 48, 24),
    "blocks.1.ffn.net.2": ("blocks.1.ffn.2", 24, 48),
    "condition_embedder.time_proj": ("time_projection.1", 144, 24),
}


def matrices():
    """(down, up) of each layer, by diffusers' name."""
    random = torch.manual_seed(7)
    return {
        name: (
            torch.randn(RANK, inputs, generator=random),
            torch.randn(outputs, RANK, generator=random),
        )
        for name, (_, outputs, inputs) in LAYERS.items()
    }


def write(path, style, *, alpha=None, metadata=None, extra=None):
    tensors = {}
    for name, (down, up) in matrices().items():
        theirs = LAYERS[name][0]
        stem, first, second = {
            "diffusers": (f"transformer.{name}", "lora_A.weight", "lora_B.weight"),
            "peft": (f"base_model.model.{name}", "lora_A.weight", "lora_B.weight"),
            "comfy": (f"diffusion_model.{theirs}", "lora_down.weight", "lora_up.weight"),
            "comfy-peft": (f"diffusion_model.{theirs}", "lora_A.weight", "lora_B.weight"),
            "diffsynth": (theirs, "lora_A.default.weight", "lora_B.default.weight"),
            "diffsynth-pipe": (f"pipe.dit.{theirs}", "lora_A.weight", "lora_B.weight"),
            "kohya": (f"lora_unet_{theirs.replace('.', '_')}", "lora_down.weight",
                      "lora_up.weight"),
            "kohya-diffusers": (f"lora_unet_{name.replace('.', '_')}", "lora_down.weight",
                                "lora_up.weight"),
        }[style]  # fmt: skip
        tensors[f"{stem}.{first}"], tensors[f"{stem}.{second}"] = down, up
        if alpha is not None:
            tensors[f"{stem}.alpha"] = torch.tensor(float(alpha))
    save_file({**tensors, **(extra or {})}, path, metadata=metadata)
    return path


def placed(path, *, name="x", strength=1.0):
    """Return the network with the file on it, and the change of each layer's weight."""
    network = tiny_models.transformer(1)
    lora = read_lora(path, network, wan_name)
    put_lora(network, lora, name=name, path=path, strength=strength)
    return network, {
        layer: module.get_delta_weight(name).detach()
        for layer, module in network.named_modules()
        if hasattr(module, "get_delta_weight")
    }


def check_factors(path, factors):
    _, changes = placed(path)
    assert set(changes) == set(LAYERS)
    for layer, (down, up) in matrices().items():
        torch.testing.assert_close(changes[layer], up @ down * factors.get(layer, factors["*"]))


STYLES = (
    "diffusers", "peft", "comfy", "comfy-peft", "diffsynth", "diffsynth-pipe", "kohya",
    "kohya-diffusers",
)  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("alpha", [None, 16])
def test_every_layer_is_found_and_tensors_of_alpha_hold(tmp_path, style, alpha):
    path = write(tmp_path / "a.safetensors", style, alpha=alpha)
    check_factors(path, {"*": 1.0 if alpha is None else alpha / RANK})
    assert read_lora_header(path).matrices == 2 * len(LAYERS)


def diffusers_header(**settings):
    settings = {"r": RANK, "lora_alpha": 16, **settings}
    return {
        "lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in settings.items()})
    }


@pytest.mark.parametrize(
    ("style", "metadata", "factors"),
    [
        ("diffusers", diffusers_header(), {"*": 4.0}),
        ("diffusers", diffusers_header(use_rslora=True), {"*": 8.0}),
        (
            "diffusers",
            diffusers_header(alpha_pattern={"attn1.to_q": 2, "blocks.0": 1}),
            {"*": 4.0, "blocks.0.attn1.to_q": 0.5},
        ),
        ("kohya", {"ss_network_alpha": "8", "ss_network_dim": "4"}, {"*": 2.0}),
        ("kohya", {"ss_network_alpha": "None"}, {"*": 1.0}),
        ("comfy", {"ss_network_alpha": "4", "ss_network_dim": "4"}, {"*": 1.0}),
        ("comfy", {"lora_alpha": "2"}, {"*": 0.5}),
    ],
)
def test_a_strength_in_the_header_holds(tmp_path, style, metadata, factors):
    check_factors(write(tmp_path / "a.safetensors", style, metadata=metadata), factors)


def test_tensors_beat_the_header(tmp_path):
    path = write(tmp_path / "a.safetensors", "kohya", alpha=8, metadata={"ss_network_alpha": "1"})
    check_factors(path, {"*": 2.0})


def test_settings_beside_a_file_of_peft_hold(tmp_path):
    path = write(tmp_path / "adapter_model.safetensors", "peft")
    settings = tmp_path / "adapter_config.json"
    settings.write_text(json.dumps({"lora_alpha": 12, "r": RANK}))
    check_factors(path, {"*": 3.0})
    settings.write_text(json.dumps({"lora_alpha": 12, "use_dora": True}))
    with pytest.raises(RecipeError, match=r"adapter_config.json: is a DoRA \(use_dora\)"):
        read_lora_header(path)


def test_layers_of_other_ranks_keep_a_scale_of_one(tmp_path):
    network = tiny_models.transformer(1)
    given = {
        "blocks.0.attn1.to_q": (torch.randn(4, 24), torch.randn(24, 4)),
        "blocks.0.attn1.to_k": (torch.randn(2, 24), torch.randn(24, 2)),
        "blocks.1.attn1.to_q": (torch.randn(8, 24), torch.randn(24, 8)),
    }
    tensors = {}
    for layer, (down, up) in given.items():
        tensors |= {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}
    load_lora(network, tensors, name="x", path=tmp_path)
    for layer, (down, up) in given.items():
        change = network.get_submodule(layer).get_delta_weight("x")
        torch.testing.assert_close(change, up @ down)


def test_what_is_added_to_biases_norms_and_modulation_is_added(tmp_path):
    extra = {
        "diffusion_model.blocks.0.self_attn.q.diff_b": torch.full((24,), 1.0),
        "diffusion_model.blocks.0.self_attn.norm_q.diff": torch.full((24,), 2.0),
        "diffusion_model.blocks.1.norm3.diff": torch.full((24,), 3.0),
        "diffusion_model.blocks.1.norm3.diff_b": torch.full((24,), 4.0),
        "diffusion_model.blocks.1.diff_m": torch.full((1, 6, 24), 5.0),
        "diffusion_model.head.modulation.diff": torch.full((1, 2, 24), 6.0),
        "diffusion_model.patch_embedding.diff_b": torch.full((24,), 7.0),
        "diffusion_model.head.head.diff": torch.full((64, 24), 8.0),
    }
    path = write(tmp_path / "a.safetensors", "comfy", extra=extra)
    network, changes = placed(path, strength=0.5)
    assert set(changes) == set(LAYERS)
    before = dict(tiny_models.transformer(1).named_parameters())
    added = {}
    for name, parameter in network.named_parameters():
        own = name.replace(".base_layer.", ".")
        if ".lora_" not in name and not torch.equal(parameter, before[own]):
            step = (parameter - before[own]).flatten()
            torch.testing.assert_close(step, step[:1].expand_as(step))
            added[own] = round(2 * float(step.detach()[0]), 4)
    assert added == {
        "blocks.0.attn1.to_q.bias": 1,
        "blocks.0.attn1.norm_q.weight": 2,
        "blocks.1.norm2.weight": 3,
        "blocks.1.norm2.bias": 4,
        "blocks.1.scale_shift_table": 5,
        "scale_shift_table": 6,
        "patch_embedding.bias": 7,
        "proj_out.weight": 8,
    }


def test_a_bias_of_the_up_matrix_is_scaled_with_it(tmp_path):
    extra = {"transformer.blocks.0.attn1.to_q.lora_B.bias": torch.ones(24)}
    path = write(tmp_path / "a.safetensors", "diffusers", metadata=diffusers_header(), extra=extra)
    network, _ = placed(path)
    before = tiny_models.transformer(1).blocks[0].attn1.to_q.bias
    torch.testing.assert_close(network.blocks[0].attn1.to_q.base_layer.bias, before + 4)


def test_two_files_stack(tmp_path):
    path = write(tmp_path / "a.safetensors", "comfy", alpha=16)
    network, _ = placed(path, name="first")
    second = read_lora(write(tmp_path / "b.safetensors", "kohya"), network, wan_name)
    put_lora(network, second, name="second", path=path)
    layer = network.blocks[0].attn1.to_q
    torch.testing.assert_close(
        layer.get_delta_weight("first"), 4 * layer.get_delta_weight("second")
    )


Q = "diffusion_model.blocks.0.self_attn.q"


@pytest.mark.parametrize(
    ("extra", "metadata", "words"),
    [
        ({f"{Q}.dora_scale": torch.ones(24, 1)}, None, r"is a DoRA \(.*dora_scale\)"),
        ({f"{Q}.lora_magnitude_vector": torch.ones(24)}, None, "is a DoRA"),
        ({}, diffusers_header(use_dora=True), r"is a DoRA \(use_dora\)"),
        ({}, diffusers_header(init_lora_weights="pissa_niter_4"), "changed first"),
        ({}, diffusers_header(lora_alpha="much"), "lora_alpha is 'much'; allowed: a number"),
        ({}, {"lora_adapter_metadata": "{"}, "its settings are no JSON"),
        ({}, {"ss_network_alpha": "8", "ss_network_dim": "4"}, "its header states alpha 8"),
        ({f"{Q}.hada_w1_a": torch.ones(2, 2)}, None, "of another kind than LoRA"),
        ({f"{Q}.lokr_w1": torch.ones(2, 2)}, None, "of another kind than LoRA"),
        ({f"{Q}.set_weight": torch.ones(2)}, None, r"1 of 11 tensors are not known: .*set_weight"),
        ({f"{Q}.weight": torch.ones(2)}, None, r"are not known: .*self_attn\.q\.weight"),
        ({f"{Q}.lora_A.weight": torch.ones(4, 24)}, None, "are of one layer"),
        ({f"{Q}.lora_A.other.bias": torch.ones(4)}, None, "are not known"),
        ({"blocks.1.self_attn.k.lora_A.weight": torch.ones(4, 24)}, None, "lack one of their two"),
        ({"blocks.1.self_attn.k.alpha": torch.tensor(1.0)}, None, "lack one of their two"),
        ({f"{Q}.alpha": torch.ones(2)}, None, r"alpha is \[2\]; allowed: one number"),
        ({f"{Q}.diff_b": torch.ones(25)}, None, r"is \[25\], the base has \[24\]"),
        ({"blocks.7.norm3.diff": torch.ones(24)}, None, r"no place in the base, such as blocks\.7"),
        ({"blocks.7.diff_m": torch.ones(1, 6, 24)}, None, "no place in the base"),
        ({"blocks.0.self_attn.norm_q.diff_b": torch.ones(24)}, None, "no place in the base"),
        ({f"{Q}.diff_b": torch.full((24,), torch.nan)}, None, "not finite"),
    ],
)
def test_what_is_no_plain_lora_is_refused(tmp_path, extra, metadata, words):
    path = write(tmp_path / "a.safetensors", "comfy", metadata=metadata, extra=extra)
    with pytest.raises(RecipeError, match=words):
        read_lora(path, tiny_models.transformer(1), wan_name)


@pytest.mark.parametrize("alpha", [None, 0])
def test_a_lora_that_changes_nothing_is_refused(tmp_path, alpha):
    up = torch.zeros(24, 4) if alpha is None else torch.ones(24, 4)
    tensors = {
        "blocks.0.attn1.to_q.lora_A.weight": torch.ones(4, 24),
        "blocks.0.attn1.to_q.lora_B.weight": up,
    }
    if alpha is not None:
        tensors["blocks.0.attn1.to_q.alpha"] = torch.tensor(float(alpha))
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(RecipeError, match="changes nothing"):
        read_lora(tmp_path / "a.safetensors", tiny_models.transformer(1), wan_name)


@pytest.mark.parametrize(
    ("down", "up", "words"),
    [
        ((4, 30), (24, 4), "the base's layer has 24 inputs"),
        ((4, 24), (30, 4), "the base's layer has 24 outputs"),
        ((4, 24), (24, 5), "do not belong together"),
        ((4, 24, 1, 1), (24, 4, 1, 1), "do not belong together"),
    ],
)
def test_matrices_of_other_sizes_are_refused(tmp_path, down, up, words):
    tensors = {
        "blocks.0.attn1.to_q.lora_A.weight": torch.ones(down),
        "blocks.0.attn1.to_q.lora_B.weight": torch.ones(up),
    }
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(RecipeError, match=words):
        read_lora(tmp_path / "a.safetensors", tiny_models.transformer(1), wan_name)


def test_a_lora_of_two_networks_is_refused(tmp_path):
    path = write(
        tmp_path / "a.safetensors",
        "diffusers",
        extra={
            "transformer_2.blocks.0.attn1.to_q.lora_A.weight": torch.ones(4, 24),
            "transformer_2.blocks.0.attn1.to_q.lora_B.weight": torch.ones(24, 4),
        },
    )
    with pytest.raises(RecipeError, match="no place in the base, such as transformer_2"):
        read_lora(path, tiny_models.transformer(1), wan_name)
