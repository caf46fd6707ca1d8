"""Control videos of clips: whole or not there, exact where asked, kept when nothing changed."""

import json

import numpy as np
import pytest
from tiny import arms, clips

from simlift import cli
from simlift.controls import Skeleton
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.writer import LOSSLESS_RGB
from simlift.passes.control_videos import draw_clips, draw_controls, named_controls
from simlift.scale.progress import Silent
from simlift.sources import open_clip


def frames_of(path):
    store = VideoStore(probe_video(path))
    with store.open() as reader:
        return reader.read(list(range(store.num_frames)))


def controls(*words, code=0):
    with pytest.raises(SystemExit) as left:
        cli.main(["controls", *map(str, words)])
    assert left.value.code == code


def test_lossless_videos_hold_the_very_pixels(tmp_path):
    clip = open_clip(arms.clip(tmp_path / "clip"))
    made = draw_controls(clip, {"skeleton": Skeleton()}, tmp_path / "out", LOSSLESS_RGB)
    with clip.open([Layer.RGB]) as reader:
        expected = Skeleton().draw(reader.window(range(arms.FRAMES)))
    assert made == {"skeleton": tmp_path / "out" / "skeleton.mkv"}
    assert np.array_equal(frames_of(made["skeleton"]), expected)


class Failing(Skeleton):
    """A control that fails on the last frame."""

    def draw(self, window):
        if arms.FRAMES - 1 in window.indices:
            raise RuntimeError("on purpose")
        return super().draw(window)


def test_a_run_that_fails_leaves_nothing(tmp_path):
    clip = open_clip(arms.clip(tmp_path / "clip"))
    with pytest.raises(RuntimeError):
        draw_controls(clip, {"a": Skeleton(), "b": Failing()}, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_clip_lies_in_out_and_several_in_folders_of_their_own(tmp_path, capsys):
    one, two = arms.clip(tmp_path / "one"), arms.clip(tmp_path / "two", gripper=False)
    controls(one, "--kind", "skeleton,edges", "--out", tmp_path / "single")
    assert sorted(p.name for p in (tmp_path / "single").iterdir()) == [
        "controls.json",
        "edges.mp4",
        "skeleton.mp4",
    ]
    capsys.readouterr()
    controls(one, two, "--kind", "skeleton", "--size", 80, 60, "--out", tmp_path / "many")
    said = capsys.readouterr().out.replace("\n", " ")
    for name in ("one", "two"):
        info = probe_video(tmp_path / "many" / name / "skeleton.mp4")
        assert (info.width, info.height, info.num_frames) == (80, 60, arms.FRAMES)
    settings = json.loads((tmp_path / "many" / "two" / "controls.json").read_text())
    assert settings["controls"]["skeleton"]["settings"]["size"] == [80, 60]
    assert "gripper of arm panda opens is not known in every frame of two" in said
    assert "frame of one" not in said


def test_what_is_whole_is_kept_and_what_changed_is_drawn_anew(tmp_path):
    folder = arms.clip(tmp_path / "clip")
    kinds, out = named_controls("skeleton"), tmp_path / "out"

    def draw(kinds=kinds, **options):
        return draw_clips([open_clip(folder)], kinds, out, progress=Silent(), **options)

    assert draw() == [(out / "skeleton.mp4", False)]
    assert draw() == [(out / "skeleton.mp4", True)]
    assert draw(named_controls("skeleton", (32, 24)))[0][1] is False
    assert draw()[0][1] is False
    # Another motion of the robot under the same frames.
    robot = dict(np.load(folder / "robot.npz"))
    np.savez(folder / "robot.npz", **(robot | {"arm_grippers": robot["arm_grippers"] * 0}))
    assert draw()[0][1] is False
    assert draw(lossless=True) == [(out / "skeleton.mkv", False)]


def test_every_clip_is_checked_before_the_first_is_drawn(tmp_path, capsys):
    good, bad = arms.clip(tmp_path / "good"), arms.clip(tmp_path / "bad", known=False)
    controls(good, bad, "--kind", "skeleton", "--out", tmp_path / "out", code=2)
    said = " ".join(capsys.readouterr().err.split())
    assert "bad: skeleton: nothing says which of the 3 links" in said and "--robot FILE" in said
    assert not (tmp_path / "out").exists()
    plain = open_clip(clips.native(tmp_path / "plain", [Layer.RGB], 2))
    with pytest.raises(ClipError, match="no layer depth"):
        draw_controls(plain, named_controls("depth"), tmp_path / "out")


@pytest.mark.parametrize("words", ["", "skeleton,skeleton", "edges,sketch"])
def test_names_that_are_none_are_refused(words):
    with pytest.raises(RecipeError, match="engine-edges, depth"):
        named_controls(words)


def test_a_size_that_no_control_heeds_is_refused():
    with pytest.raises(RecipeError, match="--size.*edges.*skeleton or trajectory-map"):
        named_controls("edges", (4, 4))
