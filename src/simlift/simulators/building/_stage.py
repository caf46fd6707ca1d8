"""Build a MuJoCo specification from meshes, colours and textures."""

from dataclasses import dataclass, field

import numpy as np

from simlift.simulators.building._meshes import Mesh, Vector
from simlift.simulators.building._textures import Colour, Image
from simlift.simulators.mujoco._library import mujoco

HIDDEN = 3  # the geom group that collides but is not drawn


@dataclass(frozen=True, eq=False)
class Stage:
    """A specification under construction."""

    spec: "mujoco.MjSpec" = field(default_factory=mujoco.MjSpec)
    scales: dict[str, float] = field(default_factory=dict)  # metres that a texture covers

    def paint(
        self,
        name: str,
        colour: Colour,
        *,
        gloss: float = 0.2,
        shine: float = 0.3,
        glow: float = 0.0,
        metal: bool = False,
    ) -> str:
        """Define a material of one colour; `gloss` is its specular part, `glow` its own light."""
        self.spec.add_material(
            name=name,
            rgba=[*colour, 1],
            specular=gloss,
            shininess=shine,
            emission=glow,
            metallic=float(metal),
        )
        return name

    def print(self, name: str, image: Image, *, metres: float = 1.0, gloss: float = 0.1) -> str:
        """Define a material from a texture that covers `metres` of a surface."""
        height, width = image.shape[:2]
        texture = self.spec.add_texture(
            name=name,
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            width=width,
            height=height,
            nchannel=3,
        )
        texture.data = image.tobytes()
        material = self.spec.add_material(name=name, specular=gloss, shininess=0.2)
        textures = [""] * mujoco.mjtTextureRole.mjNTEXROLE
        textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        material.textures = textures
        self.scales[name] = metres
        return name

    def body(
        self,
        name: str,
        pos: Vector = (0, 0, 0),
        *,
        yaw: float = 0.0,
        parent: "mujoco.MjsBody | None" = None,
    ) -> "mujoco.MjsBody":
        """Add a body, named `category/name`, turned about +z."""
        quat = [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        return (parent or self.spec.worldbody).add_body(name=name, pos=list(pos), quat=quat)

    def skin(self, body: "mujoco.MjsBody", mesh: Mesh, material: str) -> None:
        """Draw a mesh as part of a body; it neither weighs nor collides."""
        name = f"mesh_{len(self.spec.meshes)}"
        scale = self.scales.get(material, 1.0)
        added = self.spec.add_mesh(
            name=name,
            uservert=mesh.vertices.astype(np.float32).ravel(),
            userface=mesh.faces.astype(np.int32).ravel(),
            usertexcoord=(mesh.uv / scale).astype(np.float32).ravel(),
        )
        # Open and thin surfaces have no volume to take an inertia from.
        added.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            material=material,
            contype=0,
            conaffinity=0,
            mass=0,
        )

    def solid(
        self,
        body: "mujoco.MjsBody",
        kind: "mujoco.mjtGeom",
        size: Vector,
        *,
        pos: Vector = (0, 0, 0),
        quat: Vector = (1, 0, 0, 0),
        mass: float = 0.0,
        friction: Vector = (1.0, 0.01, 0.001),
    ) -> None:
        """Give a body an invisible shape that collides."""
        body.add_geom(
            type=kind,
            size=[*size, 0, 0][:3],
            pos=list(pos),
            quat=list(quat),
            mass=mass,
            friction=list(friction),
            condim=6,
            group=HIDDEN,
        )
