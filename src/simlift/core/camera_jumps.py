"""Find frames between which a camera jumps: a cut, or a pose that went wrong.

A camera that moves does so about as fast as in the frames around. A step of half a metre or 30
degrees that is ten times what is usual there is no motion that a shutter could record.
"""

import numpy as np
from jaxtyping import Bool, Float

_FAR, _TURNED = 0.5, np.radians(30.0)  # metres and radians of a step, below which none is a jump
_TIMES = 10.0  # the median step of the frames around
_AROUND = 5  # frames, to either side


def camera_jumps(world_to_camera: Float[np.ndarray, "t 4 4"]) -> Bool[np.ndarray, "steps"]:
    """Return whether the camera jumps after each frame but the last."""
    rotation, shift = world_to_camera[:, :3, :3], world_to_camera[:, :3, 3]
    places = -np.einsum("tji,tj->ti", rotation, shift)
    moved = np.linalg.norm(np.diff(places, axis=0), axis=1)
    cosine = (np.einsum("tij,tij->t", rotation[1:], rotation[:-1]) - 1) / 2
    turned = np.arccos(np.clip(cosine, -1, 1))
    return _jumps(moved, _FAR) | _jumps(turned, float(_TURNED))


def _jumps(steps: Float[np.ndarray, "n"], least: float) -> Bool[np.ndarray, "n"]:
    far = steps > least
    for k in np.flatnonzero(far):
        others = np.sort(np.concatenate([steps[max(k - _AROUND, 0) : k], steps[k + 1 :][:_AROUND]]))
        far[k] = len(others) > 0 and steps[k] > _TIMES * others[(len(others) - 1) // 2]
    return far


def adrift(jumps: Bool[np.ndarray, "steps"]) -> Bool[np.ndarray, "t"]:
    """Return the frames that the camera jumps to and away from again: their poses are wrong.

    Not so where it only ever jumps: such a camera takes pictures from place to place.
    """
    out = np.ones(len(jumps) + 1, bool)
    out[:-1] &= jumps
    out[1:] &= jumps
    return out & ~out.all()
