"""Define what the keyframed engine needs of its two models and of its settings."""

from typing import Protocol

import numpy as np
from jaxtyping import Bool, UInt8

from simlift.core.window import Frames
from simlift.engines.keyframed.settings import AnchorGate, ControlName, Drawing, Propagation, Where

Image = UInt8[np.ndarray, "h w 3"]


class Editor(Protocol):
    """Edits one image."""

    def edit(self, image: Image, seed: int) -> Image:
        """Return the edited image, of the same size."""
        ...


class Propagator(Protocol):
    """Generates frames between those that are kept."""

    def propagate(
        self, video: Frames, generate: Bool[np.ndarray, "t"], prompt: str, seed: int
    ) -> Frames:
        """Return a frame for each of `video`, which holds an anchor where `generate` is False."""
        ...


class LiftSettings(Protocol):
    """What lifting a window reads of the settings; Keyframed describes each."""

    @property
    def prompt(self) -> str: ...
    @property
    def anchors(self) -> Where | int: ...
    @property
    def control(self) -> ControlName: ...
    @property
    def attempts(self) -> int: ...
    @property
    def propagation(self) -> Propagation: ...
    @property
    def drawing(self) -> Drawing: ...
    @property
    def alignment(self) -> AnchorGate: ...
