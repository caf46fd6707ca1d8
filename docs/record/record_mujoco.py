"""Record a MuJoCo camera as a native folder: rgb, depth, ids, albedo, camera, poses of geoms.

Paste it into your loop: recorder = Recorder(model, "eye", "clip", fps=24), record(data) after the
steps of each frame, close() at the end. MuJoCo draws no normals. Without a display:
MUJOCO_GL=egl. Run here with MuJoCo 4.0.0.
Check: simlift inspect FOLDER --out .
"""

import json
from pathlib import Path

import mujoco
import numpy as np

SHADOW, REFLECTION = mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION


class Recorder:
    def __init__(self, model, camera, folder, height=360, width=640, fps=24):
        self.model, self.camera, self.folder = model, model.camera(camera), Path(folder)
        self.height, self.width, self.fps, self.frames, self.poses = height, width, fps, [], []
        self.renderer, self.option = mujoco.Renderer(model, height, width), mujoco.MjvOption()
        self.option.sitegroup[:] = 0  # marks for programs, which no camera sees

    def record(self, data):
        draw, camera = self.renderer, self.camera.id
        draw.update_scene(data, camera, self.option)
        layers = {"rgb": draw.render()}
        draw.enable_depth_rendering()
        layers["depth"] = draw.render()
        draw.enable_segmentation_rendering()
        ids, kinds = np.moveaxis(draw.render(), -1, 0)
        layers["segmentation"] = np.where(kinds == mujoco.mjtObj.mjOBJ_GEOM, ids + 1, 0)
        layers["depth"][kinds < 0] = np.inf  # the far plane, which float32 rounds
        draw.disable_segmentation_rendering()
        draw.update_scene(data, camera, self.option)
        draw.scene.flags[SHADOW] = draw.scene.flags[REFLECTION] = False
        draw.scene.nlight, light = 1, draw.scene.lights[0]  # one light, the same everywhere
        light.headlight, light.ambient[:], light.diffuse[:], light.specular[:] = True, 1, 0, 0
        layers["albedo"] = draw.render()
        draw.scene.flags[SHADOW] = draw.scene.flags[REFLECTION] = True
        for name, pixels in layers.items():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / name / f"{len(self.frames):06d}.npy", pixels)
        poses = np.tile(np.eye(4), (1 + self.model.ngeom, 1, 1))
        poses[:, :3, :3] = np.vstack([data.cam_xmat[camera], data.geom_xmat]).reshape(-1, 3, 3)
        poses[:, :3, 3] = np.vstack([data.cam_xpos[camera], data.geom_xpos])
        self.frames.append({"pose": poses[0].tolist(), "fov_down": float(self.camera.fovy[0])})
        self.poses.append(poses[1:])

    def close(self):
        geoms = map(self.model.geom, range(self.model.ngeom))
        names = [g.name or self.model.body(g.bodyid.item()).name or "geom" for g in geoms]
        layers = {k: {"file": f"{k}/%06d.npy"} for k in ("rgb", "depth", "segmentation", "albedo")}
        camera = {"file": "camera.json", "convention": "opengl", "direction": "camera_to_world"}
        clip = {"format": "simlift-clip/1", "name": self.folder.name, "fps": str(self.fps)}
        clip |= {"num_frames": len(self.frames), "height": self.height, "width": self.width}
        labels = {str(k): {"name": n, "category": n} for k, n in enumerate(names, 1)}
        clip |= {"layers": layers, "camera": camera, "objects": "objects.npz", "labels": labels}
        np.savez(self.folder / "objects.npz", ids=np.arange(len(names)) + 1, poses=self.poses)
        (self.folder / "camera.json").write_text(json.dumps({"frames": self.frames}))
        (self.folder / "clip.json").write_text(json.dumps(clip, indent=1))
