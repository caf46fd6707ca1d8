"""Build pedestrians with jointed legs and arms, and compute their gait."""

from dataclasses import dataclass

import numpy as np

from simlift.simulators.building._meshes import Mesh, Number, Vector, ball, box, lathe, merged
from simlift.simulators.building._stage import Stage
from simlift.simulators.mujoco._library import mujoco

HIP, KNEE, SHOULDER = 0.92, 0.48, 1.42  # heights above the ground, in metres
STRIDE = 1.45  # metres that two steps cover
SIDES = {"left": 1.0, "right": -1.0}


@dataclass(frozen=True)
class Outfit:
    """The materials of a pedestrian's clothes, skin and hair."""

    top: str
    trousers: str
    skin: str
    hair: str


def paint_people(stage: Stage) -> tuple[Outfit, ...]:
    """Define clothes and return some outfits."""
    colours = {
        "coat_mustard": (0.80, 0.58, 0.14), "coat_navy": (0.12, 0.17, 0.32),
        "coat_rust": (0.62, 0.25, 0.14), "shirt_white": (0.88, 0.88, 0.86),
        "jeans": (0.20, 0.28, 0.42), "chinos": (0.58, 0.48, 0.34),
        "black_cloth": (0.11, 0.11, 0.12),
        "skin_light": (0.82, 0.62, 0.50), "skin_dark": (0.42, 0.27, 0.19),
        "hair_brown": (0.24, 0.15, 0.09), "hair_black": (0.07, 0.06, 0.06),
    }  # fmt: skip
    for name, colour in colours.items():
        stage.paint(name, colour, gloss=0.05)
    return (
        Outfit("coat_mustard", "jeans", "skin_dark", "hair_black"),
        Outfit("coat_navy", "chinos", "skin_light", "hair_brown"),
        Outfit("coat_rust", "black_cloth", "skin_light", "hair_black"),
        Outfit("shirt_white", "jeans", "skin_dark", "hair_black"),
    )


def add_pedestrian(stage: Stage, name: str, outfit: Outfit) -> None:
    """Build a pedestrian with its origin on the ground and its face along +x."""
    torso = _limb_body(stage, f"person/{name}", (0, 0, 0), None)
    trunk = lathe([(0, HIP - 0.08), (0.15, HIP - 0.06), (0.165, HIP), (0.135, 1.10), (0.175, 1.34),
                   (0.15, 1.45), (0.06, 1.49), (0, 1.49)], sides=20)  # fmt: skip
    flat = np.diag([0.72, 1.12, 1.0])
    stage.skin(torso, trunk.turned(flat), outfit.top)
    head = [
        ball(0.105, rings=10, sides=16).turned(np.diag([1.0, 0.82, 1.2])).moved((0.01, 0, 1.63))
    ]
    head.append(lathe([(0.05, 1.46), (0.05, 1.56)], sides=12))
    stage.skin(torso, merged(head), outfit.skin)
    hair = ball(0.112, rings=10, sides=16).turned(np.diag([0.95, 0.85, 1.1]))
    stage.skin(torso, hair.moved((-0.022, 0, 1.665)), outfit.hair)
    for side, sign in SIDES.items():
        thigh = _limb_body(stage, f"person/{name}_{side}_thigh", (0, sign * 0.09, HIP), torso)
        stage.skin(thigh, _limb(0.085, 0.06, HIP - KNEE), outfit.trousers)
        shin = _limb_body(stage, f"person/{name}_{side}_shin", (0, 0, KNEE - HIP), thigh)
        stage.skin(shin, _limb(0.06, 0.045, KNEE - 0.06), outfit.trousers)
        stage.skin(shin, box((0.25, 0.09, 0.08), (0.05, 0, 0.04 - KNEE)), "black_cloth")
        arm = _limb_body(stage, f"person/{name}_{side}_arm", (0, sign * 0.215, SHOULDER), torso)
        stage.skin(arm, _limb(0.052, 0.042, 0.52), outfit.top)
        stage.skin(arm, ball(0.048, rings=8, sides=12).moved((0, 0, -0.57)), outfit.skin)


def _limb(top: float, bottom: float, length: float) -> Mesh:
    return lathe(
        [(0, -length), (bottom, -length), (top, 0), (top * 0.7, 0.04), (0, 0.055)], sides=14
    )


def _limb_body(
    stage: Stage, name: str, pos: Vector, parent: "mujoco.MjsBody | None"
) -> "mujoco.MjsBody":
    body = stage.body(name, pos, parent=parent)
    if parent is None:
        body.add_freejoint()
    else:
        body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 1, 0])
    body.mass, body.inertia, body.explicitinertial = 5.0, [0.1, 0.1, 0.1], True
    return body


def gait(name: str, walked: Number) -> dict[str, float]:
    """Return the joints' angles after a distance; a walk repeats every `STRIDE`."""
    angles = {}
    for side, sign in SIDES.items():
        phase = 2 * np.pi * walked / STRIDE + (0 if sign > 0 else np.pi)
        # A positive turn about +y swings a hanging limb backwards.
        angles[f"person/{name}_{side}_thigh"] = -0.42 * np.sin(phase) - 0.06
        angles[f"person/{name}_{side}_shin"] = 0.10 + 0.55 * max(0.0, np.cos(phase)) ** 2
        angles[f"person/{name}_{side}_arm"] = 0.38 * np.sin(phase)
    return angles
