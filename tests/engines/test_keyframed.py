"""The keyframed engine: alignment, cuts, sizes, anchors, composition, and both models, tiny."""

import shutil
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import clips as builders

from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.pair import PairGate
from simlift.core.recipe import Plugin
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors.edited import EditedAnchors
from simlift.engines.anchors.scenes import draw_scene
from simlift.engines.keyframed import Keyframed
from simlift.engines.keyframed.anchors import anchor_positions, edit_anchors
from simlift.engines.keyframed.conditions import draw
from simlift.engines.keyframed.editing_size import editing_size, editor_rule
from simlift.engines.keyframed.engine import KeyframedEngine, fill_prompt
from simlift.engines.keyframed.settings import AnchorGate, Drawing, Editing, Propagation
from simlift.passes.lift_windows import lift
from simlift.passes.pairs.make import PairRecipe, pair_clips
from simlift.pixels.image.alignment import align, shift_between
from simlift.pixels.image.cuts import find_cuts
from simlift.pixels.image.letterbox import letterbox
from simlift.scale.progress import Silent
from simlift.sources import open_clip

MEGAPIXEL = 1024 * 1024
ANY = AnchorGate(min_edge_f1=0.0, max_shift=1e6, max_zoom=1e6)


def picture(seed=0, height=180, width=320, margin=0):
    """Blocks of flat colour on blocks of flat colour: edges in every direction, no noise."""
    rng = np.random.default_rng(seed)
    image = np.full((height + 2 * margin, width + 2 * margin, 3), 90, np.uint8)
    for _ in range(160):
        centre = rng.integers(0, [width + 2 * margin, height + 2 * margin])
        box = (centre.astype(float), rng.uniform(8, 46, 2), float(rng.uniform(0, 180)))
        corners = cv2.boxPoints((tuple(map(float, box[0])), tuple(map(float, box[1])), box[2]))
        cv2.fillPoly(image, [corners.astype(int)], rng.integers(20, 236, 3).tolist())
    return image


def moved(image, dx, dy, zoom=0.0):
    height, width = image.shape[:2]
    matrix = np.array(
        [
            [1 + zoom, 0, dx - zoom * (width / 2 - 0.5)],
            [0, 1 + zoom, dy - zoom * (height / 2 - 0.5)],
        ]
    )
    return cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def repainted(image):
    """Other colours and less contrast, as an editor's light has."""
    return np.clip(250 - 0.7 * image.astype(float)[..., ::-1], 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dx, dy", [(0, 0), (1, 0), (0.5, -0.25), (3.3, -2.7), (12, 5), (-30, 9)])
def test_a_known_shift_is_recovered_under_other_colours(dx, dy):
    found = align(picture(), repainted(moved(picture(), dx, dy)))
    assert found.dx == pytest.approx(dx, abs=0.12)
    assert found.dy == pytest.approx(dy, abs=0.12)
    assert abs(found.zoom) < 1e-3


@pytest.mark.parametrize("zoom", [0.01, 0.02, -0.015])
def test_a_known_zoom_is_recovered_beside_a_shift(zoom):
    found = align(picture(), repainted(moved(picture(), 2.5, 1.0, zoom)))
    assert found.zoom == pytest.approx(zoom, abs=1.5e-3)
    assert (found.dx, found.dy) == pytest.approx((2.5, 1.0), abs=0.25)


def test_an_image_lies_exactly_over_itself_and_not_over_another():
    same = align(picture(), picture())
    assert same.edge_f1 == 1.0
    assert same.shift < 1e-6
    assert align(picture(), picture(1)).edge_f1 < AnchorGate().min_edge_f1


def test_images_without_texture_tell_nothing():
    flat = np.full((40, 60, 3), 128, np.uint8)
    found = align(flat, flat)
    assert (found.tiles, found.shift, found.edge_f1) == (0, 0.0, 1.0)


def test_the_shift_of_a_whole_picture():
    assert shift_between(picture(), moved(picture(), 4, -3)) == pytest.approx((4, -3), abs=0.2)


def pan(seed, count, step):
    big = picture(seed, margin=60)
    return [big[60:-60, k * step : k * step + 320] for k in range(count)]


def test_cuts_are_found_and_motion_is_none():
    first, second, third = pan(0, 8, 6), pan(5, 6, 2), pan(9, 7, 0)
    assert list(find_cuts([*first, *second, *third])) == [8, 14]
    assert list(find_cuts(pan(0, 5, 26))) == []  # an eighth of the frame at every step
    assert list(find_cuts([])) == []
    assert list(find_cuts(first[:1])) == []


def test_a_flash_is_no_cut():
    frames = pan(3, 9, 2)
    frames[4] = np.clip(frames[4].astype(int) * 3 + 60, 0, 255).astype(np.uint8)
    dark = [*frames[:6], *((f // 3) for f in frames[6:])]
    assert list(find_cuts(frames)) == []
    assert list(find_cuts(dark)) == []
    odd = [*frames[:4], picture(77), *frames[5:]]  # one frame of something else
    assert list(find_cuts(odd)) == []


def test_a_cut_to_the_last_frame_is_one():
    assert list(find_cuts([*pan(0, 4, 1), picture(8)])) == [4]


def test_a_cut_from_and_to_a_flat_picture():
    black = np.zeros((180, 320, 3), np.uint8)
    assert list(find_cuts([*pan(0, 3, 1), black, black, black])) == [3]


@pytest.mark.parametrize(
    "height, width, expected",
    [(800, 1280, (800, 1280)), (512, 896, (768, 1344)), (1024, 1024, (1024, 1024))],
)
def test_sizes_that_the_editor_keeps_exactly(height, width, expected):
    size = editing_size(height, width, MEGAPIXEL)
    assert (size.padded_height, size.padded_width) == expected
    assert (size.inner_height, size.inner_width) == expected


@pytest.mark.parametrize("height, width", [(480, 832), (720, 1280), (360, 640), (1280, 720)])
def test_other_sizes_are_padded_and_never_stretched(height, width):
    size = editing_size(height, width, MEGAPIXEL)
    padded = size.padded_height, size.padded_width
    assert editor_rule(MEGAPIXEL, padded[1] / padded[0]) == padded
    assert size.inner_width / size.inner_height == pytest.approx(width / height, rel=1e-3)
    assert min(padded[0] - size.inner_height, padded[1] - size.inner_width) == 0
    assert abs(padded[0] * padded[1] / MEGAPIXEL - 1) < 0.02


def test_which_frames_are_anchors():
    assert anchor_positions("first-last", 81) == (0, 80)
    assert anchor_positions("first", 81) == (0,)
    assert anchor_positions("none", 81) == ()
    assert anchor_positions(5, 81) == (0, 20, 40, 60, 80)
    assert anchor_positions("first-last", 1) == (0,)
    assert anchor_positions(4, 2) == (0, 1)


def test_a_prompt_without_caption_loses_its_comma():
    assert fill_prompt("photorealistic video, {caption}", "a table") == (
        "photorealistic video, a table"
    )
    assert fill_prompt("photorealistic video, {caption}", " ") == "photorealistic video"


class Painter:
    """An editor that inverts, and moves what it paints for its first `misses` seeds."""

    def __init__(self, misses=0):
        self.misses, self.seeds, self.images = misses, [], []

    def edit(self, image, seed):
        if seed not in self.seeds:
            self.misses -= bool(self.seeds)
        self.seeds.append(seed)
        self.images.append(image)
        return moved(repainted(image), 9 if self.misses > 0 else 0, 0)


class Recorder:
    """A propagator that returns its condition and remembers it."""

    def __init__(self):
        self.calls = []

    def propagate(self, video, generate, prompt, seed):
        self.calls.append((video, generate, prompt, seed))
        return video


def window(frames, start=0, caption=""):
    frames = np.stack(frames)
    indices = np.arange(start, start + len(frames))
    return Window(indices, {Layer.RGB: frames}, 99, 24.0, False, caption=caption)


def engine(editor=None, **settings):
    spec = Keyframed("editor", "propagator", **settings)
    recorder = Recorder()
    return KeyframedEngine(spec, editor, recorder), recorder


def lifted(tool, clip, previous=None, seed=3):
    return tool.lift(clip, sample=ClipSample(clip.frame(0)), previous=previous, seed=seed)


def test_the_condition_is_anchor_control_anchor():
    frames, painter = pan(0, 6, 2), Painter()
    tool, recorder = engine(painter)
    made = lifted(tool, window(frames, caption="boxes"))
    ((video, generate, prompt, _),) = recorder.calls
    assert prompt == "photorealistic video, boxes"
    # 6 frames become 9: the last anchor is repeated, and kept.
    assert generate.tolist() == [False, *[True] * 4, *[False] * 4]
    assert video.shape == (9, 192, 320, 3)
    size = letterbox(180, 320, 16)
    control = draw("edges", Drawing(), window(frames), ClipSample(window(frames)), size)
    assert (video[1:5] == control[1:5]).all()
    assert (size.undo(video)[0] == repainted(frames[0])).all()
    assert (video[5:] == video[5]).all()
    assert made.shape == (6, 180, 320, 3)
    assert (made[5] == repainted(frames[5])).all()
    assert painter.seeds[0] == painter.seeds[1]


def test_the_next_window_goes_on_from_the_last_frame_made():
    frames, painter = pan(0, 5, 2), Painter()
    tool, recorder = engine(painter)
    previous = np.full((1, 180, 320, 3), 7, np.uint8)
    made = lifted(tool, window(frames, 4), previous)
    assert made.shape == (4, 180, 320, 3)
    assert len(painter.images) == 1
    assert (painter.images[0] == frames[-1]).all()
    assert (recorder.calls[0][0][0] == 7).all()


def test_shots_have_anchors_of_their_own():
    first, second = pan(0, 5, 1), pan(5, 1, 1)
    painter = Painter()
    tool, recorder = engine(painter)
    made = lifted(tool, window([*first, *second]))
    assert len(recorder.calls) == 1  # a shot of one frame is its anchor
    assert [len(call[0]) for call in recorder.calls] == [5]
    assert (made[5] == repainted(second[0])).all()
    assert len(painter.images) == 3


def test_seeds_are_tried_until_anchors_lie_over_the_render():
    frames = pan(0, 5, 2)
    painter = Painter(misses=2)
    tool, _ = engine(painter)
    made = lifted(tool, window(frames))
    assert len(set(painter.seeds)) == 3
    assert (made[0] == repainted(frames[0])).all()
    tool, recorder = engine(Painter(misses=5), attempts=2)
    with pytest.raises(ClipError, match=r"frames 0 to 4: no edit of 2 .*frame 0: "):
        lifted(tool, window(frames))
    assert not recorder.calls


def test_reasons_name_the_anchor_and_the_limit():
    render = np.stack(pan(0, 3, 2))

    class Shifter:
        def edit(self, image, seed):
            return moved(image, 2.0, 0)

    anchors = edit_anchors(Shifter(), render, (0, 2), 1)
    gate = AnchorGate(min_edge_f1=0.0)
    assert [r.partition(" by ")[0] for r in anchors.reasons(gate)] == [
        "anchor at frame 0: shifted",
        "anchor at frame 2: shifted",
    ]
    assert anchors.reasons(ANY) == ()


def test_without_anchors_everything_is_generated():
    frames = pan(0, 5, 2)
    tool, recorder = engine(anchors="none")
    lifted(tool, window(frames))
    assert recorder.calls[0][1].all()


def test_controls_of_the_render_of_geometry_and_of_depth(tmp_path):
    clip = open_clip(builders.native(tmp_path / "clip", count=3))
    with clip.open([Layer.RGB, Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION]) as reader:
        whole = reader.window(range(3))
    sample, size = ClipSample(whole), letterbox(*whole.size, 16)
    edges = draw("engine-edges", Drawing(), whole, sample, size)
    inverse = draw("engine-edges", Drawing(white_on_black=False), whole, sample, size)
    assert edges.shape == inverse.shape == (3, size.padded_height, size.padded_width, 3)
    assert (edges == 255 - inverse).all()
    assert 0 < (edges > 0).mean() < 0.5
    depth = draw("depth", Drawing(near=1.0, far=10.0), whole, sample, size)
    assert (size.undo(depth)[:, :3] == 0).all()  # the sky is black
    assert size.undo(depth)[0, 20, 0, 0] < size.undo(depth)[0, 20, -1, 0]  # the wall slants
    smaller = draw("engine-edges", Drawing(), whole, sample, letterbox(32, 48, 16, (16, 32)))
    assert smaller.shape == (3, 16, 32, 3)
    assert set(np.unique(smaller)) == {0, 255}


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"frames": 80}, "frames: found 80; allowed: 4k\\+1"),
        ({"attempts": 0}, "attempts"),
        ({"anchors": 0}, "anchors: found 0"),
    ],
)
def test_settings_that_make_no_sense(settings, words):
    with pytest.raises(RecipeError, match=words):
        Keyframed("a", "b", **settings)


def test_guidance_cannot_be_off_by_oversight():
    with pytest.raises(RecipeError, match="above 1; 1 .no guidance. only beside editing.lora"):
        Editing(guidance=1.0)
    with pytest.raises(RecipeError, match="editing.negative"):
        Editing(negative="")
    with pytest.raises(RecipeError, match="box"):
        Propagation(box=(8, 8))
    with pytest.raises(RecipeError, match="near, far"):
        Drawing(near=3.0)


def test_settings_survive_a_recipe():
    spec = Keyframed("e", "p", anchors=3, editing=Editing(lora=Path("x.safetensors"), guidance=1.0))
    assert Plugin.of(spec).load() == spec


# What follows runs the real pipelines on tiny models.


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a folder with the tiny models."""
    from tiny import models as tiny_models

    folder = tmp_path_factory.mktemp("tiny")
    tiny_models.vace(folder / "vace")
    tiny_models.vace(folder / "vace-2.2", experts=2)
    tiny_models.qwen_edit(folder / "qwen-edit")
    return folder


@pytest.fixture
def spec(tiny):
    """The engine on tiny models, in two steps, whatever its anchors look like."""
    return Keyframed(
        str(tiny / "qwen-edit"),
        str(tiny / "vace"),
        frames=5,
        alignment=ANY,
        editing=Editing(steps=2, pixels=64 * 64),
        propagation=Propagation(steps=2),
    )


@pytest.fixture
def clip(tmp_path):
    return open_clip(builders.native(tmp_path / "clip", count=6))


def test_a_clip_is_lifted_and_again_the_same(spec, clip):
    made = lift(clip, spec, seed=1)
    assert made.shape == (6, builders.HEIGHT, builders.WIDTH, 3)
    assert (made == lift(clip, spec, seed=1)).all()


@pytest.mark.parametrize(
    "settings",
    [{"anchors": "none"}, {"anchors": "first", "control": "depth"}, {"anchors": 3}],
    ids=str,
)
def test_the_ablations_run(spec, clip, settings):
    assert lift(clip, replace(spec, frames=9, **settings)).shape[0] == 6


def test_two_experts_take_their_turns(spec, tiny, clip):
    both = replace(
        spec,
        propagator=str(tiny / "vace-2.2"),
        anchors="none",
        propagation=Propagation(steps=3, shift=3.0, guidance_low=1.5),
    )
    calls = []
    with both.open_propagator("cpu") as tool:
        for name in ("transformer", "transformer_2"):
            part = getattr(tool._pipeline, name)
            part.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
        frames = np.zeros((5, 32, 48, 3), np.uint8)
        tool.propagate(frames, np.ones(5, bool), "a table", 1)
    assert set(calls) == {"transformer", "transformer_2"}
    assert calls == sorted(calls)
    assert tool_is_closed(tool)


def tool_is_closed(tool):
    return not hasattr(tool, "_pipeline")


def test_shift_is_the_setting_and_not_the_checkpoints(spec):
    with spec.open_propagator("cpu") as tool:
        assert tool._pipeline.scheduler.config.flow_shift == 16.0
        assert tool._pipeline.scheduler.config.use_flow_sigmas


def test_the_editor_is_guided_and_keeps_sizes(spec):
    image = picture(0, 32, 48)
    with spec.open_editor("cpu") as editor:
        calls = []
        editor._pipeline.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
        made = editor.edit(image, 5)
        assert len(calls) == 2 * spec.editing.steps
        assert made.shape == image.shape
        assert (made == editor.edit(image, 5)).all()
        assert (made != editor.edit(image, 6)).any()


def test_first_frames_are_edited_into_the_place_that_is_told(spec, clip):
    maker = EditedAnchors(spec.editor, replace(spec.editing, instruction="in {environment}"))
    maker = replace(maker, dtype="float32", offload="none")
    assert "in 2 steps" in maker.check(clip)
    image = picture(0, 32, 48)
    window = Window(np.array([0]), {Layer.RGB: image[None]}, 1, 15.0, False)
    with maker.open("cpu") as opened:
        made = [
            opened.make(window, sample=ClipSample(window), scene=draw_scene(seed), seed=5)
            for seed in (1, 1, 3)
        ]
    assert made[0].shape == image.shape
    assert (made[0] == made[1]).all()
    assert draw_scene(1).environment != draw_scene(3).environment
    assert (made[0] != made[2]).any()


def test_the_encoder_is_told_where_images_are(spec):
    import torch

    image = picture(0, 32, 48)
    with spec.open_editor("cpu") as editor:
        pipeline = editor._pipeline
        from PIL import Image

        text = "<|vision_start|><|image_pad|><|vision_end|>go"
        given = pipeline.processor(
            text=[text], images=[Image.fromarray(image)], padding=True, return_tensors="pt"
        )
        tokens = given["input_ids"]
        encoder = pipeline.text_encoder
        is_image = (tokens == encoder.config.image_token_id).int()
        assert int(is_image.sum()) == int(given["image_grid_thw"].prod()) // 4
        with torch.no_grad():
            told = encoder(**given, output_hidden_states=True).hidden_states[-1]
            encoder._forward_pre_hooks.clear()
            right = encoder(
                **given, mm_token_type_ids=is_image, output_hidden_states=True
            ).hidden_states[-1]
            untold = encoder(**given, output_hidden_states=True).hidden_states[-1]
    assert torch.equal(told, right)
    assert not torch.allclose(told, untold)


def test_a_distilled_lora_changes_the_edit_and_a_foreign_one_is_refused(spec, tmp_path):
    import torch
    from diffusers import QwenImageEditPlusPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    with spec.open_editor("cpu") as editor:
        plain = editor.edit(picture(0, 32, 48), 5)
        network = editor._pipeline.transformer
        network.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False))
        layers = get_peft_model_state_dict(network)
    QwenImageEditPlusPipeline.save_lora_weights(tmp_path, transformer_lora_layers=layers)
    file = tmp_path / "pytorch_lora_weights.safetensors"
    few = replace(spec, editing=replace(spec.editing, lora=file, guidance=1.0))
    with few.open_editor("cpu") as editor:
        calls = []
        editor._pipeline.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
        assert (editor.edit(picture(0, 32, 48), 5) != plain).any()
        assert len(calls) == spec.editing.steps
        assert editor._pipeline.scheduler.config.max_shift == pytest.approx(np.log(3))
    foreign = tmp_path / "foreign.safetensors"
    save_file({"transformer.nothing.lora_A.weight": torch.ones(2, 2)}, foreign)
    wrong = replace(spec, editing=replace(spec.editing, lora=foreign))
    with pytest.raises(RecipeError, match="foreign"), wrong.open_editor("cpu"):
        pass


def test_models_of_another_kind_are_refused_before_weights_are_read(spec, tiny, clip, tmp_path):
    with pytest.raises(RecipeError, match="'WanVACEPipeline', which does not do for editing"):
        replace(spec, editor=str(tiny / "vace")).check(clip)
    with pytest.raises(RecipeError, match="does not do for propagation"):
        replace(spec, propagator=str(tiny / "qwen-edit")).check(clip)
    missing = replace(spec, editing=Editing(lora=tmp_path / "no.safetensors"))
    with pytest.raises(RecipeError, match="does not exist"):
        missing.check(clip)
    plain = open_clip(builders.native(tmp_path / "plain", [Layer.RGB], 5))
    with pytest.raises(ClipError, match="no geometry whose edges"):
        replace(spec, control="engine-edges").check(plain)
    with pytest.raises(ClipError, match="no layer depth"):
        replace(spec, control="depth").check(plain)


def test_weights_that_are_missing_are_not_made_up(spec, tiny, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny / "vace", tmp_path / "vace")
    file = next((tmp_path / "vace" / "transformer").glob("*.safetensors"))
    weights = load_file(file)
    weights.pop("proj_out.weight")
    save_file(weights, file, metadata={"format": "pt"})
    broken = replace(spec, propagator=str(tmp_path / "vace"))
    words = "lacks 1 of the network's weights, such as proj_out"
    with pytest.raises(RecipeError, match=words), broken.open_propagator("cpu"):
        pass


def test_the_first_of_the_editors_runs_too(spec, tiny, tmp_path):
    folder = tmp_path / "first"
    shutil.copytree(tiny / "qwen-edit", folder)
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("QwenImageEditPlus", "QwenImageEdit"))
    image = picture(0, 32, 48)
    with replace(spec, editor=str(folder)).open_editor("cpu") as editor:
        assert editor.edit(image, 5).shape == image.shape


def test_pairs_are_made_by_the_models_and_kept(spec, clip, tmp_path):
    limits = {f.name: -1e9 if f.name.startswith("min") else 1e9 for f in fields(PairGate)}
    recipe = PairRecipe(spec, frames=5, min_frames=5, gate=PairGate(**limits), seed=4)
    out = tmp_path / "pairs"
    result = pair_clips([clip], recipe, out, progress=Silent())
    (made,) = result.pairs.pairs()
    assert (made.origin, made.num_frames, made.models) == ("keyframed", 5, spec.digests())
    assert set(made.seeds) == {"anchors", "propagation"}
    previous = (out / made.video).read_bytes()
    assert pair_clips([clip], recipe, out, progress=Silent()).kept == 1
    (out / made.video).unlink()
    assert pair_clips([clip], recipe, out, progress=Silent()).kept == 0
    assert (out / made.video).read_bytes() == previous


def test_what_will_run_is_said(spec, clip):
    stages = {stage.name: stage.reason for stage in spec.check(clip)}
    assert stages["control"] == "edges"
    assert stages["propagation"] == "2 steps at 48x32, windows of 5 frames"
    digests = spec.digests()
    assert set(digests) == {"editor", "propagator"}
    assert set(replace(spec, anchors="none").digests()) == {"propagator"}
