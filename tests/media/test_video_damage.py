"""Damage inside a video is an error that names the frame: never a picture that was made up."""

import av
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.parameter_sets import without_messages
from simlift.media.video.unwritten_data import unwritten

COUNT, HIT = 24, 12  # frames, and the packet that is damaged
NOISE = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
MOVING = np.stack([np.roll(NOISE, 2 * i, axis=1) for i in range(COUNT)])

CODINGS = {
    "h264": ("libx264", ".mp4", {"bf": "2"}, "yuv420p"),
    "h264-mkv": ("libx264", ".mkv", {"bf": "0"}, "yuv420p"),
    "hevc": ("libx265", ".mp4", {"x265-params": "log-level=none:keyint=99"}, "yuv420p"),
    "mpeg4": ("mpeg4", ".avi", {"b": "2M"}, "yuv420p"),
    "mpeg2": ("mpeg2video", ".mkv", {"b": "2M"}, "yuv420p"),
    "mjpeg": ("mjpeg", ".avi", {"b": "2M"}, "yuvj420p"),
    "prores": ("prores_ks", ".mov", {}, "yuv422p10le"),
    "png": ("png", ".mov", {}, "rgb24"),
    "ffv1": ("ffv1", ".mkv", {"level": "3", "slicecrc": "1"}, "yuv420p"),
    "vp9": ("libvpx-vp9", ".webm", {"deadline": "realtime", "b": "500k"}, "yuv420p"),
}


def coded(path, codec, options, pixel_format):
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg cannot write {codec}")
    return builders.video(
        path, MOVING, codec=codec, options=options, pixel_format=pixel_format, gop=99
    )


def packets(path):
    with av.open(str(path)) as container:
        return [(p.pos, p.size, p.pts) for p in container.demux(video=0) if p.size]


def shown_index(path):
    found = packets(path)
    return sorted(p[2] for p in found).index(found[HIT][2])


def hit(path, data):
    """Overwrite bytes in the middle of one coded picture; return the frame it shows."""
    pos, size, _ = packets(path)[HIT]
    start = pos + size // 2
    whole = bytearray(path.read_bytes())
    length = max(size // 5, 8)
    whole[start : start + length] = data(length)
    path.write_bytes(whole)
    return shown_index(path)


def read_all(path):
    clip = simlift.open_clip(path)
    return builders.read(clip, Layer.RGB, range(clip.num_frames))


@pytest.mark.parametrize("name", CODINGS)
def test_zeros_where_data_was_are_found(tmp_path, name):
    codec, suffix, options, pixels = CODINGS[name]
    path = coded(tmp_path / f"a{suffix}", codec, options, pixels)
    assert len(read_all(path)) == COUNT
    frame = hit(path, bytes)
    with pytest.raises(ClipError, match=rf"a\{suffix}: .*frame {frame}\b"):
        read_all(path)


@pytest.mark.parametrize("name", sorted(set(CODINGS) - {"vp9", "hevc"}))
def test_flipped_bits_are_found(tmp_path, name):
    """VP9 and HEVC code without checks: some bits decode to another picture, and none can tell."""
    codec, suffix, options, pixels = CODINGS[name]
    path = coded(tmp_path / f"a{suffix}", codec, options, pixels)
    frame = hit(path, lambda n: np.random.default_rng(1).integers(1, 256, n, np.uint8).tobytes())
    with pytest.raises(ClipError, match=rf"a\{suffix}: frame {frame} of {COUNT} does not decode"):
        read_all(path)
    # What comes before the damage can still be read, and what comes after cannot be had silently.
    with VideoStore(probe_video(path)).open() as reader:
        assert len(reader.read(range(HIT - 5))) == HIT - 5
    predicted = name not in ("mjpeg", "prores", "png", "ffv1")
    if predicted:
        with VideoStore(probe_video(path)).open() as reader, pytest.raises(ClipError):
            reader.read([COUNT - 1])


@pytest.mark.parametrize("bframes", ["0", "2"])
@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_a_lost_picture_that_others_need_is_found(tmp_path, suffix, bframes):
    source = coded(tmp_path / f"a{suffix}", "libx264", {"bf": bframes}, "yuv420p")
    times = [p[2] for p in packets(source)]
    # Others refer to a picture that is decoded before those shown before it.
    gone = next(n for n in range(HIT, COUNT) if bframes == "0" or times[n] > times[n + 1])
    path = tmp_path / f"lost{suffix}"
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = container.streams.video[0]
        target = out.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in container.demux(stream) if p.size):
            packet.stream = target
            if number != gone:
                out.mux(packet)
    first = sorted(times[:gone] + times[gone + 1 :]).index(times[gone + 1])
    with pytest.raises(ClipError, match=rf"a picture that frame {first} needs is missing"):
        simlift.open_clip(path)


def test_lost_pictures_that_none_needs_are_stated(tmp_path):
    source = coded(tmp_path / "a.mkv", "mpeg4", {"b": "2M"}, "yuv420p")
    path = tmp_path / "lost.mkv"
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = container.streams.video[0]
        target = out.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in container.demux(stream) if p.size):
            packet.stream = target
            if number != HIT:
                out.mux(packet)
    clip = simlift.open_clip(path)
    assert any(f"1 frame seems to be missing after frame {HIT - 1}" in n for n in clip.notes)
    assert len(read_all(path)) == COUNT - 1


@pytest.mark.parametrize("where", [0.02, 0.5])
def test_lost_packets_of_a_transport_stream_are_stated(tmp_path, where):
    """HEVC decodes what is left of a picture without an error; the packets are counted."""
    source = coded(tmp_path / "a.ts", "libx265", CODINGS["hevc"][2], "yuv420p")
    assert not any("transport" in note for note in simlift.open_clip(source).notes)
    data = source.read_bytes()
    pids = [int.from_bytes(data[k + 1 : k + 3], "big") for k in range(0, len(data), 188)]
    inner = [k for k, pid in enumerate(pids) if pid == 0x100]  # packets that begin no picture
    gone = next(k for k in inner if k > where * len(pids) and k + 1 in inner)
    path = tmp_path / "lost.ts"
    path.write_bytes(data[: gone * 188] + data[(gone + 1) * 188 :])
    assert any("lost in transport" in note for note in simlift.open_clip(path).notes)


def test_a_tail_that_was_never_written_is_found_on_opening(tmp_path):
    path = coded(tmp_path / "a.mp4", "libx264", {"bf": "0"}, "yuv420p")
    first = min(p[0] for p in packets(path)[HIT:])
    data = path.read_bytes()
    path.write_bytes(data[:first] + bytes(len(data) - first))
    # The index of this file stands at its end: put it in front, as downloads have it.
    source = coded(tmp_path / "b.mp4", "libx264", {"bf": "0"}, "yuv420p")
    fast = tmp_path / "fast.mp4"
    with (
        av.open(str(source)) as container,
        av.open(str(fast), "w", container_options={"movflags": "faststart"}) as out,
    ):
        target = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = target
                out.mux(packet)
    first = packets(fast)[HIT][0]
    data = fast.read_bytes()
    fast.write_bytes(data[:first] + bytes(len(data) - first))
    with pytest.raises(ClipError, match=rf"fast\.mp4: zeros stand .* frame {HIT} and of 11 more"):
        simlift.open_clip(fast)
    with pytest.raises(ClipError, match=r"a\.mp4"):
        simlift.open_clip(path)


def test_a_damaged_message_is_no_damaged_picture(tmp_path):
    """Players ignore what cameras write beside the pictures (SEI), and so does the reader."""
    path = coded(tmp_path / "a.mp4", "libx264", {"bf": "2"}, "yuv420p")
    expected = read_all(path)
    pos, _, _ = packets(path)[0]
    data = bytearray(path.read_bytes())
    assert data[pos + 4] & 31 == 6
    data[pos + 5 : pos + 9] = b"\1\xff\xff\xff"  # a picture timing that is longer than its unit
    path.write_bytes(data)
    np.testing.assert_array_equal(read_all(path), expected)
    frame = hit(path, lambda n: bytes(range(1, 256)) * (n // 255) + bytes(range(1, n % 255 + 1)))
    with pytest.raises(ClipError, match=rf"frame {frame} of {COUNT}"):
        read_all(path)


def test_groups_that_need_the_group_before_are_no_damage(tmp_path):
    """After a seek into an open group the frames in front of the key frame lack references."""
    path = builders.video(
        tmp_path / "a.mp4",
        MOVING,
        options={"bf": "3", "b_strategy": "0", "x264-params": "open-gop=1:keyint=6:min-keyint=6"},
        gop=6,
    )
    info = probe_video(path)
    assert info.open_groups
    with VideoStore(info).open() as reader:
        whole = reader.read(range(COUNT))
        for index in (20, 13, 7, 19, 2, 23):
            np.testing.assert_array_equal(reader.read([index])[0], whole[index])


def test_holes():
    picture = b"\0\0\0\1\x65" + bytes(range(1, 200))
    assert not unwritten(picture, "h264")
    assert not unwritten(picture + bytes(40), "h264")  # padding at the end
    assert not unwritten(picture + bytes(40) + b"\1\x65abc", "h264")  # and before a start code
    assert unwritten(picture + bytes(40) + b"abc", "h264")
    assert unwritten(bytes(100), "mpeg4")
    assert not unwritten(b"\1" + bytes(100), "mpeg2video")  # stuffing
    assert unwritten(b"\1" + bytes(100) + b"\1", "vp9")


@pytest.mark.parametrize("length", [0, 4])
def test_messages_are_left_out(length):
    units = [b"\x67size", b"\x06message", b"\x65picture"]
    joined = [(len(u).to_bytes(4, "big") if length else b"\0\0\1") + u for u in units]
    extradata = bytes([1, 0, 0, 0, 3]) if length else b""
    assert without_messages(b"".join(joined), "h264", extradata) == joined[0] + joined[2]
    # What is left would hide damage: no picture, or a length that reaches beyond the end.
    assert without_messages(joined[1], "h264", extradata) == joined[1]
    cut = b"".join(joined)[:-1]
    if length:
        assert without_messages(cut, "h264", extradata) == cut


CUTS = {
    ".gif": ("gif", "rgb8"),
    ".apng": ("apng", "rgb24"),
    ".mxf": ("mpeg2video", "yuv420p"),
    ".asf": ("mpeg4", "yuv420p"),
    ".mjpeg": ("mjpeg", "yuvj420p"),
    ".ts": ("mpeg2video", "yuv420p"),
}


@pytest.mark.parametrize("suffix", CUTS)
def test_the_end_of_a_file_that_was_not_written_is_missed(tmp_path, suffix):
    codec, pixels = CUTS[suffix]
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, pixels
        for frame in MOVING:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        out.mux(stream.encode(None))
    assert len(read_all(path)) == COUNT
    data = path.read_bytes()
    kept = len(data) * 6 // 10
    path.write_bytes(data[:kept] + bytes(len(data) - kept))
    said = r"(it ends in \d+ zeros|is cut short|is damaged at byte)"
    with pytest.raises(ClipError, match=rf"a\{suffix}: {said}"):
        simlift.open_clip(path)
    path.write_bytes(data[:kept])
    if suffix in (".gif", ".apng", ".mxf"):
        with pytest.raises(ClipError, match=rf"a\{suffix}: is cut short"):
            simlift.open_clip(path)
