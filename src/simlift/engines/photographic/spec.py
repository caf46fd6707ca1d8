"""The photographic engine as a frozen value: what it needs, what it will do, how it opens."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.seams import Span, Stage
from simlift.engines.photographic.backdrop import read_photos
from simlift.engines.photographic.camera import PhotographicEngine
from simlift.engines.photographic.lighting import open_environment
from simlift.engines.photographic.look import BUILT_IN, Look
from simlift.media.environments import read_environment


@dataclass(frozen=True)
class Photographic:
    """Re-photograph a clip under a look: light, backdrop, lens, sensor, film and grade."""

    look: Look = field(default_factory=Look)

    def needs(self) -> frozenset[Layer]:
        """Colour is enough; every other layer switches stages on."""
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset({Layer.ALBEDO, Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION})

    def span(self) -> Span:
        """Frames are independent given the survey, so windows only bound the memory."""
        return Span(frames=8)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say which stages run on this clip; ClipError when a class to replace is unknown."""
        look = self.look
        if look.backdrop.classes:
            if Layer.SEGMENTATION not in clip:
                raise ClipError(
                    clip.path,
                    "has no segmentation to replace classes by",
                    way_out="record segmentation, or leave the classes out",
                )
            clip.ids_of(look.backdrop.classes)
        _check_files(look)
        lit = Layer.NORMALS in clip or clip.metric_depth
        depth = clip.metric_depth
        unlit = "depth is relative" if Layer.DEPTH in clip else "neither depth nor normals"
        given = Layer.ALBEDO in clip
        sky = Layer.SEGMENTATION in clip and "sky" in clip.categories
        # A photo can stand behind what is not lit; an environment would not match its light.
        shown = lit or look.backdrop.kind == "photos"
        behind = shown and (depth or sky or bool(look.backdrop.classes))
        return (
            Stage(
                "albedo",
                lit,
                ("given" if given else "estimated by dividing out fitted shading")
                if lit
                else unlit,
            ),
            Stage(
                "normals",
                lit,
                ("given" if Layer.NORMALS in clip else "from depth") if lit else unlit,
            ),
            Stage("light", lit, f"environment {look.light.environment}" if lit else unlit),
            Stage(
                "occlusion and shadows",
                depth,
                "from depth in metres" if depth else "no metric depth",
            ),
            Stage(
                "backdrop",
                behind and look.backdrop.kind != "keep",
                f"{look.backdrop.kind} where nothing was hit"
                if behind
                else ("nothing tells the sky" if shown else unlit),
            ),
            Stage(
                "exposure", True, "metered over the clip" if lit else "close to the render's own"
            ),
            Stage("lens", True, "vignette and softness"),
            Stage("sensor", look.sensor.bayer, "Bayer mosaic with shot and read noise"),
            Stage("film", True, "sigmoid in log exposure"),
            Stage(
                "grade",
                True,
                f"towards the photos in {look.grade.like}"
                if look.grade.like
                else "saturation, warmth",
            ),
        )

    @contextmanager
    def open(self, device: str) -> Iterator[PhotographicEngine]:
        """Read the environment and the photos that the look names; it runs on the CPU."""
        del device
        look = self.look
        if look.light.environment not in BUILT_IN:
            open_environment(look.light, look.light.environment)
        like = read_photos(look.grade.like, most=48, lines=160) if look.grade.like else []
        photos = (
            read_photos(look.backdrop.photos, most=64, lines=1080) if look.backdrop.photos else []
        )
        with ThreadPoolExecutor(max(cv2.getNumThreads(), 1)) as pool:
            yield PhotographicEngine(look, tuple(like), tuple(photos), pool)


def _check_files(look: Look) -> None:
    """Raise RecipeError for an environment or a folder of photos that cannot be used."""
    if look.light.environment not in BUILT_IN:
        read_environment(Path(look.light.environment))
    for folder in (look.grade.like, look.backdrop.photos):
        if folder is not None:
            read_photos(folder, most=1)
