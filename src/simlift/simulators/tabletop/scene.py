"""Describe the tabletop scene: a robot arm picks up a lemon and drops it into a bowl."""

from collections.abc import Sequence
from dataclasses import dataclass

from simlift.core.errors import RecipeError
from simlift.simulators.recording import Recording

CAMERAS = ("front", "side", "wrist")
TASK = "pick up the lemon and put it into the bowl"
SHORTEST = 2.5  # seconds; the arm's motors cannot do it faster


@dataclass(frozen=True)
class Tabletop:
    """A Franka Panda at a table in a furnished room; the seed moves things and colours."""

    height: int = 360
    width: int = 640
    fps: int = 24
    num_frames: int = 72

    def __post_init__(self) -> None:
        if self.num_frames < SHORTEST * self.fps:
            raise RecipeError(
                "tabletop",
                f"{self.num_frames} frames at {self.fps} fps are "
                f"{self.num_frames / self.fps:.2f} s",
                allowed=f"{SHORTEST} s or more, so that the lemon is lifted, dropped and at rest",
                way_out=f"num_frames={round(3 * self.fps)}",
            )

    def simulate(self, seed: int) -> Recording:
        """Run the episode; SimliftError if the lemon does not end in the bowl."""
        return self.views(seed, CAMERAS[:1])[CAMERAS[0]]

    def views(self, seed: int, cameras: Sequence[str]) -> dict[str, Recording]:
        """Run the episode once, and return what each of some cameras sees of it."""
        if unknown := sorted(set(cameras) - set(CAMERAS)):
            raise RecipeError(
                "--cameras", f"the tabletop has no {unknown[0]!r}", allowed=", ".join(CAMERAS)
            )
        from simlift.simulators.tabletop._task import simulate_tabletop

        recordings, _ = simulate_tabletop(
            height=self.height,
            width=self.width,
            fps=self.fps,
            num_frames=self.num_frames,
            seed=seed,
            cameras=cameras,
        )
        return recordings
