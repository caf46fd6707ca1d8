"""Takes go back as LeRobot datasets: rows byte for byte, frames where the tables say."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import datasets as tiny
from tiny.scored_runs import judged, lifted

from simlift.core.dataset import Dataset, short_name
from simlift.core.errors import InputError, RunError
from simlift.core.layers import Layer
from simlift.core.run import Run, TakeKey
from simlift.exports.datasets._columns import NUMBERED, RowSettings, _named
from simlift.exports.datasets._lerobot_v21 import modality
from simlift.media.dataset_manifest import DatasetManifest, EpisodeEntry
from simlift.passes.export_dataset import DatasetOptions, export_dataset
from simlift.scale.progress import Silent
from simlift.sources import open_clips
from simlift.sources.datasets import open_dataset
from simlift.sources.native_dataset import NativeDataset

FORMATS = ("lerobot-v3", "lerobot-v2.1")
FREE = ("timestamp", *(name for name in ("observation.state", "action", "next.reward", "gripper")))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Datasets, and runs of them that were judged: two variants of every episode and camera."""
    folder = tmp_path_factory.mktemp("exports")
    tiny.lerobot_v3(folder / "v3")
    tiny.lerobot_v21(folder / "v21")
    tiny.robomimic(folder / "robomimic.hdf5")
    judged(lifted(open_clips(folder / "v3"), folder / "run", ("one", "two")))
    judged(lifted(open_clips(folder / "v3", cameras=["front"]), folder / "front"))
    judged(lifted(open_clips(folder / "v21"), folder / "run21"))
    judged(lifted(open_clips(folder / "robomimic.hdf5"), folder / "run_hdf5"))
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(made / "run", tmp_path / "run")))


def export(run: Run | Path, out: Path, format: str = "lerobot-v3", **options):
    run = run if isinstance(run, Run) else Run(run)
    return export_dataset(run, format, out, DatasetOptions(**options), progress=Silent())


def provenance(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "meta/simlift.jsonl").read_text().splitlines()]


def shown(dataset: Dataset, index: int, camera: str) -> list[int]:
    """The numbers that the frames of an episode carry."""
    with dataset.clip(dataset.episodes[index], camera).open([Layer.RGB]) as reader:
        count = dataset.episodes[index].num_frames
        return tiny.number_of(np.asarray(reader.window(range(count)).rgb))


def buffers(column: pa.ChunkedArray) -> tuple[object, ...]:
    """The type of a column and the bytes of its numbers, without what is left over in memory."""
    flat = column.combine_chunks()
    kinds = []
    while pa.types.is_list(flat.type) or pa.types.is_fixed_size_list(flat.type):
        kinds.append(type(flat.type).__name__)
        flat = flat.flatten()
    assert flat.null_count == 0
    return (*kinds, str(flat.type), np.asarray(flat.to_numpy(zero_copy_only=False)).tobytes())


@pytest.mark.parametrize("name, run", [("v3", "run"), ("v21", "run21")])
@pytest.mark.parametrize("format", FORMATS)
def test_rows_are_those_of_the_source_and_frames_lie_where_tables_say(
    made: Path, tmp_path: Path, format, name, run
):
    result = export(made / run, tmp_path / "out", format)
    source, out = open_dataset(made / name), open_dataset(tmp_path / "out")
    rows = provenance(tmp_path / "out")
    variants = [None, "one", "two"] if run == "run" else [None, "one"]
    # Each original enters once: three, where six were lifted.
    assert [(r["source_episode"], r["variant"]) for r in rows] == [
        (source.episodes[k].key or source.episodes[k].name, v) for k in range(3) for v in variants
    ]
    assert [e.index for e in out.episodes] == list(range(len(rows)))
    assert (result.episodes, result.lifted) == (len(rows), 3 * len(variants) - 3)
    begin = 0
    for index, row in enumerate(rows):
        number = index // len(variants)
        before, after = source.rows(source.episodes[number]), out.rows(out.episodes[index])
        for column in FREE:
            assert buffers(after[column]) == buffers(before[column]), column
        count = len(before)
        assert after["episode_index"].to_pylist() == [index] * count
        assert after["index"].to_pylist() == list(range(begin, begin + count))
        assert after["frame_index"].to_pylist() == list(range(count))
        begin += count
        kind = "recorded" if row["variant"] is None else "generated"
        assert set(after["source"].to_pylist()) == {kind}
        assert row["generated"] == (kind == "generated")
        for camera in out.cameras:
            due = [tiny.number(number, short_name(camera), t) for t in range(count)]
            assert shown(out, index, camera) == due
    info = tiny.read_info(tmp_path / "out")
    assert (info["total_episodes"], info["total_frames"]) == (len(rows), begin)
    assert info["features"]["action"]["names"] == ["x", "z"]
    assert out.episodes[0].tasks == ("move the hand",)


def test_times_in_videos_are_whole_frames(made: Path, tmp_path: Path):
    export(made / "run", tmp_path / "out")
    table = pq.read_table(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    key, ends = "videos/observation.images.front", {}
    for row in table:
        place = row[f"{key}/file_index"]
        first = ends.get(place, 0)
        assert row[f"{key}/from_timestamp"] == first / tiny.FPS
        assert row[f"{key}/to_timestamp"] == (first + row["length"]) / tiny.FPS
        ends[place] = first + row["length"]
    assert sum(ends.values()) == sum(row["length"] for row in table)


def test_statistics_are_those_of_the_rows(made: Path, tmp_path: Path):
    export(made / "run", tmp_path / "out", originals=0)
    stats = json.loads((tmp_path / "out/meta/stats.json").read_text())
    values = np.concatenate([tiny.rows_of(k, n)["state"] for k, n in enumerate(tiny.EPISODES)] * 2)
    values = values.astype(np.float32).astype(np.float64)
    found = stats["observation.state"]
    assert found["count"] == [len(values)]
    for name, due in (("min", values.min(0)), ("max", values.max(0)), ("mean", values.mean(0))):
        np.testing.assert_allclose(found[name], due, atol=1e-9)
    np.testing.assert_allclose(found["std"], values.std(0), atol=1e-9)
    row = pq.read_table(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet").to_pylist()[0]
    first = tiny.rows_of(0, tiny.EPISODES[0])["state"].astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(row["stats/observation.state/q10"], np.quantile(first, 0.1, 0))
    picture = stats["observation.images.front"]
    assert np.shape(picture["mean"]) == (3, 1, 1)
    assert all(0 <= v[0][0] <= 1 for v in picture["q99"])


def test_a_rejected_camera_keeps_its_episode_out(run: Run, tmp_path: Path):
    judged(run, {"episode_000001.wrist/one": "flicker 3 is above 2"})
    result = export(run, tmp_path / "out", originals=0)
    kept = [(r["source_name"], r["variant"]) for r in provenance(tmp_path / "out")]
    assert ("episode_000001", "one") not in kept
    assert (len(kept), result.left) == (5, 1)
    assert json.loads((tmp_path / "out/redo.json").read_text()) == [
        {
            "dataset": "v3",
            "episode": "episode_000001",
            "variant": "one",
            "reasons": ["episode_000001.wrist: flicker 3 is above 2"],
        }
    ]
    card = (tmp_path / "out/README.md").read_text()
    assert "generated, not recorded" in card
    assert "Yield: 5 of 6" in card
    assert "license: other\nlicense_name: unknown" in card


@pytest.mark.parametrize("variants", [("one",), ("one", "two")])
def test_a_camera_without_a_take_keeps_its_episode_out(run: Run, tmp_path: Path, variants):
    for variant in variants:
        run.take_video(TakeKey("episode_000002.wrist", variant)).unlink()
    export(run, tmp_path / "out", originals=0, other_cameras="drop")
    left = json.loads((tmp_path / "out/redo.json").read_text())
    assert [(each["episode"], each["variant"]) for each in left] == [
        ("episode_000002", variant) for variant in variants
    ]
    assert all("wrist has no take" in each["reasons"][0] for each in left)
    out = open_dataset(tmp_path / "out")
    assert (len(out.cameras), len(out.episodes)) == (2, 6 - len(variants))


def test_takes_without_a_verdict_are_refused_or_said(run: Run, tmp_path: Path):
    run.score_file(TakeKey("episode_000000.front", "two")).unlink()
    with pytest.raises(RunError, match="episode_000000.front/two has no verdict.*simlift score"):
        export(run, tmp_path / "out")
    export(run, tmp_path / "out", unscored=True)
    assert "1 of them have no verdict" in (tmp_path / "out/README.md").read_text()


def test_other_cameras_are_copied_or_dropped_as_stated(made: Path, tmp_path: Path):
    with pytest.raises(InputError, match="--other-cameras.*wrist.*copy.*drop"):
        export(made / "front", tmp_path / "out")
    assert not list(tmp_path.iterdir())
    export(made / "front", tmp_path / "copy", other_cameras="copy")
    export(made / "front", tmp_path / "drop", other_cameras="drop")
    copied = open_dataset(tmp_path / "copy")
    assert shown(copied, 3, "observation.images.wrist") == [
        tiny.number(1, "wrist", t) for t in range(tiny.EPISODES[1])
    ]
    row = provenance(tmp_path / "copy")[3]["cameras"]["observation.images.wrist"]
    assert row == {"recorded": True}
    assert open_dataset(tmp_path / "drop").cameras == ("observation.images.front",)


@pytest.mark.parametrize("ratio, originals", [(0, 0), (0.34, 2), (0.5, 3), (4, 3)])
def test_originals_are_a_share_of_the_lifted(made: Path, tmp_path: Path, ratio, originals):
    export(made / "run", tmp_path / "out", originals=ratio, format="folders")
    rows = provenance(tmp_path / "out")
    plain = [row["source_name"] for row in rows if row["variant"] is None]
    assert (len(plain), len(set(plain)), len(rows)) == (originals, originals, 6 + originals)


def test_demonstrations_become_lerobot(made: Path, tmp_path: Path):
    with pytest.raises(InputError, match="demo_0.*--task"):
        export(made / "run_hdf5", tmp_path / "out")
    result = export(made / "run_hdf5", tmp_path / "out", task="move the hand", originals=0)
    source, out = open_dataset(made / "robomimic.hdf5"), open_dataset(tmp_path / "out")
    for k, episode in enumerate(source.episodes):
        before, after = source.rows(episode), out.rows(out.episodes[k])
        assert buffers(after["action"]) == buffers(before["actions"])
        joined = [before["obs/robot0_eef_pos"], before["obs/robot0_joint_pos"]]
        due = np.concatenate([np.array(column.to_pylist()) for column in joined], axis=1)
        assert np.array_equal(np.array(after["observation.state"].to_pylist()), due)
    assert any("observation.state joins obs/robot0_eef_pos" in note for note in result.notes)
    names = tiny.read_info(tmp_path / "out")["features"]["observation.state"]["names"]
    assert names[:2] == ["robot0_eef_pos.0", "robot0_eef_pos.1"]
    assert out.rows(out.episodes[0])["timestamp"].to_pylist() == [
        float(np.float32(t / tiny.FPS)) for t in range(tiny.EPISODES[0])
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_episodes_are_appended_once(made: Path, tmp_path: Path, format):
    out = tmp_path / "out"
    part = judged(
        lifted(open_clips(made / "v3", episodes="0:2"), tmp_path / "part", ("one", "two"))
    )
    export(part, out, format)
    first = {p.relative_to(out): p.read_bytes() for p in (out / "data").rglob("*.parquet")}
    with pytest.raises(RunError, match="is there already.*--append"):
        export(made / "run", out, format)
    made_now = export(made / "run", out, format, append=True)
    assert made_now.episodes == 3
    assert {name: (out / name).read_bytes() for name in first} == first
    whole = open_dataset(out)
    rows = provenance(out)
    assert [row["episode_index"] for row in rows] == list(range(9))
    assert [(r["source_name"], r["variant"]) for r in rows[6:]] == [
        ("episode_000002", v) for v in (None, "one", "two")
    ]
    assert shown(whole, 8, "observation.images.wrist") == [
        tiny.number(2, "wrist", t) for t in range(12)
    ]
    table = whole.rows(whole.episodes[8])
    assert table["index"].to_pylist()[-1] == 3 * sum(tiny.EPISODES) - 1
    export(made / "run", tmp_path / "at_once", format)
    stats = [json.loads((p / "meta/stats.json").read_text()) for p in (out, tmp_path / "at_once")]
    for name in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(stats[0]["action"][name], stats[1]["action"][name], atol=1e-12)
    again = export(made / "run", out, format, append=True)
    assert (again.episodes, again.frames, len(provenance(out))) == (0, 0, 9)
    assert "9 episodes were there already" in again.notes[-1]
    assert not (tmp_path / ".out.work").exists()


def test_only_an_export_of_the_format_is_appended_to(made: Path, tmp_path: Path):
    export(made / "front", tmp_path / "out", other_cameras="drop")
    with pytest.raises(RunError, match="holds lerobot-v3.*lerobot-v2.1"):
        export(made / "front", tmp_path / "out", "lerobot-v2.1", other_cameras="drop", append=True)
    with pytest.raises(InputError, match="observation.images.wrist"):
        export(made / "run", tmp_path / "out", append=True)
    copy = Path(shutil.copytree(made / "v3", tmp_path / "v3"))
    with pytest.raises(RunError, match="is no export of simlift"):
        export(made / "run", copy, append=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "v3"]


class Stopping(Silent):
    """Ends the process, as it were, after some episodes."""

    def __init__(self, after: int) -> None:
        self.after = after

    def task(self, name, total):  # type: ignore[no-untyped-def]
        from contextlib import contextmanager

        @contextmanager
        def counted():
            def advance(count: int) -> None:
                self.after -= 1
                if self.after == 0:
                    raise KeyboardInterrupt

            yield advance

        return counted()


@pytest.mark.parametrize("format", ["lerobot-v3", "robomimic"])
def test_a_stopped_export_goes_on_and_is_whole_or_not_there(made: Path, tmp_path: Path, format):
    run = Run(made / ("run_hdf5" if format == "robomimic" else "run"))
    options = DatasetOptions(codec="keep" if format == "robomimic" else "h264", originals=0)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        export_dataset(run, format, out, options, progress=Stopping(2))
    assert not out.exists()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / ".out.work").rglob("*.*") if p.is_file()}
    kept = {p: t for p, t in kept.items() if p.suffix in (".mp4", ".hdf5")}
    assert len(kept) == (2 if format == "robomimic" else 4)
    seen = []

    class Looking(Silent):
        def task(self, name, total):  # type: ignore[no-untyped-def]
            seen.extend(p.stat().st_mtime_ns == t for p, t in kept.items())
            return super().task(name, total)

    export_dataset(run, format, out, options, progress=Looking())
    export_dataset(run, format, tmp_path / "whole", options, progress=Silent())
    assert seen and all(seen)
    names = {p.relative_to(out) for p in out.rglob("*") if p.is_file()}
    assert names == {
        p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*.*") if p.is_file()
    }
    for name in names - {Path("README.md"), Path("dataset.hdf5")}:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_what_was_kept_of_another_take_is_not_used(run: Run, tmp_path: Path):
    options = DatasetOptions(codec="h264", originals=0)
    with pytest.raises(KeyboardInterrupt):
        export_dataset(run, "lerobot-v3", tmp_path / "out", options, progress=Stopping(2))
    tiny.mp4(run.take_video(TakeKey("episode_000000.front", "one")), tiny.pictures(3, "front", 12))
    export_dataset(run, "lerobot-v3", tmp_path / "out", options, progress=Silent())
    found = shown(open_dataset(tmp_path / "out"), 0, "observation.images.front")
    assert found == [tiny.number(3, "front", t) for t in range(12)]


def test_an_export_that_was_moved_aside_comes_back(made: Path, tmp_path: Path):
    out, before = tmp_path / "out", tmp_path / ".out.work" / "before"
    export(made / "front", out, other_cameras="drop")
    before.parent.mkdir()
    out.replace(before)  # a process that was killed between two renames
    with pytest.raises(RunError, match="is there already"):
        export(made / "front", out, other_cameras="drop")
    assert len(provenance(out)) == 6


def test_shards_are_all_together(made: Path, tmp_path: Path):
    found = []
    for part in range(2):
        export(made / "run", tmp_path / f"{part}", shard=(part, 2))
        found += [(r["source_name"], r["variant"]) for r in provenance(tmp_path / f"{part}")]
    assert len(found) == len(set(found)) == 9
    with pytest.raises(InputError, match="--shard"):
        export(made / "run", tmp_path / "out", shard=(2, 2))


def test_what_was_generated_stays_generated(made: Path, tmp_path: Path):
    export(made / "run", tmp_path / "once", originals=0)
    clips = open_clips(tmp_path / "once", episodes="0:1")
    export(judged(lifted(clips, tmp_path / "run")), tmp_path / "twice")
    rows, out = provenance(tmp_path / "twice"), open_dataset(tmp_path / "twice")
    assert [(r["variant"], r["generated"]) for r in rows] == [(None, True), ("one", True)]
    assert rows[0]["handed_on"]["source_dataset"] == "v3"
    for episode in out.episodes:
        assert set(out.rows(episode)["source"].to_pylist()) == {"generated"}


def rewrite(dataset: Path, change) -> None:
    for file in (dataset / "data").rglob("*.parquet"):
        pq.write_table(change(pq.read_table(file)), file)


def test_a_column_named_source_is_not_written_over(made: Path, tmp_path: Path):
    copy = Path(shutil.copytree(made / "v3", tmp_path / "v3"))
    rewrite(copy, lambda t: t.append_column("source", pa.array(["lab 3"] * len(t))))
    features = tiny.read_info(copy)["features"]
    features["source"] = {"dtype": "string", "shape": [1], "names": None}
    tiny.edit_info(copy, features=features)
    run = judged(lifted(open_clips(copy, cameras=["front"]), tmp_path / "run"))
    with pytest.raises(InputError, match="column source of its own.*lab 3"):
        export(run, tmp_path / "out", other_cameras="drop")
    assert not (tmp_path / "out").exists()


def test_rows_that_are_no_numbers_come_back(made: Path, tmp_path: Path):
    copy = Path(shutil.copytree(made / "v3", tmp_path / "v3"))

    def spoil(table: pa.Table) -> pa.Table:
        values = table["gripper"].to_numpy().copy()
        values[3] = np.nan
        return table.set_column(table.column_names.index("gripper"), "gripper", pa.array(values))

    rewrite(copy, spoil)
    run = judged(lifted(open_clips(copy, cameras=["front"]), tmp_path / "run"))
    export(run, tmp_path / "out", other_cameras="drop")
    source, out = open_dataset(copy), open_dataset(tmp_path / "out")
    for k in (0, 1):
        before, after = source.rows(source.episodes[0]), out.rows(out.episodes[k])
        assert buffers(after["gripper"]) == buffers(before["gripper"])
    assert np.isnan(json.loads((tmp_path / "out/meta/stats.json").read_text())["gripper"]["mean"])


def test_takes_of_another_size_do_not_mix_with_originals(run: Run, tmp_path: Path):
    for take in run.takes():
        file = run.take_file(take.key)
        data = json.loads(file.read_text()) | {"height": 48, "width": 64}
        file.write_text(json.dumps(data))
    with pytest.raises(InputError, match="64x48.*32x24.*--originals 0"):
        export(run, tmp_path / "out")


def test_state_is_for_other_formats(made: Path, tmp_path: Path):
    with pytest.raises(InputError, match="--state"):
        export(made / "run", tmp_path / "out", state=("gripper",))


def test_modality_names_the_parts_of_state_and_action():
    columns = {
        "observation.state": {
            "dtype": "float32",
            "shape": [5],
            "names": ["joint_pos.0", "joint_pos.1", "joint_pos.2", "hand.width", "joint_pos.0"],
        },
        "action": {"dtype": "float32", "shape": [2], "names": None},
        "source": {"dtype": "string", "shape": [1], "names": None},
    }
    column = {"original_key": "observation.state"}
    assert modality(columns, ["observation.images.front"]) == {
        "state": {
            "joint_pos": {"start": 0, "end": 3, **column},
            "hand.width": {"start": 3, "end": 4, **column},
            "joint_pos_4": {"start": 4, "end": 5, **column},
        },
        "action": {"action": {"start": 0, "end": 2, "original_key": "action"}},
        "video": {"front": {"original_key": "observation.images.front"}},
        "annotation": {"human.task_description": {"original_key": "task_index"}},
    }
    assert NUMBERED[0] == "timestamp"


def test_two_columns_of_one_name_are_refused():
    """A joined state never disappears behind a column that is called so already."""
    entry = EpisodeEntry(0, "a", 1, cameras={"front": "a"})
    manifest = DatasetManifest("simlift-dataset/1", "set", Fraction(20), (entry,))
    dataset = NativeDataset(Path("set"), manifest)
    table = pa.table({"obs/state": [[1.0, 2.0]], "obs/eef_pos": [[3.0, 4.0]], "actions": [[0.0]]})
    columns, _, notes = _named(dataset, table, RowSettings())
    assert columns["observation.state"].to_pylist() == [[1.0, 2.0]] and not notes
    with pytest.raises(InputError, match="would be called observation.state"):
        _named(dataset, table, RowSettings(state=("eef_pos",)))
    with pytest.raises(InputError, match="would be called action"):
        _named(dataset, table.append_column("action", pa.array([[1.0]])), RowSettings())
    columns, _, _ = _named(dataset, table, RowSettings(state=("state",)))
    assert columns["observation.state"].to_pylist() == [[1.0, 2.0]]
