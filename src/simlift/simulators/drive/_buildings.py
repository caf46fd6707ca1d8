"""Build the two rows of houses along a street.

A house is built with its front in the plane y = 0, facing -y, from x = 0 to its width.
"""

from dataclasses import dataclass

import numpy as np

from simlift.simulators.building._meshes import Mesh, Vector, box, merged, sheet
from simlift.simulators.building._stage import Stage
from simlift.simulators.building._textures import courses, plaster
from simlift.simulators.drive._street_path import Path
from simlift.simulators.mujoco._library import mujoco

GROUND_FLOOR, STOREY, DEPTH = 3.9, 3.1, 11.0
BASE = 0.13  # houses stand on the pavement
WALLS = ("red_brick", "yellow_brick", "dark_brick", "cream", "terracotta_wall", "sky_wall",
         "stone", "sage_wall")  # fmt: skip
TRIMS = ("trim_white", "trim_stone", "trim_dark")
AWNINGS = {"awning_red": (0.62, 0.13, 0.12), "awning_green": (0.12, 0.35, 0.24),
           "awning_navy": (0.13, 0.20, 0.36), "awning_ochre": (0.80, 0.58, 0.18)}  # fmt: skip


@dataclass(frozen=True)
class House:
    """Measures and materials of one house."""

    width: float
    storeys: int
    wall: str
    trim: str
    shop: bool

    @property
    def height(self) -> float:
        """Metres from the pavement to the eaves."""
        return GROUND_FLOOR + STOREY * self.storeys


def add_buildings(
    stage: Stage, path: Path, rng: np.random.Generator, *, start: float, end: float, front: float
) -> None:
    """Line both sides of the path with houses, and close the view far away."""
    _paint(stage, rng)
    for side in (1, -1):
        distance, index = start, int(rng.integers(len(WALLS)))
        while distance < end - 6:
            length = min(rng.uniform(8.5, 14.0), end - distance)
            (x0, y0), _ = path.at(distance, side * front)
            (x1, y1), _ = path.at(distance + length, side * front)
            # Seen from the street, every house has its first corner at its left.
            corner, other = ((x0, y0), (x1, y1)) if side > 0 else ((x1, y1), (x0, y0))
            yaw = np.arctan2(other[1] - corner[1], other[0] - corner[0])
            house = House(
                width=float(np.hypot(x1 - x0, y1 - y0)),
                storeys=int(rng.integers(1, 5)),
                wall=WALLS[index % len(WALLS)],
                trim=TRIMS[int(rng.integers(len(TRIMS)))],
                shop=bool(rng.random() < 0.55),
            )
            name = f"building/{'left' if side > 0 else 'right'}_{round(distance - start)}"
            _house(stage, stage.body(name, (*corner, BASE), yaw=yaw), house, rng)
            distance += length + (rng.uniform(1.5, 3.0) if rng.random() < 0.2 else 0.0)
            index += int(rng.integers(1, 4))
    _skyline(stage, path, rng, end)


def _paint(stage: Stage, rng: np.random.Generator) -> None:
    mortar = (0.66, 0.63, 0.58)
    for name, colour, joint in (
        ("red_brick", (0.56, 0.27, 0.21), mortar),
        ("yellow_brick", (0.73, 0.60, 0.40), mortar),
        ("dark_brick", (0.36, 0.28, 0.25), (0.50, 0.48, 0.45)),
    ):
        bricks = courses(colour, joint, rng, rows=16, columns=5, gap=0.13)
        stage.print(name, bricks, metres=1.3)
    stone = courses((0.68, 0.66, 0.61), (0.52, 0.50, 0.46), rng, rows=5, columns=3, gap=0.04)
    stage.print("stone", stone, metres=2.2)
    for name, colour in (
        ("cream", (0.88, 0.82, 0.68)),
        ("terracotta_wall", (0.78, 0.50, 0.36)),
        ("sky_wall", (0.60, 0.70, 0.76)),
        ("sage_wall", (0.66, 0.70, 0.58)),
    ):
        stage.print(name, plaster(colour, rng), metres=6.0)
    roof = courses((0.34, 0.25, 0.23), (0.22, 0.17, 0.16), rng, rows=10, columns=6, gap=0.12)
    stage.print("roof_tiles", roof, metres=2.0)
    stage.paint("trim_white", (0.92, 0.91, 0.87))
    stage.paint("trim_stone", (0.72, 0.69, 0.62))
    stage.paint("trim_dark", (0.22, 0.23, 0.25))
    stage.paint("pane_dark", (0.14, 0.18, 0.22), gloss=0.9, shine=0.9)
    stage.paint("pane_sky", (0.36, 0.46, 0.54), gloss=0.9, shine=0.9)
    stage.paint("pane_curtain", (0.72, 0.68, 0.60), gloss=0.6, shine=0.9)
    stage.paint("door_red", (0.50, 0.12, 0.12), gloss=0.4)
    stage.paint("door_teal", (0.10, 0.34, 0.36), gloss=0.4)
    for name, colour in AWNINGS.items():
        stage.paint(name, colour, gloss=0.05)


def _house(stage: Stage, body: "mujoco.MjsBody", house: House, rng: np.random.Generator) -> None:
    """Raise the walls, then everything that lies before them."""
    width, height = house.width, house.height
    walls = box((width, DEPTH, height), (width / 2, DEPTH / 2, height / 2))
    stage.skin(body, walls, house.wall)
    trims = [
        box((width + 0.24, 0.5, 0.28), (width / 2, -0.02, height - 0.05)),
        box((width + 0.04, 0.22, 0.16), (width / 2, -0.02, GROUND_FLOOR - 0.1)),
        box((width + 0.02, 0.12, 0.5), (width / 2, -0.02, 0.25)),
    ]
    panes: dict[str, list[Mesh]] = {}
    columns = max(2, int(width / 2.7))
    pitch = width / columns
    for storey in range(house.storeys):
        low = GROUND_FLOOR + STOREY * storey + 0.75
        for column in range(columns):
            name = ("pane_dark", "pane_sky", "pane_curtain")[int(rng.choice(3, p=(0.5, 0.3, 0.2)))]
            _window(panes.setdefault(name, []), trims, pitch * (column + 0.5), low, (1.15, 1.75))
    _front_door_and_shop(stage, body, house, panes, trims, rng)
    for name, meshes in sorted(panes.items()):
        stage.skin(body, merged(meshes), name)
    stage.skin(body, merged(trims), house.trim)
    _roof(stage, body, house)


def _window(
    panes: list[Mesh],
    frames: list[Mesh],
    x: float,
    low: float,
    size: Vector,
) -> None:
    """Add a pane, the frame that stands out before it, a bar across it and a sill below."""
    width, height = size
    panes.append(box((width, 0.03, height), (x, -0.005, low + height / 2)))
    for side in (-1, 1):
        edge = x + side * (width / 2 + 0.05)
        frames.append(box((0.12, 0.16, height + 0.22), (edge, -0.02, low + height / 2)))
    frames.append(box((width, 0.16, 0.12), (x, -0.02, low + height + 0.05)))
    frames.append(box((width + 0.34, 0.34, 0.10), (x, -0.04, low - 0.05)))
    frames.append(box((width, 0.06, 0.05), (x, -0.01, low + 0.62 * height)))
    frames.append(box((0.05, 0.06, height), (x, -0.01, low + height / 2)))


def _front_door_and_shop(
    stage: Stage,
    body: "mujoco.MjsBody",
    house: House,
    panes: dict[str, list[Mesh]],
    trims: list[Mesh],
    rng: np.random.Generator,
) -> None:
    """Fill the ground floor: a door at one end, and a shop window or plain windows beside it."""
    door_x = 1.1 if rng.random() < 0.5 else house.width - 1.1
    door = ("door_red", "door_teal")[int(rng.integers(2))]
    stage.skin(body, box((1.05, 0.06, 2.3), (door_x, -0.02, 1.2)), door)
    panes.setdefault("pane_dark", []).append(box((1.05, 0.05, 0.45), (door_x, -0.02, 2.62)))
    trims += [box((0.14, 0.18, 2.9), (door_x + x, -0.03, 1.45)) for x in (-0.6, 0.6)]
    trims.append(box((1.5, 0.3, 0.16), (door_x, -0.06, 2.95)))
    trims.append(box((1.5, 0.7, 0.14), (door_x, -0.3, 0.07)))
    low, high = (2.1, house.width - 0.6) if door_x < 2 else (0.6, house.width - 2.1)
    middle, width = (low + high) / 2, high - low
    if not house.shop:
        count = max(1, int(width / 2.4))
        for index in range(count):
            x = low + width * (index + 0.5) / count
            _window(panes.setdefault("pane_dark", []), trims, x, 1.0, (1.2, 1.8))
        return
    panes.setdefault("pane_sky", []).append(box((width, 0.03, 2.2), (middle, -0.02, 1.6)))
    trims += [box((0.10, 0.14, 2.3), (x, -0.04, 1.6)) for x in np.linspace(low, high, 4)]
    trims.append(box((width + 0.2, 0.14, 0.12), (middle, -0.04, 2.75)))
    awning = list(AWNINGS)[int(rng.integers(len(AWNINGS)))]
    stage.skin(body, box((width + 0.2, 0.12, 0.55), (middle, -0.07, 3.25)), awning)
    x0, x1 = low - 0.1, high + 0.1
    cloth = sheet(np.array([
        [[x0, -1.15, 2.35], [x1, -1.15, 2.35]],
        [[x0, -1.15, 2.52], [x1, -1.15, 2.52]],
        [[x0, -0.05, 3.0], [x1, -0.05, 3.0]],
    ]))  # fmt: skip
    stage.skin(body, merged([cloth, cloth.flipped().moved((0, 0.01, -0.01))]), awning)


def _roof(stage: Stage, body: "mujoco.MjsBody", house: House) -> None:
    """Pitch a tiled roof over low houses; higher ones end in a parapet with a stair head."""
    width, height = house.width, house.height
    if house.storeys > 2:
        stage.skin(body, box((width, 0.3, 0.7), (width / 2, 0.15, height + 0.35)), house.wall)
        head = box((2.6, 3.0, 2.2), (width * 0.4, DEPTH / 2, height + 1.1))
        stage.skin(body, head, house.wall)
        return
    rise = 2.6
    eaves, ridge = height + 0.05, height + rise
    slope = np.array([
        [[-0.1, -0.35, eaves], [width + 0.1, -0.35, eaves]],
        [[-0.1, DEPTH / 2, ridge], [width + 0.1, DEPTH / 2, ridge]],
        [[-0.1, DEPTH + 0.35, eaves], [width + 0.1, DEPTH + 0.35, eaves]],
    ])  # fmt: skip
    stage.skin(body, sheet(slope), "roof_tiles")
    gables = [
        sheet(
            np.array([[[x, DEPTH, height], [x, 0.0, height]], [[x, DEPTH / 2, ridge - 0.05]] * 2])
        )
        for x in (0.0, width)
    ]
    stage.skin(body, merged([gables[0], gables[1].flipped()]), house.wall)
    chimney = box((0.8, 0.6, 1.6), (width * 0.75, DEPTH * 0.4, ridge + 0.1))
    stage.skin(body, chimney, "red_brick")


def _skyline(stage: Stage, path: Path, rng: np.random.Generator, end: float) -> None:
    """Stand taller blocks behind the street's end, so that it does not end in a field."""
    for index, offset in enumerate(np.linspace(-46, 46, 7)):
        place, heading = path.at(end + 14 + rng.uniform(0, 12), offset)
        width, height = rng.uniform(11, 16), rng.uniform(12, 30)
        yaw = heading - np.pi / 2
        block = stage.body(f"building/far_{index}", (*place, 0), yaw=yaw)
        wall = WALLS[int(rng.integers(len(WALLS)))]
        stage.skin(block, box((width, 12, height), (0, 6, height / 2)), wall)
        rows = [
            box((width * 0.86, 0.1, 1.4), (0, -0.02, z)) for z in np.arange(4.0, height - 2, 3.2)
        ]
        stage.skin(block, merged(rows), "pane_dark")
