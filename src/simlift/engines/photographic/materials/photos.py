"""Read a folder of surface photos, named by class or material, as textures."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import ClipError, RecipeError
from simlift.engines.photographic.materials.classes import MATERIALS, known_words, words_of
from simlift.media.decodings import Colour
from simlift.media.folders import visible_files
from simlift.media.images import PHOTO_SUFFIXES, read_image

_SMALLEST = 32  # pixels


def read_textures(folder: Path, classes: Iterable[str]) -> dict[str, UInt8[np.ndarray, "_ _ 3"]]:
    """Read a folder's photos by name; RecipeError names the photo that cannot be used.

    A photo is named after a material or a class: one of `classes`, or one that another clip may
    have.
    """
    if not folder.is_dir():
        raise RecipeError(folder, "is no folder", allowed="a folder of photos of surfaces")
    paths = [p for p in visible_files(folder) if p.suffix.lower() in PHOTO_SUFFIXES]
    if not paths:
        raise RecipeError(
            folder,
            "holds no photos",
            allowed=".jpg, .png, .webp, .bmp or .tif, named by class or material",
        )
    known = {words_of(name)[0] for name in classes} | known_words()
    photos: dict[str, UInt8[np.ndarray, "_ _ 3"]] = {}
    for path in paths:
        name = words_of(path.stem)[0]
        if name not in known:
            raise RecipeError(
                path,
                "is named after no class and no material",
                allowed=", ".join([*sorted(set(classes)), *MATERIALS]),
                way_out="rename it, as in road.jpg or wood.png",
            )
        if name in photos:
            raise RecipeError(path, f"is a second photo of {name}", allowed="one of each")
        photos[name] = _read(path)
    return photos


def _read(path: Path) -> UInt8[np.ndarray, "_ _ 3"]:
    try:
        photo = Colour()(read_image(path)[None])[0]
    except ClipError as error:
        raise RecipeError(path, str(error)) from error
    if min(photo.shape[:2]) < _SMALLEST:
        raise RecipeError(
            path, f"is {photo.shape[1]}x{photo.shape[0]} pixels", allowed=f"at least {_SMALLEST}"
        )
    return np.asarray(photo)
