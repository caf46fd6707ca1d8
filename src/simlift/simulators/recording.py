"""Define what a simulated episode returns: frames of layers, and the recording around them.

An episode is simulated to its end before its first frame is rendered, so a recording knows its
robot's motion and its actions from the start, and an episode that failed is never rendered.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int, Int32, UInt8

from simlift.core.camera import Robot
from simlift.core.clip import Label
from simlift.core.scene_geometry import SceneGeometry


@dataclass(frozen=True, eq=False)
class Frame:
    """One rendered frame; units and axes are those of `simlift.core`."""

    rgb: UInt8[np.ndarray, "h w 3"]
    albedo: UInt8[np.ndarray, "h w 3"]
    material: UInt8[np.ndarray, "h w 3"]  # roughness, metallic, emission; 255 is 1
    depth: Float32[np.ndarray, "h w"]  # metres along the optical axis, +inf where nothing was hit
    segmentation: Int32[np.ndarray, "h w"]  # 0 = nothing
    intrinsics: Float[np.ndarray, "3 3"]
    world_to_camera: Float[np.ndarray, "4 4"]
    object_poses: Float[np.ndarray, "o 4 4"]  # object_to_world, in the order of `object_ids`


@dataclass(frozen=True, eq=False)
class Actions:
    """What was commanded: one row of `state` [t n] and `action` [t m] for each timestamp [t]."""

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    state: Float[np.ndarray, "t n"]
    action: Float[np.ndarray, "t m"]
    timestamps: Float[np.ndarray, "t"]  # seconds


@dataclass(frozen=True, eq=False)
class Recording:
    """A simulated episode that is ready to be rendered, as often as one likes.

    A pixel of id `object_ids[i]` moves rigidly with `Frame.object_poses[i]`; an id that is in
    `labels` alone is not rigid.
    """

    caption: str
    fps: Fraction | int
    height: int
    width: int
    num_frames: int
    labels: Mapping[int, Label]
    object_ids: Int[np.ndarray, "o"]
    up: Float[np.ndarray, "3"]
    farthest: float  # metres; nothing beyond is drawn
    robot: Robot | None
    actions: Actions | None
    render: Callable[[], Iterator[Frame]]
    geometry: Callable[[], SceneGeometry]


@runtime_checkable
class Scene(Protocol):
    """A frozen description of an episode; the same seed gives the same arrays."""

    def simulate(self, seed: int) -> Recording:
        """Build the world and run the episode; the frames are rendered when asked for."""
        ...
