"""Read the materials of a binary glTF 2.0 file as metallic-roughness materials of one texture."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from simlift.core.scene_geometry import Material
from simlift.media.gltf.buffers import Buffers, Unsupported, item

EMISSIVE_STRENGTH = "KHR_materials_emissive_strength"

_REPEAT = 10497
_DETAIL = ("normalTexture", "emissiveTexture")  # occlusion is computed from the scene itself


@dataclass(frozen=True, eq=False)
class Surface:
    """A material, the set of texture coordinates it is laid by, and whether it ends at borders."""

    material: Material
    uv_set: int = 0
    clamps: bool = False


def read_surfaces(document: dict[str, Any], buffers: Buffers) -> list[Surface]:
    """Return the materials, and glTF's default one behind them where a primitive names none."""
    entries = list(document.get("materials", []))
    primitives = [p for mesh in document["meshes"] for p in mesh["primitives"]]
    if any("material" not in primitive for primitive in primitives):
        entries.append({"name": "default"})
    return [_surface(entry, document, buffers) for entry in entries]


def _surface(entry: dict[str, Any], document: dict[str, Any], buffers: Buffers) -> Surface:
    name = str(entry.get("name", ""))
    numbers = entry.get("pbrMetallicRoughness", {})
    found = [key for key in _DETAIL if key in entry]
    if "metallicRoughnessTexture" in numbers:
        found.append("metallicRoughnessTexture")
    if found:
        raise Unsupported(f"material {name!r} has a {found[0]}")
    red, green, blue, alpha = (float(c) for c in numbers.get("baseColorFactor", (1, 1, 1, 1)))
    colour = (red, green, blue)
    roughness = float(numbers.get("roughnessFactor", 1.0))
    metallic = float(numbers.get("metallicFactor", 1.0))
    for number in (*colour, alpha, roughness, metallic):
        if not 0 <= number < math.inf:
            raise ValueError(f"material {name!r} has the factor {number}")
    texture, uv_set, clamps, coded = None, 0, False, b""
    if "baseColorTexture" in numbers:
        info = numbers["baseColorTexture"]
        uv_set = info.get("texCoord", 0)
        entry_of = item(document["textures"], info["index"])
        if "sampler" in entry_of:
            sampler = item(document["samplers"], entry_of["sampler"])
            clamps = any(sampler.get(key, _REPEAT) != _REPEAT for key in ("wrapS", "wrapT"))
        coded = _image(item(document["images"], entry_of.get("source")), buffers)
        texture = _decoded(coded)
    return Surface(
        Material(
            name=name,
            colour=colour,
            roughness=roughness,
            metallic=metallic,
            emission=_emission(name, entry, colour, texture is not None),
            opacity=_opacity(name, entry, alpha, coded),
            texture=texture,
        ),
        uv_set,
        clamps,
    )


def _emission(
    name: str, entry: dict[str, Any], colour: tuple[float, float, float], textured: bool
) -> float:
    """Return the radiance in units of the material's colour, in which its light is white here."""
    strength = entry.get("extensions", {}).get(EMISSIVE_STRENGTH, {}).get("emissiveStrength", 1.0)
    factor = np.array(entry.get("emissiveFactor", (0, 0, 0)), np.float64).reshape(3)
    if not np.isfinite(factor * float(strength)).all():
        raise ValueError(f"material {name!r} shines by {factor * float(strength)}")
    if not factor.any():
        return 0.0
    if np.ptp(factor) == 0:
        return float(factor[0]) * float(strength)
    own = np.array(colour)
    share = float(factor @ own / max(own @ own, 1e-12))
    if textured or not np.allclose(share * own, factor, atol=0.01):
        raise Unsupported(f"material {name!r} shines in another colour than its own")
    return share * float(strength)


def _opacity(name: str, entry: dict[str, Any], alpha: float, coded: bytes) -> float:
    mode = entry.get("alphaMode", "OPAQUE")
    if mode == "OPAQUE":  # glTF: alpha is ignored
        return 1.0
    if mode not in ("BLEND", "MASK"):
        raise ValueError(f"material {name!r} is of the alpha mode {mode!r}")
    if coded and _has_holes(coded):
        raise Unsupported(f"material {name!r} has a texture that is transparent in parts")
    if mode == "BLEND":
        return alpha
    return 1.0 if alpha >= float(entry.get("alphaCutoff", 0.5)) else 0.0


def _image(entry: dict[str, Any], buffers: Buffers) -> bytes:
    """Return the bytes of an image file."""
    if "bufferView" not in entry:
        raise Unsupported("keeps a texture outside the file")
    return buffers.view(entry["bufferView"])


def _decoded(coded: bytes) -> np.ndarray:
    bgr = _pixels(coded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.ascontiguousarray(bgr[..., ::-1])


def _has_holes(coded: bytes) -> bool:
    """Return whether an image's alpha is anywhere below 1."""
    whole = _pixels(coded, cv2.IMREAD_UNCHANGED)
    if whole.ndim != 3 or whole.shape[2] != 4:
        return False
    return bool((whole[..., 3] < np.iinfo(whole.dtype).max).any())


def _pixels(coded: bytes, flags: int) -> np.ndarray:
    try:
        found = cv2.imdecode(np.frombuffer(coded, np.uint8), flags)
    except cv2.error as error:
        raise ValueError("a texture is no image") from error
    if found is None:
        raise ValueError("a texture is no image")
    return found
