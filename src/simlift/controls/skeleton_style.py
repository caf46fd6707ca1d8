"""Draw arms as skeletons: bones, joints, the end effector's frame and how far its gripper opens.

The defaults are the convention of OSCAR (arXiv 2606.04463) for a robot of one arm, read off its
public renderer: elements, colours, widths and their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Bool, Float

from simlift.controls.posed_arms import PosedArm, Rounding, project
from simlift.core.errors import RecipeError

if TYPE_CHECKING:
    from simlift.core.window import Frames

Colour = tuple[int, int, int]  # sRGB


@dataclass(frozen=True)
class ArmColours:
    """The colours of one arm; `axes` are x, y and z of its end effector."""

    bones: Colour
    joints: Colour
    axes: tuple[Colour, Colour, Colour]
    gripper: Colour


_AXES = ((0, 0, 255), (0, 255, 0), (255, 0, 0))
OSCAR_COLOURS = ArmColours((255, 255, 0), (0, 0, 255), _AXES, (255, 0, 0))
# OSCAR's public renderer draws one arm. These are ours, and unverified against its training.
SECOND_ARM = ArmColours((0, 255, 255), (255, 128, 0), _AXES, (255, 0, 255))
THIRD_ARM = ArmColours((255, 128, 255), (0, 160, 80), _AXES, (255, 128, 0))


@dataclass(frozen=True)
class SkeletonStyle:
    """How skeletons are drawn. Widths and radii are in pixels of the frame that is drawn.

    Per arm, in this order: a polyline from the end effector to the base, a filled circle on each
    joint, arrows for x, y and z, and two arrows for the gripper in the y-z plane of the end
    effector, each turned from z by `gripper_angle` times the opening. Points of the polyline that
    lie nearer than `same_point` metres to the one before are left out; what is behind the camera is
    moved to `nearest` metres before it. Lines and arrows are cut to the frame by cv2.clipLine.

    The colours of the first arm are OSCAR's; those of further arms are simlift's own and unverified
    against its training. Where the opening of a gripper is not known its arrows are left out. Of
    OSCAR's renderer it is not known which pixel it takes for a point between two: see `rounding`.
    """

    background: Colour = (0, 0, 0)
    arms: tuple[ArmColours, ...] = (OSCAR_COLOURS, SECOND_ARM, THIRD_ARM)
    bone_width: int = 3
    joint_radius: int = 4
    arrow_length: float = 0.2  # metres
    arrow_width: int = 5
    arrow_tip: float = 0.15  # of an arrow's length
    gripper_length: float = 0.2  # metres
    gripper_angle: float = np.pi / 12  # radians to either side, where the gripper is open
    same_point: float = 1e-4
    nearest: float = 1e-3
    rounding: Rounding = "floor"

    def paint(
        self,
        frames: "Frames",
        arms: Sequence[PosedArm],
        intrinsics: Float[np.ndarray, "t 3 3"],
        *,
        smooth: bool = False,
    ) -> None:
        """Draw arms into frames [t h w 3], in place; `smooth` lines are anti-aliased.

        RecipeError where the style has colours for fewer arms.
        """
        if len(arms) > len(self.arms):
            raise RecipeError(
                "skeleton style",
                f"has colours for {len(self.arms)} arms, the robot has {len(arms)}",
                way_out="a SkeletonStyle with an entry of `arms` for each",
            )
        for arm, colours in zip(arms, self.arms, strict=False):
            self._paint_arm(frames, arm, colours, intrinsics, smooth)

    def _paint_arm(
        self,
        frames: "Frames",
        arm: PosedArm,
        colours: ArmColours,
        intrinsics: Float[np.ndarray, "t 3 3"],
        smooth: bool,
    ) -> None:
        count = arm.links.shape[1]
        points = np.concatenate([arm.origins, self._tips(arm)], axis=1)
        pixels = project(points, intrinsics, nearest=self.nearest, rounding=self.rounding)
        kept = distinct(arm.origins, self.same_point)
        num_tips = np.where(np.isfinite(arm.gripper), 5, 3).tolist()
        tints = (*colours.axes, colours.gripper, colours.gripper)
        height, width = frames.shape[1:3]
        box, line_type = (0, 0, width, height), cv2.LINE_AA if smooth else cv2.LINE_8
        # cv2.clipLine returns what lies inside as it is: such frames are drawn without it, and
        # their bones in one call, whose pixels are the same.
        whole: list[bool] = np.array(
            ((pixels >= 0) & (pixels < (width, height))).all(axis=(1, 2))
        ).tolist()
        for t, frame in enumerate(frames):
            joints = pixels[t, :count][kept[t]]
            start, *tips = pixels[t, [0, *range(-5, 0)]].tolist()
            if whole[t]:
                chain = joints[:, None].astype(np.int32)
                cv2.polylines(frame, [chain], False, colours.bones, self.bone_width, line_type)
            else:
                for a, b in pairwise(joints.tolist()):
                    inside, a, b = cv2.clipLine(box, a, b)
                    if inside:
                        cv2.line(frame, a, b, colours.bones, self.bone_width, line_type)
            for joint in joints.tolist():
                cv2.circle(frame, joint, self.joint_radius, colours.joints, -1, line_type)
            for tip, tint in zip(tips[: num_tips[t]], tints, strict=False):
                inside, a, b = (True, start, tip) if whole[t] else cv2.clipLine(box, start, tip)
                if inside:
                    cv2.arrowedLine(
                        frame, a, b, tint, self.arrow_width, line_type, tipLength=self.arrow_tip
                    )

    def _tips(self, arm: PosedArm) -> Float[np.ndarray, "t 5 3"]:
        """Return the tips of the arrows: x, y, z, and those of the gripper (closed if unknown)."""
        angle = self.gripper_angle * np.nan_to_num(arm.gripper)
        local = np.zeros((len(angle), 5, 3))
        local[:, (0, 1, 2), (0, 1, 2)] = self.arrow_length
        local[:, 3:, 1] = self.gripper_length * np.sin(angle)[:, None] * (1, -1)
        local[:, 3:, 2] = self.gripper_length * np.cos(angle)[:, None]
        return arm.at_end_effector(local)


def distinct(points: Float[np.ndarray, "t k 3"], apart: float) -> Bool[np.ndarray, "t k"]:
    """Mask the points that lie at least `apart` from the last one kept before them."""
    kept = np.ones(points.shape[:2], bool)
    last = points[:, 0]
    for k in range(1, points.shape[1]):
        kept[:, k] = np.linalg.norm(points[:, k] - last, axis=-1) >= apart
        last = np.where(kept[:, k, None], points[:, k], last)
    return kept
