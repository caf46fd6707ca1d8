"""Read frames that are stored as encoded images in a column of a parquet file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simlift.core.layers import FrameReader


@dataclass(frozen=True)
class ParquetImages:
    """The images of one episode in a column of {bytes, path}, as Hugging Face's Image stores them.

    `samples` reads numbers as they are stored (`media.images.read_image`).
    """

    path: Path
    column: str
    episode: int
    num_frames: int
    height: int
    width: int
    samples: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        """Find the rows of the episode; images are decoded as they are read."""
        from simlift.media._parquet_images import ImageColumn

        yield ImageColumn(self)
