"""Read a section of a video file that many episodes share, by whole frames; opened when read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.video.index import probe_video
from simlift.media.video.info import VideoInfo
from simlift.media.video.store import VideoReader, VideoStore


@dataclass(frozen=True)
class VideoSection:
    """Frames `first` to `first + num_frames` of a video, as the tables of a dataset describe them.

    The file is indexed once by a process, when the first of its sections is opened; ClipError where
    it does not hold what the tables say of it: another size or rate, or fewer frames.
    """

    path: Path
    first: int
    num_frames: int
    height: int
    width: int
    fps: Fraction
    pixel_format: str = "rgb24"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def info(self) -> VideoInfo:
        """Index the file and compare it with what the tables say; ClipError where they differ."""
        info = probe_once(self.path)
        if (info.height, info.width) != (self.height, self.width):
            raise ClipError(
                self.path,
                f"is {info.width}x{info.height}, the dataset says {self.width}x{self.height}",
                allowed="the size that the dataset states",
                way_out="encode it again, or correct the dataset's tables",
            )
        if info.num_frames < self.first + self.num_frames:
            raise ClipError(
                self.path,
                f"holds {info.num_frames} frames, the tables ask for frames {self.first} to "
                f"{self.first + self.num_frames - 1}",
                allowed="a frame for every row",
                way_out="copy the dataset again, or leave the episode out with --episodes",
            )
        if info.timestamps is not None:
            raise ClipError(
                self.path,
                "its frame rate varies",
                allowed=f"a constant rate of {self.fps} frames a second, as the tables say",
                way_out="encode it again at a constant rate",
            )
        if abs(info.fps - self.fps) > Fraction(1, 100) * self.fps and info.num_frames > 1:
            raise ClipError(
                self.path,
                f"shows {float(info.fps):g} frames a second, the dataset says {float(self.fps):g}",
                allowed="the rate that the dataset states",
                way_out="correct fps in the tables, or encode the video again",
            )
        return info

    @contextmanager
    def open(self) -> Iterator["SectionReader"]:
        """Open the file; frames are decoded as they are read."""
        with VideoStore(self.info(), self.pixel_format).open() as reader:
            yield SectionReader(reader, self.first)


class SectionReader:
    """An opened section: its frame 0 is frame `first` of the file."""

    def __init__(self, reader: VideoReader, first: int) -> None:
        self._reader, self._first = reader, first

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at increasing `indices` of the section."""
        return self._reader.read([self._first + index for index in indices])


def probe_once(path: Path) -> VideoInfo:
    """Index a video file, once by a process for a file that stays as it is."""
    if not path.is_file():
        return probe_video(path)  # which says what is wrong with it
    state = path.stat()
    return _probed(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _probed(path: Path, size: int, changed: int) -> VideoInfo:
    del size, changed
    return probe_video(path)
