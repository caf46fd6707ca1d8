"""Define a score: per-frame sums that merge across windows, workers and machines."""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


class Direction(enum.StrEnum):
    """Which way a score is better; NEUTRAL scores describe and never judge."""

    HIGHER = "higher"
    LOWER = "lower"
    NEUTRAL = "neutral"


class Reduction(enum.StrEnum):
    """How the frames of a clip become one number."""

    RATIO = "ratio"  # sum of numerators over sum of denominators (micro average)
    SPREAD = "spread"  # mean distance of per-frame vectors from their mean
    JOIN = "join"  # mean over the frames that begin a window over the median of all others
    MEDIAN = "median"  # of the frames' numbers
    WORST = "worst"  # the largest of the frames' numbers
    DECIBELS = "decibels"  # of 1 over RATIO, at most 100: no error at all has no logarithm


_LEAST_ERROR = 1e-10  # 100 dB


@dataclass(frozen=True)
class Score:
    """One metric of some frames.

    `numerators` and `denominators` have one entry for each of `frames` (indices into the clip).
    A frame without evidence has the denominator 0. With SPREAD the numerator is a vector; with
    JOIN it is (x, 0) within a window and (0, x) where a window begins, x > 0.
    """

    name: str
    direction: Direction
    frames: tuple[int, ...]
    numerators: tuple[tuple[float, ...], ...]
    denominators: tuple[float, ...]
    reduction: Reduction = Reduction.RATIO
    unit: str = ""

    def __post_init__(self) -> None:
        if not len(self.frames) == len(self.numerators) == len(self.denominators):
            raise ValueError(f"{self.name}: frames, numerators and denominators differ in length")

    def merge(self, other: "Score") -> "Score":
        """Join the evidence of two sets of frames; a frame that both hold counts once."""
        if (self.name, self.reduction) != (other.name, other.reduction):
            raise ValueError(f"cannot merge {self.name} with {other.name}")
        rows = dict(zip(self.frames, zip(self.numerators, self.denominators, strict=True)))
        rows |= dict(zip(other.frames, zip(other.numerators, other.denominators, strict=True)))
        frames = tuple(sorted(rows))
        return Score(
            self.name,
            self.direction,
            frames,
            tuple(rows[f][0] for f in frames),
            tuple(rows[f][1] for f in frames),
            self.reduction,
            self.unit,
        )

    def value(self) -> float:
        """Return the score of all frames together; NaN where no frame gave evidence."""
        numerators = np.asarray(self.numerators, dtype=np.float64)
        denominators = np.asarray(self.denominators, dtype=np.float64)
        if denominators.sum() == 0:
            return float("nan")
        if self.reduction is Reduction.SPREAD:
            vectors = numerators[denominators > 0] / denominators[denominators > 0, None]
            return float(np.linalg.norm(vectors - vectors.mean(0), axis=1).mean())
        if self.reduction is Reduction.JOIN:
            within, joins = numerators[denominators > 0].T
            if not within.any() or not joins.any():
                return float("nan")
            return float(joins[joins > 0].mean() / np.median(within[within > 0]))
        if self.reduction in (Reduction.MEDIAN, Reduction.WORST):
            values = numerators[denominators > 0, 0] / denominators[denominators > 0]
            return float(np.median(values) if self.reduction is Reduction.MEDIAN else values.max())
        ratio = float(numerators.sum() / denominators.sum())
        return _decibels(ratio) if self.reduction is Reduction.DECIBELS else ratio

    def per_frame(self) -> list[float | None]:
        """Return one number for each of `frames`; None where a frame gave no evidence."""
        values: list[float | None] = []
        for numerator, denominator in zip(self.numerators, self.denominators, strict=True):
            size = float(np.linalg.norm(numerator)) if len(numerator) > 1 else numerator[0]
            value = size / denominator if denominator else None
            if value is not None and self.reduction is Reduction.DECIBELS:
                value = _decibels(value)
            values.append(value)
        return values


def _decibels(error: float) -> float:
    return -10 * math.log10(max(error, _LEAST_ERROR))


def frame_scores(
    name: str,
    direction: Direction,
    frames: Iterable[int],
    numerators: Iterable[float],
    denominators: Iterable[float] | None = None,
    unit: str = "",
) -> Score:
    """Build a RATIO score from one number for each frame (denominators default to 1)."""
    indices = tuple(int(f) for f in frames)
    tops = tuple((float(n),) for n in numerators)
    bottoms = (1.0,) * len(tops) if denominators is None else tuple(map(float, denominators))
    return Score(name, direction, indices, tops, bottoms, unit=unit)


def merge_all(scores: Iterable[Score]) -> dict[str, Score]:
    """Merge scores by name."""
    merged: dict[str, Score] = {}
    for score in scores:
        merged[score.name] = merged[score.name].merge(score) if score.name in merged else score
    return merged
