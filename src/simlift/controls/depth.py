"""Draw the depth control: gray inverse depth, near is white, far and sky are black."""

from dataclasses import dataclass

from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Frames, Window
from simlift.pixels.geometry.depth_codes import depth_codes, depth_range


@dataclass(frozen=True)
class DepthControl:
    """Inverse depth between two fixed distances: `near` metres is white, `far` and sky are black.

    The scale is a setting, never measured on a window, so that it cannot flicker between windows;
    `fitted` measures it once on a clip's sample. The default spans a table and a street alike.
    Relative depth, an inverse depth of unknown range, is inverted as it is.
    """

    near: float = 0.5
    far: float = 100.0

    def __post_init__(self) -> None:
        if not 0 < self.near < self.far:
            raise RecipeError(
                "depth control", f"near {self.near} m, far {self.far} m", allowed="0 < near < far"
            )

    @classmethod
    def fitted(cls, sample: ClipSample) -> "DepthControl":
        """Return the control whose range holds the middle 96 % of a clip's finite depth."""
        if not sample.window.metric_depth:
            return cls()
        return cls(*depth_range(sample.window[Layer.DEPTH], (cls.near, cls.far)))

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.DEPTH})

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3]."""
        metres = (self.near, self.far) if window.metric_depth else None
        return depth_codes(window[Layer.DEPTH], metres)
