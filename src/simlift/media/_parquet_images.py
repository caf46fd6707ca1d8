"""Read encoded images out of the row groups of a parquet file, one group in memory at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media._parquet import damaged, read_table, rows_of_episode, scalars
from simlift.media.images import decode_image
from simlift.media.parquet_images import ParquetImages


class ImageColumn:
    """An opened column of images."""

    def __init__(self, store: ParquetImages) -> None:
        self._store = store
        numbers = scalars(read_table(store.path, ["episode_index"])["episode_index"])
        self._first = rows_of_episode(store.path, numbers, store.episode, store.num_frames)
        try:
            self._file = pq.ParquetFile(store.path)
        except (pa.ArrowInvalid, OSError) as error:
            raise damaged(store.path, error) from error
        if store.column not in self._file.schema_arrow.names:
            names = ", ".join(self._file.schema_arrow.names)
            raise ClipError(store.path, f"has no column {store.column}", allowed=names)
        groups = (self._file.metadata.row_group(k) for k in range(self._file.num_row_groups))
        self._starts = np.cumsum([0, *(group.num_rows for group in groups)])
        self._group, self._images = -1, pa.nulls(0)

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at increasing `indices`; ClipError names a row without an image."""
        return np.stack([self._frame(self._first + index) for index in indices])

    def _frame(self, row: int) -> Array:
        store = self._store
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if group != self._group:
            try:
                table = self._file.read_row_group(group, [store.column])
            except (pa.ArrowInvalid, OSError) as error:
                raise damaged(store.path, error) from error
            self._group, self._images = group, table[store.column]
        entry: Any = self._images[row - int(self._starts[group])].as_py()
        data = entry.get("bytes") if isinstance(entry, dict) else entry
        if not isinstance(data, bytes):
            raise ClipError(
                store.path,
                f"row {row} of {store.column} holds no image",
                allowed="the bytes of a PNG or JPEG in every row",
                way_out="write the dataset again with its images inside",
            )
        place = store.path.with_name(f"{store.path.name}:{store.column}[{row}]")
        frame = decode_image(place, data, samples=store.samples)
        if frame.shape[:2] != (store.height, store.width):
            raise ClipError(
                place,
                f"is {frame.shape[1]}x{frame.shape[0]}, the dataset says "
                f"{store.width}x{store.height}",
                allowed="the size that the dataset states",
            )
        return frame
