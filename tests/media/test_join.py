"""Videos are joined by their packets: the same codes, at whole frames, for as long as they last."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from simlift.core.errors import RunError
from simlift.core.recipe import Encoding
from simlift.media.video.join import join_videos
from simlift.media.video.writer import write_video

FPS = Fraction(15)
ENCODINGS = {
    "h264": Encoding(codec="libx264", crf=14, preset="veryfast", keyframe_interval=2),
    "sparse": Encoding(codec="libx264", crf=14, preset="veryfast", keyframe_interval=8),
    "av1": Encoding(codec="libsvtav1", crf=30, preset="12", keyframe_interval=2),
}


def video(path: Path, codec: str, count: int, seed: int) -> Path:
    x = np.linspace(30, 200, 64)[None, None, :, None]
    level = (x + 5 * np.arange(count)[:, None, None, None] + 40 * seed) % 256
    frames = np.broadcast_to(level, (count, 64, 64, 3)).astype(np.uint8)
    with write_video(path, height=64, width=64, fps=FPS, encoding=ENCODINGS[codec]) as writer:
        writer.append(np.ascontiguousarray(frames))
    return path


def decoded(path: Path) -> tuple[np.ndarray, list[Fraction]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return (
        np.stack([f.to_ndarray(format="rgb24") for f in frames]),
        [f.pts * f.time_base for f in frames],
    )


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_frames_are_the_same_at_whole_frames(tmp_path: Path, codec, monkeypatch):
    monkeypatch.setenv("SVT_LOG", "1")
    one, two = (video(tmp_path / f"{k}.mp4", codec, n, k) for k, n in enumerate((9, 8)))
    with join_videos(tmp_path / "out.mp4", FPS) as joiner:
        assert joiner.append(one, 9) == 0
        assert joiner.append(two, 4, 4) == 9
        assert joiner.append(one, 1) == 13
    frames, times = decoded(tmp_path / "out.mp4")
    first, second = decoded(one)[0], decoded(two)[0]
    assert np.array_equal(frames, np.concatenate([first, second[4:], first[:1]]))
    assert times == [k / FPS for k in range(14)]
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.average_rate) == (14, FPS)
        assert stream.duration * stream.time_base == 14 / FPS


def test_a_section_that_begins_between_key_frames_is_refused(tmp_path: Path):
    one = video(tmp_path / "one.mp4", "sparse", 8, 0)
    with (
        pytest.raises(RunError, match="frame 3 cannot be decoded without frames before it"),
        join_videos(tmp_path / "out.mp4", FPS) as joiner,
    ):
        joiner.append(one, 2, 3)
    with (
        pytest.raises(RunError, match="holds 8 pictures from frame 0 on, 9 were expected"),
        join_videos(tmp_path / "out.mp4", FPS) as joiner,
    ):
        joiner.append(one, 9)
    assert not (tmp_path / "out.mp4").exists()
