"""Build the scene of the task: the tabletop's Franka arm, a table, a red cube, a plain room.

It is the recorded tabletop reduced to what a small picture shows, so that a frame costs
milliseconds on a CPU. Every surface that a shift changes has a material of its own.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.simulators.building._meshes import ball, box, lathe
from simlift.simulators.building._stage import Stage
from simlift.simulators.building._textures import Image, plaster, ruled, wood, woven
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.tabletop._franka import PREFIX, franka_spec

TABLE_TOP = 0.76  # metres above the floor
FOOT = TABLE_TOP + 0.012  # the arm stands on a plate
CUBE = 0.020  # metres, half of an edge
TIMESTEP = 0.002  # seconds
TEXTURE = 128  # pixels a side of every texture
CAMERA, LAMP, FILL = "view", "lamp", "fill"
BYSTANDERS = {"mug": "mug/mug", "carton": "carton/cereal_box", "bottle": "bottle/bottle",
              "fruit": "fruit/orange"}  # material -> body  # fmt: skip
GRID = 0.010  # metres; the shells of the arm are drawn no finer


@dataclass(frozen=True)
class Layout:
    """Where an episode begins, in metres from the robot's foot and radians."""

    cube: tuple[float, float]
    cube_yaw: float
    tool: tuple[float, float, float]  # z above the table


def random_layout(rng: np.random.Generator) -> Layout:
    """Draw a layout that is well within the arm's reach and the camera's view."""
    return Layout(
        cube=(0.48 + rng.uniform(-0.10, 0.10), rng.uniform(-0.14, 0.14)),
        cube_yaw=rng.uniform(-0.35, 0.35),
        tool=(
            0.46 + rng.uniform(-0.05, 0.05),
            rng.uniform(-0.06, 0.06),
            0.20 + rng.uniform(-0.03, 0.03),
        ),
    )


def build_scene() -> "mujoco.MjModel":
    """Compile the scene; it is the same every time."""
    rng = np.random.default_rng(20)
    stage = Stage()
    spec = stage.spec
    spec.option.timestep = TIMESTEP
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10  # pads hold by friction, which must not creep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    _room(stage, rng)
    _bystanders(stage)
    _cube(stage)
    plate = stage.body("mount/mount", (-0.02, 0, TABLE_TOP))
    stage.paint("plate", (0.70, 0.71, 0.73), gloss=0.8, metal=True)
    stage.skin(plate, box((0.30, 0.26, 0.012), (0, 0, 0.006)), "plate")
    spec.attach(_coarse_arm(), prefix=PREFIX, frame=spec.worldbody.add_frame(pos=[0, 0, FOOT]))
    _light(spec)
    eye, target = np.array([1.10, -0.46, 1.24]), np.array([0.43, 0.0, 0.82])
    right = np.cross(target - eye, [0, 0, 1.0])
    up = np.cross(right, target - eye)
    spec.worldbody.add_camera(name=CAMERA, pos=eye, xyaxes=[*right, *up], fovy=40)
    return spec.compile()


def _room(stage: Stage, rng: np.random.Generator) -> None:
    prints = {
        "table": (wood((0.52, 0.35, 0.22), rng, planks=4, contrast=0.09), 0.75),
        "mat": (ruled((0.10, 0.34, 0.30), (0.55, 0.70, 0.55), cells=10), 0.3),
        "floor": (wood((0.60, 0.42, 0.27), rng, planks=6), 1.1),
        "back_wall": (plaster((0.61, 0.68, 0.62), rng, contrast=0.02), 2.0),
        "left_wall": (woven((0.66, 0.60, 0.52), (0.70, 0.66, 0.58), rng), 0.9),
    }
    for name, (image, metres) in prints.items():
        stage.print(name, small(image), metres=metres)
    floor = stage.body("floor/floor")
    stage.skin(floor, box((6, 6, 0.1), (1, 0, -0.05)), "floor")
    back = stage.body("wall/back_wall")
    stage.skin(back, box((6, 0.1, 2.6), (1, 1.6, 1.3)), "back_wall")
    left = stage.body("wall/left_wall")
    stage.skin(left, box((0.1, 6, 2.6), (-1.4, 0, 1.3)), "left_wall")
    table = stage.body("table/table", (0.33, 0, 0))
    top, centre = (1.35, 1.25, 0.04), (0, 0, TABLE_TOP - 0.02)
    stage.skin(table, box(top, centre), "table")
    stage.solid(table, mujoco.mjtGeom.mjGEOM_BOX, [s / 2 for s in top], pos=centre)
    mat = stage.body("mat/cutting_mat", (0.48, 0, TABLE_TOP))
    stage.skin(mat, box((0.40, 0.46, 0.002), (0, 0, 0.001)), "mat")
    stage.solid(mat, mujoco.mjtGeom.mjGEOM_BOX, (0.20, 0.23, 0.001), pos=(0, 0, 0.001))


def _bystanders(stage: Stage) -> None:
    """Stand a few things around the mat, which the arm does not reach."""
    stage.paint("mug", (0.18, 0.36, 0.62), gloss=0.8, shine=0.7)
    stage.paint("carton", (0.92, 0.72, 0.22))
    stage.paint("bottle", (0.10, 0.30, 0.17), gloss=1.0, shine=0.9)
    stage.paint("fruit", (0.93, 0.55, 0.12), gloss=0.3)
    mug = stage.body("mug/mug", (0.16, -0.36, TABLE_TOP))
    outline = [(0, 0), (0.037, 0), (0.041, 0.006), (0.041, 0.095), (0.037, 0.095), (0.036, 0.07)]
    stage.skin(mug, lathe([*outline, (0, 0.07)], sides=20), "mug")
    carton = stage.body("carton/cereal_box", (0.30, 0.42, TABLE_TOP), yaw=-0.2)
    stage.skin(carton, box((0.19, 0.065, 0.26), (0, 0, 0.13)), "carton")
    bottle = stage.body("bottle/bottle", (0.02, 0.36, TABLE_TOP))
    outline = [(0, 0), (0.036, 0), (0.038, 0.17), (0.016, 0.22), (0.015, 0.29), (0, 0.29)]
    stage.skin(bottle, lathe(outline, sides=20), "bottle")
    fruit = stage.body("fruit/orange", (0.76, 0.30, TABLE_TOP + 0.035))
    stage.skin(fruit, ball(0.035, rings=10, sides=16), "fruit")


def _cube(stage: Stage) -> None:
    stage.paint("cube", (0.80, 0.14, 0.12), gloss=0.2)
    cube = stage.body("block/cube", (0.48, 0, TABLE_TOP + CUBE + 0.002))
    cube.add_freejoint()
    stage.skin(cube, box((2 * CUBE, 2 * CUBE, 2 * CUBE)), "cube")
    stage.solid(cube, mujoco.mjtGeom.mjGEOM_BOX, (CUBE, CUBE, CUBE), mass=0.05)


def _light(spec: "mujoco.MjSpec") -> None:
    visual = spec.visual
    visual.headlight.ambient[:] = 0.34
    visual.headlight.diffuse[:] = 0.12
    visual.headlight.specular[:] = 0.0
    visual.quality.shadowsize = 512
    visual.map.znear, visual.map.zfar = 0.02, 3.25
    visual.map.shadowclip = 0.5
    spec.stat.extent, spec.stat.center = 2.0, [0.4, 0.0, 0.85]
    for name, direction, diffuse, shadow in (
        (LAMP, [-0.42, 0.36, -1.0], [0.70, 0.67, 0.62], True),
        (FILL, [1.0, -0.15, -0.8], [0.20, 0.23, 0.28], False),
    ):
        spec.worldbody.add_light(
            name=name,
            pos=(np.array([0.45, 0.0, 0.85]) - 1.5 * np.array(direction)).tolist(),
            dir=direction,
            diffuse=diffuse,
            specular=[0.3, 0.3, 0.3] if shadow else [0.0, 0.0, 0.0],
            castshadow=shadow,
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        )


def _coarse_arm() -> "mujoco.MjSpec":
    """Return the arm with the vertices of its visible shells drawn to a grid (vertex clustering).

    Faces whose corners fall together vanish: most of them are smaller than a pixel here.
    """
    spec = franka_spec()
    drawn = {geom.meshname for geom in spec.geoms if geom.group == 0 and geom.meshname}
    for mesh in spec.meshes:
        if mesh.name not in drawn or not len(mesh.uservert):
            continue
        vertices = np.asarray(mesh.uservert, np.float64).reshape(-1, 3)
        faces = np.asarray(mesh.userface, np.int64).reshape(-1, 3)
        vertices, faces = cluster_vertices(vertices, faces, GRID)
        mesh.uservert = vertices.astype(np.float32).ravel()
        mesh.userface = faces.astype(np.int32).ravel()
    return spec


def cluster_vertices(
    vertices: Float[np.ndarray, "v 3"], faces: np.ndarray, cell: float
) -> tuple[Float[np.ndarray, "w 3"], np.ndarray]:
    """Merge vertices of one grid cell into their mean, and drop faces that lost a corner."""
    cells = np.floor(vertices / cell).astype(np.int64)
    _, owner = np.unique(cells, axis=0, return_inverse=True)
    count = np.bincount(owner).astype(np.float64)
    merged = np.stack([np.bincount(owner, vertices[:, k]) / count for k in range(3)], axis=1)
    new = owner[faces]
    whole = (new[:, 0] != new[:, 1]) & (new[:, 1] != new[:, 2]) & (new[:, 2] != new[:, 0])
    if whole.sum() < 4:  # a part smaller than a cell or two stays as it is
        return vertices, faces
    new = new[whole]
    _, first = np.unique(np.sort(new, axis=1), axis=0, return_index=True)
    new = new[np.sort(first)]
    used, local = np.unique(new, return_inverse=True)
    return merged[used], local.reshape(-1, 3)


def small(image: Image) -> Image:
    """Shrink a texture to the size that all have, by the mean of its pixels."""
    factor = image.shape[0] // TEXTURE
    blocks = image.reshape(TEXTURE, factor, TEXTURE, factor, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)
