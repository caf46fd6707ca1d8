"""CARLA dumps: which sensors are found, how depth and classes are told from other images."""

import cv2
import numpy as np
import pytest
from tiny import clips as builders
from tiny import rigs
from tiny.clips import FRAMES, HEIGHT, WIDTH, carla_code

import simlift
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions
from simlift.media.images import read_image, write_image
from simlift.sources import carla
from simlift.sources.carla_classes import PALETTE
from simlift.sources.carla_frames import Sensor, sensor_of


@pytest.mark.parametrize(
    ("name", "kind", "camera"),
    [
        ("rgb", "rgb", ""),
        ("rgb_front", "rgb", "front"),
        ("front_rgb", "rgb", "front"),
        ("CameraDepth", "depth", ""),
        ("depth_front_left", "depth", "front_left"),
        ("camera_rgb_0", "rgb", "0"),
        ("semantic_segmentation_rear", "semantic", "rear"),
        ("instance_segmentation", "instance", ""),
        ("CameraSemSeg1", "semantic", "1"),
        ("lidar", None, None),
        ("rgb_depth", None, None),
        ("sequence", None, None),
    ],
)
def test_names_say_sensor_and_camera(name, kind, camera):
    assert sensor_of(name) == (Sensor(kind, camera) if kind else None)


@pytest.mark.parametrize("between", ["_", "/", "folders"])
def test_layers_of_one_camera_of_a_rig_are_never_mixed(tmp_path, between):
    """Both cameras have rgb, depth and classes of the same numbers."""
    folder = tmp_path / "rig"
    for camera, first in (("front", 0), ("rear", 3)):
        for i in range(2):
            frame = builders.scene(first + i)
            code = carla_code(frame[Layer.DEPTH])
            depth = np.stack([code & 255, (code >> 8) & 255, code >> 16], -1).astype(np.uint8)
            for kind, image in (("rgb", frame[Layer.RGB]), ("depth", depth)):
                name = f"{kind}_{camera}{between}{i:06d}.png"
                if between == "folders":
                    name = f"{kind}/{camera}/{i:06d}.png"
                write_image(folder / name, image)
    with pytest.raises(simlift.SimliftError, match=r"2 cameras \(front, rear\).*--camera"):
        simlift.open_clip(folder)
    for camera, first in (("front", 0), ("rear", 3)):
        clip = simlift.open_clip(folder, ReadOptions(camera=camera))
        truth = [builders.scene(first + i) for i in range(2)]
        for layer in (Layer.RGB, Layer.DEPTH):
            found = builders.read(clip, layer, range(2))
            np.testing.assert_allclose(found, np.stack([t[layer] for t in truth]), atol=1e-4)


def test_cameras_that_are_numbers_are_not_taken_for_times(tmp_path):
    for camera in range(2):
        for kind in ("rgb", "depth"):
            write_image(
                tmp_path / f"{kind}_{camera}_000007.png", np.full((4, 6, 3), (9, 8, 0), np.uint8)
            )
    with pytest.raises(simlift.SimliftError, match=r"2 cameras \(0, 1\)"):
        simlift.open_clip(tmp_path)


# --- pairing -------------------------------------------------------------------------------------


def rename(folder, kind, lag):
    """Move the numbers of a sensor in a flat dump."""
    paths = sorted(folder.glob(f"{kind}*"), reverse=lag > 0)
    for path in paths:
        path.rename(folder / f"{kind}{int(path.stem[len(kind) :]) + lag:06d}{path.suffix}")


def test_a_constant_lag_between_sensors_is_told(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=3)
    rename(folder, "depth", 100)
    with pytest.raises(simlift.SimliftError, match=r"numbers of depth are \+100 from those of rgb"):
        simlift.open_clip(folder)


def test_sensors_that_begin_at_different_numbers_are_told(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=5)
    rename(folder, "depth", 2)
    clip = simlift.open_clip(folder)
    assert clip.num_frames == 3
    depth = builders.read(clip, Layer.DEPTH, [0])[0]
    np.testing.assert_allclose(depth, builders.scene(0)[Layer.DEPTH], atol=1e-4)
    assert any("begin at different numbers" in note for note in clip.notes)
    assert any("no partner" in note for note in clip.notes)


# --- depth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [False, True])
def test_depth_with_red_and_blue_swapped_is_read_and_said(tmp_path, raw):
    folder = builders.carla(tmp_path / "clip", raw=raw)
    for path in folder.glob("depth*"):
        if raw:
            buffer = np.load(path).reshape(HEIGHT, WIDTH, 4)
            np.save(path, buffer[..., [2, 1, 0, 3]].ravel())
        else:
            write_image(path, read_image(path)[..., ::-1])
    clip = simlift.open_clip(folder)
    truth = np.stack([builders.scene(i)[Layer.DEPTH] for i in range(FRAMES)])
    np.testing.assert_allclose(builders.read(clip, Layer.DEPTH, range(FRAMES)), truth, atol=1e-4)
    assert any("blue where CARLA has red" in note for note in clip.notes)


def test_colour_maps_of_depth_are_refused(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2)
    gray = np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, 0)
    for path in folder.glob("depth*"):
        write_image(path, cv2.applyColorMap(gray, cv2.COLORMAP_TURBO))
    with pytest.raises(simlift.SimliftError, match="not smooth as a 24-bit code"):
        simlift.open_clip(folder)


def test_depth_as_jpeg_is_refused(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2)
    for path in folder.glob("depth*"):
        write_image(path.with_suffix(".jpg"), read_image(path))
        path.unlink()
    with pytest.raises(simlift.SimliftError, match="do not survive JPEG"):
        simlift.open_clip(folder)


@pytest.mark.parametrize("metres", [0.5, 12.0, 900.0])
def test_a_flat_wall_is_read_in_carlas_own_order(tmp_path, metres):
    """Where nothing tells the orders apart, the documented one holds."""
    folder = builders.carla(tmp_path / "clip", count=2)
    code = int(carla_code(np.array(metres)))
    for path in folder.glob("depth*"):
        pixel = (code & 255, (code >> 8) & 255, code >> 16)
        write_image(path, np.full((HEIGHT, WIDTH, 3), pixel, np.uint8))
    depth = builders.read(simlift.open_clip(folder), Layer.DEPTH, [0, 1])
    np.testing.assert_allclose(depth, metres, atol=1e-3)


def test_depth_of_a_rig_that_was_cut_to_8_bits_is_left_out_and_said(tmp_path):
    folder = rigs.bench2drive(tmp_path / "clip", rigs.small(2))
    for path in (folder / "camera" / "depth_front").iterdir():
        write_image(path, np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, 0))
    clip = simlift.open_clip(folder)
    assert Layer.DEPTH not in clip
    assert any("depth is gray" in note for note in clip.notes)
    assert "camera/depth_front/*.png (2 files)" in clip.notes[-1]


def test_a_transfuser_dump_is_read_without_its_depth(tmp_path):
    """rgb/ as JPEG, gray tags in semantics/, depth cut to 8 bits, the vehicle in measurements/."""
    for i in range(2):
        frame = builders.scene(i)
        write_image(tmp_path / "rgb" / f"{i:04d}.jpg", frame[Layer.RGB])
        write_image(tmp_path / "depth" / f"{i:04d}.png", np.full((HEIGHT, WIDTH), 90, np.uint8))
        ids = frame[Layer.SEGMENTATION].astype(np.uint8)
        write_image(tmp_path / "semantics" / f"{i:04d}.png", ids)
        (tmp_path / "measurements").mkdir(exist_ok=True)
        (tmp_path / "measurements" / f"{i:04d}.json.gz").write_bytes(b"")
    clip = simlift.open_clip(tmp_path, ReadOptions(tags="0.9.14"))
    assert {stored.layer for stored in clip.layers} == {Layer.RGB, Layer.SEGMENTATION}
    ids = builders.read(clip, Layer.SEGMENTATION, [0])[0]
    assert {clip.labels[i].name for i in np.unique(ids)} == {"road", "sidewalk", "building"}
    assert clip.notes[-1] == "not read: depth/*.png (2 files), measurements/*.json.gz (2 files)"


# --- classes -------------------------------------------------------------------------------------


def with_classes(folder, image, suffix=".png"):
    """Write the same image of classes for every frame of a dump."""
    for path in list(folder.glob("sem*")):
        path.unlink()
        write_image(path.with_suffix(suffix), image)
    return folder


@pytest.mark.parametrize("channels", [0, 3, 4])
def test_tags_are_gray_or_in_red(tmp_path, channels):
    tags = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 29).astype(np.uint8)
    image = np.zeros((HEIGHT, WIDTH, channels), np.uint8) if channels else tags
    if channels:
        image[..., 0] = tags
    if channels == 4:
        image[..., 3] = 255
    folder = with_classes(builders.carla(tmp_path / "clip", count=2), image)
    clip = simlift.open_clip(folder)
    ids = builders.read(clip, Layer.SEGMENTATION, [1])[0]
    assert [clip.labels[i].name for i in ids.ravel()[[1, 3, 14]]] == ["road", "building", "car"]


def test_instances_are_read_as_their_classes(tmp_path):
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0] = np.where(np.arange(WIDTH) < 20, 1, 14)
    image[..., 1], image[..., 2] = np.arange(WIDTH) * 5, 77
    folder = with_classes(builders.carla(tmp_path / "clip", count=2), image)
    with pytest.raises(simlift.SimliftError, match="--tags"):
        simlift.open_clip(folder)
    clip = simlift.open_clip(folder, ReadOptions(tags="0.9.14"))
    ids = builders.read(clip, Layer.SEGMENTATION, [0])[0]
    assert [clip.labels[i].name for i in np.unique(ids)] == ["road", "car"]
    assert any("instances are read as their classes" in note for note in clip.notes)


@pytest.mark.parametrize("ids", [0, 77])
def test_tags_in_blue_are_told(tmp_path, ids):
    """Raw buffers hold blue first; tags of 1 to 3 are not the black of the palette."""
    image = np.full((HEIGHT, WIDTH, 3), (ids, ids, 0), np.uint8)
    image[..., 2] = np.where(np.arange(WIDTH) < 20, 1, 3)
    folder = with_classes(builders.carla(tmp_path / "clip", count=2), image)
    clip = simlift.open_clip(folder, ReadOptions(tags="0.9.14"))
    found = builders.read(clip, Layer.SEGMENTATION, [0])[0]
    assert [clip.labels[i].name for i in np.unique(found)] == ["building", "road"]
    assert any("tags in blue" in note for note in clip.notes)


def test_a_tag_that_no_release_has_is_refused(tmp_path):
    folder = with_classes(
        builders.carla(tmp_path / "clip", count=2), np.full((HEIGHT, WIDTH), 23, np.uint8)
    )
    with pytest.raises(simlift.SimliftError, match="the tag 23"):
        simlift.open_clip(folder, ReadOptions(tags="pre0.9.14"))


FOREIGN = np.array([[140, 25, 255], [140, 255, 25], [25, 255, 82]], np.uint8)


def test_colours_of_another_simulator_are_not_carlas(tmp_path):
    image = FOREIGN[np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 3]
    folder = builders.carla(tmp_path / "clip", count=2, flat=False)
    for i in range(2):
        write_image(folder / "sem" / f"{i:06d}.png", image)
    with pytest.raises(simlift.SimliftError, match="none of CARLA's classes.*25, 255, 82"):
        simlift.open_clip(folder)
    for i in range(2):
        (folder / "depth" / f"{i:06d}.png").unlink()
    assert not carla.recognises(folder)


def test_depth_in_16_bits_is_not_carlas(tmp_path):
    for i in range(2):
        write_image(tmp_path / "rgb" / f"{i}.png", np.zeros((4, 6, 3), np.uint8))
        write_image(tmp_path / "depth" / f"{i}.png", np.full((4, 6), 1500, np.uint16))
    assert not carla.recognises(tmp_path)


def test_a_colour_of_no_class_in_a_later_frame_is_an_error(tmp_path):
    """The first, middle and last frames are looked at on opening, the others when they are read."""
    folder = builders.carla(tmp_path / "clip", count=9)
    path = folder / "sem000002.png"
    image = read_image(path)
    image[5, 5] = (200, 200, 200)
    write_image(path, image)
    clip = simlift.open_clip(folder)
    with pytest.raises(simlift.SimliftError, match="200, 200, 200"):
        builders.read(clip, Layer.SEGMENTATION, [2])


def test_classes_as_jpeg_take_the_nearest_colour_and_say_so(tmp_path):
    colours = np.array([p[:3] for p in PALETTE], np.uint8)[[7, 12, 17]]
    ids = np.repeat(np.arange(3), WIDTH // 3)[None].repeat(HEIGHT, 0)
    folder = with_classes(builders.carla(tmp_path / "clip", count=2), colours[ids], ".jpg")
    clip = simlift.open_clip(folder)
    found = builders.read(clip, Layer.SEGMENTATION, [0])[0]
    expected = np.array([PALETTE[i][3] for i in (7, 12, 17)])[ids]
    assert (found == expected).mean() > 0.9
    assert any("classes are JPEG" in note for note in clip.notes)
    image = FOREIGN[np.repeat(np.arange(3), WIDTH // 3)[None].repeat(HEIGHT, 0)]
    for path in folder.glob("sem*"):
        write_image(path, image)
    with pytest.raises(simlift.SimliftError, match="none of CARLA's classes"):
        simlift.open_clip(folder)


# --- annotations ---------------------------------------------------------------------------------


def test_annotations_that_lack_a_frame_are_refused(tmp_path):
    folder = rigs.bench2drive(tmp_path / "clip", rigs.small(3))
    (folder / "anno" / "00001.json.gz").unlink()
    with pytest.raises(simlift.SimliftError, match="no annotation .1."):
        simlift.open_clip(folder)
    (folder / "anno" / "00001.json.gz").write_bytes(b"no gzip")
    with pytest.raises(simlift.SimliftError, match="is no annotation"):
        simlift.open_clip(folder)
