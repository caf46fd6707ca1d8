"""The photographic engine, opened: windows in, photographed frames out.

Everything that must hold over a clip is settled once from the survey, so the same seed gives the
same pixels in any window.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.core.window import Frames, Survey, Tail, Window
from simlift.engines.photographic import scene
from simlift.engines.photographic.look import Look
from simlift.engines.photographic.radiance import radiance
from simlift.engines.photographic.settle import Photos, settle
from simlift.engines.photographic.settled import Settled
from simlift.pixels import film, lens, sensor

_SOFTNESS_LINES = 720
_SHARPEST = 0.62  # pixels; an optical low-pass, below which the mosaic aliases into colour


@dataclass(frozen=True, eq=False)
class PhotographicEngine:
    """Lifts windows under one look. `like` and `photos` are the user's photos, as sRGB bytes;
    `pool` photographs the frames of a window side by side."""

    look: Look
    like: Photos = ()
    photos: Photos = ()
    pool: Executor | None = None

    def lift(self, window: Window, *, survey: Survey, before: Tail | None, seed: int) -> Frames:
        """Return the photographed frames of a window."""
        del before
        settled = survey.window.derive(_Settle(self, survey, seed))
        each = self.pool.map if self.pool is not None else map
        frames = window.derive(scene.split)
        return np.stack(list(each(lambda frame: self._photograph(frame, settled, seed), frames)))

    def _photograph(self, frame: Window, settled: Settled, seed: int) -> UInt8[np.ndarray, "h w 3"]:
        look, index = self.look, int(frame.indices[0])
        gain = film.interpolate(settled.times, settled.gains, index / frame.fps)
        exposed = cv2.transform(radiance(frame, look, settled), np.diag(gain))
        shade = lens.vignette(*frame.size, scene.pinhole_of(frame), look.lens.vignette)
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
        return film.develop(codes, look.film.contrast, settled.white, settled.grade)


@dataclass(frozen=True)
class _Settle:
    """Settles a clip once for each engine and seed, however many windows ask."""

    engine: PhotographicEngine
    survey: Survey
    seed: int

    def __call__(self, window: Window) -> Settled:
        del window
        engine = self.engine
        return settle(self.survey, engine.look, engine.like, engine.photos, self.seed)
