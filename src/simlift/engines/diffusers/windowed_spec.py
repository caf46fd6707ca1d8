"""Hold what every engine shares that reads the render alone and makes a clip window by window."""

from typing import ClassVar

from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import WindowSize
from simlift.engines.diffusers.licences import licence_of


class WindowedSpec:
    """Engine specs with `frames` and `overlap`, whose weights come under a licence."""

    name: ClassVar[str]  # of the engine
    frames: int
    overlap: int

    @classmethod
    def licence(cls) -> str:
        """Say under which terms the weights, or the frames that are sent away, come."""
        return licence_of(cls.name)

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(self.frames, self.overlap)

    def expect(self, setting: str, good: bool, allowed: str) -> None:
        """Raise RecipeError for a setting whose value is not allowed."""
        if not good:
            value = getattr(self, setting)
            found = " x ".join(map(str, value)) if isinstance(value, tuple) else value
            raise RecipeError(f"{self.name}.{setting}", f"found {found}", allowed=allowed)
