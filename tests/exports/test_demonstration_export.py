"""Demonstrations go back as HDF5: every attribute kept, every other byte the same; and folders."""

import hashlib
import json
import shutil
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny import datasets as tiny
from tiny.scored_runs import judged, lifted

from simlift.core.errors import InputError, RunError
from simlift.core.layers import Layer
from simlift.core.run import Run, TakeKey
from simlift.media.dataset_manifest import (
    DatasetManifest,
    EpisodeEntry,
    EpisodeSource,
    write_manifest,
)
from simlift.media.native import write_clip
from simlift.passes.export_dataset import DatasetOptions, export_dataset
from simlift.scale.progress import Silent
from simlift.sources import open_clips
from simlift.sources.datasets import open_dataset

LONG = "x" * 70_000  # an attribute that old versions of HDF5 cannot hold


def decorate(file: Path) -> None:
    """Give a file attributes of every kind on every level, later pictures, links, other groups."""
    with h5py.File(file, "r+", libver=("v108", "latest")) as out:
        for place in ("/", "data", "data/demo_0", "data/demo_0/obs", "data/demo_0/actions"):
            out[place].attrs["fixed"] = np.bytes_(b"abc")
            out[place].attrs["text"] = "caf\u00e9"
            out[place].attrs["texts"] = np.array(["a", "bc"], dtype=h5py.string_dtype())
            out[place].attrs["flag"] = np.bool_(True)
            out[place].attrs["half"] = np.float16([1, 2])
            out[place].attrs["none"] = h5py.Empty("f4")
        for demo in out["data"].values():
            leaf = next(name for name in demo["obs"] if name in ("front_image", "table_cam"))
            pictures = demo[f"obs/{leaf}"]
            pictures.attrs["dim_ordering"] = 1
            later = np.concatenate([pictures[1:], pictures[-1:] // 2])
            demo.create_dataset(f"next_obs/{leaf}", data=later, compression="lzf", chunks=True)
            demo["goal"] = h5py.SoftLink(f"{demo.name}/actions")
        out["extra/notes"] = np.arange(3)
        out["extra"].attrs["long"] = np.bytes_(LONG.encode())
        out["data/demo_0"].create_group("model").attrs["long"] = np.bytes_(LONG.encode())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demonstrations")
    decorate(tiny.robomimic(folder / "robomimic.hdf5", episodes=(12, 9)))
    decorate(tiny.isaac_lab(folder / "isaac.hdf5", episodes=(12, 9)))
    for name in ("robomimic", "isaac"):
        judged(lifted(open_clips(folder / f"{name}.hdf5"), folder / f"run_{name}"))
    return folder


def export(run: Path, out: Path, format: str, **options):
    return export_dataset(Run(run), format, out, DatasetOptions(**options), progress=Silent())


def attributes(item) -> dict:
    found = {}
    for name in item.attrs:
        kind = item.attrs.get_id(name).dtype
        value = item.attrs[name]
        found[name] = (str(kind), h5py.check_string_dtype(kind), repr(value))
    return found


def compare(one: h5py.Group, other: h5py.Group, pictures: frozenset[str], added=frozenset()) -> int:
    """Compare two trees, chunk by chunk as stored; return how many datasets were compared."""
    mine = attributes(other)
    for name in added:
        mine.pop(name, None)
    assert mine == attributes(one), one.name
    assert set(other) == set(one)
    count = 0
    for name in one:
        a, b = one[name], other[name]
        if isinstance(a, h5py.Group):
            count += compare(a, b, pictures)
            continue
        assert (a.shape, a.dtype, a.chunks, a.compression) == (
            b.shape,
            b.dtype,
            b.chunks,
            b.compression,
        )
        assert attributes(a) == attributes(b)
        count += 1
        if name in pictures:
            continue
        if a.chunks is None:
            assert a[()].tobytes() == b[()].tobytes()
        else:
            for k in range(a.id.get_num_chunks()):
                place = a.id.get_chunk_info(k).chunk_offset
                assert a.id.read_direct_chunk(place) == b.id.read_direct_chunk(place)
    return count


@pytest.mark.parametrize(
    "name, format, pictures",
    [
        ("robomimic", "robomimic", {"front_image", "wrist_image"}),
        ("isaac", "isaac-lab", {"table_cam", "wrist_cam"}),
    ],
)
def test_only_pictures_change(made: Path, tmp_path: Path, name, format, pictures):
    result = export(made / f"run_{name}", tmp_path / "out", format)
    with h5py.File(made / f"{name}.hdf5") as a, h5py.File(tmp_path / "out/dataset.hdf5") as b:
        assert attributes(b) == attributes(a)
        assert sorted(b["data"]) == ["demo_0", "demo_1", "demo_2", "demo_3"]
        assert {k: v for k, v in attributes(b["data"]).items() if k != "total"} == {
            k: v for k, v in attributes(a["data"]).items() if k != "total"
        }
        assert b["data"].attrs["total"] == 2 * a["data"].attrs["total"]
        assert b["data"].attrs["env_args"] == a["data"].attrs["env_args"]
        compare(a["extra"], b["extra"], frozenset())
        for source, original, lifted_one in ((0, 0, 2), (1, 1, 3)):
            demo = a[f"data/demo_{source}"]
            added = frozenset({"simlift"})
            assert compare(demo, b[f"data/demo_{original}"], frozenset(), added) > 5
            assert compare(demo, b[f"data/demo_{lifted_one}"], frozenset(pictures), added) > 5
            said = json.loads(b[f"data/demo_{lifted_one}"].attrs["simlift"])
            assert (said["source_episode"], said["variant"]) == (f"demo_{source}", "one")
            assert (said["episode_index"], said["generated"]) == (lifted_one, True)
            assert not json.loads(b[f"data/demo_{original}"].attrs["simlift"])["generated"]
    assert [note for note in result.notes if "what follows the last action" in note]


def read_pictures(file: Path, name: str) -> np.ndarray:
    with h5py.File(file) as opened:
        return opened[name][()].astype(int)


def test_pictures_keep_their_rows_and_later_ones_follow(made: Path, tmp_path: Path):
    export(made / "run_robomimic", tmp_path / "out", "robomimic", originals=0)
    file = tmp_path / "out/dataset.hdf5"
    before = read_pictures(made / "robomimic.hdf5", "data/demo_0/obs/front_image")
    after = read_pictures(file, "data/demo_0/obs/front_image")
    upside_down = np.abs(after[:, ::-1] - before).mean()
    assert 0 < np.abs(after - before).mean() < 5 < upside_down
    later = read_pictures(file, "data/demo_0/next_obs/front_image")
    assert np.array_equal(later[:-1], after[1:])
    assert np.array_equal(later[-1], after[-1])
    data = json.loads((tmp_path / "out/dataset.hdf5.cameras.json").read_text())
    assert data["rows"] == "bottom-up"
    with h5py.File(file) as opened:
        masks = {name: opened[f"mask/{name}"][()].tolist() for name in ("train", "valid")}
    assert masks == {"train": [b"demo_0"], "valid": [b"demo_1"]}


def test_next_obs_that_is_another_frame_is_refused(made: Path, tmp_path: Path):
    file = Path(shutil.copyfile(made / "robomimic.hdf5", tmp_path / "a.hdf5"))
    with h5py.File(file, "r+") as out:
        later = out["data/demo_0/next_obs/front_image"]
        later[...] = later[()][::-1]
    run = judged(lifted(open_clips(file), tmp_path / "run"))
    with pytest.raises(InputError, match="next_obs/front_image at 0 is not .*front_image at 1"):
        export(run.path, tmp_path / "out", "robomimic")
    assert not (tmp_path / "out").exists()


def test_cameras_are_known_again_and_dropped_ones_are_gone(made: Path, tmp_path: Path):
    clips = open_clips(made / "isaac.hdf5", cameras=["table_cam"])
    run = judged(lifted(clips, tmp_path / "run"))
    export(run.path, tmp_path / "out", "isaac-lab", other_cameras="drop", originals=0)
    source, out = (open_dataset(p) for p in (made / "isaac.hdf5", tmp_path / "out/dataset.hdf5"))
    assert out.cameras == ("table_cam",)
    for k in range(2):
        one, other = (d.clip(d.episodes[k], "table_cam") for d in (source, out))
        assert np.array_equal(one.camera.world_to_camera, other.camera.world_to_camera)
        assert np.array_equal(one.robot.link_poses, other.robot.link_poses)
        with other.open([Layer.RGB, Layer.DEPTH]) as reader:
            window = reader.window(range(other.num_frames))
            assert tiny.number_of(np.asarray(window.rgb)) == [
                tiny.number(k, "front", t) for t in range(other.num_frames)
            ]
            assert np.array_equal(window[Layer.DEPTH], tiny.depth_of(k, other.num_frames))
    with h5py.File(tmp_path / "out/dataset.hdf5") as opened:
        assert "wrist_cam" not in opened["data/demo_0/obs"]


def test_demonstrations_are_appended(made: Path, tmp_path: Path):
    out = tmp_path / "out"
    part = judged(lifted(open_clips(made / "robomimic.hdf5", episodes="0"), tmp_path / "part"))
    export(part.path, out, "robomimic")
    with h5py.File(out / "dataset.hdf5") as opened:
        assert list(opened["data"]) == ["demo_0", "demo_1"]
    export(made / "run_robomimic", out, "robomimic", append=True)
    with h5py.File(out / "dataset.hdf5") as opened:
        rows = [json.loads(opened[f"data/demo_{k}"].attrs["simlift"]) for k in range(4)]
        assert opened["data"].attrs["total"] == 2 * (12 + 9)
        masks = {name: opened[f"mask/{name}"][()].tolist() for name in ("train", "valid")}
    assert [(row["source_episode"], row["variant"]) for row in rows] == [
        ("demo_0", None),
        ("demo_0", "one"),
        ("demo_1", None),
        ("demo_1", "one"),
    ]
    assert masks == {"train": [b"demo_0", b"demo_1"], "valid": [b"demo_2", b"demo_3"]}


def test_another_environment_is_not_appended(made: Path, tmp_path: Path):
    file = tiny.robomimic(tmp_path / "other.hdf5", episodes=(12,), fps=20)
    other = judged(lifted(open_clips(file), tmp_path / "other"))
    export(other.path, tmp_path / "out", "robomimic")
    before = (tmp_path / "out/dataset.hdf5").read_bytes()
    with pytest.raises(RunError, match="another environment"):
        export(made / "run_robomimic", tmp_path / "out", "robomimic", append=True)
    assert (tmp_path / "out/dataset.hdf5").read_bytes() == before


def test_formats_are_held_against_their_source(made: Path, tmp_path: Path):
    with pytest.raises(InputError, match="isaac-lab is asked of takes of .* which is robomimic"):
        export(made / "run_robomimic", tmp_path / "out", "isaac-lab")
    for option in ({"codec": "av1"}, {"task": "lift"}, {"state": ("states",)}):
        with pytest.raises(InputError, match=f"--{next(iter(option))}.*no use"):
            export(made / "run_robomimic", tmp_path / "out", "robomimic", **option)
    with pytest.raises(InputError, match="--format"):
        export(made / "run_robomimic", tmp_path / "out", "rlds")
    assert not (tmp_path / "out").exists()


def test_takes_of_another_size_are_refused(made: Path, tmp_path: Path):
    run = Run(Path(shutil.copytree(made / "run_isaac", tmp_path / "run")))
    file = run.take_file(TakeKey("episode_000000.table_cam", "one"))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"height": 48, "width": 64}))
    with pytest.raises(InputError, match="shows 64x48; allowed: 32x24"):
        export(run.path, tmp_path / "out", "isaac-lab")


def replay(file: Path, folder: Path) -> None:
    """Write what a replay of a file's episodes writes, with the pictures of the file."""
    entries, recorded = [], open_dataset(file)
    for k, count in enumerate((12, 9)):
        place = folder / f"episode_{k:06d}/front"
        with write_clip(
            place, name="front", fps=Fraction(tiny.FPS), height=tiny.HEIGHT, width=tiny.WIDTH
        ) as writer:
            for frame in tiny.pictures(k, "front", count):
                writer.append({Layer.RGB: frame})
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        source = EpisodeSource(str(file), "robomimic", f"demo_{k}", digest, file.stat().st_size)
        name = f"episode_{k:06d}"
        places = {"front": f"{name}/front"}
        pq.write_table(recorded.rows(recorded.episodes[k]), folder / f"{name}/actions.parquet")
        rows = f"{name}/actions.parquet"
        entries.append(EpisodeEntry(k, name, count, places, actions=rows, source=source))
    manifest = DatasetManifest("simlift-dataset/1", "replayed", Fraction(tiny.FPS), tuple(entries))
    write_manifest(folder, manifest)


def test_takes_of_a_replay_go_back_into_the_file(made: Path, tmp_path: Path):
    file = Path(shutil.copyfile(made / "robomimic.hdf5", tmp_path / "a.hdf5"))
    replay(file, tmp_path / "replayed")
    run = judged(lifted(open_clips(tmp_path / "replayed"), tmp_path / "run"))
    export(run.path, tmp_path / "out", "robomimic")
    with h5py.File(file) as a, h5py.File(tmp_path / "out/dataset.hdf5") as b:
        demo, added = a["data/demo_1"], frozenset({"simlift"})
        kept = {name: demo["obs"][name] for name in demo["obs"] if "wrist" not in name}
        assert set(b["data/demo_3/obs"]) == set(kept)
        assert attributes(b["data/demo_3/actions"]) == attributes(demo["actions"])
        assert b["data/demo_3/states"][()].tobytes() == demo["states"][()].tobytes()
        original = b["data/demo_1/obs/front_image"][()]
        assert np.array_equal(original, demo["obs/front_image"][()])
        said = json.loads(b["data/demo_3"].attrs["simlift"])
        assert said["replayed_from"]["episode"] == "demo_1"
        pictures = b["data/demo_3/obs/front_image"][()][:, ::-1]
        assert tiny.number_of(pictures) == [tiny.number(1, "front", t) for t in range(9)]
        assert attributes(b["data/demo_3"]).keys() - added == attributes(demo).keys()
    with h5py.File(file, "r+") as opened:
        opened["data/demo_0/actions"][0] = 9
    with pytest.raises(RunError, match="a.hdf5: has changed.*replay it again"):
        export(run.path, tmp_path / "again", "robomimic")
    file.unlink()
    with pytest.raises(RunError, match="a.hdf5: is gone"):
        export(run.path, tmp_path / "again", "robomimic")


def test_vectors_of_one_number_are_numbers_in_lerobot(made: Path, tmp_path: Path):
    file = tiny.robomimic(tmp_path / "a.hdf5", episodes=(12,), cameras=["front"])
    width = np.linspace(0, 1, 12, dtype=np.float32)[:, None]
    with h5py.File(file, "r+") as out:
        out["data/demo_0/obs/robot0_width"] = width
        out["data/demo_0/obs/turn"] = np.tile(np.eye(3), (12, 1, 1))
    run = judged(lifted(open_clips(file), tmp_path / "run"))
    export(run.path, tmp_path / "out", "lerobot-v3", task="move", originals=0)
    features = tiny.read_info(tmp_path / "out")["features"]
    assert features["observation.robot0_width"]["shape"] == [1]
    assert features["observation.turn"]["shape"] == [9]
    table = pq.read_table(tmp_path / "out/data/chunk-000/file-000.parquet")
    assert table["observation.robot0_width"].to_numpy().tobytes() == width.tobytes()
    assert table["observation.turn"].to_pylist()[3] == np.eye(3).ravel().tolist()


def test_folders_hold_rows_as_they_are_stored(made: Path, tmp_path: Path):
    export(made / "run_isaac", tmp_path / "out", "folders")
    source = open_dataset(made / "isaac.hdf5")
    for k in range(4):
        folder = tmp_path / f"out/episodes/episode_{k:06d}"
        about = json.loads((folder / "episode.json").read_text())
        episode = source.episodes[k // 2]
        assert (about["fps"], about["frames"]) == (str(tiny.FPS), episode.num_frames)
        assert (about["source_episode"], about["generated"]) == (episode.key, bool(k % 2))
        rows, table = source.rows(episode), pq.read_table(folder / "rows.parquet")
        assert set(table.column_names) == {*rows.column_names, "source"}
        for name in rows.column_names:
            assert table[name].to_pylist() == rows[name].to_pylist()
        for camera, view in (("table_cam", "front"), ("wrist_cam", "wrist")):
            video = folder / about["videos"][camera]["file"]
            assert tiny.video_numbers(video) == [
                tiny.number(episode.index, view, t) for t in range(episode.num_frames)
            ]
    more = judged(lifted(open_clips(made / "isaac.hdf5"), tmp_path / "more", ("two",)))
    export(more.path, tmp_path / "out", "folders", append=True)
    assert len(list((tmp_path / "out/episodes").iterdir())) == 6
