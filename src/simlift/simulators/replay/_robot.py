"""Follow the robots of a replayed model: joints, links, arms, and how far grippers are open.

An arm runs from the body that holds the gripper to its base. Which end of a finger's travel is open
is found by moving it: the open end is where it is farther from the gripper's other fingers.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from simlift.core.camera import Arm, Robot
from simlift.simulators.mujoco._episode import Episode, robot_track
from simlift.simulators.mujoco._library import mujoco

_GRIPPER = re.compile(r"gripper|finger|knuckle", re.IGNORECASE)
_SINGLE = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
_APART = 1e-3  # metres that a finger must move away from the others


def replayed_robot(episode: Episode, bodies: frozenset[int], notes: list[str]) -> Robot | None:
    """Return the robots of an episode as one track, with an arm for each; None without robots.

    What cannot be told of grippers is NaN and said in `notes`.
    """
    model = episode.model
    joints = [
        j
        for j in range(model.njnt)
        if model.jnt_bodyid[j] in bodies and int(model.jnt_type[j]) in _SINGLE
    ]
    if not joints:
        return None
    unknown = np.full(len(episode.states), np.nan)
    track = robot_track(episode, joints=joints, links=sorted(bodies), gripper=unknown)
    fingers = [j for j in joints if _is_gripper(model, j)]
    arms = []
    for chain in _chains(model, joints, fingers):
        held = [j for j in fingers if chain[0] in _ancestors(model, int(model.jnt_bodyid[j]))]
        opening = _opening(model, track, joints, held)
        if opening is None:
            opening = unknown
            notes.append(
                f"which end of the gripper of {model.body(chain[0]).name} is open cannot be told "
                "from its fingers: its opening is unknown"
                if held
                else f"{model.body(chain[0]).name} holds no gripper that its joints name"
            )
        names = tuple(track.link_names[sorted(bodies).index(body)] for body in chain)
        arms.append(Arm(names[0], names, opening))
    gripper = arms[0].gripper if len(arms) == 1 else unknown
    return replace(track, gripper=gripper, arms=tuple(arms))


def _is_gripper(model: "mujoco.MjModel", joint: int) -> bool:
    body = model.body(int(model.jnt_bodyid[joint])).name
    return bool(_GRIPPER.search(model.joint(joint).name) or _GRIPPER.search(body))


def _ancestors(model: "mujoco.MjModel", body: int) -> list[int]:
    """Return a body and those that carry it, up to below the world."""
    found = []
    while body:
        found.append(body)
        body = int(model.body_parentid[body])
    return found


def _chains(
    model: "mujoco.MjModel", joints: Sequence[int], fingers: Sequence[int]
) -> list[list[int]]:
    """Return the bodies of every arm, from the one that holds its gripper to its base.

    The base is the body that carries the first moving one. An arm without fingers ends at the last
    body that a joint moves.
    """
    moved = {int(model.jnt_bodyid[j]) for j in joints if j not in set(fingers)}
    hands = dict.fromkeys(
        next((b for b in _ancestors(model, int(model.jnt_bodyid[j])) if not _named(model, b)), 0)
        for j in fingers
    )
    carrying = {b for body in moved for b in _ancestors(model, body)[1:]}
    held = {b for hand in hands for b in _ancestors(model, hand)}
    ends = [h for h in hands if h] + [b for b in sorted(moved - carrying) if b not in held]
    chains = []
    for end in ends:
        chain = _ancestors(model, end)
        moving = [k for k, body in enumerate(chain) if body in moved]
        if moving:
            chains.append(chain[: moving[-1] + 2])
    return chains


def _named(model: "mujoco.MjModel", body: int) -> bool:
    return bool(_GRIPPER.search(model.body(body).name))


def _opening(
    model: "mujoco.MjModel", track: Robot, joints: Sequence[int], held: Sequence[int]
) -> Float[np.ndarray, "t"] | None:
    """Return how far a gripper is open [t], 0 to 1: the mean of its driven fingers."""
    driven = [j for j in held if model.jnt_limited[j] and (model.actuator_trnid[:, 0] == j).any()]
    shares = []
    for joint in driven:
        others = [int(model.jnt_bodyid[j]) for j in held if j != joint]
        ends = _distances(model, joint, others)
        if ends is None or abs(ends[1] - ends[0]) < _APART:
            continue
        low, high = model.jnt_range[joint]
        share = (track.joint_positions[:, list(joints).index(joint)] - low) / (high - low)
        shares.append((share if ends[1] > ends[0] else 1 - share).clip(0, 1))
    return np.mean(shares, axis=0) if shares else None


def _distances(
    model: "mujoco.MjModel", joint: int, others: Sequence[int]
) -> tuple[float, float] | None:
    """Return how far a finger is from the others at the low and the high end of its travel."""
    mine = _geoms_below(model, int(model.jnt_bodyid[joint]))
    rest = [g for body in others for g in _geoms_below(model, body) if g not in set(mine)]
    if not mine or not rest:
        return None
    data = mujoco.MjData(model)
    found = []
    for end in model.jnt_range[joint]:
        data.qpos[:] = model.qpos0
        data.qpos[model.jnt_qposadr[joint]] = end
        mujoco.mj_kinematics(model, data)
        apart = data.geom_xpos[mine].mean(axis=0) - data.geom_xpos[rest].mean(axis=0)
        found.append(float(np.linalg.norm(apart)))
    return found[0], found[1]


def _geoms_below(model: "mujoco.MjModel", body: int) -> list[int]:
    return [g for g in range(model.ngeom) if body in _ancestors(model, int(model.geom_bodyid[g]))]
