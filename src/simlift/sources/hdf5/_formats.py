"""Tell the formats of HDF5 demonstrations apart by what their tree states."""

from pathlib import Path

import h5py

from simlift.core.errors import ClipError
from simlift.core.read_options import ReadOptions
from simlift.media._hdf5 import find, names_in, open_file, whole
from simlift.sources.hdf5._isaac_lab import read_isaac_lab
from simlift.sources.hdf5._maniskill import read_maniskill
from simlift.sources.hdf5._robomimic import read_robomimic
from simlift.sources.hdf5._tree import json_attribute
from simlift.sources.hdf5.dataset import Demonstrations
from simlift.sources.hdf5.statements import statements_of

_ISAAC_LAB = 2  # type of an environment in env_args: isaaclab HDF5DatasetFileHandler


def read(path: Path, options: ReadOptions) -> Demonstrations:
    """Open a file of demonstrations; ClipError where it is damaged or holds none."""
    statements = statements_of(path)
    with open_file(path) as file, whole(path):
        data = find(path, file, "data")
        if isinstance(data, h5py.Group):
            kind = json_attribute(path, data, "env_args").get("type")
            reader = read_isaac_lab if kind == _ISAAC_LAB else read_robomimic
            return reader(path, file, statements, options)
        names = names_in(path, file)
        if any(name.startswith("traj_") for name in names):
            return read_maniskill(path, file, statements, options)
        there = ", ".join(names[:8]) or "nothing"
    raise ClipError(
        path,
        f"holds no demonstrations: there is {there}",
        allowed="a group data with demo_0, demo_1, ... (robosuite, robomimic, Isaac Lab), or "
        "groups traj_0, ... (ManiSkill)",
    )


def read_as_stored(path: Path) -> Demonstrations:
    """Open a file of robosuite or robomimic; ClipError for others. Pictures are not turned."""
    with open_file(path) as file, whole(path):
        data = find(path, file, "data")
        kind = None
        if isinstance(data, h5py.Group):
            kind = json_attribute(path, data, "env_args").get("type")
        if not isinstance(data, h5py.Group) or kind == _ISAAC_LAB:
            raise ClipError(
                path,
                "is no file of robosuite or robomimic",
                allowed="demonstrations that carry their model (model_file) and states",
                way_out=f"lift it as it is: simlift lift {path}",
            )
        return read_robomimic(path, file, statements_of(path), ReadOptions(), as_stored=True)
