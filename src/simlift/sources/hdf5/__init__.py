"""Read demonstrations in HDF5 files in place: robosuite, robomimic, Isaac Lab, ManiSkill."""

from pathlib import Path

from simlift.core.dataset import Dataset
from simlift.core.read_options import ReadOptions
from simlift.sources.hdf5.dataset import Demonstrations, Picture, View

SUFFIXES = frozenset({".hdf5", ".h5", ".hdf"})


def recognises(path: Path) -> bool:
    """Whether the path is a file that calls itself HDF5."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read(path: Path, options: ReadOptions = ReadOptions()) -> Dataset:
    """Open a file of demonstrations; ClipError where it is damaged or holds none."""
    from simlift.sources.hdf5 import _formats

    return _formats.read(path, options)


def read_as_stored(path: Path) -> Demonstrations:
    """Open demonstrations of robosuite or robomimic with their pictures as they lie, not turned.

    For what finds out by itself which row is the first. ClipError for other files.
    """
    from simlift.sources.hdf5 import _formats

    return _formats.read_as_stored(path)


__all__ = ["SUFFIXES", "Demonstrations", "Picture", "View", "read", "read_as_stored", "recognises"]
