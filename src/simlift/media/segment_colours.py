"""Find the ids of a colour-coded segmentation video, and decode its frames to them.

Lossy coding moves colours and blends them where two ids meet. So a colour counts as an id where it
fills an area that is flat, and a pixel between two ids takes the id of the nearest one that is
sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float, Int32, UInt8

from simlift.core.layers import Array
from simlift.media.video import VideoStore

Palette = tuple[tuple[int, int, int, int], ...]  # red, green, blue, id

_FLAT = 4  # codes: a neighbourhood of a smaller range is flat
_SAME = 8  # codes between the means of two flat areas of one id; coding moves a mean by 1 to 3
_NEAR = 2 * _SAME  # codes between two ids that noise may mix; a pixel that far from all is unsure
_BLACK = 12  # codes that coding lifts the background to
_DOUBT = 24  # codes: a colour so near to that of a larger area is one if its own is not tiny
_TINY = 16  # samples within flat areas
_SPREAD = 4.0  # codes: coding leaves less within an area of one colour
_BLEND = 6.0  # pixels over which chroma of half the size blends two ids

_GRID = 240_000  # samples of a frame
_SCAN = 30_000_000  # samples of all frames: a second or two
_FEWEST = 8  # frames of a long video

_BITS = 6  # of a channel, in the table from colours to ids
_UNSURE = -1


@dataclass(frozen=True)
class SegmentColours:
    """The ids of a video by their colours, black being 0, and what is to be said of them."""

    palette: Palette
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Area:
    """A colour, samples of it in one frame, and whether other colours are blended into it."""

    colour: tuple[float, ...]
    size: int
    blended: bool

    def apart(self, other: "_Area") -> float:
        """Return codes between two colours, in the channel where they differ most."""
        return max(abs(a - b) for a, b in zip(self.colour, other.colour, strict=True))


def find_segment_colours(store: VideoStore) -> SegmentColours:
    """Find the colours of flat areas in every frame of a video, numbered as they appear.

    Of a long video, evenly spaced frames are looked at, which is noted. Areas less than 5 samples
    wide (5 pixels, 15 in frames of 1080 rows) are not found.
    """
    indices = frames_to_scan(store)
    step = max(1, round((store.height * store.width / _GRID) ** 0.5))
    found: list[_Area] = []
    blended: list[_Area] = []
    with store.open() as reader:
        for index in indices:
            frame = np.ascontiguousarray(reader.read([index])[0][::step, ::step])
            for area in flat_areas(frame):
                _add(area, found)
                if area.blended:
                    blended.append(area)
    ids = [area for area in found if max(area.colour) > _BLACK and not _is_rim(area, found)]
    palette = ((0, 0, 0, 0), *((*_whole(area), i + 1) for i, area in enumerate(ids)))
    notes = _notes(palette, len(indices), store.num_frames)
    if blended:
        notes.append(
            f"some areas hold colours that coding has blended, such as {_whole(blended[0])}: "
            "instances of near colours may share an id"
        )
    return SegmentColours(palette, tuple(notes))


def _add(area: _Area, areas: list[_Area]) -> None:
    """Add an area to others; where one has its colour, keep the larger size."""
    for k, known in enumerate(areas):
        if area.apart(known) <= _SAME:
            areas[k] = replace(known, size=max(known.size, area.size))
            return
    areas.append(area)


def _whole(area: _Area) -> tuple[int, int, int]:
    red, green, blue = (round(c) for c in area.colour)
    return red, green, blue


def _is_rim(area: _Area, found: Sequence[_Area]) -> bool:
    """Whether a colour is only that of a larger area, moved by what lies beside it."""
    if area.size >= _TINY:
        return False
    return any(other.size > area.size and area.apart(other) <= _DOUBT for other in found)


def _notes(palette: Palette, scanned: int, frames: int) -> list[str]:
    notes = [f"segmentation has no names: {len(palette) - 1} ids from its colours, 0 where black"]
    if scanned < frames:
        notes.append(
            f"ids were looked for in {scanned} of {frames} frames: what appears in others alone "
            "is read as 0"
        )
    near = [
        (a, b)
        for a, b in combinations(palette, 2)
        if max(abs(a[c] - b[c]) for c in range(3)) <= _NEAR
    ]
    if near:
        (*one, first), (*other, second) = near[0]
        notes.append(
            f"{len(near)} pairs of ids have colours that lossy coding may mix, such as {first} "
            f"{tuple(one)} and {second} {tuple(other)}"
        )
    return notes


def frames_to_scan(store: VideoStore) -> Sequence[int]:
    """Return every frame, or evenly spaced ones of a long video: those that decode alone."""
    samples = min(store.height * store.width, _GRID)
    most = max(_SCAN // samples, _FEWEST)
    if store.num_frames <= most:
        return range(store.num_frames)
    keys = store.info.keyframes
    if len(keys) < _FEWEST:
        return _spread(range(store.num_frames), _FEWEST)
    return _spread(keys, most)


def _spread(frames: Sequence[int], most: int) -> Sequence[int]:
    places = np.unique(np.linspace(0, len(frames) - 1, most).astype(int))
    return [frames[place] for place in places]


def flat_areas(frame: UInt8[np.ndarray, "h w 3"]) -> list[_Area]:
    """Return the flat areas of a frame, the largest first; their rims count neither way."""
    square = np.ones((3, 3), np.uint8)
    red, green, blue = cv2.split(cv2.subtract(cv2.dilate(frame, square), cv2.erode(frame, square)))
    flat = (cv2.max(cv2.max(red, green), blue) <= _FLAT).astype(np.uint8)
    count, labels = cv2.connectedComponents(flat, connectivity=8, ltype=cv2.CV_32S)
    inside = cv2.erode(flat, square, borderValue=1).astype(bool)
    labels, colours = labels[inside], frame[inside]
    sizes = np.bincount(labels, minlength=count)
    sums = [np.bincount(labels, weights=colours[:, c], minlength=count) for c in range(3)]
    squares = [np.bincount(labels, weights=colours[:, c] ** 2.0, minlength=count) for c in range(3)]
    means = np.stack(sums, axis=-1) / np.maximum(sizes, 1)[:, None]
    variances = np.stack(squares, axis=-1) / np.maximum(sizes, 1)[:, None] - means**2
    spreads = np.sqrt(np.maximum(variances, 0).max(axis=-1))
    areas = []
    for k in np.argsort(-sizes, kind="stable"):
        if sizes[k]:
            blended = bool(sizes[k] >= _TINY and spreads[k] > _SPREAD)
            colour = _commonest(colours[labels == k]) if blended else means[k]
            areas.append(_Area(tuple(colour.tolist()), int(sizes[k]), blended))
    return areas


def _commonest(colours: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """Return the colour of most samples: the mean of several instances is that of none."""
    code = (colours >> 2).astype(np.int32)
    packed = (code[:, 0] << 12) | (code[:, 1] << 6) | code[:, 2]
    values, counts = np.unique(packed, return_counts=True)
    return np.asarray(colours[packed == values[counts.argmax()]].mean(axis=0))


@dataclass(frozen=True)
class SegmentIds:
    """Decode colours to ids, int32 [t h w]: see the module for what happens between two ids."""

    palette: Palette

    def __call__(self, raw: Array) -> Array:
        return np.stack([segment_ids(frame[..., :3], self.palette) for frame in raw])


def segment_ids(frame: UInt8[np.ndarray, "h w 3"], palette: Palette) -> Int32[np.ndarray, "h w"]:
    """Return the id of every pixel; 0 where no id is sure within the reach of a blend."""
    code = (frame >> (8 - _BITS)).astype(np.int32)
    ids = _table(palette)[(code[..., 0] << 2 * _BITS) | (code[..., 1] << _BITS) | code[..., 2]]
    unsure = ids == _UNSURE
    if unsure.all():
        return np.zeros_like(ids)
    if unsure.any():
        distance, places = cv2.distanceTransformWithLabels(
            unsure.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        nearest = np.zeros(int(places.max()) + 1, np.int32)
        nearest[places[~unsure]] = ids[~unsure]
        ids[unsure] = np.where(distance[unsure] <= _BLEND, nearest[places[unsure]], 0)
    return ids


@lru_cache(maxsize=4)
def _table(palette: Palette) -> Int32[np.ndarray, "codes"]:
    """Return the id of every colour of `_BITS` bits a channel, or that it is unsure."""
    width = 1 << (8 - _BITS)
    steps = np.arange(1 << _BITS) * width + (width - 1) / 2
    red, green, blue = (axis.ravel() for axis in np.meshgrid(steps, steps, steps, indexing="ij"))
    best = np.full(red.shape, np.inf)
    ids = np.full(red.shape, _UNSURE, np.int32)
    for r, g, b, number in palette:
        away = np.maximum(np.maximum(abs(red - r), abs(green - g)), abs(blue - b))
        squared = (red - r) ** 2 + (green - g) ** 2 + (blue - b) ** 2
        nearer = (squared < best) & (away <= _NEAR)
        best[nearer], ids[nearer] = squared[nearer], number
    return ids
