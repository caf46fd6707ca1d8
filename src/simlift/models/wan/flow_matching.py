"""Rectified flow in numbers: noise levels, their shift, and which expert answers for which.

A sample at level s is x_s = (1 - s) x_0 + s eps; a network predicts the velocity eps - x_0 (Lipman
et al., "Flow matching for generative modeling", ICLR 2023; Liu et al., "Flow straight and fast",
ICLR 2023). A shift S moves uniform levels u towards noise: s = S u / (1 + (S - 1) u) (Esser et al.,
"Scaling rectified flow transformers", ICML 2024, eq. 23).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

Expert: TypeAlias = Literal["high", "low", "single"]
TIMESTEPS = 1000  # a network is conditioned on the level s as the number 1000 s


def shifted(u: Float[np.ndarray, "*n"] | float, shift: float) -> Float[np.ndarray, "*n"]:
    """Return the levels s of uniform levels u in [0, 1]."""
    u = np.asarray(u, dtype=np.float64)
    return np.asarray(shift * u / (1 + (shift - 1) * u))


def unshifted(s: Float[np.ndarray, "*n"] | float, shift: float) -> Float[np.ndarray, "*n"]:
    """Return the uniform levels u whose shifted levels are s."""
    s = np.asarray(s, dtype=np.float64)
    return np.asarray(s / (shift - (shift - 1) * s))


def schedule(steps: int, shift: float) -> Float[np.ndarray, "levels"]:
    """Return the levels that Euler's method visits, from 1 down to 0."""
    return shifted(np.linspace(1.0, 0.0, steps + 1), shift)


@dataclass(frozen=True)
class Experts:
    """How the noise levels are shared: `boundary` is None for a single network.

    The high-noise expert answers for s >= boundary, the low-noise expert below it (Wan2.2).
    """

    boundary: float | None = None

    @property
    def names(self) -> tuple[Expert, ...]:
        """The experts, in the order in which sampling meets them."""
        return ("single",) if self.boundary is None else ("high", "low")

    def of(self, level: float) -> Expert:
        """Return which expert answers for a level."""
        if self.boundary is None:
            return "single"
        return "high" if level >= self.boundary else "low"

    def interval(self, expert: Expert, shift: float) -> tuple[float, float]:
        """Return the uniform levels [low, high] of an expert under a shift.

        Drawing u uniformly inside and shifting it keeps the shape that the shift gives to the
        whole, cut at the boundary, without rejecting draws.
        """
        if self.boundary is None:
            return 0.0, 1.0
        edge = float(unshifted(self.boundary, shift))
        return (edge, 1.0) if expert == "high" else (0.0, edge)


def stratified(count: int, offset: float) -> Float[np.ndarray, "n"]:
    """Return `count` values in [0, 1), one in each of `count` equal strata.

    `offset` in [0, 1) is a random number; every value alone is uniform where the offset is.
    """
    return (np.arange(count) + offset) / count
