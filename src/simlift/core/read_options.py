"""Hold what a user states of a clip whose files do not say it."""

from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

from simlift.core.errors import RecipeError


@dataclass(frozen=True)
class ReadOptions:
    """What files leave open: the `camera` of a rig, `fps`, `fov` in degrees across, CARLA's `tags`.

    `near` and `far` are the distances in metres between which a depth picture was coded.
    `tags` is "pre0.9.14" or "0.9.14", the release whose numbers of semantic tags the images hold.
    `episode` is the name or number of one episode of a dataset. `robot` is the file that describes
    a robot, its joints in the rows, its cameras (`simlift.robots.description`).
    `trust` takes the clip although its layers contradict each other.
    """

    camera: str | None = None
    fps: Fraction | None = None
    fov: float | None = None
    tags: str | None = None
    trust: bool = False
    near: float | None = None
    far: float | None = None
    episode: str | None = None
    robot: Path | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and self.fps <= 0:
            raise RecipeError("--fps", f"found {self.fps}", allowed="a rate above 0")
        if self.fov is not None and not 1 <= self.fov < 179:
            raise RecipeError(
                "--fov", f"found {self.fov:g}", allowed="degrees across the picture, 1 to 179"
            )
        for name, metres in (("--near", self.near), ("--far", self.far)):
            if metres is not None and not 0 < metres < float("inf"):
                raise RecipeError(name, f"found {metres:g}", allowed="metres above 0")
        if (self.near is None) != (self.far is None):
            given, missing = ("--near", "--far") if self.far is None else ("--far", "--near")
            raise RecipeError(
                missing, f"is not stated, {given} is", allowed="both distances, or neither"
            )
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise RecipeError(
                "--near, --far", f"found {self.near:g}, {self.far:g}", allowed="near < far"
            )
        if self.tags not in (None, "pre0.9.14", "0.9.14"):
            raise RecipeError("--tags", f"found {self.tags!r}", allowed="pre0.9.14 or 0.9.14")

    @property
    def stated(self) -> frozenset[str]:
        """The names of the options about files that the user stated."""
        stated = (f.name for f in fields(self) if getattr(self, f.name) is not None)
        return frozenset(stated) - {"trust"}
