"""Datasets go through a run: looks and seeds of an episode, words, resuming, faults of videos."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tiny import clips as builders
from tiny import datasets as tiny

from simlift import cli
from simlift.core.clip import Clip
from simlift.core.dataset import short_name
from simlift.core.errors import ClipError, RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, TakeKey
from simlift.engines.echo import Echo
from simlift.passes.agreement import examine, first_of_each
from simlift.passes.lift import LiftResult, lift_clips
from simlift.passes.plan import plan_lift
from simlift.passes.score import source_clips
from simlift.passes.tables import print_plans
from simlift.passes.variants import variants_of
from simlift.scale.progress import Silent
from simlift.sources import open_clip, open_clips

ECHO = Recipe(variants=(Variant("echo", Plugin.of(Echo())),))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Datasets of every kind, encoded once."""
    folder = tmp_path_factory.mktemp("datasets")
    tiny.lerobot_v3(folder / "v3")
    tiny.lerobot_v21(folder / "v21")
    tiny.robomimic(folder / "robomimic.hdf5")
    return folder


@pytest.fixture
def v21(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "v21", tmp_path / "v21"))


def run_of(clips: list[Clip], out: Path, recipe: Recipe = ECHO) -> LiftResult:
    return lift_clips(clips, recipe, out, progress=Silent())


def frames_of(video: Path) -> list[int]:
    return tiny.video_numbers(video)


def due(clip: Clip) -> list[int]:
    camera = short_name(clip.origin.camera)
    return [tiny.number(clip.origin.episode, camera, t) for t in range(clip.num_frames)]


@pytest.mark.parametrize("name", ["v3", "v21"])
def test_takes_are_the_frames_of_their_episode(made: Path, tmp_path: Path, name):
    clips = open_clips(made / name)
    result = run_of(clips, tmp_path / "run")
    assert (result.made, result.failures) == (6, ())
    run = Run(tmp_path / "run")
    for clip in clips:
        key = TakeKey(clip.name, "echo")
        assert frames_of(run.take_video(key)) == due(clip)
        take = next(take for take in run.takes() if take.key == key)
        assert take.origin == clip.origin
        again = open_clip(take.source, take.read_options)
        assert (again.name, again.origin) == (clip.name, clip.origin)


def test_cameras_of_an_episode_share_look_and_seed(made: Path):
    clips = open_clips(made / "v3")
    drawn = Recipe(variants=variants_of("photographic", count=3, seed=4, drawn=True), seed=4)
    shared = Recipe(variants=variants_of("photographic", count=3, seed=4), seed=4)
    for variant in drawn.variants:
        looks = {c.name: drawn.spec_for(variant, c.group) for c in clips}
        seeds = {c.name: drawn.seed_for(variant, c.group) for c in clips}
        for k in range(3):
            front, wrist = f"episode_{k:06d}.front", f"episode_{k:06d}.wrist"
            assert looks[front] == looks[wrist]
            assert seeds[front] == seeds[wrist]
        assert len(set(seeds.values())) == 3
        assert len({repr(look) for look in looks.values()}) == 3
    for variant in shared.variants:
        assert len({repr(shared.spec_for(variant, c.group)) for c in clips}) == 1


def lift(*words: object) -> int:
    """Run simlift lift in this process: its exit code."""
    with pytest.raises(SystemExit) as left:
        cli.main(["lift", *map(str, words), "--engine", "echo"])
    return left.value.code


def test_words_choose_episodes_and_cameras_and_a_run_goes_on(made: Path, tmp_path: Path, capsys):
    out = tmp_path / "run"
    where = ("--episodes", "1:", "--cameras", "wrist", "--looks", "shared", "--out", out)
    assert lift(made / "v3", *where) == 0
    names = sorted(p.parent.name for p in out.rglob("echo.mp4"))
    assert names == ["episode_000001.wrist", "episode_000002.wrist"]
    first = {p: p.read_bytes() for p in out.rglob("echo.mp4")}
    (out / "takes" / names[0] / "echo.mp4").unlink()
    assert lift(made / "v3", *where) == 0
    assert "1 takes made, 1 were there" in capsys.readouterr().out
    assert {p: p.read_bytes() for p in out.rglob("echo.mp4")} == first


@pytest.mark.parametrize(
    "words", [("--episodes", "9"), ("--cameras", "side"), ("--fps", "30"), ("--fov", "60")]
)
def test_words_that_do_not_fit_end_with_2(made: Path, tmp_path: Path, words, capsys):
    assert lift(made / "v3", *words, "--out", tmp_path / "run") == 2
    assert words[0] in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_clip_that_is_no_dataset_has_no_episodes(tmp_path: Path, capsys):
    video = tiny.mp4(tmp_path / "a.mp4", tiny.pictures(0, "front", 4))
    assert lift(video, "--episodes", "0", "--out", tmp_path / "run") == 2
    assert "which is no dataset" in capsys.readouterr().err


def test_demonstrations_are_lifted_upright(made: Path, tmp_path: Path):
    clips = open_clips(made / "robomimic.hdf5", episodes="valid")
    run_of(clips, tmp_path / "run")
    run = Run(tmp_path / "run")
    for clip in clips:
        take = next(take for take in run.takes() if take.clip == clip.name)
        assert any("turned upright" in note for note in take.notes)
        with clip.open([Layer.RGB]) as reader:
            source = reader.window(range(clip.num_frames)).rgb.astype(int)
        with open_clip(run.take_video(take.key)).open([Layer.RGB]) as reader:
            made_frames = reader.window(range(clip.num_frames)).rgb.astype(int)
        upright = np.abs(made_frames - source).mean()
        assert upright < 5 < np.abs(made_frames[:, ::-1] - source).mean()


def spoil(dataset: Path, episode: int, frames: np.ndarray) -> None:
    path = dataset / f"videos/chunk-000/observation.images.front/episode_{episode:06d}.mp4"
    tiny.mp4(path, frames)


def test_a_decoder_stuck_on_one_frame_is_refused(v21: Path, tmp_path: Path):
    spoil(v21, 0, np.repeat(tiny.picture(0, "front", 0, 12)[None], 12, 0))
    clips = open_clips(v21)
    with pytest.raises(
        ClipError, match="v21: episode_000000.front: .*pictures .* are the same, while a state"
    ):
        run_of(clips, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.mp4"))


def test_a_stuck_episode_among_others_is_refused_when_its_turn_comes(v21: Path, tmp_path: Path):
    spoil(v21, 1, np.repeat(tiny.picture(1, "front", 0, 9)[None], 9, 0))
    result = run_of(open_clips(v21), tmp_path / "run")
    assert [failure.name for failure in result.failures] == ["episode_000001.front"]
    assert "are the same, while a state" in result.failures[0].reason
    assert result.made == 5


def test_a_first_frame_from_before_the_reset_is_said(v21: Path, tmp_path: Path):
    frames = tiny.pictures(1, "front", 9)
    dark = frames // 4  # a scene of its own, darker than the one before
    dark[0] = tiny.picture(0, "front", 11, 12)
    spoil(v21, 1, dark)
    clips = open_clips(v21, episodes="1", cameras=("front",))
    run_of(clips, tmp_path / "run")
    (take,) = Run(tmp_path / "run").takes()
    assert any("frame 0 shows the last picture of the episode before" in n for n in take.notes)


def test_a_clock_is_no_robot_that_moves(tmp_path: Path):
    file = tiny.robomimic(tmp_path / "a.hdf5", episodes=(12, 12))
    with h5py.File(file, "r+") as tree:
        demo = tree["data/demo_1"]
        for name in ("obs/robot0_eef_pos", "obs/robot0_joint_pos", "obs/wrist_image"):
            demo[name][:] = demo[name][0]
        assert np.ptp(demo["states"][:, 0]) > 1
    assert examine(open_clips(file, episodes="1", cameras=("wrist",))[0]).findings == ()


def test_rows_are_compared_before_an_episode_is_lifted(v21: Path):
    file = v21 / "data/chunk-000/episode_000000.parquet"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ClipError, match="cannot be read as parquet"):
        examine(open_clips(v21)[0])


def test_one_clip_stands_for_each_camera_when_a_run_is_planned(made: Path):
    clips = open_clips(made / "v3")
    assert [c.name for c in first_of_each(clips)] == [
        "episode_000000.front",
        "episode_000000.wrist",
    ]


def test_a_plan_sums_all_episodes_and_measures_only_the_first(made: Path, capsys):
    plans = plan_lift(open_clips(made / "v3"), ECHO)
    assert [(plan.num_frames, plan.all_frames) for plan in plans] == [(12, 33), (12, 33)]
    print_plans(plans, Console(width=200))
    said = capsys.readouterr().out
    assert "together: 66 frames" in said
    assert said.count("33 frames in all") == 2


def test_a_plan_tells_datasets_with_equal_names_apart(made: Path):
    clips = [*open_clips(made / "v3"), *open_clips(made / "v21")]
    plans = plan_lift(clips, ECHO, measure=False)
    assert [plan.all_frames for plan in plans] == [33] * 4


def test_no_attempt_is_refused_before_a_plan(made: Path, tmp_path: Path, capsys):
    assert lift(made / "v3", "--out", tmp_path / "run", "--attempts", 0, "--dry-run") == 2
    assert "--attempts: found 0; allowed: at least 1" in capsys.readouterr().err


def test_a_plan_refuses_equal_names_as_a_run_does(made: Path, tmp_path: Path, capsys):
    assert lift(made / "v3", made / "v21", "--out", tmp_path / "run", "--dry-run") == 2
    assert "2 clips are named 'episode_000000.front'" in capsys.readouterr().err


def change_an_action(folder: Path, episode: int) -> None:
    """Change the first action of an episode of v2.1, where each has a file of rows."""
    (file,) = folder.rglob(f"data/**/episode_{episode:06d}.parquet")
    table = pq.read_table(file)
    actions = table["action"].to_pylist()
    actions[0][0] += 1.0
    column = pa.array(actions, table.schema.field("action").type)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", column), file)


def test_rows_that_change_after_the_lift_are_refused(v21: Path, tmp_path: Path):
    """An export would hand other actions back under verdicts that were given before."""
    run = Run(tmp_path / "run")
    run_of(open_clips(v21, episodes="0"), run.path)
    change_an_action(v21, 1)  # nothing to these takes
    assert len(source_clips(run)) == 2
    change_an_action(v21, 0)
    with pytest.raises(RunError, match="has changed since its takes were made"):
        source_clips(run)


def test_a_dataset_without_rows_can_be_lifted(tmp_path: Path):
    folder = tmp_path / "plain"
    builders.native(folder / "clip", [Layer.RGB])
    entry = {
        "index": 0,
        "name": "one",
        "num_frames": builders.FRAMES,
        "cameras": {"front": "clip"},
        "tasks": ["look"],
    }
    told = {"format": "simlift-dataset/1", "name": "plain", "fps": 24, "episodes": [entry]}
    (folder / "dataset.json").write_text(json.dumps(told))
    assert run_of(open_clips(folder), tmp_path / "run").made == 1
    assert [take.rows_digest for take in Run(tmp_path / "run").takes()] == [""]
