"""The photographic engine, opened: windows in, photographed frames out.

Everything that must hold over a clip is settled once from the survey, so the same seed gives the
same pixels in any window.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.window import Frames, Survey, Tail, Window
from simlift.engines.photographic.camera import optics
from simlift.engines.photographic.camera.colour_transfer import Album, Photos, liken
from simlift.engines.photographic.camera.optics import Optics
from simlift.engines.photographic.clip_constants import Air, Settled
from simlift.engines.photographic.estimate_constants import settle
from simlift.engines.photographic.light.radiance import radiance
from simlift.engines.photographic.looks.look import Look
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.supported_effects import suited_optics
from simlift.engines.photographic.weather import effects
from simlift.pixels.optics import film, lens, sensor

_SOFTNESS_LINES = 720
_SHORTEST = 1 / 250  # seconds; the exposure where the look has no shutter
_PUPIL, _HYPERFOCAL = 0.002, 10.0  # metres; the opening and the focus of a lens left open
_SHARPEST = 0.62  # pixels; an optical low-pass, below which the mosaic aliases into colour


@dataclass(frozen=True, eq=False)
class PhotographicEngine:
    """Lifts windows under one look.

    `album` has the photos whose colours are matched, `photos` those of which one stands behind the
    scene, as sRGB bytes; `pool` photographs the frames of a window side by side.
    """

    look: Look
    album: Album | None = None
    photos: Photos = ()
    pool: Executor | None = None

    def lift(self, window: Window, *, survey: Survey, before: Tail | None, seed: int) -> Frames:
        """Return the photographed frames of a window."""
        del before
        settled = self.settled(survey, seed)
        each = self.pool.map if self.pool is not None else map
        frames = window.derive(frame_geometry.split)
        return np.stack(list(each(lambda frame: self._photograph(frame, settled, seed), frames)))

    def settled(self, survey: Survey, seed: int) -> Settled:
        """Return what holds over the surveyed clip."""
        return survey.window.derive(_Settle(self, survey, seed))

    def _photograph(self, frame: Window, settled: Settled, seed: int) -> UInt8[np.ndarray, "h w 3"]:
        return photograph(radiance(frame, self.look, settled), frame, self.look, settled, seed)


def photograph(
    light: Float[np.ndarray, "h w 3"], frame: Window, look: Look, settled: Settled, seed: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Take the picture: optics, exposure, lens, sensor, film and grade of the light before it."""
    index = int(frame.indices[0])
    gain = film.interpolate(settled.times, settled.gains, index / frame.fps)
    exposed = cv2.transform(_through_lens(light, frame, look, settled), np.diag(gain))
    shade = lens.vignette(*frame.size, frame_geometry.pinhole_of(frame), look.lens.vignette)
    softness = look.lens.softness * frame.size[0] / _SOFTNESS_LINES
    linear = lens.soften(
        cv2.multiply(exposed, shade), max(softness, _SHARPEST) if softness > 0 else 0.0
    )
    if look.sensor.bayer:
        codes = sensor.expose(
            linear,
            white=settled.white,
            shot=look.sensor.shot,
            read=look.sensor.read,
            seed=(seed, index),
        )
    else:
        codes = sensor.quantise(linear, white=settled.white)
    if settled.likeness is None:
        return film.develop(codes, look.film.contrast, settled.white, settled.grade)
    display = film.display(codes, look.film.contrast, settled.white, settled.grade)
    return liken(display, frame, settled.likeness)


def _through_lens(
    light: Float[np.ndarray, "h w 3"], frame: Window, look: Look, settled: Settled
) -> Float[np.ndarray, "h w 3"]:
    """Return what arrives on the sensor.

    Drops come last: they are drawn as the shutter smears them and as far out of focus as they are.
    """
    chosen = suited_optics(look, frame)
    nearness = film.interpolate(settled.times, settled.focus, float(frame.indices[0]) / frame.fps)
    behind = frame.derive(frame_geometry.Hidden(frozenset(look.backdrop.classes)))
    seen = optics.image(light, frame, chosen, float(nearness), behind)
    return _through_rain(seen, frame, chosen, float(nearness), settled.air)


def _through_rain(
    light: Float[np.ndarray, "h w 3"], frame: Window, chosen: Optics, nearness: float, air: Air
) -> Float[np.ndarray, "h w 3"]:
    exposure = chosen.shutter / frame.fps if chosen.shutter > 0 else _SHORTEST
    opening = chosen.aperture(frame_geometry.pinhole_of(frame)[0], frame.size[1])
    return effects.falling(
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
    return np.asarray(here + (later - here) * min(exposure * frame.fps, 1.0))


@dataclass(frozen=True)
class _Settle:
    """Settles a clip once for each engine and seed, however many windows ask."""

    engine: PhotographicEngine
    survey: Survey
    seed: int

    def __call__(self, window: Window) -> Settled:
        del window
        engine = self.engine
        return settle(self.survey, engine.look, engine.album, engine.photos, self.seed)
