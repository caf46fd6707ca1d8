"""Read the rows of one episode out of a parquet file, and check that they are its own."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa

from simlift.core.dataset import Episode
from simlift.core.errors import ClipError
from simlift.media._parquet import read_table_once, rows_of_episode, scalars

_TOLERANCE = 1e-3  # seconds; lerobot itself takes 1e-4


def episode_rows(
    file: Path, episode: Episode, fps: Fraction, left_out: Sequence[str] = ()
) -> pa.Table:
    """Return the rows of an episode in the order of its frames; ClipError where they do not fit.

    Rows lie together in the file and count their frames from 0 at a constant rate.
    """
    table = read_table_once(file, left_out)
    for column in ("episode_index", "frame_index", "timestamp"):
        if column not in table.column_names:
            raise ClipError(file, f"has no column {column}", allowed=", ".join(table.column_names))
    numbers = scalars(table["episode_index"])
    first = rows_of_episode(file, numbers, episode.index, episode.num_frames)
    rows = table.slice(first, episode.num_frames)
    frames = scalars(rows["frame_index"])
    if not np.array_equal(frames, np.arange(len(rows))):
        wrong = int(np.flatnonzero(frames != np.arange(len(rows)))[0])
        raise ClipError(
            file,
            f"row {wrong} of episode {episode.index} has the frame_index {int(frames[wrong])}",
            allowed="frames counted from 0 without holes",
        )
    times = np.asarray(scalars(rows["timestamp"]), np.float64)
    due = np.arange(len(rows)) / float(fps)
    late = np.abs(times - due)
    # float32 seconds of an hour are exact to a quarter of a millisecond.
    if (off := late > max(_TOLERANCE, float(due[-1]) * 1e-6)).any():
        wrong = int(np.flatnonzero(off)[0])
        raise ClipError(
            file,
            f"row {wrong} of episode {episode.index} has the timestamp {times[wrong]:.4f} s, at "
            f"{float(fps):g} frames a second it is {due[wrong]:.4f} s",
            allowed="a constant frame rate: timestamp = frame_index / fps",
            way_out="correct fps in meta/info.json, or resample the recording",
        )
    return rows
