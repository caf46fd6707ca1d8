"""Looks as values: words, samples, saved files; and all stages of a look together."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tiny import clips as builders
from tiny.clips import FRAMES

import simlift
from simlift.core.clip_sample import sample_clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.strict_json import decode, dumps
from simlift.engines.pathtraced import PathTraced
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.camera.colour_transfer import read_reference_photos
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.light.radiance import radiance
from simlift.engines.photographic.looks.look import Exposure, Grade, Light, Sensor
from simlift.engines.photographic.looks.named import NAMED, look_named, named_variants, sample_look
from simlift.engines.photographic.looks.prompt import (
    _SYNONYMS,
    LIGHT,
    TABLES,
    WEATHER,
    apply_prompt,
    phrases_of,
)
from simlift.engines.photographic.materials.settings import Materials
from simlift.engines.photographic.scene import backdrop, frame_geometry
from simlift.engines.photographic.supported_effects import supported_optics, supported_weather
from simlift.engines.photographic.weather.effects import Weather
from simlift.media.images import write_image
from simlift.passes.lift import lift_clips
from simlift.passes.variants import variants_of
from simlift.pixels.colour import class_transfer, spaces
from simlift.scale.progress import Silent

QUIET = Look(sensor=Sensor(bayer=False))
EVERYTHING = Look(
    light=Light(environment="overcast"),
    weather=Weather(visibility=40, rain=20, snowfall=2, snow_cover=0.4, wind=3),
    optics=Optics(f_number=1.4, shutter=0.5, aberration=0.8, glare=0.05),
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return simlift.open_clip(builders.native_images(tmp_path_factory.mktemp("clips") / "clip"))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A clip of colour alone."""
    folder = tmp_path_factory.mktemp("clips") / "plain"
    return simlift.open_clip(builders.sequence(folder, builders.flat_frames(3)))


@pytest.fixture(scope="module")
def sample(clip):
    """The clip's clip sample, of which what looks share is derived once."""
    with clip.open(Layer) as reader:
        return sample_clip(reader)


def constants(sample, look, seed=0):
    """What holds over the sampled clip under a look."""
    with Photographic(look).open("cpu") as engine:
        return engine.constants(sample, seed)


# --- words -------------------------------------------------------------------------------------

PHRASES = [phrase for table in TABLES for phrase in table]


def test_a_sentence_is_read_for_what_it_says():
    assert phrases_of("Make it RAIN at night, please!") == ("rain", "night")
    assert phrases_of("a heavy rain") == ("heavy rain",)
    assert phrases_of("looks like the golden hour") == ("golden hour",)
    assert phrases_of("foggy, misty?") == ("fog", "mist")
    assert phrases_of("rain rainy raining") == ("rain",)


@pytest.mark.parametrize("phrase", [*PHRASES, *_SYNONYMS])
def test_every_phrase_gives_a_look(phrase):
    for look in (Look(), NAMED["noon"], sample_look(1, 2)):
        found = apply_prompt(look, phrase)
        assert decode(json.loads(dumps(found)), Look) == found
    assert _SYNONYMS.get(phrase, phrase) in PHRASES


def test_words_do_what_they_say():
    look = apply_prompt(Look(), "heavy rain at night, warm")
    assert look.weather.rain == WEATHER["heavy rain"]["weather.rain"]
    assert look.light.environment == "night"
    assert look.grade.warmth > 0
    assert look == apply_prompt(Look(), "warm night in heavy rain")
    assert apply_prompt(Look(), "snow").weather.snow_cover > 0
    assert apply_prompt(NAMED["noon"], "fog").light.environment == "auto"
    assert apply_prompt(NAMED["noon"], "fog at sunset").light.environment == "clear-sky"
    assert apply_prompt(NAMED["fog"], "clear").weather == Weather()


def test_words_keep_what_they_do_not_speak_of():
    for phrase in ("warm", "vivid"):
        changed = apply_prompt(NAMED["rain"], phrase)
        assert replace(changed, grade=Grade()) == replace(NAMED["rain"], grade=Grade())


@pytest.mark.parametrize(
    ("prompt", "found", "near"),
    [
        ("rain of unicorns", "unicorns", ""),
        ("foogy morning", "foogy", "foggy"),
        ("without rain", "without", ""),
        ("no fog", "does not know no", ""),
        ("", "says nothing", ""),
        ("make it look like the", "says nothing", ""),
    ],
)
def test_other_words_are_refused(prompt, found, near):
    with pytest.raises(RecipeError, match="--prompt") as error:
        phrases_of(prompt)
    assert found in str(error.value)
    assert "heavy rain" in str(error.value)  # the words that are known
    assert near in str(error.value)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("noon at night", "noon and night"), ("rain and drizzle", "rain and drizzle"),
     ("dry rain", "dry and rain"), ("clear with snow", "clear and snow")],
)  # fmt: skip
def test_contradictions_are_refused(prompt, words):
    with pytest.raises(RecipeError, match=f"asks for both {words}"):
        apply_prompt(Look(), prompt)


def test_what_is_asked_for_is_not_optional():
    sampled = replace(sample_look(0, 0), weather=Weather(visibility=80))
    assert apply_prompt(sampled, "rain").optional == ("optics",)
    assert apply_prompt(sampled, "rain").weather == Weather(rain=10)
    assert apply_prompt(sampled, "motion blur").optional == ("weather",)
    assert apply_prompt(sampled, "film").optional == ("optics", "weather")
    assert apply_prompt(sampled, "warm").weather == sampled.weather
    assert all(apply_prompt(sampled, phrase).weather.visibility is None for phrase in LIGHT)


# --- variants ----------------------------------------------------------------------------------


def test_a_prompt_changes_every_variant_and_names_those_asked_for():
    assert [n for n, _ in named_variants((), 1, 0, "rain at night")] == ["rain-night"]
    names = [n for n, _ in named_variants(("noon",), 3, 0, "golden hour")]
    assert names == ["noon-golden-hour", "look-00", "look-01"]
    for variant in variants_of("photographic", count=3, prompt="foggy"):
        assert variant.engine.load().look.weather.visibility == WEATHER["fog"]["weather.visibility"]


def test_the_path_tracer_takes_looks_words_and_samples():
    (variant,) = variants_of("pathtraced", looks=["lamps"], prompt="cold", settings=["samples=8"])
    spec = variant.engine.load()
    assert isinstance(spec, PathTraced)
    assert (spec.samples, spec.look.light.environment) == (8, "lamp-room")
    assert spec.look.grade.warmth < 0
    assert variants_of("pathtraced")[0].engine.load() == PathTraced()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"prompt": "rain"}, "has no setting"),
        ({"looks": ["noon"]}, "takes no look"),
        ({"settings": ["samples=4"]}, "unknown key 'samples'"),
    ],
)
def test_other_engines_refuse_looks_and_words(asked, words):
    with pytest.raises(RecipeError, match=words):
        variants_of("echo", **asked)
    with pytest.raises(RecipeError, match="--set: photographic has no settings beside its look"):
        variants_of("photographic", settings=["samples=4"])
    with pytest.raises(RecipeError, match="--look NAME"):
        variants_of("pathtraced", settings=["look.film.white=4"])
    with pytest.raises(RecipeError, match="pathtraced.samples: found 0; allowed: 1 to 65536"):
        variants_of("pathtraced", settings=["samples=0"])


def test_a_run_keeps_its_looks(clip, tmp_path):
    short = replace(
        clip,
        num_frames=1,
        layers=tuple(
            replace(s, store=replace(s.store, paths=s.store.paths[:1])) for s in clip.layers
        ),
        camera=clip.camera.at(np.array([0])),
    )
    variants = [
        *variants_of("photographic", looks=["film"], count=2, seed=5),
        Variant("echo", Plugin("simlift.engines.echo:Echo", {})),
    ]
    lift_clips([short], Recipe(tuple(variants)), tmp_path / "run", progress=Silent())
    saved = sorted(p.name for p in (tmp_path / "run" / "looks").iterdir())
    assert saved == ["film.json", "look-00.json"]
    for variant in variants[:2]:
        path = tmp_path / "run" / "looks" / f"{variant.name}.json"
        assert look_named(str(path)) == variant.engine.load().look


# --- samples -----------------------------------------------------------------------------------


def test_samples_keep_to_the_distribution():
    looks = [sample_look(3, i) for i in range(600)]
    kinds = [look.weather.kinds for look in looks]
    share = {
        "clear": np.mean([not kind for kind in kinds]),
        "wet": np.mean([kind == ("wet ground",) for kind in kinds]),
        "fog": np.mean(["fog" in kind for kind in kinds]),
        "rain": np.mean(["rain" in kind for kind in kinds]),
        "snow": np.mean(["snowfall" in kind for kind in kinds]),
    }
    expected = {"clear": 0.7, "wet": 0.1, "fog": 0.1, "rain": 0.05, "snow": 0.05}
    for name, p in expected.items():
        assert abs(share[name] - p) < 4 * np.sqrt(p * (1 - p) / len(looks)), name
    assert {look.optional for look in looks} == {("optics", "weather")}
    for values, low, high in (
        ([look.materials.strength for look in looks], 0.5, 1.0),
        ([look.materials.scale for look in looks], 0.5, 2.0),
        ([look.optics.shutter for look in looks], 0.0, 0.5),
        ([look.optics.aberration for look in looks], 0.0, 0.6),
        ([look.optics.glare for look in looks], 0.0, 0.03),
        ([look.weather.visibility for look in looks if look.weather.visibility], 60, 1200),
        ([look.weather.rain for look in looks if look.weather.rain], 1, 20),
    ):
        assert low <= min(values) < low + 0.2 * (high - low)
        assert high - 0.3 * (high - low) < max(values) <= high


# --- what a clip can carry -----------------------------------------------------------------------


def test_sampled_weather_and_optics_stay_out_where_they_cannot_be(video, clip, sample):
    look = replace(EVERYTHING, optional=("optics", "weather"))
    stages = {stage.name: stage for stage in Photographic(look).check(video)}
    assert not any(stages[n].on for n in ("weather", "depth of field", "motion blur"))
    assert "no depth" in stages["weather"].reason
    assert stages["glare"].on
    assert supported_optics(look, video) == replace(look.optics, f_number=None, shutter=0.0)
    assert supported_optics(look, clip) == look.optics
    assert simlift.lift(video, Photographic(look)).shape[0] == 3
    assert supported_weather(look, clip, outdoors=True) == look.weather
    assert supported_weather(look, clip, outdoors=False) == Weather()
    assert supported_weather(EVERYTHING, clip, outdoors=False) == EVERYTHING.weather
    assert supported_weather(EVERYTHING, video, outdoors=True) == Weather()
    assert constants(sample, look).air.weather == look.weather


def test_bad_weather_under_a_sky_of_ours_has_no_sun(sample):
    assert len(constants(sample, replace(QUIET, light=Light(pick=0))).environment.suns) == 1
    wet = replace(QUIET, light=Light(pick=0), weather=Weather(wetness=0.5))
    assert constants(sample, wet).environment.suns == ()
    sunny = replace(wet, light=Light(environment="clear-sky"))
    assert len(constants(sample, sunny).environment.suns) == 1


def test_the_plan_names_every_stage(clip):
    stages = {stage.name: stage for stage in Photographic(EVERYTHING).check(clip)}
    for name in ("materials", "weather", "depth of field", "motion blur", "glare"):
        assert stages[name].on
        assert stages[name].reason
    assert "fog, rain, snowfall, lying snow, wet ground" in stages["weather"].reason
    calm = {stage.name: stage for stage in Photographic().check(clip)}
    assert (calm["weather"].on, calm["weather"].reason) == (False, "clear")
    assert Layer.FLOW in Photographic(EVERYTHING).uses()
    assert Layer.FLOW not in Photographic().uses()
    assert Layer.MATERIAL in Photographic().uses()


def test_a_material_for_an_unknown_class_is_refused(clip):
    look = Look(materials=Materials(by_class=(("kraken", "wood"),)))
    with pytest.raises(ClipError, match=r"no class kraken.*robot, sky, table"):
        Photographic(look).check(clip)


# --- all stages together -------------------------------------------------------------------------


def lifted(clip, look, *ways, seed=7):
    """Lift a clip through windows of the given lengths, one take for each way to divide it."""
    spec, takes = Photographic(look), []
    with clip.open(spec.needs() | spec.uses()) as reader, spec.open("cpu") as engine:
        sample = sample_clip(reader)
        for lengths in ways:
            parts = [reader.window(range(a, b)) for a, b in pairwise(np.cumsum([0, *lengths]))]
            lift = [engine.lift(w, sample=sample, previous=None, seed=seed) for w in parts]
            takes.append(np.concatenate(lift))
    return takes


@pytest.mark.parametrize("flow", [True, False], ids=["flow", "rigid"])
def test_windows_do_not_change_the_pixels_with_every_stage_on(clip, flow):
    if not flow:
        clip = replace(clip, layers=tuple(s for s in clip.layers if s.layer is not Layer.FLOW))
    whole, single, uneven = lifted(clip, EVERYTHING, [FRAMES], [1] * FRAMES, [2, 7])
    np.testing.assert_array_equal(single, whole)
    np.testing.assert_array_equal(uneven, whole)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(clip):
    one, again, other = (lifted(clip, EVERYTHING, [FRAMES], seed=s)[0] for s in (7, 7, 8))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_fog_is_metered_and_drops_are_not_in_the_light(clip, sample):
    light = Light(environment="overcast", emission=0.0)
    fog, dry = (
        constants(sample, replace(QUIET, light=light, weather=w))
        for w in (Weather(visibility=5), Weather())
    )
    # Endless air is brighter than what it hides, so the camera closes.
    assert fog.gains.mean() < 0.8 * dry.gains.mean()
    look = replace(QUIET, weather=Weather(rain=100, wetness=0.0))
    found = constants(sample, look)
    with clip.open(Layer) as reader:
        frame = reader.window([2])
    elsewhere = replace(found, air=replace(found.air, seed=found.air.seed + 1))
    np.testing.assert_array_equal(radiance(frame, look, found), radiance(frame, look, elsewhere))


def test_a_locked_exposure_is_what_it_says(sample):
    manual = replace(QUIET, exposure=Exposure(manual=(0.5, 0.25, 2.0), compensation=1.0))
    assert (constants(sample, manual).gains == [0.5, 0.25, 2.0]).all()
    for bad in ((0.0, 1.0, 1.0), (1.0, -2.0, 1.0)):
        with pytest.raises(RecipeError, match=r"exposure.manual"):
            Exposure(manual=bad)


def test_a_border_takes_the_colour_of_the_scene_inside():
    behind = np.zeros((20, 30), bool)
    behind[:8] = True
    image = np.full((20, 30, 3), 0.25, np.float32)
    image[:9] = 4.0  # the renderer's sky, which also tinges the border
    matte_ = backdrop.matte(behind)
    clean = backdrop.clean_border(image, matte_)
    np.testing.assert_allclose(clean[7:], 0.25, rtol=1e-5)
    np.testing.assert_array_equal(clean[:5], image[:5])
    outside = np.ones(behind.shape, bool)
    outside[matte_.box] = False
    assert outside.any()
    np.testing.assert_array_equal(matte_.cover[outside], 1)


def test_views_are_unit_and_made_once(clip):
    with clip.open([Layer.RGB]) as reader:
        one, other = (frame_geometry.view_directions(reader.window([i])) for i in (0, 3))
    assert one is other
    np.testing.assert_allclose((one**2).sum(-1), 1, rtol=1e-6)


# --- photos by class -----------------------------------------------------------------------------


def reference_photos(folder, **colours):
    """Photos of one colour each, with a little contrast; `rest` lies in the folder itself."""
    for name, value in colours.items():
        photo = np.zeros((24, 24, 3), np.int16) + np.array(value, np.int16)
        photo += np.arange(-6, 6, 0.5).astype(np.int16)[:, None, None]
        place = folder if name == "rest" else folder / name
        write_image(place / "photo.png", photo.astype(np.uint8))
    return folder


def test_a_class_takes_the_colours_of_its_photos_and_others_keep_theirs(clip, tmp_path):
    folder = reference_photos(tmp_path / "photos", robot=(200, 90, 60))
    fixed = replace(QUIET, exposure=Exposure(manual=(0.8, 0.8, 0.8)))
    like = replace(fixed, grade=Grade(like=folder, like_strength=1.0))
    plain, found = (
        simlift.lift(clip, Photographic(k), seed=0).astype(float) for k in (fixed, like)
    )
    ids = builders.read(clip, Layer.SEGMENTATION, range(FRAMES))
    robot, far = ids == 2, ids == 1
    far[:, :, 1:-1] &= (ids == 1)[:, :, :-2] & (ids == 1)[:, :, 2:]
    target = np.array([200, 90, 60])
    previous, after = (np.abs(x[robot].mean(0) - target).sum() for x in (plain, found))
    assert after < 0.35 * previous
    inner = np.zeros_like(far)
    inner[:, :, 2:-2] = far[:, :, :-4] & far[:, :, 4:] & far[:, :, 2:-2]
    assert inner.sum() > 50
    assert np.abs(found[inner] - plain[inner]).max() <= 2


def test_photos_for_all_the_rest(clip, tmp_path):
    folder = reference_photos(tmp_path / "photos", robot=(200, 90, 60), rest=(60, 100, 180))
    grade = Grade(like=folder, like_strength=1.0)
    found = simlift.lift(clip, Photographic(replace(QUIET, grade=grade)), seed=0)
    ids = builders.read(clip, Layer.SEGMENTATION, range(FRAMES))
    assert np.subtract(*found[ids == 2].mean(0)[[0, 2]]) > 60
    assert np.subtract(*found[ids == 1].mean(0)[[0, 2]]) < -40


def test_albums_that_cannot_be_used(clip, video, tmp_path):
    def check(folder, of):
        return Photographic(Look(grade=Grade(like=folder))).check(of)

    kraken = reference_photos(tmp_path / "kraken", kraken=(1, 2, 3))
    with pytest.raises(ClipError, match=r"no class kraken.*robot, sky, table"):
        check(kraken, clip)
    with pytest.raises(ClipError, match="no segmentation"):
        check(kraken, video)
    (tmp_path / "empty" / "robot").mkdir(parents=True)
    with pytest.raises(RecipeError, match="holds no photos"):
        check(tmp_path / "empty", clip)
    with pytest.raises(RecipeError, match="is no folder"):
        check(Path("nowhere"), clip)
    sky = reference_photos(tmp_path / "sky", sky=(90, 120, 200))
    assert check(sky, clip)[-1].reason.endswith("by class for sky")
    assert [name for name, _ in read_reference_photos(sky).classes] == ["sky"]


def codes(*levels):
    return (np.array(levels, np.float64) * 65535).astype(np.uint16)[None, :, None].repeat(3, -1)


NONE = np.zeros((0, 1, 4), np.uint8)
NO_PARTS = np.zeros((0, 3, 4))


def test_an_identity_recolours_nothing():
    display = np.random.default_rng(0).integers(0, 65536, (6, 8, 3)).astype(np.uint16)
    found = class_transfer.apply_class_transfer(
        display, np.eye(3, 4), NO_PARTS, np.zeros((0, 6, 8), np.uint8)
    )
    np.testing.assert_array_equal(found, np.floor(display / 65535 * 255 + 0.5).astype(np.uint8))


def test_highlights_keep_their_own_colour():
    half = np.column_stack([np.eye(3) * 0.5, np.zeros(3)])
    found = class_transfer.apply_class_transfer(codes(0.4, 0.9, 0.95, 1.0), half, NO_PARTS, NONE)[
        0, :, 0
    ]
    assert found[0] == 51
    assert found[1] == 115
    assert found[3] == 255
    assert found[1] < found[2] < found[3]


def test_maps_are_blended_by_how_much_a_class_holds():
    up, down = (np.column_stack([np.eye(3), np.full(3, by)]) for by in (0.2, -0.2))
    held = np.array([[[0, 255, 102, 51]]], np.uint8)
    found = (
        class_transfer.apply_class_transfer(codes(0.5, 0.5, 0.5, 0.5), up, down[None], held)[
            0, :, 1
        ]
        / 255
    )
    np.testing.assert_allclose(found, [0.7, 0.3, 0.54, 0.62], atol=0.004)


def test_a_transfer_brings_the_mean_and_bounds_the_contrast():
    draw = np.random.default_rng(1)
    gray = 0.4 + 0.02 * draw.normal(size=(500, 3))
    wild = np.clip(draw.uniform(size=(500, 3)), 0, 1)
    whole = class_transfer.bounded_colour_transfer(spaces.moments(gray), spaces.moments(wild), 1.0)
    np.testing.assert_allclose(whole[:, :3] @ gray.mean(0) + whole[:, 3], wild.mean(0))
    assert np.linalg.svd(whole[:, :3])[1].max() <= 2.0 + 1e-9
    none = class_transfer.bounded_colour_transfer(spaces.moments(gray), spaces.moments(wild), 0.0)
    np.testing.assert_allclose(none, np.eye(3, 4))
