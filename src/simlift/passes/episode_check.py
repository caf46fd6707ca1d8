"""Check a clip that is an episode of a dataset against the rows and neighbours it has there."""

from pathlib import Path

import numpy as np

from simlift.core.clip import Clip
from simlift.core.clip_sample import shrink
from simlift.core.dataset import episode_numbered, find_episode
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer
from simlift.evaluation.agreement import Finding
from simlift.evaluation.agreement.evidence import looked_at
from simlift.evaluation.agreement.frozen import check_first, check_stuck
from simlift.sources.datasets import dataset_of
from simlift.sources.row_columns import numeric_columns

_LINES = 120
_BEGINNING = 6  # frames of an episode that are looked at, one after the other


def check_episode(clip: Clip) -> tuple[Finding, ...]:
    """Compare the pictures of an episode with its states, and its first one with what is near."""
    if clip.origin is None or clip.num_frames < 2:
        return ()
    dataset = dataset_of(clip)
    number = clip.origin.episode
    episode = episode_numbered(dataset, number)
    rows = numeric_columns(dataset.rows(episode)) if dataset.files(episode) else {}
    states = _states(rows, clip.num_frames)
    near = range(min(_BEGINNING, clip.num_frames))
    indices = np.array(sorted({*near, *(k for run in looked_at(clip) for k in run)}))
    frames = _small(clip, indices.tolist())
    before = find_episode(dataset, number - 1)
    last: Array | None = None
    if before is not None:
        try:
            other = dataset.clip(before, clip.origin.camera)
            last = _small(other, [other.num_frames - 1])[0]
        except ClipError:  # an episode that nobody asked for may be missing
            last = None
    return (*check_stuck(indices, frames, states), *check_first(indices, frames, last))


def row_files(clip: Clip) -> tuple[Path, ...]:
    """Return the files that hold the rows of an episode; none of a clip that is no episode."""
    if clip.origin is None:
        return ()
    dataset = dataset_of(clip)
    return dataset.files(episode_numbered(dataset, clip.origin.episode))


def _small(clip: Clip, indices: list[int]) -> Array:
    """Read some frames, made small [k h w 3], one at a time."""
    with clip.open([Layer.RGB]) as reader:
        return np.concatenate([shrink(reader.window([k]), _LINES).rgb for k in indices])


def _states(columns: dict[str, Array], count: int) -> Array:
    """Return what the robot is seen to do [t n]: columns of observations, not of actions.

    "states" of robomimic are left out: they begin with the simulator's clock, which always runs.
    """
    words = ("state", "obs/", "joint", "qpos")
    chosen = [
        values.reshape(count, -1)
        for name, values in columns.items()
        if any(word in name for word in words) and name != "states" and name[:6] != "action"
    ]
    return np.concatenate(chosen, axis=1) if chosen else np.empty((count, 0))
