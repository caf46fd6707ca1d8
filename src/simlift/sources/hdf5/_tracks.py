"""Read the cameras and robots that a recorder wrote for every frame of an HDF5 file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from simlift.core.camera import Camera, Robot, check_length
from simlift.core.camera_conventions import (
    Convention,
    convert_camera,
    poses_of,
    rotation_of_quaternion,
)
from simlift.core.dataset import Episode
from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media._hdf5 import datasets_in, find, need, open_file, whole
from simlift.sources.hdf5.dataset import Tracks, Unknown
from simlift.sources.hdf5.statements import Order, Statements

_SAME = 1e-3  # between a quaternion and its matrix


@dataclass(frozen=True)
class RecordedTracks:
    """Cameras and robots in the groups `cameras` and `robots` of episodes, or stated beside them.

    `prefix` is the part of a group's name in front of an episode's key.
    """

    path: Path
    prefix: str
    statements: Statements

    def camera(self, episode: Episode, camera: str) -> Camera | None:
        """Return a camera's own frames; ClipError for shapes, lengths and orders that are wrong."""
        found = self._arrays(episode, "cameras", camera)
        if not found:
            return None
        where = f"{self._where(found)}: camera {camera} of {episode.key}"
        intrinsics = self._need(found, "intrinsics", (3, 3), episode, where)
        position = self._need(found, "position", (3,), episode, where)
        quaternion = self._need(found, "quaternion", (4,), episode, where)
        rotation = self._turn(quaternion, where)
        if "rotation" in found:
            matrices = self._need(found, "rotation", (3, 3), episode, where)
            self._check_order(rotation, matrices, quaternion, where)
        convention = cast(Convention, self.statements.word("convention") or "opencv")
        try:
            return convert_camera(
                poses_of(position, rotation),
                intrinsics,
                convention=convention,
                direction="camera_to_world",
            )
        except ValueError as error:
            raise ClipError(where, str(error), way_out="record the cameras again") from error

    def robot(self, episode: Episode) -> Robot | None:
        """Return the robots as one; how far grippers are open is not recorded."""
        with _opened(self.path, f"{self.prefix}{episode.key}") as group:
            names = sorted(
                {*self.statements.of(episode.key).get("robots", {}), *_groups(group, "robots")}
            )
        if not names:
            return None
        joints: list[str] = []
        links: list[str] = []
        positions, poses = [], []
        for name in names:
            found = self._arrays(episode, "robots", name)
            where = f"{self._where(found)}: robot {name} of {episode.key}"
            stated = {**self.statements.data.get("robots", {}).get(name, {}), **found}
            mark = f"{name}/" if len(names) > 1 else ""
            own_joints, own_links = (
                _words(stated, k, where) for k in ("joint_names", "link_names")
            )
            joints += [mark + joint for joint in own_joints]
            links += [mark + link for link in own_links]
            shape: tuple[int, ...] = (len(own_joints),)
            positions.append(self._need(found, "joint_positions", shape, episode, where))
            shape = (len(own_links), 3)
            at = self._need(found, "link_positions", shape, episode, where)
            shape = (len(own_links), 4)
            turn = self._turn(self._need(found, "link_quaternions", shape, episode, where), where)
            count = len(own_links) * episode.num_frames
            each = poses_of(at.reshape(count, 3), turn.reshape(count, 3, 3))
            poses.append(each.reshape(episode.num_frames, len(own_links), 4, 4))
        return Robot(
            joint_names=tuple(joints),
            joint_positions=np.concatenate(positions, axis=1),
            link_names=tuple(links),
            link_poses=np.concatenate(poses, axis=1),
            gripper=np.full(episode.num_frames, np.nan),
        )

    def _arrays(self, episode: Episode, kind: str, name: str) -> dict[str, Any]:
        """Return what is recorded of a camera or robot, in the file or beside it."""
        stated = self.statements.of(episode.key).get(kind, {}).get(name, {})
        with _opened(self.path, f"{self.prefix}{episode.key}") as group:
            own = find(self.path, group, f"{kind}/{name}")
            inside: dict[str, Any] = {}
            if isinstance(own, h5py.Group):
                inside = {k: np.asarray(v) for k, v in datasets_in(self.path, own).items()}
        return {**stated, **inside}

    def _where(self, found: Mapping[str, Any]) -> Path:
        beside = not any(isinstance(value, np.ndarray) for value in found.values())
        return self.statements.file if beside else self.path

    def _need(
        self,
        found: Mapping[str, Any],
        key: str,
        shape: tuple[int, ...],
        episode: Episode,
        where: str,
    ) -> Array:
        if key not in found:
            raise ClipError(where, f"has no {key}", allowed=", ".join(found) or "numbers")
        try:
            values = np.asarray(found[key], dtype=np.float64)
        except (TypeError, ValueError):
            raise ClipError(where, f"{key} holds no numbers", allowed="numbers") from None
        if values.shape[1:] != shape or not np.isfinite(values).all():
            words = " ".join(["t", *map(str, shape)])
            raise ClipError(where, f"{key} holds {list(values.shape)}", allowed=f"[{words}]")
        check_length(where, key, len(values), episode.num_frames)
        return values

    def _turn(self, quaternion: Array, where: str) -> Array:
        order = self.statements.word("quaternion")
        if order is None:
            raise ClipError(
                self.statements.file,
                "does not state the order of quaternions"
                if self.statements.data
                else "does not exist, and quaternions are recorded",
                allowed='"quaternion": "wxyz" (Isaac Lab up to 2.x) or "xyzw" (from 3.0)',
            )
        try:
            return np.asarray(rotation_of_quaternion(quaternion, cast(Order, order)))
        except ValueError as error:
            raise ClipError(where, str(error), way_out="record it again") from error

    def _check_order(self, own: Array, matrices: Array, quaternion: Array, where: str) -> None:
        order = self.statements.word("quaternion")
        if np.abs(own - matrices).max() < _SAME:
            return
        other: Order = "xyzw" if order == "wxyz" else "wxyz"
        turned = np.abs(rotation_of_quaternion(quaternion, other) - matrices).max() < _SAME
        raise ClipError(
            where,
            f"its quaternions, read as {order}, are not its rotation matrices"
            + (f": read as {other} they are" if turned else ""),
            allowed="both the same rotation",
            way_out=f'state "quaternion": "{other}"' if turned else "record it again",
        )


def tracks_of(path: Path, group: h5py.Group, statements: Statements) -> tuple[Tracks, set[str]]:
    """Return who reads the cameras and robots of a file, and which of its cameras are recorded.

    `group` is that of its first episode, a member of the group `data`.
    """
    key = str(group.name).rpartition("/")[2]
    stated = statements.of(key)
    if not stated and not any(name in group for name in ("cameras", "robots")):
        return Unknown(), set()
    seen = {*stated.get("cameras", {}), *_groups(group, "cameras")}
    return RecordedTracks(path, "data/", statements), seen


@contextmanager
def _opened(path: Path, name: str) -> Iterator[h5py.Group]:
    with open_file(path) as file, whole(path):
        yield need(path, file, name, h5py.Group)


def _groups(group: h5py.Group, name: str) -> list[str]:
    inner = group.get(name)
    return list(inner) if isinstance(inner, h5py.Group) else []


def _words(stated: Mapping[str, Any], key: str, where: str) -> list[str]:
    words = stated.get(key)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ClipError(where, f"{key} is {words!r}"[:120], allowed="a list of names")
    return words
