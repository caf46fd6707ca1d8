"""Several episodes and cameras are recorded as one dataset; the tabletop's cameras are in step."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from simlift import cli
from simlift.core.errors import RecipeError
from simlift.passes.record import record_episodes
from simlift.passes.recorded_dataset import PlannedEpisode, record_dataset
from simlift.scale.progress import Silent
from simlift.simulators.mjcf.scene import ModelScene
from simlift.sources import open_clip, open_clips
from simlift.sources.datasets import dataset_of, open_dataset

MODEL = """<mujoco>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="left" pos="-1 -2 1" xyaxes="1 -0.4 0 0.2 0.4 1"/>
    <camera name="right" pos="1 -2 1" xyaxes="1 0.4 0 -0.2 0.4 1"/>
    <geom name="floor" type="plane" size="2 2 0.1" rgba="0.5 0.5 0.5 1"/>
    <body name="ball" pos="0 0 0.6"><freejoint/><geom size="0.2" rgba="0.9 0.3 0.1 1"/></body>
  </worldbody>
</mujoco>
"""
FRAMES = 4


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    model = tmp_path_factory.mktemp("model") / "ball.xml"
    model.write_text(MODEL)
    return ModelScene(model, height=32, width=48, fps=10, num_frames=FRAMES)


def views(scene):
    return {c: replace(scene, camera=c).simulate(0) for c in ("left", "right")}


@pytest.mark.mujoco
def test_two_episodes_of_two_cameras(tmp_path, scene):
    out = tmp_path / "out"
    episodes = [
        PlannedEpisode(k, f"episode_{k:06d}", FRAMES, partial(views, scene), tasks=("fall",))
        for k in range(2)
    ]
    record_dataset(
        out, episodes, ("left", "right"), fps=Fraction(10), settings={"seed": 0}, progress=Silent()
    )
    dataset = open_dataset(out)
    assert [e.tasks for e in dataset.episodes] == [("fall",)] * 2
    assert dataset.rows(dataset.episodes[1]).column_names == ["state", "action", "timestamp"]
    assert dataset.features["state"].shape == (7,)
    assert dataset.features["state"].names == tuple(f"qpos_{i}" for i in range(7))
    left, right, *others = open_clips(out)
    assert len(others) == 2
    np.testing.assert_array_equal(left.objects.poses, right.objects.poses)
    assert (left.camera.world_to_camera[0] != right.camera.world_to_camera[0]).any()
    assert left.actions == out / "episode_000000" / "actions.parquet"
    assert dataset_of(left).episodes == dataset.episodes


@pytest.mark.mujoco
def test_the_cameras_of_the_tabletop_are_in_step():
    """Two frames are rendered of one simulation; bodies are where every camera says."""
    from simlift.simulators.tabletop.scene import Tabletop

    seen = ("front", "wrist")
    recordings = Tabletop(height=36, width=64, num_frames=60).views(0, seen)
    frames = {}
    for camera, recording in recordings.items():
        episode = recording.render.__self__
        frames[camera] = list(replace(episode, states=episode.states[[0, 30]]).render())
        assert recording.robot is recordings["front"].robot
        assert recording.labels == recordings["front"].labels
    first = frames["front"]
    for mine, other in zip(frames["wrist"], first):
        np.testing.assert_array_equal(mine.object_poses, other.object_poses)
    for camera, moves in (("front", False), ("wrist", True)):
        before, after = (f.world_to_camera for f in frames[camera])
        assert np.allclose(before, after) != moves
    # The camera on the hand sees what it carries: the lemon, in the second frame.
    lemon = next(i for i, n in recordings["wrist"].labels.items() if n.name == "lemon")
    assert (frames["wrist"][1].segmentation == lemon).mean() > 0.01
    track = recordings["wrist"].robot
    link = track.poses_of(("panda_link7",))[[0, 30], 0]
    fixed = np.array([f.world_to_camera for f in frames["wrist"]]) @ link
    np.testing.assert_allclose(fixed[0], fixed[1], atol=1e-6)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["replay"], "FILE"),
        (["replay", "a.h5", "--frames", "3"], "--frames"),
        (["replay", "a.h5", "--camera", "a", "--cameras", "b"], "one of the two"),
        (["replay", "a.h5", "--twin"], "--twin"),
        (["tabletop", "--episode", "demo_0"], "--episode"),
        (["tabletop", "--assets", "a"], "--assets"),
        (["tabletop", "--episodes", "0:5"], "how many"),
        (["tabletop", "--episodes", "0"], "1 or more"),
        (["tabletop", "--cameras", "top"], "front, side, wrist"),
        (["drive", "--cameras", "front"], "--cameras"),
        (["replay", "a.h5"], "does not exist"),
    ],
)
def test_flags_that_do_not_belong_are_refused(tmp_path, capsys, words, found):
    with pytest.raises(SystemExit) as left:
        cli.main(["record", *words, "--out", str(tmp_path / "out")])
    assert left.value.code == 2
    assert found in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_the_tabletop_refuses_cameras_it_has_not(tmp_path):
    with pytest.raises(RecipeError, match="front, side, wrist"):
        record_episodes(tmp_path / "out", Silent(), count=1, cameras=["top"])
    assert not (tmp_path / "out").exists()
    with pytest.raises(Exception, match="does not exist"):
        open_clip(tmp_path / "out")
