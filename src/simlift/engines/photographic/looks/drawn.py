"""Draw a look of its own for every episode of a dataset, so that no two share their light."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.protocols import Engine, EngineSpec, Stage, WindowSize
from simlift.core.recipe import Plugin
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.looks.named import sample_look
from simlift.engines.photographic.looks.prompt import apply_prompt


@dataclass(frozen=True)
class Changes:
    """What a user changes of every look: its light, what stands behind the scene, its colours."""

    environment: str | None = None
    backdrop: Path | None = None
    replaced: tuple[str, ...] = ()
    like: Path | None = None

    def of(self, look: Look) -> Look:
        """Return a look with the changes."""
        if self.environment is not None:
            look = replace(look, light=replace(look.light, environment=self.environment))
        if self.backdrop is not None:
            backdrop = replace(look.backdrop, kind="photos", photos=self.backdrop)
            look = replace(look, backdrop=backdrop)
        if self.replaced:
            look = replace(look, backdrop=replace(look.backdrop, classes=self.replaced))
        if self.like is not None:
            look = replace(look, grade=replace(look.grade, like=self.like))
        return look


@dataclass(frozen=True)
class DrawnLook:
    """The look numbered `index` of every episode, drawn by the episode's seed.

    `engine` is an engine of looks, whose own look is replaced by the drawn one. The looks of one
    episode walk through the environments, so that N variants show N of them.
    """

    engine: Plugin
    index: int
    prompt: str | None = None
    changes: Changes = Changes()

    def drawn(self, seed: int) -> EngineSpec:
        """Return the engine under the look of an episode."""
        spec = self.engine.load()
        look = sample_look(seed, self.index)
        if self.prompt is not None:
            look = apply_prompt(look, self.prompt)
        drawn: EngineSpec = replace(spec, look=self.changes.of(look))  # type: ignore[type-var]
        return drawn

    def needs(self) -> frozenset[Layer]:
        """As the engine of any look."""
        return self.drawn(0).needs()

    def uses(self) -> frozenset[Layer]:
        """As the engine of any look."""
        return self.drawn(0).uses() | {Layer.FLOW}

    def window_size(self) -> WindowSize:
        """As the engine of any look."""
        return self.drawn(0).window_size()

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """As the engine of any look."""
        return self.drawn(0).check(clip)

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Open the engine of one look; passes ask for the look of an episode by `drawn`."""
        with self.drawn(0).open(device) as engine:
            yield engine
