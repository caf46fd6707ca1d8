"""Animated GIF, PNG and WebP are clips of all their frames, with their times."""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.media.animated_webp import blend
from simlift.media.animations import even_rate
from simlift.media.images import read_image, write_image

SUFFIXES = [".gif", ".apng", ".png", ".webp"]


def frames(count=9):
    """A square that moves over four flat colours, which a table of 256 colours holds."""
    out = np.zeros((count, 32, 48, 3), np.uint8)
    out[:, :16, :24], out[:, 16:, 24:] = (200, 60, 30), (30, 60, 200)
    for i in range(count):
        out[i, 8:20, 4 * i : 4 * i + 8] = (250, 250, 40)
    return out


def rgba(pixels, clear=None):
    alpha = np.full((*pixels.shape[:-1], 1), 255, np.uint8)
    if clear is not None:
        alpha[clear] = 0
    return np.concatenate([pixels, alpha], axis=-1)


def write(path, pixels, milliseconds=42):
    """Write an animation; `milliseconds` is one delay, or one for each frame."""
    animation = cv2.Animation()
    codes = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    animation.frames = [cv2.cvtColor(p, codes[p.shape[-1]]) for p in pixels]
    animation.durations = np.broadcast_to(milliseconds, len(pixels)).astype(int).tolist()
    name = ".png" if path.suffix == ".apng" else path.suffix
    settings = [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else []
    good, data = cv2.imencodeanimation(name, animation, settings)
    assert good
    path.write_bytes(data.tobytes())
    return path


def ffmpeg(path, pixels, rate):
    """Write an animation as FFmpeg does: only what has changed, in the ticks of the format."""
    codec = {".gif": "gif", ".apng": "apng", ".png": "apng"}[path.suffix]
    with av.open(str(path), "w", format="gif" if codec == "gif" else "apng") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "rgb8" if codec == "gif" else "rgb24"
        for frame in pixels:
            out.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame).reformat(format=stream.pix_fmt))
            )
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_frame_is_read_at_its_time(tmp_path, suffix):
    truth = frames()
    clip = simlift.open_clip(write(tmp_path / f"a{suffix}", truth, 50))
    assert (clip.num_frames, clip.fps, clip.timestamps) == (9, 20, None)
    assert not any("alpha" in note or "one frame" in note for note in clip.notes)
    error = 60 if suffix == ".gif" else 0  # its writer keeps a table of 6 or 7 levels a channel
    with clip.open([Layer.RGB]) as reader:
        for indices in (range(9), [3, 3, 7], [1], [8], [0, 2]):
            found = reader.window(list(indices))[Layer.RGB].astype(int)
            assert np.abs(found - truth[list(indices)]).max() <= error


@pytest.mark.parametrize("suffix", [".gif", ".apng", ".png"])
def test_rates_that_the_clock_of_the_file_rounds_are_even(tmp_path, suffix):
    """At 24 fps a GIF holds delays of 4 and 5 hundredths."""
    clip = simlift.open_clip(ffmpeg(tmp_path / f"a{suffix}", frames(48 // 4), 24))
    assert (clip.num_frames, clip.fps, clip.timestamps) == (12, 24, None)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_uneven_times_are_kept(tmp_path, suffix):
    delays = [100, 300, 50, 200]
    clip = simlift.open_clip(write(tmp_path / f"a{suffix}", frames(4), delays))
    assert [float(t) for t in clip.timestamps] == [0, 0.1, 0.4, 0.45]
    assert float(clip.fps) == pytest.approx(4 / 0.65, rel=1e-3)
    assert any("frame times are kept" in note for note in clip.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_with_one_animation(tmp_path, suffix):
    (tmp_path / "clip").mkdir()
    write(tmp_path / "clip" / f"walk{suffix}", frames())
    clip = simlift.open_clip(tmp_path / "clip")
    assert (clip.name, clip.num_frames) == ("clip", 9)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_animation_is_the_rgb_of_a_native_folder(tmp_path, suffix):
    """As an estimate leaves it: the source's own file beside the layers."""
    write(tmp_path / f"rgb{suffix}", frames())
    layers = {"rgb": {"file": f"rgb{suffix}"}}
    data = builders.manifest(layers, num_frames=9, height=32, width=48)
    (tmp_path / "clip.json").write_text(json.dumps(data))
    clip = simlift.open_clip(tmp_path)
    assert builders.read(clip, Layer.RGB, range(9)).shape == (9, 32, 48, 3)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_an_animation_is_no_frame_of_a_sequence(tmp_path, suffix):
    for i in range(3):
        write_image(tmp_path / f"{i}{suffix}", frames()[i])
    write(tmp_path / f"1{suffix}", frames())
    with pytest.raises(ClipError, match=f"1{suffix}.*9 frames"):
        simlift.open_clip(tmp_path)
    with pytest.raises(ClipError, match="9 frames"):
        read_image(tmp_path / f"1{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_animation_is_refused(tmp_path, suffix):
    data = write(tmp_path / f"a{suffix}", frames()).read_bytes()
    for kept in (len(data) // 2, len(data) - 3):
        (tmp_path / f"a{suffix}").write_bytes(data[:kept])
        with pytest.raises(ClipError, match=f"a{suffix}"):
            simlift.open_clip(tmp_path / f"a{suffix}")


def test_a_still_gif_is_a_picture(tmp_path):
    path = ffmpeg(tmp_path / "a.gif", frames(1), 24)
    for data in (path.read_bytes(), path.read_bytes()[:-1]):  # some writers leave no trailer
        path.write_bytes(data)
        clip = simlift.open_clip(path)
        assert (clip.num_frames, clip.fps, clip.timestamps) == (1, 24, None)
    assert any("one frame" in note for note in clip.notes)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_transparency_is_said_where_there_is_some(tmp_path, suffix):
    clear = (slice(None), slice(0, 4))
    write(tmp_path / f"a{suffix}", rgba(frames(), clear))
    assert any("alpha" in note for note in simlift.open_clip(tmp_path / f"a{suffix}").notes)


def test_frames_that_change_a_part_are_composed_as_others_compose_them(tmp_path):
    """OpenCV's own reader of WebP composes with libwebp: the same pixels come out."""
    pixels = rgba(frames())
    pixels[:, 4:9, 20:30, 3] = 0
    path = write(tmp_path / "a.webp", pixels)
    good, expected = cv2.imreadanimation(str(path))
    assert good
    truth = [cv2.cvtColor(p, cv2.COLOR_BGRA2RGB) for p in expected.frames]
    found = builders.read(simlift.open_clip(path), Layer.RGB, range(9))
    np.testing.assert_array_equal(found, truth)


def test_blending_by_its_definition():
    rng = np.random.default_rng(0)
    over, under = rng.integers(0, 256, (2, 8, 9, 4)).astype(np.uint8)
    under[..., 3] = 255
    share = over[..., 3:] / 255
    truth = over[..., :3] * share + under[..., :3] * (1 - share)
    np.testing.assert_allclose(blend(over, under)[..., :3], truth, atol=0.51)
    assert (blend(over, under)[..., 3] == 255).all()
    over[..., 3] = 0
    np.testing.assert_array_equal(blend(over, under), under)


@pytest.mark.parametrize(
    ("hundredths", "rate"),
    [
        ([4, 4, 4, 4, 4, 5] * 8, 24),
        ([3, 3, 4] * 10, 30),
        ([4] * 10, 25),
        ([7] * 5, Fraction(100, 7)),
        ([2, 1, 2] * 20, 60),
        ([10, 30, 5], None),
    ],
)
def test_even_rates(hundredths, rate):
    delays = [Fraction(n, 100) for n in hundredths]
    assert even_rate(delays, Fraction(1, 100)) == rate
