"""Define a clip's scene: triangle meshes attached to bodies, and their materials."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

FULL_EMISSION = 0.2  # a material that glows by this much or more shines as lamps do


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

    @property
    def lamp(self) -> float:
        """How much of a lamp the material is, in [0, 1]."""
        return min(self.emission / FULL_EMISSION, 1.0)


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

    def posed(self, object_to_world: Float[np.ndarray, "4 4"]) -> "Part":
        """Return the part in world axes, when its object is there."""
        turn, place = object_to_world[:3, :3], object_to_world[:3, 3]
        return replace(
            self,
            vertices=(np.einsum("vi,ji->vj", self.vertices, turn) + place).astype(np.float32),
            normals=np.einsum("vi,ji->vj", self.normals, turn).astype(np.float32),
        )


@dataclass(frozen=True, eq=False)
class SceneGeometry:
    """A whole scene, at rest in its objects' own axes."""

    materials: tuple[Material, ...]
    parts: tuple[Part, ...]
