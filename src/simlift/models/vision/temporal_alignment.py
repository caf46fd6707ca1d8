"""Align per-frame inverse depth over time so that it does not flicker.

A model that sees one frame at a time chooses scale and offset anew in each. Every frame is fitted
to the one before where optical flow returns to its start, and then mixed with it a little.
"""

import numpy as np
from jaxtyping import Float, UInt8

from simlift.pixels.geometry.flow import estimate_flow, forward_backward_consistent
from simlift.pixels.geometry.projection import backward_warp

_LEAST_SEEN = 0.2  # share of pixels with returning flow; fewer is a cut
_LEAST_ALIKE = 0.5  # correlation of two frames' depth; less is another scene
_STEP = 4  # the fit reads every fourth pixel of every fourth row
_ROUNDS = 4
# How far a fit leans back to the model's own scale: over a long clip small errors of the fits
# would otherwise add up. It lets changes pass that take longer than about 50 frames.
_LEAN = 0.02
_SHARE = 0.3  # of the frame before, where both agree
_AGREES = 0.05  # of the depth's spread


def align_over_time(
    now: Float[np.ndarray, "h w"],
    before: Float[np.ndarray, "h w"],
    rgb: UInt8[np.ndarray, "h w 3"],
    rgb_before: UInt8[np.ndarray, "h w 3"],
    *,
    offset: bool,
) -> Float[np.ndarray, "h w"]:
    """Return this frame's inverse depth in the scale of the (steady) frame before.

    Without `offset` only the scale is fitted, for depth in metres. After a cut `now` comes back.
    """
    flow = estimate_flow(rgb, rgb_before)
    seen = forward_backward_consistent(flow, estimate_flow(rgb_before, rgb))
    if seen.mean() < _LEAST_SEEN:
        return now
    there = backward_warp(before, flow)
    some = (slice(None, None, _STEP), slice(None, None, _STEP))
    kept = seen[some]
    found = fit_scale(now[some][kept], there[some][kept], offset=offset)
    if found is None:
        return now
    scale, shift = found
    fitted = now * np.float32(scale ** (1 - _LEAN)) + np.float32(shift * (1 - _LEAN))
    spread = np.float32(np.subtract(*np.percentile(fitted[some], [95, 5]))) + np.float32(1e-12)
    apart = (there - fitted) / (_AGREES * spread)
    weight = np.maximum(1 - apart * apart, 0) * (_SHARE * seen)
    return (fitted + weight * (there - fitted)).astype(np.float32)


def fit_scale(
    now: Float[np.ndarray, "n"], before: Float[np.ndarray, "n"], *, offset: bool
) -> tuple[float, float] | None:
    """Return scale and offset that take `now` to `before`; None where they show different things.

    Reduced major axis, begun with medians and repeated on the points within three deviations:
    ordinary least squares favours small scales where both sides are noisy, and a chain of such fits
    shrinks depth to nothing. Source: Isobe et al., "Linear regression in astronomy I", ApJ 1990.
    """
    if len(now) < 16:
        return None
    x, y = now.astype(np.float64), before.astype(np.float64)
    scale, shift = _axis(x, y, offset, robust=True)
    kept = np.ones(len(x), dtype=bool)
    for _ in range(_ROUNDS):
        apart = np.abs(scale * x + shift - y)
        kept = apart <= 3 * 1.4826 * np.median(apart) + 1e-9 * (np.abs(y).max() + 1e-12)
        scale, shift = _axis(x[kept], y[kept], offset, robust=False)
    if offset and not _alike(x[kept], y[kept]):
        return None
    return (scale, shift) if scale > 0 else None


def _axis(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], offset: bool, *, robust: bool
) -> tuple[float, float]:
    middle = np.median if robust else np.mean
    a, b = float(middle(x)), float(middle(y))
    if not offset:
        return (b / a if a > 0 else 1.0), 0.0
    if robust:
        wide = [float(np.subtract(*np.percentile(v, [75, 25]))) for v in (x, y)]
    else:
        wide = [float(v.std()) for v in (x, y)]
    scale = wide[1] / wide[0] if min(wide) > 1e-9 * (abs(a) + abs(b)) else 1.0
    return scale, b - scale * a


def _alike(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> bool:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return size < 1e-12 or float((x * y).sum()) / size > _LEAST_ALIKE
