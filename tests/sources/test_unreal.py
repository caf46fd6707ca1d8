"""Unreal's Movie Render Queue: the camera in headers, passes by name, ranges, several shots."""

import numpy as np
import pytest
from tiny import clips as builders
from tiny import engine_folders as engines
from tiny.clips import FRAMES

import simlift
from simlift.core.clip import Label
from simlift.core.layers import Layer
from simlift.sources import layout_of, unreal

pytest.importorskip("OpenEXR")


@pytest.mark.parametrize("multilayer", [True, False])
def test_the_camera_is_the_scenes(tmp_path, multilayer):
    """Unreal's world is mirrored along y: seen from the camera, all is where it was."""
    folder = engines.unreal(tmp_path / "shot", multilayer=multilayer)
    clip, truth = simlift.open_clip(folder), builders.camera(FRAMES)
    np.testing.assert_allclose(clip.camera.intrinsics, truth.intrinsics, atol=1e-5)
    np.testing.assert_allclose(clip.camera.world_to_camera, truth.world_to_camera, atol=1e-7)
    np.testing.assert_array_equal(clip.camera.up, [0, 0, 1])
    assert layout_of(folder).read is unreal.read


def test_names_and_what_is_not_read(tmp_path):
    clip = simlift.open_clip(engines.unreal(tmp_path / "a", 2))
    assert clip.labels[1] == Label("robot", "robot")
    assert clip.labels[3] == Label("table.001", "table")
    words = "passes that are not read: FinalImageMovieRenderQueue_MotionVectors"
    assert any(words in note for note in clip.notes), clip.notes
    clip = simlift.open_clip(engines.unreal(tmp_path / "b", 2, multilayer=False))
    words = "not read: shot.FinalImageMovieRenderQueue_MotionVectors.*.exr (2 files)"
    assert any(words in note for note in clip.notes), clip.notes


def test_passes_in_folders_of_their_own(tmp_path):
    folder = engines.unreal(tmp_path / "shot", 2, multilayer=False)
    for path in list(folder.iterdir()):
        name, number, suffix = path.name.rsplit(".", 2)
        place = folder / name.removeprefix("shot.")
        place.mkdir(exist_ok=True)
        path.rename(place / f"shot.{number}.{suffix}")
    clip = simlift.open_clip(folder)
    assert {Layer.RGB, Layer.DEPTH, Layer.NORMALS, Layer.ALBEDO} == {s.layer for s in clip.layers}


def test_normals_from_minus_one_to_one(tmp_path):
    folder = engines.unreal(tmp_path / "shot", 2, multilayer=False)
    for i in (0, 1):
        planes = engines.unreal_passes(i, 2)["FinalImageMovieRenderQueue_WorldNormal"]
        hit = (planes["R"] != 0) | (planes["G"] != 0) | (planes["B"] != 0)
        planes = {c: np.where(hit, planes[c] * 2 - 1, 0).astype(np.float32) for c in "RGB"}
        name = f"shot.FinalImageMovieRenderQueue_WorldNormal.{i:04d}.exr"
        engines.write_exr(folder / name, planes, **engines.unreal_header(i, 2))
    normals = builders.read(simlift.open_clip(folder), Layer.NORMALS, [1])[0]
    truth = builders.scene(1)[Layer.NORMALS]
    np.testing.assert_allclose(normals[3:], truth[3:], atol=1e-5)


def test_headers_without_a_camera(tmp_path):
    """Depth is read, normals in world axes are not, and both is said."""
    passes = engines.unreal_passes(0, 1)
    channels = passes.pop("FinalImage")
    for name, planes in passes.items():
        channels |= {f"{name}.{c}": plane for c, plane in planes.items()}
    engines.write_exr(tmp_path / "shot" / "a.0001.exr", channels, **{"unreal/shotName": "a"})
    clip = simlift.open_clip(tmp_path / "shot")
    assert clip.camera is None
    assert Layer.DEPTH in clip
    assert Layer.NORMALS not in clip
    for words in ("no camera is written", "normals are not read", "linear light"):
        assert any(words in note for note in clip.notes), clip.notes


def two_shots(folder):
    for path in list(folder.glob("shot.FinalImage.*.png")):
        (folder / path.name.replace("shot", "other")).write_bytes(path.read_bytes())


def scaled_normals(folder):
    planes = engines.unreal_passes(0, 2)["FinalImageMovieRenderQueue_WorldNormal"]
    planes = {c: planes[c] * np.float32(0.2) for c in "RGB"}
    name = "shot.FinalImageMovieRenderQueue_WorldNormal.0000.exr"
    engines.write_exr(folder / name, planes, **engines.unreal_header(0, 2))


def two_cameras(folder):
    planes = engines.unreal_passes(0, 2)["FinalImageMovieRenderQueue_WorldDepth"]
    header = engines.unreal_header(0, 2)
    x = header.pop("unreal/camera/curPos/x")
    header |= {"unreal/camera/A/curPos/x": x, "unreal/camera/B/curPos/x": "12"}
    engines.write_exr(
        folder / "shot.FinalImageMovieRenderQueue_WorldDepth.0000.exr", planes, **header
    )


def no_rotation(folder):
    planes = engines.unreal_passes(1, 2)["FinalImageMovieRenderQueue_WorldDepth"]
    header = {k: v for k, v in engines.unreal_header(1, 2).items() if "yaw" not in k}
    engines.write_exr(
        folder / "shot.FinalImageMovieRenderQueue_WorldDepth.0001.exr", planes, **header
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (two_shots, "rgb of two renders"),
        (scaled_normals, "normals have the length"),
        (lambda folder: [p.unlink() for p in folder.glob("*.png")], "no files of FinalImage"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_is_refused(tmp_path, spoil, words):
    folder = engines.unreal(tmp_path / "shot", 2, multilayer=False)
    spoil(folder)
    with pytest.raises(simlift.SimliftError, match=words) as caught:
        simlift.open_clip(folder)
    assert "allowed:" in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(two_cameras, "two values of curPos/x"), (no_rotation, "has no unreal/.../curRot/yaw")],
)
def test_headers_that_contradict_are_refused(tmp_path, spoil, words):
    folder = engines.unreal(tmp_path / "shot", 2, multilayer=False)
    for path in list(folder.glob("*BaseColor*")):
        path.unlink()
    spoil(folder)
    with pytest.raises(simlift.SimliftError, match=words):
        simlift.open_clip(folder)
