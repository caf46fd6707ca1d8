"""Define the material settings of a look and check a clip for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage
from simlift.core.setting import Setting, check_ranges
from simlift.engines.photographic.materials.classes import MATERIALS
from simlift.engines.photographic.materials.photos import read_textures


@dataclass(frozen=True)
class Materials:
    """What surfaces are made of: built-in materials by class, or photos in a folder.

    Photos are named by class or material: road.jpg, wood.png.
    """

    strength: Annotated[
        float, Setting("share of the material that shows; 0 leaves what the clip gives", "", 0, 1)
    ] = 0.8
    detail: Annotated[float, Setting("of the relief", "", 0, 3)] = 1.0
    scale: Annotated[float, Setting("size of the textures", "", 0.1, 10)] = 1.0
    by_class: Annotated[
        tuple[tuple[str, str], ...], Setting("(class, material), before the built-in choice")
    ] = ()
    textures: Annotated[
        Path | None, Setting("a folder of photos named by class or material: road.jpg, wood.png")
    ] = None

    def __post_init__(self) -> None:
        check_ranges(self, "materials")
        classes = [category for category, _ in self.by_class]
        if twice := sorted({c for c in classes if classes.count(c) > 1}):
            raise RecipeError(
                "materials.by_class", f"names {', '.join(twice)} twice", allowed="each class once"
            )
        if unknown := sorted({m for _, m in self.by_class if m not in MATERIALS}):
            raise RecipeError(
                "materials.by_class",
                f"no material {', '.join(unknown)}",
                allowed=", ".join(MATERIALS),
            )


def check(materials: Materials, clip: Clip) -> Stage:
    """Say what will be dressed; ClipError for an unknown class, RecipeError for a bad photo."""
    clip.ids_of(category for category, _ in materials.by_class)
    if materials.textures is not None:
        read_textures(materials.textures, clip.categories)
    if materials.strength == 0:
        return Stage("materials", False, "strength is 0")
    if not clip.metric_depth:
        return Stage("materials", False, "no metric depth")
    if clip.camera is None:
        return Stage("materials", True, "gloss alone: without a camera, grain would not stick")
    if Layer.SEGMENTATION not in clip or not clip.categories:
        return Stage("materials", True, "one fine grain: no classes")
    return Stage("materials", True, "by class, laid out on each body")
