"""LeRobot datasets of both versions: the right frames and rows, and words for what is wrong."""

import json
import pickle
import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import clips as builders
from tiny import datasets as tiny
from tiny import lerobot_features as features

from simlift.core.dataset import select_cameras, select_episodes, short_name
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.sources import open_clip, open_clips, open_dataset

EPISODES = "meta/episodes/chunk-000/file-000.parquet"
DATA = "data/chunk-000/file-000.parquet"
FRONT = "observation.images.front"


def numbers(clip) -> list[int]:
    with clip.open([Layer.RGB]) as reader:
        return tiny.number_of(reader.window(range(clip.num_frames)).rgb)


def due(clip) -> list[int]:
    camera = short_name(clip.origin.camera)
    return [tiny.number(clip.origin.episode, camera, t) for t in range(clip.num_frames)]


def edit_table(path: Path, **columns) -> None:
    """Replace columns of a parquet file; None removes one."""
    table = pq.read_table(path)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.remove_column(place)
        if values is not None:
            column = values if isinstance(values, pa.Array) else pa.array(values)
            table = table.add_column(place, name, column)
    pq.write_table(table, path)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Both versions, encoded once."""
    folder = tmp_path_factory.mktemp("lerobot")
    tiny.lerobot_v3(folder / "v3")
    tiny.lerobot_v21(folder / "v21")
    return folder


@pytest.fixture(params=["v3", "v21"])
def dataset(request, made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / request.param, tmp_path / request.param))


@pytest.fixture
def v3(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "v3", tmp_path / "v3"))


@pytest.fixture
def v21(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "v21", tmp_path / "v21"))


def drifted(dataset: Path, drift: float) -> Path:
    """Let from_timestamp run ahead by some seconds more with every episode."""
    table = pq.read_table(dataset / EPISODES)
    names = [f"videos/observation.images.{camera}/from_timestamp" for camera in tiny.CAMERAS]
    times = {n: table[n].to_numpy() + drift * np.arange(3) for n in names}
    edit_table(dataset / EPISODES, **times)
    return dataset


def test_every_clip_is_its_own_frames(dataset: Path):
    opened = open_dataset(dataset)
    assert pickle.loads(pickle.dumps(opened)) == opened
    clips = open_clips(dataset)
    assert [clip.name for clip in clips[:3]] == [
        "episode_000000.front",
        "episode_000000.wrist",
        "episode_000001.front",
    ]
    assert len(clips) == 6
    for clip in clips:
        assert numbers(pickle.loads(pickle.dumps(clip))) == due(clip)
        assert clip.caption == "move the hand"
        again = open_clip(dataset, clip.read_options)  # as a pass that continues a run does
        assert (again.name, numbers(again)) == (clip.name, numbers(clip))


def test_a_section_is_read_in_windows_and_backwards(dataset: Path):
    clip = open_clips(dataset, episodes="1", cameras=("wrist",))[0]
    with clip.open([Layer.RGB]) as reader:
        for window in ([0], [8], [3, 5], [0, 1, 2]):
            found = tiny.number_of(reader.window(window).rgb)
            assert found == [due(clip)[t] for t in window]


def test_rows_come_in_the_types_they_are_stored_in(dataset: Path):
    opened = open_dataset(dataset)
    for episode in opened.episodes:
        rows = opened.rows(episode)
        expected = tiny.rows_of(episode.index, episode.num_frames)
        state = np.array(rows["observation.state"].to_pylist(), np.float32)
        np.testing.assert_array_equal(state, expected["state"].astype(np.float32))
        assert rows["next.reward"].type == pa.float32()
        assert rows["gripper"].type == pa.float64()
        assert set(rows["episode_index"].to_pylist()) == {episode.index}
    assert opened.features["gripper"].shape == ()
    assert opened.features["next.reward"].shape == (1,)
    assert opened.features["action"].names == ("x", "z")
    assert FRONT not in opened.features


def test_files_of_rows_and_videos_are_numbered_apart(tmp_path: Path):
    files = {"front": (0, 1, 1), "wrist": (2, 2, 0)}
    dataset = tiny.lerobot_v3(tmp_path / "d", data_files=(0, 0, 1), video_files=files)
    for clip in open_clips(dataset):
        assert numbers(clip) == due(clip)
    opened = open_dataset(dataset)
    assert [opened.files(e)[0].name for e in opened.episodes] == [
        "file-000.parquet",
        "file-000.parquet",
        "file-001.parquet",
    ]
    assert [opened.rows(e).num_rows for e in opened.episodes] == list(tiny.EPISODES)


def test_a_number_may_be_stored_as_a_list_of_one(dataset: Path):
    for file in (dataset / "data").rglob("*.parquet"):
        table = pq.read_table(file)
        lists = {
            name: pa.array([[value] for value in table[name].to_pylist()])
            for name in ("episode_index", "frame_index", "timestamp")
        }
        edit_table(file, **lists)
    opened = open_dataset(dataset)
    assert [opened.rows(e).num_rows for e in opened.episodes] == list(tiny.EPISODES)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (None, [0, 1, 2]),
        ("1", [1]),
        ("1:", [1, 2]),
        (":2", [0, 1]),
        ("2,0", [0, 2]),
        ("0:2,1:3", [0, 1, 2]),
        ("episode_000002", [2]),
        ("train", [0, 1, 2]),
        (" 1 , 2 ,", [1, 2]),
    ],
)
def test_episodes_are_chosen_by_words(dataset: Path, words, expected):
    chosen = select_episodes(open_dataset(dataset), words)
    assert [episode.index for episode in chosen] == expected


@pytest.mark.parametrize("words", ["3", "7:9", "demo", "", ",", "-1", "1-2"])
def test_words_that_name_no_episode(dataset: Path, words):
    with pytest.raises(RecipeError, match="--episodes"):
        select_episodes(open_dataset(dataset), words)


def test_cameras_are_chosen_by_name_or_its_last_part(dataset: Path):
    opened = open_dataset(dataset)
    assert select_cameras(opened, ["wrist", FRONT, "front"]) == (
        "observation.images.wrist",
        FRONT,
    )
    with pytest.raises(RecipeError, match="'side' names no camera of .*observation.images.wrist"):
        select_cameras(opened, ["side"])


def test_one_clip_is_asked_for_by_episode_and_camera(dataset: Path):
    clip = open_clip(dataset, ReadOptions(episode="2", camera="wrist"))
    assert numbers(clip) == due(clip)
    with pytest.raises(RecipeError, match="3 episodes and 2 cameras.*--episodes 0 --cameras"):
        open_clip(dataset)


@pytest.mark.parametrize(
    "option", [{"fov": 60.0}, {"fps": Fraction(30)}, {"near": 0.1, "far": 2.0}]
)
def test_options_that_a_dataset_does_not_heed_are_refused(dataset: Path, option):
    with pytest.raises(RecipeError, match=f"--{sorted(option)[0]}: is stated for"):
        open_dataset(dataset, ReadOptions(**option))


def test_images_in_rows_with_depth_and_ids(dataset: Path):
    features.with_images(dataset)
    for clip in open_clips(dataset, cameras=("wrist",)):
        assert numbers(clip) == due(clip)
        assert clip.stored(Layer.DEPTH).unit is Unit.METRES
        with clip.open(Layer) as reader:
            window = reader.window(range(clip.num_frames))
        k, count = clip.origin.episode, clip.num_frames
        np.testing.assert_allclose(window[Layer.DEPTH], tiny.depth_of(k, count), atol=5e-4)
        np.testing.assert_array_equal(window[Layer.SEGMENTATION], tiny.ids_of(k, count))
    rows = open_dataset(dataset).rows(open_dataset(dataset).episodes[0])
    assert not [name for name in rows.column_names if "images" in name]


def test_depth_images_without_a_unit_are_relative(dataset: Path):
    features.with_images(dataset, depth_unit=None)
    clip = open_clips(dataset, episodes="0", cameras=("wrist",))[0]
    assert clip.stored(Layer.DEPTH).unit is Unit.RELATIVE
    assert any("states no depth_unit" in note for note in clip.notes)


@pytest.mark.parametrize("near", [0.01, 0.0])
def test_depth_video_in_metres_where_its_range_is_stated(tmp_path: Path, near):
    dataset = tiny.lerobot_v21(tmp_path / "d", episodes=(6, 5))
    stated = {"video.depth_min": near, "video.depth_max": 10.0, "video.shift": 3.5}
    features.with_depth_video(dataset, (6, 5), near, **stated)
    assert open_dataset(dataset).cameras == (FRONT, "observation.images.wrist")
    clip = open_clips(dataset, episodes="1", cameras=("front",))[0]
    assert clip.metric_depth
    with clip.open([Layer.DEPTH]) as reader:
        depth = reader.window(range(5))[Layer.DEPTH]
    # A step of 4095 in the logarithm of depth plus the shift, at 2 m.
    step = (2.0 + 3.5) * np.log(13.5 / (near + 3.5)) / 4095
    np.testing.assert_allclose(depth, tiny.depth_of(1, 5), atol=step)


@pytest.mark.parametrize(
    ("stated", "code", "metres"),
    [
        # lerobot 0.6, dequantize_depth(2048): exp(log(3.51) + 2048 / 4095 * log(13.5 / 3.51)) - 3.5
        ({"video.depth_min": 0.01, "video.depth_max": 10.0}, 2048, 3.384809),
        ({"video.depth_min": 0.0, "video.depth_max": 10.0, "video.use_log": False}, 819, 2.0),
    ],
)
def test_codes_of_depth_are_those_of_lerobot(v21: Path, stated, code, metres):
    described = features.feature("video", 1, is_depth_map=True, **stated)
    features.add_features(v21, {f"{FRONT}_depth": described})
    clip = open_dataset(v21).clip(open_dataset(v21).episodes[0], FRONT)
    stored = clip.stored(Layer.DEPTH)
    assert stored.unit is Unit.METRES
    raw = np.array([[[code, 0, 4095]]], np.uint16)
    np.testing.assert_allclose(stored.decode(raw)[0, 0], [metres, np.inf, np.inf], atol=2e-5)


def test_depth_video_without_its_range_is_relative(tmp_path: Path):
    dataset = features.with_depth_video(tiny.lerobot_v21(tmp_path / "d", episodes=(6,)), (6,))
    clip = open_clips(dataset, cameras=("front",))[0]
    assert clip.stored(Layer.DEPTH).unit is Unit.RELATIVE
    assert any("does not state between which distances" in note for note in clip.notes)
    with clip.open([Layer.DEPTH]) as reader:
        depth = reader.window([0])[Layer.DEPTH][0]
    assert 0 < depth.min() < depth.max() < 1
    true = tiny.depth_of(0, 6)[0]
    assert depth[true == 2.0].min() > depth[true == 1.0].max()  # farther is larger


def test_from_timestamp_that_drifts_a_little_is_counted_in_frames(v3: Path):
    clips = open_clips(drifted(v3, 0.004))  # 0.08 frames by the last episode
    assert all(numbers(clip) == due(clip) for clip in clips)
    assert "from_timestamp has drifted by up to 8.00 ms" in clips[0].notes[0]


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        (0.03, "from_timestamp of episode 1 is 1.230000 s: 12.300 frames"),
        (0.1, "as many as its episodes, which are said to end at frame 35"),  # a whole frame each
        (-0.1, "begins at frame 11 of file-000.mp4, where another ends at frame 12"),
    ],
)
def test_from_timestamp_that_drifts_is_refused(v3: Path, drift, words):
    with pytest.raises(ClipError, match=words):
        open_clips(drifted(v3, drift))


def test_a_camera_whose_file_is_missing(dataset: Path):
    for file in (dataset / "videos").rglob("*.mp4"):
        if "wrist" in str(file):
            file.unlink()
    with pytest.raises(ClipError, match=f"wrist does not exist.*way out: --cameras {FRONT}"):
        open_clips(dataset)
    assert len(open_clips(dataset, cameras=("front",))) == 3


def test_an_index_of_episodes_with_holes(dataset: Path):
    if (dataset / EPISODES).exists():
        edit_table(dataset / EPISODES, episode_index=[0, 2, 3])
    else:
        rows = [
            {"episode_index": k, "tasks": [], "length": n} for k, n in zip((0, 2, 3), (12, 9, 12))
        ]
        tiny.write_lines(dataset / "meta/episodes.jsonl", rows)
    with pytest.raises(ClipError, match="episode 1 is missing: 2 comes in its place"):
        open_dataset(dataset)


@pytest.mark.parametrize("key", ["total_episodes", "total_frames"])
def test_counts_that_contradict_each_other(dataset: Path, key):
    tiny.edit_info(dataset, **{key: 5})
    with pytest.raises(ClipError, match=f"{key} is 5"):
        open_dataset(dataset)


def test_rows_of_another_length_than_frames(dataset: Path):
    for file in (dataset / "data").rglob("*.parquet"):
        table = pq.read_table(file)
        kept = np.array(table["episode_index"]) != 1
        kept |= np.array(table["frame_index"]) < 7
        pq.write_table(table.filter(pa.array(kept)), file)
    opened = open_dataset(dataset)
    with pytest.raises(ClipError, match="holds 7 rows of episode 1, its length is 9"):
        opened.rows(opened.episodes[1])


def test_a_rate_that_varies_is_named_by_its_row(dataset: Path):
    for file in (dataset / "data").rglob("*.parquet"):
        times = pq.read_table(file)["timestamp"].to_numpy().copy()
        times[5:] += 0.02
        edit_table(file, timestamp=times)
    opened = open_dataset(dataset)
    with pytest.raises(ClipError, match="row 5 of episode 0 has the timestamp 0.5200 s"):
        opened.rows(opened.episodes[0])


def test_a_video_that_is_shorter_than_its_table(dataset: Path):
    file = next(f for f in sorted((dataset / "videos").rglob("*.mp4")) if "front" in str(f))
    count = 33 if "file" in file.name else 12
    frames = np.zeros((count - 2, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)
    tiny.mp4(file, frames)
    with pytest.raises(ClipError, match=f"holds {count - 2} frames, the tables ask for {count}"):
        open_clips(dataset)


def test_a_video_of_another_size(dataset: Path):
    file = next(iter(sorted((dataset / "videos").rglob("*.mp4"))))
    tiny.mp4(file, np.zeros((40, 32, 48, 3), np.uint8))
    with pytest.raises(ClipError, match="is 48x32, the dataset says 32x24"):
        open_clips(dataset)


def test_a_rate_that_is_not_that_of_the_videos(dataset: Path):
    tiny.edit_info(dataset, fps=20)
    table = dataset / EPISODES
    if table.exists():  # the same whole frames at the other rate
        names = [f"videos/observation.images.{c}/from_timestamp" for c in tiny.CAMERAS]
        edit_table(table, **{n: pq.read_table(table)[n].to_numpy() / 2 for n in names})
    with pytest.raises(ClipError, match="shows 10 frames a second, meta/info.json says 20"):
        open_clips(dataset)


@pytest.mark.parametrize("size", [0, 300])
def test_tables_that_are_cut_short(dataset: Path, size):
    for file in (dataset / "data").rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:size])
    opened = open_dataset(dataset)
    with pytest.raises(ClipError, match="cannot be read as parquet.*download the dataset again"):
        opened.rows(opened.episodes[0])


def test_a_table_of_episodes_that_is_cut_short(v3: Path):
    (v3 / EPISODES).write_bytes((v3 / EPISODES).read_bytes()[:-9])
    with pytest.raises(ClipError, match="cannot be read as parquet"):
        open_dataset(v3)


def test_lines_that_are_cut_short(v21: Path):
    file = v21 / "meta/episodes.jsonl"
    file.write_text(file.read_text()[:-9])
    with pytest.raises(ClipError, match="line 3 is not JSON"):
        open_dataset(v21)


@pytest.mark.parametrize(
    "template",
    [
        "../{video_key}/{episode_chunk}/{episode_index}.mp4",
        "/tmp/{episode_index}.mp4",
        "videos/../../{episode_index}.mp4",
        "{video_key.__class__}",
        "{nothing}.mp4",
        "{episode_index:zz}",
        "{episode_index!",
        "",
    ],
)
def test_paths_that_leave_the_dataset(v21: Path, template):
    tiny.edit_info(v21, video_path=template)
    with pytest.raises(ClipError, match=r"info\.json"):
        open_clips(v21)
    tiny.edit_info(v21, data_path=template)
    with pytest.raises(ClipError, match=r"info\.json"):
        open_dataset(v21)


def test_a_feature_whose_name_leads_out(v21: Path):
    text = json.dumps(tiny.read_info(v21)).replace(FRONT, "../../../front")
    tiny.write_json(v21 / "meta/info.json", json.loads(text))
    with pytest.raises(ClipError, match="leads out of the dataset"):
        open_clips(v21, cameras=("../../../front",))


def test_pickles_are_never_opened(dataset: Path, tmp_path: Path):
    for place in (dataset, dataset / "meta", dataset / "data" / "chunk-000"):
        features.pickle_that_runs(place / "caption.pickle", tmp_path / "proof")
    for clip in open_clips(dataset):
        assert numbers(clip) == due(clip)
    with pytest.raises(ClipError, match=re.escape("'.pickle'")):
        open_clip(dataset / "caption.pickle")
    assert not (tmp_path / "proof").exists()


def test_a_video_whose_rate_varies(v21: Path):
    file = v21 / f"videos/chunk-000/{FRONT}/episode_000001.mp4"
    ticks = [0, 100, 200, 300, 430, 500, 600, 700, 800]  # ms: 10 a second on average
    frames = tiny.pictures(1, "front", 9)
    builders.video(file, frames, rate=10, ticks=(Fraction(1, 1000), ticks))
    clip = open_clips(v21, episodes="1", cameras=("front",))[0]
    with pytest.raises(ClipError, match="its frame rate varies; allowed: a constant rate of 10"):
        numbers(clip)


def test_cameras_whose_last_words_are_one(v21: Path):
    text = json.dumps(tiny.read_info(v21))
    text = text.replace(FRONT, "images.left.rgb").replace("observation.images.wrist", "right.rgb")
    tiny.write_json(v21 / "meta/info.json", json.loads(text))
    for old, new in ((FRONT, "images.left.rgb"), ("observation.images.wrist", "right.rgb")):
        (v21 / "videos/chunk-000" / old).rename(v21 / "videos/chunk-000" / new)
    names = [clip.name for clip in open_clips(v21, episodes="0")]
    assert names == ["episode_000000.images.left.rgb", "episode_000000.right.rgb"]
    with pytest.raises(RecipeError, match="'rgb' names 2 cameras"):
        open_clips(v21, cameras=("rgb",))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chunks_size", 0),
        ("video_path", 3),
        ("features", []),
        ("fps", "30"),
        ("total_frames", True),
    ],
)
def test_keys_of_a_wrong_kind(v21: Path, key, value):
    tiny.edit_info(v21, **{key: value})
    with pytest.raises(ClipError, match=rf"info\.json: {key} is"):
        open_dataset(v21)


def test_an_unknown_version(dataset: Path):
    tiny.edit_info(dataset, codebase_version="v1.6")
    with pytest.raises(ClipError, match=r"'v1\.6'; allowed: v3\.0, v2\.1 or v2\.0"):
        open_dataset(dataset)
