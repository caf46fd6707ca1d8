"""Turn a MuJoCo model and its saved states into a recording: labels, robot track, frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float

from simlift.core.camera import Robot
from simlift.core.errors import RecipeError
from simlift.simulators.mujoco._library import mujoco
from simlift.simulators.mujoco._renderer import open_renderer
from simlift.simulators.mujoco._scene_geometry import scene_geometry
from simlift.simulators.mujoco._segments import Segments
from simlift.simulators.recording import Actions, Frame, Recording

STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@dataclass(frozen=True, eq=False)
class Episode:
    """A model, and the state it had at every frame."""

    model: "mujoco.MjModel"
    states: Float[np.ndarray, "t n"]
    camera: "mujoco.MjvCamera"
    segments: Segments
    height: int
    width: int

    @property
    def farthest(self) -> float:
        """Metres to the far clipping plane."""
        return float(self.model.vis.map.zfar * self.model.stat.extent)

    def recording(
        self,
        fps: Fraction | int,
        *,
        caption: str,
        robot: Robot | None = None,
        actions: Actions | None = None,
    ) -> Recording:
        """Return the episode as a recording, with what else was noted of it."""
        return Recording(
            caption=caption,
            fps=fps,
            height=self.height,
            width=self.width,
            num_frames=len(self.states),
            labels=self.segments.labels,
            object_ids=self.segments.object_ids,
            up=np.array([0.0, 0.0, 1.0]),
            farthest=self.farthest,
            robot=robot,
            actions=actions,
            render=self.render,
            geometry=lambda: scene_geometry(self.model, self.segments),
        )

    def visit(self) -> Iterator["mujoco.MjData"]:
        """Yield the model's data at every frame."""
        data = mujoco.MjData(self.model)
        for state in self.states:
            mujoco.mj_setState(self.model, data, state, STATE)
            mujoco.mj_fwdPosition(self.model, data)
            yield data

    def render(self) -> Iterator[Frame]:
        """Yield every frame's layers; memory holds one frame at a time."""
        with open_renderer(
            self.model, height=self.height, width=self.width, camera=self.camera
        ) as renderer:
            for data in self.visit():
                yield renderer.frame(data, self.segments)


def save_state(model: "mujoco.MjModel", data: "mujoco.MjData") -> Float[np.ndarray, "n"]:
    """Return all of the state that decides what is drawn and what happens next."""
    state = np.empty(mujoco.mj_stateSize(model, STATE))
    mujoco.mj_getState(model, data, state, STATE)
    return state


def fixed_camera(model: "mujoco.MjModel", name: str) -> "mujoco.MjvCamera":
    """Return the handle of a camera that the model names."""
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = model.camera(name).id
    return camera


def check_pinhole(model: "mujoco.MjModel", camera: "mujoco.MjvCamera", where: object) -> None:
    """Raise RecipeError for a camera whose rays are parallel: a clip's camera is a pinhole."""
    if camera.type == mujoco.mjtCamera.mjCAMERA_FIXED:
        name = model.camera(camera.fixedcamid).name or f"number {camera.fixedcamid}"
        found, parallel = f"the camera {name}", orthographic_cameras(model)[camera.fixedcamid]
        way_out = 'give it projection="perspective" and a fovy in degrees, or name another --camera'
    else:
        found = "the free camera (visual/global)"
        parallel = getattr(camera, "orthographic", False) or getattr(
            model.vis.global_, "orthographic", False
        )
        way_out = 'set orthographic="false" in visual/global, or give the model a camera'
    if parallel:
        raise RecipeError(
            where,
            f"{found} is orthographic: its rays are parallel",
            allowed="perspective cameras: a clip's camera is a pinhole with intrinsics",
            way_out=way_out,
        )


def orthographic_cameras(model: Any) -> list[bool]:
    """Return for each camera whether it is orthographic; older MuJoCos name the field otherwise."""
    if hasattr(model, "cam_projection"):
        perspective = int(mujoco.mjtProjection.mjPROJ_PERSPECTIVE)
        return [int(kind) != perspective for kind in model.cam_projection]
    if hasattr(model, "cam_orthographic"):
        return [bool(parallel) for parallel in model.cam_orthographic]
    return [False] * int(model.ncam)


def robot_track(
    episode: Episode,
    *,
    joints: Sequence[int],
    links: Sequence[int],
    gripper: Float[np.ndarray, "t"],
) -> Robot:
    """Follow some joints and links, given by their ids, through an episode."""
    model, bodies = episode.model, list(links)
    addresses = model.jnt_qposadr[list(joints)]
    positions, poses = [], []
    for data in episode.visit():
        positions.append(data.qpos[addresses].copy())
        pose = np.tile(np.eye(4), (len(bodies), 1, 1))
        pose[:, :3, :3] = data.xmat[bodies].reshape(-1, 3, 3)
        pose[:, :3, 3] = data.xpos[bodies]
        poses.append(pose)
    return Robot(
        joint_names=tuple(model.joint(i).name or f"joint_{i}" for i in joints),
        joint_positions=np.array(positions).reshape(len(poses), len(joints)),
        link_names=tuple(model.body(i).name or f"body_{i}" for i in links),
        link_poses=np.array(poses),
        gripper=gripper,
    )
