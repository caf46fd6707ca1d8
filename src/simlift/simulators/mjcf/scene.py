"""Describe a scene from an MJCF file of your own."""

from dataclasses import dataclass
from pathlib import Path

from simlift.simulators.recording import Recording


@dataclass(frozen=True)
class ModelScene:
    """A MuJoCo model, seen by one of its cameras and left to itself.

    It starts from its first keyframe and is held at that keyframe's controls, or at zero. A model
    without cameras is seen from where MuJoCo's own viewer would stand.
    """

    model: Path
    camera: str | None = None
    height: int = 360
    width: int = 640
    fps: int = 24
    num_frames: int = 48

    def simulate(self, seed: int) -> Recording:  # noqa: ARG002
        """Step the model; nothing in it is random, so the seed changes nothing."""
        from simlift.simulators.mjcf._model import simulate_model

        return simulate_model(
            Path(self.model),
            self.camera,
            height=self.height,
            width=self.width,
            fps=self.fps,
            num_frames=self.num_frames,
        )
