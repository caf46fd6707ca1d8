"""Define how a reference video conditions a video transformer in context."""

from dataclasses import dataclass
from typing import Literal

from simlift.core.errors import RecipeError


@dataclass(frozen=True)
class InContext:
    """The in-context condition: clean reference tokens and noisy target tokens in one sequence.

    positions: "shared" gives a reference token the place of its target token; "offset" puts the
        reference behind the target in time, as a stock forward of both joined along time does.
    attention: "full" lets both streams see each other (RealMaster); with "self" the reference
        sees itself alone, so that its keys and values do not depend on the noise level and are
        computed once for all steps and both guidance branches, exactly.
    timestep: noise level on which the network is conditioned for the reference, as 1000 s.
    downscale: how many times smaller the reference is in each direction; its positions are spread
        over the target's.
    """

    positions: Literal["shared", "offset"] = "shared"
    attention: Literal["full", "self"] = "full"
    timestep: float = 0.0
    downscale: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.timestep <= 1000:
            raise RecipeError(
                "incontext.timestep", f"found {self.timestep}", allowed="0 to 1000; 0 is clean"
            )
        if self.downscale < 1:
            raise RecipeError("incontext.downscale", f"found {self.downscale}", allowed="1 or more")
