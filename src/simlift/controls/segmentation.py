"""A window's ids -> flat colours: the same id has the same colour in every clip; 0 is black."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from simlift.core.layers import Layer
from simlift.core.window import Frames, Window


@dataclass(frozen=True)
class Segmentation:
    """One flat colour for each id, by the colour map of PASCAL VOC; id 0 is black.

    The map spreads the bits of the id over the high bits of red, green and blue: it needs no
    table, neighbouring ids look unlike, and no two ids below 2^24 share a colour.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.SEGMENTATION})

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3]."""
        ids = window[Layer.SEGMENTATION]
        known, where = np.unique(ids, return_inverse=True)
        return np.asarray(colours(known)[where.reshape(ids.shape)])


def colours(ids: Int[np.ndarray, "n"]) -> UInt8[np.ndarray, "n 3"]:
    """Return the colour of each id (VOC development kit, `VOClabelcolormap`)."""
    bits = ids.astype(np.int64)[:, None] >> np.arange(3)[None]
    out = np.zeros((len(ids), 3), dtype=np.int64)
    for k in range(8):
        out |= ((bits >> (3 * k)) & 1) << (7 - k)
    return out.astype(np.uint8)
