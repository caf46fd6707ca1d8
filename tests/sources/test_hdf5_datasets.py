"""Demonstrations in HDF5 files: frames, rows, cameras; which way is up; words for what is wrong."""

import contextlib
import json
import pickle
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny import datasets as tiny

from simlift.core.clip import Clip
from simlift.core.dataset import select_episodes, short_name
from simlift.core.errors import ClipError, RecipeError, SimliftError
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.sources import open_clip, open_clips, open_dataset
from simlift.sources.hdf5.upright import fixed_cameras

VIEWS = {"table_cam": "front", "wrist_cam": "wrist"}


def numbers(clip: Clip) -> list[int]:
    with clip.open([Layer.RGB]) as reader:
        return tiny.number_of(reader.window(range(clip.num_frames)).rgb)


def due(clip: Clip) -> list[int]:
    camera = short_name(clip.origin.camera)
    name = VIEWS.get(camera, camera)
    return [tiny.number(clip.origin.episode, name, t) for t in range(clip.num_frames)]


def edit(file: Path, change) -> Path:
    """Change the tree of a file."""
    with h5py.File(file, "r+") as tree:
        change(tree)
    return file


def replace_dataset(tree: h5py.File, name: str, values: np.ndarray) -> None:
    del tree[name]
    tree[name] = values


def state_cameras(file: Path, **words) -> Path:
    """State words in the file of cameras beside a file."""
    beside = Path(f"{file}.cameras.json")
    old = json.loads(beside.read_text()) if beside.exists() else {"format": "simlift-cameras/1"}
    tiny.write_json(beside, {k: v for k, v in {**old, **words}.items() if v is not None})
    return file


MAKERS = {"robomimic": tiny.robomimic, "isaac-lab": tiny.isaac_lab, "maniskill": tiny.maniskill}


@pytest.fixture(params=MAKERS)
def file(request, tmp_path: Path) -> Path:
    return MAKERS[request.param](tmp_path / "demos.h5")


def test_every_clip_is_its_own_frames(file: Path):
    opened = open_dataset(file)
    assert pickle.loads(pickle.dumps(opened)) == opened
    assert opened.fps == tiny.FPS
    clips = open_clips(file)
    assert len(clips) == 6
    for clip in clips:
        assert numbers(pickle.loads(pickle.dumps(clip))) == due(clip)
        again = open_clip(file, clip.read_options)
        assert (again.name, numbers(again)) == (clip.name, numbers(clip))


def test_rows_are_those_of_the_frames_in_their_own_types(file: Path):
    opened = open_dataset(file)
    for episode in opened.episodes:
        rows = opened.rows(episode)
        assert rows.num_rows == episode.num_frames
        assert set(rows.column_names) == set(opened.features)
        seen = {"robomimic": 0, "isaac-lab": 0, "maniskill": 1}[opened.layout]
        expected = tiny.rows_of(episode.index, episode.num_frames + seen)
        for name, feature in opened.features.items():
            values = np.array(rows[name].to_pylist())
            assert values.shape == (episode.num_frames, *feature.shape)
            element = rows[name].type
            while feature.shape and str(element).startswith("fixed_size_list"):
                element = element.value_type
            assert np.dtype(element.to_pandas_dtype()) == np.dtype(feature.dtype)
        actions = expected["action"][: episode.num_frames]
        stored = np.dtype(opened.features["actions"].dtype)
        np.testing.assert_array_equal(
            np.array(rows["actions"].to_pylist(), stored), actions.astype(stored)
        )
    assert not [name for name in opened.features if "image" in name or "sensor_data" in name]


def test_options_that_are_not_heeded_are_refused(file: Path):
    with pytest.raises(RecipeError, match="--fov: is stated for"):
        open_dataset(file, ReadOptions(fov=60.0))
    assert open_dataset(file, ReadOptions(fps=Fraction(15))).fps == 15


def test_a_filter_names_episodes(tmp_path: Path):
    file = tiny.robomimic(tmp_path / "a.hdf5")
    chosen = {
        w: [e.key for e in select_episodes(open_dataset(file), w)] for w in ("train", "valid")
    }
    assert chosen == {"train": ["demo_0", "demo_1"], "valid": ["demo_2"]}
    assert [e.index for e in select_episodes(open_dataset(file), "demo_1,valid")] == [1, 2]
    edit(file, lambda t: replace_dataset(t, "mask/valid", np.array([b"demo_7"])))
    with pytest.raises(ClipError, match="mask/valid names 'demo_7', which is no episode"):
        open_dataset(file)


def test_episodes_are_in_the_order_of_their_numbers_with_holes(tmp_path: Path):
    file = tiny.robomimic(tmp_path / "a.hdf5")

    def change(tree):
        del tree["mask"]
        tree.move("data/demo_0", "data/demo_10")

    edit(file, change)
    assert [e.index for e in open_dataset(file).episodes] == [1, 2, 10]
    clip = open_clip(file, ReadOptions(episode="demo_10", camera="front"))
    assert clip.origin.key == "demo_10"
    assert numbers(clip) == [tiny.number(0, "front", t) for t in range(12)]


@pytest.mark.parametrize("upside_down", [True, False])
def test_which_way_is_up_is_seen_in_what_moves(tmp_path: Path, upside_down):
    file = tiny.robomimic(tmp_path / "a.hdf5", upside_down=upside_down)
    for clip in open_clips(file, cameras=("front",)):
        assert numbers(clip) == due(clip)
        words = "are stored upside down" if upside_down else "are stored upright"
        assert any(words in note and "correlation" in note for note in clip.notes)


def test_which_way_is_up_is_asked_where_nothing_tells(tmp_path: Path):
    file = tiny.robomimic(tmp_path / "a.hdf5", model="<mujoco/>")
    with pytest.raises(ClipError, match=r'"rows": "bottom-up"}.*into a\.hdf5\.cameras\.json'):
        open_dataset(file)
    state_cameras(file, rows="bottom-up")
    assert all(numbers(clip) == due(clip) for clip in open_clips(file))


def test_a_statement_goes_before_evidence_and_the_contradiction_is_said(tmp_path: Path):
    file = state_cameras(tiny.robomimic(tmp_path / "a.hdf5"), rows="top-down")
    opened = open_dataset(file)
    assert not opened.bottom_up
    assert any("speaks against: correlation -1.00" in note for note in opened.notes)


def test_fixed_cameras_of_a_model_project_as_mujoco_does():
    mujoco = pytest.importorskip("mujoco")
    text = """<mujoco><worldbody>
      <camera name="a" pos="1 -2 .7" quat=".6 .5 .1 -.2" fovy="50"/>
      <camera name="b" pos=".2 -2 1" xyaxes="1 .2 0 -.1 .3 1"/>
      <camera name="c" euler="1 0 0"/>
      <body name="x"><geom size=".1"/><camera name="d"/></body>
    </worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = fixed_cameras(text)
    assert sorted(found) == ["a", "b"]
    for name, camera in found.items():
        axes = data.cam(name).xmat.reshape(3, 3)
        seen = (points - data.cam(name).xpos) @ axes
        focal = 24 / 2 / np.tan(np.radians(model.cam(name).fovy[0]) / 2)
        rows = np.where(seen[:, 2] < 0, 12 + focal * seen[:, 1] / seen[:, 2], np.nan)
        np.testing.assert_allclose(camera.rows_of(points, 24), rows, atol=1e-6)


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
def test_isaac_lab_cameras_robots_and_layers(tmp_path: Path, order):
    file = tiny.isaac_lab(tmp_path / "a.hdf5", quaternion=order)
    clip = open_clip(file, ReadOptions(episode="1", camera="table_cam"))
    with clip.open(Layer) as reader:
        window = reader.window(range(clip.num_frames))
    np.testing.assert_array_equal(window[Layer.DEPTH], tiny.depth_of(1, 9))
    ids = tiny.ids_of(1, 9)
    colours = {k: c[0] | c[1] << 8 | c[2] << 16 for k, c in tiny.IDS_COLOURS.items()}
    np.testing.assert_array_equal(window[Layer.SEGMENTATION], np.vectorize(colours.get)(ids))
    np.testing.assert_allclose(
        window[Layer.NORMALS], np.broadcast_to(tiny.NORMAL, window[Layer.NORMALS].shape), atol=1e-6
    )
    # The link `hand` is seen where the square is drawn.
    hand = clip.robot.poses_of(("hand",))[:, 0, :, 3]
    for t in range(9):
        seen = clip.camera.world_to_camera[t] @ hand[t]
        place = clip.camera.intrinsics[t] @ (seen[:3] / seen[2])
        np.testing.assert_allclose(place[:2], tiny.pixel_of(hand[t, :3]), atol=1e-6)
    assert clip.robot.joint_names == ("slide_x", "slide_z")
    assert np.isnan(clip.robot.gripper).all()
    wrist = open_clip(file, ReadOptions(episode="1", camera="wrist_cam"))
    assert wrist.camera.moves


def test_isaac_lab_without_a_file_of_cameras(tmp_path: Path):
    file = tiny.isaac_lab(tmp_path / "a.hdf5", quaternion=None)
    clip = open_clip(file, ReadOptions(episode="0", camera="table_cam"))
    assert clip.camera is None
    assert clip.robot is None
    assert Layer.NORMALS not in clip  # in world axes, which nothing turns to the camera's
    assert clip.metric_depth
    assert any("nothing says where table_cam, wrist_cam stands" in note for note in clip.notes)
    assert any("no frame rate is written" in note for note in clip.notes)


def test_tracks_may_lie_in_the_file_as_the_recorder_term_writes_them(tmp_path: Path):
    file = tiny.isaac_lab(tmp_path / "a.hdf5")
    expected = open_clips(file)
    stated = json.loads(Path(f"{file}.cameras.json").read_text())
    with h5py.File(file, "r+") as tree:
        for key, demo in stated.pop("demos").items():
            for kind, entries in demo.items():
                for name, arrays in entries.items():
                    words = {k: arrays.pop(k) for k in list(arrays) if k.endswith("_names")}
                    if words:
                        stated["robots"] = {name: words}
                    for array, values in arrays.items():
                        tree[f"data/{key}/{kind}/{name}/{array}"] = np.float32(values)
    tiny.write_json(Path(f"{file}.cameras.json"), stated)
    for clip, other in zip(open_clips(file), expected, strict=True):
        np.testing.assert_allclose(
            clip.camera.world_to_camera, other.camera.world_to_camera, atol=1e-6
        )
        np.testing.assert_allclose(clip.robot.link_poses, other.robot.link_poses, atol=1e-6)
        assert clip.robot.link_names == other.robot.link_names
    columns = open_dataset(file).features
    assert not [name for name in columns if name.startswith(("cameras", "robots"))]


def test_a_wrong_order_of_quaternions_is_seen_by_their_matrices(tmp_path: Path):
    file = tiny.isaac_lab(tmp_path / "a.hdf5", quaternion="wxyz")
    stated = json.loads(Path(f"{file}.cameras.json").read_text())
    for demo in stated["demos"].values():
        table = demo["cameras"]["table_cam"]
        turn = [[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]
        table["rotation"] = [turn] * len(table["position"])
    tiny.write_json(Path(f"{file}.cameras.json"), stated)
    assert open_clips(file)[0].camera is not None
    state_cameras(file, quaternion="xyzw")
    with pytest.raises(ClipError, match='read as wxyz they are.*state "quaternion": "wxyz"'):
        open_clips(file)
    state_cameras(file, quaternion=None)
    with pytest.raises(ClipError, match="does not state the order of quaternions"):
        open_clips(file)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"format": "other"}, "its format is 'other'"),
        ({"quaternion": "zyxw"}, "quaternion is 'zyxw'; allowed: wxyz or xyzw"),
        ({"convention": "maya"}, "convention is 'maya'"),
        ({"rows": 1}, "rows is 1; allowed: a word"),
        ({"fps": -3}, "fps is -3"),
        ({"camera": {}}, "states 'camera'"),
        ({"robots": []}, r"robots is \[\]; allowed: an object"),
        (
            {"demos": {"demo_0": {"cameras": {"table_cam": 3}}}},
            "demos.demo_0.cameras.table_cam is 3",
        ),
        ({"demos": {"demo_0": {"lens": {}}}}, "demos.demo_0 states 'lens'"),
    ],
)
def test_statements_that_are_wrong(tmp_path: Path, words, found):
    file = state_cameras(tiny.isaac_lab(tmp_path / "a.hdf5"), **words)
    with pytest.raises(ClipError, match=found):
        open_dataset(file)


def test_cameras_of_another_length_than_frames(tmp_path: Path):
    file = tiny.isaac_lab(tmp_path / "a.hdf5")
    stated = json.loads(Path(f"{file}.cameras.json").read_text())
    stated["demos"]["demo_1"]["cameras"]["table_cam"]["position"].pop()
    tiny.write_json(Path(f"{file}.cameras.json"), stated)
    with pytest.raises(ClipError, match="table_cam of demo_1: position holds 8 frames, the clip 9"):
        open_clips(file)


def test_float_colours_are_no_camera(tmp_path: Path):
    file = tiny.isaac_lab(tmp_path / "a.hdf5")
    for k, count in enumerate(tiny.EPISODES):
        values = np.zeros((count, tiny.HEIGHT, tiny.WIDTH, 3), np.float32)
        name = f"data/demo_{k}/obs/wrist_cam"
        edit(file, lambda t, name=name, values=values: replace_dataset(t, name, values))
    opened = open_dataset(file)
    assert opened.cameras == ("table_cam",)
    assert any("record it with normalize=False" in note for note in opened.notes)


def test_depth_within_a_metre_is_relative_until_it_is_stated(tmp_path: Path):
    file = tiny.robomimic(tmp_path / "a.hdf5")
    for k, count in enumerate(tiny.EPISODES):
        near = tiny.depth_of(k, count) / 4
        edit(
            file,
            lambda t, k=k, near=near: t.create_dataset(f"data/demo_{k}/obs/front_depth", data=near),
        )
    asked = ReadOptions(episode="0", camera="front")
    assert open_clip(file, asked).stored(Layer.DEPTH).unit is Unit.RELATIVE
    state_cameras(file, depth="metres")
    assert open_clip(file, asked).stored(Layer.DEPTH).unit is Unit.METRES


def test_maniskill_keeps_the_frames_that_have_an_action(tmp_path: Path):
    clip = open_clip(tiny.maniskill(tmp_path / "a.h5"), ReadOptions(episode="1", camera="front"))
    assert clip.num_frames == 9
    assert any("the last one, after the last action, is left out" in n for n in clip.notes)
    with clip.open(Layer) as reader:
        window = reader.window(range(9))
    np.testing.assert_allclose(window[Layer.DEPTH], tiny.depth_of(1, 10)[:9], atol=5e-4)
    np.testing.assert_array_equal(window[Layer.SEGMENTATION], tiny.ids_of(1, 10)[:9])
    hand = np.append(tiny.hand(1, 10)[3], 1)
    seen = clip.camera.world_to_camera[3] @ hand
    place = clip.camera.intrinsics[3] @ (seen[:3] / seen[2])
    np.testing.assert_allclose(place[:2], tiny.pixel_of(hand[:3]), atol=1e-5)


def test_cameras_may_be_stated_beside_a_file_of_robosuite(tmp_path: Path):
    stated = json.loads(
        Path(f"{tiny.isaac_lab(tmp_path / 'a.hdf5')}.cameras.json")
        .read_text()
        .replace("table_cam", "front")
    )
    file = tiny.robomimic(tmp_path / "b.hdf5")
    tiny.write_json(Path(f"{file}.cameras.json"), stated)
    front = open_clip(file, ReadOptions(episode="0", camera="front"))
    seen = front.camera.world_to_camera[0] @ np.append(tiny.hand(0, 12)[0], 1)
    place = front.camera.intrinsics[0] @ (seen[:3] / seen[2])
    np.testing.assert_allclose(place[:2], tiny.pixel_of(tiny.hand(0, 12)[0]), atol=1e-6)
    file = tiny.maniskill(tmp_path / "c.h5")
    tiny.write_json(Path(f"{file}.cameras.json"), stated)
    with pytest.raises(ClipError, match="states convention; allowed: fps"):
        open_dataset(file)


def test_maniskill_without_pictures_is_to_be_replayed(tmp_path: Path):
    file = tiny.maniskill(tmp_path / "a.h5")

    def change(tree):
        for trajectory in tree.values():
            del trajectory["obs/sensor_data"]

    with pytest.raises(ClipError, match=r"replay_trajectory --traj-path a\.h5 --obs-mode rgb"):
        open_dataset(edit(file, change))


def test_maniskill_poses_that_contradict_each_other(tmp_path: Path):
    file = tiny.maniskill(tmp_path / "a.h5")
    name = "traj_1/obs/sensor_param/front/extrinsic_cv"
    edit(file, lambda t: replace_dataset(t, name, t[name][:] + np.float32([0, 0, 0, 0.1])))
    with pytest.raises(ClipError, match="extrinsic_cv is not the inverse of cam2world_gl"):
        open_clips(file)


def test_maniskill_rate_and_success_come_from_the_json(tmp_path: Path):
    file = tiny.maniskill(tmp_path / "a.h5", fps=None)
    opened = open_dataset(file)
    assert opened.fps == 20
    assert any("default of 20 steps a second is taken" in note for note in opened.notes)
    assert all(episode.success for episode in opened.episodes)
    file.with_suffix(".json").unlink()
    assert open_dataset(file).episodes[0].success is None
    tiny.write_json(file.with_suffix(".json"), {"episodes": [3]})
    with pytest.raises(ClipError, match="its episodes are no list of objects"):
        open_dataset(file)
    tiny.write_json(file.with_suffix(".json"), {"episodes": [{"episode_id": 0}]})
    with pytest.raises(ClipError, match=r"its episodes are not those of a\.h5"):
        open_dataset(file)


def test_actions_of_another_length_than_frames(file: Path):
    place = "traj_1/actions" if "traj_0" in h5py.File(file, "r") else "data/demo_1/actions"
    edit(file, lambda t: replace_dataset(t, place, t[place][:7]))
    with pytest.raises(ClipError, match="7 actions for 9 frames|holds 10 frames"):
        open_clips(file)
    opened = open_dataset(file)
    with pytest.raises(ClipError, match="actions|rows"):
        opened.rows(opened.episodes[1])


def test_a_camera_that_an_episode_lacks(file: Path):
    with h5py.File(file, "r+") as tree:
        maniskill = "traj_0" in tree
        base = "traj_2/obs/sensor_data/wrist/rgb" if maniskill else "data/demo_2/obs/wrist"
        for name in (base, f"{base}_image", f"{base}_cam"):
            if name in tree:
                del tree[name]
    with pytest.raises(ClipError, match=r"has no obs/.*wrist.*--episodes, or the camera"):
        open_clips(file)
    assert len(open_clips(file, episodes="0:2")) == 4


def test_pictures_of_another_length_in_the_first_episode(tmp_path: Path):
    file = tiny.robomimic(tmp_path / "a.hdf5")
    name = "data/demo_0/obs/wrist_image"
    edit(file, lambda t: replace_dataset(t, name, t[name][:11]))
    with pytest.raises(ClipError, match="wrist_image holds 11 frames for 12 samples"):
        open_dataset(file)


def test_lost_attributes_are_said(tmp_path: Path):
    file = tiny.isaac_lab(tmp_path / "a.hdf5")

    def change(tree):
        for demo in tree["data"].values():
            del demo.attrs["num_samples"]
        tree["data"].attrs["total"] = 7

    opened = open_dataset(edit(file, change))
    assert [e.num_frames for e in opened.episodes] == list(tiny.EPISODES)
    assert "3 episodes have no num_samples: they are as long as their actions" in opened.notes
    assert "total is 7, the episodes hold 33 samples" in opened.notes


def test_files_that_are_cut_short_or_hold_something_else(file: Path, tmp_path: Path):
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(ClipError, match=r"demos\.h5: cannot be read as HDF5"):
        open_dataset(file)
    with h5py.File(tmp_path / "other.h5", "w") as out:
        out["weights"] = np.zeros(3)
    with pytest.raises(ClipError, match="holds no demonstrations: there is weights"):
        open_clip(tmp_path / "other.h5")
    with h5py.File(tmp_path / "empty.h5", "w") as out:
        out.create_group("data")
    with pytest.raises(ClipError, match="/data holds no episode: it is empty"):
        open_dataset(tmp_path / "empty.h5")


@pytest.mark.parametrize("seed", range(6))
def test_damage_anywhere_is_said_or_does_no_harm(file: Path, seed):
    rng = np.random.default_rng(seed)
    data = bytearray(file.read_bytes())
    for _ in range(rng.integers(1, 40)):
        data[rng.integers(0, len(data))] = rng.integers(0, 256)
    file.write_bytes(data)
    with contextlib.suppress(SimliftError):
        opened = open_dataset(file)
        opened.rows(opened.episodes[0])
        for clip in open_clips(file, episodes="0"):
            with clip.open(Layer) as reader:
                reader.window(range(clip.num_frames))
