"""Check that borders of depth and ids lie on edges of the picture: not flipped, shifted or late."""

from collections.abc import Callable

import cv2
import numpy as np

from simlift.core.layers import Array, Layer
from simlift.core.window import Window
from simlift.evaluation.agreement.evidence import Evidence
from simlift.evaluation.agreement.findings import Finding, Verdict
from simlift.pixels.geometry.projection import discontinuities

_LAGS = (-3, -2, -1, 1, 2, 3)  # frames
_SHIFT = 6  # pixels of a small frame: how far is looked for a constant shift
_LEAST_BORDER = 60  # pixels of a frame
_GAIN = 0.1  # by how much edges must be stronger under another reading
_CLEAR = 1.4  # and how many times
_LAG_GAIN = 0.03  # the same for lags, which move borders by little
_DOUBT = 0.04  # lift below which borders are hardly better than chance

_FLIPS: dict[str, tuple[Callable[[Array], Array], str]] = {
    "the first row is the lowest": (lambda b: b[::-1], '"rows": "bottom-up" of {layer}'),
    "it is mirrored, left for right": (lambda b: b[:, ::-1], ""),
    "it is turned by 180 degrees": (lambda b: b[::-1, ::-1], ""),
}


def check_borders(evidence: Evidence) -> list[Finding]:
    """Compare borders of depth and of ids with edges of rgb."""
    layers = [x for x in (Layer.DEPTH, Layer.SEGMENTATION) if x in evidence.clip]
    return [_check(evidence, layer) for layer in layers]


def _check(evidence: Evidence, layer: Layer) -> Finding:
    check = f"{'ids' if layer is Layer.SEGMENTATION else layer.value} and picture"
    ranks = [[_rank(frame) for frame in run.rgb] for run in evidence.runs]
    borders = [_borders(run, layer) for run in evidence.runs]
    middles = [
        (r, k)
        for r, found in enumerate(borders)
        for k in _places(len(found))
        if found[k].sum() >= _LEAST_BORDER
    ]
    if not middles:
        return Finding(check, Verdict.NO_EVIDENCE, "hardly a border is in the frames")
    own = np.array([_lift(ranks[r][k], borders[r][k]) for r, k in middles])
    r, k = middles[int(own.argmin())]
    worst = int(evidence.runs[r].indices[k])
    text = f"edges of rgb are {own.mean():+.2f} stronger on its borders than elsewhere"
    for reading, statement, lifts in _readings(ranks, borders, middles):
        gain = lifts.mean() - own.mean()
        consistent = (lifts > own).mean() >= 0.6
        if gain > _GAIN and lifts.mean() > _CLEAR * max(own.mean(), 0) and consistent:
            words = f"{text}, {lifts.mean():+.2f} if {reading}"
            line = statement.format(layer=layer.value)
            return Finding(check, Verdict.CONTRADICTS, words, reading, line, worst)
    if lag := _lag(evidence, ranks, borders):
        frames, own_lift, lift = lag
        when = f"{abs(frames)} frame{'s' * (abs(frames) > 1)} {'late' if frames > 0 else 'early'}"
        words = f"edges of rgb are {own_lift:+.2f} stronger on its borders, {lift:+.2f} on those "
        words += f"{abs(frames)} frames {'later' if frames > 0 else 'earlier'}"
        line = f'"number_offset" of {layer.value}, if its files are numbered'
        return Finding(check, Verdict.CONTRADICTS, words, f"a sensor that is {when}", line, worst)
    if own.mean() < _DOUBT:
        return Finding(
            check, Verdict.DOUBT, text, "layers of different frames or cameras", "", worst
        )
    return Finding(check, Verdict.AGREES, text, frame=worst)


def _places(count: int) -> list[int]:
    """Return the frames of a run that are compared: its middle, and its ends."""
    return sorted({0, min(3, count - 1), count - 1})


def _readings(
    ranks: list[list[Array]], borders: list[list[Array]], middles: list[tuple[int, int]]
) -> list[tuple[str, str, Array]]:
    """Return (words, statement, lift of each frame) of the other ways to lay a layer."""
    found = []
    for words, (flip, statement) in _FLIPS.items():
        lifts = np.array([_lift(ranks[r][k], flip(borders[r][k])) for r, k in middles])
        found.append((words, statement, lifts))
    shifts = [(x, y) for x in range(-_SHIFT, _SHIFT + 1) for y in range(-_SHIFT, _SHIFT + 1)]
    lifts = np.array(
        [
            [_lift(ranks[r][k], np.roll(borders[r][k], (y, x), (0, 1))) for r, k in middles]
            for x, y in shifts
            if max(abs(x), abs(y)) in (3, _SHIFT) and x % 3 == 0 and y % 3 == 0
        ]
    )
    kept = [
        (x, y)
        for x, y in shifts
        if max(abs(x), abs(y)) in (3, _SHIFT) and x % 3 == 0 and y % 3 == 0
    ]
    best = int(lifts.mean(1).argmax())
    x, y = kept[best]
    found.append(
        (f"it is shifted by about ({x}, {y}) pixels of a frame of 240 lines", "", lifts[best])
    )
    return sorted(found, key=lambda item: -float(item[2].mean()))


def _lag(
    evidence: Evidence, ranks: list[list[Array]], borders: list[list[Array]]
) -> tuple[int, float, float] | None:
    """Return (frames, lift now, lift then) where borders fit a constant number of frames later."""
    lifts: dict[int, list[float]] = {lag: [] for lag in (0, *_LAGS)}
    per_run: dict[int, list[float]] = {lag: [] for lag in (0, *_LAGS)}
    for run, rank, border in zip(evidence.runs, ranks, borders, strict=True):
        run_lifts: dict[int, list[float]] = {lag: [] for lag in (0, *_LAGS)}
        position = {int(index): k for k, index in enumerate(run.indices)}
        for index, k in position.items():
            there = {lag: position.get(index + lag) for lag in (0, *_LAGS)}
            for lag, other in there.items():
                if other is not None and min(border[other].sum(), border[k].sum()) >= _LEAST_BORDER:
                    # Only borders that move tell: those that stay lie in both frames.
                    moved = border[other] & ~_near(border[k]) if lag else None
                    if moved is not None and moved.sum() >= 20:
                        still = border[k] & ~_near(border[other])
                        gain = _lift(rank[k], moved) - _lift(rank[k], still)
                        run_lifts[lag].append(gain)
        for lag, values in run_lifts.items():
            if values:
                per_run[lag].append(float(np.mean(values)))
                lifts[lag] += values
    best = max(_LAGS, key=lambda lag: float(np.mean(lifts[lag])) if lifts[lag] else -1.0)
    values = per_run[best]
    if not values or min(values) < _LAG_GAIN or len(lifts[best]) < 2:
        return None
    opposite = lifts[-best]
    if opposite and np.mean(opposite) > np.mean(lifts[best]) - _LAG_GAIN:
        return None
    gain = float(np.mean(lifts[best]))
    return best, 0.0, gain


def _near(mask: Array) -> Array:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _rank(frame: Array) -> Array:
    """Return how strong the edge at each pixel is among those of its frame, 0 to 1."""
    gray = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32), (3, 3), 0.7)
    size = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    size = cv2.dilate(size, np.ones((3, 3), np.uint8))
    order = np.searchsorted(np.sort(size, axis=None), size.ravel(), side="right")
    return (order / size.size).reshape(size.shape).astype(np.float32)


def _lift(rank: Array, border: Array) -> float:
    """Return how much stronger edges are on the borders than in the mean."""
    return float(rank[border].mean() - rank.mean()) if border.any() else 0.0


def _borders(run: Window, layer: Layer) -> list[Array]:
    found = []
    for frame in run[layer]:
        if layer is Layer.SEGMENTATION:
            mask = discontinuities(None, None, frame)
        elif run.metric_depth:
            mask = discontinuities(frame, None, None, depth_step=0.08)
        else:
            mask = discontinuities(1 / (2 - frame), None, None, depth_step=0.03)
        mask[-1:] = mask[:, -1:] = False
        found.append(mask)
    return found
