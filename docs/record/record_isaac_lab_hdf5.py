"""Add cameras and link poses to the HDF5 files that Isaac Lab's recorder writes (Mimic, teleop).

Give the environment's recorders these terms: env_cfg.recorders.cameras = CameraTermCfg() and
env_cfg.recorders.robots = RobotTermCfg(); cameras that move (a wrist's) need
update_latest_camera_pose=True in their TiledCameraCfg. After env.close():
write_statements(env.unwrapped, "demos.hdf5"), with the file's own name; it may be called before.
Poses are those of the observation, before the step of its action. Written from the documentation
of Isaac Lab 2.0 to 3.0, whose quaternions changed from wxyz to xyzw: their order is asked of the
library. Not run here. Check, with the file for FOLDER: simlift inspect FOLDER --out .
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from isaaclab.managers import RecorderTerm, RecorderTermCfg
from isaaclab.utils import configclass
from isaaclab.utils.math import matrix_from_quat

CAMERAS, ROBOTS = ("table_cam", "wrist_cam"), ("robot",)


class CameraTerm(RecorderTerm):
    def record_pre_step(self):
        found = {name: self._env.scene[name].data for name in CAMERAS}
        return "cameras", {name: self._of(data) for name, data in found.items()}

    def _of(self, data):
        pose = {"position": data.pos_w, "quaternion": data.quat_w_ros}
        turned = matrix_from_quat(data.quat_w_ros)
        return {"intrinsics": data.intrinsic_matrices, **pose, "rotation": turned}


class RobotTerm(RecorderTerm):
    def record_pre_step(self):
        found = {name: self._env.scene[name].data for name in ROBOTS}
        return "robots", {name: self._of(data) for name, data in found.items()}

    def _of(self, data):
        poses = {"link_positions": data.body_pos_w, "link_quaternions": data.body_quat_w}
        return {"joint_positions": data.joint_pos, **poses}


@configclass
class CameraTermCfg(RecorderTermCfg):
    class_type: type[RecorderTerm] = CameraTerm


@configclass
class RobotTermCfg(RecorderTermCfg):
    class_type: type[RecorderTerm] = RobotTerm


def write_statements(env, file):
    one = matrix_from_quat(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))[0]
    stated = {"format": "simlift-cameras/1", "recorded_with": f"isaaclab {version('isaaclab')}"}
    stated["quaternion"] = "wxyz" if torch.allclose(one, torch.eye(3)) else "xyzw"
    stated |= {"convention": "opencv", "rows": "top-down", "fps": 1 / env.step_dt}
    robots = {name: env.scene[name].data for name in ROBOTS}
    stated["robots"] = {
        name: {"joint_names": list(data.joint_names), "link_names": list(data.body_names)}
        for name, data in robots.items()
    }
    Path(f"{file}.cameras.json").write_text(json.dumps(stated, indent=1))
