"""Render windows with the photographic engine: relight, image, expose, develop and grade.

Everything that must hold over a clip is computed once from its sample, so the same seed gives the
same pixels in any window.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.photographic.camera import optics
from simlift.engines.photographic.camera.colour_transfer import (
    Photos,
    ReferencePhotos,
    apply_colour_transfer,
)
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.clip_constants import Air, ClipConstants
from simlift.engines.photographic.estimate_constants import estimate_constants
from simlift.engines.photographic.light.radiance import radiance
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.supported_effects import supported_optics
from simlift.engines.photographic.weather import effects
from simlift.pixels.optics import film, lens, sensor

_SOFTNESS_LINES = 720
_SHORTEST = 1 / 250  # seconds; the exposure where the look has no shutter
_PUPIL, _HYPERFOCAL = 0.002, 10.0  # metres; the opening and the focus of a lens left open
_FARTHEST_STEP = 100.0  # metres from frame to frame; a camera that jumps meets no drops on its way
_SHARPEST = 0.62  # pixels; an optical low-pass, below which the mosaic aliases into colour


@dataclass(frozen=True, eq=False)
class PhotographicEngine:
    """Lifts windows under one look.

    `reference_photos` has the photos whose colours are matched, `photos` those of which one stands
    behind the scene, as sRGB bytes; `pool` photographs the frames of a window side by side.
    """

    look: Look
    reference_photos: ReferencePhotos | None = None
    photos: Photos = ()
    pool: Executor | None = None

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the photographed frames of a window."""
        del previous
        constants = self.constants(sample, seed)
        each = self.pool.map if self.pool is not None else map
        frames = window.derive(frame_geometry.split)
        return np.stack(list(each(lambda frame: self._photograph(frame, constants, seed), frames)))

    def constants(self, sample: ClipSample, seed: int) -> ClipConstants:
        """Return what holds over the sampled clip."""
        return sample.window.derive(_EstimateConstants(self, sample, seed))

    def _photograph(
        self, frame: Window, constants: ClipConstants, seed: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        return photograph(radiance(frame, self.look, constants), frame, self.look, constants, seed)


def photograph(
    light: Float[np.ndarray, "h w 3"],
    frame: Window,
    look: Look,
    constants: ClipConstants,
    seed: int,
) -> UInt8[np.ndarray, "h w 3"]:
    """Take the picture: optics, exposure, lens, sensor, film and grade of the light before it."""
    index = int(frame.indices[0])
    gain = film.interpolate(constants.times, constants.gains, index / frame.fps)
    exposed = cv2.transform(_through_lens(light, frame, look, constants), np.diag(gain))
    shade = lens.vignette(*frame.size, frame_geometry.pinhole_of(frame), look.lens.vignette)
    softness = look.lens.softness * frame.size[0] / _SOFTNESS_LINES
    linear = lens.blur_point_spread(
        cv2.multiply(exposed, shade), max(softness, _SHARPEST) if softness > 0 else 0.0
    )
    if look.sensor.bayer:
        codes = sensor.expose_bayer(
            linear,
            white=constants.white,
            shot=look.sensor.shot,
            read=look.sensor.read,
            seed=(seed, index),
        )
    else:
        codes = sensor.quantise(linear, white=constants.white)
    if constants.colour_transfer is None:
        return film.tone_map_8bit(codes, look.film.contrast, constants.white, constants.grade)
    display = film.tone_map_16bit(codes, look.film.contrast, constants.white, constants.grade)
    return apply_colour_transfer(display, frame, constants.colour_transfer)


def _through_lens(
    light: Float[np.ndarray, "h w 3"], frame: Window, look: Look, constants: ClipConstants
) -> Float[np.ndarray, "h w 3"]:
    """Return what arrives on the sensor.

    Drops come last: they are drawn as the shutter smears them and as far out of focus as they are.
    """
    chosen = supported_optics(look, frame)
    nearness = film.interpolate(
        constants.times, constants.focus, float(frame.indices[0]) / frame.fps
    )
    behind = frame.derive(frame_geometry.Hidden(frozenset(look.backdrop.classes)))
    seen = optics.image(light, frame, chosen, float(nearness), behind)
    return _through_rain(seen, frame, chosen, float(nearness), constants.air)


def _through_rain(
    light: Float[np.ndarray, "h w 3"], frame: Window, chosen: Optics, nearness: float, air: Air
) -> Float[np.ndarray, "h w 3"]:
    exposure = chosen.shutter / frame.fps if chosen.shutter > 0 else _SHORTEST
    opening = chosen.aperture(frame_geometry.pinhole_of(frame)[0], frame.size[1])
    return effects.draw_precipitation(
        light,
        frame,
        air.weather,
        air.airlight,
        air.skylight,
        exposure=exposure,
        ahead=air.ahead,
        seed=air.seed,
        closing=_closing(frame, exposure),
        aperture=opening or _PUPIL,
        focus=1 / nearness if nearness > 0 else _HYPERFOCAL,
    )


def _closing(frame: Window, exposure: float) -> Float[np.ndarray, "4 4"] | None:
    """Return the camera's pose one exposure later, where the clip knows how it moves."""
    if frame.camera is None or frame.motion is None:
        return None
    here = frame.camera.world_to_camera[0]
    later = frame.motion.after(int(frame.indices[0]))[0].world_to_camera[0]
    places = [np.linalg.inv(pose)[:3, 3] for pose in (here, later)]
    if np.linalg.norm(places[1] - places[0]) > _FARTHEST_STEP:
        return None
    return np.asarray(here + (later - here) * min(exposure * frame.fps, 1.0))


@dataclass(frozen=True)
class _EstimateConstants:
    """Settles a clip once for each engine and seed, however many windows ask."""

    engine: PhotographicEngine
    sample: ClipSample
    seed: int

    def __call__(self, window: Window) -> ClipConstants:
        del window
        engine = self.engine
        return estimate_constants(
            self.sample, engine.look, engine.reference_photos, engine.photos, self.seed
        )
