"""Read one named array of .npz files, or one array that holds every frame, as a layer."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.frame_files import FrameFiles


def read_npz(path: Path, name: str = "") -> Array:
    """Read an array of an .npz archive; without a name, the only one."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if name in names or (not name and len(names) == 1):
                return np.asarray(archive[name or names[0]])
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="check the path") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ClipError(
            path,
            f"is not a plain .npz archive ({error})",
            allowed="arrays, without pickles",
            way_out="save it again with numpy.savez",
        ) from error
    raise ClipError(
        path,
        f"has no array {name!r}" if name else f"holds {len(names)} arrays",
        allowed=f"one of {', '.join(names)}",
        way_out="name it as channel in clip.json",
    )


@dataclass(frozen=True)
class NpzStore(FrameFiles):
    """Frames of one named array, each in an .npz file of its own."""

    name: str

    def read_frame(self, path: Path) -> Array:
        return read_npz(path, self.name)


@dataclass(frozen=True)
class ArrayStore:
    """Frames that lie one after the other in one array: a .npy, or an array of an .npz archive.

    A .npy is mapped, so that only the frames that are read are in memory; an archive is read whole.
    """

    path: Path
    name: str
    num_frames: int
    height: int
    width: int

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @contextmanager
    def open(self) -> Iterator["ArrayReader"]:
        """Open the array."""
        yield ArrayReader(read_stack(self.path, self.name))


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """An opened array [t h w ...]."""

    frames: Array

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at `indices`."""
        return np.array(self.frames[np.asarray(indices, dtype=np.int64)])


def read_stack(path: Path, name: str = "") -> Array:
    """Return an array [t h w ...]: a mapped .npy, or an array of an .npz archive."""
    return read_npz(path, name) if path.suffix.lower() == ".npz" else read_npy(path, mapped=True)


def read_npy(path: Path, *, mapped: bool = False) -> Array:
    """Read a .npy file, into memory or mapped; ClipError where it is no plain array."""
    try:
        return np.asanyarray(np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise ClipError(
            path,
            f"is not a plain .npy array ({error})",
            allowed="numbers, without pickles",
            way_out="save it again with numpy.save",
        ) from error


def probe_stack(path: Path, name: str) -> tuple[ArrayStore, Array]:
    """Probe one array that holds every frame: return its store and the first frame."""
    frames = read_stack(path, name)
    if frames.ndim not in (3, 4) or not len(frames):
        raise ClipError(
            path,
            f"holds {frames.dtype} {list(frames.shape)}",
            allowed="[t h w] or [t h w c], with one frame at least",
        )
    count, height, width = frames.shape[:3]
    return ArrayStore(path, name, count, height, width), np.array(frames[0])


def probe_npz(paths: Sequence[Path], name: str) -> tuple[NpzStore, Array]:
    """Probe .npz files of one frame each: return the store of an array, and its first frame."""
    first = read_npz(paths[0], name)
    if first.ndim not in (2, 3):
        raise ClipError(paths[0], f"is an array of shape {first.shape}", allowed="[h w] or [h w c]")
    return NpzStore(tuple(paths), first.shape[0], first.shape[1], name), first
