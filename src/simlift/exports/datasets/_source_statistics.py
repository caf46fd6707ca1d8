"""Read the statistics that a LeRobot v3.0 dataset states of an episode's rows.

Rows that are not touched keep them: what a policy was normalised by stays what it was.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from simlift.core.dataset import Dataset, Episode
from simlift.exports.datasets._statistics import QUANTILES, Statistics
from simlift.media._parquet import read_column_names, read_table

_NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)


def source_statistics(dataset: Dataset, episode: Episode) -> dict[str, Statistics]:
    """Return the statistics of every column that has all of them; none for other formats."""
    if dataset.layout != "lerobot-v3.0":
        return {}
    found: dict[str, Statistics] = {}
    for file in sorted((dataset.path / "meta" / "episodes").rglob("*.parquet")):
        state = file.stat()
        found |= _stated(file, state.st_size, state.st_mtime_ns).get(episode.index, {})
    return {
        name: each
        for name, each in found.items()
        if name in dataset.features and set(each) == set(_NAMES)
    }


@lru_cache(maxsize=16)
def _stated(file: Path, size: int, changed: int) -> dict[int, dict[str, Statistics]]:
    """Return what a file states, by the number of the episode and the name of the column."""
    del size, changed
    columns = [n for n in read_column_names(file) if n.startswith("stats/")]
    if not columns:
        return {}
    table = read_table(file, ["episode_index", *columns])
    out: dict[int, dict[str, Statistics]] = {i: {} for i in table["episode_index"].to_pylist()}
    for column in columns:
        name, _, statistic = column.removeprefix("stats/").rpartition("/")
        for index, value in zip(out, table[column].to_pylist()):
            if value is not None:
                out[index].setdefault(name, {})[statistic] = np.asarray(value)
    return out
