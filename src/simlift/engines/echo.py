"""Return the render unchanged: the baseline of every metric and a test double."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.protocols import Stage, WindowSize
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window


@dataclass(frozen=True)
class Echo:
    """Return the render unchanged."""

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(frames=16)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Run on every clip."""
        del clip
        return (Stage("echo", True, "the render, unchanged"),)

    @contextmanager
    def open(self, device: str) -> Iterator["EchoEngine"]:
        """Open nothing."""
        del device
        yield EchoEngine()


class EchoEngine:
    """The opened echo."""

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the window's own frames."""
        del sample, previous, seed
        return window.rgb
