"""The baselines with local weights: tiny pipelines on disk, through the loading that users take."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import clips as builders
from tiny import pipelines as tiny_baselines

import simlift
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import MissingLibrary, RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin
from simlift.engines.anchors.cosmos import CosmosAnchors
from simlift.engines.anchors.scenes import draw_scene
from simlift.engines.diffusers import LICENCES, Cosmos, Ditto, Ltx, Lucy, _engine
from simlift.engines.diffusers.cosmos_controls import draw
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.window_blend import blend_window
from simlift.engines.oscar import Oscar
from simlift.engines.remote.aleph import Aleph
from simlift.models.hub.offload import check_offload

FRAMES, HEIGHT, WIDTH = 7, 30, 46  # neither 4k+1, nor multiples of 16
FAST = {"steps": 1, "dtype": "float32"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Every tiny baseline, built once."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_baselines.build(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    layers = [Layer.RGB, Layer.DEPTH, Layer.SEGMENTATION]
    folder = tmp_path_factory.mktemp("clips") / "clip"
    return simlift.open_clip(builders.native(folder, layers, FRAMES, HEIGHT, WIDTH))


@pytest.fixture
def torchvision(monkeypatch):
    """What diffusers' Cosmos networks ask of torchvision: the padding mask, at another size.

    torchvision is not needed to test simlift; the mask is zero everywhere.
    """

    def resize(mask, size, interpolation):
        return torch.nn.functional.interpolate(mask, size=size, mode=interpolation)

    transforms = SimpleNamespace(
        functional=SimpleNamespace(resize=resize),
        InterpolationMode=SimpleNamespace(NEAREST="nearest"),
    )
    from diffusers.models.controlnets import controlnet_cosmos
    from diffusers.models.transformers import transformer_cosmos

    for module in (controlnet_cosmos, transformer_cosmos):
        monkeypatch.setattr(module, "transforms", transforms, raising=False)


@pytest.fixture
def calls(monkeypatch):
    """What pipelines are called with, besides being called."""
    seen = []
    run = _engine.run

    def record(pipeline, engine, seed, arguments):
        seen.append(dict(arguments))
        return run(pipeline, engine, seed, arguments)

    monkeypatch.setattr(_engine, "run", record)
    return seen


def copy(tiny, name, tmp_path):
    return shutil.copytree(tiny / name, tmp_path / name)


# Each engine, whole clips in two windows.


def test_lucy_returns_exact_frames(tiny, clip, calls):
    spec = Lucy(base=str(tiny / "lucy"), frames=5, overlap=1, **FAST)
    made = simlift.lift(clip, spec, seed=3)
    assert made.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert [call["num_frames"] for call in calls] == [5, 5]
    assert (calls[0]["height"], calls[0]["width"]) == (32, 64)
    assert np.asarray(calls[0]["video"][0]).shape == (32, 64, 3)
    shown = clip_frames(clip)
    assert np.array_equal(np.asarray(calls[0]["video"][0])[1:31, 9:55], shown[0])


def test_ditto_conditions_each_window_on_the_last(tiny, clip, calls):
    spec = Ditto(
        base=str(tiny / "ditto"), lora=str(tiny / "ditto-lora.safetensors"), frames=5, overlap=1,
        **FAST,
    )  # fmt: skip
    made = simlift.lift(clip, spec, seed=3)
    assert made.shape == (FRAMES, HEIGHT, WIDTH, 3)
    masks = [[mask.getpixel((0, 0)) for mask in call["mask"]] for call in calls]
    assert masks == [[255] * 5, [0, 255, 255, 255, 255]]
    kept = np.asarray(calls[1]["video"][0])[1:31, 1:47]
    assert np.array_equal(kept, made[4]), "the frame that was made, not the render"
    assert np.array_equal(np.asarray(calls[1]["video"][1])[1:31, 1:47], clip_frames(clip)[5])


def test_cosmos_draws_its_control_and_keeps_whole_chunks(tiny, clip, calls, torchvision):
    spec = Cosmos(
        base=str(tiny / "cosmos"), controlnet=str(tiny / "cosmos-edge"), control="depth",
        frames=5, overlap=1, guardrail="own", **FAST,
    )  # fmt: skip
    made = simlift.lift(clip, spec, seed=3)
    assert made.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert [call["num_frames_per_chunk"] for call in calls] == [5, 5]
    assert [call["num_frames"] for call in calls] == [5, 5]
    near, far = (
        np.asarray(calls[0]["controls"][0])[16, -2],
        np.asarray(calls[0]["controls"][0])[16, 1],
    )
    assert near[0] > far[0] > 0


def test_cosmos_makes_one_first_frame_in_the_place_that_it_is_told(tiny, clip, calls, torchvision):
    spec = CosmosAnchors(
        str(tiny / "cosmos"), controlnet=str(tiny / "cosmos-edge"), guardrail="own", **FAST
    )
    assert "no guided generation mask" in spec.check(clip)
    scene = draw_scene(2)
    with clip.open([Layer.RGB]) as reader, spec.open("cpu") as maker:
        sample, window = sample_clip(reader), reader.window(range(4))
        made = maker.make(window, sample=sample, scene=scene, seed=3)
        assert (made == maker.make(window, sample=sample, scene=scene, seed=3)).all()
        maker.make(window, sample=sample, scene=draw_scene(3), seed=3)
    assert made.shape == (HEIGHT, WIDTH, 3)
    assert calls[0]["num_frames"] == calls[0]["num_frames_per_chunk"] == 5
    assert scene.environment in calls[0]["prompt"]
    assert "a table" in calls[0]["prompt"]
    assert calls[2]["prompt"] != calls[0]["prompt"]


def test_ltx_reads_the_render_shrunk_and_goes_on(tiny, clip, calls):
    spec = Ltx(
        base=str(tiny / "ltx"), lora=str(tiny / "ltx-lora.safetensors"), frames=9, overlap=0,
        skip_layer_guidance=0.0, modality_guidance=1.0, guidance=1.0, **FAST,
    )  # fmt: skip
    made = simlift.lift(clip, spec, seed=3)
    assert made.shape == (FRAMES, HEIGHT, WIDTH, 3)
    (call,) = calls
    assert call["reference_downscale_factor"] == 2
    assert (call["height"], call["width"], call["num_frames"]) == (64, 64, 9)
    assert call["frame_rate"] == 24.0
    assert call["conditions"] is None


@pytest.mark.slow
def test_ltx_begins_a_window_with_what_was_made(tiny, tmp_path, calls):
    long = simlift.open_clip(builders.native(tmp_path / "long", [Layer.RGB], 19, 32, 32))
    spec = Ltx(
        base=str(tiny / "ltx"), lora=str(tiny / "ltx-lora.safetensors"), frames=17, overlap=9,
        skipped_layers=(1,), **FAST,
    )  # fmt: skip
    made = simlift.lift(long, spec, seed=3)
    assert made.shape == (19, 32, 32, 3)
    (condition,) = calls[1]["conditions"]
    assert condition.index == 0
    assert len(condition.frames) == 9
    assert np.array_equal(np.asarray(condition.frames[8])[16:48, 16:48], made[16])


def test_the_seed_decides_and_the_adapter_counts(tiny, clip):
    window, sample = first_window(clip, 5)

    def lift(seeds, **settings):
        spec = Ditto(base=str(tiny / "ditto"), frames=5, overlap=0, **FAST, **settings)
        with spec.open("cpu") as engine:
            return [engine.lift(window, sample=sample, previous=None, seed=seed) for seed in seeds]

    one, again, other = lift((1, 1, 2), lora=str(tiny / "ditto-lora.safetensors"))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    (plain,) = lift((1,))
    assert not np.array_equal(one, plain)


# What is refused, before any weight is read.


def test_bases_of_another_kind_are_refused(tiny, clip):
    lora = str(tiny / "ltx-lora.safetensors")
    for spec in (
        Lucy(base=str(tiny / "ditto")),
        Ditto(base=str(tiny / "lucy")),
        Cosmos(base=str(tiny / "ltx"), guardrail="own"),
        Ltx(base=str(tiny / "cosmos"), lora=lora),
    ):
        with pytest.raises(RecipeError, match=r"is a '\w+', which does not do for --engine \w+"):
            spec.check(clip)


def test_half_a_download_is_refused(tiny, clip, tmp_path):
    base = copy(tiny, "lucy", tmp_path)
    weights = next((base / "transformer").glob("*.safetensors"))
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(RecipeError, match="its header promises"):
        Lucy(base=str(base)).check(clip)
    weights.unlink()
    with pytest.raises(RecipeError, match="holds no weights"):
        Lucy(base=str(base)).check(clip)
    (base / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(RecipeError, match="pickles alone"):
        Lucy(base=str(base)).check(clip)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": weights.name}}
    weights.write_bytes(whole)
    (base / "transformer" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(RecipeError, match="1 of 2 shards are missing"):
        Lucy(base=str(base)).check(clip)


def test_adapters_that_do_not_fit_are_refused(tiny, clip, tmp_path):
    base, ltx = str(tiny / "ditto"), str(tiny / "ltx-lora.safetensors")
    with pytest.raises(RecipeError, match=r"does not exist.*hf download"):
        Ditto(base=base, lora=str(tmp_path / "none.safetensors")).check(clip)
    (tmp_path / "lora.pt").write_bytes(b"x")
    with pytest.raises(RecipeError, match="is a pickle, which runs what it holds"):
        Ditto(base=base, lora=str(tmp_path / "lora.pt")).check(clip)
    with pytest.raises(RecipeError, match=r"pickles alone \(lora.pt\)"):
        Ditto(base=base, lora=str(tmp_path)).check(clip)
    with pytest.raises(RecipeError, match="holds 2 adapters"):
        Ditto(base=base, lora=str(tiny)).check(clip)
    whole = next((tiny / "ditto" / "vae").glob("*.safetensors"))
    with pytest.raises(RecipeError, match="whole weights belong into --base"):
        Ditto(base=base, lora=str(whole)).check(clip)
    foreign = Ditto(base=base, lora=ltx, **FAST)
    with pytest.raises(RecipeError, match="8 of 8 tensors have no place"), foreign.open("cpu"):
        pass
    with pytest.raises(RecipeError, match=r"found 4; allowed: 2, with which ltx-lora"):
        Ltx(base=str(tiny / "ltx"), lora=ltx, downscale=4).check(clip)


def test_a_network_that_lacks_weights_is_refused(tiny, clip, tmp_path):
    from safetensors.torch import load_file, save_file

    base = copy(tiny, "ditto", tmp_path)
    weights = next((base / "transformer").glob("*.safetensors"))
    stored = load_file(weights)
    stored.pop("vace_blocks.0.attn1.to_q.weight")
    save_file(stored, weights, metadata={"format": "pt"})
    spec = Ditto(base=str(base), dtype="float32")
    with (
        pytest.raises(RecipeError, match=r"cannot be loaded|lacks 1 of the network's weights"),
        spec.open("cpu"),
    ):
        pass


def test_libraries_that_are_missing_are_named(tiny, clip, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    spec = Cosmos(base=str(tiny / "cosmos"))
    with pytest.raises(MissingLibrary, match="cosmos_guardrail"):
        spec.check(clip)
    with (
        pytest.raises(MissingLibrary, match="torchvision"),
        Cosmos(base=str(tiny / "cosmos"), guardrail="own").open("cpu"),
    ):
        pass


def test_offloading_needs_another_memory(tiny):
    spec = Lucy(base=str(tiny / "lucy"), offload="model")
    with pytest.raises(RecipeError, match="'model' with --device cpu"), spec.open("cpu"):
        pass


def test_an_older_word_of_offloading_is_refused_and_the_new_one_named():
    with pytest.raises(RecipeError, match="'sequential'.*none, model, layer.*offload=layer"):
        check_offload("lucy", "sequential")
    stored = Plugin.of(Lucy(base="x"))
    with pytest.raises(RecipeError, match="one of none, model, layer.*now called 'layer'"):
        Plugin(stored.kind, {**stored.settings, "offload": "sequential"}).load()


def test_numbers_that_are_not_finite_are_refused():
    broken = SimpleNamespace(frames=[np.full((1, 2, 2, 3), np.nan, np.float32)])
    with pytest.raises(RunError, match=r"not finite.*dtype=float32"):
        _engine.run(lambda **_: broken, "lucy", 0, {})


def test_bad_settings():
    for make, words in (
        (lambda: Lucy(base="x", frames=80), r"lucy.frames.*4k\+1: 5, 9, 25, 41"),
        (lambda: Lucy(base="x", overlap=81), "0 to 80"),
        (lambda: Lucy(base="x", steps=0), "lucy.steps"),
        (lambda: Lucy(base="x", guidance=-1.0), "lucy.guidance"),
        (lambda: Lucy(base="x", prompt=" "), "is empty"),
        (lambda: Lucy(base="x", resolution=(8, 64)), "at least 16 pixels"),
        (lambda: Ditto(base="x", overlap=4), r"0, or 4k\+1"),
        (lambda: Ditto(base="x", shift=0.0), "ditto.shift"),
        (lambda: Cosmos(base="x", chunks=0), "cosmos.chunks"),
        (lambda: Cosmos(base="x", near=2.0, far=1.0), "0 < near < far"),
        (lambda: Ltx(base="x", lora="y", frames=81 + 4), r"8k\+1"),
        (lambda: Ltx(base="x", lora="y", overlap=1), "0, or 9, 17"),
        (lambda: Ltx(base="x", lora="y", downscale=0), "1 or more"),
        (lambda: Ltx(base="x", lora="y", reference_strength=2.0), "0 to 1"),
    ):
        with pytest.raises(RecipeError, match=words):
            make()


# Plans, licences, settings as data.


def test_the_plan_names_weights_sizes_windows_and_terms(tiny, clip):
    spec = Ditto(base=str(tiny / "ditto"), frames=5, overlap=1, resolution=(60, 100))
    stages = {stage.name: stage for stage in spec.check(clip)}
    assert stages["weights"].reason.startswith("WanVACEPipeline ")
    assert stages["size"].reason == "46x30 seen as 96x64, interpolated"
    assert stages["windows"].reason == "2 of 5 frames; 1 made frames condition the next"
    assert "cc-by-nc-sa-4.0" in stages["licence"].reason
    assert not stages["adapter"].on


def test_every_baseline_has_its_terms_and_is_data():
    specs = [Lucy("b"), Ditto("b"), Cosmos("b"), Ltx("b", lora="l"), Oscar(), Aleph()]
    assert [entry.name for entry in LICENCES] == [type(s).__name__.lower() for s in specs]
    for spec, entry in zip(specs, LICENCES, strict=True):
        assert type(spec).licence() == entry.licence
        assert Plugin.of(spec).load() == spec
        assert Layer.RGB in spec.needs()
    assert Layer.DEPTH in Cosmos("b", control="depth").needs()
    assert Cosmos("b", chunks=3).window_size().frames == 93 + 2 * 92


# Arithmetic.


def test_sizes_and_lengths_go_there_and_back_exactly():
    rng = np.random.default_rng(0)
    shape = Shape(multiple=32, stride=4, least=5)
    for count, height, width in ((1, 30, 46), (5, 32, 32), (6, 33, 65)):
        frames = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
        how = shape.letterbox(height, width)
        seen = shape.apply(frames, how)
        assert len(seen) % 4 == 1
        assert len(seen) >= 5
        assert seen.shape[1] % 32 == seen.shape[2] % 32 == 0
        assert np.array_equal(shape.undo(seen, how, count), frames)


def test_a_window_is_blended_and_detail_is_left_alone():
    rng = np.random.default_rng(1)
    own = rng.integers(60, 120, (20, 32, 48, 3), dtype=np.uint8)
    assert blend_window(own, None) is own
    same = blend_window(own, own[:4])
    assert np.array_equal(same, own[4:]), "nothing differs, nothing changes"
    brighter = blend_window(own, own[:4] + np.uint8(9))
    change = brighter.astype(int) - own[4:]
    assert (change == change[:, :1, :1, :1]).all(), "the same everywhere: no detail moves"
    assert change[:9, 0, 0, 0].tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_controls_are_those_of_the_controls_room(clip):
    from simlift.controls import Blur, DepthControl, Edges, Segmentation

    window, _ = first_window(clip, 3)
    for name, control in (
        ("edge", Edges()), ("blur", Blur()), ("depth", DepthControl()), ("seg", Segmentation()),
    ):  # fmt: skip
        assert np.array_equal(draw(window, name, 0.5, 100.0), control.draw(window)), name


def clip_frames(clip):
    with clip.open([Layer.RGB]) as reader:
        return reader.window(range(clip.num_frames)).rgb


def first_window(clip, count):
    from simlift.core.clip_sample import sample_clip

    layers = [stored.layer for stored in clip.layers]
    with clip.open(layers) as reader:
        return reader.window(range(count)), sample_clip(reader)
