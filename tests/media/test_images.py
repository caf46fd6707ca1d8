"""Images on disk: sequences, single images, alpha, depth of bits, raw buffers."""

import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.layers import Layer
from simlift.media.images import ImageStore, read_image, write_image


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_colours_come_back(tmp_path, suffix):
    frame = builders.flat_frames(1)[0]
    frame[:, :24] = (200, 60, 30)
    write_image(tmp_path / f"a{suffix}", frame)
    error = np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - frame)
    assert error[:, 4:20].max() <= (3 if suffix in (".jpg", ".webp") else 0)


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3), (8, 9, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_keeps_bits_and_channels(tmp_path, shape, dtype):
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(0).integers(0, top, shape, dtype=dtype)
    write_image(tmp_path / "a.png", pixels)
    found = read_image(tmp_path / "a.png")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, pixels)


def test_gray_alpha_and_deep_images_become_rgb_and_say_so(tmp_path):
    rgba = np.dstack([builders.flat_frames(1)[0], np.full((32, 48), 9, np.uint8)])
    deep = builders.flat_frames(1)[0].astype(np.uint16) * 257
    cases = {"alpha": rgba, "gray": rgba[..., 0], "16-bit": deep}
    for word, pixels in cases.items():
        write_image(tmp_path / f"{word}.png", pixels)
        clip = simlift.open_clip(tmp_path / f"{word}.png")
        assert any(word in note for note in clip.notes)
        found = builders.read(clip, Layer.RGB, [0])
        np.testing.assert_array_equal(found[0], rgba[..., :3])


def test_one_image_is_a_clip_of_one_frame(tmp_path):
    write_image(tmp_path / "a.png", builders.flat_frames(1)[0])
    clip = simlift.open_clip(tmp_path / "a.png")
    assert (clip.num_frames, clip.name) == (1, "a")
    assert any("one frame" in note for note in clip.notes)


def test_images_sort_by_number_not_by_letter(tmp_path):
    frames = builders.flat_frames(12)
    for i, frame in enumerate(frames):
        write_image(tmp_path / "clip" / f"take2_{i}.png", frame)
    clip = simlift.open_clip(tmp_path / "clip")
    np.testing.assert_array_equal(builders.read(clip, Layer.RGB, range(12)), frames)


@pytest.mark.parametrize(("first", "step"), [(0, 1), (1, 1), (100, 5)])
def test_even_gaps_are_meant(tmp_path, first, step):
    builders.sequence(tmp_path / "clip", builders.flat_frames(4), first, step)
    assert simlift.open_clip(tmp_path / "clip").num_frames == 4


def test_a_folder_rgb_inside_is_found(tmp_path):
    builders.sequence(tmp_path / "clip" / "rgb", builders.flat_frames(3))
    clip = simlift.open_clip(tmp_path / "clip")
    assert (clip.name, clip.num_frames) == ("clip", 3)


def test_raw_buffers_take_their_shape_from_the_store(tmp_path):
    pixels = np.arange(4 * 5 * 4, dtype=np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    store = ImageStore((tmp_path / "a.npy",), 4, 5, flat_channels=4)
    with store.open() as reader:
        np.testing.assert_array_equal(reader.read([0])[0], pixels.reshape(4, 5, 4))
