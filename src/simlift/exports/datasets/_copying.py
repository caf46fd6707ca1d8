"""Copy HDF5 groups and datasets as they are stored: attributes in their types, chunks undecoded."""

from collections.abc import Collection
from pathlib import Path

import h5py
import numpy as np

from simlift.media._hdf5 import find


def copy_attributes(source: h5py.HLObject, target: h5py.HLObject) -> None:
    """Copy all attributes, each in its own type and shape."""
    for name in source.attrs:
        found = h5py.h5a.open(source.id, name.encode())
        space = found.get_space()
        made = h5py.h5a.create(target.id, name.encode(), found.get_type().copy(), space)
        if space.get_simple_extent_type() != h5py.h5s.NULL:
            values = np.empty(found.shape, dtype=found.dtype)
            found.read(values)
            made.write(values)


def copy_tree(
    path: Path, source: h5py.Group, target: h5py.Group, left_out: Collection[str] = ()
) -> None:
    """Copy a group of the file `path` into an empty one, less some datasets named from there.

    Links become what they lead to: an absolute one would lead to another episode in another file.
    """
    copy_attributes(source, target)
    for name in source:
        found = find(path, source, name)
        inner = [n.removeprefix(f"{name}/") for n in left_out if n.startswith(f"{name}/")]
        if isinstance(found, h5py.Group):
            copy_tree(path, found, target.create_group(name), inner)
        elif name in left_out:
            continue
        elif isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
            made = target.create_dataset(name, data=found[()], dtype=found.dtype)
            copy_attributes(found, made)
        else:
            target.copy(found, target, name)


def create_like(source: h5py.Dataset, target: h5py.Group, name: str) -> h5py.Dataset:
    """Make an empty dataset of the same type, shape, chunks, filters and attributes."""
    if source.is_virtual or source.external:
        made = target.create_dataset(name, shape=source.shape, dtype=source.dtype)
    else:
        kind, space = source.id.get_type().copy(), source.id.get_space()
        stored = source.id.get_create_plist()
        made = h5py.Dataset(h5py.h5d.create(target.id, name.encode(), kind, space, stored))
    copy_attributes(source, made)
    return made
