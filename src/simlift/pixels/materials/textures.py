"""Apply material textures to a G-buffer: albedo, relief (bump mapping) and roughness.

Textures only vary a surface: their mean colour is 1 and their mean slope 0, so that a surface keeps
the colour and the shape that its simulator gave it.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float, Int, Int8, Int64

from simlift.pixels.image.noise import spectral_noise

SIZE = 512  # texels across a texture
STAIN_TILES = 8  # tiles after which stains repeat
_STAIN_CELLS = 32
_FAINT = 0.005  # root mean square, below which a texture is invisible
_TOP = SIZE.bit_length() - 1  # the level of one texel
_CHANNELS = 6  # colour - 1 [3], slopes [2], roughness


@dataclass(frozen=True, eq=False)
class Texture:
    """A tileable square texture, `metres` wide.

    `albedo` multiplies a colour and has the mean 1, `slope` is the rise of the relief along u and v
    (metres in a metre), `roughness` is added and has the mean 0.
    """

    albedo: Float[np.ndarray, "n n 3"]
    slope: Float[np.ndarray, "n n 2"]
    roughness: Float[np.ndarray, "n n"]
    metres: float


def make_texture(
    albedo: Float[np.ndarray, "n n 3"],
    height: Float[np.ndarray, "n n"],
    roughness: Float[np.ndarray, "n n"],
    metres: float,
) -> Texture:
    """Make a texture from any colours and a relief in metres; colours are scaled to a mean of 1.

    No texel is below a tenth or above four times the mean.
    """
    colours = np.maximum(albedo.astype(np.float64), 1e-4)
    for _ in range(8):
        colours = np.clip(colours / colours.mean((0, 1)), 0.1, 4)
    colours /= colours.mean((0, 1))
    step = 2 * metres / len(height)
    across = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / step
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / step
    return Texture(
        colours.astype(np.float32),
        np.dstack([across, down]).astype(np.float32),
        (roughness - roughness.mean()).astype(np.float32),
        metres,
    )


def flat_texture(metres: float = 1.0) -> Texture:
    """Return the neutral texture, which changes nothing."""
    zero = np.zeros((SIZE, SIZE), np.float32)
    return make_texture(np.ones((SIZE, SIZE, 3), np.float32), zero, zero, metres)


@dataclass(frozen=True, eq=False)
class Atlas:
    """Mip pyramids of some textures in bytes, level after level from the finest.

    A byte is in units of `steps`: lookups are scattered, so the atlas must be small to be fast.
    Past the level `faint` a texture shows no more. `unseen` is the mean square of the slopes that
    each level has lost: relief below a texel is added to roughness instead.
    """

    texels: Int8[np.ndarray, "m texels 6"]
    steps: Float[np.ndarray, "m 6"]
    faint: Float[np.ndarray, "m"]
    unseen: Float[np.ndarray, "m levels"]

    @cached_property
    def packed(self) -> Int64[np.ndarray, "n"]:
        """All texels, each one number: a byte of 128 + steps for each channel, from the lowest."""
        whole = self.texels.reshape(-1, _CHANNELS)
        padded = np.zeros((len(whole), 8), np.uint8)
        padded[:, :_CHANNELS] = whole.view(np.uint8) ^ np.uint8(128)
        return padded.view("<i8")[:, 0].astype(np.int64)


def build_atlas(textures: tuple[Texture, ...]) -> Atlas:
    """Build the atlas of some textures: their mip pyramids, ready for lookup."""
    parts = [_bytes(mip_pyramid(one)) for one in textures]
    return Atlas(*(np.stack(column) for column in zip(*parts, strict=True)))


def mip_pyramid(one: Texture) -> list[Float[np.ndarray, "_ _ 6"]]:
    """Compute a texture's mip levels: colour - 1 [3], slopes [2], roughness.

    Each is the exact average of 2x2 texels of the one before (Williams, "Pyramidal parametrics",
    SIGGRAPH 1983).
    """
    if one.roughness.shape != (SIZE, SIZE):
        raise ValueError(f"a texture of {one.roughness.shape} texels; allowed: {SIZE} x {SIZE}")
    level = np.dstack([one.albedo - np.float32(1), one.slope, one.roughness])
    levels = [level]
    while len(level) > 1:
        half = len(level) // 2
        level = level.reshape(half, 2, half, 2, _CHANNELS).mean((1, 3))
        levels.append(level)
    return levels


def _bytes(
    levels: list[Float[np.ndarray, "_ _ 6"]],
) -> tuple[np.ndarray, np.ndarray, np.float32, np.ndarray]:
    """Return texels, steps, the level from which nothing shows, and unseen slopes."""
    steps = np.maximum(np.abs(levels[0]).max((0, 1)), 1e-9) / 127
    texels = np.concatenate([np.rint(a / steps).reshape(-1, _CHANNELS) for a in levels])
    slopes = np.array([(a[..., 3:5].astype(np.float64) ** 2).sum(-1).mean() for a in levels])
    spread = np.stack([a.std((0, 1)) for a in levels])
    spread[:, 3:5] = np.sqrt(slopes)[:, None]
    shows = np.flatnonzero((spread > _FAINT).any(1))
    faint = np.float32(min(shows[-1] + 1, _TOP) if len(shows) else 0)
    unseen = (slopes[0] - slopes).astype(np.float32)
    return texels.astype(np.int8), steps.astype(np.float32), faint, unseen


@lru_cache(maxsize=1)
def wear_noise() -> Float[np.ndarray, "k k k"]:
    """Generate the solid noise of wear and dirt that breaks up the repetition of tiles.

    A solid texture (Perlin, "An image synthesizer", SIGGRAPH 1985), so that it has no seams.
    """
    return np.clip(spectral_noise((7,), (_STAIN_CELLS,) * 3, 1.7, band=(1.0, 14.0)), -2.5, 2.5)


@dataclass(frozen=True, eq=False)
class MaterialTable:
    """Material parameters of each slot, one row each; slot 0 is for ids that are not known.

    `texture` is a row of the atlas; `colour`, `relief` and `gloss` scale what it adds; `stain` and
    `smear` scale the solid noise that is added to colour and roughness; `roughness` and `metallic`
    are what the surface is moved to, by `share`.
    """

    texture: Int[np.ndarray, "s"]
    tiles: Float[np.ndarray, "s"]  # in a metre
    colour: Float[np.ndarray, "s"]
    relief: Float[np.ndarray, "s"]
    gloss: Float[np.ndarray, "s"]
    stain: Float[np.ndarray, "s"]
    smear: Float[np.ndarray, "s"]
    roughness: Float[np.ndarray, "s"]
    metallic: Float[np.ndarray, "s"]
    share: Float[np.ndarray, "s"]


def apply_textures(
    albedo: Float[np.ndarray, "h w 3"],
    normals: Float[np.ndarray, "h w 3"],
    roughness: Float[np.ndarray, "h w"],
    metallic: Float[np.ndarray, "h w"],
    depth: Float[np.ndarray, "h w"],
    ids: Int[np.ndarray, "h w"],
    pinhole: tuple[float, float, float, float],
    known: Int[np.ndarray, "k"],
    places: Float[np.ndarray, "s 3 4"],
    materials: MaterialTable,
    atlas: Atlas,
) -> tuple[
    Float[np.ndarray, "h w 3"],
    Float[np.ndarray, "h w 3"],
    Float[np.ndarray, "h w"],
    Float[np.ndarray, "h w"],
]:
    """Apply materials to a G-buffer -> albedo, normals, roughness and metallic.

    `known` are the ids of slots 1 to k, in order. `places` leads from camera axes to each slot's
    own axes: a rotation, and where the camera is, in tiles. The three projections along the axes
    are blended by the normal (Geiss, "Generating complex procedural terrains using the GPU", GPU
    Gems 3, 2007); relief by surface gradients (Mikkelsen, "Surface gradient-based bump mapping
    framework", JCGT 2020), whose blend is linear; slopes lost between texels widen the roughness
    (Olano and Baker, "LEAN mapping", I3D 2010; bounded as by Tokuyoshi and Kaplanyan, I3D 2019).
    """
    from simlift.pixels.materials import _texture_kernels as kernels

    columns = (
        materials.texture, materials.tiles, materials.colour, materials.relief, materials.gloss,
        materials.stain, materials.smear, materials.roughness, materials.metallic, materials.share,
    )  # fmt: skip
    rows = np.stack(columns, axis=-1).astype(np.float32)
    surface = [np.ascontiguousarray(part) for part in (albedo, normals, roughness, metallic, depth)]
    out = kernels.apply_textures(
        *surface, np.ascontiguousarray(ids, dtype=np.int32), pinhole, known,
        np.ascontiguousarray(places, dtype=np.float32), rows,
        atlas.packed, atlas.steps, atlas.faint, atlas.unseen, wear_noise(),
    )  # fmt: skip
    return out[0], out[1], out[2], out[3]
