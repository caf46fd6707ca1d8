"""Judge a made first frame: the robot stays where the simulator says, and something was made.

Editors move what they repaint, and sometimes hand back what they were given. The skeleton that
drives the video afterwards says where the robot is, so a first frame in which it stands elsewhere
is a wrong condition from its first step on.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.anchors.protocols import Image
from simlift.pixels.image.alignment import Alignment, align
from simlift.pixels.image.region_alignment import RegionAlignment, align_region
from simlift.pixels.image.similarity import shrink_to

_HULL_MARGIN = 1 / 24  # of the frame's height: a robot's body is wider than its skeleton
_LINES = 60  # at which pictures are compared for change: noise and coding are averaged away


@dataclass(frozen=True)
class FirstFrameGate:
    """How a first frame must lie over its render, in pixels of the clip.

    max_shift: of the robot, and of the whole frame. max_zoom: of the whole frame.
    min_robot_edge_f1: of the robot's edges within 1 pixel. min_likeness: correlation of the robot's
        gradients where it was found; below it, it is not found. min_edge_f1: of all edges; low,
        because another place behind the robot is wanted.
    min_change: mean difference from the render in codes of 255, below which nothing was made.
    robot_classes: of the segmentation.

    The defaults come from bench/first_frames.py on the tabletop episode. Its path-traced twin, 12
    looks and 9 other backgrounds give the robot shifts of 0.07 to 0.46 pixels (a dark look 0.62),
    edges of 0.68 to 0.79, a likeness of 0.54 to 0.76, whole-frame edges from 0.26 and changes of 22
    to 64. A robot that moved by (2, -1) pixels gives 2.6, one that is gone a likeness of at most
    0.32, and the render itself, under noise or JPEG too, a change of at most 1.3.
    """

    max_shift: float = 1.0
    max_zoom: float = 0.005
    min_robot_edge_f1: float = 0.45
    min_likeness: float = 0.4
    min_edge_f1: float = 0.2
    min_change: float = 4.0
    robot_classes: tuple[str, ...] = ("robot",)

    def __post_init__(self) -> None:
        for name in ("max_shift", "max_zoom", "min_change"):
            if (value := getattr(self, name)) < 0:
                raise RecipeError(f"gate.{name}", f"found {value:g}", allowed="0 or more")
        for name in ("min_robot_edge_f1", "min_likeness", "min_edge_f1"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise RecipeError(f"gate.{name}", f"found {value:g}", allowed="0 to 1")


@dataclass(frozen=True)
class FirstFrameEvidence:
    """What was measured of a first frame; `robot` is None where no robot shows enough to tell."""

    frame: Alignment
    robot: RegionAlignment | None
    change: float

    def reasons(self, gate: FirstFrameGate) -> tuple[str, ...]:
        """Return what speaks against the frame, each with what was found and what is allowed."""
        found = []
        if self.change < gate.min_change:
            found.append(
                f"it is the render itself: it differs by {self.change:.2g} codes, "
                f"below {gate.min_change:g}"
            )
        if self.robot is not None:
            found += self._of_robot(self.robot, gate)
        if self.frame.shift > gate.max_shift:
            found.append(
                f"the frame is shifted by {self.frame.shift:.3g} pixels, above {gate.max_shift:g}"
            )
        if abs(self.frame.zoom) > gate.max_zoom:
            found.append(f"the frame is zoomed by {self.frame.zoom:.2g}, above {gate.max_zoom:g}")
        if self.frame.edge_f1 < gate.min_edge_f1:
            found.append(
                f"{self.frame.edge_f1:.2g} of the frame's edges agree, below {gate.min_edge_f1:g}"
            )
        return tuple(found)

    def words(self) -> str:
        """Say what was measured."""
        robot = "no robot in sight to judge by"
        if self.robot is not None:
            robot = (
                f"robot shifted by {self.robot.shift:.2f} pixels, {self.robot.edge_f1:.2f} of its "
                f"edges agree, likeness {self.robot.likeness:.2f}"
            )
        frame = self.frame
        return (
            f"{robot}; whole frame shifted by {frame.shift:.2f} pixels, zoomed by "
            f"{frame.zoom:.4f}, {frame.edge_f1:.2f} of its edges agree; changed by "
            f"{self.change:.1f} codes"
        )

    @staticmethod
    def _of_robot(robot: RegionAlignment, gate: FirstFrameGate) -> list[str]:
        if robot.likeness < gate.min_likeness:
            return [
                f"the robot is not found (likeness {robot.likeness:.2g}, below "
                f"{gate.min_likeness:g})"
            ]
        if robot.shift > gate.max_shift:
            return [f"the robot is shifted by {robot.shift:.3g} pixels, above {gate.max_shift:g}"]
        if robot.edge_f1 < gate.min_robot_edge_f1:
            return [
                f"{robot.edge_f1:.2g} of the robot's edges agree, below {gate.min_robot_edge_f1:g}"
            ]
        return []


def judge_first_frame(
    render: Image, made: Image, robot: Bool[np.ndarray, "h w"]
) -> FirstFrameEvidence:
    """Measure a made first frame against its render; `robot` marks the pixels that must stay."""
    one, other = (shrink_to(image, _LINES).astype(np.float32) for image in (render, made))
    return FirstFrameEvidence(
        align(render, made),
        align_region(render, made, robot),
        float(np.abs(one - other).mean()),
    )


def robot_region(
    window: Window, skeleton: UInt8[np.ndarray, "h w 3"], classes: tuple[str, ...]
) -> tuple[Bool[np.ndarray, "h w"], str]:
    """Return the robot's pixels in the first frame of a window, and in words where from.

    They are those of its classes in the segmentation, and where none of these are named, the convex
    hull of what the skeleton draws, widened by a 24th of the frame's height.
    """
    named = [number for number, category in window.categories.items() if category in classes]
    if Layer.SEGMENTATION in window and named:
        return np.isin(window[Layer.SEGMENTATION][0], named), "segmentation"
    drawn = skeleton.any(axis=-1)
    hull = np.zeros(drawn.shape, np.uint8)
    if drawn.any():
        points = cv2.convexHull(cv2.findNonZero(drawn.astype(np.uint8)))
        cv2.fillConvexPoly(hull, points, 1)
        size = 2 * round(drawn.shape[0] * _HULL_MARGIN) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        hull = np.asarray(cv2.dilate(hull, kernel))
    return hull > 0, "hull of the skeleton"
