"""Name the rows of an episode by their numbers, so that takes are never exported with others."""

import hashlib

from simlift.core.clip import Clip
from simlift.core.dataset import episode_numbered
from simlift.passes.provenance import file_digest
from simlift.sources.datasets import dataset_of


def rows_digest(clip: Clip) -> str:
    """Return a hash of the rows that a clip came with: names, types and values of all columns.

    "" for a clip without rows. Rows of other episodes in the same file do not count.
    """
    if clip.origin is None:
        return file_digest(clip.actions) if clip.actions is not None else ""
    dataset = dataset_of(clip)
    episode = episode_numbered(dataset, clip.origin.episode)
    if not dataset.files(episode):
        return ""
    rows = dataset.rows(episode)
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(rows.column_names):
        column = rows[name].combine_chunks()
        total.update(f"{name} {column.type} {len(column)}".encode())
        while hasattr(column, "flatten") and "list" in str(column.type):
            column = column.flatten()
        values = column.to_numpy(zero_copy_only=False)
        plain = values.dtype != object
        total.update(values.tobytes() if plain else repr(values.tolist()).encode())
    return total.hexdigest()
