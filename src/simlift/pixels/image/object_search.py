"""Find a thing in a frame by its colours and its outline.

A colour model says of every pixel how much more likely it is the thing than what surrounds it; the
outline is a mask, moved over these likelihoods until inside and outside differ most. Shape and
occlusion come from the mask, colours from frames in which the place of the thing was sure.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

_BINS = (8, 64, 64)  # of L, a and b
_SHIFTS = (5, 2, 2)  # 256 codes to these bins
_SURE = 3.0  # a ratio of likelihoods, as a logarithm, above which nothing becomes surer
_FLOOR = 1e-5  # of a bin: colours that were seen nowhere speak for nothing
_RIVAL = 0.75  # of the best fit: from here on a nearer place is as good


@dataclass(frozen=True, eq=False)
class ColourModel:
    """Logarithms of how much likelier a colour is on a thing than around it [L a b]."""

    ratios: Float[np.ndarray, "8 64 64"]

    def ratio(self, image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
        """Return the logarithm for every pixel of an sRGB image."""
        return np.asarray(self.ratios[_bins(image)])


def colour_model(
    thing: UInt8[np.ndarray, "n 3"], surroundings: UInt8[np.ndarray, "m 3"]
) -> ColourModel:
    """Learn a model from sRGB pixels of a thing and of what surrounds it."""
    mine, its = _histogram(thing), _histogram(surroundings)
    ratios = np.log((mine + _FLOOR) / (its + _FLOOR)).clip(-_SURE, _SURE)
    return ColourModel(ratios.astype(np.float32))


@dataclass(frozen=True)
class Fit:
    """Where a mask fits best: displacement (dx, dy) in pixels, and how well, from -6 to 6.

    `rival` is the best fit elsewhere, farther off than the half of the mask's size.
    """

    dx: float
    dy: float
    fit: float
    rival: float


def fit_mask(
    ratios: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"], reach: int
) -> Fit | None:
    """Find the displacement, up to `reach` pixels along each axis, at which a mask fits best.

    The fit is the mean ratio inside the mask less that in a ring around it. Among peaks that are
    nearly as good as the best one, the nearest to the mask's own place is taken, and a parabola
    through its neighbours gives the fraction. None for an empty mask.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    width = max(2, round(0.15 * float(np.sqrt(np.count_nonzero(mask)))))
    pad = width + reach
    box = cv2.copyMakeBorder(
        mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8),
        *(width,) * 4,
        cv2.BORDER_CONSTANT,
        value=0,
    )
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
    ring = cv2.dilate(box, disc) - box
    kernel = box / box.sum() - ring / max(int(ring.sum()), 1)
    # Beyond the frame nothing is known.
    around = cv2.copyMakeBorder(ratios, *(pad,) * 4, cv2.BORDER_CONSTANT, value=0.0)
    inside = around[rows[0] : rows[-1] + 1 + 2 * pad, columns[0] : columns[-1] + 1 + 2 * pad]
    fits = cv2.matchTemplate(inside, kernel.astype(np.float32), cv2.TM_CCORR)
    peaks = fits == cv2.dilate(fits, np.ones((5, 5), np.uint8))
    best = float(fits.max())
    near = np.argwhere(peaks & (fits >= (_RIVAL * best if best > 0 else best)))
    row, column = near[np.argmin(np.square(near - reach).sum(1))].tolist()
    far = np.square(np.argwhere(peaks) - (row, column)).sum(1) > np.count_nonzero(mask) / 4
    return Fit(
        column + _peak(fits[row], column) - reach,
        row + _peak(fits[:, column], row) - reach,
        float(fits[row, column]),
        float(fits[peaks][far].max(initial=-2 * _SURE)),
    )


def _peak(values: Float[np.ndarray, "n"], best: int) -> float:
    if not 0 < best < len(values) - 1:
        return 0.0
    left, middle, right = values[best - 1 : best + 2].tolist()
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _bins(image: UInt8[np.ndarray, "h w 3"]) -> tuple[np.ndarray, ...]:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    return tuple(lab[..., k] >> shift for k, shift in enumerate(_SHIFTS))


def _histogram(pixels: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, "8 64 64"]:
    counts = np.zeros(_BINS)
    if len(pixels):
        np.add.at(counts, tuple(b[0] for b in _bins(pixels[None])), 1.0 / len(pixels))
    for axis in range(3):  # twice 1-2-1: light changes a colour a little
        for _ in range(2):
            sides = np.pad(counts, [(1, 1) if k == axis else (0, 0) for k in range(3)])
            low, high = np.delete(sides, (-1, -2), axis), np.delete(sides, (0, 1), axis)
            counts = 0.5 * counts + 0.25 * (low + high)
    return counts
