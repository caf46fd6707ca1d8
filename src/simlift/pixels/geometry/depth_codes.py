"""Encode depth as gray codes of a control video: near is white, far and sky are black."""

import numpy as np
from jaxtyping import Float, UInt8

Range = tuple[float, float]  # metres that are white and black


def depth_range(depth: Float[np.ndarray, "t h w"], default: Range) -> Range:
    """Compute the range that holds the middle 96 % of finite metric depth."""
    seen = depth[np.isfinite(depth) & (depth > 0)]
    if not len(seen):
        return default
    near, far = np.percentile(seen, [2, 98])
    return float(near), max(float(far), float(near) * 1.01)


def depth_codes(
    depth: Float[np.ndarray, "t h w"], metres: Range | None
) -> UInt8[np.ndarray, "t h w 3"]:
    """Encode inverse depth between two distances; relative depth (no `metres`) is inverted as it
    is.

    Relative depth is an inverse depth of unknown range, in which farther is larger.
    """
    if metres is not None:
        inverse = 1 / np.maximum(depth, np.float32(1e-6))
        share = (inverse - 1 / metres[1]) / (1 / metres[0] - 1 / metres[1])
    else:
        share = np.where(np.isfinite(depth), 1 - depth, 0)
    codes = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return np.repeat(codes[..., None], 3, axis=-1)
