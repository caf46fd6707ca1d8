"""Measure the misalignment of two images: shared edges, shift in pixels, zoom.

Image editors move what they repaint by a few pixels and a percent of zoom, and change every colour.
So shifts are measured on gradients, by phase correlation: first of the whole image, then of tiles,
through whose shifts one shift and one zoom are laid.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.pixels.image.edges import near_agreement, relative_canny

_LEAST_RESPONSE = 0.03  # of a phase correlation's peak: below it a tile is not used
_LEAST_TEXTURE = 1.0  # mean gradient of a tile, in codes a pixel
_TILES = 6  # along the longer side
_LEAST_TILE = 24  # pixels: smaller tiles find no shift
_ROUNDS = 6  # of reweighting, to leave out tiles in which something else moved
_TRUSTED = 0.5  # pixels from the common motion at which a tile's weight is halved


@dataclass(frozen=True)
class Alignment:
    """How an image lies over another: `edge_f1` within 1 pixel, shift in pixels, relative zoom.

    Content at p of the first image is found at centre + (1 + zoom) * (p - centre) + (dx, dy) of
    the second. `tiles` counts the tiles used; without two of them zoom is unknown
    and given as 0, without one the shift is 0 too, and `edge_f1` alone judges.
    """

    edge_f1: float
    dx: float
    dy: float
    zoom: float
    tiles: int

    @property
    def shift(self) -> float:
        """The length of the shift in pixels."""
        return float(np.hypot(self.dx, self.dy))


def align(one: UInt8[np.ndarray, "h w 3"], other: UInt8[np.ndarray, "h w 3"]) -> Alignment:
    """Measure how `other` is shifted and zoomed against `one`: two images of the same size."""
    shared, edges = near_agreement(relative_canny(one), relative_canny(other))
    dx, dy, zoom, tiles = _motion(gradient(one), gradient(other))
    return Alignment(shared / edges, dx, dy, zoom, tiles)


def shift_between(
    one: UInt8[np.ndarray, "h w 3"], other: UInt8[np.ndarray, "h w 3"]
) -> tuple[float, float]:
    """Measure how far (dx, dy) the whole content moved from `one` to `other`, in pixels."""
    return _correlate(gradient(one), gradient(other))[:2]


def _motion(
    one: Float[np.ndarray, "h w"], other: Float[np.ndarray, "h w"]
) -> tuple[float, float, float, int]:
    """Return dx, dy, zoom and the number of tiles used."""
    height, width = one.shape
    found = []
    whole = _correlate(one, other)
    near = np.rint(whole[:2]).astype(int) if whole[2] >= _LEAST_RESPONSE else np.zeros(2, int)
    for y, x, size in _tiles(height, width, int(near[0]), int(near[1])):
        # The second tile is taken where the first has gone, so that its fraction is left to find.
        y2, x2 = y + int(near[1]), x + int(near[0])
        here, there = one[y : y + size, x : x + size], other[y2 : y2 + size, x2 : x2 + size]
        if here.mean() < _LEAST_TEXTURE or there.mean() < _LEAST_TEXTURE:
            continue
        dx, dy, response = _correlate(here, there)
        if response >= _LEAST_RESPONSE and max(abs(dx), abs(dy)) <= size / 4:
            centre = (x + size / 2 - width / 2, y + size / 2 - height / 2)
            found.append((*centre, dx + near[0], dy + near[1], response))
    if not found:
        return 0.0, 0.0, 0.0, 0
    return (*_fit(np.array(found)), len(found))


def _tiles(height: int, width: int, dx: int, dy: int) -> list[tuple[int, int, int]]:
    """Return (y, x, size) of half-overlapping square tiles that stay inside when moved."""
    size = min(max(max(height, width) // _TILES, _LEAST_TILE), height, width)
    rows, columns = _starts(height, size, dy), _starts(width, size, dx)
    return [(y, x, size) for y in rows for x in columns]


def _starts(length: int, size: int, moved: int) -> list[int]:
    first, last = max(0, -moved), length - size - max(0, moved)
    if last < first:
        return []
    return np.linspace(first, last, 2 * ((last - first) // size) + 1).astype(int).tolist()


def _fit(found: Float[np.ndarray, "n 5"]) -> tuple[float, float, float]:
    """Return dx, dy and zoom by least squares whose weights fall with a tile's own distance."""
    x, y, dx, dy, response = found.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    design = np.concatenate([np.stack([one, zero, x], 1), np.stack([zero, one, y], 1)])
    moved = np.concatenate([dx, dy])
    weights = response.copy()
    solution = np.array([np.median(dx), np.median(dy), 0.0])
    for _ in range(_ROUNDS):
        rest = (moved - design @ solution).reshape(2, -1)
        weights = response / (1 + (np.hypot(*rest) / _TRUSTED) ** 2)
        root = np.sqrt(np.tile(weights, 2))
        solution = np.linalg.lstsq(design * root[:, None], moved * root, rcond=None)[0]
    return float(solution[0]), float(solution[1]), float(solution[2])


def _correlate(
    one: Float[np.ndarray, "h w"], other: Float[np.ndarray, "h w"]
) -> tuple[float, float, float]:
    """Return dx, dy and the response of a phase correlation under a Hann window."""
    height, width = one.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    (dx, dy), response = cv2.phaseCorrelate(one - one.mean(), other - other.mean(), window)
    return float(dx), float(dy), float(response)


def gradient(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Return the size of the gradient: it survives changes of colour and contrast."""
    gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64), (5, 5), 0.8)
    across, down = cv2.Sobel(gray, cv2.CV_64F, 1, 0), cv2.Sobel(gray, cv2.CV_64F, 0, 1)
    # Compressed, so that the strongest edge does not decide alone.
    return np.asarray(np.sqrt(np.hypot(across, down) / 8))
