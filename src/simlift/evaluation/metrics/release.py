"""Measure whether objects are where the simulator says, above all after they are let go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from simlift.core.layers import Layer
from simlift.core.score import Direction, Reduction, Score
from simlift.core.window import Frames, Window
from simlift.evaluation.objects.appearance import LEAST, Appearance, Followed

_FOUND = 0.5  # of the fit of the references: below it the object is not there
_KNOWN = 1.5  # pixels, in the size searched at: how far the render's own tracking may be off
_ROWS = 360  # of the frame whose pixels are told
_LAGS = 8  # frames, at most, by which a fall is early or late
_ON_PATH = 0.25  # of the object's size: so near the simulator's path a place tells a time
_AS_NEAR = 0.75  # pixels by which a nearer place on the path must be nearer, to tell another time
_THERE = 3.0  # pixels from its place within which an object is neither early nor late
_GOES = 3.0  # pixels that the path must lead for places to tell times


@dataclass(frozen=True, eq=False)
class ObjectTracking:
    """Where moving objects are found in the take, against where the simulator put them.

    An object's mask is moved over the frame to where its colours, learnt from the take's own frames
    before its release, fill it best (`pixels.image.object_search`). Frames in which less than 64
    pixels of it are seen, or in which the same search misses it in the render, give no evidence,
    nor does an object whose colours do not tell it from its surroundings.

    `object_offset`: distance in pixels, the median over moving objects and over frames.
    `object_persistence`: the share of frames in which an object is found that the render shows.
    `release_persistence`: the same of the frames after the release.
    `release_error`, `release_error_worst`: median and largest distance after the release.
    `rest_error`: median distance once the simulator's object lies still.
    `release_time_error`: the most frames by which a falling object is early or late on its path.
    `..._render`: the same of the render itself, which is the tracker's own error.

    Pixels are those of a frame of at most 360 rows: what a tracker can tell of an object, and what
    an eye can, is a share of the frame.
    """

    followed: tuple[Followed, ...]

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB, Layer.SEGMENTATION})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return all scores; frames and clips without evidence judge nothing."""
        take: dict[int, list[_Sight | None]] = {}
        render: dict[int, list[_Sight | None]] = {}
        for followed in self.followed:
            known = window.derive(_InRender(followed.object.id, followed))
            render[followed.object.id] = known
            take[followed.object.id] = _sights(followed, window, frames, followed.take, known)
        yield from self._scores(window, take, "")
        yield from self._scores(window, render, "_render")

    def _scores(
        self, window: Window, sights: "Mapping[int, list[_Sight | None]]", suffix: str
    ) -> Iterable[Score]:
        rows = {name: _Row() for name in _REDUCTIONS}
        for k, frame in enumerate(window.indices.tolist()):
            values: dict[str, list[float]] = {name: [] for name in _REDUCTIONS}
            for followed in self.followed:
                sight = sights[followed.object.id][k]
                if sight is not None:
                    for name, value in _said(followed, frame, sight, window.size[0]):
                        values[name].append(value)
            for name, found in values.items():
                rows[name].add(name, found)
        for name, row in rows.items():
            better = Direction.HIGHER if name in _HIGHER else Direction.LOWER
            yield Score(
                f"{name}{suffix}",
                Direction.NEUTRAL if suffix else better,
                tuple(window.indices.tolist()),
                tuple((value,) for value in row.tops),
                tuple(row.bottoms),
                _REDUCTIONS[name],
                _UNITS[name],
            )


_REDUCTIONS = {
    "object_offset": Reduction.MEDIAN,
    "object_persistence": Reduction.RATIO,
    "release_persistence": Reduction.RATIO,
    "release_error": Reduction.MEDIAN,
    "release_error_worst": Reduction.WORST,
    "rest_error": Reduction.MEDIAN,
    "release_time_error": Reduction.WORST,
}
_UNITS = dict.fromkeys(_REDUCTIONS, "pixels") | {
    "object_persistence": "share",
    "release_persistence": "share",
    "release_time_error": "frames",
}


_HIGHER = ("object_persistence", "release_persistence")


@dataclass(frozen=True)
class _Sight:
    """What a frame shows of an object that is to be seen: displacement in pixels, or nothing."""

    found: bool
    dx: float
    dy: float


class _Row:
    """The frames of one score."""

    def __init__(self) -> None:
        self.tops: list[float] = []
        self.bottoms: list[float] = []

    def add(self, name: str, values: list[float]) -> None:
        """Add a frame: the worst of released objects, the median and the sum of all moving ones."""
        if _REDUCTIONS[name] is Reduction.RATIO:
            self.tops.append(sum(values))
            self.bottoms.append(float(len(values)))
            return
        usual = name == "object_offset"
        one = (float(np.median(values)) if usual else max(values)) if values else 0.0
        self.tops.append(one)
        self.bottoms.append(float(bool(values)))


def _said(followed: Followed, frame: int, sight: _Sight, rows: int) -> Iterable[tuple[str, float]]:
    """Return the scores of which a sight in a frame of so many rows is evidence."""
    release, rest = followed.object.release, followed.object.rest
    after = release is not None and frame > release
    yield "object_persistence", float(sight.found)
    if after:
        yield "release_persistence", float(sight.found)
    if not sight.found:
        return
    distance = float(np.hypot(sight.dx, sight.dy)) * min(1.0, _ROWS / rows)
    yield "object_offset", distance
    if after:
        yield "release_error", distance
        yield "release_error_worst", distance
    if release is None:
        return
    if rest is not None and frame >= rest:
        yield "rest_error", distance
    if frame > release - _LAGS and (rest is None or frame < rest + _LAGS):
        lag = _lag(followed, frame, sight)
        if lag is not None:
            yield "release_time_error", float(abs(lag))


def _lag(followed: Followed, frame: int, sight: _Sight) -> int | None:
    """Return by how many frames an object is late on its path; None where its place tells none."""
    places = followed.object.places
    start, stop = max(frame - _LAGS, 0), min(frame + _LAGS + 1, len(places))
    path = places[start:stop]
    unit = 1 / followed.scale
    if not np.isfinite(path).all() or np.ptp(path, axis=0).max() < _GOES * unit:
        return None
    if np.hypot(sight.dx, sight.dy) <= _THERE * unit:
        return 0
    away = np.linalg.norm(path - (places[frame] + (sight.dx, sight.dy)), axis=1)
    if away.min() > max(_ON_PATH * np.sqrt(followed.area), _THERE):
        return None
    lags = frame - np.arange(start, stop)[away <= away.min() + _AS_NEAR * unit]
    return int(lags[np.argmin(np.abs(lags))])


@dataclass(frozen=True)
class _InRender:
    """Derives what the render shows of an object: once for all takes of a clip."""

    id: int
    followed: Followed = field(compare=False)

    def __call__(self, window: Window) -> list[_Sight | None]:
        """Return its sights where the search finds it in its place, None elsewhere."""
        followed = self.followed
        found = _sights(followed, window, window.rgb, followed.render, None)
        known = _KNOWN / followed.scale
        return [s if s and s.found and np.hypot(s.dx, s.dy) <= known else None for s in found]


def _sights(
    followed: Followed,
    window: Window,
    frames: Frames,
    appearance: Appearance | None,
    known: list[_Sight | None] | None,
) -> list[_Sight | None]:
    """Return what frames show of an object; None where there is no evidence."""
    sights: list[_Sight | None] = []
    for k, frame in enumerate(frames):
        mask = window[Layer.SEGMENTATION][k] == followed.object.id
        unseen = np.count_nonzero(mask) < LEAST or (known is not None and known[k] is None)
        if appearance is None or unseen:
            sights.append(None)
            continue
        fit = followed.find(frame, mask, appearance)
        sights.append(_Sight(fit.fit >= _FOUND * appearance.fit, fit.dx, fit.dy))
    return sights
