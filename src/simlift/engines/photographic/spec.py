"""Define the settings of the photographic engine, check a clip for them, and open the engine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import cv2

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage, WindowSize
from simlift.engines.photographic.camera import optics
from simlift.engines.photographic.camera.colour_transfer import read_reference_photos
from simlift.engines.photographic.engine import PhotographicEngine
from simlift.engines.photographic.light.environments import environment_notes, open_environment
from simlift.engines.photographic.looks.look import BUILT_IN, Look
from simlift.engines.photographic.materials import settings
from simlift.engines.photographic.scene.backdrop import read_photos
from simlift.engines.photographic.stages import camera_stages, light_stages
from simlift.engines.photographic.supported_effects import supported_optics, supported_weather
from simlift.engines.photographic.weather import effects
from simlift.engines.photographic.weather.effects import Weather


@dataclass(frozen=True)
class Photographic:
    """Re-photograph a clip under a look: light, backdrop, lens, sensor, film and grade."""

    look: Look = field(default_factory=Look)

    def needs(self) -> frozenset[Layer]:
        """Colour is enough; every other layer switches stages on."""
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        """Motion is read where the shutter stays open."""
        moving = {Layer.FLOW} if self.look.optics.shutter > 0 else set()
        return frozenset(
            {Layer.ALBEDO, Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION, Layer.MATERIAL} | moving
        )

    def window_size(self) -> WindowSize:
        """Frames are independent given the clip sample, so windows only bound the memory."""
        return WindowSize(frames=8)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say which stages run on this clip; InputError for what it cannot carry."""
        look = self.look
        _check_classes(look, clip)
        _check_files(look)
        light = light_stages(look, clip)
        air = supported_weather(look, clip, outdoors=True)
        effects.check(air, clip)
        return (
            *light[:2],
            settings.check(look.materials, clip),
            *light[2:],
            _weather_stage(look, air),
            *optics.check(supported_optics(look, clip), clip),
            *camera_stages(look, clip),
        )

    @contextmanager
    def open(self, device: str) -> Iterator[PhotographicEngine]:
        """Read the environment and the photos that the look names; it runs on the CPU."""
        del device
        look = self.look
        if look.light.environment not in BUILT_IN:
            open_environment(look.light, look.light.environment)
        reference_photos = read_reference_photos(look.grade.like) if look.grade.like else None
        photos = (
            read_photos(look.backdrop.photos, most=64, lines=1080) if look.backdrop.photos else []
        )
        with ThreadPoolExecutor(max(cv2.getNumThreads(), 1)) as pool:
            yield PhotographicEngine(look, reference_photos, tuple(photos), pool)


def _check_classes(look: Look, clip: Clip) -> None:
    if look.backdrop.classes and Layer.SEGMENTATION not in clip:
        raise ClipError(
            clip.path,
            "has no segmentation to replace classes by",
            way_out="record segmentation, or leave the classes out",
        )
    clip.ids_of(look.backdrop.classes)


def _check_files(look: Look) -> None:
    """Raise RecipeError for an environment or a folder of photos that cannot be used."""
    environment_notes(look.light.environment)
    if look.backdrop.photos is not None:
        read_photos(look.backdrop.photos, most=1)


def _weather_stage(look: Look, air: Weather) -> Stage:
    if not air.kinds:
        return Stage("weather", False, "no metric depth" if look.weather.kinds else "clear")
    where = ", where the clip shows sky" if "weather" in look.optional else ""
    return Stage("weather", True, ", ".join(air.kinds) + where)
