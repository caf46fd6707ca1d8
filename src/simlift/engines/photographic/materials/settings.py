"""Define the material settings of a look and check a clip for them."""

from dataclasses import dataclass
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage
from simlift.engines.photographic.materials.classes import MATERIALS
from simlift.engines.photographic.materials.photos import read_textures


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RecipeError(name, f"found {value}", allowed=f"{low} to {high}")


@dataclass(frozen=True)
class Materials:
    """What surfaces are made of: built-in materials by class, or photos in a folder.

    Photos are named by class or material: road.jpg, wood.png.
    """

    strength: float = 0.8  # share of the material that shows; 0 leaves what the clip gives
    detail: float = 1.0  # of the relief
    scale: float = 1.0  # size of the textures
    by_class: tuple[tuple[str, str], ...] = ()  # (class, material), before the built-in choice
    textures: Path | None = None

    def __post_init__(self) -> None:
        _check("materials.strength", self.strength, 0, 1)
        _check("materials.detail", self.detail, 0, 3)
        _check("materials.scale", self.scale, 0.1, 10)
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
