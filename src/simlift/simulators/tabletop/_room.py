"""Build a furnished corner of a room, and the table in it.

The floor lies at z = 0; one wall behind at y = BACK, one at the left at x = LEFT.
"""

import numpy as np

from simlift.simulators.building._meshes import (
    Mesh,
    Vector,
    ball,
    box,
    cylinder,
    lathe,
    merged,
    sheet,
)
from simlift.simulators.building._stage import Stage
from simlift.simulators.building._textures import (
    courses,
    leaves,
    painting,
    plaster,
    wood,
    woven,
)
from simlift.simulators.mujoco._library import mujoco

BACK, LEFT, HEIGHT = 1.55, -1.35, 2.6
TABLE_TOP = 0.76
SPINES = (
    (0.62, 0.16, 0.14), (0.13, 0.27, 0.45), (0.86, 0.66, 0.22), (0.20, 0.42, 0.32),
    (0.88, 0.85, 0.78), (0.40, 0.22, 0.38), (0.83, 0.42, 0.20), (0.16, 0.17, 0.19),
)  # fmt: skip


def furnish(stage: Stage, rng: np.random.Generator) -> None:
    """Build everything that never moves."""
    _shell(stage, rng)
    _bookcase(stage, rng)
    _window(stage)
    _picture(stage, rng)
    _plant(stage, rng, pos=(-0.62, 1.22, 0))
    _floor_lamp(stage, pos=(-1.10, -0.22, 0))
    _chair(stage, rng, pos=(1.62, 0.72, 0), yaw=2.5)
    _table(stage, rng)


def _shell(stage: Stage, rng: np.random.Generator) -> None:
    stage.print("boards", wood((0.60, 0.42, 0.27), rng, planks=6), metres=1.1, gloss=0.25)
    stage.print("paint_sage", plaster((0.61, 0.68, 0.62), rng, contrast=0.015), metres=2.0)
    stage.print(
        "brick_wall",
        courses((0.66, 0.42, 0.33), (0.72, 0.69, 0.64), rng, rows=12, columns=4, gap=0.14),
        metres=0.96,
    )
    stage.print("rug", woven((0.24, 0.31, 0.44), (0.78, 0.74, 0.66), rng), metres=0.7)
    stage.paint("skirting", (0.93, 0.92, 0.89))
    floor = stage.body("floor/floor")
    stage.skin(floor, box((6, 6, 0.1), (1, 0, -0.05)), "boards")
    stage.solid(floor, mujoco.mjtGeom.mjGEOM_BOX, (3, 3, 0.05), pos=(1, 0, -0.05))
    back = stage.body("wall/back_wall")
    stage.skin(back, box((6, 0.1, HEIGHT), (1, BACK + 0.05, HEIGHT / 2)), "paint_sage")
    stage.skin(back, box((6, 0.02, 0.11), (1, BACK - 0.01, 0.055)), "skirting")
    left = stage.body("wall/left_wall")
    stage.skin(left, box((0.1, 6, HEIGHT), (LEFT - 0.05, 0, HEIGHT / 2)), "brick_wall")
    stage.skin(left, box((0.02, 6, 0.11), (LEFT + 0.01, 0, 0.055)), "skirting")
    stage.skin(stage.body("rug/rug"), box((1.9, 1.5, 0.012), (0.4, 0.4, 0.006)), "rug")


def _bookcase(stage: Stage, rng: np.random.Generator) -> None:
    stage.print("oak", wood((0.72, 0.55, 0.36), rng, contrast=0.07), metres=0.8, gloss=0.15)
    left, width, depth, height, sheets = 0.10, 1.30, 0.30, 1.95, 5
    case = stage.body("shelf/bookcase", (left, BACK - depth, 0))
    thick = 0.024
    boards = [
        box((thick, depth, height), (x, depth / 2, height / 2)) for x in (0, width / 2, width)
    ]
    levels = np.linspace(0.08, height - thick / 2, sheets + 1)
    boards += [box((width, depth, thick), (width / 2, depth / 2, z)) for z in levels]
    boards.append(box((width, 0.01, height), (width / 2, depth - 0.005, height / 2)))
    stage.skin(case, merged(boards), "oak")
    for index, colour in enumerate(SPINES):
        stage.paint(f"spine_{index}", colour, gloss=0.15)
    stage.paint("paper", (0.93, 0.90, 0.83))
    for level in range(sheets):
        for column in range(2):
            low = levels[level] + thick / 2
            origin = (left + column * width / 2 + 0.03, BACK - depth + 0.03, low)
            books = stage.body(f"books/books_{level}_{column}", origin)
            _row_of_books(stage, books, rng, width=width / 2 - 0.07, room=levels[1] - levels[0])
    _ornaments(stage, left, BACK - depth + 0.13, levels + thick / 2)


def _row_of_books(
    stage: Stage, body: "mujoco.MjsBody", rng: np.random.Generator, *, width: float, room: float
) -> None:
    """Fill a part of a shelf from the left, leaving a gap at the right."""
    spines: dict[int, list[Mesh]] = {}
    pages = []
    x, end = 0.0, width * rng.uniform(0.42, 0.8)
    while x < end:
        thick, tall = rng.uniform(0.018, 0.048), room * rng.uniform(0.58, 0.86)
        deep, colour = rng.uniform(0.14, 0.2), int(rng.integers(len(SPINES)))
        centre = (x + thick / 2, deep / 2 + 0.01, tall / 2)
        spines.setdefault(colour, []).append(box((thick - 0.002, deep, tall), centre))
        pages.append(box((thick - 0.008, deep - 0.02, 0.003), (centre[0], centre[1], tall)))
        x += thick
    for colour, parts in sorted(spines.items()):
        stage.skin(body, merged(parts), f"spine_{colour}")
    stage.skin(body, merged(pages), "paper")


def _ornaments(stage: Stage, left: float, y: float, levels: np.ndarray) -> None:
    """Put a vase, a globe, a box and a clock into the gaps of the shelves."""
    stage.paint("vase_glaze", (0.16, 0.42, 0.50), gloss=0.8, shine=0.8)
    stage.paint("globe_sea", (0.25, 0.50, 0.72), gloss=0.5)
    stage.paint("brass", (0.72, 0.55, 0.25), gloss=0.9, shine=0.7, metal=True)
    stage.paint("box_red", (0.72, 0.24, 0.20))
    vase = lathe(
        [(0, 0), (0.035, 0), (0.06, 0.06), (0.055, 0.1), (0.025, 0.15), (0.03, 0.19), (0.02, 0.19)]
    )
    stage.skin(stage.body("vase/vase", (left + 0.56, y, levels[3])), vase, "vase_glaze")
    globe = stage.body("globe/globe", (left + 1.20, y, levels[3]))
    stage.skin(globe, ball(0.075, rings=16, sides=28).moved((0, 0, 0.125)), "globe_sea")
    foot = lathe([(0, 0), (0.05, 0), (0.05, 0.008), (0.008, 0.02), (0.008, 0.06)])
    stage.skin(globe, foot, "brass")
    case = stage.body("box/box", (left + 1.16, y, levels[2]))
    stage.skin(case, box((0.16, 0.2, 0.13), (0, 0, 0.065)), "box_red")


def _window(stage: Stage) -> None:
    """Hang a bright window with a white frame on the left wall."""
    stage.paint("daylight", (0.80, 0.88, 0.95), gloss=0.0, glow=0.25)
    frame = stage.body("window/window", (LEFT, 0.62, 1.55))
    stage.skin(frame, box((0.01, 0.86, 1.05), (0.012, 0, 0)), "daylight")
    bars = [box((0.06, 0.05, 1.15), (0.03, y, 0)) for y in (-0.45, 0, 0.45)]
    bars += [box((0.06, 0.95, 0.05), (0.03, 0, z)) for z in (-0.55, 0.12, 0.55)]
    bars.append(box((0.13, 1.02, 0.03), (0.065, 0, -0.59)))
    stage.skin(frame, merged(bars), "skirting")


def _picture(stage: Stage, rng: np.random.Generator) -> None:
    palette = (
        (0.93, 0.80, 0.62), (0.96, 0.93, 0.82), (0.85, 0.52, 0.36),
        (0.62, 0.30, 0.30), (0.28, 0.26, 0.38),
    )  # fmt: skip
    stage.print("landscape", painting(rng, palette), metres=0.62)
    picture = stage.body("picture/picture", (-0.52, BACK, 1.62))
    canvas = sheet(
        np.array(
            [
                [(-0.31, -0.03, 0.31), (0.31, -0.03, 0.31)],
                [(-0.31, -0.03, -0.31), (0.31, -0.03, -0.31)],
            ]
        )
    ).flipped()
    stage.skin(picture, canvas, "landscape")
    stage.paint("frame_black", (0.12, 0.11, 0.11), gloss=0.4)
    sides = [box((0.03, 0.04, 0.68), (x, -0.02, 0)) for x in (-0.325, 0.325)]
    sides += [box((0.68, 0.04, 0.03), (0, -0.02, z)) for z in (-0.325, 0.325)]
    stage.skin(picture, merged(sides), "frame_black")


def _plant(stage: Stage, rng: np.random.Generator, *, pos: Vector) -> None:
    """Grow a pot plant of long arching leaves."""
    stage.paint("terracotta", (0.72, 0.42, 0.30), gloss=0.1)
    stage.paint("soil", (0.20, 0.15, 0.12), gloss=0.0)
    stage.print("leaf", leaves((0.22, 0.45, 0.20), rng), metres=0.8, gloss=0.3)
    plant = stage.body("plant/plant", pos)
    pot = lathe([(0, 0), (0.13, 0), (0.17, 0.26), (0.185, 0.26), (0.185, 0.31), (0.16, 0.31),
                 (0.15, 0.27)])  # fmt: skip
    stage.skin(plant, pot, "terracotta")
    stage.skin(plant, cylinder(0.155, 0.2, 0.275), "soil")
    blades = []
    for index in range(26):
        turn = 2.4 * index
        reach, rise = rng.uniform(0.15, 0.5), rng.uniform(0.45, 1.05)
        along = np.linspace(0, 1, 10)
        spine = np.stack(
            [reach * along**1.5, 0 * along, 0.27 + rise * (along - 0.35 * along**3)], axis=1
        )
        half = 0.045 * np.sin(np.pi * (0.08 + 0.92 * along)) ** 0.8
        across = np.array([0.0, 1.0, 0.0]) * half[:, None]
        droop = np.array([0.0, 0.0, 0.25]) * half[:, None]
        blade = sheet(np.stack([spine - across + droop, spine, spine + across + droop], axis=1))
        under = blade.flipped().moved((0, 0, -0.002))
        blades.append(merged([blade, under]).moved((0, 0, 0), yaw=turn))
    stage.skin(plant, merged(blades), "leaf")


def _floor_lamp(stage: Stage, *, pos: Vector) -> None:
    stage.paint("lampshade", (0.94, 0.86, 0.70), gloss=0.0, glow=0.45)
    lamp = stage.body("lamp/floor_lamp", pos)
    stem = lathe([(0, 0), (0.14, 0), (0.14, 0.02), (0.012, 0.035), (0.012, 1.5)], sides=20)
    stage.skin(lamp, stem, "frame_black")
    shade = lathe([(0.19, 1.4), (0.13, 1.68), (0.125, 1.68), (0.185, 1.4)])
    stage.skin(lamp, shade, "lampshade")


def _chair(stage: Stage, rng: np.random.Generator, *, pos: Vector, yaw: float) -> None:
    stage.print("cushion", woven((0.80, 0.45, 0.20), (0.86, 0.55, 0.28), rng), metres=0.25)
    chair = stage.body("chair/chair", pos, yaw=yaw)
    legs = [box((0.035, 0.035, 0.44), (x, y, 0.22)) for x in (-0.19, 0.19) for y in (-0.19, 0.19)]
    legs += [box((0.035, 0.03, 0.5), (-0.2, y, 0.66)) for y in (-0.19, 0.19)]
    stage.skin(chair, merged(legs), "oak")
    seat = [box((0.44, 0.44, 0.05), (0, 0, 0.46)), box((0.03, 0.4, 0.26), (-0.2, 0, 0.78))]
    stage.skin(chair, merged(seat), "cushion")


def _table(stage: Stage, rng: np.random.Generator) -> None:
    stage.print("walnut", wood((0.52, 0.35, 0.22), rng, planks=4, contrast=0.09), metres=0.75,
                gloss=0.35)  # fmt: skip
    stage.paint("steel", (0.24, 0.25, 0.27), gloss=0.7, shine=0.6)
    table = stage.body("table/table", (0.33, 0.0, 0))
    size, thick = np.array([1.35, 1.25]), 0.04
    top = (*size, thick)
    centre = (0, 0, TABLE_TOP - thick / 2)
    stage.skin(table, box(top, centre), "walnut")
    stage.solid(table, mujoco.mjtGeom.mjGEOM_BOX, [s / 2 for s in top], pos=centre)
    half = size / 2 - 0.06
    legs = [
        box((0.05, 0.05, TABLE_TOP - thick), (x, y, (TABLE_TOP - thick) / 2))
        for x in (-half[0], half[0])
        for y in (-half[1], half[1])
    ]
    rails = [box((2 * half[0], 0.03, 0.06), (0, y, 0.68)) for y in (-half[1], half[1])]
    rails += [box((0.03, 2 * half[1], 0.06), (x, 0, 0.68)) for x in (-half[0], half[0])]
    stage.skin(table, merged(legs + rails), "steel")
