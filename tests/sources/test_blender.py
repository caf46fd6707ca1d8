"""Blender's renders: lens and shift by closed forms, view layers, Cryptomatte, File Output."""

import json
import sys

import numpy as np
import pytest
from tiny import clips as builders
from tiny import engine_folders as engines
from tiny.clips import HEIGHT, WIDTH

import simlift
from simlift.core.clip import Label
from simlift.core.errors import MissingLibrary
from simlift.core.layers import Layer
from simlift.media.images import write_image
from simlift.sources import blender, layout_of

pytest.importorskip("OpenEXR")


def edit_camera(folder, **changes):
    path = folder / "camera.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not None}))


def test_the_camera_is_the_scenes(tmp_path):
    folder = engines.blender_multilayer(tmp_path / "layers", 3)
    clip, truth = simlift.open_clip(folder), builders.camera(3)
    np.testing.assert_allclose(clip.camera.world_to_camera, truth.world_to_camera, atol=1e-9)
    np.testing.assert_allclose(clip.camera.intrinsics, truth.intrinsics, atol=1e-6)
    assert layout_of(folder).read is blender.read
    # A folder of layers beside the camera, as renders keep it.
    (folder / "camera.json").rename(tmp_path / "camera.json")
    above = simlift.open_clip(folder)
    np.testing.assert_array_equal(above.camera.world_to_camera, clip.camera.world_to_camera)


def test_a_camera_of_arrays(tmp_path):
    folder = engines.blender_multilayer(tmp_path / "layers", 3)
    data = json.loads((folder / "camera.json").read_text())
    matrices = np.array([row["matrix_world"] for row in data["frames"]])
    np.savez(
        folder / "camera.npz",
        matrix_world=matrices,
        lens_mm=np.full(3, data["lens_mm"]),
        sensor_width_mm=36.0,
    )
    expected = simlift.open_clip(folder).camera
    (folder / "camera.json").unlink()
    found = simlift.open_clip(folder).camera
    np.testing.assert_array_equal(found.world_to_camera, expected.world_to_camera)
    np.testing.assert_allclose(found.intrinsics, expected.intrinsics)


@pytest.mark.parametrize(
    ("settings", "focal", "centre"),
    [
        ({}, 24 / 36 * WIDTH, (WIDTH / 2, HEIGHT / 2)),
        (
            {"shift_x": 0.1, "shift_y": -0.05},
            24 / 36 * WIDTH,
            (WIDTH * 0.4, HEIGHT / 2 - 0.05 * WIDTH),
        ),
        (
            {"sensor_fit": "VERTICAL", "sensor_height_mm": 24.0, "shift_y": 0.1},
            HEIGHT,
            (WIDTH / 2, HEIGHT * 0.6),
        ),
    ],
    ids=["plain", "shift", "vertical"],
)
def test_lenses_by_closed_forms(tmp_path, settings, focal, centre):
    folder = engines.blender_multilayer(tmp_path / "layers", 1)
    edit_camera(folder, lens_mm=24.0, sensor_width_mm=36.0, **settings)
    k = simlift.open_clip(folder).camera.intrinsics[0]
    np.testing.assert_allclose([k[0, 0], k[1, 1]], focal)
    np.testing.assert_allclose(k[:2, 2], centre)


def test_names_of_pass_indices_and_of_cryptomatte(tmp_path):
    clip = simlift.open_clip(engines.blender_multilayer(tmp_path / "a", 1))
    assert clip.labels == {n: Label(name, name) for n, name in engines.NAMES.items()}
    clip = simlift.open_clip(engines.blender_multilayer(tmp_path / "b", 1, matte=True))
    assert clip.labels[3] == Label("table.001", "table")


def test_what_is_not_read_is_said(tmp_path):
    folder = engines.blender_multilayer(tmp_path / "layers", 2)
    (folder / "camera.json").unlink()
    clip = simlift.open_clip(folder)
    assert clip.camera is None
    assert Layer.NORMALS not in clip
    for words in (
        "not read: ViewLayer.Mist",
        "no camera",
        "normals are not read",
        "sRGB curve",
        "have no names",
        "24 fps",
    ):
        assert any(words in note for note in clip.notes), clip.notes


def test_passes_of_another_view_layer_and_of_newer_names(tmp_path):
    """Depth of the one other view layer is taken; two pictures are not guessed between."""
    found = engines.blender_frame(0, 1)
    picture = {f"A.Combined.{c}": found[f"Combined.{c}"] for c in "RGBA"}
    index = {"A.Object Index.X": found["IndexOB.X"]}
    albedo = {f"A.Diffuse Color.{c}": found[f"DiffCol.{c}"] for c in "RGB"}
    depth = {"B.Depth.Z": found["Depth.Z"]}
    engines.write_exr(tmp_path / "one" / "0001.exr", picture | depth | index | albedo)
    clip = simlift.open_clip(tmp_path / "one")
    assert {s.layer for s in clip.layers} == {
        Layer.RGB,
        Layer.DEPTH,
        Layer.SEGMENTATION,
        Layer.ALBEDO,
    }
    assert clip.num_frames == 1
    second = {name.replace("A.", "B."): plane for name, plane in picture.items()}
    engines.write_exr(tmp_path / "two" / "0001.exr", picture | second)
    with pytest.raises(simlift.SimliftError, match=r"2 pictures \(A.Combined, B.Combined\)"):
        simlift.open_clip(tmp_path / "two")


def test_file_output_says_what_pictures_lost(tmp_path):
    """A picture of depth is no depth, and Vector without its fourth number no forward flow."""
    folder = engines.blender_file_output(tmp_path / "slots", 2)
    for i in (1, 2):
        (folder / f"Depth{i:04d}.exr").unlink()
        (folder / f"Depth{i:04d}.png").write_bytes((folder / f"Image{i:04d}.png").read_bytes())
        flat = np.ones((HEIGHT, WIDTH), np.float32)
        engines.write_exr(folder / f"Vector{i:04d}.exr", dict.fromkeys("XYZA", flat))
    clip = simlift.open_clip(folder)
    assert {s.layer for s in clip.layers} == {Layer.RGB, Layer.NORMALS, Layer.SEGMENTATION}
    for words in ("Depth is not read", "has not the channels of flow", "Depth*.png (2 files)"):
        assert any(words in note for note in clip.notes), clip.notes
    for i in (1, 2):
        engines.write_exr(folder / f"Vector{i:04d}.exr", dict.fromkeys("RGBA", flat))
    assert Layer.FLOW not in simlift.open_clip(folder)


def test_pictures_of_the_render_beside_the_passes_of_a_node(tmp_path):
    folder = engines.blender_file_output(tmp_path / "slots", 3)
    for i in (1, 2, 3):
        (folder / f"Image{i:04d}.png").rename(folder / f"shot_{i:04d}.png")
    assert layout_of(folder).read is blender.read
    clip = simlift.open_clip(folder)
    found = builders.read(clip, Layer.RGB, [2])[0]
    np.testing.assert_array_equal(found, builders.scene(2)[Layer.RGB])
    (folder / "other_0001.png").write_bytes((folder / "shot_0001.png").read_bytes())
    with pytest.raises(simlift.SimliftError, match=r"2 names \(other_, shot_\)"):
        simlift.open_clip(folder)


def test_files_that_others_name_so_are_blenders_by_their_header_alone(tmp_path):
    pixels = builders.scene(0)
    write_image(tmp_path / "rgb_0001.png", pixels[Layer.RGB])
    engines.write_exr(tmp_path / "Depth_0001.exr", {"R": pixels[Layer.DEPTH]})
    assert not blender.recognises(tmp_path)
    stamp = {"RenderTime": "00:01.04"}
    engines.write_exr(tmp_path / "Depth_0001.exr", {"R": pixels[Layer.DEPTH]}, **stamp)
    assert blender.recognises(tmp_path)


def test_the_library_is_named_where_it_is_missing(tmp_path, monkeypatch):
    """A folder is recognised without it, and so is not taken for another."""
    folder = engines.blender_multilayer(tmp_path / "layers", 1)
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(MissingLibrary, match=r"frame_0001.exr needs OpenEXR.*simlift\[exr\]"):
        simlift.open_clip(folder)


def half_normals(folder):
    for i in (1, 2):
        channels = {f"ViewLayer.{n}": p for n, p in engines.blender_frame(i - 1, 2).items()}
        for name in ("X", "Y", "Z"):
            channels[f"ViewLayer.Normal.{name}"] *= np.float32(0.5)
        engines.write_exr(folder / f"frame_{i:04d}.exr", channels)


def mixed_indices(folder):
    channels = {f"ViewLayer.{n}": p for n, p in engines.blender_frame(0, 2).items()}
    channels["ViewLayer.IndexOB.X"] = channels["ViewLayer.IndexOB.X"] + np.float32(0.5)
    engines.write_exr(folder / "frame_0001.exr", channels)


def strange_hash(folder):
    channels = {f"ViewLayer.{n}": p for n, p in engines.blender_frame(1, 2).items()}
    plane = np.full((HEIGHT, WIDTH), 0.7, np.float32)
    planes, names = engines.cryptomatte(
        "ViewLayer.CryptoObject", engines.HASHES, builders.scene(0)[Layer.SEGMENTATION], "rgba"
    )
    engines.write_exr(folder / "frame_0001.exr", channels | planes, **names)
    planes["ViewLayer.CryptoObject00.r"] = plane
    engines.write_exr(folder / "frame_0002.exr", channels | planes, **names)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (half_normals, "normals have the length 0.50"),
        (mixed_indices, "no whole numbers in 100.0% of the pixels, such as 3.5"),
        (strange_hash, "hashes of no name, such as 3f333333"),
        (lambda folder: edit_camera(folder, frames=[]), "holds no camera of 2 frames"),
        (lambda folder: edit_camera(folder, lens_mm=None), "has no lens_mm"),
        (lambda folder: edit_camera(folder, type="ORTHO"), "of type ORTHO"),
        (lambda folder: edit_camera(folder, sensor_fit="BOTH"), "sensor_fit is 'BOTH'"),
        (lambda folder: edit_camera(folder, fps="fast"), "holds Invalid literal"),
        (lambda folder: (folder / "camera.json").write_text("[]"), "no list of frames"),
        (
            lambda folder: (folder / "frame_0002.exr").write_bytes(b"\x76\x2f\x31\x01"),
            "frame_0002.exr: is damaged",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_is_refused(tmp_path, spoil, words):
    folder = engines.blender_multilayer(tmp_path / "layers", 2)
    spoil(folder)
    with pytest.raises(simlift.SimliftError, match=words) as caught:
        builders.read_all(simlift.open_clip(folder))
    assert "allowed:" in str(caught.value) or "way out:" in str(caught.value)


def test_the_far_end_of_a_camera_is_nothing(tmp_path):
    folder = engines.blender_multilayer(tmp_path / "layers", 1)
    edit_camera(folder, clip_end=1.2)
    depth = builders.read(simlift.open_clip(folder), Layer.DEPTH, [0])[0]
    truth = builders.scene(0)[Layer.DEPTH]
    np.testing.assert_array_equal(np.isinf(depth), truth >= 1.2 * 0.9999)
