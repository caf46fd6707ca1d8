"""Read the tree of an HDF5 file of demonstrations: episodes, their numbers, their pictures."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from simlift.core.dataset import Episode, Feature
from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media._hdf5 import datasets_in, find, names_in, need, open_file, whole
from simlift.sources.hdf5.dataset import Demonstrations

_GROUP = re.compile(r"(?:demo|traj|episode)_(\d+)")
_PROBED = 64  # episodes whose shapes are looked at before any frame is read
_NUMBERS = "biuf"
_TRACKS = ("cameras", "robots")  # what a recorder adds for the clip, not for the rows


def json_attribute(path: Path, group: h5py.Group, name: str) -> dict[str, Any]:
    """Return an attribute that holds JSON; {} where there is none, ClipError where it is broken."""
    text = group.attrs.get(name)
    if text is None:
        return {}
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    try:
        data = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ClipError(path, f"{name} of {group.name} is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise ClipError(path, f"{name} of {group.name} is {data!r}", allowed="a JSON object")
    return data


def numbered_groups(path: Path, parent: h5py.Group) -> list[tuple[int, str]]:
    """Return the numbers and names of the groups of episodes, in the order of their numbers."""
    names = names_in(path, parent)
    found = sorted((int(m[1]), name) for name in names if (m := _GROUP.fullmatch(name)))
    if not found:
        raise ClipError(
            path,
            f"{parent.name} holds no episode: {', '.join(names[:8]) or 'it is empty'}",
            allowed="groups named demo_0, demo_1, ... (or traj_0, ...)",
        )
    for (number, name), (other, twin) in pairwise(found):
        if number == other:
            raise ClipError(path, f"{name} and {twin} have one number", allowed="different numbers")
    return found


def episodes_of(path: Path, data: h5py.Group, notes: list[str]) -> tuple[Episode, ...]:
    """Return the episodes below `data`, with the lengths that their attributes state."""
    episodes, unstated = [], 0
    with whole(path):
        for number, key in numbered_groups(path, data):
            group = need(path, data, key, h5py.Group)
            length = group.attrs.get("num_samples")
            if length is None:
                unstated += 1
                length = len(need(path, group, "actions", h5py.Dataset))
            if int(length) < 1:
                raise ClipError(
                    path,
                    f"{group.name} has {length} samples",
                    allowed="at least 1",
                    way_out="leave the episode out when the file is written",
                )
            success = group.attrs.get("success")
            episodes.append(
                Episode(
                    index=number,
                    name=f"episode_{number:06d}",
                    num_frames=int(length),
                    key=key,
                    success=None if success is None else bool(success),
                )
            )
    if unstated:
        notes.append(f"{unstated} episodes have no num_samples: they are as long as their actions")
    total, stated = sum(e.num_frames for e in episodes), data.attrs.get("total")
    if stated is not None and int(stated) != total:
        notes.append(f"total is {int(stated)}, the episodes hold {total} samples")
    return tuple(episodes)


def filters_of(
    path: Path, file: h5py.File, episodes: Sequence[Episode]
) -> dict[str, tuple[int, ...]]:
    """Return the lists of episodes below `mask`; ClipError for one that names an unknown one."""
    masks = find(path, file, "mask")
    if not isinstance(masks, h5py.Group):
        return {}
    number_of = {episode.key: episode.index for episode in episodes}
    found = {}
    with whole(path):
        for name, dataset in datasets_in(path, masks).items():
            keys = [k.decode() if isinstance(k, bytes) else str(k) for k in dataset[()]]
            if lost := [key for key in keys if key not in number_of]:
                raise ClipError(
                    path,
                    f"mask/{name} names {lost[0]!r}, which is no episode",
                    allowed=", ".join(list(number_of)[:8]),
                )
            found[name] = tuple(number_of[key] for key in keys)
    return found


def columns_of(
    path: Path, group: h5py.Group, count: int, extra: int, notes: list[str] | None = None
) -> dict[str, h5py.Dataset]:
    """Return the datasets of numbers with a row for each frame, pictures among them.

    They may hold `extra` rows more. What has other lengths is noted; ClipError for pictures.
    """
    found, others = {}, []
    for name, dataset in datasets_in(path, group).items():
        if name.split("/")[0] in _TRACKS:
            continue
        if dataset.ndim < 1 or dataset.dtype.kind not in _NUMBERS or 0 in dataset.shape[1:]:
            others.append(name)
        elif len(dataset) in (count, count + extra):
            found[name] = dataset
        elif dataset.ndim >= 3 and name.startswith("obs/") and is_picture(dataset):
            raise ClipError(
                path,
                f"{dataset.name} holds {len(dataset)} frames for {count} samples",
                allowed="a frame for every action",
                way_out="leave the episode out with --episodes, or write the file again",
            )
        else:
            others.append(name)
    if others and notes is not None:
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        notes.append(f"no row for each frame, and so in no column: {', '.join(others[:4])}{more}")
    return found


def features_of(columns: Mapping[str, h5py.Dataset]) -> dict[str, Feature]:
    """Return numpy's type and the shape of a row of every column."""
    return {name: Feature(str(c.dtype), tuple(c.shape[1:])) for name, c in columns.items()}


def pictures_in(columns: Mapping[str, h5py.Dataset]) -> list[str]:
    """Return the columns that are pictures [t h w] or [t h w c], not rows of numbers."""
    return [name for name, column in columns.items() if is_picture(column)]


def is_picture(column: h5py.Dataset) -> bool:
    """Whether an array holds pictures, as far as its shape tells."""
    if column.ndim == 4:
        return min(column.shape[1:3]) >= 8 and column.shape[3] <= 4
    return column.ndim == 3 and min(column.shape[1:]) >= 16


def rows(dataset: Demonstrations, episode: Episode) -> pa.Table:
    """Return the rows of an episode; ClipError where its actions are not one to a frame."""
    path, count = dataset.path, episode.num_frames
    with open_file(path) as file, whole(path):
        group = need(path, file, dataset.group(episode), h5py.Group)
        check_actions(path, group, count)
        found = columns_of(path, group, count, dataset.extra)
        left_out = set(pictures_in(found))
        if lost := set(dataset.features) - set(found):
            raise ClipError(
                path,
                f"{group.name} has no {count} rows of {sorted(lost)[0]}",
                allowed="the columns of the first episode in every other",
                way_out="leave the episode out with --episodes",
            )
        return pa.table(
            {
                name: arrow_of(np.asarray(column[:count]))
                for name, column in found.items()
                if name not in left_out
            }
        )


def arrow_of(values: Array) -> pa.Array:
    """Return an array of rows [t ...] as lists of fixed sizes, in its own type."""
    plain = np.ascontiguousarray(values).reshape(-1)
    out = pa.array(plain.astype(plain.dtype.newbyteorder("="), copy=False))
    for size in reversed(values.shape[1:]):
        out = pa.FixedSizeListArray.from_arrays(out, size)
    return out


def check_actions(path: Path, group: h5py.Group, count: int) -> None:
    """Raise ClipError where an episode has actions, and not one for each frame."""
    actions = find(path, group, "actions")
    if isinstance(actions, h5py.Dataset) and len(actions) != count:
        raise ClipError(
            path,
            f"{group.name} has {len(actions)} actions for {count} frames",
            allowed="an action for every frame",
            way_out="leave the episode out with --episodes, or write the file again",
        )


def check(dataset: Demonstrations, episodes: Sequence[Episode], cameras: Sequence[str]) -> None:
    """Look at the shapes of some episodes; others are looked at when their turn comes."""
    path = dataset.path
    with open_file(path) as file, whole(path):
        for episode in list(episodes)[:_PROBED]:
            group = need(path, file, dataset.group(episode), h5py.Group)
            check_actions(path, group, episode.num_frames)
            for camera in cameras:
                view = dataset.views[camera]
                for picture in view.pictures:
                    found = find(path, group, picture.name)
                    if not isinstance(found, h5py.Dataset):
                        raise ClipError(
                            path,
                            f"{group.name} has no {picture.name}",
                            allowed="the pictures of the first episode in every other",
                            way_out="leave the episode out with --episodes, or the camera with "
                            "--cameras",
                        )
                    due = (episode.num_frames + dataset.extra, view.height, view.width)
                    if tuple(found.shape[:3]) != due:
                        raise ClipError(
                            path,
                            f"{found.name} holds {found.shape[0]} frames of "
                            f"{found.shape[2]}x{found.shape[1]}",
                            allowed=f"{due[0]} frames of {view.width}x{view.height}, as many as "
                            "actions",
                            way_out="leave the episode out with --episodes",
                        )
