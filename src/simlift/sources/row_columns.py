"""Return the columns of a dataset's rows as arrays of numbers."""

from typing import TYPE_CHECKING

import numpy as np

from simlift.core.layers import Array

if TYPE_CHECKING:
    import pyarrow


def numeric_columns(rows: "pyarrow.Table") -> dict[str, Array]:
    """Return every column of numbers, or of lists of one length of them, as float64 [t ...].

    Lists of lists come flat, [t n]. Text, and lists of differing lengths, are left out.
    """
    found = {}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        count = len(column)
        while hasattr(column, "flatten") and str(column.type).find("list") >= 0:
            column = column.flatten()
        if str(column.type) not in _NUMBERS or count == 0 or len(column) % count:
            continue
        values = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
        found[name] = values if len(values) == count else values.reshape(count, -1)
    return found


_NUMBERS = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 halffloat float double".split()
)
