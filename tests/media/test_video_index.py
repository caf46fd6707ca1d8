"""What a video file shows: the right stream, upright, whole groups, one size, growing times."""

import random
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.media.video import VIDEO_SUFFIXES, VideoStore, pixel_aspect, probe_video
from simlift.media.video.writer import write_video

COUNT = 24


def remux(sources, path, *, drop=frozenset(), shift=0, stamps=None):
    """Copy the packets of files behind each other; `stamps` replaces the times, in ticks."""
    with av.open(str(path), "w") as out:
        target, number, latest = None, 0, None
        for source in sources:
            with av.open(str(source)) as container:
                stream = container.streams.video[0]
                target = target or out.add_stream_from_template(stream)
                packets = [p for p in container.demux(stream) if p.size]
                first = packets[0].dts if packets[0].dts is not None else packets[0].pts
                move = 0 if latest is None else round(latest / stream.time_base) - first
                for packet in packets:
                    dts = packet.pts if packet.dts is None else packet.dts
                    packet.pts, packet.dts = packet.pts + move - shift, dts + move - shift
                    if stamps:
                        packet.pts, packet.dts = stamps[number], min(number, stamps[number])
                    latest = (packet.dts + packet.duration) * packet.time_base
                    if number not in drop:
                        packet.stream = target
                        out.mux(packet)
                    number += 1
    return path


def indices(clip, count=COUNT):
    return builders.indices_of(builders.read(clip, Layer.RGB, range(clip.num_frames)), count)


def random_reads_agree(clip):
    """Frames read in any order are those of one pass."""
    draw = random.Random(5)
    with clip.open([Layer.RGB]) as reader:
        whole = reader.window(range(clip.num_frames)).rgb
        for _ in range(8):
            some = sorted(draw.sample(range(clip.num_frames), 3))
            np.testing.assert_array_equal(reader.window(some).rgb, whole[some])


# The display matrix (a, b, c, d), and what it makes of [[1, 2], [3, 4]].
MATRICES = {
    "90": ((0, 1, -1, 0), [[3, 1], [4, 2]]),
    "180": ((-1, 0, 0, -1), [[4, 3], [2, 1]]),
    "270": ((0, -1, 1, 0), [[2, 4], [1, 3]]),
    "mirrored": ((-1, 0, 0, 1), [[2, 1], [4, 3]]),
    "upside-down": ((1, 0, 0, -1), [[3, 4], [1, 2]]),
    "transposed": ((0, 1, 1, 0), [[1, 3], [2, 4]]),
    "transversed": ((0, -1, -1, 0), [[4, 2], [3, 1]]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_frames_are_upright(tmp_path, name):
    (a, b, c, d), expected = MATRICES[name]
    levels = np.array([[1, 2], [3, 4]]) * 50
    quarters = levels.repeat(16, 0).repeat(24, 1).astype(np.uint8)
    frames = np.broadcast_to(quarters[None, ..., None], (3, 32, 48, 3))
    path = builders.video(tmp_path / "phone.mp4", frames, options={"crf": "4"})
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other fields
    fixed = [v * 0x10000 for v in (a, b, 0, c, d, 0, 0, 0)] + [0x40000000]
    matrix = b"".join(v.to_bytes(4, "big", signed=True) for v in fixed)
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    clip = simlift.open_clip(path)
    size = (32, 48) if a else (48, 32)
    assert (clip.height, clip.width) == size
    found = builders.read(clip, Layer.RGB, [1])[0]
    assert found.shape[:2] == size
    corners = found[[8, -8]][:, [8, -8], 0]
    np.testing.assert_allclose(corners, np.array(expected) * 50, atol=4)
    words = "mirrored" if a * d - b * c < 0 else f"turned by {name} degrees"
    assert any(words in note for note in clip.notes)


def test_pixels_that_are_not_square_stay_so_in_a_take(tmp_path):
    path = tmp_path / "wide.mp4"
    with write_video(
        path, height=32, width=48, fps=Fraction(24), pixel_aspect=Fraction(64, 45)
    ) as out:
        out.append(builders.flat_frames(3))
    clip = simlift.open_clip(path)
    assert pixel_aspect(clip.stored(Layer.RGB).store) == Fraction(64, 45)
    assert any("64:45" in note and "68x32" in note for note in clip.notes)
    with av.open(str(path)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(64, 45)


def test_a_cover_is_no_clip_and_further_streams_are_named(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 32, 48, "yuvj420p"
        film = out.add_stream("libx264", rate=24)
        film.height, film.width, film.pix_fmt = 32, 48, "yuv420p"
        sounds = [out.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(2)]
        for sound in sounds:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 8000, 0
            out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
        frames = builders.flat_frames(COUNT)
        out.mux(cover.encode(av.VideoFrame.from_ndarray(frames[0], "rgb24")))
        out.mux(cover.encode(None))
        for frame in frames:
            out.mux(film.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        out.mux(film.encode(None))
    clip = simlift.open_clip(path)
    assert indices(clip) == list(range(COUNT))
    notes = " / ".join(clip.notes)
    assert "mjpeg 48x32, stream 0" in notes
    assert "sound is left out" in notes
    assert "stream 3" in notes


def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "2024-01-26T20:57:04Z.mp4"
    with write_video(tmp_path / "a.mp4", height=32, width=48, fps=Fraction(24)) as out:
        out.append(builders.flat_frames(5))
    (tmp_path / "a.mp4").rename(name)
    clip = simlift.open_clip(name)
    assert indices(clip, 5) == list(range(5))


FORMATS = {
    ".MKV": ("libx264", "matroska"),
    ".m2ts": ("libx264", "mpegts"),
    ".mts": ("libx264", "mpegts"),
    ".3gp": ("libx264", None),
    ".mxf": ("mpeg2video", None),
    ".asf": ("mpeg4", None),
    ".vob": ("mpeg2video", None),
    ".nut": ("ffv1", None),
    ".ogg": ("libtheora", None),
    ".ivf": ("libvpx-vp9", None),
    ".mjpeg": ("mjpeg", None),
    ".m2v": ("mpeg2video", None),
    ".apng": ("apng", None),
    ".gif": ("gif", None),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_other_containers(tmp_path, suffix):
    codec, form = FORMATS[suffix]
    assert suffix.lower() in VIDEO_SUFFIXES
    pixels = {"mjpeg": "yuvj420p", "gif": "rgb8", "apng": "rgb24"}.get(codec, "yuv420p")
    path = tmp_path / f"clip{suffix}"
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg cannot write {codec}")
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=25, options={"g": "5"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, pixels
        for frame in builders.flat_frames(COUNT, 64, 96):
            frame = av.VideoFrame.from_ndarray(frame, "rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    info = probe_video(path)
    assert (info.num_frames, info.fps, info.timestamps) == (COUNT, 25, None)
    with VideoStore(info).open() as reader:
        assert builders.indices_of(reader.read(range(COUNT)), COUNT) == list(range(COUNT))
    assumed = any("25 fps is assumed" in remark for remark in info.remarks)
    assert assumed == (suffix == ".mjpeg")


# codec, container of the parts, container of the whole, pixel format
JOINED = {
    "h264-ts": ("libx264", ".ts", ".ts", "yuv420p"),
    "h264-bare": ("libx264", ".h264", ".h264", "yuv420p"),
    "h264-mkv": ("libx264", ".ts", ".mkv", "yuv420p"),
    "hevc-ts": ("libx265", ".ts", ".ts", "yuv420p"),
    "vp8-mkv": ("libvpx", ".mkv", ".mkv", "yuv420p"),
    "vp9-mkv": ("libvpx-vp9", ".mkv", ".mkv", "yuv420p"),
    "mpeg2-ts": ("mpeg2video", ".ts", ".ts", "yuv420p"),
    "mpeg4-ts": ("mpeg4", ".ts", ".ts", "yuv420p"),
    "mjpeg-mkv": ("mjpeg", ".mkv", ".mkv", "yuvj420p"),
    "prores-mkv": ("prores_ks", ".mkv", ".mkv", "yuv422p10le"),
}


@pytest.mark.parametrize("name", JOINED)
def test_a_change_of_size_is_refused_on_opening(tmp_path, name):
    codec, part, whole, pixels = JOINED[name]
    options = {
        "libx264": {"bf": "0"},
        "libx265": {"x265-params": "log-level=none"},
        "libvpx": {"deadline": "realtime"},
        "libvpx-vp9": {"deadline": "realtime"},
    }.get(codec, {})
    parts = [
        builders.video(
            tmp_path / f"{k}{part}",
            builders.flat_frames(9, *size),
            codec=codec,
            pixel_format=pixels,
            options=options,
        )
        for k, size in enumerate([(64, 96), (96, 128)])
    ]
    path = tmp_path / f"joined{whole}"
    if part == whole and part in (".ts", ".h264"):
        path.write_bytes(b"".join(p.read_bytes() for p in parts))
    else:
        remux(parts, path)
    # ProRes frames have no header that is read: a few are decoded, and the place is a range.
    place = "between frames 8 and 12" if codec == "prores_ks" else "at frame 9"
    with pytest.raises(ClipError, match=rf"joined\.\w+: its size changes {place}.*96x64.*128x96"):
        simlift.open_clip(path)


def test_parts_of_one_size_joined_byte_by_byte_keep_their_order(tmp_path):
    """Both parts have the same times: frames stay in order, and the second follows the first."""
    frames = builders.flat_frames(COUNT)
    parts = [
        builders.video(tmp_path / f"{k}.ts", half, options={"bf": "2"})
        for k, half in enumerate(np.split(frames, 2))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(p.read_bytes() for p in parts))
    clip = simlift.open_clip(path)
    assert indices(clip) == list(range(COUNT))
    assert clip.timestamps is None
    assert clip.fps == 24
    assert any("starts again at frame 12" in note for note in clip.notes)


@pytest.mark.parametrize("bframes", [0, 2])
def test_a_recording_that_begins_inside_a_group(tmp_path, bframes):
    source = builders.video(
        tmp_path / "a.ts",
        builders.flat_frames(COUNT),
        gop=8,
        options={"bf": str(bframes), "sc_threshold": "0", "x264-params": "mbtree=0"},
    )
    path = remux([source], tmp_path / "late.ts", drop=frozenset(range(3)))
    clip = simlift.open_clip(path)
    assert indices(clip) == list(range(8, COUNT))
    assert any("first 5 frames do not decode" in note for note in clip.notes)
    random_reads_agree(clip)


@pytest.mark.parametrize("cut", [2, 5, 9, 13])
def test_frames_that_an_edit_list_hides_are_not_shown(tmp_path, cut):
    """As ffmpeg -ss -c copy writes: decoding begins at a key frame in front of the first frame."""
    source = builders.video(
        tmp_path / "a.mp4",
        builders.flat_frames(COUNT),
        gop=12,
        options={"bf": "2", "b_strategy": "0"},
    )
    with av.open(str(source)) as container:
        step = container.streams.video[0].average_rate * container.streams.video[0].time_base
    path = remux([source], tmp_path / "cut.mp4", shift=round(cut / step))
    clip = simlift.open_clip(path)
    assert indices(clip) == list(range(cut, COUNT))
    assert clip.timestamps is None
    random_reads_agree(clip)


TIMES = [42 * i for i in range(COUNT)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({11: TIMES[10], 15: TIMES[14]}, r"2 frames \(11, 15\) have the time of the frame before"),
        ({11: TIMES[10] - 5}, "frame 11 has a time before"),
        ({}, ""),
    ],
    ids=["equal", "back", "whole"],
)
def test_times_that_do_not_grow_are_repaired_and_stated(tmp_path, change, words):
    source = builders.video(tmp_path / "a.mkv", builders.flat_frames(COUNT), options={"bf": "0"})
    stamps = [change.get(i, t) for i, t in enumerate(TIMES)]
    clip = simlift.open_clip(remux([source], tmp_path / "b.mkv", stamps=stamps))
    assert indices(clip) == list(range(COUNT))
    random_reads_agree(clip)
    times = clip.timestamps or [Fraction(t, 1000) for t in TIMES]
    assert all(a < b for a, b in pairwise(times))
    np.testing.assert_allclose([float(t) for t in times], np.array(TIMES) / 1000, atol=0.022)
    assert clip.fps == pytest.approx(24, rel=0.02)
    found = [note for note in clip.notes if "time" in note and "kept" not in note]
    assert len(found) == bool(words)
    if words:
        with pytest.raises(AssertionError, match=words):
            raise AssertionError(found[0])
    with write_video(
        tmp_path / "take.mp4", height=32, width=48, fps=clip.fps, timestamps=clip.timestamps
    ) as out:
        out.append(builders.read(clip, Layer.RGB, range(COUNT)))
    assert probe_video(tmp_path / "take.mp4").num_frames == COUNT


def test_a_clock_that_is_slower_than_the_frames(tmp_path):
    source = builders.video(tmp_path / "a.mkv", builders.flat_frames(COUNT), options={"bf": "0"})
    stamps = [round(1000 * i / 2400) for i in range(COUNT)]
    clip = simlift.open_clip(remux([source], tmp_path / "fast.mkv", stamps=stamps))
    assert clip.timestamps is None
    assert clip.fps == pytest.approx(2400, rel=0.1)
    assert any("evenly spaced" in note for note in clip.notes)
    assert indices(clip) == list(range(COUNT))


def test_missing_frames_are_stated_and_keep_the_rate(tmp_path):
    source = builders.video(tmp_path / "a.mkv", builders.flat_frames(COUNT), options={"bf": "0"})
    stamps = [t + (5000 if i > 11 else 0) for i, t in enumerate(TIMES)]
    clip = simlift.open_clip(remux([source], tmp_path / "gap.mkv", stamps=stamps))
    assert clip.fps == 24
    assert clip.timestamps[12] - clip.timestamps[11] == Fraction(5042, 1000)
    assert any("119 frames seem to be missing after frame 11" in note for note in clip.notes)


def test_interlaced_video_is_stated(tmp_path):
    path = builders.video(
        tmp_path / "a.ts",
        builders.flat_frames(6, 64, 96),
        codec="mpeg2video",
        options={"flags": "+ildct+ilme", "field_order": "tt"},
    )
    assert any("interlaced" in note for note in simlift.open_clip(path).notes)


def test_a_preview_beside_a_video_is_not_the_clip(tmp_path):
    builders.video(tmp_path / "clip.mp4", builders.flat_frames(4))
    (tmp_path / "preview.gif").write_bytes(b"GIF89a")
    (tmp_path / "._clip.mp4").write_bytes(b"\0\5\x16\7")
    assert simlift.open_clip(tmp_path).num_frames == 4
