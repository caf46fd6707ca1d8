"""Simulate an MJCF model without control and record it from one of its cameras."""

from pathlib import Path

import numpy as np

from simlift.core.camera import Robot
from simlift.core.errors import RecipeError
from simlift.simulators.mujoco._episode import (
    Episode,
    check_pinhole,
    fixed_camera,
    robot_track,
    save_state,
)
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._segments import actuated_bodies, segments_of
from simlift.simulators.recording import Actions, Recording


def simulate_model(
    path: Path, camera: str | None, *, height: int, width: int, fps: int, num_frames: int
) -> Recording:
    """Step the model from its first keyframe, or from rest with zero control."""
    model = _load(path)
    view = _view(model, path, camera)
    check_pinhole(model, view, path)
    robots = actuated_bodies(model)
    data = mujoco.MjData(model)
    if model.nkey:
        mujoco.mj_resetDataKeyframe(model, data, 0)
    states, state = [], []
    for frame in range(num_frames):
        while data.time < frame / fps - 0.5 * model.opt.timestep:
            mujoco.mj_step(model, data)
        states.append(save_state(model, data))
        state.append(data.qpos.copy())
    segments = segments_of(model, robots)
    episode = Episode(model, np.array(states), view, segments, height, width)
    actions = Actions(
        state_names=tuple(f"qpos_{i}" for i in range(model.nq)),
        action_names=tuple(model.actuator(i).name or f"ctrl_{i}" for i in range(model.nu)),
        state=np.array(state),
        action=np.tile(data.ctrl, (num_frames, 1)),
        timestamps=np.arange(num_frames) / fps,
    )
    return episode.recording(
        fps,
        caption=f"The model {path.stem}, simulated in MuJoCo.",
        robot=_robot(model, episode, robots),
        actions=actions,
    )


def _load(path: Path) -> "mujoco.MjModel":
    if not path.is_file():
        raise RecipeError(path, "there is no such file", way_out="name an MJCF file (.xml)")
    try:
        return mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise RecipeError(
            path, f"MuJoCo cannot load it: {error}", way_out="open it in MuJoCo's own viewer"
        ) from error


def _view(model: "mujoco.MjModel", path: Path, name: str | None) -> "mujoco.MjvCamera":
    """Return the named camera, the only one, or a free one that frames a model without any."""
    cameras = [model.camera(i).name or f"(unnamed camera {i})" for i in range(model.ncam)]
    if name is not None and name in cameras:
        return fixed_camera(model, name)
    if name is not None or len(cameras) > 1:
        raise RecipeError(
            path,
            f"it has no camera {name!r}" if name is not None else "no camera was chosen",
            allowed=", ".join(cameras) or "none: the model has no cameras",
            way_out=f"--camera {cameras[0]}" if cameras else "leave --camera out",
        )
    view = mujoco.MjvCamera()
    if cameras:
        view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
    else:
        mujoco.mjv_defaultFreeCamera(model, view)
    return view


def _robot(model: "mujoco.MjModel", episode: Episode, bodies: frozenset[int]) -> Robot | None:
    """Follow the actuated trees; None for a model without any."""
    if not bodies:
        return None
    single = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
    joints = [
        i
        for i in range(model.njnt)
        if model.jnt_bodyid[i] in bodies and int(model.jnt_type[i]) in single
    ]
    # No model says which of its joints are a gripper.
    gripper = np.zeros(len(episode.states))
    return robot_track(episode, joints=joints, links=sorted(bodies), gripper=gripper)
