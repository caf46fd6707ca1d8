"""Draw arms as the trajectory maps that GE-Sim (Genie Envisioner, arXiv 2508.05635) is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float

from simlift.controls.posed_arms import PosedArm, project
from simlift.controls.skeleton_style import Colour
from simlift.core.errors import RecipeError

if TYPE_CHECKING:
    from simlift.core.window import Frames

# The nine classes of ColorBrewer's sequential schemes, between which matplotlib interpolates.
_GREENS = "f7fcf5 e5f5e0 c7e9c0 a1d99b 74c476 41ab5d 238b45 006d2c 00441b"
_REDS = "fff5f0 fee0d2 fcbba1 fc9272 fb6a4a ef3b2c cb181d a50f15 67000d"
_STEPS = 256
_FARTHEST_RADIUS = 100  # pixels, of an end effector at the camera
_NEAR, _SPAN = 0.07, 0.8 - 0.07  # metres, of GE-Sim's rule for the radius


@dataclass(frozen=True)
class _Side:
    scheme: str
    axes: tuple[Colour, Colour, Colour]


_LEFT = _Side(_GREENS, ((0, 0, 255), (255, 255, 0), (0, 255, 255)))
_RIGHT = _Side(_REDS, ((255, 0, 255), (255, 0, 0), (0, 255, 0)))


@dataclass(frozen=True)
class TrajectoryMap:
    """A disc at each end effector and its axes on gray, as GE-Sim's utils/get_traj_maps.py draws.

    The disc's colour is the opening of the gripper on the scheme Greens (left arm) or Reds
    (right), its radius shrinks with the distance to the camera. Arms are told apart by "left" and
    "right" in their names, else by their order: left, right. The drawn frame lies `offset` metres
    along z of the end effector. An arm is left out where that point is behind the camera or outside
    the frame. Discs come first, then axes.

    GE-Sim divides AgiBot's gripper position by 120; which end of that is open was not verified, so
    `dark_when_open` is a choice. Where the opening is not known the disc is left out.
    """

    background: Colour = (50, 50, 50)
    axis_length: float = 0.1  # metres
    axis_width: int = 8
    offset: float = 0.23  # metres
    radius: int | None = None  # pixels; None has it follow the distance
    dark_when_open: bool = True

    def paint(
        self,
        frames: "Frames",
        arms: Sequence[PosedArm],
        intrinsics: Float[np.ndarray, "t 3 3"],
        *,
        smooth: bool = False,
    ) -> None:
        """Draw arms into frames [t h w 3], in place; RecipeError for more than two."""
        if len(arms) > 2:
            raise RecipeError("trajectory map", f"the robot has {len(arms)} arms", allowed="1 or 2")
        line_type = cv2.LINE_AA if smooth else cv2.LINE_8
        height, width = frames.shape[1:3]
        sides = [_side(arm, k) for k, arm in enumerate(arms)]
        points = [arm.at_end_effector(self._local()) for arm in arms]
        pixels = [project(p, intrinsics).tolist() for p in points]
        radii = [self._radii(arm).tolist() for arm in arms]
        for i, frame in enumerate(frames):
            shown = [
                k
                for k in range(len(arms))
                if points[k][i, 0, 2] > 0
                and 0 <= pixels[k][i][0][0] < width
                and 0 <= pixels[k][i][0][1] < height
            ]
            for k in shown:
                if np.isfinite(opening := float(arms[k].gripper[i])):
                    value = opening if self.dark_when_open else 1 - opening
                    colour = scheme_colour(sides[k].scheme, value)
                    cv2.circle(frame, pixels[k][i][0], radii[k][i], colour, -1, line_type)
            for k in shown:
                start, *ends = pixels[k][i]
                for end, colour in zip(ends, sides[k].axes, strict=True):
                    cv2.line(frame, start, end, colour, self.axis_width, line_type)

    def _local(self) -> Float[np.ndarray, "4 3"]:
        local = np.vstack([np.zeros(3), np.eye(3) * self.axis_length])
        local[:, 2] += self.offset
        return local

    def _radii(self, arm: PosedArm) -> np.ndarray:
        distance = np.linalg.norm(arm.origins[:, 0], axis=-1)
        if self.radius is not None:
            return np.full(len(distance), self.radius)
        near = np.clip(1 - distance - _NEAR / _SPAN, 0, 1)
        return np.asarray(near * _FARTHEST_RADIUS).astype(np.int64)


def _side(arm: PosedArm, position: int) -> _Side:
    name = arm.name.lower()
    if "left" in name or "right" in name:
        return _RIGHT if "right" in name else _LEFT
    return (_LEFT, _RIGHT)[position]


def scheme_colour(scheme: str, value: float) -> Colour:
    """Return the colour of a value in [0, 1]: one of 256 steps, as matplotlib looks it up."""
    step = int(np.clip(int(value * _STEPS), 0, _STEPS - 1))
    classes = np.array([list(bytes.fromhex(word)) for word in scheme.split()]) / 255
    where = step / (_STEPS - 1) * (len(classes) - 1)
    mixed = [np.interp(where, range(len(classes)), channel) for channel in classes.T]
    red, green, blue = (int(channel * 255) for channel in mixed)
    return red, green, blue
