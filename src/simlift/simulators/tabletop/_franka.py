"""Build the Franka Emika Panda of gymnasium-robotics (Apache-2.0) as a MuJoCo specification.

The package ships each link as one grey mesh. A mesh is several closed shells, which are the
parts the real robot has in other colours, so each shell becomes a geom of its own material.
"""

import importlib.util
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from simlift.core.camera import Arm, Robot
from simlift.core.errors import MissingLibrary
from simlift.simulators.mujoco._library import mujoco

PREFIX = "panda_"  # with which the arm is attached; the names are then those of Franka's URDF
ARM_JOINTS = tuple(f"{PREFIX}joint{i}" for i in range(1, 8))
FINGER_JOINTS = (f"{PREFIX}finger_joint1", f"{PREFIX}finger_joint2")
LINKS = (*(f"{PREFIX}link{i}" for i in range(8)), f"{PREFIX}leftfinger", f"{PREFIX}rightfinger")
TOOL = f"{PREFIX}end_effector"
HAND = f"{PREFIX}hand"  # in this model its shells are part of link 7, so that it is no body
OPEN = 0.04  # metres that each finger travels

PAINTS = {
    "white": (0.90, 0.91, 0.90, 0.5),
    "dark": (0.16, 0.17, 0.18, 0.4),
    "metal": (0.55, 0.56, 0.58, 0.9),
    "rubber": (0.10, 0.10, 0.11, 0.1),
    "green": (0.35, 0.62, 0.25, 0.4),
}
# Materials of each mesh's shells, from the one with the most faces; the last goes on.
SHELLS = {
    "link0": ("white", "dark", "dark", "metal", "dark"),
    "link1": ("white",),
    "link2": ("white",),
    "link3": ("white", "dark"),
    "link4": ("white", "dark"),
    "link5": ("white", "dark"),
    "link6": ("white", "white", "dark", "metal", "dark",
              "green", "metal"),
    "link7": ("white", "metal", "dark"),
    "hand": ("white", "dark"),
    "finger": ("rubber", "metal"),
}  # fmt: skip
# Stiffness, damping and torque limit of each joint's position servo; the limits are the robot's.
SERVOS = (*[(4500.0, 220.0, 87.0)] * 2, *[(3500.0, 170.0, 87.0)] * 2, *[(2000.0, 90.0, 12.0)] * 3)


def franka_spec() -> "mujoco.MjSpec":
    """Build the arm with coloured shells, flat finger pads, servos and gravity compensation.

    Attach it under `PREFIX`.
    """
    folder = _assets()
    root = ET.Element("mujoco", model="panda")
    root.extend(ET.parse(folder / "assets.xml").getroot())
    ET.SubElement(root, "worldbody").extend(ET.parse(folder / "chain.xml").getroot())
    for element in root.iter():
        if name := element.get("name"):
            element.set("name", name.removeprefix("robot:").removeprefix("panda0_"))
    root.find("compiler").set("meshdir", str(folder / "meshes"))  # type: ignore[union-attr]
    spec = mujoco.MjSpec.from_string(ET.tostring(root, encoding="unicode"))
    spec.nuser_actuator = -1  # a setting of its own servos, which are not used here
    for name, (red, green, blue, gloss) in PAINTS.items():
        spec.add_material(
            name=name,
            rgba=[red, green, blue, 1],
            specular=gloss,
            shininess=0.5,
            metallic=float(name == "metal"),
        )
    _colour(spec, folder / "meshes" / "visual")
    _set_contacts(spec)
    _set_dynamics(spec)
    return spec


def with_arm(robot: Robot) -> Robot:
    """Return a robot that has the frame of its hand among its links, and says what its arm is.

    The hand sits 107 mm along z of link 7, turned by -45 degrees about it, so that its fingers
    move along y (Franka's own URDF).
    """
    half = np.sqrt(0.5)
    mount = np.array([[half, half, 0, 0], [-half, half, 0, 0], [0, 0, 1, 0.107], [0, 0, 0, 1]])
    chain = tuple(f"{PREFIX}link{i}" for i in range(7, -1, -1))
    hand = robot.poses_of(chain[:1]) @ mount
    return replace(
        robot,
        link_names=(*robot.link_names, HAND),
        link_poses=np.concatenate([robot.link_poses, hand], axis=1),
        arms=(Arm("panda", (HAND, *chain), robot.gripper),),
    )


def _assets() -> Path:
    # The package is only located: importing it would register every environment it has.
    found = importlib.util.find_spec("gymnasium_robotics")
    if found is None or found.origin is None:
        raise MissingLibrary("gymnasium-robotics", "the tabletop's robot arm", "record")
    return Path(found.origin).parent / "envs" / "assets" / "kitchen_franka" / "franka_assets"


def _colour(spec: "mujoco.MjSpec", folder: Path) -> None:
    """Replace each visible mesh by its shells."""
    for geom in list(spec.geoms):
        if not geom.meshname.endswith("_viz"):
            continue
        body, link = geom.parent, geom.meshname.removesuffix("_viz")
        pos, quat = geom.pos.copy(), geom.quat.copy()
        spec.delete(geom)
        for index, (vertices, faces) in enumerate(_shells(folder / f"{link}.stl")):
            name = f"{body.name}_{link}_{index}"
            added = spec.add_mesh(
                name=name, uservert=vertices.astype(np.float32).ravel(), userface=faces.ravel()
            )
            added.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
            paints = SHELLS[link]
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=name,
                material=paints[min(index, len(paints) - 1)],
                pos=pos,
                quat=quat,
                contype=0,
                conaffinity=0,
                mass=0,
                group=0,
                rgba=[0.5, 0.5, 0.5, 1],  # MuJoCo's default: the material decides
            )


def _shells(
    path: Path,
) -> list[tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]]:
    """Read a binary STL and part it into connected shells, the one with most faces first."""
    raw = path.read_bytes()
    count = int.from_bytes(raw[80:84], "little")
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    corners = np.frombuffer(raw, record, count, offset=84)["corners"].reshape(-1, 3)
    vertices, inverse = np.unique(corners.round(5), axis=0, return_inverse=True)
    faces = inverse.reshape(-1, 3).astype(np.int32)
    # Vertices take the smallest number among their faces' until nothing changes.
    shell = np.arange(len(vertices))
    while True:
        smallest = shell[faces].min(axis=1)
        spread = shell.copy()
        np.minimum.at(spread, faces, smallest[:, None].repeat(3, 1))
        spread = spread[spread]
        if np.array_equal(spread, shell):
            break
        shell = spread
    numbers, face_shell = np.unique(shell[faces[:, 0]], return_inverse=True)
    sizes = np.bincount(face_shell, minlength=len(numbers))
    parts = []
    for number in np.argsort(-sizes, kind="stable"):
        if sizes[number] < 20:  # specks left over from the robot's drawings
            continue
        used, local = np.unique(faces[face_shell == number], return_inverse=True)
        parts.append((vertices[used], local.reshape(-1, 3).astype(np.int32)))
    return parts


def _set_contacts(spec: "mujoco.MjSpec") -> None:
    """Let the arm touch the scene but not itself, and give the fingers flat pads."""
    for geom in list(spec.geoms):
        if geom.parent.name.endswith("finger") and geom.group == 3:
            spec.delete(geom)
        elif geom.meshname.endswith("_col"):
            geom.contype, geom.conaffinity = 0, 1
    for name, side in (("leftfinger", 1.0), ("rightfinger", -1.0)):
        spec.body(name).add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.010, 0.004, 0.0095],
            pos=[0, side * 0.0052, 0.0445],
            friction=[1.6, 0.05, 0.002],
            condim=6,
            priority=1,
            solref=[0.008, 1],
            contype=0,
            conaffinity=1,
            mass=0,
            group=3,
        )


def _set_dynamics(spec: "mujoco.MjSpec") -> None:
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0  # the real arm's controller compensates its own weight
    for index, (stiffness, damping, limit) in enumerate(SERVOS):
        name = f"joint{index + 1}"
        joint = spec.joint(name)
        joint.damping[:], joint.armature = 1.0, 0.1
        _add_servo(spec, name, stiffness=stiffness, damping=damping, limit=limit)
    for name in ("finger_joint1", "finger_joint2"):
        joint = spec.joint(name)
        joint.damping[:], joint.armature = 5.0, 0.1
        _add_servo(spec, name, stiffness=900.0, damping=25.0, limit=35.0)


def _add_servo(
    spec: "mujoco.MjSpec", joint: str, *, stiffness: float, damping: float, limit: float
) -> None:
    servo = spec.add_actuator(
        name=joint,
        target=joint,
        trntype=mujoco.mjtTrn.mjTRN_JOINT,
        forcelimited=True,
        forcerange=[-limit, limit],
    )
    servo.set_to_position(kp=stiffness, kv=damping)
