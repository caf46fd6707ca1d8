"""Build cars of a colour and body style: revolved and lofted meshes on MuJoCo bodies.

A car's origin lies on the ground under its middle, its nose along +x. Its four wheels are bodies
of their own, since they turn.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.simulators.building._meshes import Mesh, Vector, box, lathe, merged, sheet
from simlift.simulators.building._stage import Stage
from simlift.simulators.mujoco._library import mujoco

UPRIGHT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # +z turns into -y: axles lie across


@dataclass(frozen=True)
class Style:
    """Side view of a body style, in metres; every profile is (x, height) from tail to nose."""

    length: float
    width: float
    wheel_radius: float
    wheelbase: float
    shoulder: tuple[Vector, ...]  # the top of the lower body
    roof: tuple[Vector, ...]  # the glass house, from its rear foot to its front foot
    sill: float = 0.24


HATCHBACK = Style(
    4.0, 1.76, 0.31, 2.52,
    ((-2.0, 0.72), (-1.9, 0.93), (-1.2, 0.98), (0.2, 0.96), (0.95, 0.93), (1.65, 0.80),
     (1.93, 0.66), (2.0, 0.52)),
    ((-1.88, 0.90), (-1.55, 1.36), (-1.2, 1.46), (-0.2, 1.50), (0.25, 1.42), (1.05, 0.90)),
)  # fmt: skip
SALOON = Style(
    4.6, 1.82, 0.32, 2.75,
    ((-2.3, 0.66), (-2.24, 0.93), (-1.6, 1.0), (-0.6, 0.98), (0.3, 0.96), (1.0, 0.93), (1.9, 0.80),
     (2.22, 0.66), (2.3, 0.50)),
    ((-1.75, 0.95), (-1.05, 1.34), (-0.5, 1.44), (0.1, 1.43), (0.45, 1.34), (1.15, 0.90)),
)  # fmt: skip
SUV = Style(
    4.5, 1.88, 0.36, 2.68,
    ((-2.25, 0.80), (-2.18, 1.02), (-1.2, 1.10), (0.2, 1.08), (1.0, 1.05), (1.85, 0.96),
     (2.16, 0.80), (2.25, 0.60)),
    ((-2.12, 1.0), (-1.88, 1.52), (-1.5, 1.66), (-0.2, 1.70), (0.35, 1.60), (1.10, 1.02)),
    sill=0.30,
)  # fmt: skip
VAN = Style(
    5.2, 1.96, 0.34, 3.2,
    ((-2.6, 0.85), (-2.58, 1.10), (-1.2, 1.14), (0.8, 1.12), (1.7, 1.08), (2.3, 0.98), (2.52, 0.80),
     (2.6, 0.60)),
    ((-2.56, 1.08), (-2.5, 1.95), (-2.2, 2.12), (0.6, 2.14), (1.1, 2.02), (2.05, 1.02)),
    sill=0.30,
)  # fmt: skip
STYLES = {"hatchback": HATCHBACK, "saloon": SALOON, "suv": SUV, "van": VAN}


def paint_shared(stage: Stage) -> None:
    """Define what all cars have in common."""
    stage.paint("car_glass", (0.10, 0.13, 0.16), gloss=1.0, shine=0.9)
    stage.paint("tyre", (0.09, 0.09, 0.10), gloss=0.1)
    stage.paint("rim", (0.66, 0.67, 0.69), gloss=0.9, shine=0.7, metal=True)
    stage.paint("trim", (0.08, 0.08, 0.09), gloss=0.3)
    stage.paint("headlight", (0.94, 0.95, 0.92), gloss=1.0, shine=0.9, glow=0.25)
    stage.paint("taillight", (0.75, 0.07, 0.06), gloss=0.8, glow=0.25)
    stage.paint("number_plate", (0.92, 0.92, 0.86), gloss=0.2)


def add_car(stage: Stage, name: str, style: Style, paint: str, *, moving: bool) -> "mujoco.MjsBody":
    """Build a car at the origin; a moving one has a free joint and hinges at its wheels."""
    car = stage.body(f"car/{name}")
    if moving:
        car.add_freejoint()
        car.mass, car.inertia, car.explicitinertial = 1400.0, [500, 2000, 2200], True
    stage.skin(car, _lower_body(style), paint)
    cabin, panels = _cabin(style)
    solid_sides = style is VAN
    stage.skin(car, cabin, "car_glass")
    stage.skin(car, merged([panels, _van_sides(style)]) if solid_sides else panels, paint)
    _details(stage, car, style)
    _mirrors(stage, car, style, paint)
    for end, x in (("front", style.wheelbase / 2), ("rear", -style.wheelbase / 2)):
        for side, y in (("left", 1.0), ("right", -1.0)):
            place = (x, y * (style.width / 2 - 0.085), style.wheel_radius)
            _wheel(stage, car, f"car/{name}_{end}_{side}_wheel", place, style, moving=moving)
    return car


def _sections(
    x: Float[np.ndarray, "n"],
    low: Float[np.ndarray, "n"],
    high: Float[np.ndarray, "n"],
    half: Float[np.ndarray, "n"],
    *,
    lean: float,
) -> Float[np.ndarray, "n m 3"]:
    """Return rounded cross-sections from the right foot over the top to the left foot.

    `lean` is the part of the half width that is lost from foot to top.
    """
    side = np.array([0.0, 0.15, 0.45, 0.75, 0.90, 0.98, 1.0, 1.0])  # up the flank
    inward = np.array([0.03, 0.0, 0.0, 0.012, 0.04, 0.10, 0.22, 0.55]) + lean * side
    up = np.concatenate([side, side[::-1]])
    across = np.concatenate([-(1 - inward), (1 - inward)[::-1]])
    z = low[:, None] + (high - low)[:, None] * up[None]
    y = half[:, None] * across[None]
    return np.stack([np.broadcast_to(x[:, None], z.shape), y, z], axis=-1)


def _lower_body(style: Style) -> Mesh:
    """Loft the body below the windows; its ends are rounded in plan."""
    knots = np.array(style.shoulder)
    end = style.length / 2
    x = end * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 33))
    high = np.interp(x, *knots.T)
    taper = np.sqrt(np.maximum(1 - (np.abs(x) / (end * 1.005)) ** 9, 0.0))
    half = style.width / 2 * (0.80 + 0.20 * taper)
    low = style.sill + 0.10 * (np.abs(x) / end) ** 6
    grid = _sections(x, low, np.maximum(high, low + 0.15), half, lean=0.06)
    return merged([_loft(grid), _cap(grid[0]), _cap(grid[-1]).flipped()])


def _loft(sections: Float[np.ndarray, "n m 3"]) -> Mesh:
    """Skin cross-sections that go from tail to nose."""
    return sheet(sections).flipped()


def _cap(section: Float[np.ndarray, "m 3"]) -> Mesh:
    """Close the tail: pair the points of the right flank with those of the left."""
    half = len(section) // 2
    return sheet(np.stack([section[:half], section[half:][::-1]], axis=1)).flipped()


def _cabin(style: Style) -> tuple[Mesh, Mesh]:
    """Loft the glass house, and the roof and pillars that lie just outside it."""
    knots = np.array(style.roof)
    fine = np.linspace(0, len(knots) - 1, 41)
    x = np.interp(fine, np.arange(len(knots)), knots[:, 0])
    high = np.interp(fine, np.arange(len(knots)), knots[:, 1])
    foot = np.interp(x, *np.array(style.shoulder).T) - 0.06
    high = np.maximum(high, foot + 0.02)
    half = np.full_like(x, style.width / 2 * 0.955)
    lean = 0.20
    glass = _sections(x, foot, high, half, lean=lean)
    top = (knots[1, 0] - 0.02, knots[-2, 0] + 0.02)  # between the rear window and the windscreen
    middle = (top[0] + top[1]) / 2 - 0.05
    pillars = [(top[0] - 0.10, top[0] + 0.06), (middle - 0.045, middle + 0.045)]
    panels = []
    outside = _sections(x, foot, high + 0.012, half + 0.012, lean=lean)
    on_roof = np.flatnonzero((x >= top[0] - 0.05) & (x <= top[1] + 0.05))
    panels.append(_loft(outside[on_roof][:, 5:-5]))
    for low_x, high_x in pillars:
        grid_x = np.linspace(low_x, high_x, 4)
        order = np.argsort(x, kind="stable")
        post = _sections(
            grid_x,
            np.interp(grid_x, x[order], foot[order]),
            np.interp(grid_x, x[order], high[order]) + 0.012,
            np.full_like(grid_x, half[0] + 0.014),
            lean=lean,
        )
        panels += [_loft(post[:, :7]), _loft(post[:, -7:])]
    # The windscreen's pillars run down its edges.
    rake = np.flatnonzero(x >= top[1])
    panels += [_loft(outside[rake][:, 4:7]), _loft(outside[rake][:, -7:-4])]
    return _loft(glass), merged(panels)


def _van_sides(style: Style) -> Mesh:
    """Cover the load space's windows."""
    x = np.linspace(style.roof[0][0] + 0.02, 0.35, 12)
    foot = np.interp(x, *np.array(style.shoulder).T) - 0.06
    high = np.interp(x, *np.array(style.roof).T) + 0.012
    half = np.full_like(x, style.width / 2 * 0.955 + 0.014)
    return _loft(_sections(x, foot, high, half, lean=0.20))


def _details(stage: Stage, car: "mujoco.MjsBody", style: Style) -> None:
    """Add lights, bumpers, number plates, sills and the dark arches above the wheels."""
    end, half, sill = style.length / 2, style.width / 2, style.sill
    lamp = np.interp(end - 0.12, *np.array(style.shoulder).T)
    stage.skin(car, merged([
        box((0.16, 0.36, 0.13), (end - 0.13, y, lamp - 0.13)) for y in (-half * 0.60, half * 0.60)
    ]), "headlight")  # fmt: skip
    rear = style.shoulder[1][1]
    stage.skin(car, merged([
        box((0.14, 0.24, 0.16), (-end + 0.06, y, rear - 0.12)) for y in (-half * 0.60, half * 0.60)
    ]), "taillight")  # fmt: skip
    places = ((end + 0.012, sill + 0.17), (-end - 0.012, sill + 0.30))
    plates = [box((0.02, 0.5, 0.11), (x, 0, z)) for x, z in places]
    stage.skin(car, merged(plates), "number_plate")
    dark = [
        box((0.08, half * 1.25, 0.10), (end - 0.02, 0, sill + 0.30)),
        box((0.10, half * 1.35, 0.14), (end - 0.05, 0, sill + 0.08)),
        box((0.10, half * 1.35, 0.16), (-end + 0.05, 0, sill + 0.08)),
        box((style.wheelbase - 2 * style.wheel_radius - 0.1, style.width * 0.96, 0.12),
            (0, 0, sill + 0.02)),
    ]  # fmt: skip
    turn = np.linspace(-0.15, np.pi + 0.15, 20)
    rings = np.array([style.wheel_radius * 0.9, style.wheel_radius + 0.05])[:, None]
    arch = np.stack([rings * np.cos(turn), 0 * rings * turn, rings * np.sin(turn)], axis=-1)
    for x in (-style.wheelbase / 2, style.wheelbase / 2):
        for y in (0.006 - half, half - 0.006):
            flat = sheet(arch).moved((x, y, style.wheel_radius))
            dark.append(flat if y < 0 else flat.flipped())
    stage.skin(car, merged(dark), "trim")


def _mirrors(stage: Stage, car: "mujoco.MjsBody", style: Style, paint: str) -> None:
    x, z = style.roof[-1][0] - 0.22, style.roof[-1][1] + 0.07
    sides = (-style.width / 2 - 0.06, style.width / 2 + 0.06)
    stage.skin(car, merged([box((0.10, 0.17, 0.12), (x, y, z)) for y in sides]), paint)


def _wheel(
    stage: Stage,
    car: "mujoco.MjsBody",
    name: str,
    place: Vector,
    style: Style,
    *,
    moving: bool,
) -> None:
    """Hang a wheel: a tyre with a dark well, and five spokes."""
    wheel = stage.body(name, place, parent=car)
    if moving:
        wheel.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 1, 0])
        wheel.mass, wheel.inertia, wheel.explicitinertial = 18.0, [0.5, 1.0, 0.5], True
    radius, half = style.wheel_radius, 0.105
    inner = radius * 0.66
    tyre = lathe([
        (0, -half + 0.03), (inner, -half + 0.02), (inner, -half), (radius - 0.03, -half),
        (radius, -half + 0.03), (radius, half - 0.03), (radius - 0.03, half), (inner, half),
        (inner, half - 0.02), (0, half - 0.03),
    ], sides=28)  # fmt: skip
    stage.skin(wheel, tyre.turned(UPRIGHT), "tyre")
    spokes = []
    for face in (-half + 0.02, half - 0.02):
        for turn in np.linspace(0, 2 * np.pi, 5, endpoint=False):
            spoke = box((inner * 0.92, 0.07, 0.03), (inner * 0.5, 0, face)).moved((0, 0, 0), turn)
            spokes.append(spoke)
        spokes.append(lathe([(inner - 0.02, face + 0.014), (inner - 0.02, face - 0.014),
                             (inner, face - 0.014), (inner, face + 0.014),
                             (inner - 0.02, face + 0.014)], sides=28))  # fmt: skip
    stage.skin(wheel, merged(spokes).turned(UPRIGHT), "rim")
