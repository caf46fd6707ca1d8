"""Simulate a drive episode from a spec and a seed: a camera drives down a street in traffic.

Everything moves along prescribed paths; no forces act.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from simlift.simulators.building._stage import Stage
from simlift.simulators.drive._cars import STYLES, Style, add_car, paint_shared
from simlift.simulators.drive._people import add_pedestrian, gait, paint_people
from simlift.simulators.drive._street import (
    CROSSING,
    FRONT,
    KERB,
    LANE,
    PAVEMENT_HEIGHT,
    build_street,
)
from simlift.simulators.drive._street_path import Path, bending_path
from simlift.simulators.mujoco._episode import Episode, fixed_camera, save_state
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._segments import segments_of
from simlift.simulators.recording import Recording
from simlift.simulators.tabletop._inverse_kinematics import minimum_jerk

EYE_HEIGHT = 1.42  # of the camera behind the windscreen
EGO_SPEED = 8.5  # metres per second
NOMINAL = 2.0  # seconds: after them, those who change lanes or turn have done so


Motion: TypeAlias = Callable[[float], float]  # time in seconds to metres


@dataclass(frozen=True, eq=False)
class Mover:
    """A body on its way: its distance along the street and its offset, over time."""

    name: str
    distance: Motion
    offset: Motion
    style: Style | None = None  # None for a pedestrian


def simulate_drive(*, height: int, width: int, fps: int, num_frames: int, seed: int) -> Recording:
    """Build the street, and move everything on it along its way."""
    rng = np.random.default_rng(seed)
    turn = 0.55 * (1 if rng.random() < 0.5 else -1)
    path = bending_path(-40, 160, turn=turn, around=19 + rng.uniform(-2, 2))
    stage = Stage()
    paint_shared(stage)
    build_street(stage, path, rng)
    movers = (*_traffic(stage), *_pedestrians(stage, rng))
    _ego_camera(stage)
    _daylight(stage)
    model = stage.spec.compile()
    times = np.arange(num_frames) / fps
    states = _states(model, path, movers, times)
    segments = segments_of(model, frozenset())
    episode = Episode(model, states, fixed_camera(model, "windscreen"), segments, height, width)
    return episode.recording(
        fps,
        caption="A drive down a city street in daylight: brick and painted houses with shops, "
        "trees, parked cars, an oncoming car, a car that pulls out ahead, and people walking.",
    )


def _along(start: float, speed: float, gain: float = 0.0) -> Motion:
    """Move with a constant acceleration of `gain`."""
    return lambda time: start + speed * time + 0.5 * gain * time * time


def _staying(offset: float) -> Motion:
    return lambda _: offset


def _traffic(stage: Stage) -> tuple[Mover, ...]:
    """Put a car ahead, one that pulls out from the kerb, and two oncoming on the road."""
    lane, parked = LANE / 2, LANE + 1.1

    def pulling_out(time: float) -> float:
        return (parked - lane) * minimum_jerk(time, -0.6, 0.9 * NOMINAL) - parked

    movers = (
        Mover("silver_saloon", _along(19.0, 9.4, 0.6), _staying(-lane), STYLES["saloon"]),
        Mover("orange_hatchback", _along(10.6, 4.4, 2.6), pulling_out, STYLES["hatchback"]),
        Mover("red_suv", _along(29.0, -8.8, 0.3), _staying(lane), STYLES["suv"]),
        Mover("white_van", _along(46.0, -8.2, 0.2), _staying(lane), STYLES["van"]),
    )
    for mover in movers:
        colour, _, _ = mover.name.partition("_")
        add_car(stage, mover.name, STYLES[mover.name.split("_")[1]], f"car_{colour}", moving=True)
    return movers


def _pedestrians(stage: Stage, rng: np.random.Generator) -> tuple[Mover, ...]:
    """Walk people along both pavements, and one over the street far ahead."""
    outfits = paint_people(stage)
    near, far = KERB + 1.9, FRONT - 0.8
    walks = ((13.5, 1.35, -near), (17.0, -1.25, near), (24.5, 1.2, far), (30.0, -1.3, -far),
             (21.0, -1.4, -near - 0.6))  # fmt: skip
    movers = [
        Mover(f"walker_{i}", _along(start + rng.uniform(-0.7, 0.7), speed), _staying(offset))
        for i, (start, speed, offset) in enumerate(walks)
    ]
    movers.append(Mover("crosser", _staying(CROSSING + 14.0), lambda time: 4.6 - 1.4 * time))
    for index, mover in enumerate(movers):
        add_pedestrian(stage, mover.name, outfits[index % len(outfits)])
    return tuple(movers)


def _ego_camera(stage: Stage) -> None:
    ego = stage.spec.worldbody.add_body(name="ego/ego", mocap=True)
    pitch = np.deg2rad(1.5)
    ego.add_camera(
        name="windscreen",
        pos=[0.0, 0.0, EYE_HEIGHT],
        xyaxes=[0, -1, 0, np.sin(pitch), 0, np.cos(pitch)],
        fovy=50,
    )


def _daylight(stage: Stage) -> None:
    """Set a sun with shadows, light from the whole sky, and the sky itself."""
    spec = stage.spec
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.28, 0.50, 0.82],
        rgb2=[0.82, 0.89, 0.95],
        width=512,
        height=512 * 6,
    )
    visual = spec.visual
    visual.headlight.ambient[:] = 0.46
    visual.headlight.diffuse[:] = 0.10
    visual.headlight.specular[:] = 0.0
    visual.quality.shadowsize = 8192
    # Lengths are in units of the extent; the sun's shadows cover what the drive passes.
    spec.stat.extent, spec.stat.center = 45.0, [20, 0, 2]
    visual.map.znear, visual.map.zfar, visual.map.shadowclip = 0.004, 2.9, 1.0
    direction = np.array([0.55, 0.50, -0.95])
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=np.array([22.0, 0, 0]) - 40 * direction,
        dir=direction,
        diffuse=[0.78, 0.75, 0.68],
        specular=[0.5, 0.5, 0.48],
        castshadow=True,
    )


def _states(
    model: "mujoco.MjModel", path: Path, movers: tuple[Mover, ...], times: Float[np.ndarray, "t"]
) -> Float[np.ndarray, "t n"]:
    """Place every mover and the camera at every time."""
    data = mujoco.MjData(model)
    states = []
    for time in times:
        for mover in movers:
            _place(model, data, path, mover, float(time))
        along = EGO_SPEED * time - 0.25 * time * time
        place, heading = path.at(along, -LANE / 2)
        data.mocap_pos[0] = [*place, 0.0]
        data.mocap_quat[0] = [np.cos(heading / 2), 0, 0, np.sin(heading / 2)]
        data.time = time
        states.append(save_state(model, data))
    return np.array(states)


def _place(
    model: "mujoco.MjModel", data: "mujoco.MjData", path: Path, mover: Mover, time: float
) -> None:
    def at(moment: float) -> Float[np.ndarray, "2"]:
        return path.at(mover.distance(moment), mover.offset(moment))[0]

    # It faces where it goes.
    ahead, behind = at(time + 0.02), at(time - 0.02)
    heading = float(np.arctan2(*(ahead - behind)[::-1]))
    walked = float(np.linalg.norm(ahead - behind) / 0.04 * time)
    on_pavement = mover.style is None and abs(mover.offset(time)) > KERB
    height = PAVEMENT_HEIGHT if on_pavement else 0.02
    kind = "person" if mover.style is None else "car"
    root = model.jnt_qposadr[model.body(f"{kind}/{mover.name}").jntadr[0]]
    data.qpos[root : root + 7] = [*at(time), height, np.cos(heading / 2), 0, 0, np.sin(heading / 2)]
    if mover.style is None:
        angles = gait(mover.name, walked + 0.37 * len(mover.name) + 0.31 * mover.distance(0.0))
    else:
        names = [
            f"car/{mover.name}_{e}_{s}_wheel" for e in ("front", "rear") for s in ("left", "right")
        ]
        travelled = abs(mover.distance(time) - mover.distance(0.0))
        angles = dict.fromkeys(names, travelled / mover.style.wheel_radius)
    for name, angle in angles.items():
        data.qpos[model.joint(name).qposadr[0]] = angle
