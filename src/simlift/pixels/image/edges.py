"""Compute edge maps of images and of geometry, and count where two edge maps agree.

A tolerance of 1 pixel means the 3 x 3 neighbourhood: an edge between two pixels may be marked on
either of them.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from simlift.pixels.geometry.projection import discontinuities, normals_from_depth

_SHARE = 0.1  # of all pixels whose gradient counts as strong
_NOISE = 4.0  # times the median gradient, which in a picture of few edges is that of its noise
_OUTLINES, _FAINT = 0.995, 0.1  # a tenth of what the strongest edges reach is texture
_LOW_TO_HIGH = 0.4  # MATLAB's edge(..., "canny")
_FAINTEST = 2.0  # codes: a step below this is quantisation, never an edge
_PRECISION = 8.0  # gradients are handed to Canny in eighths of a code
_SOBEL_STEP = 4.0  # response of the 3 x 3 Sobel operator to a step of 1
# Relative depth in [0, 1] is an inverse depth of unknown range: this share of it is an edge.
_RELATIVE_STEP = 0.015


def canny(image: UInt8[np.ndarray, "h w 3"], low: float, high: float) -> Bool[np.ndarray, "h w"]:
    """Compute Canny edges of the gray image, as Cosmos-Transfer draws them (100 and 200)."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.Canny(gray, low, high)) > 0


def relative_canny(
    image: UInt8[np.ndarray, "h w 3"], share: float = _SHARE
) -> Bool[np.ndarray, "h w"]:
    """Compute Canny edges whose thresholds follow the image's own contrast.

    Gray is smoothed by a Gaussian of 1 pixel; the upper threshold leaves `share` of the gradients
    above it (a tenth), the lower one is 0.4 of it (the rule of MATLAB's `edge`, with a rarer
    percentile), so that a darker or hazier image of the same scene has the same edges. Where hardly
    a tenth of an image is edges, that percentile would lie in its noise or faintest texture: the
    threshold keeps above four medians, and above a tenth of the strongest edges.
    """
    gradients = _Gradients(image)
    high = gradients.threshold(share)
    edges = cv2.Canny(gradients.across, gradients.down, _LOW_TO_HIGH * high, high)
    return np.asarray(edges) > 0


def edge_share(image: UInt8[np.ndarray, "h w 3"]) -> float:
    """Return the share of an image's pixels whose gradient is that of an edge: a tenth at most.

    Of a picture that is plain it is small: as many of the strongest edges of another picture of the
    same scene are its outlines, whatever texture it has besides.
    """
    gradients = _Gradients(image)
    return float((gradients.size >= gradients.threshold(_SHARE)).mean())


class _Gradients:
    """The gradients of a smoothed gray image, in eighths of a code."""

    def __init__(self, image: UInt8[np.ndarray, "h w 3"]) -> None:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        gray = cv2.GaussianBlur(gray, (7, 7), 1.0)
        self.across = np.rint(cv2.Sobel(gray, cv2.CV_32F, 1, 0) * _PRECISION).astype(np.int16)
        self.down = np.rint(cv2.Sobel(gray, cv2.CV_32F, 0, 1) * _PRECISION).astype(np.int16)
        self.size = np.abs(self.across) + np.abs(self.down)

    def threshold(self, share: float) -> float:
        """Return the gradient that `share` of the pixels reach, if it is above noise."""
        counts = np.cumsum(np.bincount(self.size.ravel()))
        strong, middle, outlines = (
            float(np.searchsorted(counts, part * self.size.size))
            for part in (1 - share, 0.5, _OUTLINES)
        )
        faintest = _FAINTEST * _SOBEL_STEP * _PRECISION
        return max(strong, faintest, _NOISE * middle, _FAINT * outlines)


def geometry_edges(
    depth: Float[np.ndarray, "h w"] | None,
    normals: Float[np.ndarray, "h w 3"] | None,
    ids: Int[np.ndarray, "h w"] | None,
    *,
    metric: bool,
    intrinsics: Float[np.ndarray, "3 3"] | None = None,
    depth_step: float = 0.03,
    angle: float = 0.6,
) -> Bool[np.ndarray, "h w"]:
    """Compute edges of a simulator's geometry: depth steps, folds, borders between ids.

    Folds come from `normals`, or, where `intrinsics` are given, from metric depth. Relative depth
    is an inverse depth of unknown range; a step of 1.5 to 3 % of the range is an edge there.
    """
    if depth is not None and not metric:
        depth, depth_step = 1 / (2 - depth), _RELATIVE_STEP
    elif depth is not None and normals is None and intrinsics is not None:
        normals = normals_from_depth(depth, intrinsics)
    return discontinuities(depth, normals, ids, depth_step=depth_step, angle=angle)


def dilate(edges: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Dilate an edge map by 1 pixel."""
    return np.asarray(cv2.dilate(edges.view(np.uint8), np.ones((3, 3), np.uint8))) > 0


def exact_agreement(
    one: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]
) -> tuple[int, int]:
    """Count agreement of two edge maps: twice the shared edges, and all edges of both; F1 is their
    ratio.

    Two maps without an edge agree: they count as one pixel that does.
    """
    total = _count(one) + _count(other)
    return (2 * _count(one & other), total) if total else (1, 1)


def near_agreement(
    one: Bool[np.ndarray, "h w"],
    other: Bool[np.ndarray, "h w"],
    region: Bool[np.ndarray, "h w"] | None = None,
) -> tuple[int, int]:
    """Count the edges of each map within 1 pixel of the other's, and all edges of both.

    Their ratio is the surface Dice at a tolerance (Nikolov et al. 2018, arXiv 1809.04430): it is
    F1 at a tolerance of 0, and unlike an F1 of tolerant precision and recall it is a plain ratio
    of counts. Two maps without an edge agree. Only edges inside `region` are counted.
    """
    mine = one if region is None else one & region
    its = other if region is None else other & region
    total = _count(mine) + _count(its)
    return (_count(mine & dilate(other)) + _count(its & dilate(one)), total) if total else (1, 1)


def recall_counts(
    wanted: Bool[np.ndarray, "h w"], found: Bool[np.ndarray, "h w"]
) -> tuple[int, int]:
    """Count wanted edges that have a found one within 1 pixel, and all wanted edges (recall)."""
    return _count(wanted & dilate(found)), _count(wanted)


def offset(
    one: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"], reach: int = 4
) -> tuple[float, float] | None:
    """Estimate the shift (dx, dy) in pixels that aligns the edge map `other` with `one`.

    The overlap of both maps is counted for every whole shift up to `reach` pixels and smoothed by
    1-2-1, for edges wander by a pixel; parabolas through the best count and its neighbours give the
    fraction. None where the maps share too little.
    """
    height, width = one.shape
    if min(height, width) <= 4 * reach:
        return None
    inner = other[reach:-reach, reach:-reach].view(np.uint8)
    whole = one.view(np.uint8)
    size = 2 * reach + 1
    overlap = np.empty((size, size))
    for y in range(size):
        for x in range(size):
            there = whole[y : y + inner.shape[0], x : x + inner.shape[1]]
            overlap[y, x] = cv2.countNonZero(cv2.bitwise_and(inner, there))
    overlap = cv2.GaussianBlur(overlap, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
    if overlap.max() <= 0:
        return None
    # Where counts tie, the smaller shift is the truer one.
    far = np.abs(np.arange(-reach, reach + 1))
    row, column = divmod(int((overlap - 1e-3 * (far[:, None] + far)).argmax()), size)
    return _peak(overlap[row], column) - reach, _peak(overlap[:, column], row) - reach


def _peak(values: Float[np.ndarray, "n"], best: int) -> float:
    if not 0 < best < len(values) - 1:
        return float(best)
    left, middle, right = values[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return best + (float(0.5 * (left - right) / bend) if bend < 0 else 0.0)


def _count(edges: Bool[np.ndarray, "h w"]) -> int:
    return int(np.count_nonzero(edges))
