"""Read URDF: links, joints and what links show (https://wiki.ros.org/urdf/XML).

Only what kinematics and a mask need is read; masses and transmissions are not.
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from simlift.core.errors import InputError
from simlift.robots.meshes import Mesh
from simlift.robots.tree import Joint, JointType, KinematicTree, Mimic

_KINDS: dict[str, JointType] = {
    "fixed": "fixed",
    "revolute": "revolute",
    "continuous": "continuous",
    "prismatic": "prismatic",
}


@dataclass(frozen=True, eq=False)
class Visual:
    """What a link shows: a mesh, or a box, cylinder or sphere, placed in the link by `origin`.

    `size` are a mesh's scales, a box's sides, a cylinder's radius and length, a sphere's radius.
    A mesh is named by its file, or is there as `mesh`, scaled.
    """

    link: str
    kind: str  # "mesh", "box", "cylinder", "sphere"
    size: tuple[float, ...]
    origin: Float[np.ndarray, "4 4"]
    file: str = ""
    mesh: Mesh | None = None


@dataclass(frozen=True, eq=False)
class RobotModel:
    """A robot as its file describes it: what links show, and the shapes by which they collide.

    `files` are all that it was read from, meshes that are named by their files left out.
    """

    file: Path
    tree: KinematicTree
    visuals: tuple[Visual, ...] = ()
    collisions: tuple[Visual, ...] = ()
    files: tuple[Path, ...] = ()


def read_urdf(file: Path) -> RobotModel:
    """Read a URDF; InputError for what is no tree of fixed, hinge and sliding joints."""
    root = _parse(file)
    if root.tag != "robot":
        raise InputError(file, f"begins with <{root.tag}>", allowed="<robot>, as URDF does")
    links = [_name(file, link) for link in root.findall("link")]
    if not links:
        raise InputError(file, "has no link", allowed="at least one <link>")
    joints = [_joint(file, joint) for joint in root.findall("joint")]
    tree = KinematicTree.of(file, links, joints)
    visuals, collisions = (_shapes(file, root, tag) for tag in ("visual", "collision"))
    return RobotModel(file, tree, visuals, collisions, (file,))


def _shapes(file: Path, root: ET.Element, tag: str) -> tuple[Visual, ...]:
    found = (
        _visual(file, _name(file, link), element)
        for link in root.findall("link")
        for element in link.findall(tag)
    )
    return tuple(visual for visual in found if visual is not None)


def _parse(file: Path) -> ET.Element:
    if not file.is_file():
        raise InputError(file, "does not exist", way_out="check the path")
    text = file.read_bytes()
    # Entities may name files of this machine, or grow without end.
    if b"<!ENTITY" in text or b"<!DOCTYPE" in text:
        raise InputError(file, "declares entities", allowed="plain XML")
    if b"xacro:" in text:
        raise InputError(
            file, "is a xacro file", allowed="URDF", way_out="run xacro FILE > robot.urdf first"
        )
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        raise InputError(file, f"is not XML ({error})", allowed="a whole URDF file") from error


def _name(file: Path, element: ET.Element) -> str:
    name = element.get("name")
    if not name:
        raise InputError(file, f"a <{element.tag}> has no name", allowed="a name for each")
    return name


def _joint(file: Path, element: ET.Element) -> Joint:
    name, kind = _name(file, element), element.get("type", "")
    if kind not in _KINDS:
        raise InputError(
            file,
            f"joint {name!r} is of the type {kind!r}",
            allowed=", ".join(_KINDS),
            way_out="a base that moves belongs into the description's base, not into the model",
        )
    ends = []
    for end in ("parent", "child"):
        found = element.find(end)
        if found is None or not found.get("link"):
            raise InputError(file, f"joint {name!r} names no {end} link")
        ends.append(str(found.get("link")))
    axis = np.array([1.0, 0.0, 0.0])
    if (found := element.find("axis")) is not None:
        axis = np.array(_numbers(file, found, "xyz", 3))
    length = float(np.linalg.norm(axis))
    if _KINDS[kind] != "fixed" and length < 1e-9:
        raise InputError(file, f"the axis of joint {name!r} has no length")
    limit = element.find("limit")
    bounded = limit is not None and kind in ("revolute", "prismatic")
    return Joint(
        name=name,
        kind=_KINDS[kind],
        parent=ends[0],
        child=ends[1],
        origin=origin_of(file, element),
        axis=axis / length if length else axis,
        lower=_number(file, limit, "lower", 0.0) if bounded and limit is not None else -np.inf,
        upper=_number(file, limit, "upper", 0.0) if bounded and limit is not None else np.inf,
        mimic=_mimic(file, element),
    )


def _mimic(file: Path, element: ET.Element) -> Mimic | None:
    found = element.find("mimic")
    if found is None:
        return None
    return Mimic(
        str(found.get("joint")),
        _number(file, found, "multiplier", 1.0),
        _number(file, found, "offset", 0.0),
    )


def _visual(file: Path, link: str, element: ET.Element) -> Visual | None:
    geometry = element.find("geometry")
    shape = None if geometry is None or not len(geometry) else geometry[0]
    if shape is None:
        return None
    origin = origin_of(file, element)
    if shape.tag == "mesh":
        scale = _numbers(file, shape, "scale", 3) if shape.get("scale") else [1.0, 1.0, 1.0]
        return Visual(link, "mesh", tuple(scale), origin, shape.get("filename", ""))
    if shape.tag == "box":
        return Visual(link, "box", tuple(_numbers(file, shape, "size", 3)), origin)
    if shape.tag == "sphere":
        return Visual(link, "sphere", (_number(file, shape, "radius", None),), origin)
    if shape.tag == "cylinder":
        radius, length = (_number(file, shape, key, None) for key in ("radius", "length"))
        return Visual(link, "cylinder", (radius, length), origin)
    raise InputError(
        file,
        f"link {link!r} shows a <{shape.tag}>",
        allowed="mesh, box, cylinder or sphere",
    )


def origin_of(file: Path, element: ET.Element) -> Float[np.ndarray, "4 4"]:
    """Return the transform of an element's <origin>: R = Rz(yaw) Ry(pitch) Rx(roll)."""
    out = np.eye(4)
    found = element.find("origin")
    if found is None:
        return out
    if found.get("xyz"):
        out[:3, 3] = _numbers(file, found, "xyz", 3)
    if found.get("rpy"):
        out[:3, :3] = rotation_from_rpy(_numbers(file, found, "rpy", 3))
    return out


def rotation_from_rpy(angles: Sequence[float]) -> Float[np.ndarray, "3 3"]:
    """Return the rotation of roll, pitch and yaw about fixed axes x, y, z, in radians."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(angles), np.sin(angles)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def _numbers(file: Path, element: ET.Element, key: str, count: int) -> list[float]:
    text = element.get(key, "")
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise InputError(file, f"<{element.tag}> has {key}={text!r}", allowed=f"{count} numbers")
    return values


def _number(file: Path, element: ET.Element, key: str, default: float | None) -> float:
    text = element.get(key)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(file, f"<{element.tag}> has {key}={text!r}", allowed="a number")
    return value
