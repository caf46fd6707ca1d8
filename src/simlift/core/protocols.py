"""Define the protocols of engines, controls and metrics. Specs are frozen; `open` loads.

Nothing is registered: any frozen dataclass with these methods plugs in (`--engine module:Class`).
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.score import Score
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window


@dataclass(frozen=True)
class WindowSize:
    """How an engine walks through a clip: frames of a window, and how many of them overlap.

    `overlap` frames at the start of a window are those that ended the one before; the engine
    receives what it made of them as `previous` and returns only the frames after them.
    """

    frames: int = 8
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.frames < 1 or not 0 <= self.overlap < self.frames:
            raise ValueError(
                f"a span of {self.frames} frames with {self.overlap} of overlap never advances"
            )


class Engine(Protocol):
    """Makes frames from a window."""

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the lifted frames [t h w 3] of the window, less the overlap in `previous`."""
        ...


@dataclass(frozen=True)
class Stage:
    """One stage of an engine on one clip: whether it runs, and why or why not.

    It is `lost` where it was asked for and is left out because the clip lacks what it needs.
    """

    name: str
    on: bool
    reason: str
    lost: bool = False


@dataclass(frozen=True)
class Cost:
    """What an engine needs for a clip, counted from the shapes of its network.

    tokens: of one forward. forwards: over the whole clip. operations: of all forwards, on each of
    the devices that share them, a multiply-add being two. memory_bytes: on a device, at most.
    """

    tokens: int
    forwards: int
    operations: float
    memory_bytes: int


class EngineSpec(Protocol):
    """The frozen value that opens an engine."""

    def needs(self) -> frozenset[Layer]:
        """Layers without which the engine cannot run; checked when the run is planned."""
        ...

    def uses(self) -> frozenset[Layer]:
        """Layers that the engine uses where they are there."""
        ...

    def window_size(self) -> WindowSize:
        """How the engine walks through a clip."""
        ...

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say what will run on this clip; raise InputError if the clip cannot be lifted."""
        ...

    def open(self, device: str) -> AbstractContextManager[Engine]:
        """Load weights and files; leaving the context frees the memory."""
        ...


@runtime_checkable
class Counted(Protocol):
    """A spec that can count what a clip costs; others are measured on two frames."""

    def cost(self, clip: Clip) -> Cost: ...


@runtime_checkable
class Unmeasured(Protocol):
    """A spec of which two frames cost as much as a window: a plan tells in words what a clip costs.

    Nothing is lifted to measure it.
    """

    def effort(self, clip: Clip) -> str: ...


@runtime_checkable
class Attesting(Protocol):
    """An opened engine that measures, while it lifts, what the provenance of a take shall tell."""

    def attest(self, seed: int) -> tuple[str, ...]:
        """Return what was measured of the take of this seed, in words; the same in equal runs."""
        ...


@runtime_checkable
class Drawn(Protocol):
    """A spec that stands for many: each episode, or clip, is lifted by the one drawn for it."""

    def drawn(self, seed: int) -> EngineSpec:
        """Return the spec of an episode whose seed this is."""
        ...


class Control(Protocol):
    """A condition video that says what must stay true."""

    def needs(self) -> frozenset[Layer]:
        """Layers that it reads; none where it takes whichever there are."""
        ...

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3], of the window's exact length.

        They have the window's size, unless the control is asked for another.
        """
        ...


class Metric(Protocol):
    """Evidence about frames that were made from a window."""

    def needs(self) -> frozenset[Layer]: ...

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return scores of these frames; consecutive windows share one frame."""
        ...
