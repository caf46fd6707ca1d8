"""Estimate bounding boxes of bodies and the thickness of what a frame shows."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.scene import frame_geometry
from simlift.pixels.id_rows import rows_of
from simlift.pixels.light.environment import rotate_harmonics
from simlift.pixels.light.occlusion import Occluders

_FEWEST, _THICKEST = 12, 6.0  # pixels that tell a thing's size; metres
_WIDTHS = 6.0  # half widths that a part is deep: three times as deep as wide
_FAR = 1e4  # metres; the sky


@dataclass(frozen=True, eq=False)
class BoundingBoxes:
    """How far segments reach in their bodies' axes, a row for each id, in metres; 0 if unknown.

    `least` is how deep it goes at least from wherever it is seen.
    """

    ids: Int[np.ndarray, "n"]
    low: Float[np.ndarray, "n 3"]
    high: Float[np.ndarray, "n 3"]
    least: Float[np.ndarray, "n"]

    @property
    def known(self) -> bool:
        """Whether anything is known of any."""
        return bool((self.high > self.low).any())

    def depth_of(self, ids: Int[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return how deep each id goes at least, 0 where it has no row."""
        return np.append(self.least, np.float32(0))[rows_of(ids, self.ids)]


def observed_boxes(window: Window) -> BoundingBoxes:
    """Return how far the sampled window's segments reach, as far as its images tell.

    An image shows no backs. A thing is taken to be as deep as the middle one of its three extents,
    in the axes it moves in, over all sampled frames.
    """
    bodies = np.zeros(0, int) if window.objects is None else window.objects.ids
    low, high = np.zeros((len(bodies), 3), np.float32), np.zeros((len(bodies), 3), np.float32)
    least = np.zeros(len(bodies), np.float32)
    boxes = BoundingBoxes(bodies, low, high, least)
    if Layer.SEGMENTATION not in window or window.objects is None:
        return boxes
    ids = window[Layer.SEGMENTATION]
    points = np.stack(
        [frame_geometry.world_points(frame) for frame in window.derive(frame_geometry.split)]
    )
    known = {int(i): k for k, i in enumerate(window.objects.ids)}
    finite = np.isfinite(points).all(-1)
    for number in np.unique(ids[finite]).tolist():
        if number not in known:
            continue
        where = (ids == number) & finite
        if where.sum() < _FEWEST:
            continue
        row = known[number]
        pose = window.objects.poses[np.nonzero(where)[0], row]
        local = np.einsum("ndc,nd->nc", pose[:, :3, :3], points[where] - pose[:, :3, 3])
        low[row], high[row] = np.quantile(local, [0.02, 0.98], axis=0)
        least[row] = min(float(np.sort(high[row] - low[row])[1]), _THICKEST)
    return boxes


@dataclass(frozen=True, eq=False)
class FindOccluders:
    """Finds what is known of what hides light from a frame, at half resolution.

    `moving` are the ids of what is in no voxel, `light` harmonics of how open the sky is, in world
    axes.
    """

    boxes: BoundingBoxes
    moving: Int[np.ndarray, "m"]
    light: Float[np.ndarray, "9"]

    def __call__(self, frame: Window) -> Occluders:
        """Return how deep what each pixel shows is likely to be, what moves, and where light is.

        A part is hardly deeper than it is wide: a pole belongs to a lamp, and is thin.
        """
        half = frame_geometry.halve(frame)
        ids = half.segmentation
        inside = np.ones(ids.shape, np.uint8)
        inside[:, 1:] &= ids[:, 1:] == ids[:, :-1]
        inside[1:] &= ids[1:] == ids[:-1]
        per_pixel = np.float32(_WIDTHS / half.view.intrinsics[0, 0])
        girth = half_width(inside) * np.minimum(half.view.depth, np.float32(_FAR)) * per_pixel
        thick = np.minimum(self._depth(frame, half), girth)
        moves = rows_of(ids, self.moving) >= 0
        light = rotate_harmonics(self.light, frame_geometry.camera_to_world(frame))
        return Occluders(np.asarray(thick, np.float32), moves, self._placed(frame), light)

    def _placed(self, frame: Window) -> Float[np.ndarray, "m 15"]:
        """Return the boxes of what moves where they are now, in camera axes.

        Boxes that only images told of are left out: they may be mere faces.
        """
        if frame.objects is None or self.boxes.least.any():
            return np.zeros((0, 15), np.float32)
        rows = rows_of(self.moving, self.boxes.ids)
        numbers, rows = self.moving[rows >= 0], rows[rows >= 0]
        poses = _poses(frame)
        view = np.linalg.inv(frame_geometry.camera_pose(frame))
        placed = np.array([poses[number] for number in numbers.tolist()]).reshape(-1, 4, 4)
        local = np.einsum("ab,nbc->nac", view, placed)[:, :3]
        low, high = self.boxes.low[rows], self.boxes.high[rows]
        centres = np.einsum("nab,nb->na", local[:, :, :3], (low + high) / 2) + local[:, :, 3]
        axes = local[:, :, :3].transpose(0, 2, 1).reshape(-1, 9)
        return np.hstack([centres, axes, (high - low) / 2]).astype(np.float32)

    def _depth(self, frame: Window, half: frame_geometry.HalfFrame) -> Float[np.ndarray, "a b"]:
        """Return how much farther each pixel's sight leaves its thing's box than it entered it."""
        from simlift.pixels.light import _occlusion_kernels as kernels

        ids, boxes = half.segmentation, self.boxes
        out = boxes.depth_of(ids)
        if frame.objects is None:
            return out
        rows = rows_of(frame.objects.ids, boxes.ids)
        known, rows = np.flatnonzero(rows >= 0), rows[rows >= 0]
        to_box = np.linalg.inv(frame.objects.poses[0][known])
        to_box = np.einsum("nab,bc->nac", to_box, frame_geometry.camera_pose(frame))[:, :3]
        kernels.sight(
            rows_of(ids, frame.objects.ids[known]),
            half.points,
            half.view.depth,
            to_box.astype(np.float32),
            boxes.low[rows],
            boxes.high[rows],
            out,
        )
        return np.clip(out, 0, _THICKEST)


def _poses(frame: Window) -> dict[int, Float[np.ndarray, "4 4"]]:
    assert frame.objects is not None
    return dict(zip(frame.objects.ids.tolist(), frame.objects.poses[0], strict=True))


def half_width(inside: UInt8[np.ndarray, "a b"]) -> Float[np.ndarray, "a b"]:
    """Return half of how wide a part is at each pixel: the largest disc within it that covers it.

    `inside` is 0 at the borders of parts. Source: local thickness (Hildebrand and Ruegsegger, "A
    new method for the model-independent assessment of thickness", 1997), over discs that double.
    """
    # Without any border the distance is endless.
    from_border = np.minimum(cv2.distanceTransform(inside, cv2.DIST_L2, 3), inside.size)
    out = from_border.astype(np.float32)
    radius = 2.0
    while radius < min(inside.shape) and (centres := from_border >= radius).any():
        reach = cv2.distanceTransform((~centres).astype(np.uint8), cv2.DIST_L2, 3)
        out = np.where(reach < radius, np.maximum(out, np.float32(radius)), out)
        radius *= 2
    return out
