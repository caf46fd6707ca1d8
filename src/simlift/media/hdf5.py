"""Read frames that lie one after the other in a dataset of an HDF5 file; opened when read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simlift.core.layers import FrameReader


@dataclass(frozen=True)
class Hdf5Store:
    """Frames `first` to `first + num_frames` of the dataset `name` [t h w ...] in a file.

    `bottom_up` turns rows that were stored from below, as OpenGL's buffers are, the right way up.
    """

    path: Path
    name: str
    num_frames: int
    height: int
    width: int
    first: int = 0
    bottom_up: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        """Open the file; chunks are decompressed as they are read."""
        from simlift.media import _hdf5

        frames, size = range(self.first, self.first + self.num_frames), (self.height, self.width)
        with _hdf5.open_frames(self.path, self.name, frames, size, self.bottom_up) as reader:
            yield reader
