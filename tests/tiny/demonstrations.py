"""Build a tiny file of robosuite: a model with foreign asset paths, states, pictures upside down.

The arm has two hinges and a gripper of two slides; a cube falls free. The pictures are rendered
from the same states and stored with their lowest row first, as robosuite does.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

WIDTH, HEIGHT, FRAMES = 64, 48, 10
CAMERAS = ("agentview", "robot0_eye_in_hand")
FOREIGN = "/somebody/robosuite/robosuite/models/assets"

MODEL = f"""<mujoco model="tiny">
  <compiler angle="radian" meshdir="meshes/"/>
  <visual><map znear="0.01"/></visual>
  <asset>
    <mesh name="robot0_upper_vis" file="{FOREIGN}/robots/tiny/meshes/upper.stl"/>
    <texture name="floor" type="2d" file="{FOREIGN}/textures/floor.png"/>
    <texture name="red" type="cube" builtin="flat" rgb1="0.8 0.1 0.1" width="8" height="48"/>
    <material name="red" texture="red"/>
    <material name="floor" texture="floor" texrepeat="4 4" texuniform="true"/>
  </asset>
  <worldbody>
    <geom name="floor" size="2 2 0.1" type="plane" group="1" material="floor"/>
    <geom name="hood_collision" size="0.9 0.9 0.01" pos="0 0 0.8" type="box" rgba="1 0 0 1"/>
    <light pos="1 -1 3" dir="-0.3 0.3 -1" directional="true" castshadow="false"/>
    <camera name="agentview" pos="0.05 -1.5 0.9" xyaxes="1 0 0 0 0.5 0.87" fovy="45"/>
    <camera name="sideview" pos="-1.4 0.2 0.7" xyaxes="0 -1 0 0.4 0 0.9" fovy="45"/>
    <body name="table" pos="0 0 0.1">
      <geom name="table_collision" size="0.5 0.5 0.1" type="box" rgba="1 0 0 1"/>
      <geom name="table_visual" size="0.5 0.5 0.1" type="box" group="1" rgba="0.4 0.5 0.4 1"/>
    </body>
    <body name="robot0_base" pos="-0.35 0 0.2">
      <geom type="cylinder" size="0.05 0.05" group="1" rgba="0.2 0.2 0.3 1"/>
      <body name="robot0_link1" pos="0 0 0.1">
        <joint name="robot0_joint1" axis="0 0 1" range="-3 3"/>
        <geom type="mesh" mesh="robot0_upper_vis" group="1" rgba="0.9 0.5 0.2 1"/>
        <geom type="box" size="0.3 0.3 0.3" group="0" rgba="1 0 0 1" mass="1"/>
        <body name="robot0_link2" pos="0.3 0 0">
          <joint name="robot0_joint2" axis="0 1 0" range="-3 3"/>
          <geom type="box" size="0.1 0.03 0.03" pos="0.1 0 0" group="1" rgba="0.9 0.9 0.9 1"/>
          <body name="robot0_right_hand" pos="0.2 0 0">
            <camera name="robot0_eye_in_hand" pos="0 0 0.12" xyaxes="0 -1 0 0.7 0 0.7" fovy="75"/>
            <body name="gripper0_right_gripper">
              <geom type="box" size="0.02 0.05 0.02" group="1" rgba="0.2 0.2 0.2 1"/>
              <body name="gripper0_leftfinger" pos="0.05 0.01 0">
                <joint name="gripper0_finger_joint1" type="slide" axis="0 1 0" range="0 0.04"/>
                <geom type="box" size="0.03 0.008 0.01" group="1" rgba="0.1 0.1 0.1 1"/>
              </body>
              <body name="gripper0_rightfinger" pos="0.05 -0.01 0">
                <joint name="gripper0_finger_joint2" type="slide" axis="0 1 0" range="-0.04 0"/>
                <geom type="box" size="0.03 0.008 0.01" group="1" rgba="0.1 0.1 0.1 1"/>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>
    <body name="cube_main" pos="0.2 0.1 0.5">
      <freejoint name="cube_joint0"/>
      <geom name="cube_vis" size="0.05 0.05 0.05" type="box" group="1" material="red"/>
      <site name="cube_site" size="0.2" rgba="0 1 0 1"/>
    </body>
  </worldbody>
  <actuator>
    <motor joint="robot0_joint1"/>
    <motor joint="robot0_joint2"/>
    <position joint="gripper0_finger_joint1" kp="10"/>
    <position joint="gripper0_finger_joint2" kp="10"/>
  </actuator>
</mujoco>
"""


def write_assets(folder: Path) -> Path:
    """Write a checkout with the assets of `MODEL`: a mesh and a texture."""
    import cv2

    assets = folder / "robosuite" / "models" / "assets"
    meshes, textures = assets / "robots" / "tiny" / "meshes", assets / "textures"
    meshes.mkdir(parents=True)
    textures.mkdir()
    corners = np.array([[0, -0.04, -0.04], [0, 0.04, -0.04], [0, 0, 0.05], [0.3, 0, 0]], "<f4")
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    stl = np.zeros(4, np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")]))
    stl["v"] = corners[faces]
    (meshes / "upper.stl").write_bytes(b"\0" * 80 + np.uint32(4).tobytes() + stl.tobytes())
    checks = np.indices((8, 8)).sum(0) % 2 * 90 + 100
    cv2.imwrite(str(textures / "floor.png"), np.repeat(checks[..., None], 3, 2).astype(np.uint8))
    return folder


def states(demo: int) -> np.ndarray:
    """Return time, qpos and qvel [t 1 + 11 + 10]: the arm turns and bends, the cube falls."""
    share = np.linspace(0, 1, FRAMES)
    time = 0.05 * np.arange(FRAMES)
    arm = np.stack([-0.6 + (1.2 + 0.1 * demo) * share, 0.5 * np.sin(3 * share)], 1)
    fingers = np.stack([0.04 * (1 - share), -0.04 * (1 - share)], 1)
    cube = np.tile([0.2, 0.1, 0.5, 1, 0, 0, 0], (FRAMES, 1))
    cube[:, 2] = np.maximum(0.5 - 4.9 * time**2, 0.25)
    speeds = np.linspace(-1, 1, FRAMES * 10).reshape(FRAMES, 10)
    return np.concatenate([time[:, None], arm, fingers, cube, speeds], 1)


def render(recorded: np.ndarray, camera: str, assets: Path) -> np.ndarray:
    """Return pictures [t h w 3] of recorded states, the highest row first."""
    from simlift.simulators.mujoco._renderer import open_renderer
    from simlift.simulators.replay._demonstration import Demonstration
    from simlift.simulators.replay._model import open_replay

    replay = open_replay(Demonstration(assets, "demo", MODEL, recorded), assets)
    episode = replay.episode(camera, height=HEIGHT, width=WIDTH)
    with open_renderer(replay.model, height=HEIGHT, width=WIDTH, camera=episode.camera) as renderer:
        return np.array([renderer.colour(data) for data in episode.visit()])


def write(
    file: Path,
    assets: Path,
    *,
    demos: int = 1,
    cameras: Sequence[str] = CAMERAS,
    model: str = MODEL,
    stored_states: Callable[[np.ndarray], np.ndarray] = lambda s: s,
    stored_pictures: Callable[[np.ndarray], np.ndarray] = lambda p: p[:, ::-1],
    seen_by: str | None = None,
) -> Path:
    """Write the file; functions say what becomes of true states and upright pictures.

    `seen_by` renders the pictures of every camera from another one.
    """
    with h5py.File(file, "w") as out:
        data = out.create_group("data")
        settings = {"robots": "Tiny", "control_freq": 20}
        data.attrs["env_args"] = json.dumps({"env_name": "Fall", "type": 1, "env_kwargs": settings})
        data.attrs["total"] = demos * FRAMES
        for k in range(demos):
            recorded = states(k)
            demo = data.create_group(f"demo_{k}")
            demo.attrs["model_file"] = model
            demo.attrs["num_samples"] = FRAMES
            demo["states"] = stored_states(recorded)
            demo["actions"] = np.linspace(-1, 1, FRAMES * 3, dtype=np.float32).reshape(FRAMES, 3)
            demo["dones"] = np.arange(FRAMES) == FRAMES - 1
            demo["rewards"] = np.zeros(FRAMES)
            demo["obs/robot0_joint_pos"] = recorded[:, 1:3]
            for camera in cameras:
                pictures = render(recorded, seen_by or camera, assets)
                demo[f"obs/{camera}_image"] = stored_pictures(pictures)
    return file
