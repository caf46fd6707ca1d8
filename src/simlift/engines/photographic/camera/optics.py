"""Apply lens and shutter: depth of field, motion blur, glare, lateral chromatic aberration.

Focus is estimated over the clip; motion comes from the clip's camera and bodies, so
that a frame is the same in any window.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage
from simlift.core.setting import Setting, check_ranges
from simlift.core.window import ClipSample, Window
from simlift.engines.photographic.scene import frame_geometry
from simlift.pixels.optics import film, lens_effects

_LINES = 720  # aberration is in pixels of an image with so many rows
_FOCUS_SECONDS = 1.0  # how long the focus takes to follow
_CENTRE = 1 / 3  # share of the image's width and height that the focus is led by


@dataclass(frozen=True)
class Optics:
    """A lens with an aperture before a sensor with a shutter; every default is off."""

    f_number: Annotated[
        float | None,
        Setting("of the aperture; null is a pinhole: everything is sharp", "", 0.7, 64),
    ] = None
    sensor_width_mm: Annotated[
        float, Setting("with the field of view it gives the aperture's size", "mm", 1, 100)
    ] = 36.0
    focus: Annotated[
        float | None,
        Setting(
            "distance of focus; null follows what is in the middle of the image",
            "metres",
            0.05,
            10000,
        ),
    ] = None
    shutter: Annotated[
        float, Setting("0.5 is a shutter of 180 degrees", "of the frame interval", 0, 1)
    ] = 0.0
    aberration: Annotated[
        float, Setting("lateral colour at the corner, of a 720-line image", "pixels", 0, 5)
    ] = 0.0
    glare: Annotated[float, Setting("share of the light that is scattered", "", 0, 0.5)] = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, "optics")

    def aperture(self, focal_pixels: float, width: int) -> float:
        """Return the aperture's diameter in metres: focal length over f-number; 0 of a pinhole."""
        if self.f_number is None:
            return 0.0
        return focal_pixels / width * self.sensor_width_mm / 1000 / self.f_number


def check(look: Optics, clip: Clip, *, strict: bool = True) -> tuple[Stage, ...]:
    """Say which parts run on this clip.

    What it does not carry is left out and said, or refused by ClipError where that is `strict`.
    """
    unfocused, unmoved = _lacks(look, clip)
    if strict and unfocused:
        raise ClipError(
            clip.path,
            f"the look has depth of field at f/{look.f_number:g}, and the clip has {unfocused}",
            allowed="a depth layer in metres, or a look without it",
            way_out=f"record depth in metres, {_in_its_file('f_number', 'null')}",
        )
    if strict and unmoved:
        raise ClipError(
            clip.path,
            f"the look has motion blur with a shutter of {look.shutter:g}, and the clip has "
            f"{unmoved}",
            allowed="a flow layer, or depth in metres and camera poses, or a look without it",
            way_out=f"record flow, {_in_its_file('shutter', '0')}",
        )
    source = "the simulator's flow" if Layer.FLOW in clip else "rigid motion"
    blurred = f"shutter {look.shutter:g}, {source}" if look.shutter > 0 else "the shutter is 0"
    return (
        Stage("depth of field", False, f"left out: {unfocused}", lost=True)
        if unfocused
        else Stage("depth of field", look.f_number is not None, _aperture_words(look)),
        Stage("motion blur", False, f"left out: {unmoved}", lost=True)
        if unmoved
        else Stage("motion blur", look.shutter > 0, blurred),
        Stage("glare", look.glare > 0, f"{look.glare:.1%} of the light"),
        Stage("lateral colour", look.aberration > 0, f"{look.aberration:g} pixels at the corner"),
    )


def supported(look: Optics, clip: Clip | Window) -> Optics:
    """Return the optics without what a clip does not carry."""
    unfocused, unmoved = _lacks(look, clip)
    return replace(
        look,
        f_number=None if unfocused else look.f_number,
        shutter=0.0 if unmoved else look.shutter,
    )


def _lacks(look: Optics, clip: Clip | Window) -> tuple[str, str]:
    """Return what a clip lacks for the depth of field and the motion blur that a look asks for."""
    metric = Layer.DEPTH in clip and clip.metric_depth
    known = clip.motion if isinstance(clip, Window) else clip.camera
    rigid = metric and known is not None
    unfocused = look.f_number is not None and not metric
    unmoved = look.shutter > 0 and Layer.FLOW not in clip and not rigid
    return (
        "no depth in metres" if unfocused else "",
        "neither flow nor depth in metres with a camera" if unmoved else "",
    )


def _in_its_file(key: str, none: str) -> str:
    return (
        f'set {key} to {none} under "optics" in the file that --look names, or write '
        '"optional": ["optics"] there, which leaves out what a clip lacks'
    )


def _aperture_words(look: Optics) -> str:
    if look.f_number is None:
        return "a pinhole"
    where = "the middle of the image" if look.focus is None else f"{look.focus:g} m"
    return f"f/{look.f_number:g}, focus on {where}"


def estimate_focus(sample: ClipSample, look: Optics) -> Float[np.ndarray, "k"]:
    """Return 1 / focus in 1/metres at the sampled times; 0 is focused at infinity.

    Without a distance the lens follows the median of the middle of the image, smoothed over time
    (in 1/metres, in which blur is linear).
    """
    window = sample.window
    if look.focus is not None:
        return np.full(len(window), 1 / look.focus)
    if look.f_number is None or Layer.DEPTH not in window or not window.metric_depth:
        return np.zeros(len(window))
    depth = window[Layer.DEPTH]
    top, left = (round(n * (1 - _CENTRE) / 2) for n in depth.shape[1:])
    middle = depth[:, top : depth.shape[1] - top, left : depth.shape[2] - left]
    middle = np.median(middle.reshape(len(depth), -1), axis=1).astype(np.float64)
    nearness = 1 / np.maximum(middle, 0.05)
    return film.smooth_over_time(sample.times, nearness, _FOCUS_SECONDS, sample.shots)


def image(
    linear: Float[np.ndarray, "h w 3"],
    frame: Window,
    look: Optics,
    nearness: float,
    behind: Bool[np.ndarray, "h w"] | None = None,
) -> Float[np.ndarray, "h w 3"]:
    """Return what the lens makes of a frame's light, focused at 1 / `nearness` metres.

    `behind` is where the backdrop shows, which is infinitely far; the clip must pass `check`.
    """
    fx, fy, cx, cy = frame_geometry.pinhole_of(frame)
    height, width = frame.size
    if look.f_number is not None:
        depth = _depth(frame, behind)
        focus = 1 / nearness if nearness > 0 else np.inf
        circles = lens_effects.circle_of_confusion(
            depth, focus, (fx + fy) / 2, look.aperture(fx, width)
        )
        linear = lens_effects.depth_of_field(linear, circles)
    if look.shutter > 0:
        flow = _flow(frame, behind)
        linear = lens_effects.motion_blur(linear, flow, _depth(frame, behind), look.shutter)
    linear = lens_effects.glare(linear, look.glare)
    return lens_effects.chromatic_aberration(linear, (cx, cy), look.aberration * height / _LINES)


def _depth(frame: Window, behind: Bool[np.ndarray, "h w"] | None) -> Float[np.ndarray, "h w"]:
    """Return depth in metres; where it is unknown all is equally far."""
    if Layer.DEPTH not in frame or not frame.metric_depth:
        return np.ones(frame.size, np.float32)
    depth: Float[np.ndarray, "h w"] = frame[Layer.DEPTH][0]
    return depth if behind is None else np.where(behind, np.float32(np.inf), depth)


def _flow(frame: Window, behind: Bool[np.ndarray, "h w"] | None) -> Float[np.ndarray, "h w 2"]:
    """Return the motion to the next frame in pixels: as recorded, or of rigid bodies."""
    if Layer.FLOW in frame:
        return np.asarray(frame[Layer.FLOW][0])
    assert frame.camera is not None
    assert frame.motion is not None
    index = int(frame.indices[0])
    camera, objects = frame.motion.after(index)
    # The image may have been resized since the camera was recorded.
    resized = frame.camera.intrinsics[0] @ np.linalg.inv(frame.motion.camera.intrinsics[index])
    ids, body_ids, poses = None, np.zeros(0, np.int64), np.zeros((2, 0, 4, 4))
    if frame.objects is not None and objects is not None and Layer.SEGMENTATION in frame:
        ids, body_ids = frame[Layer.SEGMENTATION][0], frame.objects.ids
        poses = np.stack([frame.objects.poses[0], objects.poses[0]])
    steps = lens_effects.body_steps(
        (frame.camera.intrinsics[0], resized @ camera.intrinsics[0]),
        (frame.camera.world_to_camera[0], camera.world_to_camera[0]),
        (poses[0], poses[1]),
    )
    return lens_effects.rigid_motion(_depth(frame, behind), ids, body_ids, steps)
