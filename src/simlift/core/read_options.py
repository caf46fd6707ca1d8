"""Hold what a user states of a clip whose files do not say it."""

from dataclasses import dataclass, fields
from fractions import Fraction

from simlift.core.errors import RecipeError


@dataclass(frozen=True)
class ReadOptions:
    """What files leave open: the `camera` of a rig, `fps`, `fov` in degrees across, CARLA's `tags`.

    `tags` is "pre0.9.14" or "0.9.14", the release whose numbers of semantic tags the images hold.
    `trust` takes the clip although its layers contradict each other.
    """

    camera: str | None = None
    fps: Fraction | None = None
    fov: float | None = None
    tags: str | None = None
    trust: bool = False

    def __post_init__(self) -> None:
        if self.fps is not None and self.fps <= 0:
            raise RecipeError("--fps", f"found {self.fps}", allowed="a rate above 0")
        if self.fov is not None and not 1 <= self.fov < 179:
            raise RecipeError(
                "--fov", f"found {self.fov:g}", allowed="degrees across the picture, 1 to 179"
            )
        if self.tags not in (None, "pre0.9.14", "0.9.14"):
            raise RecipeError("--tags", f"found {self.tags!r}", allowed="pre0.9.14 or 0.9.14")

    @property
    def stated(self) -> frozenset[str]:
        """The names of the options about files that the user stated."""
        stated = (f.name for f in fields(self) if getattr(self, f.name) is not None)
        return frozenset(stated) - {"trust"}
