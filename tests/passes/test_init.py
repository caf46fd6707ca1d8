"""Folders that say nothing of their conventions: what init finds, and that it finds what is so."""

import json
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from tiny import clips as builders
from tiny.excerpts import Excerpt, excerpt

from simlift.core.errors import ClipError, SimliftError
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.geometry_decodings import ray_lengths
from simlift.media.images import write_image
from simlift.passes.init import init_folder
from simlift.sources import open_clip

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


def drive() -> Excerpt:
    return excerpt("drive", 10, 6)


def every_convention_at_once() -> Excerpt:
    """Radial millimetres, normals in world axes, a camera that leads to the world in OpenGL's."""
    e = drive()
    lengths = ray_lengths(e.intrinsics, 360, 640)
    rotation = e.poses[:, :3, :3]
    e = e.changed(Layer.DEPTH, lambda d: np.float32(np.where(np.isinf(d), 6e7, d * lengths * 1000)))
    e = e.changed(Layer.NORMALS, lambda n: np.float32(np.einsum("tij,thwi->thwj", rotation, n)))
    return replace(e, poses=np.linalg.inv(FLIP @ e.poses))


def test_conventions_are_found_by_trying_them(tmp_path):
    folder = every_convention_at_once().write(tmp_path / "clip", names={"5": "car"})
    made = init_folder(folder)
    manifest = json.loads((folder / "clip.json").read_text())
    depth, camera = manifest["layers"]["depth"], manifest["camera"]
    assert (depth["measure"], depth["metres_per_unit"]) == ("ray", 0.001)
    assert depth["sky"] == pytest.approx(6e7)
    assert (camera["convention"], camera["direction"]) == ("opengl", "camera_to_world")
    assert manifest["layers"]["normals"]["axes"] == "world"
    assert not made.agreement.contradictions
    right = drive()
    with open_clip(folder).open(Layer) as reader:
        window = reader.window(range(6))
    np.testing.assert_allclose(window[Layer.DEPTH], right.layers[Layer.DEPTH], rtol=1e-4)
    np.testing.assert_allclose(window[Layer.NORMALS], right.layers[Layer.NORMALS], atol=1e-3)
    np.testing.assert_allclose(window.camera.world_to_camera, right.poses, atol=1e-9)
    assert open_clip(folder).labels[5].name == "car"


def test_a_right_folder_is_left_as_it_is(tmp_path):
    folder = drive().write(tmp_path / "clip")
    made = init_folder(folder, ReadOptions(fps=Fraction(25)))
    entry = json.loads((folder / "clip.json").read_text())
    assert entry["layers"]["depth"]["metres_per_unit"] == 1.0
    assert "measure" not in entry["layers"]["depth"] and "convention" not in entry["camera"]
    assert entry["fps"] == "25" and not made.proposal.untold
    with pytest.raises(ClipError, match=r"there already.*--force"):
        init_folder(folder)


def test_z_buffers_need_their_planes_and_then_are_read(tmp_path):
    """Of a fixed camera: its walls are straight as a z-buffer alone."""
    e = excerpt("tabletop", 10, 3)
    near, far = 0.1, 50.0
    coded = e.changed(Layer.DEPTH, lambda d: np.float32((1 / near - 1 / d) / (1 / near - 1 / far)))
    folder = coded.write(tmp_path / "clip")
    made = init_folder(folder)
    assert any("--near and --far" in line for line in made.proposal.untold)
    assert made.clip.stored(Layer.DEPTH).unit is Unit.RELATIVE
    made = init_folder(folder, ReadOptions(near=near, far=far), force=True)
    assert (
        json.loads((folder / "clip.json").read_text())["layers"]["depth"]["measure"] == "z-buffer"
    )
    with made.clip.open([Layer.DEPTH]) as reader:
        found = reader.window([0])[Layer.DEPTH][0]
    np.testing.assert_allclose(found, e.layers[Layer.DEPTH][0], rtol=1e-3)


def test_several_cameras_are_named_and_one_is_chosen(tmp_path):
    for camera, value in (("front", 0), ("rear", 5)):
        for i in range(3):
            frame = builders.scene(value + i)
            write_image(tmp_path / f"rgb_{camera}" / f"{i:04d}.png", frame[Layer.RGB])
            (tmp_path / f"depth_{camera}").mkdir(exist_ok=True)
            np.save(tmp_path / f"depth_{camera}" / f"{i:04d}.npy", frame[Layer.DEPTH])
    with pytest.raises(ClipError, match=r"front, rear.*--camera"):
        init_folder(tmp_path, force=True)
    made = init_folder(tmp_path, ReadOptions(camera="rear"), force=True)
    with made.clip.open(Layer) as reader:
        window = reader.window([0])
    np.testing.assert_array_equal(window.rgb[0], builders.scene(5)[Layer.RGB])
    np.testing.assert_array_equal(window[Layer.DEPTH][0], builders.scene(5)[Layer.DEPTH])
    assert any("front" in line for line in made.proposal.unread)


def test_videos_beside_each_other(tmp_path):
    """rgb_0.mp4 and depth_0.mp4: a picture of depth stays relative until its metres are told."""
    e = excerpt("tabletop", 10, 4)
    builders.video(tmp_path / "rgb_0.mp4", e.layers[Layer.RGB])
    inverse = np.clip(0.8 / e.layers[Layer.DEPTH], 0, 1)
    codes = np.rint(inverse * 255).astype(np.uint8)[..., None].repeat(3, -1)
    builders.video(tmp_path / "depth_0.mp4", codes, options={"crf": "12"})
    made = init_folder(tmp_path)
    assert made.clip.stored(Layer.DEPTH).unit is Unit.RELATIVE
    assert any("--near and --far" in line for line in made.proposal.untold)
    made = init_folder(tmp_path, ReadOptions(fov=60.0, near=0.8, far=1e6), force=True)
    with made.clip.open([Layer.DEPTH]) as reader:
        found = reader.window([0])[Layer.DEPTH][0]
    assert np.median(np.abs(found / e.layers[Layer.DEPTH][0] - 1)) < 0.03


def test_what_was_not_read_is_named(tmp_path):
    folder = drive().write(tmp_path / "clip")
    (folder / "notes.txt").write_text("a")
    (folder / "._camera.npz").write_bytes(b"\0")
    for i in range(3):
        (folder / f"boxes_{i}.json").write_text("{}")
    made = init_folder(folder)
    text = " ".join(made.proposal.unread)
    assert "notes.txt" in text and "boxes_%d.json" in text and "._" not in text


@pytest.mark.parametrize("kind", ["empty", "no pictures", "a known layout", "a file"])
def test_folders_of_which_nothing_can_be_made(tmp_path, kind):
    folder = tmp_path / "clip"
    folder.mkdir()
    words = {
        "empty": "is empty",
        "no pictures": "no colour frames",
        "a known layout": "read as it is",
        "a file": "is no folder",
    }[kind]
    if kind == "no pictures":
        np.save(folder / "depth_0001.npy", np.ones((4, 4), np.float32))
    if kind == "a known layout":
        builders.cosmos(folder, count=3)
    if kind == "a file":
        folder = builders.video(tmp_path / "a.mp4", builders.flat_frames(3))
    with pytest.raises(SimliftError, match=words):
        init_folder(folder)


def test_depth_in_colours_is_no_number(tmp_path):
    """A colour map is left out by init, and refused where clip.json or a writer names it."""
    e = excerpt("tabletop", 10, 3)
    inverse = np.rint(np.clip(0.8 / e.layers[Layer.DEPTH], 0, 1) * 255).astype(np.uint8)
    mapped = np.stack([cv2.applyColorMap(x, cv2.COLORMAP_JET)[..., ::-1] for x in inverse])
    folder = tmp_path / "clip"
    for k in range(3):
        write_image(folder / "rgb" / f"{k:04d}.png", e.layers[Layer.RGB][k])
        write_image(folder / "depth" / f"{k:04d}.png", mapped[k])
    made = init_folder(folder, force=True)
    assert Layer.DEPTH not in made.clip
    assert any("in colours" in line for line in made.proposal.unread)
    for k in range(3):
        write_image(folder / "depth" / f"{k:04d}.png", inverse[k][..., None].repeat(3, -1))
    made = init_folder(folder, force=True)
    assert any("in three channels" in line for line in made.proposal.unread)
    builders.video(folder / "depth.mp4", mapped)
    depth = {"file": "depth.mp4", "unit": "relative"}
    builders.edit_manifest(folder, layers={"rgb": {"file": "rgb/%04d.png"}, "depth": depth})
    with pytest.raises(ClipError, match=r"depth.mp4: shows depth in colours"):
        open_clip(folder)


def test_layers_side_by_side_in_one_archive(tmp_path):
    e = excerpt("tabletop", 10, 3)
    for k in range(3):
        np.savez(
            tmp_path / f"obs_{k}.npz",
            rgb=e.layers[Layer.RGB][k],
            depth=e.layers[Layer.DEPTH][k],
            seg=e.layers[Layer.SEGMENTATION][k],
            reward=1.0,
        )
    clip = init_folder(tmp_path).clip
    with clip.open([Layer.RGB, Layer.DEPTH, Layer.SEGMENTATION]) as reader:
        window = reader.window(range(3))
    for layer in (Layer.RGB, Layer.DEPTH, Layer.SEGMENTATION):
        np.testing.assert_array_equal(window[layer], e.layers[layer])


@pytest.mark.parametrize("ordered", [True, False])
def test_poses_of_a_radiance_field(tmp_path, ordered):
    """transforms.json: an angle in radians, poses to the world in OpenGL axes, frames by name."""
    e = drive()
    to_world = np.linalg.inv(e.poses) @ FLIP
    rows = [
        {"file_path": f"rgb/{k:04d}.png", "transform_matrix": pose.tolist()}
        for k, pose in enumerate(to_world)
    ]
    angle = 2 * np.arctan(320 / e.intrinsics[0, 0, 0])
    data = {"camera_angle_x": float(angle), "frames": rows if ordered else rows[::-1]}
    folder = e.write(tmp_path / "clip", transforms=data)
    (folder / "camera.npz").unlink()
    made = init_folder(folder)
    if not ordered:  # poses of other frames are worse than none
        assert made.clip.camera is None and any("transforms" in x for x in made.proposal.unread)
        return
    assert not made.agreement.contradictions
    np.testing.assert_allclose(made.clip.camera.world_to_camera, e.poses, atol=1e-9)
    np.testing.assert_allclose(made.clip.camera.intrinsics, e.intrinsics, atol=1e-6)
