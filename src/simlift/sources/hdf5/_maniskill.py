"""Read ManiSkill trajectories: NAME.h5 with a group traj_k for each, and NAME.json beside it.

There is one observation more than actions: the last one shows the state after the last action. The
clip keeps those with an action; the last is left out, which is said.

Source: ManiSkill documentation, "Recording episodes" and "Demonstrations: format".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from simlift.core.camera import Camera, Robot, check_length
from simlift.core.camera_conventions import TO_OPENCV
from simlift.core.dataset import Episode
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.core.strict_json import read_json
from simlift.media._hdf5 import find, need, open_file, whole
from simlift.media.decodings import Colour, Ids
from simlift.media.geometry_decodings import ScaledDepth
from simlift.sources.hdf5._tree import columns_of, features_of, numbered_groups, pictures_in
from simlift.sources.hdf5.dataset import Demonstrations, Picture, View
from simlift.sources.hdf5.statements import Statements

_RATE = Fraction(20)  # ManiSkill documentation, SimConfig.control_freq
_SAME = 1e-3


def read_maniskill(
    path: Path, file: h5py.File, statements: Statements, options: ReadOptions
) -> Demonstrations:
    """Read the tree and the JSON beside it; ClipError where they do not name the same episodes."""
    notes: list[str] = []
    if stray := set(statements.data) - {"format", "recorded_with", "fps"}:
        raise ClipError(
            statements.file,
            f"states {sorted(stray)[0]}",
            allowed="fps: ManiSkill's files hold their cameras and units themselves",
        )
    described = _described(path, notes)
    successes = {e["episode_id"]: e.get("success") for e in described.get("episodes", ())}
    episodes = []
    with whole(path):
        for number, key in numbered_groups(path, file):
            actions = need(path, file, f"{key}/actions", h5py.Dataset)
            success = successes.get(number)
            episodes.append(
                Episode(
                    index=number,
                    name=f"episode_{number:06d}",
                    num_frames=len(actions),
                    key=key,
                    success=None if success is None else bool(success),
                )
            )
    if successes and (lost := {e.index for e in episodes} ^ set(successes)):
        raise ClipError(
            path.with_suffix(".json"),
            f"its episodes are not those of {path.name}: {sorted(map(str, lost))[0]} is in one",
            allowed="an entry for every group traj_k",
            way_out="copy both files again",
        )
    group, count = file[episodes[0].key], episodes[0].num_frames
    columns = columns_of(path, group, count, 1, notes)
    views = _views(columns, notes)
    if not views:
        raise ClipError(
            path,
            f"{episodes[0].key} has no pictures (obs/sensor_data/CAMERA/rgb): states alone",
            allowed="trajectories that were recorded, or replayed, with pictures",
            way_out="python -m mani_skill.trajectory.replay_trajectory --traj-path "
            f"{path.name} --obs-mode rgb+depth+segmentation --save-traj",
        )
    notes.append(
        "an episode has one observation more than actions: the last one, after the last action, is "
        "left out"
    )
    rate = options.fps or statements.fps or _rate(described)
    if rate is None:
        notes.append(f"no rate is written: ManiSkill's default of {_RATE} steps a second is taken")
    skipped = set(pictures_in(columns))
    information = _inside(described, "env_info")
    return Demonstrations(
        path=path,
        layout="maniskill",
        fps=rate or _RATE,
        episodes=tuple(episodes),
        views=views,
        features=features_of({k: v for k, v in columns.items() if k not in skipped}),
        notes=tuple(notes),
        root="",
        extra=1,
        tracks=SensorParameters(path),
        robot_type=str(information.get("env_id") or ""),
        options=options,
    )


def _described(path: Path, notes: list[str]) -> Mapping[str, Any]:
    file = path.with_suffix(".json")
    if not file.is_file():
        notes.append(f"{file.name} is not beside it: success and settings are unknown")
        return {}
    data = read_json(file)
    if not isinstance(data, dict):
        raise ClipError(file, "holds no object", allowed="what ManiSkill writes there")
    entries = data.get("episodes", [])
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and isinstance(e.get("episode_id"), int) for e in entries
    ):
        raise ClipError(
            file, "its episodes are no list of objects", allowed="an episode_id in each"
        )
    return data


def _rate(described: Mapping[str, Any]) -> Fraction | None:
    settings = _inside(_inside(described, "env_info"), "env_kwargs")
    stated = _inside(settings, "sim_config").get("control_freq")
    if not isinstance(stated, int | float) or not 0 < stated < 10_000:
        return None
    return Fraction(stated).limit_denominator(1001)


def _inside(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _views(columns: Mapping[str, h5py.Dataset], notes: list[str]) -> dict[str, View]:
    views = {}
    prefix = "obs/sensor_data/"
    cameras = [n.split("/")[2] for n in columns if n.startswith(prefix) and n.endswith("/rgb")]
    for camera in cameras:
        place = f"{prefix}{camera}"
        rgb = columns[f"{place}/rgb"]
        pictures = [Picture(Layer.RGB, f"{place}/rgb", Colour(), Unit.SRGB)]
        depth = columns.get(f"{place}/depth")
        if depth is not None:
            whole_numbers = depth.dtype.kind in "iu"
            decode = ScaledDepth(0.001 if whole_numbers else 1.0, (0.0,))
            pictures.append(Picture(Layer.DEPTH, f"{place}/depth", decode, Unit.METRES))
            unit = "millimetres" if whole_numbers else "metres"
            notes.append(f"depth of {camera}: {depth.dtype} is {unit}, 0 where nothing was hit")
        if f"{place}/segmentation" in columns:
            name = f"{place}/segmentation"
            pictures.append(Picture(Layer.SEGMENTATION, name, Ids(), Unit.IDS))
        views[camera] = View(rgb.shape[1], rgb.shape[2], tuple(pictures))
    return views


@dataclass(frozen=True)
class SensorParameters:
    """Cameras of the groups obs/sensor_param, which hold both directions of every pose."""

    path: Path

    def camera(self, episode: Episode, camera: str) -> Camera | None:
        """Return the camera of the frames; ClipError where its two poses are not one."""
        place = f"{episode.key}/obs/sensor_param/{camera}"
        with open_file(self.path) as file, whole(self.path):
            group = find(self.path, file, place)
            if group is None:
                return None
            found = {
                name: np.asarray(need(self.path, group, name, h5py.Dataset), dtype=np.float64)
                for name in ("extrinsic_cv", "cam2world_gl", "intrinsic_cv")
            }
        count = episode.num_frames
        for name, values in found.items():
            check_length(f"{self.path}: {place}", name, len(values), count + 1)
        pose = np.repeat(np.eye(4)[None], count, 0)
        pose[:, :3] = found["extrinsic_cv"][:count, :3]
        other = found["cam2world_gl"][:count].copy()
        other[:, :3, :3] = other[:, :3, :3] @ TO_OPENCV["opengl"]
        apart = float(np.abs(pose @ other - np.eye(4)).max())
        if apart > _SAME:
            raise ClipError(
                f"{self.path}: {place}",
                f"extrinsic_cv is not the inverse of cam2world_gl: they differ by {apart:.3g}",
                allowed=f"world to camera (OpenCV axes) and camera to world (OpenGL axes), one "
                f"the inverse of the other to {_SAME:g}",
                way_out="replay the trajectory with ManiSkill to record its cameras again",
            )
        try:
            return Camera(found["intrinsic_cv"][:count], pose, np.array([0.0, 0.0, 1.0]))
        except ValueError as error:
            raise ClipError(f"{self.path}: {place}", str(error)) from error

    def robot(self, episode: Episode) -> Robot | None:
        """Link poses are not in these files."""
        del episode
        return None
