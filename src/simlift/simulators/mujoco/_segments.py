"""Assign segmentation ids to a MuJoCo model: the rigid body of each drawn geom, and its name.

Every body is one segment. The world is not one thing: each of its geoms is a segment of its own.
Bodies named `category/name` are labelled so; other models are labelled by how their bodies move.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int32

from simlift.core.clip import Label
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._materials import surface_of

WORLD = 0


@dataclass(frozen=True, eq=False)
class Segments:
    """Ids from 1, in the order of bodies and then of the world's geoms."""

    labels: dict[int, Label]
    object_ids: Int[np.ndarray, "o"]
    object_bodies: Int[np.ndarray, "o"]  # the body each id moves with
    geom_ids: Int32[np.ndarray, "g"]  # the id of every geom of the model
    soft_ids: dict[tuple[int, int], int]  # (object type, object) -> id, of what is not rigid
    materials: Float[np.ndarray, "g 3"]  # roughness, metallic, emission of every geom

    def poses(self, data: "mujoco.MjData") -> Float[np.ndarray, "o 4 4"]:
        """Return every rigid segment's object_to_world pose."""
        poses = np.tile(np.eye(4), (len(self.object_ids), 1, 1))
        poses[:, :3, :3] = data.xmat[self.object_bodies].reshape(-1, 3, 3)
        poses[:, :3, 3] = data.xpos[self.object_bodies]
        return poses


def segments_of(model: "mujoco.MjModel", robot_bodies: frozenset[int]) -> Segments:
    """Number the model's segments; bodies in `robot_bodies` are of the class robot."""
    labels: dict[int, Label] = {}
    object_bodies: list[int] = []
    geom_ids = np.zeros(model.ngeom, np.int32)

    def add(body: int, label: Label) -> int:
        object_bodies.append(body)
        labels[len(object_bodies)] = label
        return len(object_bodies)

    for body in range(1, model.nbody):
        geoms = np.flatnonzero(model.geom_bodyid == body)
        if len(geoms):
            geom_ids[geoms] = add(body, _body_label(model, body, robot_bodies))
    for geom in np.flatnonzero(model.geom_bodyid == WORLD):
        name = model.geom(geom).name or f"world_{geom}"
        geom_ids[geom] = add(WORLD, Label(name, "static"))

    soft_ids: dict[tuple[int, int], int] = {}
    kinds = (
        (mujoco.mjtObj.mjOBJ_FLEX, model.nflex, "flex"),
        (mujoco.mjtObj.mjOBJ_SKIN, model.nskin, "skin"),
        (mujoco.mjtObj.mjOBJ_TENDON, model.ntendon, "tendon"),
    )
    for kind, count, word in kinds:
        for index in range(count):
            number = len(object_bodies) + len(soft_ids) + 1
            name = mujoco.mj_id2name(model, kind, index) or f"{word}_{index}"
            soft_ids[int(kind), index] = number
            labels[number] = Label(name, "deformable")
    return Segments(
        labels=labels,
        object_ids=np.arange(1, len(object_bodies) + 1),
        object_bodies=np.array(object_bodies, np.int64),
        geom_ids=geom_ids,
        soft_ids=soft_ids,
        materials=np.array([surface_of(model, geom) for geom in range(model.ngeom)]).reshape(-1, 3),
    )


def _body_label(model: "mujoco.MjModel", body: int, robot_bodies: frozenset[int]) -> Label:
    name = model.body(body).name or f"body_{body}"
    if body in robot_bodies:
        return Label(name, "robot")
    category, slash, rest = name.partition("/")
    if slash:
        return Label(rest, category)
    return Label(name, "static" if model.body_weldid[body] == WORLD else "object")


def actuated_bodies(model: "mujoco.MjModel") -> frozenset[int]:
    """Return the bodies of every tree that an actuator drives through a joint: the robots.

    A free joint at the root of a tree does not part a robot from what it stands on.
    """
    driven = [
        model.body_rootid[model.jnt_bodyid[joint]]
        for joint in range(model.njnt)
        if _is_actuated(model, joint)
    ]
    return frozenset(np.flatnonzero(np.isin(model.body_rootid, driven)).tolist()) - {WORLD}


def _is_actuated(model: "mujoco.MjModel", joint: int) -> bool:
    through_joint = np.isin(
        model.actuator_trntype,
        [int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)],
    )
    return bool((through_joint & (model.actuator_trnid[:, 0] == joint)).any())
