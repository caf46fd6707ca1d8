"""Plug in an engine of your own: a frozen dataclass that opens into something with `lift`.

From the command line the same class is `--engine my_lab.engines:Sepia`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from simlift import Clip, ClipSample, Layer, Window, lift, open_clip
from simlift.core.protocols import Stage, WindowSize
from simlift.passes.demo import episode_path


@dataclass(frozen=True)
class Sepia:
    """Old photographs: gray, toned, and darker the further away things are."""

    fade: float = 0.15  # of the light, for each metre

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB, Layer.DEPTH})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(frames=8)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        return (Stage("sepia", True, f"fades by {self.fade:.0%} for each metre"),)

    @contextmanager
    def open(self, device: str) -> Iterator["Sepia"]:
        yield self  # an engine with weights would load them here, and free them after

    def lift(
        self, window: Window, *, sample: ClipSample, previous: np.ndarray | None, seed: int
    ) -> np.ndarray:
        gray = window.rgb.mean(-1) * (1 - self.fade) ** np.minimum(window[Layer.DEPTH], 20)
        toned = gray[..., None] * np.array([1.0, 0.86, 0.65])
        return toned.clip(0, 255).astype(np.uint8)


frames = lift(open_clip(episode_path("tabletop")), Sepia())
print(f"{len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}, mean {frames.mean():.1f}")
