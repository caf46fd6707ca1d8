"""Datasets of native clips: dataset.json, its rows, and a lone clip as a dataset of one."""

import json
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import clips as builders

from simlift.core.dataset import Feature
from simlift.core.errors import ClipError, RecipeError, SimliftError
from simlift.core.layers import Layer
from simlift.media.dataset_manifest import (
    DatasetManifest,
    EpisodeEntry,
    EpisodeSource,
    read_manifest,
    write_manifest,
)
from simlift.sources import open_clip, open_clips
from simlift.sources.datasets import dataset_of, open_dataset

FRAMES = 3
SOURCE = EpisodeSource("/data/a.hdf5", "robomimic", "demo_4", "00ff", 12)


def entry(index, **changes):
    name = f"episode_{index:06d}"
    fields = {
        "cameras": {c: f"{name}/{c}" for c in ("front", "wrist")},
        "actions": f"{name}/actions.parquet",
        "tasks": ("lift the cube",),
    }
    return EpisodeEntry(index, name, FRAMES, **(fields | changes))


def write_rows(file, count=FRAMES, **columns):
    table = pa.table(
        {
            "state": pa.array([[0.5 * k, 1.0] for k in range(count)], pa.list_(pa.float64(), 2)),
            "action": pa.array(list(range(count)), pa.int8()),
            **columns,
        },
        metadata={"state_names": "shoulder,elbow"},
    )
    pq.write_table(table, file)
    return table


@pytest.fixture
def folder(tmp_path):
    episodes = (entry(4, source=SOURCE), entry(7, success=True))
    for episode in episodes:
        for place in episode.cameras.values():
            builders.native(tmp_path / place, [Layer.RGB, Layer.DEPTH], FRAMES)
        write_rows(tmp_path / episode.actions)
    fps = open_clip(tmp_path / "episode_000004" / "front").fps
    write_manifest(
        tmp_path, DatasetManifest("simlift-dataset/1", "d", fps, episodes, "panda", "MIT")
    )
    return tmp_path


def edit(folder, change):
    data = json.loads((folder / "dataset.json").read_text())
    change(data)
    (folder / "dataset.json").write_text(json.dumps(data))


def test_the_manifest_comes_back_as_it_was_written(folder):
    manifest = read_manifest(folder)
    assert manifest.episodes == (entry(4, source=SOURCE), entry(7, success=True))
    before = (folder / "dataset.json").read_bytes()
    write_manifest(folder, manifest)
    assert (folder / "dataset.json").read_bytes() == before


def test_episodes_cameras_and_rows(folder):
    dataset = open_dataset(folder)
    assert dataset.cameras == ("front", "wrist")
    assert [(e.index, e.key, e.success) for e in dataset.episodes] == [
        (4, "demo_4", None), (7, "", True)
    ]  # fmt: skip
    assert (dataset.robot_type, dataset.licence) == ("panda", "MIT")
    assert dataset.features == {
        "state": Feature("float64", (2,), ("shoulder", "elbow")),
        "action": Feature("int8", ()),
    }
    rows = dataset.rows(dataset.episodes[1])
    assert rows.schema.field("action").type == pa.int8()
    assert dataset.files(dataset.episodes[0]) == (folder / "episode_000004" / "actions.parquet",)
    clips = open_clips(folder, episodes="demo_4,7", cameras=["wrist"])
    assert [c.name for c in clips] == ["episode_000004.wrist", "episode_000007.wrist"]
    assert clips[0].group == "episode_000004"
    assert Layer.DEPTH in clips[0]
    assert dataset_of(clips[0]).path == folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(format="simlift-dataset/2"), "simlift-dataset/1"),
        (lambda d: d.update(episodes=[]), "episodes.*at least one"),
        (lambda d: d["episodes"][1].update(index=4), "4 is there twice"),
        (lambda d: d["episodes"][1].update(name="episode_000004"), "is there twice"),
        (lambda d: d["episodes"][1].update(name="../x"), "a file name"),
        (lambda d: d["episodes"][0]["cameras"].update(front="../../x"), "leads out"),
        (lambda d: d["episodes"][0].update(actions="/x.parquet"), "leads out"),
        (lambda d: d["episodes"][0].update(cameras={"front": "a"}), "those of episode_000004"),
        (lambda d: d.update(frames=3), "unknown key"),
        (lambda d: d.update(fps=0), "above 0"),
    ],
)
def test_a_wrong_manifest_is_refused(folder, change, words):
    edit(folder, change)
    with pytest.raises(SimliftError, match=words):
        open_dataset(folder)


def test_missing_files_and_other_lengths_are_refused(folder):
    dataset = open_dataset(folder)
    episode = dataset.episodes[1]
    write_rows(folder / "episode_000007" / "actions.parquet", FRAMES + 1)
    with pytest.raises(ClipError, match="4 rows for 3 frames"):
        dataset.rows(episode)
    (folder / "episode_000007" / "actions.parquet").unlink()
    with pytest.raises(ClipError, match=r"names episode_000007/actions\.parquet"):
        open_clips(folder)
    (folder / "episode_000007" / "wrist" / "clip.json").unlink()
    with pytest.raises(ClipError, match=r"names episode_000007/wrist/clip\.json"):
        open_clips(folder, episodes="7")
    edit(folder, lambda d: d["episodes"][0].update(num_frames=5, actions=None))
    longer = open_dataset(folder)
    with pytest.raises(ClipError, match="holds 3 frames"):
        longer.clip(longer.episodes[0], "front")
    with pytest.raises(ClipError, match="names no rows"):
        longer.rows(longer.episodes[0])


def test_times_of_another_rate_are_refused(folder):
    dataset = open_dataset(folder)
    file = folder / "episode_000004" / "actions.parquet"
    times = np.arange(FRAMES) / float(dataset.fps)
    write_rows(file, timestamp=pa.array(times))
    assert "timestamp" in dataset.rows(dataset.episodes[0]).column_names
    write_rows(file, timestamp=pa.array(2 * times))
    with pytest.raises(ClipError, match="row 1 has the timestamp"):
        dataset.rows(dataset.episodes[0])


def test_options_that_clips_say_themselves_are_refused(folder):
    from simlift.core.read_options import ReadOptions

    with pytest.raises(RecipeError, match="--fps"):
        open_dataset(folder, ReadOptions(fps=Fraction(5)))


def test_clips_that_nothing_joins_are_no_dataset(folder):
    (folder / "dataset.json").unlink()
    with pytest.raises(ClipError, match=r"native clips without a dataset\.json.*one by one"):
        open_clip(folder)


def test_another_dataset_json_is_not_ours(tmp_path):
    (tmp_path / "dataset.json").write_text('{"labels": []}')
    with pytest.raises(ClipError, match="no known layout"):
        open_clip(tmp_path)


def test_a_lone_clip_is_a_dataset_of_one_episode(tmp_path):
    builders.native(tmp_path / "clip", [Layer.RGB], FRAMES)
    write_rows(tmp_path / "clip" / "actions.parquet")
    builders.edit_manifest(tmp_path / "clip", actions="actions.parquet", caption="lift it")
    clip = open_clip(tmp_path / "clip")
    dataset = dataset_of(clip)
    (episode,) = dataset.episodes
    assert dataset.cameras == ("main",)
    assert (episode.name, episode.num_frames, episode.tasks) == (clip.name, FRAMES, ("lift it",))
    assert dataset.rows(episode).num_rows == FRAMES
    opened = dataset.clip(episode, "main")
    assert (opened.name, opened.origin) == (clip.name, None)
    dataset.check(dataset.episodes, dataset.cameras)


def test_a_lone_clip_without_rows_says_so(tmp_path):
    builders.native(tmp_path / "clip", [Layer.RGB], FRAMES)
    dataset = dataset_of(open_clip(tmp_path / "clip"))
    assert dataset.features == {}
    assert dataset.files(dataset.episodes[0]) == ()
    with pytest.raises(ClipError, match=r"clip\.json.*names no rows"):
        dataset.rows(dataset.episodes[0])
