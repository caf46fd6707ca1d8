"""Read parquet files whole or by columns; a file that is cut short is an error that names it."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simlift.core.errors import ClipError
from simlift.core.layers import Array


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a parquet file; ClipError for one that is missing or damaged."""
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="copy the dataset again") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise damaged(path, error) from error


def read_column_names(path: Path) -> list[str]:
    """Return the names of a parquet file's columns; ClipError as `read_table`."""
    try:
        return list(pq.read_schema(path).names)
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="copy the dataset again") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(path, error) from error


def read_table_once(path: Path, left_out: Sequence[str] = ()) -> pa.Table:
    """Read a parquet file, less the columns `left_out`, such as pictures.

    The last few stay in memory as long as they do not change on disk.
    """
    if not path.is_file():
        return read_table(path)  # which says that it does not exist
    state = path.stat()
    return _kept(path, tuple(left_out), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=3)
def _kept(path: Path, left_out: tuple[str, ...], size: int, changed: int) -> pa.Table:
    del size, changed
    if not left_out:
        return read_table(path)
    return read_table(path, [name for name in read_column_names(path) if name not in left_out])


def scalars(column: pa.ChunkedArray) -> Array:
    """Return a column of single numbers [t], which may be stored as lists of one."""
    whole = column.combine_chunks()
    if pa.types.is_list(whole.type) or pa.types.is_fixed_size_list(whole.type):
        whole = whole.flatten()
    return np.asarray(whole.to_numpy(zero_copy_only=False)).reshape(-1)


def rows_of_episode(path: Path, numbers: Array, episode: int, count: int) -> int:
    """Return the first row of an episode in a file; ClipError where its rows are others.

    `numbers` [n] are the episodes of all rows; those of one lie together.
    """
    places = np.flatnonzero(numbers == episode)
    if len(places) != count:
        raise ClipError(
            path,
            f"holds {len(places)} rows of episode {episode}, its length is {count}",
            allowed="a row for every frame",
            way_out="copy the dataset again, or leave the episode out with --episodes",
        )
    if places[-1] - places[0] + 1 != count:
        raise ClipError(
            path,
            f"the rows of episode {episode} do not lie together",
            allowed="the rows of an episode one after the other",
        )
    return int(places[0])


def damaged(path: Path, error: Exception) -> ClipError:
    """Return the error of a file that is cut short or damaged."""
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ClipError(
        path,
        f"cannot be read as parquet ({words})",
        allowed="a whole parquet file",
        way_out="copy or download the dataset again",
    )
