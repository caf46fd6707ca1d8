"""Draw a robot's skeleton through the camera: as a condition video, or over the frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float

from simlift.controls.posed_arms import PosedArm, posed_arms, require_arms
from simlift.controls.skeleton_style import Colour, SkeletonStyle
from simlift.controls.trajectory_map import TrajectoryMap
from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.window import Frames, Window


class Style(Protocol):
    """How arms are drawn: a frozen value, such as `SkeletonStyle` or `TrajectoryMap`."""

    @property
    def background(self) -> Colour: ...

    def paint(
        self,
        frames: Frames,
        arms: Sequence[PosedArm],
        intrinsics: Float[np.ndarray, "t 3 3"],
        *,
        smooth: bool = False,
    ) -> None:
        """Draw arms into frames [t h w 3], in place."""
        ...


@dataclass(frozen=True)
class Skeleton:
    """The robot's arms on a plain ground, in the convention of OSCAR unless another style is given.

    Without `size` it is drawn at the size of the clip's frames, as OSCAR's own renderer does before
    its model resizes the video; with `size` (width, height) the camera is scaled and everything is
    drawn at that size, at which its widths are pixels.
    """

    style: SkeletonStyle | TrajectoryMap | Style = SkeletonStyle()
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise RecipeError(
                "skeleton", f"size {self.size}", allowed="width and height of at least 1 pixel"
            )

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def check(self, clip: Clip) -> None:
        """Raise ClipError where the clip has no robot, no camera, or no arms."""
        require_arms(clip.robot, clip.camera, f"{clip.name}: skeleton")

    def draw(self, window: Window) -> Frames:
        """Return the condition frames [t h w 3], of the window's size or of the size asked.

        ClipError where the clip has no robot, no camera, or does not know the links of an arm.
        """
        height, width = window.size
        drawn = self.size or (width, height)
        arms = posed_arms(window, "skeleton")
        scale = np.diag([drawn[0] / width, drawn[1] / height, 1.0])
        frames = np.zeros((len(window), drawn[1], drawn[0], 3), np.uint8)
        if any(self.style.background):  # a row at a time, which numpy copies whole
            frames[:] = np.tile(np.array(self.style.background, np.uint8), (drawn[0], 1))
        self.style.paint(frames, arms, scale @ _intrinsics(window))
        return frames


@dataclass(frozen=True)
class TrajectoryMaps(Skeleton):
    """The arms as GE-Sim is given them: see `TrajectoryMap`."""

    style: TrajectoryMap | SkeletonStyle | Style = TrajectoryMap()


@dataclass(frozen=True)
class Overlay:
    """The robot's arms over the frames, anti-aliased: a picture for the eye, no condition.

    `opacity` is that of the drawing, from 0 to 1.
    """

    style: SkeletonStyle | TrajectoryMap | Style = SkeletonStyle()
    opacity: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.opacity <= 1:
            raise RecipeError("overlay", f"opacity {self.opacity}", allowed="above 0, up to 1")

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def check(self, clip: Clip) -> None:
        """Raise ClipError where the clip has no robot, no camera, or no arms."""
        require_arms(clip.robot, clip.camera, f"{clip.name}: overlay")

    def draw(self, window: Window) -> Frames:
        """Return the frames [t h w 3] with the arms over them; ClipError as of `Skeleton`."""
        frames = window.rgb.copy()
        self.style.paint(frames, posed_arms(window, "overlay"), _intrinsics(window), smooth=True)
        rows = (-1, *window.rgb.shape[2:])  # OpenCV takes pictures, not videos
        under, over = window.rgb.reshape(rows), frames.reshape(rows)
        mixed = cv2.addWeighted(under, 1 - self.opacity, over, self.opacity, 0)
        return np.asarray(mixed).reshape(frames.shape)


def _intrinsics(window: Window) -> Float[np.ndarray, "t 3 3"]:
    assert window.camera is not None  # `posed_arms` refused it
    return window.camera.intrinsics
