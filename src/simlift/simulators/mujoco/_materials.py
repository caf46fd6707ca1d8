"""Read the material of a MuJoCo geom: colour, texture, roughness, metallic, emission."""

import numpy as np

from simlift.core.scene_geometry import Material
from simlift.pixels.colour.spaces import srgb_to_linear
from simlift.simulators.mujoco._library import mujoco

_GRAY = np.array((0.5, 0.5, 0.5, 1.0), np.float32)  # the rgba of a geom that was given none
_RGB = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)


def colour_of(model: "mujoco.MjModel", geom: int) -> np.ndarray:
    """Return rgba as MuJoCo draws it: a geom's own colour, where it has one, beats its material."""
    own = model.geom_rgba[geom]
    matid = model.geom_matid[geom]
    return own if matid < 0 or not np.array_equal(own, _GRAY) else model.mat_rgba[matid]


def material_of(model: "mujoco.MjModel", geom: int) -> Material:
    """Return a geom's material; roughness and metal where the model states them, else by gloss."""
    matid = int(model.geom_matid[geom])
    colour = colour_of(model, geom)
    tint = srgb_to_linear(colour[:3].astype(np.float32)) * _mean_of_cube(model, matid)
    red, green, blue = (float(c) for c in tint)
    rough, metallic, emission = surface_of(model, geom)
    return Material(
        name=(model.mat(matid).name or f"material_{matid}") if matid >= 0 else "plain",
        colour=(red, green, blue),
        roughness=rough,
        metallic=metallic,
        emission=emission,
        opacity=float(colour[3]),
        texture=_texture(model, matid) if matid >= 0 else None,
    )


def surface_of(model: "mujoco.MjModel", geom: int) -> tuple[float, float, float]:
    """Return roughness, metallic and emission, each in [0, 1]."""
    matid = int(model.geom_matid[geom])
    if matid < 0:
        return roughness(0.5, 0.5), 0.0, 0.0
    stated = float(model.mat_roughness[matid])
    return (
        stated
        if stated >= 0
        else roughness(float(model.mat_specular[matid]), float(model.mat_shininess[matid])),
        min(max(float(model.mat_metallic[matid]), 0.0), 1.0),
        min(float(model.mat_emission[matid]), 1.0),
    )


def roughness(specular: float, shininess: float) -> float:
    """Return the roughness of a material that states only its gloss.

    MuJoCo's highlight is a Blinn-Phong lobe of exponent n = 128 shininess, which is as wide as a
    GGX lobe of alpha^2 = 2 / (n + 2) (Walter et al. 2007), roughness = sqrt(alpha). A weak
    highlight means a surface that scatters, so it pulls towards 0.9.
    """
    lobe = float((2 / (128 * shininess + 2)) ** 0.25)
    share = min(2 * float(specular), 1.0)
    return share * lobe + (1 - share) * 0.9


def _texture(model: "mujoco.MjModel", matid: int) -> np.ndarray | None:
    """Return the material's 2D texture; cube maps are not carried."""
    texid = int(model.mat_texid[matid, _RGB])
    if texid < 0 or model.tex_type[texid] != mujoco.mjtTexture.mjTEXTURE_2D:
        return None
    return np.ascontiguousarray(_pixels(model, texid))


def _mean_of_cube(model: "mujoco.MjModel", matid: int) -> np.ndarray:
    """Return the mean linear colour of a material's cube map, which stands for it; 1 without."""
    texid = int(model.mat_texid[matid, _RGB]) if matid >= 0 else -1
    if texid < 0 or model.tex_type[texid] != mujoco.mjtTexture.mjTEXTURE_CUBE:
        return np.ones(3)
    pixels = _pixels(model, texid)[:: max(int(model.tex_width[texid]) // 64, 1)]
    return srgb_to_linear(pixels.astype(np.float32) / 255).mean(axis=(0, 1))


def _pixels(model: "mujoco.MjModel", texid: int) -> np.ndarray:
    """Return the pixels [h w 3] of a texture; the six faces of a cube one below the other."""
    height, width = int(model.tex_height[texid]), int(model.tex_width[texid])
    channels, start = int(model.tex_nchannel[texid]), int(model.tex_adr[texid])
    pixels = model.tex_data[start : start + height * width * channels]
    image = pixels.reshape(height, width, channels)
    return np.broadcast_to(image[..., :3], (height, width, 3))
