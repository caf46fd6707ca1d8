"""Describe the drive scene: an episode of a camera that drives down a street."""

from dataclasses import dataclass

from simlift.simulators.recording import Recording


@dataclass(frozen=True)
class Drive:
    """A street with houses, trees, parked cars, traffic and people; the seed builds it anew."""

    height: int = 360
    width: int = 640
    fps: int = 24
    num_frames: int = 48

    def simulate(self, seed: int) -> Recording:
        """Build the street and move everything along it."""
        from simlift.simulators.drive._task import simulate_drive

        return simulate_drive(
            height=self.height,
            width=self.width,
            fps=self.fps,
            num_frames=self.num_frames,
            seed=seed,
        )
