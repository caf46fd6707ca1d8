"""Read parquet files whole or by columns; a file that is cut short is an error that names it."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simlift.core.errors import ClipError


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a parquet file; ClipError for one that is missing or damaged."""
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="copy the dataset again") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise _damaged(path, error) from error


def read_column_names(path: Path) -> list[str]:
    """Return the names of a parquet file's columns; ClipError as `read_table`."""
    try:
        return list(pq.read_schema(path).names)
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="copy the dataset again") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(path, error) from error


def read_table_once(path: Path) -> pa.Table:
    """Read a parquet file; the last few stay in memory as long as they do not change on disk."""
    if not path.is_file():
        return read_table(path)  # which says that it does not exist
    state = path.stat()
    return _kept(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=3)
def _kept(path: Path, size: int, changed: int) -> pa.Table:
    del size, changed
    return read_table(path)


def _damaged(path: Path, error: Exception) -> ClipError:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ClipError(
        path,
        f"cannot be read as parquet ({words})",
        allowed="a whole parquet file",
        way_out="copy or download the dataset again",
    )
