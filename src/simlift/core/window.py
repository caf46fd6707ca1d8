"""Hold consecutive frames of a clip in memory, for engines, controls and metrics.

A window remembers what was derived from it (normals, occlusion, ...), so that N variants of a clip
share the work; two windows with the same frames give the same numbers.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from simlift.core.camera import Camera, Objects, Robot
from simlift.core.camera_jumps import camera_jumps
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer

Frames = UInt8[np.ndarray, "t h w 3"]
PreviousFrames = UInt8[
    np.ndarray, "overlap h w 3"
]  # what an engine made of the frames before a window
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Motion:
    """The camera and the bodies of the whole clip: how a single frame moves on."""

    camera: Camera
    objects: Objects | None

    def after(self, index: int) -> tuple[Camera, Objects | None]:
        """Return both one frame after `index`.

        After the last frame they go on as before it, and so before a cut: no shutter is open while
        a camera jumps. Between two jumps they stand still.
        """
        jumps = self._jumps
        if index < len(jumps) and not jumps[index]:
            ahead = np.array([index + 1])
            return self.camera.at(ahead), self.objects.at(ahead) if self.objects else None
        goes_on = index > 0 and not jumps[index - 1]
        here, before = np.array([index]), np.array([index - 1 if goes_on else index])
        camera, bodies = self.camera.at(here), self.objects
        poses = _onward(self.camera.at(before).world_to_camera, camera.world_to_camera)
        camera = replace(camera, world_to_camera=poses)
        if bodies is None:
            return camera, None
        return camera, Objects(bodies.ids, _onward(bodies.poses[before], bodies.poses[here]))

    @cached_property
    def _jumps(self) -> Bool[np.ndarray, "steps"]:
        return camera_jumps(self.camera.world_to_camera)


def _onward(
    before: Float[np.ndarray, "*n 4 4"], here: Float[np.ndarray, "*n 4 4"]
) -> Float[np.ndarray, "*n 4 4"]:
    """Return poses that take the last step once more."""
    return np.asarray(here @ np.linalg.inv(before) @ here)


@dataclass(frozen=True, eq=False)
class Window:
    """Some frames of a clip: `indices` [t] into the clip, and one array for each layer."""

    indices: Int[np.ndarray, "t"]
    arrays: Mapping[Layer, Array]
    num_frames: int
    fps: float
    metric_depth: bool
    camera: Camera | None = None
    objects: Objects | None = None
    robot: Robot | None = None
    categories: Mapping[int, str] = field(default_factory=dict)
    scene: Path | None = None  # the clip's geometry, for engines that render it
    motion: Motion | None = None  # where the clip knows its camera
    caption: str = ""
    # Where numbers stood that cannot be, in the layers with any.
    bad: Mapping[Layer, Bool[np.ndarray, "t h w"]] = field(default_factory=dict)
    _derived: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    def __contains__(self, layer: Layer) -> bool:
        return layer in self.arrays

    def __getitem__(self, layer: Layer) -> Array:
        """Return a layer's array; ClipError when the window was read without it."""
        if layer not in self.arrays:
            found = ", ".join(name.value for name in self.arrays)
            raise ClipError("window", f"no layer {layer.value}", allowed=f"it holds {found}")
        return self.arrays[layer]

    @property
    def rgb(self) -> Frames:
        """The render, uint8 sRGB [t h w 3]."""
        return self[Layer.RGB]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.rgb.shape[1:3]
        return height, width

    def derive(self, function: Callable[["Window"], T], *key: Hashable) -> T:
        """Return `function(window)`, computed once for each function and `key`."""
        name = (function, *key)
        if name not in self._derived:
            self._derived[name] = function(self)
        return self._derived[name]

    def frame(self, position: int) -> "Window":
        """Return the one-frame window at a position of this one."""
        return self.part(slice(position, position + 1))

    def part(self, which: slice) -> "Window":
        """Return some of the frames as a window of their own."""
        local = np.arange(len(self))[which]
        return replace(
            self,
            indices=self.indices[which],
            arrays={layer: array[which] for layer, array in self.arrays.items()},
            camera=self.camera.at(local) if self.camera else None,
            objects=self.objects.at(local) if self.objects else None,
            robot=self.robot.at(local) if self.robot else None,
            bad={layer: mask[which] for layer, mask in self.bad.items()},
            _derived={},
        )


@dataclass(frozen=True, eq=False)
class ClipSample:
    """A clip seen small: evenly spaced frames of every layer, for what must hold over the clip.

    It depends on the clip alone, never on windows or workers, so that whatever an engine derives
    from it (exposure over time, colour statistics) is the same in every run. Lone pixels whose
    numbers cannot be are filled from those around them here, so that they move no statistic.
    """

    window: Window
    cuts: tuple[int, ...] = ()  # frames that begin a new shot, as far as samples tell
    unusable: tuple[int, ...] = ()  # frames that were due and show nothing, or from a wrong place
    bad_pixels: Mapping[Layer, float] = field(default_factory=dict)  # shares of the sampled pixels
    # The same of the camera that decides what all cameras of an episode share, where it is another.
    lead: "ClipSample | None" = None

    @property
    def leading(self) -> "ClipSample":
        """The sample from which light and materials of the episode come."""
        return self.lead or self

    @property
    def times(self) -> Float[np.ndarray, "k"]:
        """Times of the sampled frames in seconds."""
        return self.window.indices / self.window.fps

    @property
    def shots(self) -> Int[np.ndarray, "k"]:
        """Numbers of the shots that the sampled frames are of: nothing is averaged over a cut."""
        return np.searchsorted(self.cuts, self.window.indices, side="right")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the pixels told about the clip, in words."""
        found = [_BAD[layer].format(share) for layer, share in self.bad_pixels.items()]
        if self.unusable:
            found.append(
                f"frames such as {_listed(self.unusable)} are blank, or their camera stands "
                "elsewhere for a moment: exposure, colours and light are of the other frames"
            )
        if self.cuts:
            found.append(
                f"a new shot begins at frame {_listed(self.cuts)}: exposure and focus are each "
                "shot's own"
            )
        return tuple(found)


_BAD = {
    Layer.DEPTH: "depth: {:.2%} of the pixels are NaN, 0, negative or beyond 1,000 km, read as "
    "nothing hit",
    Layer.NORMALS: "normals: {:.2%} of the pixels are not finite, read as facing the camera",
    Layer.FLOW: "flow: {:.2%} of the pixels are not finite, read as no motion known",
}


def _listed(frames: tuple[int, ...]) -> str:
    return ", ".join(map(str, frames[:8])) + (", ..." if len(frames) > 8 else "")
