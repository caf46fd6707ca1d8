"""Convert a model's inverse depth to stored depth by one map for all frames.

One map for the whole clip cannot flicker, and keeps planes planes: both sides are linear in inverse
depth.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_CODES = 65534  # the largest code of 16 bits that does not mean sky
_TAIL = 0.5  # percent of the values at each end that do not decide near and far


@dataclass(frozen=True)
class Scale:
    """1 / depth = slope * inverse + offset, no farther than `far` metres.

    Without `far` depth is relative: 1 - (slope * inverse + offset), 0 near and 1 far.
    """

    slope: float
    offset: float
    far: float | None

    @property
    def unit(self) -> float:
        """What one step of the 16-bit codes stands for: the finest that reaches `far`."""
        return 1 / (_CODES + 1) if self.far is None else self.far / _CODES

    @property
    def sky(self) -> float:
        """The depth of the sky; relative depth knows no infinity."""
        return np.inf if self.far is not None else _CODES * self.unit

    def __call__(self, inverse: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
        """Return depth in metres, or relative depth."""
        value = inverse * np.float32(self.slope) + np.float32(self.offset)
        if self.far is None:
            return np.clip(1 - value, 0, np.float32(self.sky))
        # Rounding down keeps the farthest depth within the codes.
        return np.minimum(1 / np.maximum(value, np.float32(1 / self.far)), np.float32(self.far))


def inverse_depth_range(samples: Iterable[Float[np.ndarray, "n"]]) -> tuple[float, float]:
    """Return robust bounds of inverse depth over a clip: farthest, nearest."""
    values = np.concatenate([*samples, np.zeros(0, np.float32)])
    if not len(values):  # the clip shows nothing but sky
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, [_TAIL, 100 - _TAIL]))
    return low, max(high, low + 1e-6 * max(abs(low), 1e-3))


def metric_scale(low: float) -> Scale:
    """Return the map of a model that gives 1/metres, where `low` is the farthest."""
    return Scale(1.0, 0.0, 1 / max(low, 1e-4))


def near_far_scale(low: float, high: float, near: float, far: float) -> Scale:
    """Return the map that takes inverse depth `low` to `far` metres and `high` to `near`.

    What lies nearer than the bounds goes on in the same way.
    """
    slope = (1 / near - 1 / far) / (high - low)
    return Scale(slope, 1 / far - slope * low, far)


def relative(low: float, high: float) -> Scale:
    """Return the map to relative depth: 0 at `high`, 1 at `low`."""
    return Scale(1 / (high - low), -low / (high - low), None)
