"""Hold computed link poses against recorded ones, and find what is likely wrong where they differ.

Each cause is tried: joints in another order, degrees for radians, millimetres for metres, the other
order of a quaternion, a base that stands elsewhere, another link, a tool ahead of the link, a shift
in time. The first that brings the recording within its tolerance is named.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.core.camera_conventions import rotation_of_quaternion
from simlift.core.errors import InputError
from simlift.robots.description import RotationForm
from simlift.robots.tree import KinematicTree

_DISTANCE = 1e-9
Poses = Float[np.ndarray, "t 4 4"]


@dataclass(frozen=True)
class Deviation:
    """How far poses are from recorded ones: millimetres and degrees, median and worst frame."""

    median_mm: float
    worst_mm: float
    worst_frame: int
    median_degrees: float | None = None

    def words(self) -> str:
        """Return the numbers as a user reads them."""
        turn = "" if self.median_degrees is None else f", {self.median_degrees:.2f} degrees"
        return (
            f"{self.median_mm:.2f} mm{turn} at the median, {self.worst_mm:.2f} mm at most "
            f"(frame {self.worst_frame})"
        )


@dataclass(frozen=True, eq=False)
class Recorded:
    """A recorded link: positions [t 3] in metres in the world, and rotations [t 3 3] if known.

    `offset` [3] is where the recorded point lies in the axes of the link, in metres.
    """

    link: str
    positions: Float[np.ndarray, "t 3"]
    rotations: Float[np.ndarray, "t 3 3"] | None
    tolerance_mm: float
    tolerance_degrees: float
    offset: Float[np.ndarray, "3"]


@dataclass(frozen=True, eq=False)
class Kinematics:
    """What link poses are computed from: joints by name, and the pose of the base."""

    tree: KinematicTree
    positions: Mapping[str, Float[np.ndarray, "t"]]
    stated: tuple[str, ...]  # joints whose values come from columns, in the order of these
    base: Float[np.ndarray, "4 4"]

    def poses(
        self, positions: Mapping[str, Float[np.ndarray, "t"]] | None = None
    ) -> dict[str, Poses]:
        """Return the poses of every body, with other joint values if they are given."""
        found = self.tree.poses(self.positions if positions is None else positions, self.base)
        return {
            link: found[:, k] for k, link in enumerate(self.tree.links) if link in self.tree.bodies
        }


def deviation(poses: Poses, recorded: Recorded) -> Deviation:
    """Compare the poses of a link with what was recorded of it."""
    points = _points(poses, recorded)
    distance = np.linalg.norm(points - recorded.positions, axis=1) * 1e3
    degrees = None
    if recorded.rotations is not None:
        degrees = float(np.median(angles_between(poses[:, :3, :3], recorded.rotations)))
    worst = int(distance.argmax())
    return Deviation(float(np.median(distance)), float(distance[worst]), worst, degrees)


def _points(poses: Poses, recorded: Recorded) -> Float[np.ndarray, "t 3"]:
    return np.asarray(poses[:, :3, :3] @ recorded.offset + poses[:, :3, 3])


def fits(found: Deviation, recorded: Recorded) -> bool:
    """Whether a deviation lies within the tolerance."""
    turned = found.median_degrees is not None and found.median_degrees > recorded.tolerance_degrees
    return found.median_mm <= recorded.tolerance_mm and not turned


def check_kinematics(where: object, kinematics: Kinematics, recorded: Recorded) -> Deviation:
    """Return how well the kinematics fit; InputError with the likely cause where they do not."""
    poses = kinematics.poses()
    if recorded.link not in poses:
        raise InputError(
            where, f"checks.link is {recorded.link!r}", allowed=", ".join(kinematics.tree.bodies)
        )
    found = deviation(poses[recorded.link], recorded)
    if fits(found, recorded):
        return found
    cause = next(_causes(kinematics, poses, recorded), None)
    raise InputError(
        where,
        f"{recorded.link} computed from the joints is {found.words()} from where it was recorded"
        + (f"; likely {cause}" if cause else ""),
        allowed=f"{recorded.tolerance_mm:g} mm and {recorded.tolerance_degrees:g} degrees",
        way_out="correct the description; or raise the tolerance, if the recording is that coarse",
    )


def _causes(
    kinematics: Kinematics, poses: Mapping[str, Poses], recorded: Recorded
) -> Iterator[str]:
    """Yield the causes under which the recording would fit, the simplest first."""
    here = poses[recorded.link]
    yield from _wrong_numbers(here, recorded)
    for words, positions in _other_joints(kinematics):
        if fits(deviation(kinematics.poses(positions)[recorded.link], recorded), recorded):
            yield words
    for link, other in poses.items():
        if link != recorded.link and fits(deviation(other, recorded), recorded):
            yield f"another link: what was recorded is {link}"
    for shift in (-2, -1, 1, 2):
        if _fits_shifted(here, recorded, shift):
            yield (
                f"a shift in time: the recording is {abs(shift)} frame{'s' * (abs(shift) > 1)} "
                f"{'late' if shift > 0 else 'early'}"
            )
    yield from _rigid_offsets(here, recorded)


def _wrong_numbers(here: Poses, recorded: Recorded) -> Iterator[str]:
    for factor, words in ((1e-3, "millimetres where metres are stated"), (1e3, "metres in mm")):
        scaled = _changed(recorded, positions=recorded.positions * factor)
        if fits(deviation(here, scaled), scaled):
            yield f"the unit of the recorded place: {words}"
    if recorded.rotations is not None:
        alone = _changed(recorded, rotations=None)
        if fits(deviation(here, alone), alone):
            yield "the order of the recorded quaternion or Euler angles: places fit, turns do not"


def _other_joints(
    kinematics: Kinematics,
) -> Iterator[tuple[str, dict[str, Float[np.ndarray, "t"]]]]:
    positions, names = kinematics.positions, kinematics.stated
    scaled = {name: np.radians(positions[name]) for name in names}
    yield "the unit of the joints: degrees, not radians", {**positions, **scaled}
    grown = {name: np.degrees(positions[name]) for name in names}
    yield "the unit of the joints: radians, not degrees", {**positions, **grown}
    model = [name for name in kinematics.tree.moving if name in names]
    orders: list[tuple[str, Sequence[str]]] = [
        ("that of the model", model),
        ("reversed", names[::-1]),
        ("sorted by name", sorted(names)),
    ]
    orders += [
        (f"turned by {shift}", (*names[shift:], *names[:shift])) for shift in range(1, len(names))
    ]
    for words, order in orders:
        if tuple(order) != tuple(names):
            moved = {name: positions[old] for name, old in zip(order, names)}
            yield f"the order of the joints: {words} ({', '.join(order)})", {**positions, **moved}


def _fits_shifted(here: Poses, recorded: Recorded, shift: int) -> bool:
    count = len(here) - abs(shift)
    if count < 3:
        return False
    mine, theirs = (slice(0, count), slice(shift, None)) if shift > 0 else (
        slice(-shift, None), slice(0, count)
    )  # fmt: skip
    turns = None if recorded.rotations is None else recorded.rotations[theirs]
    part = _changed(recorded, positions=recorded.positions[theirs], rotations=turns)
    return fits(deviation(here[mine], part), part)


def _rigid_offsets(here: Poses, recorded: Recorded) -> Iterator[str]:
    """Look for one transform that explains all frames: of the base, or of a tool on the link."""
    tool = np.einsum("tji,tj->ti", here[:, :3, :3], recorded.positions - here[:, :3, 3])
    spread = np.linalg.norm(tool - np.median(tool, axis=0), axis=1) * 1e3
    if np.median(spread) <= recorded.tolerance_mm:
        x, y, z = np.median(tool, axis=0)
        yield (
            f"a tool: the recorded point lies at [{x:.4f} {y:.4f} {z:.4f}] m in the axes of "
            f"{recorded.link}, which its offset would state"
        )
    points = _points(here, recorded)
    moved = rigid_fit(points, recorded.positions)
    placed = points @ moved[:3, :3].T + moved[:3, 3]
    rest = np.linalg.norm(placed - recorded.positions, axis=1) * 1e3
    if np.median(rest) <= recorded.tolerance_mm:
        x, y, z = moved[:3, 3]
        angle = float(angles_between(moved[None, :3, :3], np.eye(3)[None])[0])
        yield (
            f"the base: it stands [{x:.4f} {y:.4f} {z:.4f}] m and {angle:.1f} degrees from where "
            "it is stated"
        )


def _changed(recorded: Recorded, **fields: object) -> Recorded:
    values = {
        "link": recorded.link,
        "positions": recorded.positions,
        "rotations": recorded.rotations,
        "tolerance_mm": recorded.tolerance_mm,
        "tolerance_degrees": recorded.tolerance_degrees,
        "offset": recorded.offset,
    } | fields
    return Recorded(**values)  # type: ignore[arg-type]


def rigid_fit(
    source: Float[np.ndarray, "t 3"], target: Float[np.ndarray, "t 3"]
) -> Float[np.ndarray, "4 4"]:
    """Return the rotation and translation that bring points closest to others (Kabsch, 1976)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, _, v = np.linalg.svd(a.T @ b)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(v.T @ u.T))])
    out = np.eye(4)
    out[:3, :3] = v.T @ flip @ u.T
    out[:3, 3] = target.mean(0) - out[:3, :3] @ source.mean(0)
    return out


def angles_between(
    one: Float[np.ndarray, "t 3 3"], other: Float[np.ndarray, "t 3 3"]
) -> Float[np.ndarray, "t"]:
    """Return the angle between rotations, in degrees."""
    # Of the chord, not of the trace, which loses half of the digits near 0.
    chord = np.linalg.norm(one - other, axis=(1, 2)) / np.sqrt(8)
    return np.degrees(2 * np.arcsin(np.clip(chord, 0, 1)))


def rotations_of(
    values: Float[np.ndarray, "t n"], form: RotationForm
) -> Float[np.ndarray, "t 3 3"]:
    """Return rotations as they are recorded: quaternions, rotation vectors, Euler angles (radians).

    "euler xyz" turns about fixed axes x, y, z in this order (roll, pitch, yaw), "euler zyx" about
    the axes that move, which for the same three angles in reverse is the same rotation.
    """
    if form == "quaternion wxyz":
        return rotation_of_quaternion(values, "wxyz")
    if form == "quaternion xyzw":
        return rotation_of_quaternion(values, "xyzw")
    if form == "rotation vector":
        angle = np.linalg.norm(values, axis=1)
        axis = values / np.maximum(angle, _DISTANCE)[:, None]
        half = angle / 2
        q = np.concatenate([np.cos(half)[:, None], np.sin(half)[:, None] * axis], axis=1)
        return rotation_of_quaternion(q, "wxyz")
    angles = values if form == "euler xyz" else values[:, ::-1]
    turn: Callable[[int], Float[np.ndarray, "t 3 3"]] = lambda k: _about(k, angles[:, k])  # noqa: E731
    return turn(2) @ turn(1) @ turn(0)


def _about(axis: int, angle: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t 3 3"]:
    half = np.asarray(angle) / 2
    q = np.zeros((len(half), 4))
    q[:, 0], q[:, 1 + axis] = np.cos(half), np.sin(half)
    return rotation_of_quaternion(q, "wxyz")
