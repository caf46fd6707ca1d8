"""Videos in and out: every frame by its index, its colour, its time and its sound."""

import pickle
import random
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from tiny import clips as builders

import simlift
from simlift.core.errors import RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Encoding
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.writer import LOSSLESS_GRAY16, write_video

COUNT = 17


def has_encoder(codec):
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def needs(codec, *values, name):
    missing = not has_encoder(codec)
    reason = f"this FFmpeg cannot write {codec}"
    return pytest.param(codec, *values, id=name, marks=pytest.mark.skipif(missing, reason=reason))


# codec, pixel format, suffix, encoder options, container options
CODINGS = [
    needs(
        "libx264", "yuv420p", ".mp4", {"bf": "3", "b_strategy": "0"}, {}, name="h264-bframes-mp4"
    ),
    needs(
        "libx264", "yuv420p", ".mkv", {"bf": "3", "b_strategy": "0"}, {}, name="h264-bframes-mkv"
    ),
    needs("libx264", "yuv420p", ".avi", {"bf": "0"}, {}, name="h264-avi"),
    needs(
        "libx264", "yuv420p", ".avi", {"bf": "3", "b_strategy": "0"}, {}, name="h264-bframes-avi"
    ),
    needs("libx264", "yuv420p", ".ts", {"bf": "2"}, {}, name="h264-bframes-ts"),
    needs("libx264", "yuv420p", ".h264", {"bf": "2"}, {}, name="h264-bframes-bare"),
    needs("libx264", "yuv420p10le", ".mp4", {}, {}, name="h264-10bit"),
    needs("libx264", "yuv444p", ".mp4", {}, {}, name="h264-444"),
    needs(
        "libx264",
        "yuv420p",
        ".mp4",
        {"bf": "3", "b_strategy": "0", "x264-params": "open-gop=1"},
        {},
        name="h264-open-gop",
    ),
    needs(
        "libx264",
        "yuv420p",
        ".mp4",
        {"bf": "2"},
        {"movflags": "frag_keyframe+empty_moov"},
        name="h264-fragmented",
    ),
    needs("libx265", "yuv420p", ".mp4", {"x265-params": "log-level=none"}, {}, name="hevc"),
    needs(
        "libx265", "yuv420p10le", ".mkv", {"x265-params": "log-level=none"}, {}, name="hevc-10bit"
    ),
    needs("libsvtav1", "yuv420p", ".mp4", {"preset": "12"}, {}, name="av1"),
    needs("libsvtav1", "yuv420p10le", ".mkv", {"preset": "12"}, {}, name="av1-10bit"),
    needs("libvpx-vp9", "yuv420p", ".webm", {"deadline": "realtime"}, {}, name="vp9"),
    needs("mpeg4", "yuv420p", ".avi", {}, {}, name="mpeg4-avi"),
    needs("mpeg4", "yuv420p", ".mp4", {"bf": "2"}, {}, name="mpeg4-bframes-mp4"),
    needs("mpeg4", "yuv420p", ".avi", {"bf": "2"}, {}, name="mpeg4-bframes-avi"),
    needs("mjpeg", "yuvj420p", ".avi", {}, {}, name="mjpeg"),
    needs("prores_ks", "yuv422p10le", ".mov", {}, {}, name="prores"),
    needs("ffv1", "yuv420p", ".mkv", {}, {}, name="ffv1"),
]


@pytest.fixture(autouse=True)
def quiet_encoders(monkeypatch):
    monkeypatch.setenv("SVT_LOG", "-1")


@pytest.mark.parametrize(("codec", "pixel_format", "suffix", "options", "container"), CODINGS)
def test_every_frame_is_found_by_its_index(
    tmp_path, codec, pixel_format, suffix, options, container
):
    # SVT-AV1 takes no smaller pictures, and x265 writes beyond its buffers on those of 32 lines.
    size = (64, 96) if codec in ("libsvtav1", "libx265") else (32, 48)
    path = builders.video(
        tmp_path / f"clip{suffix}",
        builders.flat_frames(COUNT, *size),
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        container_options=container,
    )
    clip = simlift.open_clip(path)
    assert (clip.num_frames, clip.height, clip.width, clip.fps) == (COUNT, *size, 24)
    assert clip.timestamps is None
    draw = random.Random(3)
    with clip.open([Layer.RGB]) as reader:
        whole = reader.window(range(COUNT)).rgb
        assert builders.indices_of(whole, COUNT) == list(range(COUNT))
        for _ in range(12):
            some = sorted(draw.sample(range(COUNT), draw.randint(1, 5)))
            np.testing.assert_array_equal(reader.window(some).rgb, whole[some])


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(10), Fraction(60)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_constant_rates_are_exact(tmp_path, rate, suffix):
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    path = tmp_path / f"clip{suffix}"
    builders.video(path, builders.flat_frames(12), codec=codec, rate=rate)
    info = probe_video(path)
    assert info.fps == rate
    assert info.timestamps is None


UNEVEN = [0, 40, 80, 240, 241, 500, 540, 580, 1400]  # milliseconds


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_uneven_times_are_exact_in_the_source_and_in_a_take(tmp_path, suffix):
    frames = builders.flat_frames(len(UNEVEN))
    path = builders.video(
        tmp_path / f"clip{suffix}", frames, ticks=(Fraction(1, 1000), UNEVEN), options={"bf": "2"}
    )
    clip = simlift.open_clip(path)
    times = tuple(Fraction(t, 1000) for t in UNEVEN)
    assert clip.timestamps == times
    assert any("varies" in note for note in clip.notes)
    take = tmp_path / "take.mp4"
    with write_video(take, height=32, width=48, fps=clip.fps, timestamps=clip.timestamps) as writer:
        writer.append(frames[:4])
        writer.append(frames[4:])
    info = probe_video(take)
    assert info.timestamps == times
    with VideoStore(info).open() as reader:
        assert builders.indices_of(reader.read(range(9)), 9) == list(range(9))


def test_a_dropped_frame_of_a_coarse_clock_is_an_uneven_rate(tmp_path):
    ticks = [0, 1, 2, 4, 5, 6, 8, 9]
    path = builders.video(
        tmp_path / "clip.avi",
        builders.flat_frames(8),
        codec="mpeg4",
        ticks=(Fraction(1, 24), ticks),
    )
    info = probe_video(path)
    if info.num_frames == 8:  # AVI may store the gap as empty frames
        assert info.timestamps == tuple(Fraction(t, 24) for t in ticks)
    else:
        assert info.num_frames == 10


def test_a_slow_drift_of_one_tick_is_an_uneven_rate(tmp_path):
    ticks = np.cumsum([0] + [41] * 15 + [42] * 15).tolist()
    path = builders.video(
        tmp_path / "clip.mkv", builders.flat_frames(31), ticks=(Fraction(1, 1000), ticks)
    )
    assert probe_video(path).timestamps == tuple(Fraction(t, 1000) for t in ticks)


PATCHES = np.array(
    [[255, 255, 255], [0, 0, 0], [220, 30, 40], [30, 200, 60], [40, 60, 230], [128, 128, 128]],
    np.uint8,
)


def patches(height=32, width=48):
    columns = np.arange(width) * len(PATCHES) // width
    return np.broadcast_to(PATCHES[columns], (3, height, width, 3)).copy()


def centre_error(found, frames):
    """The largest error in the middle of the patches, where chroma is not shared."""
    width = frames.shape[2] // len(PATCHES)
    middle = np.arange(len(PATCHES)) * width + width // 2
    return np.abs(found[:, :, middle].astype(int) - frames[:, :, middle].astype(int)).max()


@pytest.mark.parametrize(
    "colour",
    [
        (Colorspace.ITU709, ColorRange.MPEG),
        (Colorspace.ITU709, ColorRange.JPEG),
        (Colorspace.ITU601, ColorRange.MPEG),
        (Colorspace.ITU601, ColorRange.JPEG),
        (9, ColorRange.MPEG),  # BT.2020
    ],
    ids=["709", "709-full", "601", "601-full", "2020"],
)
def test_tagged_colour_is_read_by_its_tag(tmp_path, colour):
    tagged = tuple(int(c) for c in colour)
    path = builders.video(tmp_path / "a.mp4", patches(), options={"crf": "2"}, colour=tagged)
    found = builders.read(simlift.open_clip(path), Layer.RGB, range(3))
    assert centre_error(found, patches()) <= 4


@pytest.mark.parametrize(("height", "matrix"), [(480, 5), (720, 1)], ids=["SD-601", "HD-709"])
def test_untagged_colour_is_read_as_players_do(tmp_path, height, matrix):
    frames = patches(height, 96)[:1]
    yuv = av.VideoFrame.from_ndarray(frames[0], "rgb24").reformat(
        format="yuv444p", src_color_range=2, dst_colorspace=matrix, dst_color_range=1
    )
    path = tmp_path / "untagged.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.height, stream.width, stream.pix_fmt = height, 96, "yuv444p"
        plain = av.VideoFrame.from_ndarray(yuv.to_ndarray(), "yuv444p")
        out.mux(stream.encode(plain))
        out.mux(stream.encode(None))
    found = builders.read(simlift.open_clip(path), Layer.RGB, [0])
    assert centre_error(found, frames) <= 3


def test_takes_come_back_in_the_same_colours(tmp_path):
    path = tmp_path / "take.mp4"
    encoding = Encoding(crf=2, chroma="yuv444p")
    with write_video(path, height=32, width=48, fps=Fraction(24), encoding=encoding) as writer:
        writer.append(patches())
    with VideoStore(probe_video(path)).open() as reader:
        found = reader.read(range(3))
    assert np.abs(found.astype(int) - patches().astype(int)).max() <= 4
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.color_primaries, context.color_trc, context.colorspace)
        assert (*tags, context.color_range) == (1, 13, 1, 1)


def test_noise_survives_the_default_coding(tmp_path):
    noise = np.random.default_rng(0).integers(90, 170, (6, 32, 48, 1), dtype=np.uint8)
    frames = noise.repeat(3, axis=-1)
    with write_video(tmp_path / "a.mp4", height=32, width=48, fps=Fraction(24)) as writer:
        writer.append(frames)
    with VideoStore(probe_video(tmp_path / "a.mp4")).open() as reader:
        error = reader.read(range(6)).astype(float) - frames
    assert np.sqrt((error**2).mean()) < 4


@pytest.mark.parametrize(("height", "width"), [(33, 47), (32, 47), (33, 48), (1, 1), (2, 2)])
def test_odd_and_tiny_sizes_keep_their_size(tmp_path, height, width):
    frames = builders.flat_frames(4, height, width)
    with write_video(tmp_path / "a.mp4", height=height, width=width, fps=Fraction(24)) as writer:
        writer.append(frames)
    clip = simlift.open_clip(tmp_path / "a.mp4")
    assert (clip.height, clip.width) == (height, width)
    found = builders.read(clip, Layer.RGB, range(4))
    assert builders.indices_of(found, 4) == list(range(4))
    odd = bool(height % 2 or width % 2)
    assert any("odd" in note for note in clip.notes) == odd


def test_one_frame(tmp_path):
    path = builders.video(tmp_path / "one.mp4", builders.flat_frames(1))
    clip = simlift.open_clip(path)
    assert (clip.num_frames, clip.fps, clip.timestamps) == (1, 24, None)
    assert any("one frame" in note for note in clip.notes)
    assert builders.indices_of(builders.read(clip, Layer.RGB, [0]), 1) == [0]


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix"),
    [
        needs("prores_ks", "yuva444p10le", ".mov", name="prores-4444"),
        needs("png", "rgba", ".mov", name="png"),
        needs("qtrle", "argb", ".mov", name="animation"),
        needs("ffv1", "yuva420p", ".mkv", name="ffv1"),
    ],
)
def test_alpha_is_dropped_and_stated(tmp_path, codec, pixel_format, suffix):
    frames = np.dstack([builders.flat_frames(4).reshape(-1, 48, 3), np.full((4 * 32, 48), 90)])
    frames = frames.astype(np.uint8).reshape(4, 32, 48, 4)
    path = builders.video(
        tmp_path / f"alpha{suffix}", frames, codec=codec, pixel_format=pixel_format
    )
    clip = simlift.open_clip(path)
    assert any("alpha" in note for note in clip.notes)
    found = builders.read(clip, Layer.RGB, range(4))
    assert found.shape == (4, 32, 48, 3)
    assert np.abs(found.astype(int) - frames[..., :3].astype(int)).max() <= 3


def test_bit_depth_is_stated(tmp_path):
    frames = builders.flat_frames(2)
    deep = builders.video(tmp_path / "deep.mp4", frames, pixel_format="yuv420p10le")
    plain = builders.video(tmp_path / "plain.mp4", frames)
    assert any("10-bit" in note for note in simlift.open_clip(deep).notes)
    assert not any("bit" in note for note in simlift.open_clip(plain).notes)


def test_sixteen_bit_gray_is_lossless(tmp_path):
    numbers = np.random.default_rng(1).integers(0, 65536, (5, 33, 47), dtype=np.uint16)
    path = tmp_path / "depth.mkv"
    with write_video(
        path, height=33, width=47, fps=Fraction(24), encoding=LOSSLESS_GRAY16
    ) as writer:
        writer.append(numbers)
    with VideoStore(probe_video(path), "gray16le").open() as reader:
        np.testing.assert_array_equal(reader.read([4]), numbers[[4]])
        np.testing.assert_array_equal(reader.read([0, 2, 3]), numbers[[0, 2, 3]])


def sound_of(path):
    with av.open(str(path)) as container:
        parts = [f.to_ndarray() for f in container.decode(audio=0)]
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_compressed_sound_is_carried_packet_by_packet(tmp_path, suffix):
    source = builders.video(tmp_path / f"source{suffix}", builders.flat_frames(12), audio="aac")
    clip = simlift.open_clip(source)
    assert clip.audio == source
    take = tmp_path / "take.mp4"
    with write_video(take, height=32, width=48, fps=clip.fps, audio_from=clip.audio) as writer:
        for frame in builders.flat_frames(12):
            writer.append(frame[None])
    assert builders.packets(take, "audio") == builders.packets(source, "audio")
    assert probe_video(take).num_frames == 12
    np.testing.assert_array_equal(sound_of(take), sound_of(source))


@pytest.mark.parametrize("suffix", [".avi", ".mov", ".mkv"])
def test_uncompressed_sound_is_carried_without_loss(tmp_path, suffix):
    source = builders.video(
        tmp_path / f"source{suffix}",
        builders.flat_frames(12),
        codec="mpeg4",
        audio="pcm_s16le",
    )
    take = tmp_path / "take.mp4"
    with write_video(take, height=32, width=48, fps=Fraction(24), audio_from=source) as writer:
        writer.append(builders.flat_frames(12))
    assert probe_video(take).audio_codec == "flac"
    found = sound_of(take)
    np.testing.assert_array_equal(found[:, : builders.tone().shape[1]], builders.tone())


def test_sound_starts_when_it_did(tmp_path):
    source = builders.video(tmp_path / "source.mp4", builders.flat_frames(12), audio="aac")
    take = tmp_path / "take.mp4"
    with write_video(take, height=32, width=48, fps=Fraction(24), audio_from=source) as writer:
        writer.append(builders.flat_frames(12))

    def times(path):
        with av.open(str(path)) as container:
            return [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size]

    np.testing.assert_allclose(times(take), times(source), atol=1e-3)


def test_a_video_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "sub" / "take.mp4"
    with (
        pytest.raises(ZeroDivisionError),
        write_video(path, height=32, width=48, fps=Fraction(24)) as writer,
    ):
        writer.append(builders.flat_frames(3))
        raise ZeroDivisionError
    assert list((tmp_path / "sub").iterdir()) == []


def test_an_unknown_codec_is_an_error_that_names_the_file(tmp_path):
    with (
        pytest.raises(RunError, match=r"a\.mp4"),
        write_video(
            tmp_path / "a.mp4",
            height=32,
            width=48,
            fps=Fraction(24),
            encoding=Encoding(codec="no-such-codec"),
        ),
    ):
        raise AssertionError("it was opened")
    assert list(tmp_path.iterdir()) == []


def test_equal_frames_give_equal_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        with write_video(tmp_path / name, height=32, width=48, fps=Fraction(24)) as writer:
            writer.append(builders.flat_frames(9))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_what_a_video_says_of_itself_survives_pickling(tmp_path):
    path = builders.video(tmp_path / "a.mp4", builders.flat_frames(5))
    store = VideoStore(probe_video(path))
    assert pickle.loads(pickle.dumps(store)) == store
