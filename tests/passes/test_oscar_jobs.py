"""Job folders for OSCAR's own CLI: first frames, skeletons and prompts, without a worker."""

import json
import shlex

import cv2
import numpy as np
import pytest
from tiny.oscar_release import ANY, recipe_of, write_episode

from simlift.core.errors import RecipeError, RunError
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.engines.anchors import FirstFrames
from simlift.engines.echo import Echo
from simlift.engines.oscar import Oscar
from simlift.media.images import read_image
from simlift.media.video import VideoStore, probe_video
from simlift.passes.oscar_jobs import write_oscar_jobs
from simlift.scale.progress import Silent
from simlift.sources import open_clip

COUNT = 7


@pytest.fixture
def clip(tmp_path):
    return open_clip(write_episode(tmp_path / "clip", COUNT))


def spec(*moves, **changes):
    frames = FirstFrames("tiny.oscar_release:Recolour", {"moves": list(moves) or [""]}, gate=ANY)
    settings = {"first_frames": frames, "control": Plugin("tiny.oscar_release:Dots"), "frames": 5}
    return Oscar(**settings | changes)


def test_a_folder_holds_what_the_release_reads(clip, tmp_path):
    recipe = recipe_of(spec(), count=2, seed=5)
    done = write_oscar_jobs([clip], recipe, tmp_path / "jobs", progress=Silent())
    assert [f.relative_to(tmp_path / "jobs").as_posix() for f in done.made] == [
        "clip/oscar-00",
        "clip/oscar-01",
    ]
    prompts, skeletons = set(), set()
    for folder in done.made:
        assert read_image(folder / "first_frame.png").shape == (480, 640, 3)
        store = VideoStore(probe_video(folder / "skeleton.mp4"))
        assert (store.num_frames, store.height, store.width) == (COUNT, 480, 640)
        assert store.info.fps == 15
        with store.open() as reader:
            skeletons.add(reader.read(range(COUNT)).tobytes())
        job = json.loads((folder / "job.json").read_text())
        prompts.add((folder / "prompt.txt").read_text())
        assert job["prompt"] + "\n" == (folder / "prompt.txt").read_text()
        assert job["window_starts"] == [0, 4]
        assert job["clip_frames"] == COUNT
        assert "robot shifted by" in job["first_frame"]
        words = shlex.split(job["command"])
        told = dict(zip(words[3::2], words[4::2]))
        assert told["--prompt"] == job["prompt"]
        assert told["--seed"] == str(job["seed"])
        assert told["--num-steps"] == "35"
        assert (folder / told["--first-frame"]).is_file()
        assert (folder / told["--skeleton-video"]).is_file()
    assert len(prompts) == 2
    assert len(skeletons) == 1  # the motion is the simulator's, whatever it looks like


def test_the_seed_and_the_first_frame_are_those_of_a_lift(clip, tmp_path):
    recipe = recipe_of(spec(), seed=5)
    (folder,) = write_oscar_jobs([clip], recipe, tmp_path / "jobs", progress=Silent()).made
    job = json.loads((folder / "job.json").read_text())
    seed = recipe.seed_for(recipe.variants[0], clip.group)
    assert job["seed"] == spec().window_seed(seed, 0)
    made = read_image(folder / "first_frame.png")
    with clip.open(spec().needs()) as reader:
        render = reader.window([0]).rgb[0]
    small = cv2.resize(made, (160, 120), interpolation=cv2.INTER_AREA)
    expected = np.clip(230 - 0.7 * render[..., ::-1].astype(float), 0, 255)
    assert np.abs(small[..., 1:].astype(float) - expected[..., 1:]).mean() < 3


def test_it_goes_on_where_it_was_stopped_and_refuses_another_recipe(clip, tmp_path):
    out, recipe = tmp_path / "jobs", recipe_of(spec(), count=2)
    first = write_oscar_jobs([clip], recipe, out, progress=Silent())
    (first.made[1] / "job.json").unlink()
    kept = (first.made[0] / "first_frame.png").stat().st_mtime_ns
    again = write_oscar_jobs([clip], recipe, out, progress=Silent())
    assert (again.kept, again.made) == (first.made[:1], first.made[1:])
    assert (first.made[0] / "first_frame.png").stat().st_mtime_ns == kept
    with pytest.raises(RunError, match=r"job.json: is the job of another recipe"):
        write_oscar_jobs([clip], recipe_of(spec(steps=9), count=2), out, progress=Silent())


def test_a_first_frame_that_never_passes_leaves_no_job(clip, tmp_path):
    with pytest.raises(RunError, match="no first frame of 3"):
        write_oscar_jobs([clip], recipe_of(spec("same")), tmp_path / "jobs", progress=Silent())
    assert not list((tmp_path / "jobs").rglob("job.json"))


def test_recipes_of_other_engines_are_refused(clip, tmp_path):
    recipe = Recipe((Variant("echo", Plugin.of(Echo())),))
    with pytest.raises(RecipeError, match="variants of --engine oscar"):
        write_oscar_jobs([clip], recipe, tmp_path / "jobs", progress=Silent())
