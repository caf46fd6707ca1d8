"""Open HDF5 files without following them elsewhere, and read frames by runs of their chunks."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from simlift.core.errors import ClipError, SimliftError
from simlift.core.layers import Array

_AGAIN = "copy or download the file again"


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; ClipError where it is missing, cut short or damaged."""
    if not path.is_file():
        found = "is not a file" if path.exists() else "does not exist"
        raise ClipError(path, found, way_out="check the path")
    with whole(path):
        file = h5py.File(path, "r")
    with file:
        yield file


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turn what the library cannot read of a file into a ClipError that names it."""
    try:
        yield
    except SimliftError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ClipError:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ClipError(
        path, f"cannot be read as HDF5 ({words})", allowed="a whole HDF5 file", way_out=_AGAIN
    )


def find(path: Path, parent: h5py.Group, name: str, links: int = 16) -> Any:
    """Return the group or dataset at a name such as "obs/front"; None where there is none.

    Links are looked at before they are followed; ClipError for one that leads out of the folder,
    and for more than `links` in a row.
    """
    if links == 0:
        raise ClipError(path, f"{name} does not end: links lead in a circle", way_out=_AGAIN)
    here = parent
    for part in filter(None, name.split("/")):
        if not isinstance(here, h5py.Group):
            return None
        link = here.get(part, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            _check_inside(path, f"{here.name}/{part}", link.filename)
        elif isinstance(link, h5py.SoftLink):
            start = here.file["/"] if link.path.startswith("/") else here
            here = find(path, start, link.path, links - 1)
            if here is None:
                return None
            continue
        try:
            here = here[part]
        except KeyError as error:
            raise ClipError(
                path, f"{here.name}/{part} leads nowhere ({error.args[0]})", way_out=_AGAIN
            ) from error
    if isinstance(here, h5py.Dataset):
        _check_storage(path, here)
    return here


def _check_inside(path: Path, name: str, other: str) -> None:
    folder = path.resolve().parent
    if not (folder / os.fsdecode(other)).resolve().is_relative_to(folder):
        raise ClipError(
            path,
            f"{name} is a link to {other!r}",
            allowed="data in the folder of the file",
            way_out="copy what it leads to into the file (h5repack, or h5py's copy)",
        )


def _check_storage(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse numbers that lie in other files outside the folder."""
    named = [entry[0] for entry in dataset.external or ()]
    if dataset.is_virtual:
        named += [source.file_name for source in dataset.virtual_sources()]
    for other in named:
        if os.fsdecode(other) != ".":
            _check_inside(path, str(dataset.name), os.fsdecode(other))


def names_in(path: Path, group: h5py.Group) -> list[str]:
    """Return the names in a group; ClipError for one that is no text, as damage leaves it."""
    names = list(group)
    for name in names:
        if not isinstance(name, str):
            raise ClipError(path, f"{group.name} holds the name {name!r}", way_out=_AGAIN)
    return names


def need(path: Path, parent: h5py.Group, name: str, kind: type) -> Any:
    """Return what `find` does; ClipError where there is none, or something else."""
    found = find(path, parent, name)
    if not isinstance(found, kind):
        words = "a group" if kind is h5py.Group else "a dataset"
        there = ", ".join(sorted(names_in(path, parent))[:12]) or "nothing"
        raise ClipError(
            path,
            f"{parent.name} has no {name}" if found is None else f"{name} is not {words}",
            allowed=f"{words} of that name; there is {there}",
        )
    return found


def datasets_in(path: Path, group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Return every dataset below a group by its name from there, sorted."""
    out: dict[str, h5py.Dataset] = {}
    for name in sorted(names_in(path, group)):
        inner = find(path, group, name)
        if isinstance(inner, h5py.Dataset):
            out[name] = inner
        elif isinstance(inner, h5py.Group):
            out |= {f"{name}/{k}": v for k, v in datasets_in(path, inner).items()}
    return out


class Hdf5Reader:
    """Reads the frames of one opened dataset [t h w ...]."""

    def __init__(self, dataset: h5py.Dataset, first: int, count: int, bottom_up: bool) -> None:
        self._dataset, self._first, self._bottom_up = dataset, first, bottom_up
        self._path = Path(dataset.file.filename)
        # Frames that share a chunk are decompressed together, and so are read together.
        self._run = dataset.chunks[0] if dataset.chunks else 1
        self._end = first + count
        self._begin, self._last = 0, np.empty(0)

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at increasing `indices`."""
        wanted = np.asarray(indices, dtype=np.int64) + self._first
        # A run ends where a whole chunk or more lies between two frames that are wanted.
        gaps = np.flatnonzero(np.diff(wanted // self._run) > 1) + 1
        with whole(self._path):
            parts = [self._of(run) for run in np.split(wanted, gaps)]
        frames = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return np.ascontiguousarray(frames[:, ::-1]) if self._bottom_up else frames

    def _of(self, wanted: Array) -> Array:
        start, stop = int(wanted[0]), int(wanted[-1]) + 1
        return self._between(start, stop)[wanted - start]

    def _between(self, start: int, stop: int) -> Array:
        """Return frames; the last chunk is kept, for windows that begin in the middle of one."""
        head = self._last[start - self._begin : stop - self._begin] if self._holds(start) else None
        if head is not None and len(head) == stop - start:
            return head
        begin = start + (0 if head is None else len(head))
        low = begin // self._run * self._run
        high = min(-(-stop // self._run) * self._run, self._end)
        frames = np.asarray(self._dataset[low:high])
        self._begin = max((high - 1) // self._run * self._run, low)
        self._last = frames[self._begin - low :].copy()
        tail = frames[begin - low : stop - low]
        return tail if head is None else np.concatenate([head, tail])

    def _holds(self, frame: int) -> bool:
        return self._begin <= frame < self._begin + len(self._last)


@contextmanager
def open_frames(
    path: Path, name: str, frames: range, size: tuple[int, int], bottom_up: bool
) -> Iterator[Hdf5Reader]:
    """Open some frames of a dataset; ClipError where it is not there, shorter, of another size."""
    with open_file(path) as file:
        dataset = need(path, file, name, h5py.Dataset)
        if dataset.shape[1:3] != size or len(dataset) < frames.stop:
            raise ClipError(
                path,
                f"{name} holds {list(dataset.shape)}",
                allowed=f"{frames.stop} frames at least, of {size[1]}x{size[0]}",
                way_out=_AGAIN,
            )
        yield Hdf5Reader(dataset, frames.start, len(frames), bottom_up)
