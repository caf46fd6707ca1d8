"""Compute the backdrop (environment or photo by view direction) and the matte before it."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from simlift.core.errors import ClipError, RecipeError
from simlift.media.decodings import Colour
from simlift.media.folders import visible_files
from simlift.media.images import PHOTO_SUFFIXES, read_image

_PHOTO_ANGLE = 1.25  # a photo spans this many times the camera's field of view


def read_photos(
    folder: Path, most: int, lines: int | None = None
) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Read up to `most` photos of a folder, evenly by name; RecipeError if there are none."""
    if not folder.is_dir():
        raise RecipeError(folder, "is no folder", allowed="a folder of photos")
    paths = [p for p in visible_files(folder) if p.suffix.lower() in PHOTO_SUFFIXES]
    if not paths:
        raise RecipeError(folder, "holds no photos", allowed=".jpg, .png, .webp, .bmp or .tif")
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, most).astype(int))]
    photos = []
    for path in chosen:
        try:
            photo = Colour()(read_image(path)[None])[0]
        except ClipError as error:
            raise RecipeError(folder, str(error)) from error
        if lines and photo.shape[0] > lines:
            size = (max(round(photo.shape[1] * lines / photo.shape[0]), 1), lines)
            photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        photos.append(photo)
    return photos


def photo_along(
    photo: Float[np.ndarray, "a b 3"],
    direction: Float[np.ndarray, "h w 3"],
    fov: tuple[float, float],
) -> Float[np.ndarray, "h w 3"]:
    """Return a photo hung around the first view; beyond its sides it continues mirrored.

    `direction` is in the axes of the clip's first camera, `fov` its width and height in radians.
    """
    azimuth = np.arctan2(direction[..., 0], direction[..., 2])
    elevation = np.arctan2(direction[..., 1], np.hypot(direction[..., 0], direction[..., 2]))
    height, width = photo.shape[:2]
    # The whole photo fills the view in the direction where it is tighter: no stretching.
    pixels = max(fov[0] * _PHOTO_ANGLE / width, fov[1] * _PHOTO_ANGLE / height)
    x = (azimuth / pixels + width / 2 - 0.5).astype(np.float32)
    y = (elevation / pixels + height / 2 - 0.5).astype(np.float32)
    return np.asarray(cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))


@dataclass(frozen=True, eq=False)
class Matte:
    """Where the scene covers the backdrop: `cover` in [0, 1], soft at the border.

    `interior` is the scene without its border, `box` the rows and columns outside of which the
    scene covers all.
    """

    cover: Float[np.ndarray, "h w"]
    interior: Bool[np.ndarray, "h w"]
    box: tuple[slice, slice]


_REACH = 3  # pixels that a border is cleaned and softened over


def matte(behind: Bool[np.ndarray, "h w"]) -> Matte:
    """Return the matte of a binary backdrop mask that is not empty."""
    scene = (~behind).astype(np.uint8)
    interior = cv2.erode(scene, np.ones((3, 3), np.uint8), borderValue=1).astype(bool)
    cover = cv2.GaussianBlur(scene.astype(np.float32), (3, 3), 0.55)
    left, top, width, height = cv2.boundingRect(behind.astype(np.uint8))
    rows = slice(max(top - _REACH, 0), top + height + _REACH)
    columns = slice(max(left - _REACH, 0), left + width + _REACH)
    return Matte(cover, interior, (rows, columns))


def clean_border(linear: Float[np.ndarray, "h w 3"], found: Matte) -> Float[np.ndarray, "h w 3"]:
    """Give the scene's border, and the backdrop beside it, the colour of the scene inside.

    Renderers blend the border with their own background; that colour must not glow around the
    scene before another backdrop.
    """
    rows, columns = (slice(max(s.start - _REACH, 0), s.stop + _REACH) for s in found.box)
    weight = found.interior[rows, columns].astype(np.float32)
    total = cv2.blur(weight, (5, 5))
    replace = (weight == 0) & (total > 0.04)
    within = np.ascontiguousarray(linear[rows, columns])
    filled = cv2.blur(cv2.multiply(within, cv2.merge([weight] * 3)), (5, 5))
    within[replace] = filled[replace] / total[replace][:, None]
    out = linear.copy()
    out[rows, columns] = within
    return out
