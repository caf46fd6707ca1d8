"""Measure whether the robot stands in the take where the simulator has it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from simlift.core.layers import Layer
from simlift.core.score import Direction, Score, frame_scores
from simlift.core.window import Frames, Window
from simlift.evaluation.metrics.edges import render_edges
from simlift.evaluation.objects.motion import ROBOT, project
from simlift.pixels.image.edges import offset, recall_counts, relative_canny
from simlift.pixels.image.object_search import colour_model

Masks = Sequence[Bool[np.ndarray, "h w"]]
_LEAST = 400  # pixels of a robot that gives evidence
_LEAST_EDGE = 40  # pixels of its outline
_AROUND = 6  # pixels beside the outline in which its edges are looked for
_TOLD = 0.85  # IoU that colours must reach in the render, to be evidence in the take
_BONE = 0.03  # of the rows: half the width of what is taken for the robot around its bones


@dataclass(frozen=True)
class RobotAlignment:
    """Whether the outline of the robot lies in the take where the simulator says.

    The robot is what the segmentation calls `robot`; without ids, what lies around the bones that
    join its projected links: these tell its offset, and no outline.

    `robot_offset`: the shift, in pixels, at which the edges of take and render around the robot
    overlap most. `robot_edge_ratio`: the share of its outline that the take shows within 1 pixel,
    over that of the render; `robot_moving_edge_ratio`: the same where its outline moved since the
    frame before, which a late take fails. `robot_iou`: IoU of its mask with the pixels around it
    that have its colours rather than those beside it, where the render reaches 0.85: it describes,
    for shadows move it as far as an offset of 3 pixels.
    """

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def measure(self, window: Window, frames: Frames) -> Iterable[Score]:
        """Return all scores; clips without a robot, and frames without it in sight, judge none."""
        every, masks = window.indices.tolist(), window.derive(robot_masks)
        if masks is None:
            yield from _nothing(every)
            return
        render, bands = window.derive(render_edges), [_wide(mask, _AROUND) for mask in masks]
        take = [relative_canny(frame) for frame in frames]
        shifts = [
            offset(mine & band, its & band) if np.count_nonzero(mask) >= _LEAST else None
            for mine, its, band, mask in zip(take, render, bands, masks, strict=True)
        ]
        yield frame_scores(
            "robot_offset",
            Direction.LOWER,
            every,
            [float(np.hypot(*shift)) if shift else 0.0 for shift in shifts],
            [1.0 if shift else 0.0 for shift in shifts],
            "pixels",
        )
        outlines = window.derive(_outlines)
        yield _ratio("robot_edge_ratio", every, outlines, take, render)
        moved = [o & m for o, m in zip(outlines[1:], window.derive(_moved), strict=True)]
        yield _ratio("robot_moving_edge_ratio", every[1:], moved, take[1:], render[1:])
        yield self._iou(window, frames, masks)

    def _iou(self, window: Window, frames: Frames, masks: Masks) -> Score:
        told = window.derive(_ious_of_render)
        counts = [
            _iou_counts(frame, mask) if good else (0, 0)
            for frame, mask, good in zip(frames, masks, told, strict=True)
        ]
        return frame_scores(
            "robot_iou",
            Direction.NEUTRAL,
            window.indices.tolist(),
            [float(both) for both, _ in counts],
            [float(either) for _, either in counts],
            "share",
        )


def robot_masks(window: Window) -> Masks | None:
    """Return where the robot is seen in every frame; None where neither ids nor links tell."""
    ids = [i for i, category in window.categories.items() if category == ROBOT]
    if ids and Layer.SEGMENTATION in window:
        return list(np.isin(window[Layer.SEGMENTATION], ids))
    if window.robot is None or window.camera is None:
        return None
    robot, camera = window.robot, window.camera
    chains = [arm.links for arm in robot.arms] or [robot.link_names]
    thick = max(3, 2 * round(_BONE * window.size[0]))
    canvas = np.zeros((len(window), *window.size), np.uint8)
    for links in chains:
        poses = robot.poses_of(tuple(links))
        joints = np.stack([project(camera, p) for p in poses[:, :, :3, 3].transpose(1, 0, 2)], 1)
        for picture, points in zip(canvas, joints, strict=True):
            seen = points[np.isfinite(points).all(1)].clip(-1e4, 1e4)
            cv2.polylines(picture, [np.rint(seen).astype(np.int32)], False, 1, thick)
    return list(canvas > 0)


def _outlines(window: Window) -> Masks:
    """Return the pixels of the robot along its outline; none where bones stand for it."""
    masks = window.derive(robot_masks)
    assert masks is not None
    if Layer.SEGMENTATION not in window:
        return [np.zeros_like(mask) for mask in masks]
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    # The border of the frame is no outline.
    inner = [cv2.erode(mask.astype(np.uint8), cross, borderValue=1) > 0 for mask in masks]
    return [mask & ~core for mask, core in zip(masks, inner, strict=True)]


def _moved(window: Window) -> Masks:
    masks = window.derive(robot_masks)
    assert masks is not None
    return [_wide(a ^ b, 2) for a, b in pairwise(masks)]


def _ratio(name: str, frames: list[int], wanted: Masks, take: Masks, render: Masks) -> Score:
    counts = [
        (recall_counts(w, mine)[0], recall_counts(w, its)[0])
        if np.count_nonzero(w) >= _LEAST_EDGE
        else (0, 0)
        for w, mine, its in zip(wanted, take, render, strict=True)
    ]
    return frame_scores(
        name,
        Direction.HIGHER,
        frames,
        [float(mine) for mine, _ in counts],
        [float(its) for _, its in counts],
    )


def _ious_of_render(window: Window) -> list[bool]:
    masks = window.derive(robot_masks)
    assert masks is not None
    if Layer.SEGMENTATION not in window:  # bones are no outline
        return [False] * len(window)
    told = []
    for frame, mask in zip(window.rgb, masks, strict=True):
        both, either = _iou_counts(frame, mask) if np.count_nonzero(mask) >= _LEAST else (0, 1)
        told.append(both >= _TOLD * either)
    return told


def _iou_counts(
    frame: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]
) -> tuple[int, int]:
    """Count pixels in and around a mask that are the robot by mask and colour, and by either."""
    region = _wide(mask, 2 * _AROUND)
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    frame, mask, region = frame[box], mask[box], region[box]
    model = colour_model(frame[mask], frame[region & ~mask])
    shown = (cv2.blur(model.ratio(frame), (3, 3)) > 0) & region
    return int(np.count_nonzero(shown & mask)), int(np.count_nonzero(shown | mask))


def _wide(mask: Bool[np.ndarray, "h w"], pixels: int) -> Bool[np.ndarray, "h w"]:
    square = np.ones((2 * pixels + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), square)) > 0


def _nothing(frames: list[int]) -> Iterable[Score]:
    zeros = [0.0] * len(frames)
    yield frame_scores("robot_offset", Direction.LOWER, frames, zeros, zeros, "pixels")
    yield frame_scores("robot_edge_ratio", Direction.HIGHER, frames, zeros, zeros)
    yield frame_scores("robot_moving_edge_ratio", Direction.HIGHER, frames, zeros, zeros)
    yield frame_scores("robot_iou", Direction.NEUTRAL, frames, zeros, zeros, "share")
