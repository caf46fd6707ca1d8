"""Simulate a tabletop episode from a spec and a seed: the arm puts the lemon into the bowl.

Nothing is attached or placed by hand: fingers close on the lemon, friction carries it, and it
falls when they open. An episode in which that did not happen is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from simlift.core.errors import SimliftError
from simlift.simulators.building._meshes import box
from simlift.simulators.building._stage import Stage
from simlift.simulators.mujoco._episode import (
    Episode,
    fixed_camera,
    robot_track,
    save_state,
)
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._segments import segments_of
from simlift.simulators.recording import Actions, Recording
from simlift.simulators.tabletop._cameras import add_cameras
from simlift.simulators.tabletop._franka import (
    ARM_JOINTS,
    FINGER_JOINTS,
    LINKS,
    OPEN,
    PREFIX,
    TOOL,
    franka_spec,
    with_arm,
)
from simlift.simulators.tabletop._inverse_kinematics import (
    Arm,
    Stroke,
    minimum_jerk,
    pointing_down,
    tool_at,
)
from simlift.simulators.tabletop._objects import (
    BOWL_INSIDE,
    LEMON,
    Layout,
    lay_table,
    random_layout,
)
from simlift.simulators.tabletop._room import TABLE_TOP, furnish

TIMESTEP = 0.002
SETTLING = 1.0  # seconds before the first frame in which everything comes to rest
FOOT = TABLE_TOP + 0.012  # the arm stands on a plate
START = (0.47, 0.03, TABLE_TOP + 0.30)
HOME = (0.0, -0.30, 0.0, -2.2, 0.0, 0.35, 0.0)
NOMINAL = 3.0  # seconds that the plan below takes at its own pace
CLOSE, LET_GO = (0.80, 0.95), (1.92, 2.02)
CARRY_HEIGHT, DROP_HEIGHT = 0.20, 0.125  # of the tool above the table


@dataclass(frozen=True, eq=False)
class Outcome:
    """What happened to the lemon: heights in metres above where it lay, and where it ended."""

    lift: float
    height_when_let_go: float
    final_offset: float  # from the bowl's axis
    final_height: float  # above the bowl's foot
    final_speed: float  # metres per second
    finger_gap_at_end: float


def simulate_tabletop(
    *,
    height: int,
    width: int,
    fps: int,
    num_frames: int,
    seed: int,
    cameras: Sequence[str] = ("front",),
) -> tuple[dict[str, Recording], Outcome]:
    """Build the room, run the episode, check what the arm did; return what each camera sees."""
    rng = np.random.default_rng(seed)
    layout = random_layout(rng)
    model = _build(rng, layout)
    commands = _plan(model, layout, num_frames / fps)
    states, actions = _run(model, commands, fps=fps, num_frames=num_frames)
    segments = segments_of(model, frozenset(model.body(name).id for name in LINKS))
    episode = Episode(model, states, fixed_camera(model, cameras[0]), segments, height, width)
    outcome = _check(episode)
    fingers = actions.state[:, -2:].mean(axis=1)
    robot = with_arm(
        robot_track(
            episode,
            joints=[model.joint(name).id for name in (*ARM_JOINTS, *FINGER_JOINTS)],
            links=[model.body(name).id for name in LINKS],
            gripper=(fingers / OPEN).clip(0, 1),
        )
    )
    recordings = {
        camera: replace(episode, camera=fixed_camera(model, camera)).recording(
            fps,
            caption="A white robot arm picks up a lemon from a cutting mat and drops it into a "
            "blue bowl on a wooden table, in a room with a bookcase, a plant and a brick wall.",
            robot=robot,
            actions=actions,
        )
        for camera in cameras
    }
    return recordings, outcome


def _build(rng: np.random.Generator, layout: Layout) -> "mujoco.MjModel":
    stage = Stage()
    spec = stage.spec
    spec.option.timestep = TIMESTEP
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10  # pads hold by friction, which must not creep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    furnish(stage, rng)
    lay_table(stage, rng, layout)
    plate = stage.body("mount/mount", (-0.02, 0, TABLE_TOP))
    stage.skin(plate, box((0.30, 0.26, FOOT - TABLE_TOP), (0, 0, (FOOT - TABLE_TOP) / 2)), "tin")
    spec.attach(franka_spec(), prefix=PREFIX, frame=spec.worldbody.add_frame(pos=[0, 0, FOOT]))
    _light(spec)
    add_cameras(spec)
    return spec.compile()


def _light(spec: "mujoco.MjSpec") -> None:
    """Set a ceiling lamp and the window's light, as an ordinary simulator scene has them."""
    visual = spec.visual
    visual.headlight.ambient[:] = 0.34
    visual.headlight.diffuse[:] = 0.16
    visual.headlight.specular[:] = 0.0
    visual.quality.shadowsize = 8192
    visual.map.znear, visual.map.zfar = 0.02, 3.25
    spec.stat.extent, spec.stat.center = 2.0, [0.3, 0.2, 0.9]
    spec.worldbody.add_light(
        pos=[1.3, -0.7, 2.9],
        dir=[-0.42, 0.36, -1.0],
        diffuse=[0.74, 0.71, 0.66],
        specular=[0.5, 0.5, 0.5],
        castshadow=True,
        type=mujoco.mjtLightType.mjLIGHT_SPOT,
        cutoff=52,
        exponent=1,
    )
    spec.worldbody.add_light(
        pos=[-1.1, 0.2, 2.3],
        dir=[1.0, -0.15, -0.8],
        diffuse=[0.22, 0.25, 0.30],
        specular=[0.1, 0.1, 0.1],
        castshadow=False,
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
    )


def _plan(model: "mujoco.MjModel", layout: Layout, duration: float) -> Float[np.ndarray, "s 8"]:
    """Return joint targets and the fingers' opening for every physics step."""
    grasp = np.array([*layout.lemon, TABLE_TOP + LEMON[2] + 0.006])
    # The near side of the bowl, beside the orange.
    bowl = (layout.bowl[0] - 0.030, layout.bowl[1] - 0.032, TABLE_TOP + DROP_HEIGHT)
    carry = TABLE_TOP + CARRY_HEIGHT
    # The fingers close across the lemon's long axis.
    turn = layout.lemon_yaw
    strokes = (
        Stroke(0.02, 0.60, (grasp[0] - START[0], grasp[1] - START[1], -0.19), turn),
        Stroke(0.40, 0.80, (0, 0, grasp[2] - START[2] + 0.19)),
        Stroke(0.95, 1.45, (0, 0, carry - grasp[2])),
        Stroke(1.12, 1.78, (bowl[0] - grasp[0], bowl[1] - grasp[1], 0), -turn),
        Stroke(1.52, 1.90, (0, 0, bowl[2] - carry)),
        Stroke(2.02, 2.55, (0, 0, 0.16)),
        Stroke(2.15, 2.95, (-0.14, -0.10, 0.02)),
    )
    pace = duration / NOMINAL
    arm = _arm(model)
    data = mujoco.MjData(model)
    rest = np.array(HOME)
    data.qpos[arm.positions] = rest
    commands = []
    for step in range(round(duration / TIMESTEP)):
        time = step * TIMESTEP / pace
        position, yaw = tool_at(time, np.array(START), strokes)
        joints = arm.solve(data, position, pointing_down(yaw), rest)
        closed = minimum_jerk(time, *CLOSE) - minimum_jerk(time, *LET_GO)
        commands.append([*joints, OPEN * (1 - closed)])
    return np.array(commands)


def _arm(model: "mujoco.MjModel") -> Arm:
    joints = [model.joint(name) for name in ARM_JOINTS]
    return Arm(
        model=model,
        tool=model.site(TOOL).id,
        positions=[int(joint.qposadr[0]) for joint in joints],
        velocities=[int(joint.dofadr[0]) for joint in joints],
        limits=np.array([joint.range for joint in joints]),
    )


def _run(
    model: "mujoco.MjModel", commands: Float[np.ndarray, "s 8"], *, fps: int, num_frames: int
) -> tuple[Float[np.ndarray, "t n"], Actions]:
    """Step the physics through the commands, saving the state at every frame."""
    data = mujoco.MjData(model)
    arm, fingers = _arm(model), [int(model.joint(name).qposadr[0]) for name in FINGER_JOINTS]
    servos = [model.actuator(name).id for name in (*ARM_JOINTS, *FINGER_JOINTS)]
    followed = [*arm.positions, *fingers]

    def command(row: Float[np.ndarray, "8"]) -> None:
        data.ctrl[servos] = [*row, row[-1]]

    data.qpos[arm.positions], data.qpos[fingers] = commands[0, :7], OPEN
    command(commands[0])
    for _ in range(round(SETTLING / TIMESTEP)):
        mujoco.mj_step(model, data)
    data.time = 0.0
    states, state, action = [], [], []
    step = 0
    for frame in range(num_frames):
        while step < round(frame / fps / TIMESTEP):
            command(commands[step])
            mujoco.mj_step(model, data)
            step += 1
        states.append(save_state(model, data))
        state.append(data.qpos[followed].copy())
        # The action is where the arm is sent until the next frame.
        coming = min(round((frame + 1) / fps / TIMESTEP), len(commands) - 1)
        action.append([*commands[coming, :7], commands[coming, 7] / OPEN])
    return np.array(states), Actions(
        state_names=(*ARM_JOINTS, *FINGER_JOINTS),
        action_names=(*ARM_JOINTS, "gripper"),
        state=np.array(state),
        action=np.array(action),
        timestamps=np.arange(num_frames) / fps,
    )


def _check(episode: Episode) -> Outcome:
    """Follow the lemon, and raise unless it was lifted, let go, and lies still in the bowl."""
    model = episode.model
    lemon, bowl = model.body("fruit/lemon").id, model.body("bowl/bowl").id
    speed = model.body("fruit/lemon").dofadr[0]
    held, lemons, bowls, touched = [], [], [], []
    last = 0.0
    for data in episode.visit():
        lemons.append(data.xpos[lemon].copy())
        bowls.append(data.xpos[bowl].copy())
        held.append(_is_held(model, data, lemon))
        touched.append(data.qpos[[model.joint(n).qposadr[0] for n in FINGER_JOINTS]].sum())
        last = float(np.linalg.norm(data.qvel[speed : speed + 3]))
    heights = np.array(lemons)[:, 2] - lemons[0][2]
    when_held = np.flatnonzero(held)
    outcome = Outcome(
        lift=float(heights[when_held].max()) if len(when_held) else 0.0,
        height_when_let_go=float(heights[when_held[-1]]) if len(when_held) else 0.0,
        final_offset=float(np.linalg.norm((lemons[-1] - bowls[-1])[:2])),
        final_height=float(lemons[-1][2] - bowls[-1][2]),
        final_speed=last,
        finger_gap_at_end=float(touched[-1]),
    )
    happened = {
        "lifted by more than 5 cm": outcome.lift > 0.05,
        "let go": not held[-1] and outcome.finger_gap_at_end > 0.06,
        "in the bowl": outcome.final_offset < BOWL_INSIDE and 0 < outcome.final_height < 0.09,
        "at rest": outcome.final_speed < 0.05,
    }
    if missing := [what for what, did in happened.items() if not did]:
        raise SimliftError(
            f"tabletop: the lemon was not {', nor '.join(missing)} ({outcome}); way out: another "
            "seed, or a longer episode"
        )
    return outcome


def _is_held(model: "mujoco.MjModel", data: "mujoco.MjData", body: int) -> bool:
    """Whether both fingers touch a body and nothing else does."""
    pairs = {frozenset(model.geom_bodyid[contact.geom].tolist()) for contact in data.contact}
    touching = {next(iter(pair - {body}), body) for pair in pairs if body in pair}
    return touching == {model.body(name).id for name in LINKS[-2:]}
