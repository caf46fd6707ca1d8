"""Render windows of a clip with a stored scene by path tracing, through the camera model."""

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.recipe import derive_seed
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.pathtraced._tracer import Tracer, View
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.clip_constants import ClipConstants
from simlift.engines.photographic.engine import PhotographicEngine, photograph
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.supported_effects import supported_optics
from simlift.engines.photographic.weather import effects
from simlift.media.gltf.reader import read_gltf
from simlift.pixels.colour import spaces
from simlift.pixels.image.denoise import denoise
from simlift.pixels.optics import film

_STILL = 1e-6  # metres
_PASSES = 8  # independent renders of a frame, whose spread tells noise from light


class Settings(Protocol):
    """What the engine reads of its spec, `PathTraced`, which opens it and says what they mean."""

    @property
    def look(self) -> Look: ...

    @property
    def samples(self) -> int: ...

    @property
    def bounces(self) -> int: ...

    @property
    def instants(self) -> int: ...


@dataclass(frozen=True, eq=False)
class PathTracedEngine:
    """Traces a frame at a time; exposure, lens, sensor, film and grade are those of `camera`."""

    spec: Settings
    camera: PhotographicEngine

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the photographed frames of a window."""
        del previous
        constants = self.camera.constants(sample, seed)
        return np.stack(
            [
                self._photograph(frame, sample, constants, seed)
                for frame in window.derive(frame_geometry.split)
            ]
        )

    def _photograph(
        self, frame: Window, sample: ClipSample, constants: ClipConstants, seed: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        look = self.spec.look
        light = self.radiance(frame, sample, constants, seed)
        light = effects.apply_fog(light, frame, constants.air.weather, constants.air.airlight)
        # Focus and motion are in the light already.
        traced = replace(look, optics=replace(look.optics, f_number=None, shutter=0.0))
        return photograph(light, frame, traced, constants, seed)

    def radiance(
        self, frame: Window, sample: ClipSample, constants: ClipConstants, seed: int
    ) -> Float32[np.ndarray, "h w 3"]:
        """Return the light that arrives at the camera while the shutter is open, linear."""
        # What stood still wherever the clip sample looked may have moved in between.
        moving = moving_ids(sample.window) | _apart(frame, sample.window)
        tracer = sample.window.derive(_Load(self.spec, constants, moving))
        passes = min(_PASSES, self.spec.samples)
        each = -(-self.spec.samples // passes)
        optics = supported_optics(self.spec.look, frame)
        moments = shutter_moments(optics.shutter, self.spec.instants, passes)
        index = int(frame.indices[0])
        images = []
        for number, moment in enumerate(moments):
            if number == 0 or moment != moments[number - 1]:
                instant = at_moment(frame, moment)
                tracer.pose(poses_of(instant))
                view = view_of(instant, optics, constants)
            paths = derive_seed(seed, "paths", str(index), str(number)) % 2**32
            images.append(tracer.trace(view, each, paths))
        if passes == 1:
            return images[0]
        albedo = spaces.decode_srgb(frame[Layer.ALBEDO][0])
        normals, depth = frame.derive(frame_geometry.normals), frame[Layer.DEPTH][0]
        return denoise(np.stack(images), albedo, normals, depth)


def shutter_moments(shutter: float, instants: int, passes: int) -> list[float]:
    """Return when each pass is taken, in frames from the middle of the exposure, in order."""
    if shutter <= 0:
        return [0.0] * passes
    count = min(instants, passes)
    middles = (np.arange(count) + 0.5) / count - 0.5
    return sorted(float(shutter * middles[k % count]) for k in range(passes))


def at_moment(frame: Window, moment: float) -> Window:
    """Return a frame with its camera and bodies where they are `moment` frames later."""
    if moment == 0 or frame.motion is None or frame.camera is None:
        return frame
    camera, objects = frame.motion.after(int(frame.indices[0]))
    seen = between(frame.camera.world_to_camera, camera.world_to_camera, moment)
    moved = frame.objects
    if moved is not None and objects is not None:
        moved = replace(moved, poses=between(moved.poses, objects.poses, moment))
    return replace(
        frame, camera=replace(frame.camera, world_to_camera=seen), objects=moved, _derived={}
    )


def between(
    here: Float[np.ndarray, "*n 4 4"], there: Float[np.ndarray, "*n 4 4"], share: float
) -> Float[np.ndarray, "*n 4 4"]:
    """Return poses on the straight way from here to there, turning evenly; `share` may be negative.

    Rotations turn about one axis (Rodrigues' formula).
    """
    turn = np.einsum("...ij,...kj->...ik", there[..., :3, :3], here[..., :3, :3])
    out = here.copy()
    for place in np.ndindex(*here.shape[:-2]):
        if np.array_equal(here[place], there[place]):
            continue
        vector, _ = cv2.Rodrigues(turn[place])
        out[place][:3, :3] = cv2.Rodrigues(share * vector)[0] @ here[place][:3, :3]
    out[..., :3, 3] += share * (there[..., :3, 3] - here[..., :3, 3])
    return out


@dataclass(frozen=True)
class _Load:
    """Loads a clip's scene once for each engine, light and set of moving bodies."""

    spec: Settings
    constants: ClipConstants
    moving: frozenset[int]

    def __call__(self, window: Window) -> Tracer:
        if window.scene is None or self.constants.environment is None:
            raise ClipError("window", "carries no scene to trace")
        return Tracer(
            read_gltf(window.scene),
            self.moving,
            self.constants.environment,
            self.constants.axes,
            still=poses_of(window.derive(frame_geometry.split)[0]),
            emission=self.spec.look.light.emission,
            bounces=self.spec.bounces,
        )


def moving_ids(window: Window) -> frozenset[int]:
    """Return the bodies whose pose changes over a window."""
    return _apart(window, window)


def _apart(window: Window, reference: Window) -> frozenset[int]:
    """Return the bodies that are not where the reference's first frame has them."""
    if window.objects is None or reference.objects is None:
        return frozenset()
    off = np.abs(window.objects.poses - reference.objects.poses[:1])
    return frozenset(window.objects.ids[(off > _STILL).any(axis=(0, 2, 3))].tolist())


def poses_of(frame: Window) -> dict[int, Float[np.ndarray, "4 4"]]:
    """Return object_to_world of every body in a frame."""
    if frame.objects is None:
        return {}
    return dict(zip(frame.objects.ids.tolist(), frame.objects.poses[0], strict=True))


def view_of(frame: Window, optics: Optics, constants: ClipConstants) -> View:
    """Return the frame's camera as the renderer needs it, open as far as the optics say."""
    height, width = frame.size
    intrinsics = frame_geometry.intrinsics(frame)
    pose = frame_geometry.camera_pose(frame)
    if optics.f_number is None:
        return View(intrinsics, pose, height, width)
    nearness = float(
        film.interpolate(constants.times, constants.focus, int(frame.indices[0]) / frame.fps)
    )
    focal_length = intrinsics[0, 0] * optics.sensor_width_mm / width / 1000
    radius = float(focal_length / optics.f_number / 2)
    return View(intrinsics, pose, height, width, radius, 1 / max(nearness, 1e-3))
