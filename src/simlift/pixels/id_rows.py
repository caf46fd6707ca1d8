"""Find ids in a list of known ones, with memory that does not grow with the ids themselves."""

import numpy as np
from jaxtyping import Int, Integer

_SHORT = 2**16  # below it a table is small, and much faster than a search


def rows_of(
    ids: Integer[np.ndarray, "*shape"], known: Integer[np.ndarray, "n"]
) -> Int[np.ndarray, "*shape"]:
    """Return where in `known` each id stands, or -1; ids may be as large as their type."""
    if known.size == 0 or ids.size == 0:
        return np.full(ids.shape, -1)
    least = min(int(ids.min()), int(known.min()))
    most = max(int(ids.max()), int(known.max()))
    if least >= 0 and most < _SHORT:
        table = np.full(most + 1, -1)
        table[known] = np.arange(len(known))
        return table[ids]
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], ids), len(known) - 1)
    found = order[place]
    return np.where(known[found] == ids, found, -1)
