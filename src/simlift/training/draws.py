"""Draw a training step's random values: pairs, noise levels, dropped texts, clean starts.

Draws depend on (seed, step, place in the step) alone. So a resumed training draws what an unkilled
one does, and so do more processes with smaller shares of the same step.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from simlift.core.recipe import derive_seed
from simlift.models.wan.flow_matching import Expert, Experts, shifted, stratified
from simlift.training.recipe import TrainRecipe

_UNIFORM_SHARE = 0.1  # of logit-normal draws, so that both ends of the levels are visited


@dataclass(frozen=True)
class Draw:
    """One sample of a step.

    item: index of the training item. level: noise level s. noise: seed of its noise. dropped:
    whether the text is left out. prefix: clean latent frames at the target's start.
    """

    item: int
    level: float
    noise: int
    dropped: bool
    prefix: int


@dataclass(frozen=True)
class Draws:
    """All draws of a training on `num_items` items, `size` samples a step over all processes."""

    recipe: TrainRecipe
    experts: Experts
    num_items: int
    size: int

    def step(self, step: int, expert: Expert) -> tuple[Draw, ...]:
        """Return the samples of a step, in their order over processes and forwards."""
        rng = np.random.default_rng(derive_seed(self.recipe.seed, "draw", str(step)))
        places = np.arange(step * self.size, (step + 1) * self.size)
        items = [self._item(int(place)) for place in places]
        timestep_sampling = self._levels(rng, expert)
        return tuple(
            Draw(
                item=item,
                level=float(level),
                noise=derive_seed(self.recipe.seed, "noise", str(step), str(k)) % 2**63,
                dropped=bool(rng.random() < self.recipe.text_dropout),
                prefix=self._prefix(rng),
            )
            for k, (item, level) in enumerate(zip(items, timestep_sampling))
        )

    def _item(self, place: int) -> int:
        """Return the item at a place of the endless row of shuffled epochs."""
        epoch, at = divmod(place, self.num_items)
        rng = np.random.default_rng(derive_seed(self.recipe.seed, "epoch", str(epoch)))
        return int(rng.permutation(self.num_items)[at])

    def _levels(self, rng: np.random.Generator, expert: Expert) -> Float[np.ndarray, "n"]:
        """Draw one level for each sample, spread over the strata of the expert's interval."""
        low, high = self.experts.interval(expert, self.recipe.shift)
        strata = stratified(self.size, rng.random())
        rng.shuffle(strata)
        u = low + (high - low) * strata
        if self.recipe.timestep_sampling == "logit-normal":
            spread = rng.random(self.size) < _UNIFORM_SHARE
            u = np.where(spread, u, logit_normal(strata, low, high))
        return shifted(u, self.recipe.shift)

    def _prefix(self, rng: np.random.Generator) -> int:
        share = rng.random()
        longest = (self.recipe.prefix_frames - 1) // 4 + 1
        length = int(rng.integers(1, longest + 1))
        if share < self.recipe.prefix_share:
            return length
        return 1 if share < self.recipe.prefix_share + self.recipe.first_frame_share else 0


def logit_normal(shares: Float[np.ndarray, "n"], low: float, high: float) -> Float[np.ndarray, "n"]:
    """Return the quantiles of a standard logit-normal value that lies between low and high."""
    normal = NormalDist()

    def cumulative(u: float) -> float:
        return u if u in (0.0, 1.0) else normal.cdf(math.log(u / (1 - u)))

    first, last = cumulative(low), cumulative(high)
    inside = np.clip(first + (last - first) * shares, 1e-9, 1 - 1e-9)
    return np.array([1 / (1 + math.exp(-normal.inv_cdf(p))) for p in inside])


def evaluation_levels(
    count: int, experts: Experts, expert: Expert, shift: float
) -> Float[np.ndarray, "n"]:
    """Return those of `count` fixed levels that an expert answers for: midpoints of strata."""
    every = shifted(stratified(count, 0.5), shift)
    return np.array([s for s in every if experts.of(float(s)) == expert])
