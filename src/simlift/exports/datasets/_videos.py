"""Gather the videos of an export: joined without coding anew where that can be, else encoded.

A take is joined as it is. A camera that was not lifted in any episode is joined as it was recorded,
where it is video; one that stands beside takes is encoded as they are, so that a camera has one
codec. What was encoded is kept until the export is whole, so that a killed one goes on.
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from simlift.core.clip import Clip
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.recipe import Encoding
from simlift.exports.datasets._statistics import Statistics, histogram, of_histograms, sampled
from simlift.exports.datasets.episodes import ExportEpisode, View
from simlift.media.decodings import Colour
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.join import Description, VideoJoiner, describe, join_videos
from simlift.media.video.section import VideoSection
from simlift.media.video.writer import write_video

Codec = Literal["keep", "h264", "av1"]
# What LeRobot itself encodes by: every second frame can be decoded alone (v3.0, video_utils).
ENCODINGS = {
    "h264": Encoding(codec="libx264", crf=14, preset="veryfast", keyframe_interval=2),
    "av1": Encoding(codec="libsvtav1", crf=30, preset="8", keyframe_interval=2, threads=0),
}
_AT_ONCE = 16  # frames
CHUNK = 1000  # files of a folder


@dataclass(frozen=True)
class Piece:
    """The frames of one camera of one episode: a section of a file."""

    file: Path
    first: int
    num_frames: int


def piece_of(view: View, episode: ExportEpisode, work: Path, codec: Codec, *, mixed: bool) -> Piece:
    """Return where a view lies as video, encoding it first where it does not lie anywhere so.

    `mixed` where other episodes of this camera are takes.
    """
    count = episode.source.num_frames
    if codec == "keep":
        if view.video is not None:
            return Piece(view.video, 0, count)
        store = view.clip.stored(Layer.RGB).store
        if isinstance(store, VideoSection) and not mixed:
            return Piece(store.path, store.first, count)
    target = work / "encoded" / codec / f"{view.state()}.mp4"
    if not target.exists():
        _encode(view, target, ENCODINGS["h264" if codec == "keep" else codec])
    return Piece(target, 0, count)


def place_video(piece: Piece, target: Path, fps: Fraction) -> None:
    """Bring a piece to a file of its own, without coding it anew."""
    with join_videos(target, fps) as joiner:
        joiner.append(piece.file, piece.num_frames, piece.first)


def shown(view: View) -> Clip:
    """Return the clip that a view shows: as it was recorded, or with the take as its colour."""
    if view.video is None:
        return view.clip
    store = VideoStore(probe_video(view.video))
    return replace(view.clip, layers=(StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB),))


def _encode(view: View, target: Path, encoding: Encoding) -> None:
    # The AV1 encoder prints its settings for every video; 1 leaves its errors.
    os.environ.setdefault("SVT_LOG", "1")
    clip = shown(view)
    with (
        clip.open([Layer.RGB]) as reader,
        write_video(
            target, height=clip.height, width=clip.width, fps=clip.fps, encoding=encoding
        ) as writer,
    ):
        for start in range(0, clip.num_frames, _AT_ONCE):
            stop = min(start + _AT_ONCE, clip.num_frames)
            writer.append(reader.window(range(start, stop)).rgb)


def picture_statistics(view: View) -> Statistics:
    """Return the statistics of a view's pictures, from evenly spaced frames."""
    clip = shown(view)
    frames = sampled(clip.num_frames)
    with clip.open([Layer.RGB]) as reader:
        counts = sum(histogram(reader.window([k]).rgb) for k in frames)
    return of_histograms(np.asarray(counts), len(frames))


class CameraFiles:
    """The video files of one camera: pieces are joined, until a file is as large as allowed."""

    def __init__(self, folder: Path, fps: Fraction, most_bytes: int, there: int = 0) -> None:
        self._folder, self._fps, self._most = folder, fps, most_bytes
        self._stack = ExitStack()
        self._joiner: VideoJoiner | None = None
        self._description: Description | None = None
        self.number = there - 1  # of the file that grows; as many are there before

    def append(self, piece: Piece) -> tuple[int, int]:
        """Join a piece; return the number of its file and of its first frame there."""
        found = describe(piece.file)
        full = self._joiner is not None and self._joiner.num_bytes >= self._most
        if self._joiner is None or full or found != self._description:
            self.close()
            self.number += 1
            file = self._folder / path_in_chunks(self.number, ".mp4")
            self._joiner = self._stack.enter_context(join_videos(file, self._fps))
            self._description = found
        first = self._joiner.append(piece.file, piece.num_frames, piece.first)
        return self.number, first

    def close(self) -> None:
        """Finish the file that grows."""
        self._stack.close()
        self._joiner = None

    def abandon(self, error: BaseException) -> None:
        """Leave the file that grows unfinished."""
        self._stack.__exit__(type(error), error, error.__traceback__)


def path_in_chunks(number: int, suffix: str) -> str:
    """Return the name of a numbered file: a thousand lie in one folder."""
    return f"chunk-{number // CHUNK:03d}/file-{number % CHUNK:03d}{suffix}"
