"""Depth in few codes, read to metres: laws of coding, luma as it is stored, CosmosWriter clips."""

import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import SimliftError
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.engines.photographic.stages import is_lit
from simlift.media.coded_depth import CodeRange, DequantisedDepth, luma_range
from simlift.media.geometry_decodings import CodedDepth, ray_lengths
from simlift.media.images import write_image
from simlift.media.video import VideoStore, probe_video
from simlift.sources.lens import fixed_camera

HEIGHT, WIDTH, FOV = 96, 128, 60.0
NEAR, FAR = 0.1, 100.0


def floor_and_wall() -> np.ndarray:
    """Depth of a floor 1.5 m below a camera that looks down a little, and of a wall 9 m away."""
    camera = fixed_camera(1, HEIGHT, WIDTH, FOV).intrinsics[0]
    v = (np.arange(HEIGHT) + 0.5 - camera[1, 2]) / camera[1, 1]
    floor = np.maximum((v * np.cos(0.3) + np.sin(0.3)) / 1.5, 0)
    return np.broadcast_to(1 / np.maximum(floor, 1 / 9)[:, None], (HEIGHT, WIDTH)).copy()


def log_codes(depth: np.ndarray) -> np.ndarray:
    """The picture that CosmosWriter makes of depth."""
    lengths = ray_lengths(fixed_camera(1, HEIGHT, WIDTH, FOV).intrinsics, HEIGHT, WIDTH)[0]
    distance = np.clip(depth * lengths, NEAR, FAR)
    return np.rint(255 * (1 - np.log(distance / NEAR) / np.log(FAR / NEAR))).astype(np.uint8)


def cosmos(folder, depth: np.ndarray, count: int = 2):
    """A CosmosWriter folder in 8-bit H.264 of 4:2:0."""
    folder.mkdir()
    gray = np.full((count, HEIGHT, WIDTH, 3), 128, np.uint8)
    builders.video(folder / "a_rgb.mp4", gray)
    picture = np.repeat(log_codes(depth)[None, ..., None], 3, -1)
    builders.video(
        folder / "a_depth.mp4",
        np.repeat(picture, count, 0),
        pixel_format="yuv420p",
        options={"crf": "8"},
    )
    ids = np.full((count, HEIGHT, WIDTH, 3), (30, 60, 200), np.uint8)
    ids[:, depth < 8.9] = (200, 60, 30)
    builders.video(folder / "a_segmentation.mp4", ids, options={"crf": "4"})
    return folder


@pytest.mark.parametrize(
    ("measure", "share", "metres"),
    [
        ("inverse", (0, 0.5, 1), (8, 2 / (1 / 8 + 1 / 2), 2)),
        ("linear", (0, 0.5, 1), (2, 5, 8)),
        ("reversed linear", (0, 0.5, 1), (8, 5, 2)),
        ("log", (0, 0.5, 1), (2, 4, 8)),
        ("reversed log", (0, 0.5, 1), (8, 4, 2)),
    ],
)
def test_codes_between_two_distances(measure, share, metres):
    raw = np.array([[share]], np.float32)
    np.testing.assert_allclose(CodedDepth(measure, 2.0, 8.0)(raw)[0, 0], metres, rtol=1e-6)


@pytest.mark.parametrize(
    ("pixel_format", "zero", "full"), [("yuv420p", 16, 235), ("yuvj420p", 0, 255)]
)
def test_luma_is_read_as_it_is_stored(tmp_path, pixel_format, zero, full):
    gray = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (256, 64))
    frames = np.repeat(gray[None, ..., None], 3, -1)
    path = tmp_path / "a.mp4"
    builders.video(path, frames, pixel_format=pixel_format, options={"crf": "0"})
    info = probe_video(path)
    assert luma_range(info) == CodeRange(zero, full)
    with VideoStore(info, "luma").open() as reader:
        found = reader.read([0])[0].astype(np.float64)
    assert found.shape == (256, 64)
    assert np.abs(zero + gray / 255 * (full - zero) - found).max() <= 1


def test_a_cosmos_clip_with_its_range_told_is_lit(tmp_path):
    truth = floor_and_wall()
    folder = cosmos(tmp_path / "clip", truth)
    clip = simlift.open_clip(folder, ReadOptions(near=NEAR, far=FAR, fov=FOV))
    assert clip.stored(Layer.DEPTH).unit is Unit.METRES
    assert clip.metric_depth
    assert is_lit(clip)
    assert any("220 codes of distance" in note for note in clip.notes)
    with clip.open({Layer.DEPTH, Layer.SEGMENTATION}) as reader:
        depth = reader.window([0, 1])[Layer.DEPTH]
    # A code is 3.2 % of the distance: what is left is a small part of it.
    error = np.abs(depth / truth - 1)
    assert np.median(error) < 0.004
    assert np.quantile(error, 0.99) < 0.015
    # Ids guide it whether or not they were asked for, and are not handed out unasked.
    with clip.open({Layer.DEPTH}) as reader:
        window = reader.window([1])
    assert Layer.SEGMENTATION not in window
    assert window[Layer.DEPTH].tobytes() == depth[1:].tobytes()


def test_black_is_nothing_in_a_cosmos_clip(tmp_path):
    truth = floor_and_wall()
    truth[:16] = 1e6
    folder = cosmos(tmp_path / "clip", truth)
    clip = simlift.open_clip(folder, ReadOptions(near=NEAR, far=FAR, fov=FOV))
    with clip.open({Layer.DEPTH}) as reader:
        depth = reader.window([0])[Layer.DEPTH][0]
    assert np.isinf(depth[:14]).all()
    assert np.isfinite(depth[18:]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"near": 0.1}, "--far: is not stated"),
        ({"far": 10.0}, "--near: is not stated"),
        ({"near": 10.0, "far": 1.0}, "near < far"),
        ({"near": 0.0, "far": 1.0}, "metres above 0"),
        ({"near": 0.1, "far": float("inf")}, "metres above 0"),
        ({"near": 0.1, "far": 10.0}, "--fov"),
    ],
)
def test_ranges_that_cannot_be_used_are_refused(tmp_path, options, message):
    folder = cosmos(tmp_path / "clip", floor_and_wall())
    with pytest.raises(SimliftError, match=message):
        simlift.open_clip(folder, ReadOptions(**options))


def test_a_range_without_a_video_of_depth_is_refused(tmp_path):
    folder = cosmos(tmp_path / "clip", floor_and_wall())
    (folder / "a_depth.mp4").unlink()
    with pytest.raises(SimliftError, match="no video of depth"):
        simlift.open_clip(folder, ReadOptions(near=0.1, far=10.0, fov=60.0))


def native(folder, codes: np.ndarray, **entry):
    folder.mkdir()
    builders.video(folder / "rgb.mp4", np.full((1, HEIGHT, WIDTH, 3), 128, np.uint8))
    write_image(folder / "depth_0000.png", codes)
    layers = {"rgb": {"file": "rgb.mp4"}, "depth": {"file": "depth_%04d.png", **entry}}
    data = builders.manifest(layers, num_frames=1, height=HEIGHT, width=WIDTH, labels={})
    builders.write_manifest(folder, data)
    return simlift.open_clip(folder)


@pytest.mark.parametrize("measure", ["inverse", "reversed linear", "log"])
def test_a_native_clip_of_few_codes_is_smoothed_and_one_of_many_is_exact(tmp_path, measure):
    truth = floor_and_wall()
    near, far = 1.0, 12.0
    share = {
        "inverse": (1 / truth - 1 / far) / (1 / near - 1 / far),
        "reversed linear": (far - truth) / (far - near),
        "log": np.log(truth / near) / np.log(far / near),
    }[measure]
    error = {}
    for kind in (np.uint8, np.uint16):
        codes = np.rint(share * np.iinfo(kind).max).astype(kind)
        clip = native(tmp_path / kind.__name__, codes, measure=measure, near=near, far=far)
        few = isinstance(clip.stored(Layer.DEPTH).guided, DequantisedDepth)
        assert few == (kind is np.uint8)
        assert any("256 codes" in note for note in clip.notes) == few
        depth = builders.read(clip, Layer.DEPTH, [0])[0]
        error[kind] = np.abs(depth / truth - 1)
    stepped = CodedDepth(measure, near, far, 255)(np.rint(share * 255)[None])[0]
    # The wall faces the camera: it has one code, and what that rounds is not to be known.
    floor = truth < 8.9
    was = np.median(np.abs(stepped / truth - 1)[floor])
    assert np.median(error[np.uint8][floor]) < 0.7 * was
    assert error[np.uint16].max() < 1e-3
