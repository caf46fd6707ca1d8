"""Intervals of success rates, and of differences between arms that met the same episodes."""

import math

import numpy as np
from jaxtyping import Bool

Z95 = 1.959964
RESAMPLES = 4000


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a rate (Wilson 1927); trials are taken as independent."""
    rate, z2 = successes / trials, Z95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def bootstrap(outcomes: Bool[np.ndarray, "seeds trials"]) -> tuple[float, float]:
    """Return the 95 % percentile interval of a rate; seeds and trials are both drawn again."""
    return bootstrap_difference(outcomes, np.zeros_like(outcomes))


def bootstrap_difference(
    one: Bool[np.ndarray, "seeds trials"], other: Bool[np.ndarray, "seeds trials"]
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the difference of two rates, `one - other`.

    Training seeds and episodes are both drawn again, as both were drawn once; the episodes of both
    arms are the same ones, and so are drawn together.
    """
    rng = np.random.default_rng(0)
    means = []
    for _ in range(RESAMPLES):
        trials = rng.integers(one.shape[1], size=one.shape[1])
        first = one[rng.integers(len(one), size=len(one))][:, trials].mean()
        second = other[rng.integers(len(other), size=len(other))][:, trials].mean()
        means.append(first - second)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
