"""Inspection: tables of datasets without pixels, sheets with skeletons and curves."""

import io
import shutil

import numpy as np
import pytest
from rich.console import Console
from tiny import arms, datasets

from simlift import cli
from simlift.core.dataset import select_cameras
from simlift.media.images import read_image
from simlift.passes.contact_sheet import contact_sheet
from simlift.passes.curve_plots import draw_curves
from simlift.passes.inspect import describe_dataset
from simlift.sources import open_clip, open_clips, open_dataset
from simlift.sources.curves import Curves, curves_of


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return datasets.lerobot_v3(tmp_path_factory.mktemp("set") / "set", episodes=(8, 6, 9))


def inspected(*words, code=0):
    with pytest.raises(SystemExit) as left:
        cli.main(["inspect", *map(str, words)])
    assert left.value.code == code


def test_a_dataset_is_told_without_its_videos(dataset, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(dataset, bare)
    shutil.rmtree(bare / "videos")
    opened = open_dataset(bare)
    out = io.StringIO()
    describe_dataset(opened, opened.episodes, select_cameras(opened, None), Console(file=out))
    said = out.getvalue()
    lines = {tuple(line.split()[:3]) for line in said.splitlines()}
    size = f"{datasets.WIDTH}x{datasets.HEIGHT}"
    assert ("episodes", "3", "of") in lines and "of 6 to 9 frames" in said
    assert ("frames", "23", "0.0") in lines
    assert {("camera", f"observation.images.{c}", size) for c in datasets.CAMERAS} <= lines
    assert ("feature", "action", "float32") in lines
    assert ("task", "move", "the") in lines


def test_of_a_dataset_the_first_episode_is_looked_at_or_those_stated(dataset, tmp_path, capsys):
    inspected(dataset)
    said = capsys.readouterr().out
    assert "episode_000000.front" in said and "episode_000001" not in said
    inspected(dataset, "--episodes", "1:3", "--cameras", "front")
    said = capsys.readouterr().out
    assert "episode_000002.front  9 frames" in said and "episode_000000" not in said
    assert "2 of 3" in said


def test_the_cameras_of_an_episode_stand_on_one_sheet(dataset, tmp_path):
    inspected(dataset, "--episodes", "1", "--out", tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["episode_000001.front.png", "episode_000001.png", "episode_000001.wrist.png"]
    assert read_image(tmp_path / names[1]).shape[0] > read_image(tmp_path / names[0]).shape[0]


def test_curves_are_the_rows_of_the_episode(dataset):
    (clip,) = open_clips(dataset, episodes="2", cameras=("front",))
    curves = {c.title: c for c in curves_of(clip)}
    rows = datasets.rows_of(2, 9)
    np.testing.assert_allclose(curves["action"].values, rows["action"], rtol=1e-6)
    assert "timestamp" not in curves and "frame_index" not in curves


def test_the_joints_of_a_robot_are_curves(tmp_path):
    clip = open_clip(arms.clip(tmp_path / "clip"))
    (joints,) = curves_of(clip)
    assert joints.names == ("joint_0", "joint_1") and joints.unit == "rad or m"
    np.testing.assert_array_equal(joints.values, clip.robot.joint_positions)
    plain = contact_sheet(open_clip(arms.clip(tmp_path / "plain", known=False)), tmp_path / "p.png")
    sheet = contact_sheet(clip, tmp_path / "c.png")
    # One more row of tiles of 320 pixels: the skeleton over the frames.
    assert read_image(sheet).shape[0] - read_image(plain).shape[0] == 240 + 6


def test_a_plot_has_a_cursor_at_its_frames_and_gaps_where_nothing_is_known():
    line = np.linspace(0, 1, 101)
    line[40:61] = np.nan
    plot = draw_curves(Curves("x", "m", ("a",), line[:, None]), 500, (0, 50), height=150)
    tint = np.array([86, 180, 233])
    near = (np.abs(plot.astype(int) - tint).sum(-1) < 120)[24:141]
    found = np.flatnonzero(near.any(axis=0))
    left, width = 66, 500 - 66 - 12
    assert not [c for c in found if left + 0.41 * width < c < left + 0.59 * width]
    assert found.min() <= left + 1 and found.max() >= left + width - 1
    column = left + width // 2
    assert (plot[30:130, column] == 90).all()
