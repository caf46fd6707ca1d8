"""Replace numbers that a layer cannot hold by its word for "nothing known here", and count them.

    depth in metres   NaN, 0, negative, beyond 1,000 km              +inf, as where nothing was hit
    relative depth    NaN, negative                                  1, the farthest
    normals           NaN, infinite, of no length                    (0, 0, -1), facing the camera
    flow              NaN, infinite, beyond 100,000 pixels           NaN: no evidence of motion

One odd pixel so costs itself, never a frame; a frame that holds nothing else is refused. Depth
beyond 1,000 km is what some renderers write for the sky, so a frame may well hold nothing else.
"""

import numpy as np
from jaxtyping import Bool, Float

from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer

_NEAREST, _FARTHEST = np.float32(1e-6), np.float32(1e6)  # metres of anything that a camera sees
_LONGEST = np.float32(1e5)  # pixels
_SHORTEST, _STRETCHED = np.float32(0.5), np.float32(2)  # squared length of a unit vector, with room
_ALLOWED = {
    Layer.DEPTH: "metres above 0, or +inf where nothing was hit",
    Layer.NORMALS: "unit vectors, or (0, 0, 0) where nothing was hit",
}


def replace_bad(
    layer: Layer, array: Array, *, metric: bool
) -> tuple[Array, Bool[np.ndarray, "t h w"] | None]:
    """Return a layer's frames without numbers that it cannot hold, and where they were.

    None stands for nowhere; the array is then the one that was given. `metric` says whether depth
    is in metres.
    """
    if layer is Layer.DEPTH:
        return _depth(array) if metric else _relative(array)
    if layer is Layer.NORMALS:
        return _normals(array)
    if layer is Layer.FLOW:
        return _flow(array)
    return array, None


def check_frames(
    where: object, layer: Layer, indices: Array, array: Array, bad: Bool[np.ndarray, "t h w"]
) -> None:
    """Raise ClipError for a frame of an `array`, as it was read, of which nothing can be used.

    Flow may be unknown everywhere.
    """
    lost = bad.all((1, 2))
    if layer is Layer.DEPTH:
        lost &= ~(array > _FARTHEST).any((1, 2))
    if layer in _ALLOWED and lost.any():
        raise ClipError(
            where,
            f"{layer.value} of frame {int(indices[lost.argmax()])}: no pixel holds a number that "
            f"can be {layer.value}: all are NaN, infinite, 0 or negative",
            allowed=_ALLOWED[layer],
            way_out=f"record {layer.value} again, or remove the layer from the clip",
        )


def _depth(depth: Float[np.ndarray, "t h w"]) -> tuple[Array, Bool[np.ndarray, "t h w"] | None]:
    # The least is NaN where any number is: a clean array costs these two passes.
    if depth.min() >= _NEAREST and (depth.max() <= _FARTHEST or not _far(depth).any()):
        return depth, None
    bad = ~(depth >= _NEAREST) | _far(depth)
    return np.where(bad, np.float32(np.inf), depth), bad


def _far(depth: Float[np.ndarray, "t h w"]) -> Bool[np.ndarray, "t h w"]:
    return (depth > _FARTHEST) & (depth < np.inf)


def _relative(depth: Float[np.ndarray, "t h w"]) -> tuple[Array, Bool[np.ndarray, "t h w"] | None]:
    if depth.min() >= 0:
        return depth, None
    bad = ~(depth >= 0)
    return np.where(bad, np.float32(1), depth), bad


def _normals(vectors: Float[np.ndarray, "t h w 3"]) -> tuple[Array, Array | None]:
    with np.errstate(all="ignore"):
        length = np.einsum("thwc,thwc->thw", vectors, vectors)
    if length.min() >= _SHORTEST and length.max() <= _STRETCHED:
        return vectors, None
    bad = ~((length >= _SHORTEST) & (length <= _STRETCHED))
    towards = np.array([0, 0, -1], np.float32)
    return np.where(bad[..., None], towards, vectors), bad


def _flow(flow: Float[np.ndarray, "t h w 2"]) -> tuple[Array, Array | None]:
    if flow.min() >= -_LONGEST and flow.max() <= _LONGEST:
        return flow, None
    bad = ~(np.abs(flow) <= _LONGEST).all(-1)
    return np.where(bad[..., None], np.float32(np.nan), flow), bad
