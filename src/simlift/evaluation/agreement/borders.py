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
_LINES_A_PIXEL = 30  # lines of a frame for each pixel of the constant shift that is looked for
_LEAST_SHIFT = 2  # pixels: edges are as wide as that
_SHIFT_GAIN = 0.02  # a horizon fits as well wherever it is moved along itself
_PEAK = 0.05  # lift over that of borders beside: chance is as strong there
_LEAST_PEAK = 0.02  # below which a layer may be of another scene; right ones have 0.1 and more
_LEAST_BORDER = 60  # pixels of a frame
_GAIN = 0.1  # by how much edges must be stronger under another reading
_CLEAR = 1.4  # and how many times
_LEAST_LIFT = 0.15  # of the better reading: pictures have patterns that fit anything a little
_LAG_GAIN = 0.03  # of borders that move: right clips lose 0.1 to 0.2
_LEAST_MOVED = 100  # pixels of borders that moved, in all frames
_DOUBT = 0.04  # lift below which borders are hardly better than chance

_FLIPS: dict[str, tuple[Callable[[Array], Array], str]] = {
    "the first row is the lowest": (lambda b: b[::-1], '"rows": "bottom-up" of {layer}'),
    "it is mirrored, left for right": (lambda b: b[:, ::-1], ""),
    "it is turned by 180 degrees": (lambda b: b[::-1, ::-1], ""),
}


def check_borders(evidence: Evidence) -> list[Finding]:
    """Compare borders of depth and of ids with edges of rgb."""
    layers = [x for x in (Layer.DEPTH, Layer.SEGMENTATION) if x in evidence.clip]
    if not layers:
        return []
    ranks = [[edge_rank(frame) for frame in run.rgb] for run in evidence.runs]
    return [_check(evidence, layer, ranks) for layer in layers]


def _check(evidence: Evidence, layer: Layer, ranks: list[list[Array]]) -> Finding:
    check = f"{'ids' if layer is Layer.SEGMENTATION else layer.value} and picture"
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
        clear = lifts.mean() > max(_CLEAR * own.mean(), _LEAST_LIFT)
        if gain > _GAIN and clear and consistent:
            words = f"{text}, {lifts.mean():+.2f} if {reading}"
            line = statement.format(layer=layer.value)
            return Finding(check, Verdict.CONTRADICTS, words, reading, line, worst)
    if lag := _lag(evidence, ranks, borders):
        frames, gain = lag
        when = f"{abs(frames)} frame{'s' * (abs(frames) > 1)} {'late' if frames > 0 else 'early'}"
        words = f"where it moves, edges of rgb are {gain:+.2f} stronger on its borders "
        words += f"{abs(frames)} frames {'later' if frames > 0 else 'earlier'} than on those now"
        line = f'"number_offset" of {layer.value}, if its files are numbered'
        return Finding(check, Verdict.CONTRADICTS, words, f"a sensor that is {when}", line, worst)
    dx, dy, gain = _shift(ranks, borders, middles)
    # Borders below chance lie beside strong patterns, which any shift may meet.
    fits = own.mean() >= 0 and own.mean() + gain > _LEAST_LIFT and gain > _SHIFT_GAIN
    if max(abs(dx), abs(dy)) >= _LEAST_SHIFT and fits:
        scale = evidence.clip.height / evidence.shape[0]
        cause = f"a layer that is shifted by about ({-dx * scale:.0f}, {-dy * scale:.0f}) pixels"
        words = f"{text}, by {gain:.2f} more so if it is moved back"
        return Finding(check, Verdict.CONTRADICTS, words, cause, "", worst)
    peak = np.mean([_peak(ranks[r][k], borders[r][k]) for r, k in middles])
    if own.mean() < _DOUBT or peak < _LEAST_PEAK:
        text = f"{text}, {peak:+.2f} than beside them"
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
        turned = [(ranks[r][k], flip(borders[r][k])) for r, k in middles]
        if np.mean([_peak(rank, border) for rank, border in turned]) < _PEAK:
            continue
        lifts = np.array([_lift(rank, border) for rank, border in turned])
        found.append((words, statement, lifts))
    return sorted(found, key=lambda item: -float(item[2].mean()))


def _shift(
    ranks: list[list[Array]], borders: list[list[Array]], middles: list[tuple[int, int]]
) -> tuple[float, float, float]:
    """Return (dx, dy) in pixels of the small frame that lays borders on edges, and what it gains.

    The lift is correlated over all shifts at once, and averaged over frames.
    """
    reach = max(len(ranks[0][0]) // _LINES_A_PIXEL, _LEAST_SHIFT)
    total = np.zeros((2 * reach + 1, 2 * reach + 1))
    for r, k in middles:
        rank, border = ranks[r][k], borders[r][k]
        spectrum = np.fft.rfft2(rank - rank.mean()) * np.conj(np.fft.rfft2(border.astype(float)))
        lifts = np.fft.irfft2(spectrum, rank.shape) / border.sum()
        total += np.roll(lifts, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    total /= len(middles)
    y, x = np.unravel_index(int(total.argmax()), total.shape)
    gain = float(total[y, x] - total[reach, reach])
    return float(x) - reach, float(y) - reach, gain


def _lag(
    evidence: Evidence, ranks: list[list[Array]], borders: list[list[Array]]
) -> tuple[int, float] | None:
    """Return (frames, gain) where borders fit the picture a constant number of frames later.

    Only borders that move tell, for those that stay lie in both frames: edges on the borders of the
    other frame alone are compared with those on the borders of this frame alone.
    """
    gains = dict.fromkeys(_LAGS, 0.0)
    pixels = dict.fromkeys(_LAGS, 0)
    for run, rank, border in zip(evidence.runs, ranks, borders, strict=True):
        position = {int(index): k for k, index in enumerate(run.indices)}
        near = [_near(mask) for mask in border]
        for lag in _LAGS:
            for index, k in position.items():
                other = position.get(index + lag)
                if other is None:
                    continue
                there, here = border[other] & ~near[k], border[k] & ~near[other]
                count = int(min(there.sum(), here.sum()))
                gains[lag] += count * (_lift(rank[k], there) - _lift(rank[k], here))
                pixels[lag] += count
    means = {lag: gains[lag] / pixels[lag] for lag in _LAGS if pixels[lag] >= _LEAST_MOVED}
    if not means:
        return None
    best = max(means, key=lambda lag: means[lag])
    # What moves to and fro, or repeats itself, fits as well on the other side.
    if means[best] < _LAG_GAIN or means.get(-best, -1.0) > means[best] - _LAG_GAIN:
        return None
    return best, means[best]


def _near(mask: Array) -> Array:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def edge_rank(frame: Array) -> Array:
    """Return how strong the edge at each pixel is among those of its frame, 0 to 1."""
    gray = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32), (3, 3), 0.7)
    size = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    size = np.asarray(cv2.dilate(size, np.ones((3, 3), np.uint8)))
    codes = np.minimum(size * 4, 4095).astype(np.uint16)
    below = np.cumsum(np.bincount(codes.ravel(), minlength=4096)) / codes.size
    return below[codes].astype(np.float32)


def _lift(rank: Array, border: Array) -> float:
    """Return how much stronger edges are on the borders than in the mean."""
    return float(rank[border].mean() - rank.mean()) if border.any() else 0.0


def _peak(rank: Array, border: Array) -> float:
    """Return how much stronger edges are on the borders than some pixels beside them.

    Patterns of a floor are as strong there; edges that belong to the borders are not.
    """
    step = max(len(rank) // _LINES_A_PIXEL, _LEAST_SHIFT)
    moves = [(dy, dx) for dy in (-step, 0, step) for dx in (-step, 0, step) if dy or dx]
    beside = [_lift(rank, np.roll(border, move, (0, 1))) for move in moves]
    return _lift(rank, border) - float(np.mean(beside))


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
