"""Read the luma of a decoded video frame as it is stored."""

from typing import Any

import numpy as np

from simlift.core.layers import Array


def first_plane(frame: Any) -> Array:
    """Return the numbers [h w] of a frame's first plane."""
    plane = frame.planes[0]
    kind = np.dtype("<u2" if frame.format.components[0].bits > 8 else np.uint8)
    lines = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
    return np.array(lines[: frame.height, : frame.width])
