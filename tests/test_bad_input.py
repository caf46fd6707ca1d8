"""Input that cannot be used: the error names the file, says what was found, and the way out or what
is allowed; it comes when the clip is opened, or when the run is planned.
"""

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from tiny import clips as builders
from tiny.clips import FRAMES, HEIGHT, WIDTH

import simlift
from simlift.core.camera import Camera, Robot
from simlift.core.errors import InputError, MissingLibrary, SimliftError
from simlift.core.layers import Layer
from simlift.engines.photographic.looks.look import Backdrop, Exposure, Film, Grade, Light, Look
from simlift.engines.photographic.looks.named import look_named
from simlift.media.environments import read_environment
from simlift.media.images import write_image
from simlift.media.native import write_clip
from simlift.media.video import probe_video


@contextmanager
def refused(*words):
    """Expect an error for the user that holds all words, and tells what to do."""
    with pytest.raises(SimliftError) as caught:
        yield
    text = str(caught.value)
    for word in words:
        assert str(word) in text
    assert "allowed:" in text or "way out:" in text


def noisy(count=12):
    return np.random.default_rng(0).integers(0, 255, (count, 32, 48, 3), dtype=np.uint8)


FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97, 0.999])
@pytest.mark.parametrize(
    ("suffix", "codec", "container"),
    [
        (".mp4", "libx264", {"movflags": "faststart"}),
        (".mp4", "libx264", {}),
        (".mp4", "libx264", FRAGMENTED),
        (".mov", "libx264", {}),
        (".mkv", "libx264", {}),
        (".mkv", "ffv1", {}),
        (".webm", "libvpx-vp9", {}),
        (".avi", "mpeg4", {}),
    ],
    ids=["moov-first", "moov-last", "fragmented", "mov", "mkv", "ffv1", "webm", "avi"],
)
def test_a_cut_video_is_found_when_it_is_opened(tmp_path, suffix, codec, container, share):
    path = tmp_path / f"clip{suffix}"
    pixels = "bgr0" if codec == "ffv1" else "yuv420p"
    builders.video(path, noisy(), codec=codec, pixel_format=pixels, container_options=container)
    whole = path.read_bytes()
    assert simlift.open_clip(path).num_frames == 12
    path.write_bytes(whole[: int(len(whole) * share)])
    with refused(path, "cut short"):
        simlift.open_clip(path)


def test_trailing_bytes_do_no_harm(tmp_path):
    for suffix in (".mp4", ".mkv"):
        path = builders.video(tmp_path / f"clip{suffix}", builders.flat_frames(4))
        path.write_bytes(path.read_bytes() + b"\0" * 100 + b"some player's own notes")
        assert simlift.open_clip(path).num_frames == 4


def test_damage_in_the_middle_is_found_at_the_latest_while_reading(tmp_path):
    path = builders.video(tmp_path / "clip.mp4", noisy(), codec="mpeg4")
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + len(data) // 2
    data[at : at + 2000] = bytes(2000)
    path.write_bytes(data)
    try:
        clip = simlift.open_clip(path)
        found = builders.read(clip, Layer.RGB, range(12))
    except InputError as error:
        assert str(path) in str(error)
    else:  # a decoder that conceals damage still owes every frame
        assert len(found) == 12


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b"this is no video, whatever its name says\n" * 40, "cannot be read as video"),
        (bytes(4000), "cannot be read as video"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "cannot be read as video"),
    ],
    ids=["empty", "text", "zeros", "only-a-header"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_what_is_no_video_is_refused(tmp_path, data, words, suffix):
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(data)
    with refused(path, words):
        simlift.open_clip(path)


def test_sound_alone_is_no_clip(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        builders._tone(out, "aac")()
    with refused(path, "no video stream"):
        simlift.open_clip(path)


def test_a_video_without_frames_is_refused(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        out.start_encoding()
    with refused(path, "cannot be read as video"):
        simlift.open_clip(path)


def test_paths_that_are_no_clip(tmp_path):
    (tmp_path / "empty").mkdir()
    with refused(tmp_path / "empty", "no known layout", "clip.json"):
        simlift.open_clip(tmp_path / "empty")
    with refused("nowhere.mp4", "does not exist"):
        simlift.open_clip(tmp_path / "nowhere.mp4")
    (tmp_path / "notes.txt").write_text("hello")
    with refused("notes.txt", ".txt", ".mp4"):
        simlift.open_clip(tmp_path / "notes.txt")
    with refused(tmp_path, "is not a file"):
        probe_video(tmp_path)


def test_images_that_are_no_images(tmp_path):
    for name, data, word in (
        ("a.png", b"", "empty"),
        ("b.png", b"text", "cannot be read"),
        ("c.jpg", b"\xff\xd8\xff\xe0cut", "cut"),
    ):
        (tmp_path / name).write_bytes(data)
        with refused(tmp_path / name, word):
            simlift.open_clip(tmp_path / name)


def test_missing_frames_of_a_sequence_are_named(tmp_path):
    folder = builders.sequence(tmp_path / "clip", builders.flat_frames(9))
    (folder / "000003.png").unlink()
    (folder / "000007.png").unlink()
    with refused(folder, "2 frames are missing", "3, 7"):
        simlift.open_clip(folder)


def test_double_frames_of_a_sequence_are_named(tmp_path):
    folder = builders.sequence(tmp_path / "clip", builders.flat_frames(4))
    write_image(folder / "copy_000002.png", builders.flat_frames(1)[0])
    with refused(folder, "frame 2", "000002.png"):
        simlift.open_clip(folder)


def test_images_without_numbers_are_named(tmp_path):
    folder = builders.sequence(tmp_path / "clip", builders.flat_frames(3))
    write_image(folder / "cover.png", builders.flat_frames(1)[0])
    with refused("cover.png", "no frame number"):
        simlift.open_clip(folder)


def test_images_of_another_size_are_named_when_the_clip_is_opened(tmp_path):
    folder = builders.sequence(tmp_path / "clip", builders.flat_frames(5))
    write_image(folder / "000003.png", builders.flat_frames(1, 32, 50)[0])
    with refused("000003.png", "50x32", "48x32"):
        simlift.open_clip(folder)


def test_an_empty_image_in_a_sequence_is_named_when_the_clip_is_opened(tmp_path):
    folder = builders.sequence(tmp_path / "clip", builders.flat_frames(5))
    (folder / "000004.png").write_bytes(b"")
    with refused("000004.png", "empty"):
        simlift.open_clip(folder)


# --- the native folder -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH, Layer.SEGMENTATION])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"captoin": "x"}, ["unknown key 'captoin'", "did you mean 'caption'?"]),
        ({"zzz": 1}, ["unknown key 'zzz'", "num_frames"]),
        ({"num_frames": "9"}, ["num_frames", '"9"', "a whole number"]),
        ({"num_frames": 9.0}, ["num_frames", "a whole number"]),
        ({"height": True}, ["height", "true", "a whole number"]),
        ({"fps": "fast"}, ["fps", "30000/1001"]),
        ({"fps": "1/0"}, ["fps", "30000/1001"]),
        ({"fps": "0"}, ["fps", "above 0"]),
        ({"fps": -24}, ["fps", "above 0"]),
        ({"num_frames": 0}, ["num_frames", "at least 1"]),
        ({"height": 0}, ["height"]),
        ({"width": None}, ["'width' is missing", "add it"]),
        ({"layers": None}, ["'layers' is missing"]),
        ({"layers": []}, ["layers", "an object"]),
        ({"layers": {}}, ["no rgb layer"]),
        ({"layers": {"rgb": {"file": "rgb.mp4"}, "dpeth": {"file": "x.mkv"}}}, ["dpeth", "depth"]),
        ({"layers": {"rgb": {"fiel": "rgb.mp4"}}}, ["layers.rgb", "did you mean 'file'?"]),
        ({"layers": {"rgb": {"file": "rgb.mp4", "sky": 3}}}, ["rgb", "depth alone"]),
        ({"layers": {"rgb": {"file": "rgb.mp4", "sky": 0}}}, ["rgb", "depth alone"]),
        ({"layers": {"rgb": {"file": "none.mp4"}}}, ["none.mp4", "does not exist"]),
        ({"layers": {"rgb": {"file": "rgb/%06d.png"}}}, ["rgb"]),
        ({"format": "simlift-clip/9"}, ["simlift-clip/9", "simlift-clip/1"]),
        ({"labels": {"one": {"name": "a", "category": "b"}}}, ["'one'", "whole numbers"]),
        ({"labels": {"1": {"name": "a"}}}, ["labels.1", "'category' is missing"]),
        ({"num_frames": 7}, ["9 frames", "7"]),
        ({"height": 30}, ["48x32", "48x30"]),
        ({"name": "../../x"}, ["../../x", "a file name"]),
        ({"name": "a/b"}, ["a/b", "a file name"]),
        ({"name": ""}, ["name", "a file name"]),
        ({"name": ".."}, ["name", "a file name"]),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_a_manifest_that_is_not_valid(folder, changes, words):
    builders.edit_manifest(folder, **changes)
    with refused(folder.name, *words):
        simlift.open_clip(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": }', "\x80\x81"])
def test_a_manifest_that_is_no_json_object(folder, text):
    (folder / "clip.json").write_bytes(text.encode("latin-1"))
    with refused(folder / "clip.json"):
        simlift.open_clip(folder)


@pytest.mark.parametrize("key", ["file", "camera", "objects", "robot", "actions"])
@pytest.mark.parametrize("way", ["../secret.mp4", "{absolute}", "rgb/../../secret.mp4"])
def test_paths_that_leave_the_folder(folder, key, way):
    secret = builders.video(folder.parent / "secret.mp4", builders.flat_frames(FRAMES))
    way = way.format(absolute=secret)
    change = {"layers": {"rgb": {"file": way}}} if key == "file" else {key: way}
    builders.edit_manifest(folder, **change)
    with refused("clip.json", way, "out of the folder"):
        simlift.open_clip(folder)


@pytest.mark.parametrize("key", ["actions", "camera"])
def test_tracks_that_are_named_must_exist(folder, key):
    builders.edit_manifest(folder, **{key: "nothing.npz"})
    with refused("nothing.npz", "does not exist"):
        simlift.open_clip(folder)


def test_layers_of_another_size(folder):
    depth = np.zeros((FRAMES, HEIGHT, WIDTH + 2), np.uint16)
    builders.video(folder / "depth.mkv", depth, codec="ffv1", pixel_format="gray16le")
    with refused(folder, "layer depth is 50x32", "rgb 48x32", "same size"):
        simlift.open_clip(folder)


@pytest.mark.parametrize("count", [FRAMES - 1, FRAMES + 1, 1])
def test_layers_of_another_length(folder, count):
    depth = np.zeros((count, HEIGHT, WIDTH), np.uint16)
    builders.video(folder / "depth.mkv", depth, codec="ffv1", pixel_format="gray16le")
    with refused(folder, f"layer depth holds {count} frames", f"the clip {FRAMES}"):
        simlift.open_clip(folder)


@pytest.mark.parametrize("scale", [None, 0.0, -0.001])
def test_depth_without_a_unit(folder, scale):
    entry = {"file": "depth.mkv", "metres_per_unit": scale, "sky": 65535}
    builders.edit_manifest(folder, layers={"rgb": {"file": "rgb.mp4"}, "depth": entry})
    with refused("clip.json", "metres_per_unit", "unit: relative"):
        simlift.open_clip(folder)


def test_depth_stored_as_lossy_colour_video_is_refused(folder):
    entry = {"file": "rgb.mp4", "metres_per_unit": 0.001}
    builders.edit_manifest(folder, layers={"rgb": {"file": "rgb.mp4"}, "depth": entry})
    with refused("rgb.mp4", "depth", "gray"):
        simlift.open_clip(folder)


def test_ids_stored_as_lossy_colour_video_are_refused(folder):
    entry = {"file": "rgb.mp4"}
    builders.edit_manifest(folder, layers={"rgb": {"file": "rgb.mp4"}, "segmentation": entry})
    with refused("rgb.mp4", "segmentation"):
        simlift.open_clip(folder)


@pytest.mark.parametrize("layer", ["depth", "segmentation", "normals", "flow", "rgb"])
def test_a_layer_of_the_wrong_shape_is_found_when_the_clip_is_opened(tmp_path, layer):
    folder = builders.native_images(tmp_path / "clip")
    channels = {"depth": 3, "segmentation": 3, "normals": 2, "flow": 3, "rgb": 2}[layer]
    inner = tmp_path / "clip" / "other"
    inner.mkdir()
    for i in range(FRAMES):
        np.save(inner / f"{i:06d}.npy", np.ones((HEIGHT, WIDTH, channels), np.float32))
    data = json.loads((folder / "clip.json").read_text())
    data["layers"][layer] = {"file": "other/%06d.npy"}
    builders.write_manifest(folder, data)
    with refused("clip", layer):
        simlift.open_clip(folder)


@pytest.mark.parametrize("value", [np.nan, -0.5, 0.0, -np.inf])
def test_a_frame_without_any_depth_is_named(tmp_path, value):
    folder = builders.native_images(tmp_path / "clip")
    clip = simlift.open_clip(folder)
    np.save(folder / "depth" / "000004.npy", np.full((HEIGHT, WIDTH), value, np.float32))
    builders.read(clip, Layer.DEPTH, [3, 5])
    with refused(folder, "frame 4", "depth"):
        builders.read(clip, Layer.DEPTH, range(2, 6))


def test_a_frame_without_any_normal_is_named(tmp_path):
    folder = builders.native_images(tmp_path / "clip")
    np.save(folder / "normals" / "000004.npy", np.full((HEIGHT, WIDTH, 3), np.nan, np.float32))
    with refused(folder, "frame 4", "normals"):
        builders.read(simlift.open_clip(folder), Layer.NORMALS, range(FRAMES))


class Harm:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def camera_arrays(**changes):
    camera = builders.camera(FRAMES)
    arrays = {"intrinsics": camera.intrinsics, "world_to_camera": camera.world_to_camera}
    return {k: v for k, v in (arrays | changes).items() if v is not None}


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


POSES = builders.camera(FRAMES).world_to_camera
LENS = builders.camera(FRAMES).intrinsics


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"intrinsics": None}, ["lacks intrinsics"]),
        ({"world_to_camera": None}, ["lacks world_to_camera"]),
        ({"world_to_camera": changed(POSES, (3, 0, 3), np.nan)}, ["world_to_camera", "finite"]),
        ({"intrinsics": changed(LENS, (0, 0, 0), np.inf)}, ["intrinsics", "finite"]),
        ({"world_to_camera": changed(POSES, (slice(None), 0, 0), 2)}, ["orthonormal"]),
        ({"world_to_camera": changed(POSES, (2, slice(0, 3), 0), (-1, 0, 0))}, ["mirror"]),
        ({"world_to_camera": POSES[:5]}, ["world_to_camera", "5", "9"]),
        ({"world_to_camera": POSES[:5], "intrinsics": LENS[:5]}, ["5 frames", "9"]),
        ({"world_to_camera": POSES[:, :3]}, ["world_to_camera", "[t 4 4]"]),
        ({"intrinsics": LENS[0]}, ["intrinsics", "[t 3 3]"]),
        ({"intrinsics": changed(LENS, (0, 0, 0), 0)}, ["focal"]),
        ({"intrinsics": changed(LENS, (0, 1, 1), -20)}, ["focal"]),
        ({"up": np.array([0, 0, 2.0])}, ["up", "2"]),
        ({"up": np.array([0, 1.0])}, ["up"]),
        ({"world_to_camera": np.full((FRAMES, 4, 4), "x")}, ["camera.npz", "numbers"]),
        ({"intrinsics": changed(LENS, (0, 0, 1), 3)}, ["intrinsics", "fx 0 cx"]),
        ({"world_to_camera": changed(POSES, (0, 3, 0), 1)}, ["last row"]),
    ],
    ids=lambda value: "-".join(value)[:50] if isinstance(value, (list, dict)) else "",
)
def test_a_camera_that_cannot_be(folder, changes, words):
    np.savez(folder / "camera.npz", **camera_arrays(**changes))
    with refused(folder.name, *words):
        simlift.open_clip(folder)


@pytest.mark.parametrize("name", ["camera", "objects", "robot"])
@pytest.mark.parametrize(
    "damage", ["pickle", "text", "empty", "cut", "missing keys"], ids=lambda d: d.replace(" ", "-")
)
def test_tracks_that_are_no_plain_archive(folder, name, damage):
    path = folder / f"{name}.npz"
    whole = path.read_bytes()
    if damage == "pickle":
        np.savez(path, **{k: np.array([Harm()]) for k in np.load(path).files}, allow_pickle=True)
    elif damage == "missing keys":
        np.savez(path, other=np.zeros(3))
    else:
        path.write_bytes({"text": b"hello", "empty": b"", "cut": whole[: len(whole) // 2]}[damage])
    with refused(f"{name}.npz", "lacks" if damage == "missing keys" else "plain .npz"):
        simlift.open_clip(folder)


def test_arrays_with_pickles_are_refused(tmp_path):
    folder = builders.native_images(tmp_path / "clip")
    np.save(folder / "flow" / "000000.npy", np.array([Harm()]), allow_pickle=True)
    with refused("000000.npy", "plain .npy"):
        simlift.open_clip(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ids": np.array([2, 2]), "poses": np.zeros((FRAMES, 2, 4, 4))}, ["not unique"]),
        ({"ids": np.array([2, 3])}, ["poses", "1", "2"]),
        ({"poses": np.full((FRAMES, 1, 4, 4), np.nan)}, ["finite"]),
        ({"poses": np.repeat(np.eye(4)[None, None], 3, 0)}, ["3 frames"]),
        ({"poses": np.zeros((FRAMES, 4))}, ["objects.npz", "[t o 4 4]"]),
    ],
    ids=["double", "short", "nan", "length", "shape"],
)
def test_bodies_that_cannot_be(folder, changes, words):
    body = builders.objects(FRAMES)
    np.savez(folder / "objects.npz", **({"ids": body.ids, "poses": body.poses} | changes))
    with refused(folder.name, *words):
        simlift.open_clip(folder)


def test_values_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="joint_names"):
        Robot(("a", "b"), np.zeros((3, 1)), (), np.zeros((3, 0, 4, 4)), np.zeros(3))
    with pytest.raises(ValueError, match="link_names"):
        Robot(("a",), np.zeros((3, 1)), ("b",), np.zeros((3, 0, 4, 4)), np.zeros(3))
    with pytest.raises(ValueError, match="up has the length"):
        Camera(LENS, POSES, np.array([0, 0, 0.5]))


def test_the_writer_keeps_a_clip_that_is_there(folder):
    with (
        refused(folder, "already holds a clip"),
        write_clip(folder, name="a", fps=Fraction(24), height=4, width=4),
    ):
        raise AssertionError("it was opened")


def test_the_writer_refuses_depth_that_does_not_fit(tmp_path):
    with (
        refused("80 m", "metres_per_unit"),
        write_clip(tmp_path / "a", name="a", fps=Fraction(24), height=4, width=6) as writer,
    ):
        writer.append({Layer.DEPTH: np.full((4, 6), 80.0, np.float32)})
    assert not (tmp_path / "a" / "clip.json").exists()


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_the_writer_refuses_depth_that_cannot_be(tmp_path, value):
    depth = np.full((4, 6), 2.0, np.float32)
    depth[1, 1] = value
    with (
        refused("depth"),
        write_clip(tmp_path / "a", name="a", fps=Fraction(24), height=4, width=6) as writer,
    ):
        writer.append({Layer.DEPTH: depth})


@pytest.mark.parametrize("value", [-1, 70000])
def test_the_writer_refuses_ids_that_do_not_fit(tmp_path, value):
    with (
        refused("ids", "65535"),
        write_clip(tmp_path / "a", name="a", fps=Fraction(24), height=4, width=6) as writer,
    ):
        writer.append({Layer.SEGMENTATION: np.full((4, 6), value, np.int32)})


# --- foreign folders -------------------------------------------------------------------------


def test_carla_frames_without_partners(tmp_path):
    folder = builders.carla(tmp_path / "clip")
    (folder / "depth000003.png").unlink()
    with refused(folder, "frame", "3"):
        simlift.open_clip(folder)


def test_carla_surplus_at_the_ends_is_stated(tmp_path):
    folder = builders.carla(tmp_path / "clip")
    (folder / "depth000000.png").unlink()
    clip = simlift.open_clip(folder)
    assert clip.num_frames == FRAMES - 1
    assert any("no partner" in note for note in clip.notes)


def test_carla_sensors_that_share_no_frame(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2)
    for path in folder.glob("rgb*"):
        path.rename(folder / path.name.replace("00000", "00007"))
    with refused(folder, "no frame"):
        simlift.open_clip(folder)


def test_carla_depth_that_was_converted(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2)
    for path in folder.glob("depth*"):
        write_image(path, np.zeros((HEIGHT, WIDTH), np.uint8))
    with refused("depth000000.png", "gray", "ColorConverter.Raw"):
        simlift.open_clip(folder)


def test_carla_log_depth_in_three_equal_channels(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2)
    for path in folder.glob("depth*"):
        gray = np.arange(WIDTH, dtype=np.uint8)[None].repeat(HEIGHT, 0) + 20
        write_image(path, gray[..., None].repeat(3, axis=-1))
    with refused("depth000000.png", "gray", "ColorConverter.Raw"):
        simlift.open_clip(folder)


def test_carla_tags_of_unknown_numbering(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2)
    for path in folder.glob("sem*"):
        tags = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        tags[..., 0] = 7
        write_image(path, tags)
    with refused("sem000000.png", "pre0.9.14"):
        simlift.open_clip(folder)


def test_carla_raw_buffer_of_another_size(tmp_path):
    folder = builders.carla(tmp_path / "clip", count=2, raw=True)
    np.save(folder / "depth000000.npy", np.zeros(77, np.uint8))
    with refused("depth000000.npy", "77"):
        simlift.open_clip(folder)


def test_cosmos_videos_of_another_length(tmp_path):
    folder = builders.cosmos(tmp_path / "clip", count=5)
    builders.video(folder / "clip_depth.mp4", builders.flat_frames(4))
    with refused("clip_depth.mp4", "4 frames", "5"):
        simlift.open_clip(folder)


def test_cosmos_videos_of_another_size(tmp_path):
    folder = builders.cosmos(tmp_path / "clip", count=5)
    builders.video(folder / "clip_depth.mp4", builders.flat_frames(5, 32, 64))
    with refused(folder, "64x32", "48x32"):
        simlift.open_clip(folder)


# --- environments, photos, looks ---------------------------------------------------------------


def sky(height=16, width=32):
    return np.ones((height, width, 3), np.float32)


def test_environments_that_cannot_be_used(tmp_path):
    good = builders.write_hdr(tmp_path / "good.hdr", sky())
    assert read_environment(good).radiance.shape == (16, 32, 3)
    with refused("none.hdr", "does not exist"):
        read_environment(tmp_path / "none.hdr")
    with refused("square.hdr", "32x32", "twice as wide"):
        read_environment(builders.write_hdr(tmp_path / "square.hdr", sky(32, 32)))
    with refused("black.hdr", "black"):
        read_environment(builders.write_hdr(tmp_path / "black.hdr", sky() * 0))
    (tmp_path / "text.hdr").write_text("no light")
    with refused("text.hdr", "#?RADIANCE"):
        read_environment(tmp_path / "text.hdr")
    (tmp_path / "empty.hdr").write_bytes(b"")
    with refused("empty.hdr"):
        read_environment(tmp_path / "empty.hdr")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.98])
def test_a_cut_environment(tmp_path, share):
    noise = np.random.default_rng(0).random((64, 128, 3), dtype=np.float32)
    path = builders.write_hdr(tmp_path / "cut.hdr", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with refused("cut.hdr", "cut short"):
        read_environment(path)


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_environment_light_that_cannot_be(tmp_path, value, monkeypatch):
    import cv2

    # Radiance bytes cannot hold such values; OpenEXR files can, through the same check.
    path = builders.write_hdr(tmp_path / "light.hdr", sky())
    light = sky()
    light[3, 3] = value
    monkeypatch.setattr(cv2, "imdecode", lambda data, how: light)
    with refused("light.hdr", "negative" if value == -1 else "NaN or infinite"):
        read_environment(path)


def test_exr_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)  # as where it is not installed
    (tmp_path / "a.exr").write_bytes(b"v/1\x01")
    with pytest.raises(MissingLibrary, match=r"a\.exr.*OpenEXR.*simlift\[exr\]"):
        read_environment(tmp_path / "a.exr")


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_exr_files_come_back_or_are_refused(tmp_path, value):
    exr = pytest.importorskip("OpenEXR")
    light = np.random.default_rng(0).random((16, 32, 3), dtype=np.float32)
    path = tmp_path / "light.exr"
    exr.File({}, {"RGB": light}).write(str(path))
    np.testing.assert_array_equal(read_environment(path).radiance, light)
    whole = path.read_bytes()
    light[3, 3] = value
    exr.File({}, {"RGB": light}).write(str(path))
    with refused("light.exr", "negative" if value == -1 else "row 3, column 3"):
        read_environment(path)
    path.write_bytes(whole[: len(whole) // 2])
    with refused("light.exr", "damaged"):
        read_environment(path)


def test_folders_of_photos(tmp_path, folder):
    clip = simlift.open_clip(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"no photo")
    for place, words in (
        (tmp_path / "nowhere", "no folder"),
        (empty, "no photos"),
        (tmp_path / "broken", "a.jpg"),
    ):
        for look in (
            Look(grade=Grade(like=place)),
            Look(backdrop=Backdrop(kind="photos", photos=place)),
        ):
            with refused(place, words):
                simlift.Photographic(look).check(clip)


def test_an_environment_file_is_checked_when_the_run_is_planned(tmp_path, folder):
    clip = simlift.open_clip(folder)
    look = Look(light=Light(environment=str(tmp_path / "none.hdr")))
    with refused("none.hdr", "does not exist"):
        simlift.Photographic(look).check(clip)


def test_looks_by_name():
    assert look_named("golden-hour").light.environment == "clear-sky"
    with refused("goldenhour", "golden-hour", "did you mean 'golden-hour'?"):
        look_named("goldenhour")
    with refused("zzz", "natural"):
        look_named("zzz")
    with refused("none.json", "does not exist"):
        look_named("none.json")


@pytest.mark.parametrize(
    "build",
    [
        lambda: Light(elevation=95),
        lambda: Light(turbidity=float("nan")),
        lambda: Light(environment="sunny"),
        lambda: Light(roughness=0),
        lambda: Exposure(compensation=9),
        lambda: Film(contrast=0.1),
        lambda: Film(white=0.5),
        lambda: Film(contrast=0.6, white=1.5),
        lambda: Film(contrast=1.0, white=1.0),
        lambda: Grade(saturation=-1),
        lambda: Backdrop(kind="photos"),
        lambda: replace(Backdrop(), kind="photos"),
    ],
)
def test_looks_out_of_range(build):
    with refused():
        build()


def test_a_look_file_with_a_wrong_value_names_the_key(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"light": {"elevation": 99}}')
    with refused("mine.json.light", "99", "2 to 88"):
        look_named(str(path))
    path.write_text('{"light": {"elevatoin": 20}}')
    with refused("mine.json.light", "did you mean 'elevation'?"):
        look_named(str(path))


def test_classes_to_replace_must_be_there(folder, tmp_path):
    photographic = simlift.Photographic(Look(backdrop=Backdrop(classes=("robto", "table"))))
    with refused(folder, "no class robto", "robot, sky, table"):
        photographic.check(simlift.open_clip(folder))
    plain = builders.video(tmp_path / "plain.mp4", builders.flat_frames(3))
    with refused(plain, "no segmentation"):
        photographic.check(simlift.open_clip(plain))


def test_layers_that_are_not_there(folder):
    clip = simlift.open_clip(folder)
    with refused(folder, "no layer flow", "depth, rgb, segmentation"):
        clip.stored(Layer.FLOW)
    with clip.open([Layer.RGB]) as reader, refused("no layer depth", "it holds rgb"):
        reader.window([0])[Layer.DEPTH]
