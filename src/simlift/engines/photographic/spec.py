"""Define the settings of the photographic engine, check a clip for them, and open the engine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import cv2

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage, WindowSize
from simlift.core.setting import Setting
from simlift.engines.photographic.camera import optics
from simlift.engines.photographic.camera.colour_transfer import read_reference_photos
from simlift.engines.photographic.engine import PhotographicEngine
from simlift.engines.photographic.light.environments import environment_notes, open_environment
from simlift.engines.photographic.looks.look import BUILT_IN, Look
from simlift.engines.photographic.looks.named import NAMED
from simlift.engines.photographic.materials import settings
from simlift.engines.photographic.scene.backdrop import read_photos
from simlift.engines.photographic.stages import camera_stages, light_stages
from simlift.engines.photographic.weather import effects


@dataclass(frozen=True)
class Photographic:
    """Re-photograph a clip under a look: light, backdrop, lens, sensor, film and grade.

    A look asks for optics and weather that a clip may not carry. A named look leaves them out, and
    its stages say so; a look that the user wrote is refused, unless it calls the group optional.
    Specs that differ in `strict` alone are equal: it decides what is refused, never a pixel.
    """

    look: Look = field(default_factory=Look)
    strict: Annotated[
        bool | None,
        Setting(
            "refuse a clip that lacks what the look asks for; null: where the look has no name"
        ),
    ] = field(default=None, compare=False)

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
        strict = look not in NAMED.values() if self.strict is None else self.strict
        dry = effects.check(look.weather, clip, strict=strict and "weather" not in look.optional)
        return (
            *light[:2],
            settings.check(look.materials, clip),
            *light[2:],
            _weather_stage(look, dry),
            *optics.check(look.optics, clip, strict=strict and "optics" not in look.optional),
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
            way_out="record segmentation, or lift without --replace and classes in the look's "
            "backdrop",
        )
    clip.ids_of(look.backdrop.classes)


def _check_files(look: Look) -> None:
    """Raise RecipeError for an environment or a folder of photos that cannot be used."""
    environment_notes(look.light.environment)
    if look.backdrop.photos is not None:
        read_photos(look.backdrop.photos, most=1)


def _weather_stage(look: Look, dry: str) -> Stage:
    kinds = look.weather.kinds
    if dry or not kinds:
        return Stage("weather", False, dry or "clear", lost=bool(dry))
    where = ", where the clip shows sky" if "weather" in look.optional else ""
    return Stage("weather", True, ", ".join(kinds) + where)
