"""Compute the poses of a robot's links from its joints, for all frames at once.

A tree of links: each joint leads from its parent link to its child by a fixed transform and then by
its own motion, T_child = T_parent O_j M_j(q_j), with M a rotation about the joint's axis (revolute,
continuous) or a translation along it (prismatic). A joint that mimics another has
q = multiplier q_other + offset (URDF specification, <joint>).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from simlift.core.errors import InputError

JointType = Literal["fixed", "revolute", "continuous", "prismatic"]


@dataclass(frozen=True)
class Mimic:
    """A joint that follows another."""

    joint: str
    multiplier: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, eq=False)
class Joint:
    """One joint: `origin` [4 4] of its frame in the parent link, `axis` [3] of its motion there.

    `lower` and `upper` are its limits in radians or metres, infinite where it has none.
    """

    name: str
    kind: JointType
    parent: str
    child: str
    origin: Float[np.ndarray, "4 4"]
    axis: Float[np.ndarray, "3"]
    lower: float = -np.inf
    upper: float = np.inf
    mimic: Mimic | None = None


@dataclass(frozen=True, eq=False)
class KinematicTree:
    """The links and joints of a robot, from its root; `where` names the file for errors."""

    where: object
    links: tuple[str, ...]
    joints: tuple[Joint, ...]  # each after the one that leads to its parent
    hidden: frozenset[str] = frozenset()  # links without size, between joints of one body

    @classmethod
    def of(
        cls,
        where: object,
        links: Sequence[str],
        joints: Sequence[Joint],
        hidden: frozenset[str] = frozenset(),
    ) -> "KinematicTree":
        """Order joints from the root; InputError for a loop, several roots, or unknown links."""
        _check_names(where, links, joints)
        by_child: dict[str, Joint] = {}
        for joint in joints:
            if joint.child in by_child:
                raise InputError(
                    where,
                    f"link {joint.child!r} hangs from the joints {by_child[joint.child].name!r} "
                    f"and {joint.name!r}",
                    allowed="a tree: one joint to each link",
                    way_out="cut the loop: leave one of the joints out",
                )
            by_child[joint.child] = joint
        roots = [link for link in links if link not in by_child]
        if len(roots) != 1:
            raise InputError(
                where,
                f"has the roots {', '.join(roots)}" if roots else "has a loop and no root",
                allowed="one link that hangs from no joint",
            )
        ordered, known = [], {roots[0]}
        waiting = list(joints)
        while waiting:
            ready = [joint for joint in waiting if joint.parent in known]
            if not ready:
                names = ", ".join(joint.name for joint in waiting)
                raise InputError(where, f"the joints {names} form a loop", allowed="a tree")
            ordered += ready
            known |= {joint.child for joint in ready}
            waiting = [joint for joint in waiting if joint.child not in known]
        return cls(where, tuple(links), tuple(ordered), hidden)

    @property
    def bodies(self) -> tuple[str, ...]:
        """The links that the file names."""
        return tuple(link for link in self.links if link not in self.hidden)

    @property
    def root(self) -> str:
        """The link that hangs from no joint."""
        children = {joint.child for joint in self.joints}
        return next(link for link in self.links if link not in children)

    @property
    def moving(self) -> tuple[str, ...]:
        """The joints that have a value of their own, in the order of the tree."""
        return tuple(j.name for j in self.joints if j.kind != "fixed" and j.mimic is None)

    def joint(self, name: str) -> Joint:
        """Return a joint; InputError lists those that move."""
        for joint in self.joints:
            if joint.name == name:
                return joint
        raise InputError(
            self.where, f"has no joint {name!r}", allowed=", ".join(self.moving) or "no joint moves"
        )

    def chain(self, link: str) -> tuple[str, ...]:
        """Return the bodies from one to the root; InputError for a link that is none."""
        if link not in self.bodies:
            raise InputError(self.where, f"has no link {link!r}", allowed=", ".join(self.bodies))
        parents = {joint.child: joint.parent for joint in self.joints}
        chain = [link]
        while chain[-1] in parents:
            chain.append(parents[chain[-1]])
        return tuple(link for link in chain if link not in self.hidden)

    def poses(
        self,
        positions: Mapping[str, Float[np.ndarray, "t"]],
        base: Float[np.ndarray, "4 4"] | Float[np.ndarray, "t 4 4"] | None = None,
    ) -> Float[np.ndarray, "t l 4 4"]:
        """Return link_to_world of every link, in the order of `links`.

        `positions` holds radians or metres of joints by name; `base` is the root's pose in the
        world. InputError where a moving joint has no value, or a name is no joint.
        """
        for name in positions:
            self.joint(name)
        if missing := [name for name in self.moving if name not in positions]:
            raise InputError(
                self.where,
                f"joint {missing[0]!r} has no value",
                allowed=f"a column for each of {', '.join(self.moving)}",
                way_out="name its column, or state a fixed value for it",
            )
        count = max((len(p) for p in positions.values()), default=1)
        found = {self.root: np.broadcast_to(np.eye(4) if base is None else base, (count, 4, 4))}
        for joint in self.joints:
            found[joint.child] = found[joint.parent] @ self._motion(joint, positions, count)
        return np.stack([found[link] for link in self.links], axis=1)

    def _motion(
        self, joint: Joint, positions: Mapping[str, Float[np.ndarray, "t"]], count: int
    ) -> Float[np.ndarray, "t 4 4"]:
        if joint.kind == "fixed":
            return np.broadcast_to(joint.origin, (count, 4, 4))
        value = self._value(joint, positions)
        return joint.origin @ motion(joint.kind, joint.axis, value)

    def _value(
        self, joint: Joint, positions: Mapping[str, Float[np.ndarray, "t"]]
    ) -> Float[np.ndarray, "t"]:
        if joint.mimic is None:
            return np.asarray(positions[joint.name], np.float64)
        other = self._value(self.joint(joint.mimic.joint), positions)
        return joint.mimic.multiplier * other + joint.mimic.offset


def motion(
    kind: JointType, axis: Float[np.ndarray, "3"], value: Float[np.ndarray, "t"]
) -> Float[np.ndarray, "t 4 4"]:
    """Return the transform [t 4 4] of a joint that has moved by `value` (Rodrigues' formula)."""
    out = np.tile(np.eye(4), (len(value), 1, 1))
    if kind == "prismatic":
        out[:, :3, 3] = value[:, None] * axis
        return out
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sine, cosine = np.sin(value)[:, None, None], np.cos(value)[:, None, None]
    out[:, :3, :3] = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    return out


def _check_names(where: object, links: Sequence[str], joints: Sequence[Joint]) -> None:
    for kind, names in (("link", list(links)), ("joint", [j.name for j in joints])):
        if double := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(where, f"has the {kind} {double[0]!r} twice", allowed="each name once")
    known = set(links)
    for joint in joints:
        for link in (joint.parent, joint.child):
            if link not in known:
                raise InputError(
                    where,
                    f"joint {joint.name!r} names the link {link!r}, which is not there",
                    allowed=", ".join(links),
                )
    named = {joint.name: joint for joint in joints}
    for joint in joints:
        seen = {joint.name}
        follows = joint.mimic
        while follows is not None:
            if follows.joint not in named:
                raise InputError(where, f"{joint.name!r} mimics {follows.joint!r}, which is none")
            if follows.joint in seen:
                raise InputError(where, f"{joint.name!r} mimics itself by way of others")
            seen.add(follows.joint)
            follows = named[follows.joint].mimic
