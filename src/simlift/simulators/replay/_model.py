"""Compile the model of a demonstration and set its states, as robosuite draws them."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from simlift.core.errors import ClipError
from simlift.simulators.mujoco._episode import (
    Episode,
    check_pinhole,
    fixed_camera,
    save_state,
)
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._segments import Segments, actuated_bodies, segments_of
from simlift.simulators.replay._demonstration import Demonstration
from simlift.simulators.replay.assets import find_assets

_COLLISION = 0  # robosuite's group of geoms that collide and are not drawn
_ENDING = re.compile("_(main|visual|vis)$")
_UNDRAWN = 3  # the first group that MuJoCo does not draw


@dataclass(frozen=True, eq=False)
class Replay:
    """A demonstration that is ready to be drawn: its model, and MuJoCo's state of every frame."""

    where: Path
    key: str
    model: "mujoco.MjModel"
    states: Float[np.ndarray, "t n"]
    recorded: Float[np.ndarray, "all m"]  # time, qpos, qvel
    segments: Segments
    robot_bodies: frozenset[int]
    assets: tuple[Path, ...]

    @property
    def cameras(self) -> list[str]:
        """The names of the model's cameras."""
        return [self.model.camera(i).name for i in range(self.model.ncam)]

    def episode(self, camera: str, *, height: int, width: int) -> Episode:
        """Return the episode as a camera sees it; ClipError lists the cameras there are."""
        if camera not in self.cameras:
            raise ClipError(
                self.where,
                f"the model of {self.key} has no camera {camera!r}",
                allowed=", ".join(self.cameras) or "none: the model has no camera",
            )
        view = fixed_camera(self.model, camera)
        check_pinhole(self.model, view, self.where)
        return Episode(self.model, self.states, view, self.segments, height, width)


def open_replay(demonstration: Demonstration, assets: Path | None) -> Replay:
    """Compile the model; ClipError for missing assets, a model that is none, or other states.

    Geoms of group 0 only collide: robosuite does not draw them, nor sites.
    """
    where, key = demonstration.path, demonstration.key
    portable = find_assets(demonstration.model, where, assets)
    try:
        model = mujoco.MjModel.from_xml_string(portable.xml, portable.assets)
    except ValueError as error:
        raise ClipError(
            where,
            f"MuJoCo {mujoco.__version__} cannot load the model of {key}: {error}",
            way_out="assets of the robosuite that recorded it, or an older mujoco",
        ) from error
    size = 1 + model.nq + model.nv
    if demonstration.states.shape[1] != size:
        raise ClipError(
            where,
            f"{key}/states has {demonstration.states.shape[1]} numbers to a frame",
            allowed=f"{size} for this model: time, qpos [{model.nq}], qvel [{model.nv}]",
        )
    model.geom_group[model.geom_group == _COLLISION] = _UNDRAWN
    robot = actuated_bodies(model)
    replay = Replay(
        where=where,
        key=key,
        model=model,
        states=set_states(model, demonstration.states),
        recorded=demonstration.states,
        segments=_plainly_named(segments_of(model, robot)),
        robot_bodies=robot,
        assets=portable.folders,
    )
    _bring_far_plane_near(replay)
    return replay


def _plainly_named(segments: Segments) -> Segments:
    """Take robosuite's endings off the names of segments: cube_main is cube."""
    short = {i: _ENDING.sub("", label.name) for i, label in segments.labels.items()}
    counts = Counter(short.values())
    labels = {
        i: replace(label, name=short[i]) if counts[short[i]] == 1 else label
        for i, label in segments.labels.items()
    }
    return replace(segments, labels=labels)


def set_states(
    model: "mujoco.MjModel", recorded: Float[np.ndarray, "t n"]
) -> Float[np.ndarray, "t m"]:
    """Return MuJoCo's own states of recorded ones (time, qpos, qvel); nothing is stepped."""
    data = mujoco.MjData(model)
    states = []
    for row in recorded:
        data.time = row[0]
        data.qpos[:] = row[1 : 1 + model.nq]
        data.qvel[:] = row[1 + model.nq :]
        states.append(save_state(model, data))
    return np.array(states)


def _bring_far_plane_near(replay: Replay) -> None:
    """Move the far plane to where the last geom can be: depth in 16 bits is then finer.

    A plane without an end leaves it where it is.
    """
    model = replay.model
    drawn = np.flatnonzero(model.geom_group < _UNDRAWN)
    planes = model.geom_type[drawn] == int(mujoco.mjtGeom.mjGEOM_PLANE)
    sizes = model.geom_size[drawn]
    if (planes & ~sizes[:, :2].all(axis=1)).any() or model.nflex or model.nskin or not model.ncam:
        return
    radius = np.where(planes, np.hypot(sizes[:, 0], sizes[:, 1]), model.geom_rbound[drawn])
    episode = Episode(model, replay.states, mujoco.MjvCamera(), replay.segments, 1, 1)
    reach = 0.0
    for data in episode.visit():
        apart = np.linalg.norm(data.geom_xpos[drawn] - data.cam_xpos[:, None], axis=-1)
        reach = max(reach, float((apart + radius).max()))
    far = min(model.vis.map.zfar, 1.01 * reach / model.stat.extent)
    model.vis.map.zfar = max(far, 2 * model.vis.map.znear)
