"""Read demonstrations of Isaac Lab's recorder (env_args of type 2), Mimic's among them.

The recorder stores neither cameras nor link poses; a term of ours adds them (docs/record), and the
file of cameras beside says what they mean. Observations come before the step of their action.

Source: Isaac Lab, isaaclab/utils/datasets/hdf5_dataset_file_handler.py and managers/
recorder_manager.py.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py

from simlift.core.read_options import ReadOptions
from simlift.sources.folder_files import frame_rate
from simlift.sources.hdf5._tracks import tracks_of
from simlift.sources.hdf5._tree import (
    columns_of,
    episodes_of,
    features_of,
    filters_of,
    json_attribute,
    pictures_in,
)
from simlift.sources.hdf5._views import find_views
from simlift.sources.hdf5.dataset import Demonstrations
from simlift.sources.hdf5.statements import Statements


def read_isaac_lab(
    path: Path, file: h5py.File, statements: Statements, options: ReadOptions
) -> Demonstrations:
    """Read the tree; cameras and robots are unknown, and said to be, where nothing records them."""
    notes: list[str] = []
    data = file["data"]
    environment = json_attribute(path, data, "env_args")
    episodes = episodes_of(path, data, notes)
    group = data[episodes[0].key]
    columns = columns_of(path, group, episodes[0].num_frames, 0, notes)
    views = find_views(columns, statements.word("depth"), notes)
    fps, rate_notes = frame_rate(
        options, statements.fps or _rate(environment), episodes[0].num_frames
    )
    tracks, seen = tracks_of(path, group, statements)
    if unknown := [name for name in views if name not in seen]:
        notes.append(
            f"nothing says where {', '.join(unknown)} stands, nor its lens: the camera is unknown; "
            f"record it (docs/record/record_isaac_lab_hdf5.py), or write {statements.file.name}"
        )
    if tracks.robot(episodes[0]) is None:
        notes.append("link poses of the robot are not recorded: the robot is unknown")
    skipped = set(pictures_in(columns))
    return Demonstrations(
        path=path,
        layout="isaac-lab",
        fps=fps,
        episodes=episodes,
        views=views,
        features=features_of({k: v for k, v in columns.items() if k not in skipped}),
        notes=(*notes, *rate_notes),
        bottom_up=statements.word("rows") == "bottom-up",
        tracks=tracks,
        robot_type=str(environment.get("env_name") or ""),
        filters=filters_of(path, file, episodes),
        options=options,
    )


def _rate(environment: Mapping[str, Any]) -> Fraction | None:
    """Return the steps a second that env_args state: one over dt times decimation."""
    stated = environment.get("sim_args")
    if not isinstance(stated, dict):
        return None
    step, steps = stated.get("dt"), stated.get("decimation", 1)
    if not isinstance(step, int | float) or not isinstance(steps, int | float) or step * steps <= 0:
        return None
    return (1 / Fraction(step * steps)).limit_denominator(1001)
