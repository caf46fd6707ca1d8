"""The default engine: the same pixels whatever the windows and processes; every mix of layers; no
flicker by construction. Looks as values. What a take looks like is not asserted here.
"""

import json
from dataclasses import fields, is_dataclass, replace
from itertools import combinations, pairwise

import cv2
import numpy as np
import pytest
from tiny import clips as builders
from tiny.clips import FRAMES, HEIGHT, WIDTH

import simlift
from simlift.core.clip import Clip
from simlift.core.clip_sample import sample_clip, shrink
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, TakeKey
from simlift.core.strict_json import decode, dumps
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.look import (
    BUILT_IN,
    Albedo,
    Backdrop,
    Exposure,
    Grade,
    Light,
    Sensor,
)
from simlift.engines.photographic.looks.named import NAMED, look_named, named_variants, sample_look
from simlift.engines.photographic.spec import Photographic as Spec
from simlift.media.images import write_image
from simlift.passes.lift import lift_clips
from simlift.scale.progress import Silent

QUIET = Look(sensor=Sensor(bayer=False))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return simlift.open_clip(builders.native_images(tmp_path_factory.mktemp("clips") / "clip"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for i in range(3):
        photo = cv2.GaussianBlur(draw.integers(0, 255, (40, 60, 3), dtype=np.uint8), (9, 9), 3)
        write_image(folder / f"photo{i}.png", photo)
    return folder


def with_layers(clip: Clip, *layers: Layer, **changes: object) -> Clip:
    chosen = tuple(s for s in clip.layers if s.layer in (Layer.RGB, *layers))
    return replace(clip, layers=chosen, **changes)


def lifted(clip, spec, lengths, seed=7):
    """Lift a clip through windows of the given lengths."""
    with clip.open(spec.needs() | spec.uses()) as reader, spec.open("cpu") as engine:
        sample = sample_clip(reader)
        edges = np.cumsum([0, *lengths])
        assert edges[-1] == clip.num_frames
        return np.concatenate(
            [
                engine.lift(reader.window(range(a, b)), sample=sample, previous=None, seed=seed)
                for a, b in pairwise(edges)
            ]
        )


def test_windows_do_not_change_the_pixels(clip):
    spec = Photographic()
    whole = lifted(clip, spec, [FRAMES])
    assert whole.shape == (FRAMES, HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(lifted(clip, spec, [1] * FRAMES), whole)
    np.testing.assert_array_equal(lifted(clip, spec, [3, 3, 3]), whole)
    np.testing.assert_array_equal(lifted(clip, spec, [4, 5]), whole)
    np.testing.assert_array_equal(simlift.lift(clip, spec, seed=7), whole)


def test_another_seed_is_other_noise_and_nothing_else(clip):
    one, other = (simlift.lift(clip, Photographic(), seed=s).astype(float) for s in (1, 2))
    assert np.abs(one - other).max() > 0
    assert np.abs(one.mean((1, 2)) - other.mean((1, 2))).max() < 1.0
    quiet = [simlift.lift(clip, Photographic(QUIET), seed=s) for s in (1, 2)]
    np.testing.assert_array_equal(*quiet)


def test_noise_is_fresh_in_every_frame(clip):
    still = frozen(clip)
    frames = simlift.lift(still, Photographic(), seed=3).astype(float)
    steps = np.diff(frames, axis=0)
    assert (np.abs(steps).max((1, 2, 3)) > 0).all()
    together = np.corrcoef(steps[0].ravel(), steps[2].ravel())[0, 1]
    assert abs(together) < 0.3


def frozen(clip):
    """The clip's first frame, for as long as the clip."""
    layers = []
    for stored in clip.layers:
        paths = (stored.store.paths[0],) * clip.num_frames
        layers.append(replace(stored, store=replace(stored.store, paths=paths)))
    camera = clip.camera and replace(
        clip.camera,
        world_to_camera=np.repeat(clip.camera.world_to_camera[:1], clip.num_frames, 0),
    )
    return replace(clip, layers=tuple(layers), camera=camera)


@pytest.mark.parametrize("name", ["natural", "golden-hour", "lamps"])
def test_a_still_clip_gives_a_still_take(clip, name):
    look = replace(NAMED[name], sensor=Sensor(bayer=False))
    frames = simlift.lift(frozen(clip), Photographic(look), seed=1)
    for frame in frames[1:]:
        np.testing.assert_array_equal(frame, frames[0])


def test_exposure_is_smooth(tmp_path):
    """A render that jumps from dark to bright is followed slowly, in both directions alike."""
    levels = np.where(np.arange(96) < 48, 40, 180).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (96, 8, 8, 3)).copy()
    clip = simlift.open_clip(builders.sequence(tmp_path / "clip", frames))
    look = replace(QUIET, exposure=Exposure(adaptation=1.0))
    found = simlift.lift(clip, Photographic(look), seed=0).astype(float).mean((1, 2, 3))
    steps = np.diff(found)
    steps[47] = 0  # the render's own jump
    assert np.abs(steps).max() <= 2.0


LAYERS = (Layer.ALBEDO, Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)
MIXES = [mix for size in range(5) for mix in combinations(LAYERS, size)]


@pytest.mark.parametrize(
    "mix", MIXES, ids=lambda mix: "+".join(layer.value for layer in mix) or "rgb"
)
@pytest.mark.parametrize("camera", [True, False], ids=["camera", "no-camera"])
def test_every_mix_of_layers_runs(clip, mix, camera):
    some = with_layers(clip, *mix, **({} if camera else {"camera": None}))
    spec = Photographic()
    stages = {stage.name: stage for stage in spec.check(some)}
    frames = lifted(replace_length(some, 2), spec, [2])
    assert frames.shape == (2, HEIGHT, WIDTH, 3)
    assert frames.std() > 1
    lit = Layer.DEPTH in mix or Layer.NORMALS in mix
    assert stages["light"].on == stages["normals"].on == stages["albedo"].on == lit
    assert stages["occlusion and shadows"].on == (Layer.DEPTH in mix)
    assert stages["film"].on
    assert all(stage.reason for stage in stages.values())
    if lit:
        given = "given" if Layer.ALBEDO in mix else "estimated"
        assert given in stages["albedo"].reason
        assert ("given" if Layer.NORMALS in mix else "depth") in stages["normals"].reason
    else:
        assert "neither depth nor normals" in stages["light"].reason


def replace_length(clip, count):
    layers = tuple(
        replace(s, store=replace(s.store, paths=s.store.paths[:count])) for s in clip.layers
    )
    at = np.arange(count)
    return replace(
        clip,
        num_frames=count,
        layers=layers,
        camera=clip.camera and clip.camera.at(at),
        objects=clip.objects and clip.objects.at(at),
        robot=None,
    )


def test_relative_depth_lights_nothing_and_says_so(tmp_path):
    clip = simlift.open_clip(builders.cosmos(tmp_path / "clip", count=3))
    stages = {stage.name: stage for stage in Photographic().check(clip)}
    assert not stages["light"].on
    assert "relative" in stages["light"].reason
    assert not stages["occlusion and shadows"].on
    assert not stages["backdrop"].on
    assert simlift.lift(clip, Photographic()).shape == (3, HEIGHT, WIDTH, 3)


def test_a_backdrop_stands_only_where_it_may(clip, photos):
    """With and without photos behind it, the scene itself keeps its pixels, borders aside."""
    classes = ("robot",)
    one, other = (
        replace(QUIET, backdrop=Backdrop(kind="photos", photos=photos, classes=classes)),
        replace(QUIET, backdrop=Backdrop(kind="keep", classes=classes)),
    )
    stages = {stage.name: stage.on for stage in Photographic(one).check(clip)}
    assert stages["backdrop"]
    assert not {s.name: s.on for s in Photographic(other).check(clip)}["backdrop"]
    fixed = Exposure(strength=0.0)
    found = [
        simlift.lift(clip, Photographic(replace(look, exposure=fixed)), seed=2)
        for look in (one, other)
    ]
    ids = builders.read(clip, Layer.SEGMENTATION, range(FRAMES))
    scene = (ids == 1).astype(np.uint8)
    inner = np.stack([cv2.erode(m, np.ones((7, 7), np.uint8), borderValue=1) for m in scene]) > 0
    behind = np.stack([cv2.erode(1 - m, np.ones((7, 7), np.uint8)) for m in scene]) > 0
    difference = np.abs(found[0].astype(int) - found[1]).max(-1)
    assert inner.sum() > 200
    assert difference[inner].max() <= 1
    assert difference[behind].mean() > 3


def test_colours_move_towards_the_photos(clip, photos):
    red = np.zeros((20, 20, 3), np.uint8) + np.array([200, 60, 50], np.uint8)
    folder = photos.parent / "red"
    write_image(folder / "a.png", red + np.arange(20, dtype=np.uint8)[:, None, None])
    plain = simlift.lift(clip, Photographic(QUIET), seed=0)
    like = replace(QUIET, grade=Grade(like=folder, like_strength=1.0))
    found = simlift.lift(clip, Photographic(like), seed=0)
    target = np.array([209.5, 69.5, 59.5])
    previous = np.abs(plain.reshape(-1, 3).mean(0) - target)
    after = np.abs(found.reshape(-1, 3).mean(0) - target)
    assert (after < 25).all()
    assert after.sum() < 0.5 * previous.sum()


def test_one_frame_and_odd_sizes(tmp_path):
    for size in ((33, 47), (9, 16)):
        folder = builders.native(
            tmp_path / f"clip{size[0]}",
            [Layer.RGB, Layer.DEPTH, Layer.ALBEDO],
            1,
            *size,
        )
        frames = simlift.lift(simlift.open_clip(folder), Photographic(), seed=0)
        assert frames.shape == (1, *size, 3)


@pytest.mark.parametrize("name", [*NAMED, *(n for n in BUILT_IN if n != "auto")])
def test_every_look_and_light_runs(clip, name):
    look = NAMED[name] if name in NAMED else Look(light=Light(environment=name))
    frames = lifted(replace_length(clip, 1), Photographic(look), [1])
    assert 5 < frames.mean() < 250


def test_an_environment_file_lights_the_scene(clip, tmp_path):
    blue = np.broadcast_to(np.float32([0.1, 0.2, 1.0]), (32, 64, 3))
    path = builders.write_hdr(tmp_path / "blue.hdr", blue)
    exposure = Exposure(white_balance=0.0)
    look = replace(QUIET, light=Light(environment=str(path)), exposure=exposure)
    frames = lifted(replace_length(clip, 1), Photographic(look), [1])
    assert frames[..., 2].mean() > frames[..., 0].mean() + 20


def test_processes_do_not_change_the_bytes(clip, tmp_path):
    """Two clips and two looks, in one process and in two: the same files."""
    clips = [replace(clip, name="one"), replace(replace_length(clip, 3), name="two")]
    recipe = Recipe(
        tuple(
            Variant(name, Plugin.of(Photographic(look))) for name, look in named_variants((), 2, 5)
        ),
        seed=11,
    )
    for workers in (1, 2):
        result = lift_clips(
            clips, recipe, tmp_path / str(workers), workers=workers, progress=Silent()
        )
        assert (result.made, result.failures) == (4, ())
    for name in ("one", "two"):
        for variant in recipe.variants:
            key = TakeKey(name, variant.name)
            one, two = (Run(tmp_path / str(workers)) for workers in (1, 2))
            assert one.take_video(key).read_bytes() == two.take_video(key).read_bytes()
            assert one.take_file(key).read_text() == two.take_file(key).read_text()


def test_the_survey_is_small_and_even(clip):
    with clip.open(Layer) as reader:
        sample = sample_clip(reader)
        window = reader.window([0, 1])
    assert sample.window.indices.tolist() == [0, 2, 4, 6, 8]
    np.testing.assert_allclose(sample.times, sample.window.indices / 24)
    small = shrink(window, 16)
    assert small.size == (16, 24)
    np.testing.assert_allclose(
        small.camera.intrinsics[0], np.diag([0.5, 0.5, 1]) @ window.camera.intrinsics[0]
    )
    ids = set(np.unique(small[Layer.SEGMENTATION]))
    assert ids <= set(np.unique(window[Layer.SEGMENTATION]))
    assert shrink(window, 200) is window


# --- looks as values ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMED)
def test_named_looks_come_back_from_json(name, tmp_path):
    look = NAMED[name]
    path = tmp_path / f"{name}.json"
    path.write_text(dumps(look))
    assert look_named(str(path)) == look
    assert look_named(name) == look


def test_the_engine_comes_back_from_json(photos):
    look = replace(sample_look(1, 2), grade=Grade(like=photos), albedo=Albedo(lift=0.02))
    spec = Photographic(look)
    plugin = decode(json.loads(dumps(Plugin.of(spec))), Plugin)
    assert plugin.load() == spec
    assert plugin.kind.startswith("simlift.engines.photographic")
    assert Spec is Photographic


def test_sampled_looks_depend_on_seed_and_index_alone():
    assert sample_look(3, 4) == sample_look(3, 4)
    looks = {sample_look(seed, index) for seed in range(6) for index in range(6)}
    assert len(looks) == 36


def test_sampled_looks_are_valid_and_spread():
    looks = [sample_look(seed, index) for seed in range(10) for index in range(10)]
    for look in looks:
        # Every group checks its ranges when it is built; building it again from text checks all.
        assert decode(json.loads(dumps(look)), Look) == look
    turns = np.array([look.light.turn for look in looks])
    assert turns.min() < -120
    assert turns.max() > 120
    for name in ("elevation", "clouds", "roughness"):
        assert len({getattr(look.light, name) for look in looks}) > 20
    picks = [sample_look(0, i).light.pick for i in range(4)]
    assert len(set(picks)) == 4


def test_variants_are_named_first_and_sampled_after():
    assert [n for n, _ in named_variants((), 1, 0)] == ["natural"]
    names = [n for n, _ in named_variants(("noon", "lamps"), 4, 0)]
    assert names == ["noon", "lamps", "look-00", "look-01"]
    assert [n for n, _ in named_variants((), 2, 0)] == ["look-00", "look-01"]
    # More variants never change those that were there.
    few, many = named_variants((), 3, 9), named_variants((), 8, 9)
    assert many[:3] == few


def test_every_number_of_a_look_is_told():
    def leaves(value):
        for field in fields(value):
            inner = getattr(value, field.name)
            yield from leaves(inner) if is_dataclass(inner) else [field.name]

    text = dumps(Look())
    assert all(f'"{name}"' in text for name in leaves(Look()))
