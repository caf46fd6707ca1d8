"""Export the scene geometry of a MuJoCo model: every drawn geom as a mesh in body axes."""

from dataclasses import replace

import numpy as np

from simlift.core.errors import SimliftError
from simlift.core.scene_geometry import Material, Part, SceneGeometry
from simlift.pixels.geometry.primitives import Shape, primitive
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._materials import colour_of, material_of
from simlift.simulators.mujoco._segments import Segments

_FLAT_SIDED = (
    mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_ELLIPSOID
)  # fmt: skip
_DRAWN_GROUPS = 3  # MuJoCo draws groups 0, 1 and 2 unless told otherwise


def scene_geometry(model: "mujoco.MjModel", segments: Segments) -> SceneGeometry:
    """Return the model's visible geoms; SimliftError where it draws what is not rigid."""
    if model.nflex or model.nskin or model.ntendon:
        raise SimliftError(
            "the model has flexes, skins or tendons, which change their shape; only rigid geoms "
            "can be carried as a scene"
        )
    materials: dict[tuple[int, bytes], int] = {}
    found: list[Material] = []
    parts = []
    for geom in range(model.ngeom):
        if model.geom_group[geom] >= _DRAWN_GROUPS or colour_of(model, geom)[3] == 0:
            continue
        key = (int(model.geom_matid[geom]), colour_of(model, geom).tobytes())
        if key not in materials:
            materials[key] = len(found)
            found.append(material_of(model, geom))
        shape = _shape(model, geom)
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
        turn = rotation.reshape(3, 3)
        parts.append(
            Part(
                id=int(segments.geom_ids[geom]),
                material=materials[key],
                vertices=(shape.vertices @ turn.T + model.geom_pos[geom]).astype(np.float32),
                normals=(shape.normals @ turn.T).astype(np.float32),
                uv=shape.uv.astype(np.float32),
                faces=shape.faces.astype(np.int32),
            )
        )
    return SceneGeometry(tuple(found), tuple(parts))


def _shape(model: "mujoco.MjModel", geom: int) -> Shape:
    kind = mujoco.mjtGeom(int(model.geom_type[geom]))
    repeat, uniform = np.ones(2), False
    if (matid := model.geom_matid[geom]) >= 0:
        repeat, uniform = model.mat_texrepeat[matid], bool(model.mat_texuniform[matid])
    size = model.geom_size[geom]
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh, textured = _mesh(model, int(model.geom_dataid[geom]))
        return mesh if textured else _from_above(mesh, repeat / (1 if uniform else size[:2]))
    shape = primitive(kind.name.removeprefix("mjGEOM_").lower(), size)
    if shape is None:
        raise SimliftError(
            f"geom {model.geom(geom).name or geom} is a {kind.name}, which cannot be carried as a "
            "scene; allowed are planes, spheres, capsules, ellipsoids, cylinders, boxes and meshes"
        )
    if kind == mujoco.mjtGeom.mjGEOM_PLANE and not size[:2].all():
        return _from_above(shape, repeat / np.where(uniform | (size[:2] == 0), 1, size[:2]))
    width = size[:2] if kind in _FLAT_SIDED else size[[0, 0]]
    return replace(shape, uv=shape.uv * repeat * (width if uniform else 1))


def _from_above(shape: Shape, per_metre: np.ndarray) -> Shape:
    """Lay the texture over x and y, as MuJoCo does where it has no coordinates."""
    return replace(shape, uv=shape.vertices[:, :2] * per_metre * [0.5, -0.5] - 0.5)


def _mesh(model: "mujoco.MjModel", mesh: int) -> tuple[Shape, bool]:
    """Return a mesh with one vertex for each corner that differs in place, normal or texture, and
    whether it has texture coordinates of its own."""
    face = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
    at, facing = model.mesh_face[face], model.mesh_facenormal[face]
    textured = model.mesh_texcoordadr[mesh] >= 0
    coordinates = model.mesh_facetexcoord[face] if textured else np.zeros_like(at)
    corners = np.stack([at.ravel(), facing.ravel(), coordinates.ravel()], axis=1)
    unique, faces = np.unique(corners, axis=0, return_inverse=True)
    vertices = model.mesh_vert[model.mesh_vertadr[mesh] + unique[:, 0]]
    normals = model.mesh_normal[model.mesh_normaladr[mesh] + unique[:, 1]]
    uv = np.zeros((len(unique), 2))
    if textured:
        uv = model.mesh_texcoord[model.mesh_texcoordadr[mesh] + unique[:, 2]]
    return Shape(vertices, normals, uv, faces.reshape(-1, 3)), bool(textured)
