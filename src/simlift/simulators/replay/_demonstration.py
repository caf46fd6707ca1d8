"""Read what of a demonstration is replayed: its model as text, and the state of every frame."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float

from simlift.core.errors import ClipError
from simlift.media._hdf5 import need, open_file, whole


@dataclass(frozen=True, eq=False)
class Demonstration:
    """A model (MJCF) and the states [t n] that were recorded in it: time, qpos, qvel."""

    path: Path
    key: str
    model: str
    states: Float[np.ndarray, "t n"]


def read_demonstration(path: Path, group: str, num_frames: int) -> Demonstration:
    """Read a group such as "data/demo_0"; ClipError where it cannot be replayed."""
    with open_file(path) as file, whole(path):
        found = need(path, file, group, h5py.Group)
        model = found.attrs.get("model_file")
        if isinstance(model, bytes):
            model = model.decode("utf-8", errors="replace")
        if not isinstance(model, str):
            raise ClipError(
                path,
                f"{group} has no model_file",
                allowed="demonstrations of robosuite, robomimic, MimicGen: they carry their MJCF",
                way_out="lift it as it is: simlift lift",
            )
        states = np.asarray(need(path, found, "states", h5py.Dataset), np.float64)
    if states.ndim != 2 or len(states) != num_frames or not np.isfinite(states).all():
        raise ClipError(
            path,
            f"{group}/states holds {list(states.shape)}"
            + ("" if np.isfinite(states).all() else ", with values that are not finite"),
            allowed=f"a finite state for each of its {num_frames} frames",
        )
    return Demonstration(path, group, model, states)
