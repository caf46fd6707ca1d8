"""Build a street: road, pavements, trees, lamps, parked cars.

Offsets from the centre line, in metres, on either side: lanes to LANE, parked cars to KERB,
pavement to FRONT, where the buildings begin.
"""

import numpy as np

from simlift.simulators.building._meshes import (
    Mesh,
    Number,
    ball,
    box,
    cylinder,
    lathe,
    merged,
    rough,
    sheet,
    tube,
)
from simlift.simulators.building._stage import Stage
from simlift.simulators.building._textures import asphalt, bark, courses, grass, leaves
from simlift.simulators.drive._buildings import add_buildings
from simlift.simulators.drive._cars import STYLES, add_car
from simlift.simulators.drive._street_path import Path

LANE, KERB, FRONT = 3.4, 5.6, 9.4
PAVEMENT_HEIGHT = 0.13
START, END = -12.0, 88.0
CROSSING = 33.0  # the zebra crossing's distance
CAR_PAINTS = {
    "silver": (0.66, 0.68, 0.70), "red": (0.62, 0.10, 0.10), "blue": (0.12, 0.24, 0.46),
    "white": (0.90, 0.90, 0.88), "black": (0.10, 0.10, 0.11), "green": (0.15, 0.34, 0.26),
    "orange": (0.80, 0.38, 0.10), "sand": (0.70, 0.62, 0.48),
}  # fmt: skip


def build_street(stage: Stage, path: Path, rng: np.random.Generator) -> None:
    """Build everything that never moves."""
    for name, colour in CAR_PAINTS.items():
        stage.paint(f"car_{name}", colour, gloss=0.8, shine=0.85)
    _ground(stage, path, rng)
    _markings(stage, path)
    add_buildings(stage, path, rng, start=START, end=END, front=FRONT)
    _trees(stage, path, rng)
    _lamps(stage, path)
    _parked_cars(stage, path, rng)
    _furniture(stage, path)


def _ground(stage: Stage, path: Path, rng: np.random.Generator) -> None:
    stage.print("asphalt", asphalt(rng), metres=3.0, gloss=0.05)
    slabs = courses((0.62, 0.60, 0.57), (0.42, 0.41, 0.39), rng, rows=6, columns=4, gap=0.05)
    stage.print("slabs", slabs, metres=2.4, gloss=0.05)
    stage.print("grass", grass(rng), metres=4.0, gloss=0.0)
    stage.paint("kerbstone", (0.58, 0.57, 0.55), gloss=0.05)
    ground = stage.body("terrain/ground")
    stage.skin(ground, box((170, 240, 0.1), (40, 0, -0.09)), "grass")
    road = stage.body("road/road")
    surface = path.strip(START, END, (-KERB, 0, KERB), (0, 0.04, 0))
    stage.skin(road, sheet(surface).flipped(), "asphalt")
    for side, name in ((1, "left"), (-1, "right")):
        high = PAVEMENT_HEIGHT
        near, edge, far = (side * offset for offset in (KERB, KERB + 0.15, FRONT + 4))
        kerb = sheet(path.strip(START, END, (near, near, edge), (0, high, high)))
        slab = sheet(path.strip(START, END, (edge, far), (high, high)))
        pavement = stage.body(f"sidewalk/{name}_sidewalk")
        stage.skin(pavement, kerb.flipped() if side > 0 else kerb, "kerbstone")
        stage.skin(pavement, slab.flipped() if side > 0 else slab, "slabs")


def _markings(stage: Stage, path: Path) -> None:
    """Paint the centre line, the edges of the parking lanes and a zebra crossing."""
    stage.paint("road_paint", (0.88, 0.88, 0.84), gloss=0.05)
    stage.paint("manhole", (0.22, 0.22, 0.23), gloss=0.4)
    lift = 0.008

    def line(start: Number, end: Number, offset: Number, width: Number) -> Mesh:
        edges = (offset - width / 2, offset + width / 2)
        heights = [0.04 * (1 - abs(e) / KERB) + lift for e in edges]
        return sheet(path.strip(start, end, edges, (heights[0], heights[1]))).flipped()

    dashes = [line(s, s + 2.6, 0, 0.14) for s in np.arange(START, END - 3, 5.2)
              if abs(s + 1.3 - CROSSING) > 4]  # fmt: skip
    edges = [line(s, s + 1.0, side * LANE, 0.10) for s in np.arange(START, END - 2, 2.0)
             for side in (-1, 1) if abs(s - CROSSING) > 3]  # fmt: skip
    zebra = [line(CROSSING - 1.6, CROSSING + 1.6, o, 0.5) for o in np.arange(-5, 5.1, 1.0)]
    stops = [line(CROSSING - 3.1, CROSSING - 2.8, -LANE / 2, LANE - 0.3)]
    paint = stage.body("lane_marking/markings")
    stage.skin(paint, merged(dashes + edges + zebra + stops), "road_paint")
    for index, (distance, offset) in enumerate(((9.0, -0.9), (23.5, 1.2), (41.0, -1.1))):
        place, _ = path.at(distance, offset)
        cover = stage.body(f"manhole/manhole_{index}", (*place, 0.036))
        stage.skin(cover, cylinder(0.33, 0, 0.01, sides=28), "manhole")


def _trees(stage: Stage, path: Path, rng: np.random.Generator) -> None:
    stage.print("bark", bark(rng), metres=0.8, gloss=0.0)
    greens = ((0.25, 0.38, 0.13), (0.31, 0.43, 0.15), (0.42, 0.45, 0.14), (0.20, 0.34, 0.16))
    for index, colour in enumerate(greens):
        stage.print(f"foliage_{index}", leaves(colour, rng), metres=1.6, gloss=0.0)
    stage.paint("tree_pit", (0.24, 0.19, 0.15), gloss=0.0)
    for index, distance in enumerate(np.arange(5.0, END - 4, 6.5)):
        side = 1 if index % 2 else -1
        place, heading = path.at(distance + rng.uniform(-0.8, 0.8), side * (KERB + 1.0))
        if abs(distance - CROSSING) < 3:
            continue
        tree = stage.body(f"tree/tree_{index}", (*place, PAVEMENT_HEIGHT), yaw=heading)
        height = rng.uniform(2.5, 3.2)
        stage.skin(tree, box((1.1, 1.1, 0.01), (0, 0, 0.005)), "tree_pit")
        trunk = lathe([(0.19, 0), (0.13, 0.3), (0.10, height), (0.06, height + 1.2)], sides=14)
        stage.skin(tree, trunk, "bark")
        clumps: dict[int, list[Mesh]] = {}
        for _ in range(26):
            turn, out = rng.uniform(0, 6.28), rng.uniform(0.1, 1.25)
            centre = (
                out * np.cos(turn),
                out * np.sin(turn),
                height + rng.uniform(0.2, 2.5) - 0.3 * out,
            )
            blob = rough(ball(rng.uniform(0.38, 0.72), rings=12, sides=18), 0.45, rng)
            clumps.setdefault(int(rng.integers(4)), []).append(blob.moved(centre))
        for tint, blobs in sorted(clumps.items()):
            stage.skin(tree, merged(blobs), f"foliage_{tint}")


def _lamps(stage: Stage, path: Path) -> None:
    stage.paint("lamp_post", (0.17, 0.22, 0.21), gloss=0.5)
    stage.paint("lamp_glass", (0.95, 0.93, 0.84), gloss=0.6, glow=0.2)
    for index, distance in enumerate(np.arange(8.5, END - 4, 13.0)):
        side = -1 if index % 2 else 1
        place, heading = path.at(distance, side * (KERB + 0.6))
        # Its arm reaches over the road.
        yaw = heading - side * np.pi / 2
        lamp = stage.body(f"street_lamp/lamp_{index}", (*place, PAVEMENT_HEIGHT), yaw=yaw)
        bend = np.linspace(0, np.pi / 2, 8)
        arm = np.stack([1.1 * (1 - np.cos(bend)), 0 * bend, 5.6 + 0.8 * np.sin(bend)], axis=1)
        pole = lathe([(0.11, 0), (0.11, 0.7), (0.06, 0.8), (0.05, 5.6)], sides=14)
        stage.skin(lamp, merged([pole, tube(arm, 0.04)]), "lamp_post")
        stage.skin(lamp, box((0.75, 0.24, 0.10), (1.4, 0, 6.43)), "lamp_post")
        stage.skin(lamp, box((0.6, 0.18, 0.03), (1.4, 0, 6.365)), "lamp_glass")


def _parked_cars(stage: Stage, path: Path, rng: np.random.Generator) -> None:
    """Fill both parking lanes, leaving gaps, the crossing, and the place a car pulls out of."""
    colours, styles = list(CAR_PAINTS), ["hatchback", "saloon", "suv", "hatchback", "van", "saloon"]
    index = 0
    for side in (1, -1):
        distance = 3.0 if side > 0 else 8.0
        while distance < END - 6:
            style = STYLES[styles[index % len(styles)]]
            leaving = side < 0 and 6.0 < distance < 21.5
            if abs(distance - CROSSING) > 5.5 and not leaving and rng.random() > 0.16:
                offset = side * (LANE + 1.15 + rng.uniform(-0.08, 0.08))
                place, heading = path.at(distance, offset)
                paint = f"car_{colours[int(rng.integers(len(colours)))]}"
                car = add_car(stage, f"parked_{index}", style, paint, moving=False)
                yaw = heading + (np.pi if side > 0 else 0) + rng.uniform(-0.03, 0.03)
                car.pos, car.quat = [*place, 0.0], [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
            distance += style.length + rng.uniform(1.0, 1.9)
            index += 1


def _furniture(stage: Stage, path: Path) -> None:
    """Stand a crossing sign, bins and a bench on the pavement."""
    stage.paint("sign_blue", (0.10, 0.28, 0.60), gloss=0.3)
    stage.paint("sign_white", (0.94, 0.94, 0.94), gloss=0.3)
    stage.paint("bin_green", (0.14, 0.36, 0.25), gloss=0.3)
    stage.paint("bench_wood", (0.55, 0.36, 0.20), gloss=0.1)
    for index, (side, offset) in enumerate(((-1, -3.2), (1, 3.2))):
        place, heading = path.at(CROSSING + offset, side * (KERB + 0.45))
        yaw = heading + (np.pi if side < 0 else 0)  # it faces the traffic of its side
        sign = stage.body(f"traffic_sign/crossing_{index}", (*place, PAVEMENT_HEIGHT), yaw=yaw)
        stage.skin(sign, cylinder(0.035, 0, 2.9, sides=12), "rim")
        stage.skin(sign, box((0.03, 0.62, 0.62), (0.04, 0, 2.55)), "sign_blue")
        triangle = np.array([[[0.06, -0.24, 2.32], [0.06, 0.24, 2.32]],
                             [[0.06, -0.01, 2.78], [0.06, 0.01, 2.78]]])  # fmt: skip
        stage.skin(sign, sheet(triangle), "sign_white")
    for index, (distance, side) in enumerate(((12.0, -1), (19.5, 1), (37.0, 1), (52.0, -1))):
        place, _ = path.at(distance, side * (KERB + 0.7))
        bin_ = stage.body(f"bin/bin_{index}", (*place, PAVEMENT_HEIGHT))
        shape = lathe(
            [(0, 0), (0.2, 0), (0.24, 0.8), (0.26, 0.82), (0.2, 0.95), (0, 0.98)], sides=20
        )
        stage.skin(bin_, shape, "bin_green")
    place, heading = path.at(14.5, KERB + 2.6)
    bench = stage.body("bench/bench", (*place, PAVEMENT_HEIGHT), yaw=heading)
    planks = [box((1.7, 0.11, 0.04), (0, y, 0.45)) for y in (-0.2, -0.06, 0.08)]
    planks += [box((1.7, 0.03, 0.1), (0, 0.2, z)) for z in (0.6, 0.75)]
    stage.skin(bench, merged(planks), "bench_wood")
    feet = [box((0.06, 0.45, 0.45), (x, 0, 0.22)) for x in (-0.7, 0.7)]
    feet += [box((0.06, 0.04, 0.8), (x, 0.23, 0.42)) for x in (-0.7, 0.7)]
    stage.skin(bench, merged(feet), "lamp_post")
