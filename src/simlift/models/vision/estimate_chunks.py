"""Store estimates of a few frames as numbered chunk files, written atomically.

What was estimated outlives a killed process, part by part, and can be mapped to metres anew without
running the model again.
"""

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from simlift.core.errors import RunError
from simlift.core.layers import Array

FRAMES = 8  # of a part
_CODES = 65535


@dataclass(frozen=True)
class EstimateChunks:
    """The parts of one layer of a clip, in a folder named after what decides them."""

    folder: Path
    num_frames: int

    def starts(self) -> range:
        """Return the first frame of every part."""
        return range(0, self.num_frames, FRAMES)

    def missing(self) -> tuple[int, ...]:
        """Return the first frames of the parts that are still to be made."""
        return tuple(start for start in self.starts() if not self._file(start).is_file())

    def drop_others(self) -> None:
        """Remove the parts of this layer that another model or source made."""
        layer = self.folder.name.partition("-")[0]
        for other in self.folder.parent.glob(f"{layer}-*"):
            if other != self.folder:
                shutil.rmtree(other)

    def write(self, start: int, arrays: dict[str, Array]) -> None:
        """Write the part that begins at a frame; RunError when the disk does not take it."""
        path = self._file(start)
        partial = path.with_name(f".{path.stem}.{os.getpid()}.partial.npz")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(partial, allow_pickle=False, **arrays)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RunError(
                path,
                f"cannot be written ({error.strerror})",
                way_out="free space on the disk, then run again: it resumes",
            ) from error

    def read(self, start: int) -> dict[str, Array]:
        """Read the part that begins at a frame; RunError when the file is damaged."""
        path = self._file(start)
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise RunError(
                path, f"cannot be read ({error})", way_out="remove this file, then run again"
            ) from error

    def depth(self, start: int) -> Float[np.ndarray, "t h w"]:
        """Read the inverse depth of a part."""
        return decode(**self.read(start))

    def ids(self, start: int) -> Int[np.ndarray, "t h w"]:
        """Read the segmentation of a part."""
        return self.read(start)["ids"].astype(np.int32)

    def sampled(self, most: int) -> Iterator[int]:
        """Yield the first frames of at most so many parts, evenly over the clip."""
        starts = self.starts()
        for i in np.unique(np.linspace(0, len(starts) - 1, most).round().astype(int)):
            yield starts[int(i)]

    def _file(self, start: int) -> Path:
        return self.folder / f"{start:06d}.npz"


def encode(depth: Float[np.ndarray, "t h w"]) -> dict[str, Array]:
    """Store each frame as 16-bit codes between its own lowest and highest value."""
    low = depth.min((1, 2)).astype(np.float32)
    high = depth.max((1, 2)).astype(np.float32)
    step = np.maximum(high - low, np.float32(1e-12))[:, None, None]
    codes = np.rint((depth - low[:, None, None]) / step * _CODES).astype(np.uint16)
    return {"codes": codes, "low": low, "high": high}


def decode(codes: Array, low: Array, high: Array) -> Float[np.ndarray, "t h w"]:
    """Return what `encode` stored, within half a code."""
    step = np.maximum(high - low, np.float32(1e-12))[:, None, None] / np.float32(_CODES)
    return codes.astype(np.float32) * step + low[:, None, None]
