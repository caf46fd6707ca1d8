"""Compute the statistics of features as LeRobot states them, of rows and of pictures.

For each feature: min, max, mean, std, count, and the quantiles 0.01, 0.1, 0.5, 0.9, 0.99. Of
pictures they are over all pixels of sampled frames, for each channel, in [0, 1], with the shape
[3 1 1] (LeRobot v3.0, `compute_stats`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from simlift.core.layers import Array

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
Statistics = dict[str, Array]
_MOST_FRAMES = 25  # of a video that are looked at
_CODES = 256


def of_numbers(values: Array) -> Statistics:
    """Return the statistics of numbers [t] or [t n], each of shape [n] (or [1])."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    found = {
        "min": rows.min(0),
        "max": rows.max(0),
        "mean": rows.mean(0),
        "std": rows.std(0),
        "count": np.array([len(rows)]),
    }
    levels = np.quantile(rows, list(QUANTILES.values()), axis=0)
    return found | dict(zip(QUANTILES, levels))


def of_histograms(counts: Array, frames: int) -> Statistics:
    """Return the statistics of pictures whose 8-bit codes were counted, [3 256]."""
    codes = np.arange(_CODES) / (_CODES - 1)
    total = counts.sum(1, keepdims=True)
    mean = (counts * codes).sum(1) / total[:, 0]
    spread = (counts * (codes - mean[:, None]) ** 2).sum(1) / total[:, 0]
    cumulative = counts.cumsum(1) / total
    seen = counts > 0
    found = {
        "min": codes[seen.argmax(1)],
        "max": codes[_CODES - 1 - seen[:, ::-1].argmax(1)],
        "mean": mean,
        "std": np.sqrt(spread),
    }
    for name, share in QUANTILES.items():
        found[name] = codes[(cumulative >= share - 1e-12).argmax(1)]
    shaped = {name: value.reshape(3, 1, 1) for name, value in found.items()}
    return shaped | {"count": np.array([frames])}


def sampled(num_frames: int) -> list[int]:
    """Return the frames of a video that are looked at: evenly spaced, the ends among them."""
    count = min(num_frames, _MOST_FRAMES)
    return np.unique(np.linspace(0, num_frames - 1, count).round().astype(int)).tolist()


def histogram(frames: Array) -> Array:
    """Count the codes of frames, uint8 [t h w 3] -> [3 256]."""
    return np.stack(
        [np.bincount(frames[..., c].ravel(), minlength=_CODES) for c in range(3)]
    ).astype(np.int64)


def numbers_of(column: pa.ChunkedArray) -> Array | None:
    """Return a column of numbers as [t] or [t n]; None for texts and lists of several lengths."""
    whole = column.combine_chunks()
    rows, nested = len(whole), False
    while pa.types.is_list(whole.type) or pa.types.is_fixed_size_list(whole.type):
        whole, nested = whole.flatten(), True
    if not _is_number(whole.type) or (nested and (rows == 0 or len(whole) % rows)):
        return None
    values = np.asarray(whole.to_numpy(zero_copy_only=False))
    return values.reshape(rows, -1) if nested else values


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def merged(parts: Iterable[Statistics]) -> Statistics:
    """Merge statistics of episodes: exact for all but quantiles, which are weighted means."""
    found = list(parts)
    counts = np.array([float(p["count"][0]) for p in found])
    weights = counts / counts.sum()

    def weighted(values: Sequence[Array]) -> Array:
        return np.asarray(sum(w * v for w, v in zip(weights, values)))

    mean = weighted([p["mean"] for p in found])
    square = weighted([p["std"] ** 2 + p["mean"] ** 2 for p in found])
    out = {
        "min": np.minimum.reduce([p["min"] for p in found]),
        "max": np.maximum.reduce([p["max"] for p in found]),
        "mean": mean,
        "std": np.sqrt(np.maximum(square - mean**2, 0)),
        "count": np.array([int(counts.sum())]),
    }
    return out | {name: weighted([p[name] for p in found]) for name in QUANTILES}


def merged_features(episodes: Sequence[Mapping[str, Statistics]]) -> dict[str, Statistics]:
    """Merge the statistics of every feature over the episodes that have it."""
    names = {name: None for found in episodes for name in found}
    return {name: merged(found[name] for found in episodes if name in found) for name in names}


def as_json(found: Mapping[str, Statistics]) -> dict[str, Any]:
    """Return statistics as lists, integers where counts are."""
    return {
        feature: {name: value.tolist() for name, value in each.items()}
        for feature, each in found.items()
    }


def as_text(found: Mapping[str, Statistics]) -> str:
    """Return statistics as LeRobot writes them: what is no number is NaN, as Python's JSON has it.

    Rows with NaN are handed back as they came, and so are their statistics.
    """
    return json.dumps(as_json(found), indent=2, sort_keys=True) + "\n"
