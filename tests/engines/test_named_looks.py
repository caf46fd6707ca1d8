"""Looks of simlift's own lift every clip and say what they leave out; a user's own is refused."""

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError, RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run
from simlift.core.strict_json import dumps
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.looks.named import NAMED, sample_look
from simlift.engines.photographic.weather.effects import Weather
from simlift.media.images import write_image
from simlift.passes.plan import plan_lift
from simlift.passes.tables import print_idle_stages
from simlift.passes.variants import variants_of

NATIVE = {
    "everything": tuple(Layer),
    "depth": (Layer.RGB, Layer.DEPTH),
    "normals": (Layer.RGB, Layer.NORMALS),
    "flow": (Layer.RGB, Layer.FLOW),
    "ids": (Layer.RGB, Layer.SEGMENTATION),
    "albedo": (Layer.RGB, Layer.ALBEDO, Layer.MATERIAL),
}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """Every layout, and those with a camera again without it."""
    home = tmp_path_factory.mktemp("layouts")
    picture = builders.scene(0)[Layer.RGB]
    write_image(home / "picture.png", picture)
    write_image(home / "gray.png", picture[..., 0])
    paths = {
        "video": builders.video(home / "video.mp4", builders.flat_frames(3)),
        "picture": home / "picture.png",
        "gray": home / "gray.png",
        "sequence": builders.sequence(home / "sequence", builders.flat_frames(3)),
        "cosmos": builders.cosmos(home / "cosmos", 3),
        "carla": builders.carla(home / "carla", 3),
        "images": builders.native_images(home / "images", 3),
        **{name: builders.native(home / name, kept, 3) for name, kept in NATIVE.items()},
    }
    clips = {name: simlift.open_clip(path) for name, path in paths.items()}
    blind = {
        f"{name} without camera": replace(clip, camera=None, objects=None)
        for name, clip in clips.items()
        if clip.camera is not None
    }
    return clips | blind


def test_every_look_of_ours_suits_every_clip_and_says_what_it_leaves_out(layouts):
    looks = NAMED | {f"sampled {i}": sample_look(7, i) for i in range(12)}
    for clip in layouts.values():
        for look in looks.values():
            lost = {s.name: s for s in Photographic(look).check(clip) if s.lost}
            expected = set()
            if look.weather.kinds and not clip.metric_depth:
                expected.add("weather")
            if look.optics.f_number is not None and not clip.metric_depth:
                expected.add("depth of field")
            rigid = clip.metric_depth and clip.camera is not None
            if look.optics.shutter > 0 and not rigid and Layer.FLOW not in clip:
                expected.add("motion blur")
            assert set(lost) == expected
            assert not any(stage.on for stage in lost.values())
            assert all(stage.reason.startswith("left out: ") for stage in lost.values())


@pytest.mark.parametrize("name", ["cinema", "rain", "snow"])
def test_what_is_left_out_leaves_a_picture(layouts, name):
    for kind in ("gray", "flow", "normals", "cosmos", "carla", "depth without camera"):
        clip = layouts[kind]
        frames = simlift.lift(clip, Photographic(NAMED[name]))
        assert frames.shape == (clip.num_frames, clip.height, clip.width, 3)
        assert frames.max() > 20


def test_what_is_left_out_changes_nothing_else(layouts):
    plain = replace(
        NAMED["cinema"], optics=replace(NAMED["cinema"].optics, f_number=None, shutter=0.0)
    )
    frames = [simlift.lift(layouts["video"], Photographic(k)) for k in (NAMED["cinema"], plain)]
    np.testing.assert_array_equal(*frames)


ASKED = [
    (Look(optics=Optics(f_number=2.0)), "depth of field", "optics"),
    (Look(optics=Optics(shutter=0.5)), "motion blur", "optics"),
    (Look(weather=Weather(rain=2.0)), "weather needs depth in metres", "weather"),
]


@pytest.mark.parametrize(("look", "words", "group"), ASKED)
def test_a_look_of_the_users_own_is_refused_with_a_way_out_that_exists(
    layouts, tmp_path, look, words, group
):
    path = tmp_path / "mine.json"
    path.write_text(dumps(look))
    (variant,) = variants_of("photographic", looks=[str(path)])
    for spec in (Photographic(look), variant.engine.load()):
        with pytest.raises(ClipError, match=rf"{words}.*way out:.*--look.*\"optional\": .*{group}"):
            spec.check(layouts["video"])
    # The way out, taken.
    path.write_text(json.dumps(json.loads(path.read_text()) | {"optional": [group]}))
    (variant,) = variants_of("photographic", looks=[str(path)])
    assert any(stage.lost for stage in variant.engine.load().check(layouts["video"]))


@pytest.mark.parametrize(
    "asked",
    [
        {"looks": ["cinema"]},
        {"looks": ["fog"], "environment": "overcast"},
        {"prompt": "cinematic rain at night"},
        {"looks": ["natural"], "prompt": "shallow focus"},
        {"count": 5, "prompt": "heavy snow"},
    ],
)
def test_looks_that_flags_make_are_ours(layouts, asked):
    for variant in variants_of("photographic", **asked):
        assert any(stage.lost for stage in variant.engine.load().check(layouts["video"]))
        assert not any(stage.lost for stage in variant.engine.load().check(layouts["everything"]))


def test_what_each_look_loses_is_printed(layouts):
    recipe = Recipe(variants_of("photographic", looks=["natural", "cinema", "film", "fog"]))
    text = StringIO()
    plans = plan_lift([layouts["video"]], recipe, measure=False)
    print_idle_stages(plans, Console(file=text, width=500))
    lines = text.getvalue().splitlines()
    assert [line.split(": off: ")[0] for line in lines] == [
        "video",
        "video / cinema",
        "video / fog",
    ]
    assert "no depth in metres" in lines[1]


def test_a_run_that_an_older_version_began_goes_on(tmp_path):
    recipe = Recipe(variants_of("photographic", looks=["cinema", "noon"]))
    run = Run(tmp_path / "run")
    run.begin(recipe, {})
    stored = json.loads((run.path / "recipe.json").read_text())
    for variant in stored["variants"]:
        del variant["engine"]["settings"]["strict"]
    (run.path / "recipe.json").write_text(json.dumps(stored))
    run.begin(recipe, {})
    assert run.recipe().variants[0].engine.load() == Photographic(NAMED["cinema"])
    others = (
        Recipe(variants_of("photographic", looks=["cinema", "night"])),
        Recipe(recipe.variants, seed=1),
        Recipe((Variant("cinema", Plugin.of(Photographic(Look()))), recipe.variants[1])),
    )
    for other in others:
        with pytest.raises(RunError, match="choose another --out"):
            run.begin(other, {})
