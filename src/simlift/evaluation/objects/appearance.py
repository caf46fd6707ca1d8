"""Learn how moving objects look in a video, from frames in which their places are sure.

These are the frames before an object is let go: until then it is in the robot's hand, or lies where
it lay. The same is learnt from the render, which says what can be told of an object at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from simlift.core.clip import ClipReader
from simlift.core.layers import Layer
from simlift.core.window import Frames
from simlift.evaluation.objects.motion import MovingObject, moving_objects
from simlift.pixels.image.object_search import ColourModel, Fit, colour_model, fit_mask

REFERENCES = 8  # frames that an object's colours are learnt from
LEAST = 64  # pixels, 8 x 8: a smaller thing gives no evidence
_WORKING = 40.0  # pixels across: larger things are searched for in smaller frames
_REACH = 0.2  # of the frame's shorter side: how far from its place a thing is searched for
_WHOLE = 0.5  # of the largest area: references that show less are left out
_MOST = 8  # objects that are followed in a clip: those that are let go, then the largest
_RIVAL = 0.7  # of the fit: if it is as good elsewhere, the thing cannot be told from another
_CLEAR = 1.5  # mean fit over the references, below which a thing cannot be told from the rest
_TRUE = 1.5  # pixels, in the size searched at: how far the references may be off


@dataclass(frozen=True, eq=False)
class Appearance:
    """How an object looks in one video: its colours, and how well they tell it from the rest."""

    model: ColourModel
    fit: float  # median over the references


@dataclass(frozen=True, eq=False)
class Followed:
    """A moving object, and how it looks in the render and in a take; None where it is not told.

    `scale` is that of the frames it is searched in, `reach` how far, in their pixels.
    """

    object: MovingObject
    area: float  # pixels, in the largest reference
    scale: float
    reach: int
    render: Appearance
    take: Appearance | None

    def find(
        self,
        frame: UInt8[np.ndarray, "h w 3"],
        mask: Bool[np.ndarray, "h w"],
        appearance: Appearance,
    ) -> Fit:
        """Find the object in a frame, around a mask: displacement in pixels of the frame."""
        return _find(frame, mask, appearance.model, self.scale, self.reach)


@dataclass(frozen=True, eq=False)
class References:
    """The frames of a clip that objects are learnt from, the same for every take."""

    frames: tuple[int, ...]
    objects: tuple[MovingObject, ...]
    rgb: Frames
    ids: Int[np.ndarray, "t h w"]


def read_references(reader: ClipReader) -> References | None:
    """Read the reference frames of a clip; None where it has no ids, or nothing moves."""
    clip = reader.clip
    objects = moving_objects(clip) if Layer.SEGMENTATION in clip else ()
    if not objects:
        return None
    frames = sorted({k for o in objects for k in reference_frames(o, clip.num_frames)})
    window = reader.window(frames)
    return References(tuple(frames), objects, window.rgb, window[Layer.SEGMENTATION])


def reference_frames(moving: MovingObject, num_frames: int) -> tuple[int, ...]:
    """Return evenly spaced frames up to an object's release, or over the clip without one."""
    last = num_frames - 1 if moving.release is None else moving.release
    return tuple(np.unique(np.linspace(0, last, REFERENCES).round().astype(int)).tolist())


def follow(
    references: References | None, read: Callable[[Sequence[int]], Frames]
) -> tuple[Followed, ...]:
    """Return the objects that can be followed in a take, whose frames `read` returns."""
    if references is None:
        return ()
    take, found = read(references.frames), []
    for moving, rows, masks in _candidates(references):
        area = float(masks.sum((1, 2)).max())
        scale = min(1.0, _WORKING / float(np.sqrt(area)))
        reach = max(4, round(_REACH * min(masks.shape[1:]) * scale))
        box = _surroundings(moving.places, masks, reach / scale)
        render = _learn(references.rgb[rows], masks, box, scale, reach)
        if render is not None:
            learnt = _learn(take[rows], masks, box, scale, reach)
            found.append(Followed(moving, area, scale, reach, render, learnt))
    return tuple(found)


def _candidates(
    references: References,
) -> list[tuple[MovingObject, list[int], Bool[np.ndarray, "k h w"]]]:
    """Return the objects to follow, the references that show them whole, and their masks there."""
    found = []
    for moving in references.objects:
        chosen = reference_frames(moving, len(moving.places))
        rows = [references.frames.index(k) for k in chosen]
        masks = references.ids[rows] == moving.id
        areas = masks.sum((1, 2))
        whole = areas >= max(LEAST, _WHOLE * float(areas.max()))
        if whole.any():
            kept = [row for row, good in zip(rows, whole.tolist(), strict=True) if good]
            order = moving.release is None, -float(areas.max())
            found.append((order, (moving, kept, masks[whole])))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])[:_MOST]]


def _learn(
    frames: Frames,
    masks: Bool[np.ndarray, "t h w"],
    box: tuple[slice, slice],
    scale: float,
    reach: int,
) -> Appearance | None:
    things, rest = [], []
    for frame, mask in zip(frames, masks, strict=True):
        inner = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        outer = cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)) == 0
        things.append(frame[inner if inner.any() else mask])
        rest.append(frame[box][outer[box]])
    model = colour_model(np.concatenate(things), np.concatenate(rest))
    fits = [
        _find(frame, mask, model, scale, reach) for frame, mask in zip(frames, masks, strict=True)
    ]
    fit = float(np.median([f.fit for f in fits]))
    off = float(np.median([np.hypot(f.dx, f.dy) for f in fits])) * scale
    alone = float(np.median([f.rival for f in fits])) <= _RIVAL * fit
    return Appearance(model, fit) if fit >= _CLEAR and off <= _TRUE and alone else None


def _find(
    frame: UInt8[np.ndarray, "h w 3"],
    mask: Bool[np.ndarray, "h w"],
    model: ColourModel,
    scale: float,
    reach: int,
) -> Fit:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    margin = round((reach + 8) / scale)
    height, width = mask.shape
    box = (
        slice(max(rows[0] - margin, 0), min(rows[-1] + 1 + margin, height)),
        slice(max(columns[0] - margin, 0), min(columns[-1] + 1 + margin, width)),
    )
    ratios, part = model.ratio(frame[box]), mask[box]
    if scale < 1:
        size = (max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1))
        ratios = cv2.resize(ratios, size, interpolation=cv2.INTER_AREA)
        shares = cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        part = shares >= min(0.5, float(shares.max()))
    fit = fit_mask(ratios, part, reach)
    assert fit is not None  # masks that are searched for are not empty
    return Fit(fit.dx / scale, fit.dy / scale, fit.fit, fit.rival)


def _surroundings(
    places: Float[np.ndarray, "t 2"], masks: Bool[np.ndarray, "k h w"], margin: float
) -> tuple[slice, slice]:
    """Return the part of the picture that the object and its path lie in, and a margin."""
    height, width = masks.shape[1:]
    rows, columns = np.flatnonzero(masks.any((0, 2))), np.flatnonzero(masks.any((0, 1)))
    seen = places[np.isfinite(places).all(1)].clip((0, 0), (width - 1, height - 1))
    left, top = np.minimum(seen.min(0), (columns[0], rows[0])) - margin
    right, bottom = np.maximum(seen.max(0), (columns[-1], rows[-1])) + margin
    return (
        slice(max(int(top), 0), min(int(bottom) + 1, height)),
        slice(max(int(left), 0), min(int(right) + 1, width)),
    )
