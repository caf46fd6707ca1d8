"""Place the cameras of the tabletop: one before the table, one beside it, one on the hand."""

from collections.abc import Sequence

import numpy as np

from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.tabletop._franka import PREFIX

_FRONT = ((1.19, -1.03, 1.40), (0.26, 0.10, 0.972), 42.0)  # eye, target, degrees down
_SIDE = ((0.42, -1.32, 1.18), (0.40, 0.05, 0.86), 40.0)
# On link 7, whose z leads through the fingers: beside the flange, looking past the finger tips.
_WRIST = ((0.062, -0.062, 0.115), (0.012, -0.012, 0.24), 75.0)


def add_cameras(spec: "mujoco.MjSpec") -> None:
    """Add the cameras front, side and wrist; the last moves with the hand."""
    for name, (eye, target, fovy) in (("front", _FRONT), ("side", _SIDE)):
        spec.worldbody.add_camera(
            name=name, pos=eye, xyaxes=_towards(eye, target, (0.0, 0.0, 1.0)), fovy=fovy
        )
    eye, target, fovy = _WRIST
    spec.body(f"{PREFIX}link7").add_camera(
        name="wrist", pos=eye, xyaxes=_towards(eye, target, (*eye[:2], 0.0)), fovy=fovy
    )


def _towards(eye: Sequence[float], target: Sequence[float], up: Sequence[float]) -> list[float]:
    """Return the x and y axes of a camera at `eye` that looks at `target`, OpenGL's way."""
    forward = np.subtract(target, eye)
    right = np.cross(forward, up)
    return [*right, *np.cross(right, forward)]
