"""Make a tileable texture from a photo of a surface, with its lighting removed."""

from statistics import NormalDist

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.pixels.colour import spaces
from simlift.pixels.materials.textures import SIZE, Texture, make_texture

_SEAM = SIZE // 6  # texels that are faded over at a border
_CORNERS = 4  # of the shuffle's triangles, across a texture; even
_QUANTILES = 1025


def texture_from_photo(
    photo: UInt8[np.ndarray, "h w 3"], metres: float, *, steepness: float, shuffle: bool
) -> Texture:
    """Make a tileable texture from the middle of a photo, `metres` wide.

    What varies over more than a third of the photo is taken for its light and divided out. Relief
    is read from lightness, with the root mean square slope `steepness`. Without structure (gravel,
    plaster) the photo is shuffled, so that no spot of it repeats in rows; with it (boards,
    bricks) only its borders are faded.
    """
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    square = np.ascontiguousarray(photo[top : top + side, left : left + side])
    whole = SIZE + _SEAM
    how = cv2.INTER_AREA if side > whole else cv2.INTER_CUBIC
    linear = np.maximum(
        spaces.decode_srgb(cv2.resize(square, (whole, whole), interpolation=how)), 2e-3
    )
    light = cv2.GaussianBlur(linear, (0, 0), whole / 6, borderType=cv2.BORDER_REFLECT)
    tile = blend_seams(np.asarray(linear / light))
    if shuffle:
        tile = histogram_preserving_shuffle(tile)
    lightness = np.log(np.maximum(spaces.luminance(tile), 0.02))
    broad = cv2.GaussianBlur(np.tile(lightness, (3, 3)), (0, 0), SIZE / 16)
    height = lightness - broad[SIZE : 2 * SIZE, SIZE : 2 * SIZE]
    flat = np.zeros((SIZE, SIZE), np.float32)
    steep = float(np.sqrt((make_texture(tile, height, flat, metres).slope ** 2).mean()))
    return make_texture(tile, height * np.float32(steepness / max(steep, 1e-9)), flat, metres)


def blend_seams(image: Float[np.ndarray, "a a 3"]) -> Float[np.ndarray, "n n 3"]:
    """Blend the end of an image into its beginning so that it tiles; it shrinks by one seam.

    The blend keeps the contrast of its parts (Heitz and Neyret 2018, eq. 2).
    """
    for axis in (0, 1):
        image = np.moveaxis(image, axis, 0)
        mean = image.mean((0, 1), keepdims=True)
        rise = (np.arange(_SEAM, dtype=np.float32) + 0.5)[:, None, None] / _SEAM
        ahead, behind = image[:_SEAM] - mean, image[-_SEAM:] - mean
        blend = (rise * ahead + (1 - rise) * behind) / np.sqrt(rise**2 + (1 - rise) ** 2)
        image = np.concatenate([blend + mean, image[_SEAM:-_SEAM]])
        image = np.moveaxis(image, 0, axis)
    return np.ascontiguousarray(np.maximum(image, 0.01))


def histogram_preserving_shuffle(tile: Float[np.ndarray, "n n 3"]) -> Float[np.ndarray, "n n 3"]:
    """Shuffle pieces of a tile over a triangle grid by histogram-preserving blending, as a new
    tile.

    Colours are made Gaussian along their principal axes, blended with their variance kept, and
    given their histogram back. Source: Heitz and Neyret, "High-performance by-example noise using
    a histogram-preserving blending operator", HPG 2018.
    """
    colours = tile.reshape(-1, 3).astype(np.float64)
    mean, covariance = spaces.moments(colours)
    _, axes = np.linalg.eigh(covariance)
    along = np.einsum("nk,kc->nc", colours - mean, axes)
    share = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    normal = np.array([NormalDist().inv_cdf(float(p)) for p in share])
    values = np.quantile(along, share, axis=0)
    gaussian = np.stack([np.interp(along[:, c], values[:, c], normal) for c in range(3)], axis=-1)
    blend = _blend(gaussian.reshape(tile.shape)).reshape(-1, 3)
    back = np.stack([np.interp(blend[:, c], normal, values[:, c]) for c in range(3)], axis=-1)
    out = np.einsum("nc,kc->nk", back, axes) + mean
    return np.maximum(out, 0.01).reshape(tile.shape).astype(np.float32)


def _blend(tile: Float[np.ndarray, "n n 3"]) -> Float[np.ndarray, "n n 3"]:
    """Return three shifted copies of a Gaussian tile, blended by place in a triangle."""
    size = len(tile)
    place = (np.arange(size) + 0.5) * (_CORNERS / size)
    y = np.repeat(place[:, None], size, 1)
    x = np.repeat(place[None, :], size, 0) - 0.5 * y  # the grid is sheared into triangles
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - i, y - j
    upper = fx + fy > 1
    corners = (
        (np.where(upper, 1 - fy, fx), i + 1, j),
        (np.where(upper, 1 - fx, fy), i, j + 1),
        (np.where(upper, fx + fy - 1, 1 - fx - fy), i + upper, j + upper),
    )
    shifts = np.random.default_rng(2018).integers(0, size, (_CORNERS, _CORNERS, 2))
    rows, columns = np.indices((size, size))
    out, squares = np.zeros(tile.shape), np.zeros((size, size, 1))
    for weight, across, down in corners:
        # Beyond the last row the shear has moved the grid by half its width.
        wrapped = (across + down // _CORNERS * (_CORNERS // 2)) % _CORNERS
        shift = shifts[wrapped, down % _CORNERS]
        moved = tile[(rows + shift[..., 0]) % size, (columns + shift[..., 1]) % size]
        out += weight[..., None] * moved
        squares += weight[..., None] ** 2
    return out / np.sqrt(squares)
