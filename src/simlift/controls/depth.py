"""A window's depth -> gray frames: near is white, far and sky are black."""

from dataclasses import dataclass

import numpy as np

from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.window import Frames, Survey, Window


@dataclass(frozen=True)
class DepthControl:
    """Inverse depth between two fixed distances: `near` metres is white, `far` and sky are black.

    The scale is a setting, never measured on a window, so that it cannot flicker between windows;
    `fitted` measures it once on a clip's survey. The default spans a table and a street alike.
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
    def fitted(cls, survey: Survey) -> "DepthControl":
        """Return the control whose range holds the middle 96 % of a clip's finite depth."""
        depth = survey.window[Layer.DEPTH]
        seen = depth[np.isfinite(depth) & (depth > 0)]
        if not survey.window.metric_depth or not len(seen):
            return cls()
        near, far = np.percentile(seen, [2, 98])
        return cls(float(near), max(float(far), float(near) * 1.01))

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.DEPTH})

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3]."""
        depth = window[Layer.DEPTH]
        if window.metric_depth:
            inverse = 1 / np.maximum(depth, np.float32(1e-6))
            share = (inverse - 1 / self.far) / (1 / self.near - 1 / self.far)
        else:
            share = np.where(np.isfinite(depth), 1 - depth, 0)
        codes = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
        return np.repeat(codes[..., None], 3, axis=-1)
