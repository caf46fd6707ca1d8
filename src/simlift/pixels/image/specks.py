"""Find lone pixels that do not belong to what is around them, and fill pixels from those around.

At least three quarters of the eight neighbours must be good: a hole of any size stays a hole.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float

_AROUND = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
_ENOUGH = 0.75  # of the neighbours that there are
_TIMES = np.float32(500)  # nearer or farther than every neighbour: no surface is that alone
_HUGE = np.float32(1e30)


def lone_depths(depth: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return the pixels that are 500 times as near, or as far, as all that is around them."""
    hit = np.isfinite(depth)
    nearest = cv2.erode(np.where(hit, depth, _HUGE), _RING, borderValue=float(_HUGE))
    farthest = cv2.dilate(np.where(hit, depth, np.float32(0)), _RING, borderValue=0.0)
    alone = (depth < nearest / _TIMES) | (depth / _TIMES > farthest)
    return np.asarray(hit & alone & (farthest > 0))


def fill_specks(
    image: np.ndarray, lost: Bool[np.ndarray, "h w"], good: Bool[np.ndarray, "h w"]
) -> np.ndarray:
    """Return an image [h w ...] whose `lost` pixels are those beside them, where most are `good`.

    A number becomes the median of its good neighbours, the lower one of two; a vector one of them.
    """
    rows, columns = np.nonzero(lost)
    if not len(rows):
        return image
    height, width = lost.shape
    y = rows[:, None] + np.array([step[0] for step in _AROUND])
    x = columns[:, None] + np.array([step[1] for step in _AROUND])
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    fine = inside & good[y, x]
    count = fine.sum(1)
    enough = (count >= _ENOUGH * inside.sum(1)) & (count > 0)
    if image.ndim == 2:
        order = np.argsort(np.where(fine, image[y, x].astype(np.float64), np.inf), axis=1)
        which = np.take_along_axis(order, np.maximum(count - 1, 0)[:, None] // 2, axis=1)[:, 0]
    else:
        which = fine.argmax(1)
    pixels = np.arange(len(rows))
    out = image.copy()
    out[rows[enough], columns[enough]] = image[y[pixels, which], x[pixels, which]][enough]
    return out
