"""Read the rows of a native episode: a parquet file with one row for each frame."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa

from simlift.core.dataset import Episode, Feature
from simlift.core.errors import ClipError
from simlift.media._parquet import read_table_once, scalars

_TOLERANCE = 1e-3  # seconds, as the rows of LeRobot


def read(file: Path, episode: Episode, fps: Fraction) -> pa.Table:
    """Return the rows as they are stored; ClipError where they do not fit the frames.

    A column `timestamp` must say frame / fps: exports write times anew.
    """
    table = read_table_once(file)
    if len(table) != episode.num_frames:
        raise ClipError(
            file,
            f"holds {len(table)} rows for {episode.num_frames} frames",
            allowed="one row for each frame",
            way_out="record the episode again, or leave it out with --episodes",
        )
    if "timestamp" in table.column_names:
        times = np.asarray(scalars(table["timestamp"]), np.float64)
        due = np.arange(len(times)) / float(fps)
        if (off := np.abs(times - times[0] - due) > _TOLERANCE).any():
            wrong = int(np.flatnonzero(off)[0])
            raise ClipError(
                file,
                f"row {wrong} has the timestamp {times[wrong]:.4f} s, at {float(fps):g} frames a "
                f"second it is {times[0] + due[wrong]:.4f} s",
                allowed="a constant frame rate",
                way_out="record the episode at a constant rate",
            )
    return table


def features(file: Path) -> Mapping[str, Feature]:
    """Return the columns: numpy's type and shape of a row, and names where the file has them.

    Names of the parts of a column x lie in the metadata under x_names, parted by commas. Text and
    lists of differing lengths are left out.
    """
    table = read_table_once(file)
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    found = {}
    for name in table.column_names:
        shape, kind = [], table.schema.field(name).type
        cells = table[name].combine_chunks()
        while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
            lengths = set(np.diff(_offsets(cells)).tolist())
            if len(lengths) != 1:
                break
            shape.append(lengths.pop())
            cells, kind = cells.flatten(), kind.value_type
        if not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        ):
            continue
        words = metadata.get(f"{name}_names", "")
        names = tuple(words.split(",")) if words else None
        dtype = "bool" if pa.types.is_boolean(kind) else str(kind.to_pandas_dtype()().dtype)
        found[name] = Feature(dtype, tuple(shape), names)
    return found


def _offsets(cells: pa.Array) -> "np.ndarray":
    if pa.types.is_fixed_size_list(cells.type):
        return np.arange(len(cells) + 1) * cells.type.list_size
    return np.asarray(cells.offsets)
