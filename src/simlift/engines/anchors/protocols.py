"""Define what makes the photoreal first frame (anchor) from which a model goes on."""

from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import UInt8

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors.scenes import Scene

Image = UInt8[np.ndarray, "h w 3"]


class OpenAnchorMaker(Protocol):
    """An opened maker of first frames."""

    def make(self, window: Window, *, sample: ClipSample, scene: Scene, seed: int) -> Image:
        """Return a photoreal first frame of a window: one picture, of the window's size.

        `scene` says what a maker that repaints may show; the same arguments give the same picture.
        """
        ...


class AnchorMaker(Protocol):
    """The frozen value that opens a maker of first frames."""

    # Whether it can show another place than the render does; one that cannot is not described so.
    repaints: ClassVar[bool]

    def needs(self) -> frozenset[Layer]:
        """Layers without which it cannot run."""
        ...

    def uses(self) -> frozenset[Layer]:
        """Layers that it uses where they are there."""
        ...

    def check(self, clip: Clip) -> str:
        """Say in words what will run on this clip; InputError if it cannot."""
        ...

    def open(self, device: str) -> AbstractContextManager[OpenAnchorMaker]:
        """Load weights and files; leaving the context frees the memory."""
        ...
