"""What a clip's scene is made of: meshes that move with the clip's bodies, and their materials."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, UInt8


@dataclass(frozen=True, eq=False)
class Material:
    """A metallic-roughness material, as glTF 2.0 defines it.

    `colour` is linear and multiplies `texture` (sRGB, first row at v = 0); `emission` is the
    radiance of a surface that shines, in units of its colour; `opacity` 1 is opaque.
    """

    name: str
    colour: tuple[float, float, float]
    roughness: float
    metallic: float = 0.0
    emission: float = 0.0
    opacity: float = 1.0
    texture: UInt8[np.ndarray, "a b 3"] | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh of one material; `id` is the segmentation id whose pose it moves with.

    Vertices are in metres in the axes of the object; faces are counter-clockwise from outside.
    """

    id: int
    material: int
    vertices: Float32[np.ndarray, "v 3"]
    normals: Float32[np.ndarray, "v 3"]
    uv: Float32[np.ndarray, "v 2"]
    faces: Int32[np.ndarray, "f 3"]


@dataclass(frozen=True, eq=False)
class SceneGeometry:
    """A whole scene, at rest in its objects' own axes."""

    materials: tuple[Material, ...]
    parts: tuple[Part, ...]
