"""Make first frames by the photographic engine, under a look drawn for each seed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors.protocols import Image, OpenAnchorMaker
from simlift.engines.anchors.scenes import Scene
from simlift.engines.photographic import Photographic
from simlift.engines.photographic.looks.drawn import Changes
from simlift.engines.photographic.looks.named import look_named, sample_look
from simlift.engines.photographic.looks.prompt import apply_prompt


@dataclass(frozen=True)
class PhotographicAnchors:
    """Re-photograph the render's own first frame: every pixel stays where it is; CPU alone.

    look: a named look or a look's JSON file; null draws one for each seed.
    words: change the look, such as "night", in the vocabulary of --prompt.
    changes: environment, backdrop, replaced classes and photos whose colours are matched.
    """

    look: str | None = None
    words: str | None = None
    changes: Changes = field(default_factory=Changes)

    repaints: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.spec(0)

    def spec(self, seed: int) -> Photographic:
        """Return the engine under the look of a seed; a still picture is not blurred by motion."""
        look = sample_look(seed, 0) if self.look is None else look_named(self.look)
        if self.words is not None:
            look = apply_prompt(look, self.words)
        look = self.changes.of(look)
        return Photographic(replace(look, optics=replace(look.optics, shutter=0.0)), strict=False)

    def needs(self) -> frozenset[Layer]:
        return self.spec(0).needs()

    def uses(self) -> frozenset[Layer]:
        return self.spec(0).uses()

    def check(self, clip: Clip) -> str:
        """Say which look it is; ClipError for what the clip cannot carry."""
        self.spec(0).check(clip)
        return f"photographic, {self.look or 'a look drawn for each take'}"

    @contextmanager
    def open(self, device: str) -> Iterator[OpenAnchorMaker]:
        """Open nothing: the engine of a look is opened for its one frame."""
        yield _Photographer(self, device)


@dataclass(frozen=True)
class _Photographer:
    spec: PhotographicAnchors
    device: str

    def make(self, window: Window, *, sample: ClipSample, scene: Scene, seed: int) -> Image:
        """Return the first frame, photographed; it shows the render's own place."""
        del scene
        with self.spec.spec(seed).open(self.device) as engine:
            return engine.lift(window.frame(0), sample=sample, previous=None, seed=seed)[0]
