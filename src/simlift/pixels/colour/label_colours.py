"""Map ids to flat colours, by the colour map of PASCAL VOC (`VOClabelcolormap` of its kit)."""

import numpy as np
from jaxtyping import Integer, UInt8


def label_colours(ids: Integer[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Map each id to its colour; id 0 is black.

    The map spreads the bits of the id over the high bits of red, green and blue: it needs no
    table, neighbouring ids look unlike, and no two ids below 2^24 share a colour.
    """
    known, where = np.unique(ids, return_inverse=True)
    bits = known.astype(np.int64)[:, None] >> np.arange(3)[None]
    codes = np.zeros(bits.shape, dtype=np.int64)
    for k in range(8):
        codes |= ((bits >> (3 * k)) & 1) << (7 - k)
    return np.asarray(codes.astype(np.uint8)[where.reshape(ids.shape)])
