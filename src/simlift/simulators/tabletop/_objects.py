"""Place objects on the table; every one of them is free to move."""

from dataclasses import dataclass

import numpy as np

from simlift.simulators.building._meshes import (
    Mesh,
    Vector,
    ball,
    box,
    cylinder,
    lathe,
    merged,
    tube,
)
from simlift.simulators.building._stage import Stage
from simlift.simulators.building._textures import label, ruled, wood
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.tabletop._room import TABLE_TOP

BOWL_INSIDE = 0.085  # metres from the bowl's axis to its inner wall, half way up
LEMON = (0.036, 0.0275, 0.0275)


@dataclass(frozen=True)
class Layout:
    """Where the task's things stand on the table, in metres from the robot's foot."""

    lemon: Vector
    lemon_yaw: float
    bowl: Vector


def random_layout(rng: np.random.Generator) -> Layout:
    """Draw places that are well within the arm's reach and clear of everything else."""
    return Layout(
        lemon=(0.40 + rng.uniform(-0.02, 0.02), -0.17 + rng.uniform(-0.025, 0.025)),
        lemon_yaw=rng.uniform(-0.5, 0.5),
        bowl=(0.58 + rng.uniform(-0.02, 0.02), 0.13 + rng.uniform(-0.02, 0.02)),
    )


def lay_table(stage: Stage, rng: np.random.Generator, layout: Layout) -> None:
    """Put the task's things and a few bystanders on the table."""
    _mat(stage)
    _bowl(stage, layout.bowl)
    _lemon(stage, layout.lemon, layout.lemon_yaw)
    _orange(stage, layout.bowl)
    _mug(stage, (0.27, -0.43), yaw=-2.0 + rng.uniform(-0.4, 0.4))
    _can(stage, rng, (0.73, -0.13), yaw=rng.uniform(-0.5, 0.5))
    _cereal(stage, rng, (0.52, 0.46), yaw=-0.2 + rng.uniform(-0.15, 0.15))
    _bottle(stage, (0.09, 0.40))
    _blocks(stage, rng)
    _notebook(stage, (0.06, -0.42), yaw=0.35)


def _free(
    stage: Stage, name: str, xy: Vector, *, height: float = 0.0, yaw: float = 0.0
) -> "mujoco.MjsBody":
    body = stage.body(name, (*xy, TABLE_TOP + height + 0.001), yaw=yaw)
    body.add_freejoint()
    return body


def _mat(stage: Stage) -> None:
    stage.print("mat_green", ruled((0.10, 0.34, 0.30), (0.55, 0.70, 0.55), cells=10), metres=0.3)
    mat = stage.body("mat/cutting_mat", (0.50, -0.02, TABLE_TOP))
    stage.skin(mat, box((0.45, 0.62, 0.003), (0, 0, 0.0015)), "mat_green")
    stage.solid(mat, mujoco.mjtGeom.mjGEOM_BOX, (0.225, 0.31, 0.0015), pos=(0, 0, 0.0015))


def _bowl(stage: Stage, xy: Vector) -> None:
    stage.paint("bowl_glaze", (0.20, 0.36, 0.62), gloss=0.9, shine=0.8)
    stage.paint("bowl_inside", (0.93, 0.91, 0.86), gloss=0.8, shine=0.8)
    bowl = _free(stage, "bowl/bowl", xy, height=0.003)
    outside = [(0, 0), (0.055, 0), (0.057, 0.008), (0.090, 0.026), (0.115, 0.050), (0.126, 0.075)]
    inside = [(0.126, 0.075), (0.121, 0.075), (0.110, 0.051), (0.085, 0.030), (0.052, 0.014),
              (0, 0.011)]  # fmt: skip
    stage.skin(bowl, lathe(outside, sides=48), "bowl_glaze")
    stage.skin(bowl, lathe(inside, sides=48), "bowl_inside")
    stage.solid(bowl, mujoco.mjtGeom.mjGEOM_CYLINDER, (0.055, 0.0055), pos=(0, 0, 0.0055), mass=0.4)
    # A wall of flat staves, one ring for each slope: a hull would close the bowl.
    for (r0, z0), (r1, z1) in zip(inside[4:1:-1], inside[3:0:-1], strict=True):
        slope = np.arctan2(z1 - z0, r1 - r0)
        length = np.hypot(r1 - r0, z1 - z0)
        for turn in np.linspace(0, 2 * np.pi, 20, endpoint=False):
            radius = (r0 + r1) / 2 + 0.004 * np.sin(slope)
            height = (z0 + z1) / 2 - 0.004 * np.cos(slope)
            about_z = np.array([np.cos(turn / 2), 0, 0, np.sin(turn / 2)])
            about_y = np.array([np.cos(slope / 2), 0, -np.sin(slope / 2), 0])
            quat = np.empty(4)
            mujoco.mju_mulQuat(quat, about_z, about_y)
            stage.solid(
                bowl,
                mujoco.mjtGeom.mjGEOM_BOX,
                (length / 2 + 0.001, r1 * np.tan(np.pi / 20) + 0.001, 0.004),
                pos=(radius * np.cos(turn), radius * np.sin(turn), height),
                quat=quat.tolist(),
                mass=0.008,
            )


def _lemon(stage: Stage, xy: Vector, yaw: float) -> None:
    stage.paint("lemon_peel", (0.95, 0.80, 0.13), gloss=0.35, shine=0.4)
    stage.paint("stalk", (0.36, 0.42, 0.16), gloss=0.1)
    lemon = _free(stage, "fruit/lemon", xy, height=LEMON[2] + 0.004, yaw=yaw)
    lying = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    long, thick = LEMON[0], LEMON[1]
    half = np.linspace(-np.pi / 2, np.pi / 2, 15)
    body = [(thick * np.cos(p), long * np.sin(p)) for p in half]
    tip = lathe([(0.011, 0.031), (0.007, 0.038), (0.004, 0.041), (0, 0.042)], sides=16)
    stage.skin(lemon, merged([lathe(body), tip]).turned(lying), "lemon_peel")
    stem = lathe([(0.004, 0.033), (0.0045, 0.039), (0, 0.0395)], sides=10)
    stage.skin(lemon, stem.turned(lying.T), "stalk")
    stage.solid(
        lemon, mujoco.mjtGeom.mjGEOM_ELLIPSOID, LEMON, mass=0.09, friction=(1.2, 0.02, 0.002)
    )


def _orange(stage: Stage, bowl: Vector) -> None:
    """Lay an orange into the bowl, on the side that the robot does not reach over."""
    stage.paint("orange_peel", (0.93, 0.47, 0.10), gloss=0.3, shine=0.3)
    radius = 0.033
    xy = (bowl[0] + 0.030, bowl[1] + 0.040)
    orange = _free(stage, "fruit/orange", xy, height=0.028 + radius)
    stage.skin(orange, ball(radius, rings=18, sides=32), "orange_peel")
    stage.skin(orange, cylinder(0.0035, radius - 0.002, radius + 0.001, sides=8), "stalk")
    stage.solid(
        orange, mujoco.mjtGeom.mjGEOM_SPHERE, (radius,), mass=0.14, friction=(1.0, 0.02, 0.003)
    )


def _mug(stage: Stage, xy: Vector, *, yaw: float) -> None:
    stage.paint("mug_red", (0.74, 0.16, 0.15), gloss=0.8, shine=0.7)
    stage.paint("coffee", (0.17, 0.10, 0.07), gloss=0.6)
    mug = _free(stage, "mug/mug", xy, yaw=yaw)
    stage.skin(mug, lathe([(0, 0), (0.037, 0), (0.041, 0.006), (0.041, 0.095)]), "mug_red")
    stage.skin(mug, lathe([(0.041, 0.095), (0.037, 0.095), (0.036, 0.07)]), "bowl_inside")
    stage.skin(mug, cylinder(0.0365, 0.068, 0.072), "coffee")
    turn = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 16)
    ear = np.stack([0.038 + 0.028 * np.cos(turn), 0 * turn, 0.05 + 0.03 * np.sin(turn)], axis=1)
    stage.skin(mug, tube(ear, 0.006), "mug_red")
    stage.solid(mug, mujoco.mjtGeom.mjGEOM_CYLINDER, (0.041, 0.0475), pos=(0, 0, 0.0475), mass=0.35)


def _can(stage: Stage, rng: np.random.Generator, xy: Vector, *, yaw: float) -> None:
    print_ = label((0.93, 0.89, 0.80), (0.70, 0.12, 0.12), (0.25, 0.12, 0.10), rng)
    radius, height = 0.036, 0.105
    stage.print("soup_label", print_, metres=1.0, gloss=0.3)
    stage.paint("tin", (0.70, 0.71, 0.73), gloss=1.0, shine=0.8, metal=True)
    can = _free(stage, "can/soup_can", xy, yaw=yaw)
    rim = [(0, 0), (radius, 0), (radius + 0.001, 0.003), (radius - 0.001, 0.006)]
    lid = [(radius - 0.001, height - 0.006), (radius + 0.001, height - 0.003), (radius, height),
           (radius - 0.003, height), (radius - 0.004, height - 0.004),
           (0, height - 0.004)]  # fmt: skip
    stage.skin(can, merged([lathe(rim), lathe(lid)]), "tin")
    side = lathe([(radius, 0.006), (radius, height - 0.006)], sides=48)
    stage.skin(can, _stretched(side), "soup_label")
    stage.solid(
        can,
        mujoco.mjtGeom.mjGEOM_CYLINDER,
        (radius, height / 2),
        pos=(0, 0, height / 2),
        mass=0.35,
    )


def _stretched(mesh: Mesh) -> Mesh:
    """Stretch the texture once over the whole mesh, its top up."""
    low, high = mesh.uv.min(axis=0), mesh.uv.max(axis=0)
    uv = (mesh.uv - low) / (high - low) * [1, -1] + [0, 1]  # rows of an image run downwards
    return Mesh(mesh.vertices, mesh.faces, uv)


def _cereal(stage: Stage, rng: np.random.Generator, xy: Vector, *, yaw: float) -> None:
    print_ = label((0.95, 0.72, 0.18), (0.16, 0.32, 0.60), (0.60, 0.16, 0.12), rng)
    stage.print("cereal_label", print_, metres=1.0)
    size = (0.19, 0.065, 0.28)
    carton = _free(stage, "carton/cereal_box", xy, yaw=yaw)
    faces = box(size, (0, 0, size[2] / 2))
    # Every face of a box is a sheet of four corners; each carries the whole print.
    parts = [
        _stretched(Mesh(faces.vertices[i : i + 4], faces.faces[:2], faces.uv[i : i + 4]))
        for i in range(0, 24, 4)
    ]
    stage.skin(carton, merged(parts), "cereal_label")
    stage.solid(
        carton, mujoco.mjtGeom.mjGEOM_BOX, [s / 2 for s in size], pos=(0, 0, size[2] / 2), mass=0.4
    )


def _bottle(stage: Stage, xy: Vector) -> None:
    stage.paint("bottle_green", (0.10, 0.30, 0.17), gloss=1.0, shine=0.9)
    stage.paint("cork", (0.76, 0.60, 0.42), gloss=0.0)
    bottle = _free(stage, "bottle/bottle", xy)
    outline = [(0, 0), (0.036, 0), (0.038, 0.006), (0.038, 0.17), (0.030, 0.20), (0.016, 0.225),
               (0.0135, 0.28), (0.015, 0.282), (0.015, 0.292), (0, 0.292)]  # fmt: skip
    stage.skin(bottle, lathe(outline), "bottle_green")
    stage.skin(bottle, cylinder(0.0115, 0.29, 0.305, sides=20), "cork")
    stage.skin(bottle, lathe([(0.0385, 0.05), (0.0385, 0.13)]), "paper")
    stage.solid(bottle, mujoco.mjtGeom.mjGEOM_CYLINDER, (0.038, 0.11), pos=(0, 0, 0.11), mass=0.7)


def _blocks(stage: Stage, rng: np.random.Generator) -> None:
    """Pile three wooden blocks."""
    colours = {"red": (0.78, 0.22, 0.18), "blue": (0.18, 0.40, 0.70), "pine": (0.85, 0.68, 0.45)}
    places = {"red": (0.52, -0.42, 0.0), "blue": (0.585, -0.40, 0.0), "pine": (0.553, -0.41, 0.052)}
    for name, colour in colours.items():
        stage.print(f"block_{name}", wood(colour, rng, contrast=0.06), metres=0.2, gloss=0.15)
        x, y, height = places[name]
        yaw = rng.uniform(-0.35, 0.35)
        block = _free(stage, f"block/{name}_block", (x, y), height=0.025 + height, yaw=yaw)
        stage.skin(block, box((0.05, 0.05, 0.05)), f"block_{name}")
        stage.solid(block, mujoco.mjtGeom.mjGEOM_BOX, (0.025, 0.025, 0.025), mass=0.06)


def _notebook(stage: Stage, xy: Vector, *, yaw: float) -> None:
    """Lay a closed notebook with a pencil on it."""
    stage.paint("cover", (0.20, 0.22, 0.36), gloss=0.2)
    stage.paint("pencil", (0.92, 0.62, 0.12), gloss=0.5)
    notebook = _free(stage, "notebook/notebook", xy, yaw=yaw)
    stage.skin(notebook, box((0.15, 0.205, 0.011), (0, 0, 0.0075)), "paper")
    covers = [box((0.155, 0.21, 0.002), (0, 0, z)) for z in (0.001, 0.014)]
    covers.append(box((0.002, 0.21, 0.015), (-0.0765, 0, 0.0075)))
    stage.skin(notebook, merged(covers), "cover")
    size = (0.0775, 0.105, 0.0075)
    stage.solid(notebook, mujoco.mjtGeom.mjGEOM_BOX, size, pos=(0, 0, 0.0075), mass=0.25)
    pencil = stage.body("pencil/pencil", (xy[0] + 0.01, xy[1], TABLE_TOP + 0.022), yaw=yaw + 1.1)
    pencil.add_freejoint()
    lying = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    stage.skin(pencil, cylinder(0.0038, -0.075, 0.075, sides=6).turned(lying), "pencil")
    tip = lathe([(0.0038, 0.075), (0.0008, 0.088), (0, 0.088)], sides=6)
    stage.skin(pencil, tip.turned(lying), "cork")
    size = (0.08, 0.0038, 0.0038)
    stage.solid(pencil, mujoco.mjtGeom.mjGEOM_BOX, size, mass=0.01)
