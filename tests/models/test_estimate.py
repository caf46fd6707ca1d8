"""Estimated layers: models are tiny and random, and go through the same files as real ones."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import InputError, RecipeError, RunError, SimliftError
from simlift.core.layers import Layer, Unit
from simlift.engines.photographic.looks.look import Look, Sensor
from simlift.models.vision import DepthEstimator, Segmenter
from simlift.models.vision.depth_scale import (
    inverse_depth_range,
    metric_scale,
    near_far_scale,
    relative,
)
from simlift.models.vision.estimate_chunks import FRAMES, EstimateChunks, decode, encode
from simlift.models.vision.preprocessing import ImagePreprocessing, read_preprocessing
from simlift.models.vision.provenance import Estimate, advice
from simlift.models.vision.segmentation import labels, largest
from simlift.models.vision.temporal_alignment import align_over_time, fit_scale
from simlift.passes.estimate import estimate_clip
from simlift.scale.progress import Silent

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
torch.set_num_threads(1)  # threads cost tiny networks more than they give

HEIGHT, WIDTH, COUNT = 48, 80, 11
CLASSES = {0: "wall", 1: "sky-other-merged", 2: "skyscraper"}
SEEN = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
DPT_SEEN = {
    "size": {"height": 70, "width": 70},
    "keep_aspect_ratio": True,
    "ensure_multiple_of": 14,
    "resample": 3,
    "do_pad": False,
    **SEEN,
}


def save(network, folder, seen):
    """Save a network with textured outputs: its weights are larger than those training begins."""
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.xavier_normal_(weight)
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(seen))
    return folder


def depth_anything(folder, **settings):
    backbone = transformers.Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=70,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        **settings,
    )
    network = transformers.DepthAnythingForDepthEstimation(config)
    network.head.conv3.bias.data.fill_(3.0)
    return save(network, folder, DPT_SEEN)


def glpn(folder):
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        sr_ratios=[2, 2, 1, 1],
        decoder_hidden_size=8,
    )
    seen = {"do_resize": True, "do_rescale": True, "size_divisor": 32}
    return save(transformers.GLPNForDepthEstimation(config), folder, seen)


def midas(folder):
    config = transformers.DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    seen = {"size": 64, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    return save(transformers.DPTForDepthEstimation(config), folder, seen)


def segformer(folder, kind="SegformerForSemanticSegmentation", classes=CLASSES):
    torch.manual_seed(3)
    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 8, 8],
        num_attention_heads=[1, 1, 1, 1],
        sr_ratios=[2, 2, 1, 1],
        decoder_hidden_size=16,
        id2label=classes,
    )
    seen = {"size": {"height": 64, "width": 64}, **SEEN}
    return save(getattr(transformers, kind)(config), folder, seen)


def mask2former(folder):
    backbone = transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=5,
        id2label=CLASSES,
    )
    seen = {"size": {"shortest_edge": 64, "longest_edge": 96}, "size_divisor": 32, **SEEN}
    return save(transformers.Mask2FormerForUniversalSegmentation(config), folder, seen)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    depth_anything(root / "relative")
    depth_anything(root / "metric", depth_estimation_type="metric", max_depth=20)
    segformer(root / "segmenter")
    return root


def textured(count, height=HEIGHT, width=WIDTH):
    """Smooth random texture that moves one pixel to the left in every frame."""
    noise = np.random.default_rng(0).normal(size=(height, width + count, 3))
    kernel = np.exp(-(np.arange(-6, 7) ** 2) / 8)
    for axis in (0, 1):
        noise = np.apply_along_axis(np.convolve, axis, noise, kernel, mode="same")
    codes = np.clip(128 + 55 * noise / noise.std(), 0, 255).astype(np.uint8)
    return np.stack([codes[:, i : i + width] for i in range(count)])


@pytest.fixture
def film(tmp_path):
    """A video with sound and uneven frame times."""
    ticks = (Fraction(1, 1000), np.cumsum([0, 33, 33, 60, 33, 33, 33, 90, 33, 33, 33]).tolist())
    return builders.video(tmp_path / "game.mp4", textured(COUNT), ticks=ticks, audio="aac")


def estimate(clip, out, **settings):
    words = {k: str(v) if k in ("depth", "segmentation") else v for k, v in settings.items()}
    return estimate_clip(simlift.open_clip(clip), out, Estimate(**words), Silent())


# --- the arithmetic


def test_a_fit_finds_scale_and_offset_beside_a_moving_body():
    rng = np.random.default_rng(1)
    now = rng.uniform(0, 5, 4000).astype(np.float32)
    before = 1.7 * now - 0.4
    before[:700] += rng.uniform(1, 4, 700)
    scale, shift = fit_scale(now, before.astype(np.float32), offset=True)
    assert np.isclose(scale, 1.7, rtol=1e-4)
    assert np.isclose(shift, -0.4, atol=1e-3)
    scale, shift = fit_scale(now, 1.7 * now, offset=False)
    assert np.isclose(scale, 1.7, rtol=1e-5) and shift == 0


def test_a_chain_of_noisy_fits_does_not_shrink():
    """Least squares would keep 1 / (1 + 0.09) of the scale in every step: nothing after 60."""
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 1, 20000).astype(np.float32)
    product = 1.0
    for _ in range(60):
        one, other = (truth + 0.3 * rng.normal(size=truth.shape) for _ in range(2))
        scale, _ = fit_scale(one.astype(np.float32), other.astype(np.float32), offset=True)
        product *= scale
    assert 0.9 < product < 1.1


def test_what_shows_something_else_is_not_fitted():
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(2, 5000)).astype(np.float32)
    assert fit_scale(one, other, offset=True) is None
    assert fit_scale(one[:9], one[:9], offset=True) is None


def test_steady_undoes_what_a_model_chooses_anew_in_every_frame():
    rgb = textured(6)
    plane = np.linspace(1, 3, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, 0)
    plane += np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None]
    before, changes = plane, []
    for i in range(1, 6):
        disturbed = plane * np.float32(1 + 0.2 * (-1) ** i) + np.float32(0.3 * (-1) ** i)
        after = align_over_time(disturbed, before, rgb[i], rgb[i - 1], offset=True)
        changes.append(np.abs(after - before).mean())
        before = after
    assert max(changes) < 0.05  # 0.3 and more without
    assert np.abs(before - plane).max() < 0.2


def test_a_cut_begins_anew():
    rgb = np.random.default_rng(4).integers(0, 255, (2, 64, 96, 3), dtype=np.uint8)
    depth = np.random.default_rng(5).random((2, 64, 96), dtype=np.float32)
    after = align_over_time(depth[1], depth[0], rgb[1], rgb[0], offset=True)
    np.testing.assert_array_equal(after, depth[1])


def test_maps_from_inverse_depth_meet_near_and_far():
    inverse = np.array([[0.5, 2.0, 4.0]], dtype=np.float32)
    metres = near_far_scale(0.5, 4.0, near=1.0, far=50.0)
    assert np.allclose(metres(inverse)[0, (0, 2)], [50, 1])
    assert np.isclose(1 / metres(inverse)[0, 1], 1 / 50 + (1 - 1 / 50) * 1.5 / 3.5)
    assert metres(np.zeros((1, 1), np.float32))[0, 0] == np.float32(50)
    assert np.isinf(metres.sky)
    assert np.allclose(metric_scale(0.05)(inverse), 1 / inverse)
    picture = relative(0.5, 4.0)
    assert np.allclose(picture(inverse)[0, (0, 2)], [1, 0], atol=1e-4)
    assert picture.sky < 1


@pytest.mark.parametrize("far", [0.7, 3.0, 50.0, 333.3, 9999.0])
def test_the_farthest_depth_fits_sixteen_bits(far):
    scale = near_far_scale(0.0, 1.0, far / 10, far)
    deepest = scale(np.zeros((1, 1), np.float32))[0, 0]
    assert np.rint(deepest / scale.unit) == 65534


def test_bounds_leave_out_the_tails():
    values = np.concatenate([np.linspace(1, 2, 10000), [900.0, -5.0]]).astype(np.float32)
    low, high = inverse_depth_range([values])
    assert 1 < low < 1.01 and 1.99 < high < 2
    assert inverse_depth_range([]) == (0.0, 1.0)
    low, high = inverse_depth_range([np.full(9, 2, np.float32)])
    assert low < high


def test_parts_keep_half_a_code():
    depth = np.random.default_rng(6).uniform(-2, 9, (3, 8, 9)).astype(np.float32)
    depth[1] = 4
    assert np.abs(decode(**encode(depth)) - depth).max() <= 11 / 65535
    np.testing.assert_array_equal(decode(**encode(depth))[1], depth[1])


def test_a_damaged_part_is_named(tmp_path):
    parts = EstimateChunks(tmp_path / "depth-1", 20)
    assert parts.missing() == (0, FRAMES, 2 * FRAMES)
    parts.write(0, encode(np.ones((1, 2, 2), np.float32)))
    assert parts.missing() == (FRAMES, 2 * FRAMES)
    (tmp_path / "depth-1" / "000000.npz").write_bytes(b"PK nothing")
    with pytest.raises(RunError, match=r"000000\.npz.*remove this file"):
        parts.read(0)


@pytest.mark.parametrize(
    ("preprocessing", "size"),
    [
        (ImagePreprocessing(height=518, width=518, keep_aspect=True, multiple=14), (518, 896)),
        (ImagePreprocessing(height=512, width=512), (512, 512)),
        (ImagePreprocessing(shortest=512, longest=2048, multiple=32), (512, 896)),
        (ImagePreprocessing(shortest=800, longest=1333, multiple=32), (768, 1344)),
        (ImagePreprocessing(multiple=32), (480, 832)),
    ],
)
def test_sizes_follow_the_model(preprocessing, size):
    assert preprocessing.size(480, 832) == size


def test_a_flat_frame_becomes_its_normalised_value():
    preprocessing = ImagePreprocessing(
        height=28, width=28, mean=(0.5, 0.4, 0.3), std=(0.25, 0.5, 1)
    )
    seen = preprocessing(np.full((40, 60, 3), 51, np.uint8))
    assert seen.shape == (3, 28, 28)
    assert np.allclose(seen[:, 5, 5], [-1.2, -0.4, -0.1])


def test_sizes_agree_with_transformers(models):
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    folder = models / "relative"
    theirs = DPTImageProcessorPil.from_pretrained(folder)
    frame = textured(1, 66, 118)[0]
    expected = theirs(images=frame, return_tensors="np")["pixel_values"][0]
    seen = read_preprocessing(folder)(frame)
    assert seen.shape == expected.shape
    assert np.abs(seen - expected).mean() < 0.05  # other filters, the same scale


def test_the_largest_score_wins_at_every_pixel():
    scores = np.random.default_rng(7).normal(size=(5, 6, 7)).astype(np.float32)
    np.testing.assert_array_equal(largest(scores, 6, 7), scores.argmax(0))
    halves = np.zeros((2, 2, 2), np.float32)
    halves[1, :, 1] = 1
    halves[0, :, 0] = 1
    np.testing.assert_array_equal(largest(halves, 4, 8) == 1, np.arange(8)[None].repeat(4, 0) > 3)


# --- the models


def test_metric_depth_is_what_the_network_says(models):
    rgb = textured(2)
    with DepthEstimator(str(models / "metric")).open() as tool:
        inverse = tool.inverse_depth(rgb)
        assert tool.metric
        pixels = torch.from_numpy(tool.preprocessing(rgb[0]))[None]
        with torch.inference_mode():
            direct = tool.network(pixel_values=pixels).predicted_depth[0].numpy()
    assert inverse.shape == (2, HEIGHT, WIDTH)
    assert np.allclose(np.median(1 / inverse[0]), np.median(direct), rtol=0.02)
    assert 0 < (1 / inverse).max() <= 21


def test_a_frame_does_not_depend_on_the_frames_beside_it(models):
    rgb = textured(3)
    with DepthEstimator(str(models / "relative")).open() as tool:
        together, alone = tool.inverse_depth(rgb), tool.inverse_depth(rgb[1:2])
    np.testing.assert_array_equal(together[1], alone[0])
    assert together.std() > 1e-3


@pytest.mark.parametrize(("build", "metric"), [(glpn, True), (midas, False)])
def test_other_families_of_depth_run(tmp_path, build, metric):
    with DepthEstimator(str(build(tmp_path / "model"))).open() as tool:
        assert tool.metric is metric
        inverse = tool.inverse_depth(textured(1))
    assert np.isfinite(inverse).all() and (inverse >= 0).all()


def test_depth_pro_counts_with_its_field_of_view():
    from simlift.models.vision.depth import _with_field_of_view

    inverse = np.full((2, 3), 0.25, np.float32)
    assert np.allclose(_with_field_of_view(inverse, torch.tensor([90.0])), 0.5)
    np.testing.assert_array_equal(_with_field_of_view(inverse, None), inverse)


@pytest.mark.parametrize("build", [segformer, mask2former])
def test_segments_are_classes_of_the_model(tmp_path, build):
    spec = Segmenter(str(build(tmp_path / "model")))
    named = labels(spec.find())
    assert [named[i].category for i in (1, 2, 3)] == ["wall", "sky", "skyscraper"]
    assert named[2].name == "sky-other-merged"
    with spec.open() as tool:
        ids = tool.segment(textured(2))
    assert ids.shape == (2, HEIGHT, WIDTH)
    assert set(np.unique(ids)) <= set(named)


# --- the clip


def test_a_video_gains_layers_and_loses_nothing(models, film, tmp_path):
    out = tmp_path / "clip"
    made = estimate(film, out, depth=models / "metric", segmentation=models / "segmenter", fov=70)
    clip = simlift.open_clip(out)
    assert (out / "rgb.mp4").read_bytes() == film.read_bytes()  # frames, their times, and sound
    assert clip.metric_depth and clip.num_frames == COUNT
    assert clip.fps == simlift.open_clip(film).fps
    focal = clip.camera.intrinsics[0, 0, 0]
    assert np.isclose(2 * np.arctan(WIDTH / 2 / focal), np.radians(70))
    layers = builders.read_all(clip)
    np.testing.assert_array_equal(
        layers[Layer.RGB], builders.read(simlift.open_clip(film), Layer.RGB, range(COUNT))
    )
    sky = layers[Layer.SEGMENTATION] == 2
    assert 0 < sky.mean() < 1
    np.testing.assert_array_equal(np.isinf(layers[Layer.DEPTH]), sky)
    assert "estimated by" in str(made.layers["depth"])
    assert made.layers["depth"].digest in clip.stored(Layer.DEPTH).note
    source = simlift.open_clip(film)
    assert clip.timestamps == source.timestamps and clip.timestamps is not None
    assert clip.audio == out / "rgb.mp4"
    assert advice(made) == ()


def test_an_estimated_clip_is_lit(models, film, tmp_path):
    estimate(film, tmp_path / "clip", depth=models / "relative", near=1.0, far=30.0)
    clip = simlift.open_clip(tmp_path / "clip")
    depth = builders.read(clip, Layer.DEPTH, range(COUNT))
    assert depth.max() <= 30.001 and np.percentile(depth, 2) < 5
    engine = simlift.Photographic(Look(sensor=Sensor(bayer=False)))
    stages = {stage.name: stage.on for stage in engine.check(clip)}
    assert stages["light"] and stages["occlusion and shadows"]
    assert simlift.lift(clip, engine).shape == (COUNT, HEIGHT, WIDTH, 3)


def test_relative_depth_stays_relative_and_says_so(models, film, tmp_path):
    made = estimate(film, tmp_path / "clip", depth=models / "relative")
    clip = simlift.open_clip(tmp_path / "clip")
    assert clip.stored(Layer.DEPTH).unit is Unit.RELATIVE
    depth = builders.read(clip, Layer.DEPTH, range(COUNT))
    assert depth.min() >= 0 and depth.max() <= 1 and depth.max() - depth.min() > 0.9
    assert "light" in advice(made)[0] and "--near" in advice(made)[0]
    stages = {stage.name: stage.on for stage in simlift.Photographic().check(clip)}
    assert not stages["light"]


def test_plain_images_gain_layers_too(models, tmp_path):
    folder = builders.sequence(tmp_path / "images", textured(3))
    estimate(folder, tmp_path / "clip", segmentation=models / "segmenter")
    clip = simlift.open_clip(tmp_path / "clip")
    np.testing.assert_array_equal(builders.read(clip, Layer.RGB, range(3)), textured(3))
    single = folder / "000000.png"
    estimate(single, tmp_path / "one", depth=models / "metric")
    assert simlift.open_clip(tmp_path / "one").num_frames == 1


def content(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_killed_estimate_resumes_to_the_same_bytes(models, film, tmp_path):
    settings = {"depth": models / "relative", "segmentation": models / "segmenter"}
    estimate(film, tmp_path / "clip", **settings)
    whole = content(tmp_path / "clip")
    (tmp_path / "clip" / "clip.json").unlink()
    for part in tmp_path.glob(f"clip/parts/*/{FRAMES:06d}.npz"):
        part.unlink()
    (tmp_path / "clip" / "parts" / ".000008.1.partial.npz").write_bytes(b"half")
    kept = next(tmp_path.glob("clip/parts/depth-*/000000.npz")).stat().st_mtime_ns
    estimate(film, tmp_path / "clip", **settings)
    assert content(tmp_path / "clip") == whole
    assert next(tmp_path.glob("clip/parts/depth-*/000000.npz")).stat().st_mtime_ns == kept


def test_other_metres_need_no_model_again(models, film, tmp_path):
    out, model = tmp_path / "clip", tmp_path / "model"
    shutil.copytree(models / "relative", model)
    estimate(film, out, depth=model, near=1.0, far=30.0, fov=50)
    first = (out / "clip.json").stat().st_mtime_ns
    estimate(film, out, depth=model, near=1.0, far=30.0, fov=50)
    assert (out / "clip.json").stat().st_mtime_ns == first  # it was done
    parts = {p: p.stat().st_mtime_ns for p in out.glob("parts/*/*.npz")}
    estimate(film, out, depth=model, near=2.0, far=60.0)
    assert {p: p.stat().st_mtime_ns for p in out.glob("parts/*/*.npz")} == parts
    clip = simlift.open_clip(out)
    assert clip.camera is None
    assert builders.read(clip, Layer.DEPTH, range(COUNT)).max() > 31
    depth_anything(model)  # other weights under the same name
    estimate(film, out, depth=model, near=2.0, far=60.0)
    assert not any(p.exists() for p in parts)


# --- what cannot be used


def refused(name, *words, spec=DepthEstimator):
    with pytest.raises(SimliftError) as caught:
        spec(str(name)).find()
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "allowed:" in text or "way out:" in text


def test_folders_that_are_no_models_are_refused(models, tmp_path):
    refused(tmp_path / "none", "none", "does not exist", "config.json")
    refused(tmp_path, "holds no config.json")
    refused(models / "segmenter", "model_type is 'segformer'", "depth_anything")
    refused(models / "relative", "gives no segmentation", spec=Segmenter)
    segformer(tmp_path / "image", "SegformerForImageClassification")
    refused(tmp_path / "image", "SegformerForImageClassification", spec=Segmenter)
    text = tmp_path / "text"
    text.mkdir()
    (text / "config.json").write_text('{"model_type": "gpt2"}')
    refused(text, "'gpt2'", "gives no depth", "depth_anything")
    (text / "config.json").write_text("{")
    refused(text, "is not JSON")


def test_pickles_are_refused(models, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(models / "relative", folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "pytorch_model.bin", "pickles", "safetensors")
    (folder / "pytorch_model.bin").unlink()
    refused(folder, "no weights")


def test_a_dpt_of_unknown_numbers_is_refused(tmp_path):
    config = {"model_type": "dpt", "backbone_config": {"model_type": "dinov2"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    refused(tmp_path, "DINOv2")


@pytest.mark.parametrize(
    "broken",
    [
        {"resample": 9},
        {"image_mean": [1]},
        {"size": {"height": "tall"}},
        {"size": "big"},
        {"image_std": [1, 1, 0]},
    ],
)
def test_preparations_that_cannot_be_used_are_named(tmp_path, broken):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(broken))
    with pytest.raises(RecipeError, match=r"preprocessor_config\.json"):
        read_preprocessing(tmp_path)


def test_weights_that_do_not_fit_are_refused(models, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(models / "relative", folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with (
        pytest.raises(RecipeError, match=r"cannot be loaded.*whole"),
        DepthEstimator(str(folder)).open(),
    ):
        pass
    backbone = transformers.Dinov2Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    transformers.Dinov2Model(backbone).save_pretrained(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", weights)
    with (
        pytest.raises(RecipeError, match=r"lacks \d+ of the network's weights"),
        DepthEstimator(str(folder)).open(),
    ):
        pass


def test_a_device_that_is_not_there_is_named(models):
    with (
        pytest.raises(RecipeError, match=r"--device.*'abacus'"),
        DepthEstimator(str(models / "relative")).open("abacus"),
    ):
        pass


def test_without_a_network_the_way_out_is_told(film, tmp_path):
    words = "estimate", str(film), "--out", str(tmp_path / "out"), "--depth", "nobody/none-here"
    done = subprocess.run(
        [sys.executable, "-m", "simlift", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: nobody/none-here: ")
    assert "--local-dir" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "no model was named"),
        ({"depth": "m", "near": 1.0}, "both"),
        ({"depth": "m", "near": 3.0, "far": 1.0}, "near < far"),
        ({"depth": "m", "near": 0.0, "far": 1.0}, "near < far"),
        ({"segmentation": "m", "near": 1.0, "far": 3.0}, "with --depth"),
        ({"depth": "m", "fov": 200.0}, "degrees"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, word):
    with pytest.raises(RecipeError, match=word):
        Estimate(**settings)


def test_clips_and_folders_that_do_not_do_are_refused(models, film, tmp_path):
    native = builders.native(tmp_path / "native", [Layer.RGB, Layer.DEPTH], 2)
    with pytest.raises(InputError, match=r"depth beside its colour.*lift it as it is"):
        estimate(native, tmp_path / "out", depth=models / "metric")
    with pytest.raises(InputError, match="which gives metres itself"):
        estimate(film, tmp_path / "out", depth=models / "metric", near=1.0, far=2.0)
    with pytest.raises(RunError, match="holds no estimate"):
        estimate(film, native, depth=models / "metric")
    assert not (tmp_path / "out").exists()


def test_advice_for_each_lack(models, film, tmp_path):
    made = estimate(film, tmp_path / "clip", segmentation=models / "segmenter")
    assert "no depth" in advice(made)[0]
    both = replace(made, layers={"depth": replace(made.layers["segmentation"], unit="metres")})
    assert "--segmentation" in advice(both)[0]
