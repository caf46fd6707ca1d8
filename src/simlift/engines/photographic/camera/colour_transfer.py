"""Fit and apply colour transfer from reference photos, one affine map for each class.

Photos in a sub-folder named after a class count for that class, the others for all the rest.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.scene import frame_geometry
from simlift.engines.photographic.scene.backdrop import read_photos
from simlift.media.folders import visible_files, visible_folders
from simlift.pixels.colour import spaces
from simlift.pixels.colour.class_transfer import (
    apply_class_transfer,
    blur_class_shares,
    bounded_colour_transfer,
)

Photos = tuple[UInt8[np.ndarray, "_ _ 3"], ...]

_MOST, _ROWS = 48, 160  # photos of a folder, and their rows: enough for moments
_SOFTNESS = 1 / 200  # of the border between classes, as a share of the image's rows
_DOUBT = 64  # sampled pixels of a class at which its own map and the rest's count alike
_PIXEL_RANGE = 65535.0
_SKY = "sky"  # a class of every clip that tells where nothing was hit


@dataclass(frozen=True, eq=False)
class ReferencePhotos:
    """The user's photos as sRGB bytes: `rest`, and those of single classes."""

    rest: Photos
    classes: tuple[tuple[str, Photos], ...] = ()


def read_reference_photos(folder: Path, most: int = _MOST) -> ReferencePhotos:
    """Read a folder of photos and its sub-folders; RecipeError where there are none."""
    if not folder.is_dir():
        raise RecipeError(folder, "is no folder", allowed="a folder of photos")
    inside = visible_folders(folder)
    classes = tuple((p.name, tuple(read_photos(p, most, _ROWS))) for p in inside)
    rest = () if classes and not visible_files(folder) else tuple(read_photos(folder, most, _ROWS))
    return ReferencePhotos(rest, classes)


def check_reference_photos(folder: Path, clip: Clip) -> str:
    """Say what the photos will colour; ClipError for a sub-folder that names no class."""
    reference_photos = read_reference_photos(folder, most=1)
    named = [name for name, _ in reference_photos.classes]
    if not named:
        return f"towards the photos in {folder}"
    classes = [name for name in named if name != _SKY or not clip.metric_depth]
    if classes and Layer.SEGMENTATION not in clip:
        raise ClipError(
            clip.path,
            f"{folder} has photos of {', '.join(classes)}, and the clip has no segmentation",
            way_out="put the photos into the folder itself, or record segmentation",
        )
    clip.ids_of(classes)
    return f"towards the photos in {folder}, by class for {', '.join(named)}"


@dataclass(frozen=True, eq=False)
class ColourTransfer:
    """Affine maps on display values, for some classes and for all the rest."""

    rest: Float[np.ndarray, "3 4"]
    classes: tuple[str, ...]
    parts: Float[np.ndarray, "c 3 4"]


def fit_colour_transfer(
    reference_photos: ReferencePhotos,
    strength: float,
    window: Window,
    displays: list[UInt16[np.ndarray, "h w 3"]],
) -> ColourTransfer:
    """Fit the maps on sampled frames as the camera shows them, in 16-bit display codes."""
    classes = tuple(name for name, _ in reference_photos.classes)
    pixels = np.stack(displays).reshape(-1, 3) / _PIXEL_RANGE
    masks = np.concatenate(
        [_masks(f, classes) for f in window.derive(frame_geometry.split)], axis=1
    )
    masks = masks.reshape(len(classes), len(pixels))
    left = ~masks.any(0)
    rest = np.eye(3, 4)
    if reference_photos.rest and left.any():
        rest = bounded_colour_transfer(
            spaces.moments(pixels[left]), _moments(reference_photos.rest), strength
        )
    parts = []
    for mask, (_, photos) in zip(masks, reference_photos.classes, strict=True):
        count = int(mask.sum())
        part = rest
        if count > 1:
            own = bounded_colour_transfer(spaces.moments(pixels[mask]), _moments(photos), strength)
            part = (own * count + rest * _DOUBT) / (count + _DOUBT)
        parts.append(part)
    return ColourTransfer(rest, classes, np.array(parts).reshape(-1, 3, 4))


def apply_colour_transfer(
    display: UInt16[np.ndarray, "h w 3"], frame: Window, colour_transfer: ColourTransfer
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a frame's display codes as bytes in the colours of the photos."""
    weights = _masks(frame, colour_transfer.classes).astype(np.uint8) * np.uint8(255)
    weights = blur_class_shares(weights, max(_SOFTNESS * frame.size[0], 0.5))
    return apply_class_transfer(display, colour_transfer.rest, colour_transfer.parts, weights)


def _masks(frame: Window, classes: tuple[str, ...]) -> Bool[np.ndarray, "c h w"]:
    """Return where each class is; the sky is also where nothing was hit."""
    out = np.zeros((len(classes), *frame.size), bool)
    for mask, name in zip(out, classes, strict=True):
        if name == _SKY:
            mask[:] = frame.derive(frame_geometry.Hidden(frozenset()))
        else:
            ids = [i for i, category in frame.categories.items() if category == name]
            mask[:] = np.isin(frame[Layer.SEGMENTATION][0], ids)
    return out


def _moments(photos: Photos) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]:
    return spaces.moments(np.concatenate([p.reshape(-1, 3) for p in photos]) / 255.0)
