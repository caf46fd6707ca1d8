"""Compare the textures of two images by the sliced Wasserstein distance of their patches.

Source: Karras et al., "Progressive growing of GANs", ICLR 2018, section 5: descriptors of 7 x 7
pixels from every level of a Laplacian pyramid (Burt and Adelson 1983), normalised by the mean and
deviation of each colour channel, and their sliced Wasserstein distance (Rabin et al. 2011).
"""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

SIDE = 7  # pixels of a patch
_PATCHES = 1024  # of each level of an image
_DIRECTIONS = 128
_COARSEST = 16  # rows or columns of the last level, at least
_FAINT = 0.5  # codes: less than this is rounding, and is not stretched to a texture

Level = Float[np.ndarray, "_ _ 3"]
Descriptors = Float[np.ndarray, "n k"]
Directions = Float[np.ndarray, "d k"]
SortedProjections = Float[np.ndarray, "d n"]  # points projected on lines, sorted on each line


def laplacian_pyramid(image: UInt8[np.ndarray, "h w 3"]) -> list[Level]:
    """Compute the Laplacian pyramid, finest level first and the coarsest residual last, in
    codes."""
    levels, here = [], image.astype(np.float32)
    while min(here.shape[:2]) >= 2 * _COARSEST:
        below = cv2.pyrDown(here)
        levels.append(here - cv2.pyrUp(below, dstsize=here.shape[1::-1]))
        here = below
    return [*levels, here]


def patch_descriptors(level: Level, corners: Int[np.ndarray, "n 2"]) -> Descriptors:
    """Extract patches [n, 147] at some corners (row, column), each channel normalised.

    The mean and the deviation are those of the channel over all of the patches.
    """
    windows = np.lib.stride_tricks.sliding_window_view(level, (SIDE, SIDE), axis=(0, 1))
    found = windows.transpose(0, 1, 3, 4, 2)[corners[:, 0], corners[:, 1]]
    mean, spread = (m.ravel().astype(np.float32) for m in cv2.meanStdDev(found.reshape(-1, 1, 3)))
    normal = (found - mean) / np.maximum(spread, np.float32(_FAINT))
    return np.asarray(normal.reshape(len(corners), -1))


def sorted_projections(points: Descriptors, directions: Directions) -> SortedProjections:
    """Project points on each direction and sort them: the input of the sliced Wasserstein
    distance."""
    # Not BLAS: it starts threads, which spin where other processes are at work.
    return np.sort(cv2.gemm(directions, points, 1, None, 0, flags=cv2.GEMM_2_T), axis=1)


def sliced_wasserstein(one: SortedProjections, other: SortedProjections) -> float:
    """Compute the sliced Wasserstein-1 distance of two point sets of one size from their
    projections.

    On a line the cheapest transport keeps the order, so that the distance is the mean difference
    of sorted points; it is averaged over the directions.
    """
    return float(np.abs(one - other).mean(dtype=np.float64))


def texture_projections(image: UInt8[np.ndarray, "h w 3"]) -> tuple[SortedProjections, ...]:
    """Compute the sorted projections of an image's patches, level by level.

    Corners and directions are drawn once for each size: all images of a size share them.
    """
    levels = laplacian_pyramid(image)
    return tuple(
        sorted_projections(patch_descriptors(level, _corners(*level.shape[:2])), _directions())
        for level in levels
    )


def texture_distance(
    one: tuple[SortedProjections, ...], other: tuple[SortedProjections, ...]
) -> float:
    """Compute the mean texture distance over the levels of two images, in deviations.

    Karras et al. print it times 1000.
    """
    return float(np.mean([sliced_wasserstein(a, b) for a, b in zip(one, other, strict=True)]))


@lru_cache(maxsize=32)
def _corners(height: int, width: int) -> Int[np.ndarray, "n 2"]:
    rows, columns = max(height - SIDE + 1, 1), max(width - SIDE + 1, 1)
    random = np.random.default_rng((height, width))
    return random.integers(0, (rows, columns), (_PATCHES, 2))


@lru_cache(maxsize=1)
def _directions() -> Directions:
    drawn = np.random.default_rng(0).standard_normal((_DIRECTIONS, 3 * SIDE * SIDE))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
