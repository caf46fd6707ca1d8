"""Which layout reads a folder, and what each makes of names, order and labels."""

import numpy as np
import pytest
from tiny import clips as builders
from tiny.clips import FRAMES, HEIGHT, WIDTH

import simlift
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour, PaletteIds
from simlift.media.geometry_decodings import (
    CarlaDepth,
    RelativeDepth,
    ScaledDepth,
    StoredNormals,
)
from simlift.media.images import write_image
from simlift.sources import carla
from simlift.sources.carla_classes import CLASSES


def test_the_manifest_itself_names_the_clip(tmp_path):
    folder = builders.native(tmp_path / "clip", [Layer.RGB])
    assert simlift.open_clip(folder / "clip.json").path == folder
    assert simlift.open_clip(str(folder)).name == "clip"


def test_the_most_specific_layout_wins(tmp_path):
    """A native folder may hold what other layouts look for."""
    folder = builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH])
    builders.cosmos(folder, count=3)
    builders.carla(folder, count=3)
    assert simlift.open_clip(folder).caption == "a table"
    for name in ("clip.json", "rgb.mp4"):
        (folder / name).unlink()
    assert simlift.open_clip(folder).stored(Layer.DEPTH).unit is Unit.RELATIVE


def test_two_videos_are_not_guessed_between(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        builders.video(tmp_path / name, builders.flat_frames(2))
    with pytest.raises(simlift.SimliftError, match="no known layout"):
        simlift.open_clip(tmp_path)


def test_actions_are_named_and_the_twin_decides_no_pixel(tmp_path):
    folder = builders.native(tmp_path / "clip", [Layer.RGB, Layer.TWIN])
    (folder / "actions.parquet").write_bytes(b"rows")
    builders.edit_manifest(folder, actions="actions.parquet")
    clip = simlift.open_clip(folder)
    assert clip.actions == folder / "actions.parquet"
    assert clip.files == (folder / "rgb.mp4",)


def test_files_that_decide_the_pixels_are_each_named_once(tmp_path):
    clip = simlift.open_clip(builders.carla(tmp_path / "clip"))
    assert len(clip.files) == len(set(clip.files)) == 3 * FRAMES
    assert list(clip.files) == sorted(clip.files)


def test_carla_frames_sort_by_number(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=FRAMES)
    for path in list(folder.iterdir()):
        kind, number = path.stem[:-6], int(path.stem[-6:])
        path.rename(folder / f"{kind}{number + 5}{path.suffix}")  # 5 to 13, not padded
    clip = simlift.open_clip(folder)
    truth = np.stack([builders.scene(i)[Layer.RGB] for i in range(FRAMES)])
    np.testing.assert_array_equal(builders.read(clip, Layer.RGB, range(FRAMES)), truth)


def test_carla_frames_named_by_time_are_read_in_order(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=3)
    for path in list(folder.iterdir()):
        kind, number = path.stem[:-6], int(path.stem[-6:])
        path.rename(folder / f"{kind}20191104-14291{number * 3}{path.suffix}")
    assert simlift.open_clip(folder).num_frames == 3


def test_carla_tags_before_and_after_their_change(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2)
    for path in folder.glob("sem*"):
        tags = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        tags[..., 0] = 1
        write_image(path, tags)
    for tags, name in (("pre0.9.14", "building"), ("0.9.14", "road")):
        clip = carla.read(folder, ReadOptions(tags=tags, fov=60.0))
        ids = builders.read(clip, Layer.SEGMENTATION, [0, 1])
        assert {clip.labels[i].name for i in np.unique(ids)} == {name}
    focal = clip.camera.intrinsics[0, 0, 0]
    assert np.isclose(2 * np.arctan(WIDTH / 2 / focal), np.radians(60))
    for path in folder.glob("sem*"):
        write_image(path, np.full((HEIGHT, WIDTH, 3), [24, 0, 0], np.uint8))
    found = simlift.open_clip(folder)  # only the new numbering goes so far
    assert builders.read(found, Layer.SEGMENTATION, [0]).ravel()[0] == 6


def test_carla_has_one_name_for_each_tag():
    names = [name for name, *_ in CLASSES]
    assert len(names) == len(set(names)) == 29
    assert sorted(new for _, _, new, _ in CLASSES) == list(range(29))
    colours = [c for *_, colours in CLASSES for c in colours]
    assert len(colours) == len(set(colours))


# --- decodings against closed forms ------------------------------------------------------------


def test_scaled_depth():
    raw = np.array([[[0, 1500, 65535]]], np.uint16)
    truth = np.float32([[[0, 1.5, np.inf]]])
    np.testing.assert_allclose(ScaledDepth(0.001, (65535,))(raw), truth, rtol=1e-6)
    np.testing.assert_allclose(ScaledDepth(0.001)(raw)[0, 0, 2], 65.535)


def test_float_depth():
    raw = np.array([[[1.0, 999.0, np.inf]]], np.float64)
    found = ScaledDepth(0.5, far=400.0)(raw)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32([[[0.5, np.inf, np.inf]]]))
    assert ScaledDepth()(raw[..., None]).shape == (1, 1, 3)


def test_carla_depth_by_its_formula():
    metres = np.array([0.0, 0.5, 12.345, 400.0, 999.9])
    code = np.rint(metres / 1000 * (2**24 - 1)).astype(np.uint32)
    raw = np.stack([code & 255, (code >> 8) & 255, code >> 16], -1).astype(np.uint8)[None, None]
    np.testing.assert_allclose(CarlaDepth()(raw)[0, 0], metres, atol=1e-4)
    bgra = np.concatenate([raw[..., ::-1], raw[..., :1]], -1)
    np.testing.assert_array_equal(CarlaDepth((2, 1, 0))(bgra), CarlaDepth()(raw))
    white = np.full((1, 1, 1, 3), 255, np.uint8)
    assert np.isinf(CarlaDepth()(white)).all()


def test_relative_depth_grows_with_distance():
    raw = np.array([[[0, 51, 255]]], np.uint8)
    np.testing.assert_allclose(RelativeDepth(False)(raw)[0, 0], [0, 0.2, 1])
    np.testing.assert_allclose(RelativeDepth(True)(raw[..., None])[0, 0], [1, 0.8, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_normals_are_unit_vectors(dtype):
    way = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    whole = np.issubdtype(dtype, np.integer)
    top = np.iinfo(dtype).max if whole else 1
    raw = (np.rint((way + 1) / 2 * top) if whole else way * 0.5).astype(dtype)
    found = StoredNormals()(raw)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(found, way, atol=0.01 if dtype is np.uint8 else 1e-4)


@pytest.mark.parametrize(
    "raw", [np.zeros((1, 1, 1, 3), np.float32), np.full((1, 1, 1, 3), 128, np.uint8)]
)
def test_normals_of_nothing_face_the_camera(raw):
    np.testing.assert_array_equal(StoredNormals()(raw), np.float32([[[[0, 0, -1]]]]))


def test_colour_takes_every_form():
    gray = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    np.testing.assert_array_equal(Colour()(gray), gray[..., None].repeat(3, -1))
    rgba = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(Colour()(rgba), rgba[..., :3])
    deep = (rgba[..., :3].astype(np.uint16) << 8) + 77
    np.testing.assert_array_equal(Colour()(deep), rgba[..., :3])
    with pytest.raises(simlift.SimliftError, match="uint8 or uint16"):
        Colour()(gray.astype(np.float32))


@pytest.mark.parametrize("exact", [True, False])
def test_palettes_take_the_nearest_colour(exact):
    palette = ((0, 0, 0, 0), (200, 40, 40, 7), (40, 40, 200, 9))
    raw = np.array([[[[1, 2, 0], [190, 50, 44], [44, 36, 210]]]], np.uint8)
    found = PaletteIds(palette, exact=exact)(raw)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, [[[0, 7, 9]]])
