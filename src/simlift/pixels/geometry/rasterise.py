"""Rasterise triangles into depth and ids with a z-buffer (Catmull, 1974).

Cameras are OpenCV's (x right, y down, z forward), pixel centres at +0.5, depth is z-depth. Corners
are snapped to a 256th of a pixel and edges are evaluated in whole numbers; a pixel centre on an
edge belongs to the triangle of which that is a top or left edge (Direct3D 11 functional
specification, 3.4.2). So of triangles that share an edge exactly one covers each pixel along it.
Depth is that of the triangle's plane along the pixel's ray. Both sides of a triangle are seen.
"""

import numpy as np
from jaxtyping import Float, Int

NEAR = 0.01  # metres
MOST_PIXELS = 2**14  # to a side, so that products of snapped places fit into 64 bits


def rasterise(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    face_ids: Int[np.ndarray, "f"],
    intrinsics: Float[np.ndarray, "3 3"],
    size: tuple[int, int],
    near: float = NEAR,
) -> tuple[Float[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """Return float32 depth, +inf where nothing is, and int32 ids, 0 there.

    `vertices` are in camera axes, in metres; `size` is (height, width). What is nearer than `near`
    metres is cut off. Of equal depths the first face is seen.
    """
    from simlift.pixels.geometry import _rasterise_kernels as kernels

    height, width = size
    if not 1 <= min(size) <= max(size) <= MOST_PIXELS:
        raise ValueError(f"size is {size}, not from 1 to {MOST_PIXELS} pixels")
    if not near > 0:
        raise ValueError(f"near is {near}, not above 0")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise ValueError(f"faces name vertices from {faces.min()} to {faces.max()}")
    if not np.isfinite(vertices).all():
        raise ValueError("vertices hold a value that is not finite")
    depth = np.full((height, width), np.inf, np.float32)
    ids = np.zeros((height, width), np.int32)
    k = np.asarray(intrinsics, np.float64)
    kernels.rasterise(
        np.ascontiguousarray(vertices, np.float64),
        np.ascontiguousarray(faces, np.int32),
        np.ascontiguousarray(face_ids, np.int32),
        (float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])),
        float(near),
        depth,
        ids,
    )
    return depth, ids
