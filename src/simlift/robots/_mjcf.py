"""Take the kinematic tree and the shapes of links out of a compiled MuJoCo model.

A body may bear several joints, each at its own place and axis in the body's frame. They become a
chain of links without size, `body/joint`, the last of which is the body (MuJoCo documentation,
"Computation: kinematics"). MuJoCo measures joints from `qpos0`, the pose in which it was compiled.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from simlift.core.errors import InputError, MissingLibrary
from simlift.pixels.geometry.primitives import primitive
from simlift.robots.meshes import Mesh
from simlift.robots.tree import Joint, JointType, KinematicTree, motion
from simlift.robots.urdf import RobotModel, Visual

try:
    import mujoco
except ImportError as error:
    raise MissingLibrary("mujoco", "reading MJCF", "record") from error

_KINDS: dict[int, JointType] = {
    int(mujoco.mjtJoint.mjJNT_HINGE): "revolute",
    int(mujoco.mjtJoint.mjJNT_SLIDE): "prismatic",
}
WORLD = "world"
_DRAWN_GROUPS = 3  # MuJoCo draws groups 0, 1 and 2 unless told otherwise
_UNCOLOURED = np.array([0.5, 0.5, 0.5, 1.0], np.float32)  # of geoms that leave it to a material
_WITH_MESH = (mujoco.mjtGeom.mjGEOM_MESH, mujoco.mjtGeom.mjGEOM_SDF)


def read(file: Path) -> RobotModel:
    """Compile a file and return its tree, whose root is the world."""
    if not file.is_file():
        raise InputError(file, "does not exist", way_out="check the path")
    try:
        model = mujoco.MjModel.from_xml_path(str(file))
    except ValueError as error:
        raise InputError(
            file, f"MuJoCo cannot load it: {error}", way_out="open it in MuJoCo's own viewer"
        ) from error
    named = sorted(Path(path) for path in mujoco.mju_getXMLDependencies(str(file)))
    drawn, colliding = (shapes_of(model, kind) for kind in (_is_drawn, _collides))
    return RobotModel(file, tree_of(model, file), drawn, colliding, tuple(named))


def tree_of(model: Any, where: object) -> KinematicTree:
    """Return the tree of a compiled model; a free joint at a root is fixed at its first place."""
    names = _body_names(model)
    joints: list[Joint] = []
    for body in range(1, model.nbody):
        parent = names[int(model.body_parentid[body])]
        origin = _pose(model.body_pos[body], model.body_quat[body])
        first = int(model.body_jntadr[body])
        own = range(first, first + int(model.body_jntnum[body]))
        moving = [j for j in own if not _is_free(model, j, body, where)]
        for k, j in enumerate(moving):
            name = model.joint(j).name or f"joint_{j}"
            child = names[body] if k == len(moving) - 1 else f"{names[body]}/{name}"
            joints += _hinge(model, j, name, parent, child, origin)
            parent, origin = child, np.eye(4)
        if not moving:
            name = f"{names[body]}_fixed"
            joints.append(Joint(name, "fixed", parent, names[body], origin, np.zeros(3)))
    links = [WORLD, *(joint.child for joint in joints)]
    return KinematicTree.of(where, links, joints, hidden=frozenset(links) - set(names[1:]))


def _body_names(model: Any) -> list[str]:
    return [WORLD, *(model.body(i).name or f"body_{i}" for i in range(1, model.nbody))]


def shapes_of(model: Any, wanted: Callable[[Any, int], bool]) -> tuple[Visual, ...]:
    """Return the geoms of a kind as meshes; planes and height fields, which are ground, as none."""
    names, found = _body_names(model), []
    for geom in range(model.ngeom):
        mesh = _mesh(model, geom) if wanted(model, geom) else None
        if mesh is not None:
            link = names[int(model.geom_bodyid[geom])]
            origin = _pose(model.geom_pos[geom], model.geom_quat[geom])
            found.append(Visual(link, "mesh", (1.0, 1.0, 1.0), origin, mesh=mesh))
    return tuple(found)


def _is_drawn(model: Any, geom: int) -> bool:
    if model.geom_group[geom] >= _DRAWN_GROUPS:
        return False
    colour, material = model.geom_rgba[geom], int(model.geom_matid[geom])
    if material >= 0 and np.array_equal(colour, _UNCOLOURED):
        colour = model.mat_rgba[material]
    return bool(colour[3] > 0)


def _collides(model: Any, geom: int) -> bool:
    return bool(model.geom_contype[geom] or model.geom_conaffinity[geom])


def _mesh(model: Any, geom: int) -> Mesh | None:
    kind = mujoco.mjtGeom(int(model.geom_type[geom]))
    if kind in _WITH_MESH:
        mesh = int(model.geom_dataid[geom])
        first, start = int(model.mesh_vertadr[mesh]), int(model.mesh_faceadr[mesh])
        vertices = model.mesh_vert[first : first + int(model.mesh_vertnum[mesh])]
        faces = model.mesh_face[start : start + int(model.mesh_facenum[mesh])]
        return Mesh(np.array(vertices, np.float64), np.array(faces, np.int32))
    if kind == mujoco.mjtGeom.mjGEOM_PLANE:
        return None
    shape = primitive(kind.name.removeprefix("mjGEOM_").lower(), model.geom_size[geom])
    return None if shape is None else Mesh(shape.vertices, shape.faces.astype(np.int32))


def _is_free(model: Any, joint: int, body: int, where: object) -> bool:
    kind = int(model.jnt_type[joint])
    if kind in _KINDS:
        return False
    if kind == int(mujoco.mjtJoint.mjJNT_FREE) and model.body_parentid[body] == 0:
        return True
    raise InputError(
        where,
        f"joint {model.joint(joint).name or joint} is a ball joint",
        allowed="hinges and slides, and a free joint at the root",
    )


def _hinge(
    model: Any, joint: int, name: str, parent: str, child: str, origin: Float[np.ndarray, "4 4"]
) -> list[Joint]:
    """Return a joint at its own place, and the fixed way back to the body's frame."""
    kind = _KINDS[int(model.jnt_type[joint])]
    place = np.eye(4)
    place[:3, 3] = model.jnt_pos[joint]
    axis = np.array(model.jnt_axis[joint], np.float64)
    start = float(model.qpos0[model.jnt_qposadr[joint]])
    limited = bool(model.jnt_limited[joint])
    low, high = (float(x) for x in model.jnt_range[joint]) if limited else (-np.inf, np.inf)
    # q counts from qpos0, at which the body stands as it was written.
    back = motion(kind, axis, np.array([-start]))[0] @ np.linalg.inv(place)
    at = f"{child}/at-{name}"
    return [
        Joint(name, kind, parent, at, origin @ place, axis, low, high),
        Joint(f"{name}_back", "fixed", at, child, back, np.zeros(3)),
    ]


def _pose(position: Any, quaternion: Any) -> Float[np.ndarray, "4 4"]:
    out = np.eye(4)
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, np.asarray(quaternion, np.float64))
    out[:3, :3], out[:3, 3] = matrix.reshape(3, 3), position
    return out
