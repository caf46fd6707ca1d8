"""Demonstrations are replayed with every layer, agree with their pictures, or are refused."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from tiny import demonstrations as demos

from simlift.core.errors import ClipError, RunError, SimliftError
from simlift.core.layers import Layer
from simlift.passes import recorded_dataset
from simlift.passes.replay import record_replay
from simlift.scale.progress import Silent
from simlift.simulators.replay.assets import find_assets
from simlift.sources import open_clip, open_clips
from simlift.sources.datasets import open_dataset
from simlift.sources.hdf5 import read_as_stored

pytestmark = pytest.mark.mujoco


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    return demos.write_assets(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def file(tmp_path_factory, assets):
    return demos.write(tmp_path_factory.mktemp("file") / "fall.hdf5", assets, demos=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory, file, assets):
    out = tmp_path_factory.mktemp("out") / "replayed"
    return record_replay(file, out, Silent(), assets=assets)


def replayed(file, out, assets, **options):
    return record_replay(file, out, Silent(), assets=assets, **options)


def test_the_replay_agrees_and_says_which_way_is_up(made):
    told = [note for note in made.notes if "differs from the recorded pictures" in note]
    assert len(told) == 2
    for note, camera in zip(told, demos.CAMERAS):
        assert note.startswith(f"{camera}: the replay differs from the recorded pictures by 0.0 ")
        assert "stored upside down" in note
    assert any("models/assets" in note for note in made.notes)
    assert made.missing == ""


def test_pictures_that_are_upright_are_told_apart(tmp_path, assets):
    file = demos.write(
        tmp_path / "a.hdf5", assets, cameras=["agentview"], stored_pictures=lambda p: p
    )
    made = replayed(file, tmp_path / "out", assets)
    assert "by 0.0 codes" in made.notes[0]
    assert "stored upright" in made.notes[0]


def test_rows_and_the_link_to_the_file_are_kept(made, file):
    source, dataset = read_as_stored(file), open_dataset(made.path)
    assert dataset.layout == "simlift-dataset/1"
    assert dataset.fps == source.fps == 20
    assert dataset.robot_type == "Tiny"
    assert [e.key for e in dataset.episodes] == ["demo_0", "demo_1"]
    for ours, theirs in zip(dataset.episodes, source.episodes):
        rows, due = dataset.rows(ours), source.rows(theirs)
        assert rows.schema.equals(due.schema)
        assert rows.equals(due)
    assert str(dataset.features["actions"].dtype) == "float32"
    assert dataset.features["states"].shape == (22,)
    link = dataset.manifest.episodes[1].source
    assert (link.key, link.layout, link.path) == ("demo_1", "robomimic", str(file))
    assert link.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert link.size == file.stat().st_size


def test_clips_have_every_layer_and_their_origin(made):
    clips = open_clips(made.path)
    assert [clip.name for clip in clips] == [
        f"episode_{k:06d}.{camera}" for k in range(2) for camera in demos.CAMERAS
    ]
    for clip in clips:
        assert {s.layer for s in clip.layers} == {
            Layer.RGB, Layer.ALBEDO, Layer.MATERIAL, Layer.DEPTH, Layer.SEGMENTATION
        }  # fmt: skip
        assert clip.metric_depth
        assert clip.scene.is_file()
        assert clip.actions.name == "actions.parquet"
        assert clip.origin.layout == "simlift-dataset/1"
    again = open_clip(clips[3].path, clips[3].read_options)
    assert again.origin == clips[3].origin
    assert clips[0].lead is None
    assert clips[1].lead.name == clips[0].name


def test_cameras_of_an_episode_show_the_same_bodies(made):
    front, hand = open_clips(made.path, episodes="demo_0")
    np.testing.assert_array_equal(front.objects.poses, hand.objects.poses)
    np.testing.assert_array_equal(front.robot.link_poses, hand.robot.link_poses)
    assert not front.camera.moves
    assert hand.camera.moves
    # The camera on the hand does not move against the hand.
    pose = hand.robot.poses_of(("robot0_right_hand",))[:, 0]
    fixed = hand.camera.world_to_camera @ pose
    np.testing.assert_allclose(fixed, np.broadcast_to(fixed[0], fixed.shape), atol=1e-6)


def test_names_classes_and_what_robosuite_does_not_draw(made):
    front, _ = open_clips(made.path, episodes="demo_0")
    named = {label.name: (i, label.category) for i, label in front.labels.items()}
    assert named["cube"][1] == "object"
    assert {named[n][1] for n in ("floor", "table")} == {"static"}
    assert {c for n, (_, c) in named.items() if n.startswith(("robot0", "gripper0"))} == {"robot"}
    with front.open([Layer.SEGMENTATION, Layer.RGB]) as reader:
        window = reader.window(range(demos.FRAMES))
    seen = set(np.unique(window.arrays[Layer.SEGMENTATION]))
    assert named["hood_collision"][0] not in seen
    assert {named[n][0] for n in ("cube", "floor", "table", "robot0_link1")} <= seen
    red, green = window.arrays[Layer.RGB][..., 0], window.arrays[Layer.RGB][..., 1]
    assert red.dtype == np.uint8
    assert not ((green > 180) & (red < 75)).any()  # the site is green
    assert not ((red > 225) & (green < 25)).any()  # what only collides is red


def test_the_robot_has_its_arm_and_its_gripper(made):
    front, _ = open_clips(made.path, episodes="demo_0")
    (arm,) = front.robot.arms
    assert arm.links == ("robot0_right_hand", "robot0_link2", "robot0_link1", "robot0_base")
    np.testing.assert_allclose(arm.gripper, np.linspace(1, 0, demos.FRAMES), atol=1e-9)
    np.testing.assert_array_equal(front.robot.joint_positions[:, :2], demos.states(0)[:, 1:3])


def test_a_cube_map_lends_the_scene_its_mean_colour(assets):
    from simlift.pixels.colour.spaces import srgb_to_linear
    from simlift.simulators.mujoco._scene_geometry import scene_geometry
    from simlift.simulators.replay._demonstration import Demonstration
    from simlift.simulators.replay._model import open_replay

    replay = open_replay(Demonstration(assets, "demo", demos.MODEL, demos.states(0)), assets)
    found = scene_geometry(replay.model, replay.segments)
    (red,) = [m for m in found.materials if m.name == "red"]
    # MuJoCo paints five faces of a flat cube in rgb1, the lowest in rgb2, which is gray.
    top, bottom = srgb_to_linear(np.array([[204, 26, 26], [127, 127, 127]], np.float32) / 255)
    due = (5 * top + bottom) / 6
    np.testing.assert_allclose(red.colour, due, atol=0.005)
    drawn = {replay.segments.labels[part.id].name for part in found.parts}
    assert {"cube", "table", "floor"} <= drawn
    assert "hood_collision" not in drawn


def test_any_camera_and_size(tmp_path, file, assets):
    out = tmp_path / "side"
    replayed(file, out, assets, episodes="demo_1", cameras=["sideview"], size=(40, 32))
    clip = open_clip(out)
    assert (clip.width, clip.height) == (40, 32)
    assert (out / "clip.json").is_file()  # one episode and one camera: a clip folder too
    assert clip.origin.key == "demo_1"
    assert clip.origin.episode == 1
    assert open_dataset(out).rows(open_dataset(out).episodes[0]).num_rows == demos.FRAMES


SWAPPED = np.r_[0, 12:22, 1:12]


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"stored_states": lambda s: s[::-1]}, "run backward"),
        ({"stored_states": lambda s: s[:, SWAPPED]}, "time, qvel, qpos|another order"),
        ({"stored_states": lambda s: s[[3, 0, 7, 1, 9, 4, 2, 8, 5, 6]]}, "another order"),
        ({"stored_states": lambda s: s[[0, *range(9)]]}, "a frame (before|after)"),
        ({"seen_by": "sideview"}, "those of the camera sideview"),
        ({"stored_pictures": lambda p: p[:, ::-1, ::-1]}, "mirrored"),
        ({"stored_pictures": lambda p: 255 - p}, "likely cause"),
    ],
    ids=["backward", "swapped", "shuffled", "late", "camera", "mirrored", "negative"],
)
def test_what_does_not_agree_is_refused_with_the_cause(tmp_path, assets, wrong, cause):
    file = demos.write(tmp_path / "a.hdf5", assets, cameras=["agentview"], **wrong)
    with pytest.raises(ClipError, match=cause):
        replayed(file, tmp_path / "out", assets)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("states", "words"),
    [(lambda s: s[:, :-1], "21 numbers.*22 for this model"), (lambda s: s[:-1], "10 frames")],
)
def test_states_of_another_size_are_refused(tmp_path, assets, states, words):
    file = demos.write(tmp_path / "a.hdf5", assets, cameras=["agentview"], stored_states=states)
    with pytest.raises(ClipError, match=words):
        replayed(file, tmp_path / "out", assets)


def test_an_unknown_camera_is_refused(tmp_path, file, assets):
    with pytest.raises(ClipError, match="agentview, sideview, robot0_eye_in_hand"):
        replayed(file, tmp_path / "out", assets, cameras=["topview"])


def test_missing_assets_are_listed(tmp_path, file):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipError, match=r"2 meshes and textures.*upper\.stl.*--assets DIR"):
        replayed(file, tmp_path / "out", tmp_path / "empty")
    with pytest.raises(ClipError, match="no folder"):
        replayed(file, tmp_path / "out", tmp_path / "none")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"{demos.FOREIGN}/textures/floor.png", "../../../../secret.png", "leads out"),
        (f"{demos.FOREIGN}/textures/floor.png", "/somewhere/../../secret.png", "are not here"),
        (f"{demos.FOREIGN}/textures/floor.png", "/etc/passwd", "reads '/etc/passwd'"),
        (f"{demos.FOREIGN}/textures/floor.png", "textures/linked.png", "is a link to"),
        ("<worldbody>", '<worldbody><include file="a.xml"/>', "<include>"),
        ("<worldbody>", '<extension/><worldbody>', "<extension>"),
        ("<mujoco", '<!DOCTYPE m [<!ENTITY a "b">]><mujoco', "entities"),
        ("<mujoco", "<urdf/><mujoco", "not XML"),
    ],
)  # fmt: skip
def test_models_that_ask_for_more_than_assets_are_refused(tmp_path, old, new, words):
    checkout = demos.write_assets(tmp_path / "checkout")
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = checkout / "robosuite" / "models" / "assets" / "textures"
    (folder / "linked.png").symlink_to(tmp_path / "secret.png")
    model = demos.MODEL.replace(old, new, 1)
    assert model != demos.MODEL
    with pytest.raises(ClipError, match=words):
        find_assets(model, tmp_path / "a.hdf5", checkout)


def test_a_name_alone_is_not_enough(tmp_path):
    """A file of the same name in another folder may be another robot's."""
    checkout = demos.write_assets(tmp_path)
    mesh = "robots/tiny/meshes/upper.stl"
    other = demos.MODEL.replace(mesh, "robots/other/parts/upper.stl")
    with pytest.raises(ClipError, match="1 meshes and textures"):
        find_assets(other, tmp_path / "a.hdf5", checkout)
    windows = demos.MODEL.replace(f"{demos.FOREIGN}/{mesh}", f"C:\\x\\assets\\{mesh}")
    assert len(find_assets(windows, tmp_path / "a.hdf5", checkout).assets) == 2


def test_a_killed_replay_goes_on(tmp_path, file, assets, monkeypatch):
    out, written = tmp_path / "out", recorded_dataset.write_recording

    def killed(recording, folder, *rest):
        if folder.parent.name == "episode_000001":
            raise KeyboardInterrupt
        return written(recording, folder, *rest)

    options = {"cameras": ["agentview"], "size": (16, 16)}
    with monkeypatch.context() as patch:
        patch.setattr(recorded_dataset, "write_recording", killed)
        with pytest.raises(KeyboardInterrupt):
            replayed(file, out, assets, **options)
    kept = out / "episode_000000" / "agentview" / "clip.json"
    before = kept.stat().st_mtime_ns
    with pytest.raises(RunError, match="other settings"):
        replayed(file, out, assets, cameras=["agentview"], size=(32, 16))
    replayed(file, out, assets, **options)
    assert kept.stat().st_mtime_ns == before
    assert len(open_clips(out)) == 2
    assert {p.name for p in out.iterdir()} == {"dataset.json", "episode_000000", "episode_000001"}
    with pytest.raises(RunError, match="already"):
        replayed(file, out, assets, **options)


def test_other_files_are_refused(tmp_path, assets):
    file = demos.write(tmp_path / "a.hdf5", assets, cameras=[])
    with pytest.raises(SimliftError, match="--cameras"):
        replayed(file, tmp_path / "out", assets)
    import h5py

    with h5py.File(file, "r+") as opened:
        del opened["data/demo_0"].attrs["model_file"]
    with pytest.raises(ClipError, match="no model_file"):
        replayed(file, tmp_path / "out", assets, cameras=["agentview"])


def test_a_file_without_pictures_says_that_nothing_was_compared(tmp_path, assets):
    file = demos.write(tmp_path / "a.hdf5", assets, cameras=[])
    made = replayed(file, tmp_path / "out", assets, cameras=["agentview"], size=(16, 16))
    assert made.notes[0] == "there are no recorded pictures to compare the replay with"


def test_gripper_whose_open_end_is_unknown_is_nan(assets):
    from simlift.simulators.replay._demonstration import Demonstration
    from simlift.simulators.replay._model import open_replay
    from simlift.simulators.replay._robot import replayed_robot

    only = demos.MODEL.replace('<position joint="gripper0_finger_joint1" kp="10"/>', "").replace(
        '<position joint="gripper0_finger_joint2" kp="10"/>', ""
    )
    replay = open_replay(Demonstration(assets, "demo", only, demos.states(0)), assets)
    notes = []
    episode = replace(replay.episode("agentview", height=8, width=8))
    robot = replayed_robot(episode, replay.robot_bodies, notes)
    assert np.isnan(robot.gripper).all()
    assert "cannot be told" in notes[0]
