"""Recordings of Rerun, read back by its own reader: entities, poses, pictures, videos, curves."""

import importlib.util

import cv2
import numpy as np
import pytest
from tiny import arms, datasets

from simlift.core.errors import MissingLibrary, RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, Take, write_text
from simlift.core.strict_json import dumps
from simlift.exports.rerun import export_rerun
from simlift.media.video.writer import write_video
from simlift.scale.progress import Silent
from simlift.sources import open_clip, open_clips

pytest.importorskip("rerun")


def run_of(folder, clips, variants=("plain",)):
    """Write a run whose takes are the clips' own frames."""
    run = Run(folder)
    run.begin(Recipe(tuple(Variant(v, Plugin("m:C", {})) for v in variants)), {})
    for clip in clips:
        with clip.open([Layer.RGB]) as reader:
            frames = reader.window(range(clip.num_frames)).rgb
        for variant in variants:
            take = Take(
                clip=clip.name,
                variant=variant,
                source=clip.path,
                source_digest="",
                engine="m:C",
                settings={},
                recipe_digest="",
                seed=0,
                num_frames=clip.num_frames,
                height=clip.height,
                width=clip.width,
                fps=clip.fps,
                window_starts=(),
                stages=(),
                skipped=(),
                notes=(),
                versions={},
                read_options=clip.read_options,
                origin=clip.origin,
            )
            video = run.take_video(take.key)
            with write_video(video, height=clip.height, width=clip.width, fps=clip.fps) as writer:
                writer.append(frames)
            write_text(run.take_file(take.key), dumps(take))
    return run


def read(path):
    """Return the columns of every entity: {entity: {column: rows}}, chunks joined by frame."""
    from rerun.chunk import RrdReader

    found = {}
    for chunk in RrdReader(path).store().stream().to_chunks():
        batch = chunk.to_record_batch()
        columns = found.setdefault(chunk.entity_path, {})
        for name in batch.schema.names:
            rows = batch.column(name)
            rows = rows.cast("int64") if name == "time" else rows  # nanoseconds
            columns.setdefault(name, []).extend(rows.to_pylist())
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rerun")
    clip = open_clip(arms.clip(folder / "clip"))
    run = run_of(folder / "run", [clip], ("plain", "rain"))
    (path,) = export_rerun(run, folder / "out", Silent())
    return clip, run, path, read(path)


def column(entity, component):
    (name,) = [name for name in entity if name.endswith(component)]
    return entity[name]


def test_a_recording_holds_cameras_links_skeleton_videos_and_curves(recorded):
    _, _, path, found = recorded
    assert path.name == "clip.rrd"
    assert [p.name for p in path.parent.iterdir()] == ["clip.rrd"]
    camera = "/world/cameras/clip"
    assert set(found) - {"/__properties"} == {
        camera,
        f"{camera}/render",
        f"{camera}/takes/plain",
        f"{camera}/takes/rain",
        "/world/skeleton/panda",
        *(f"/world/robot/panda_{k}" for k in range(3)),
        *(f"/curves/joints/joint_{k}" for k in range(2)),
    }


def test_poses_and_curves_are_the_clips(recorded):
    clip, _, _, found = recorded
    link = found["/world/robot/panda_0"]
    moved = [rows[0] for rows in column(link, "Transform3D:translation") if rows]
    np.testing.assert_allclose(moved, clip.robot.link_poses[:, 0, :3, 3], atol=1e-6)
    camera = found["/world/cameras/clip"]
    assert len([r for r in column(camera, "Pinhole:image_from_camera") if r]) == 1
    lens = np.reshape(next(r for r in column(camera, "Pinhole:image_from_camera") if r)[0], (3, 3))
    np.testing.assert_allclose(lens.T, clip.camera.intrinsics[0])  # column by column
    strips = [rows[0] for rows in column(found["/world/skeleton/panda"], "LineStrips3D:strips")]
    expected = clip.robot.poses_of(clip.robot.arms[0].links)[..., :3, 3]
    np.testing.assert_allclose(strips, expected, atol=1e-6)
    joint = found["/curves/joints/joint_1"]
    scalars = [rows[0] for rows in column(joint, "Scalars:scalars")]
    assert scalars == clip.robot.joint_positions[:, 1].tolist()
    assert joint["frame"] == list(range(arms.FRAMES))
    np.testing.assert_allclose(joint["time"], np.arange(arms.FRAMES) / 15 * 1e9, atol=1)


def test_pictures_and_videos_come_back(recorded):
    _, run, _, found = recorded
    render = column(found["/world/cameras/clip/render"], "EncodedImage:blob")
    first = cv2.imdecode(np.array(render[0][0], np.uint8), cv2.IMREAD_COLOR)
    assert first.shape == (arms.HEIGHT, arms.WIDTH, 3) and abs(int(first.mean()) - 90) <= 2
    assert len(render) == arms.FRAMES
    take = found["/world/cameras/clip/takes/rain"]
    (blob,) = [rows[0] for rows in column(take, "AssetVideo:blob") if rows]
    video = run.take_video(run.takes()[1].key)
    assert bytes(blob) == video.read_bytes()
    shown = [r[0] for r in column(take, "VideoFrameReference:timestamp") if r]
    np.testing.assert_allclose(np.array(shown) / 1e9, np.arange(arms.FRAMES) / 15, atol=1e-4)


def test_turned_links_keep_their_turn(tmp_path):
    """A matrix must not arrive transposed."""
    clip = open_clip(arms.clip(tmp_path / "clip"))
    turn = cv2.Rodrigues(np.array([0.3, -0.5, 0.9]))[0]
    robot = dict(np.load(tmp_path / "clip" / "robot.npz"))
    robot["link_poses"][:, 0, :3, :3] = turn
    np.savez(tmp_path / "clip" / "robot.npz", **robot)
    (path,) = export_rerun(run_of(tmp_path / "run", [clip]), tmp_path / "out", Silent())
    rows = column(read(path)["/world/robot/panda_0"], "Transform3D:mat3x3")
    stored = [np.reshape(row[0], (3, 3)).T for row in rows if row]
    np.testing.assert_allclose(stored, [turn] * arms.FRAMES, atol=1e-6)


def test_the_cameras_of_an_episode_share_a_recording(tmp_path):
    clips = open_clips(datasets.lerobot_v3(tmp_path / "set", episodes=(6, 5)), episodes="0:2")
    made = export_rerun(run_of(tmp_path / "run", clips), tmp_path / "out", Silent())
    assert [path.name for path in made] == ["episode_000000.rrd", "episode_000001.rrd"]
    found = read(made[1])
    for camera in datasets.CAMERAS:
        assert f"/cameras/observation.images.{camera}/takes/plain" in found
    (reward,) = [name for name in found if name.startswith("/curves/gripper/")]
    assert len(found[reward]["frame"]) == 5


def test_equal_runs_give_equal_values_and_nothing_half_made(recorded, tmp_path):
    _, run, _, found = recorded
    (again,) = export_rerun(run, tmp_path, Silent())
    first, second = ({k: v.get("frame") for k, v in f.items()} for f in (found, read(again)))
    assert first == second
    assert not [name for entity in found.values() for name in entity if name == "log_time"]


def test_a_run_without_takes_or_rerun_says_so(recorded, tmp_path, monkeypatch):
    run = Run(tmp_path / "run")
    run.begin(Recipe((Variant("plain", Plugin("m:C", {})),)), {})
    with pytest.raises(RunError, match="holds no takes.*simlift lift"):
        export_rerun(run, tmp_path / "out", Silent())
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "simlift.exports.rerun.find_spec", lambda name: None if name == "rerun" else real(name)
    )
    with pytest.raises(MissingLibrary, match=r"simlift\[rerun\]"):
        export_rerun(recorded[1], tmp_path / "out", Silent())
