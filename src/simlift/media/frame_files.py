"""Define stores of frames that lie in one file each, or are made of the frames of another store."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array, FrameStore


@dataclass(frozen=True)
class FrameFiles(ABC):
    """Frames in one file each, all of one size; a subclass says how a file is read."""

    paths: tuple[Path, ...]
    height: int
    width: int

    @property
    def num_frames(self) -> int:
        return len(self.paths)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.paths

    @abstractmethod
    def read_frame(self, path: Path) -> Array:
        """Return the frame [h w] or [h w c] that a file holds."""

    @contextmanager
    def open(self) -> Iterator["FrameFiles"]:
        """Open the sequence; files are read as they are asked for."""
        yield self

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at `indices`; ClipError names a file of another size."""
        frames = []
        for index in indices:
            frame = self.read_frame(self.paths[index])
            if frame.shape[:2] != (self.height, self.width):
                raise ClipError(
                    self.paths[index],
                    f"holds {frame.dtype} {list(frame.shape)}, the first frame is "
                    f"{self.width}x{self.height}",
                    allowed="one size in the whole sequence",
                )
            frames.append(frame)
        return np.stack(frames)


@dataclass(frozen=True)
class DerivedFrames(ABC):
    """Frames that are made of the frames of another store, `images`, one of each."""

    images: FrameStore

    @property
    def num_frames(self) -> int:
        return self.images.num_frames

    @property
    def height(self) -> int:
        return self.images.height

    @property
    def width(self) -> int:
        return self.images.width

    @property
    def files(self) -> Sequence[Path]:
        return self.images.files

    @abstractmethod
    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at increasing `indices`."""

    @contextmanager
    def open(self) -> Iterator["DerivedFrames"]:
        """Open the sequence; files are read as they are asked for."""
        yield self
