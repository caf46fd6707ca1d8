"""Adapters whose reference is a control: a first frame says what things look like, on any base."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline
from tiny import clips as builders
from tiny import models as tiny_models

from simlift.controls import Edges
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.pair import PairControl, PairSet
from simlift.core.recipe import Plugin
from simlift.engines.wan.spec import Wan
from simlift.models.wan._incontext import InContextTransformer
from simlift.models.wan._parts import given_frames, load_vae
from simlift.models.wan.adapter import find_adapter
from simlift.models.wan.base_model import find_wan
from simlift.models.wan.incontext import InContext
from simlift.passes.lift_windows import lift
from simlift.passes.pairs.make import pair_clips, pair_recipe
from simlift.passes.train import plan_training, train_adapter, train_recipe
from simlift.scale.progress import Silent
from simlift.sources import open_clip

FRAMES = 9
SETTINGS = (
    "rank=2",
    "warmup=1",
    f"frames={FRAMES}",
    "prefix_frames=5",
    "evaluation_levels=2",
    "evaluate_every=0",
    "save_every=0",
    "switch_every=1",
    "dtype=float32",
)


@pytest.fixture(scope="module", params=["text", "image"])
def base(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    build = tiny_models.wan_image_to_video if request.param == "image" else tiny_models.wan
    return build(folder)


@pytest.fixture(scope="module")
def image_base(tmp_path_factory):
    folder = tiny_models.wan_image_to_video(tmp_path_factory.mktemp("models") / "i2v")
    return find_wan(str(folder))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips") / "clip"
    builders.native(folder, [Layer.RGB, Layer.DEPTH, Layer.TWIN], FRAMES)
    return open_clip(folder)


def make_pairs(clip, out):
    recipe = pair_recipe(twins=True, frames=FRAMES, controls=("edges",))
    open_gate = {name: -1e9 if name.startswith("min_") else 1e9 for name in vars(recipe.gate)}
    recipe = replace(recipe, gate=replace(recipe.gate, **open_gate))
    result = pair_clips([clip], recipe, out, progress=Silent())
    assert result.accepted == 1
    return result.pairs


@pytest.fixture(scope="module")
def pairs(clip, tmp_path_factory):
    return make_pairs(clip, tmp_path_factory.mktemp("pairs") / "set")


def test_a_control_lies_beside_its_pair_and_names_what_drew_it(clip, tmp_path):
    pairs = make_pairs(clip, tmp_path)
    (pair,) = pairs.pairs()
    control = pair.controls["edges"]
    assert control.drawn_by == Plugin.of(Edges())
    assert (pairs.path / control.video).is_file()
    pairs.check(pair)
    (pairs.path / control.video).write_bytes(b"another")
    with pytest.raises(ValueError, match="changed after the pair"):
        pairs.check(pair)


def test_an_adapter_of_a_control_lifts_from_a_first_frame(base, pairs, clip, tmp_path):
    recipe = train_recipe(
        str(base),
        reference="edges",
        steps=2,
        settings=("sample_every=2", "sample_steps=1", *SETTINGS),
    )
    assert recipe.prefix_share + recipe.first_frame_share == 1
    out = train_adapter(pairs, recipe, tmp_path / "adapter", progress=Silent())
    card = find_adapter(str(out), find_wan(str(base))).card
    assert (card.reference, card.control) == ("edges", Plugin.of(Edges()))
    spec = Wan(str(base), str(out), steps=1, dtype="float32", frames=5, overlap=1)
    stages = {stage.name: stage.reason for stage in spec.check(clip)}
    assert stages["reference"] == "the clip's edges"
    assert stages["first frame"] == "by photographic"
    assert {Layer.RGB, Layer.DEPTH} <= spec.uses()
    frames = lift(clip, spec, seed=3)
    assert frames.shape == (FRAMES, clip.height, clip.width, 3)
    first = lift(clip, spec.first_frame_spec(find_adapter(str(out), find_wan(str(base)))), seed=3)
    np.testing.assert_array_equal(frames[0], first[0])  # it is pinned
    assert not np.array_equal(frames[1], first[1])


def test_pairs_without_the_control_are_refused(image_base, pairs):
    recipe = train_recipe(
        str(image_base.folder.path), reference="skeleton", steps=1, settings=SETTINGS
    )
    with pytest.raises(ClipError, match=r"no control 'skeleton'.*render, edges.*--controls"):
        plan_training(pairs, recipe)
    with pytest.raises(RecipeError, match="no control|found 'nothing'"):
        pair_recipe(twins=True, controls=("nothing",))


def test_controls_of_two_styles_are_refused(image_base, pairs, tmp_path):
    (pair,) = pairs.pairs()
    other = Plugin.of(Edges(low=50.0))
    control = pair.controls["edges"]
    second = replace(
        pair, id="other", controls={"edges": PairControl(control.video, other, control.digest)}
    )
    mixed = PairSet(tmp_path)
    for name in ("videos", "references", "controls"):
        (tmp_path / name).symlink_to(pairs.path / name)
    mixed.write([pair, second], [])
    recipe = train_recipe(
        str(image_base.folder.path), reference="edges", steps=1, settings=SETTINGS
    )
    with pytest.raises(ClipError, match="different settings"):
        plan_training(mixed, recipe)


# --- image-to-video models


def test_given_frames_are_those_of_the_published_pipeline(image_base):
    """Oracle: `WanImageToVideoPipeline.prepare_latents` of diffusers."""
    vae = load_vae(image_base.folder)
    frame = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 3), dtype=np.uint8)
    made = given_frames(vae, frame, FRAMES)
    pipeline = WanImageToVideoPipeline.from_pretrained(image_base.folder.path)
    picture = torch.from_numpy(frame).permute(0, 3, 1, 2).float() / 127.5 - 1
    _, expected = pipeline.prepare_latents(
        picture, 1, 16, 32, 48, FRAMES, torch.float32, torch.device("cpu"), torch.manual_seed(0)
    )
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)


def test_masks_mark_whole_frames(image_base):
    vae = load_vae(image_base.folder)
    frames = np.zeros((5, 32, 48, 3), np.uint8)
    mask = given_frames(vae, frames, FRAMES)[0, :4, :, 0, 0]
    assert mask.tolist() == [[1, 1, 0]] * 4
    none = given_frames(vae, frames[:0], FRAMES)[0, :4]
    assert not none.any()


def test_without_reference_given_frames_enter_as_in_the_stock_forward():
    torch.manual_seed(7)
    stock = tiny_models.WanTransformer3DModel(**tiny_models.wan_shape(36, 16)).eval()
    noisy, given = torch.randn(1, 16, 3, 4, 6), torch.randn(1, 20, 3, 4, 6)
    text, step = torch.randn(1, 7, tiny_models.TEXT_DIM), torch.tensor([700.0])
    with torch.no_grad():
        made = InContextTransformer(stock, InContext())(noisy, step, text, given=given)
        expected = stock(torch.cat([noisy, given], 1), step, text, return_dict=False)[0]
    torch.testing.assert_close(made, expected, atol=0, rtol=0)


def test_fused_windows_are_refused_on_image_to_video_models(image_base):
    spec = Wan(str(image_base.folder.path), strength=0.5, fuse=2)
    with pytest.raises(RecipeError, match="given frames"):
        spec.find()


def test_a_render_reference_needs_no_first_frame_on_an_image_to_video_model(image_base, clip):
    spec = Wan(
        str(image_base.folder.path), strength=0.5, steps=1, dtype="float32", frames=5, overlap=1
    )
    assert spec.first_frame_spec(None) is None
    assert lift(clip, spec).shape == (FRAMES, clip.height, clip.width, 3)
    assert Fraction(clip.fps) > 0
