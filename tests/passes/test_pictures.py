"""Pictures give pictures: the take of a clip of one frame is a PNG beside the video."""

import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, TakeKey
from simlift.engines.echo import Echo
from simlift.engines.photographic import Photographic
from simlift.media.images import read_image, write_image
from simlift.passes.lift import lift_clips
from simlift.passes.lift_windows import lift
from simlift.reports.model import build_model
from simlift.scale.progress import Silent

RECIPE = Recipe((Variant("echo", Plugin.of(Echo())), Variant("natural", Plugin.of(Photographic()))))
ECHO, NATURAL = (TakeKey("photo", variant.name) for variant in RECIPE.variants)


def picture():
    return np.random.default_rng(0).integers(0, 256, (33, 47, 3)).astype(np.uint8)


@pytest.fixture
def run(tmp_path):
    write_image(tmp_path / "photo.png", picture())
    out = tmp_path / "run"
    result = lift_clips([simlift.open_clip(tmp_path / "photo.png")], RECIPE, out, progress=Silent())
    assert (result.made, result.kept) == (2, 0)
    return Run(out)


def test_the_picture_holds_what_the_engine_made(tmp_path, run):
    np.testing.assert_array_equal(read_image(run.take_picture(ECHO)), picture())
    clip = simlift.open_clip(tmp_path / "photo.png")
    seed = next(take.seed for take in run.takes() if take.key == NATURAL)
    made = lift(clip, Photographic(), seed=seed)
    np.testing.assert_array_equal(read_image(run.take_picture(NATURAL)), made[0])
    assert all(run.take_video(key).is_file() for key in (ECHO, NATURAL))


def test_a_lost_video_is_made_again_to_the_same_picture(tmp_path, run):
    """The video appears last: a picture without one is the rest of a killed run."""
    before = run.take_picture(NATURAL).read_bytes()
    run.take_video(NATURAL).unlink()
    run.take_picture(NATURAL).write_bytes(b"old")
    clip = simlift.open_clip(tmp_path / "photo.png")
    result = lift_clips([clip], RECIPE, run.path, progress=Silent())
    assert (result.made, result.kept) == (1, 1)
    assert run.take_picture(NATURAL).read_bytes() == before
    assert not list(run.path.rglob("*.partial*"))


def test_the_report_names_the_picture(run):
    model = build_model(run, definitions={}, thresholds={}, twin_notes={})
    rows = dict(model.clips[0].takes[0].provenance)
    assert rows["Picture"] == "takes/photo/echo.png"


def test_clips_of_more_frames_give_videos_alone(tmp_path):
    folder = builders.sequence(tmp_path / "clip", builders.flat_frames(2))
    lift_clips([simlift.open_clip(folder)], RECIPE, tmp_path / "run", progress=Silent())
    assert not list((tmp_path / "run" / "takes").rglob("*.png"))
