"""Measure how a region of an image, such as a robot, moved in another: shift, likeness, edges.

`align` judges whole images; a robot that moved before a background that did not is nothing to it.
Here the region alone is searched for, by masked normalised cross-correlation of gradients. The mask
travels with the template, so that its own outline does not vote for a shift of zero.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from simlift.pixels.image.alignment import gradient
from simlift.pixels.image.edges import near_agreement, relative_canny

_LEAST_PIXELS = 64  # of a region, below which nothing can be said of it


@dataclass(frozen=True)
class RegionAlignment:
    """How a region of one image lies in another.

    edge_f1: of the region's edges, within 1 pixel. dx, dy: pixels by which its content moved, at
    most `reach` in each axis. likeness: the correlation found there, 1 for equal gradients.
    """

    edge_f1: float
    dx: float
    dy: float
    likeness: float

    @property
    def shift(self) -> float:
        """The length of the shift in pixels."""
        return float(np.hypot(self.dx, self.dy))


def align_region(
    one: UInt8[np.ndarray, "h w 3"],
    other: UInt8[np.ndarray, "h w 3"],
    region: Bool[np.ndarray, "h w"],
    reach: int = 16,
) -> RegionAlignment | None:
    """Measure where the region of `one` lies in `other`; None where it is too small or plain."""
    if np.count_nonzero(region) < _LEAST_PIXELS:
        return None
    here, there = (gradient(image).astype(np.float32) for image in (one, other))
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask = region[box].astype(np.float32)
    template = here[box]
    if float(template[region[box]].std()) < 1e-3:
        return None
    around = cv2.copyMakeBorder(there, *(reach,) * 4, cv2.BORDER_REPLICATE)
    around = around[box[0].start : box[0].stop + 2 * reach, box[1].start : box[1].stop + 2 * reach]
    found = cv2.matchTemplate(around, template, cv2.TM_CCOEFF_NORMED, mask=mask)
    # Where the other image is plain there is nothing to correlate with.
    found = np.nan_to_num(found, nan=-1.0, posinf=-1.0, neginf=-1.0).clip(-1, 1)
    y, x = np.unravel_index(int(found.argmax()), found.shape)
    shared, edges = near_agreement(relative_canny(one), relative_canny(other), region)
    return RegionAlignment(
        edge_f1=shared / edges,
        dx=float(x - reach + _fraction(found[y], int(x))),
        dy=float(y - reach + _fraction(found[:, x], int(y))),
        likeness=float(found[y, x]),
    )


def _fraction(line: Float[np.ndarray, "n"], at: int) -> float:
    """Return how far from a whole position the peak of a parabola through three values lies."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, peak, after = (float(value) for value in line[at - 1 : at + 2])
    bend = before - 2 * peak + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
