"""Sound of a take keeps its distance to the frames: a click stays with a white frame."""

from fractions import Fraction

import av
import numpy as np
import pytest

import simlift
from simlift.core.layers import Layer
from simlift.media.video import pixel_aspect
from simlift.media.video.writer import write_video

RATE, COUNT, FLASH = 24, 36, 18
TOLERANCE = 0.020  # seconds


def clapper(path, codec, audio, *, bframes=0, container=None, late=0.0, rate=48_000, ticks=None):
    """Write a video whose frame FLASH is white while a click sounds; `late` shifts both clocks."""
    with av.open(str(path), "w", container_options=container or {}) as out:
        options = {"bf": str(bframes), "b_strategy": "0"} if bframes else {}
        video = out.add_stream(codec, rate=RATE, options=options)
        video.height, video.width, video.pix_fmt = 64, 96, "yuv420p"
        video.codec_context.gop_size = 12
        base = Fraction(1, 1000) if ticks else Fraction(1, RATE)
        video.codec_context.time_base = base
        sound = out.add_stream(audio, rate=rate, layout="mono")
        wave = np.zeros((1, rate * COUNT // RATE), np.int16)
        at = round((ticks[FLASH] / 1000 if ticks else FLASH / RATE) * rate)
        wave[0, at : at + 240] = 30_000 * np.sign(np.sin(np.arange(240) / 2))
        frame = av.AudioFrame.from_ndarray(wave, "s16", "mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        for part in av.AudioResampler(sound.format, "mono", rate).resample(frame):
            fifo.write(part)
        packets = []
        size, done = sound.codec_context.frame_size or 1024, 0
        while fifo.samples:
            frame = fifo.read(min(size, fifo.samples))
            frame.pts, frame.time_base = round(late * rate) + done, Fraction(1, rate)
            done += frame.samples
            packets += sound.encode(frame)
        packets += sound.encode(None)
        for i in range(COUNT):
            level = 250 if i == FLASH else 20
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), level, np.uint8), "rgb24")
            frame.pts = (ticks[i] if ticks else i) + round(late / base)
            frame.time_base = base
            packets += video.encode(frame)
        packets += video.encode(None)
        packets.sort(key=lambda p: p.dts * p.time_base)
        for packet in packets:
            out.mux(packet)
    return path


def distance(path):
    """Seconds from the white frame to the click, as the file's clock says."""
    with av.open(f"file:{path}") as container:
        frames = [(f.to_ndarray(format="gray").mean(), f.time) for f in container.decode(video=0)]
    with av.open(f"file:{path}") as container:
        samples, times = [], []
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            samples.append(wave)
            times.append(frame.time + np.arange(len(wave)) / frame.sample_rate)
    wave = np.concatenate(samples)
    click = np.concatenate(times)[np.flatnonzero(wave > wave.max() / 2)[0]]
    return click - max(frames)[1]


def take_of(source, path):
    """Write the frames of a clip again, as a lift that changes nothing."""
    clip = simlift.open_clip(source)
    with (
        clip.open([Layer.RGB]) as reader,
        write_video(
            path,
            height=clip.height,
            width=clip.width,
            fps=clip.fps,
            timestamps=clip.timestamps,
            audio_from=clip.audio,
            pixel_aspect=pixel_aspect(clip.stored(Layer.RGB).store),
        ) as writer,
    ):
        writer.append(reader.window(range(clip.num_frames)).rgb)
    return path


SOURCES = {
    "mp4-aac": (".mp4", "libx264", "aac", {"bframes": 2}),
    "mp4-no-edit-list": (
        ".mp4",
        "libx264",
        "aac",
        {"bframes": 3, "container": {"use_editlist": "0"}},
    ),
    "mp4-fragmented": (
        ".mp4",
        "libx264",
        "aac",
        {"bframes": 2, "container": {"movflags": "frag_keyframe+empty_moov"}},
    ),
    "mkv-aac": (".mkv", "libx264", "aac", {"bframes": 2}),
    "mkv-opus": (".mkv", "libx264", "libopus", {"bframes": 2}),
    "mkv-flac": (".mkv", "libx264", "flac", {}),
    "mkv-late": (".mkv", "libx264", "aac", {"bframes": 2, "late": 5.0}),
    "ts-aac": (".ts", "libx264", "aac", {"bframes": 2}),
    "ts-mp3": (".ts", "mpeg2video", "libmp3lame", {"bframes": 2}),
    "mpg-mp2": (".mpg", "mpeg2video", "mp2", {"bframes": 2}),
    "mov-pcm": (".mov", "libx264", "pcm_s16le", {"bframes": 2}),
    "mov-aac": (".mov", "mpeg4", "aac", {}),
    "webm-opus": (".webm", "libvpx-vp9", "libopus", {}),
    "webm-vorbis": (".webm", "libvpx-vp9", "libvorbis", {}),
    "avi-mp3": (".avi", "mpeg4", "libmp3lame", {}),
    "avi-pcm": (".avi", "mpeg4", "pcm_s16le", {}),
    "flv-aac": (".flv", "flv", "aac", {"rate": 44_100}),
    "mkv-uneven": (
        ".mkv",
        "libx264",
        "aac",
        {"bframes": 2, "ticks": [41 * i + (i * i) // 9 for i in range(COUNT)]},
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_click_stays_with_its_frame(tmp_path, name):
    suffix, codec, audio, more = SOURCES[name]
    for needed in (codec, audio):
        try:
            av.Codec(needed, "w")
        except av.codec.codec.UnknownCodecError:
            pytest.skip(f"this FFmpeg cannot write {needed}")
    source = clapper(tmp_path / f"source{suffix}", codec, audio, **more)
    assert distance(take_of(source, tmp_path / "take.mp4")) == pytest.approx(
        distance(source), abs=TOLERANCE
    )


@pytest.mark.parametrize("cut", [0.25, 0.3])
def test_a_click_stays_with_its_frame_when_an_edit_list_cuts_the_beginning(tmp_path, cut):
    """As ffmpeg -ss -c copy writes: both streams begin in front of the first frame shown."""
    source = clapper(tmp_path / "whole.mp4", "libx264", "aac", bframes=2)
    path = tmp_path / "cut.mp4"
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in container.streams}
        for packet in container.demux():
            if packet.size:
                shift = round(Fraction(cut) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    take = take_of(path, tmp_path / "take.mp4")
    assert simlift.open_clip(take).num_frames == COUNT - int(np.ceil(cut * RATE))
    assert distance(take) == pytest.approx(distance(path), abs=TOLERANCE)
