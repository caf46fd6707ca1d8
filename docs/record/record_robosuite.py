"""Record a robosuite camera as a native folder: rgb, depth, ids, camera, poses of geoms.

Paste the class into your loop: recorder = Recorder(env, "agentview", "clip"), recorder.record()
after each env.step(action), and recorder.close() at the end. Make env with
has_offscreen_renderer=True; without a display: MUJOCO_GL=egl. robosuite draws neither normals nor
unlit colours. Run here with robosuite 1.5.2 and MuJoCo 3.3.0.
Check: simlift inspect FOLDER --out .
"""

import json
from pathlib import Path

import mujoco
import numpy as np


class Recorder:
    def __init__(self, env, camera, folder, height=360, width=640):
        self.env, self.camera, self.folder = env, camera, Path(folder)
        self.height, self.width, self.frames, self.poses = height, width, [], []

    def record(self):
        sim, size = self.env.sim, {"height": self.height, "width": self.width}
        context = sim._render_context_offscreen
        context.gl_ctx.make_current()  # an earlier episode's, freed late, takes it away
        context.vopt.sitegroup[:] = 0  # marks for programs: drawn in ids, invisible in rgb
        rgb, depth = sim.render(camera_name=self.camera, depth=True, **size)
        seen = sim.render(camera_name=self.camera, segmentation=True, **size)
        geom = seen[..., 0] == mujoco.mjtObj.mjOBJ_GEOM
        layers = {"rgb": rgb, "depth": depth, "segmentation": np.where(geom, seen[..., 1] + 1, 0)}
        for name, pixels in layers.items():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / name / f"{len(self.frames):06d}.npy", pixels)
        camera = sim.model.camera_name2id(self.camera)
        poses = np.tile(np.eye(4), (1 + sim.model.ngeom, 1, 1))
        turns = np.vstack([sim.data.cam_xmat[camera], sim.data.geom_xmat])
        poses[:, :3, :3] = turns.reshape(-1, 3, 3)
        poses[:, :3, 3] = np.vstack([sim.data.cam_xpos[camera], sim.data.geom_xpos])
        fov = float(sim.model.cam_fovy[camera])
        self.frames.append({"pose": poses[0].tolist(), "fov_down": fov})
        self.poses.append(poses[1:])

    def close(self):
        model, names = self.env.sim.model, ("rgb", "depth", "segmentation")
        layers = {k: {"file": f"{k}/%06d.npy", "rows": "bottom-up"} for k in names}
        near, far = model.vis.map.znear * model.stat.extent, model.vis.map.zfar * model.stat.extent
        layers["depth"] |= {"measure": "z-buffer", "near": near, "far": far}
        camera = {"file": "camera.json", "convention": "opengl", "direction": "camera_to_world"}
        clip = {"format": "simlift-clip/1", "name": self.folder.name}
        clip |= {"fps": str(round(self.env.control_freq)), "num_frames": len(self.frames)}
        clip |= {"height": self.height, "width": self.width, "objects": "objects.npz"}
        clip |= {"layers": layers, "camera": camera, "labels": {}}
        for k in range(model.ngeom):
            body = model.body_id2name(model.geom_bodyid[k]) or "world"
            name = model.geom_id2name(k) or body
            clip["labels"][str(k + 1)] = {"name": name, "category": body}
        np.savez(self.folder / "objects.npz", ids=np.arange(model.ngeom) + 1, poses=self.poses)
        (self.folder / "camera.json").write_text(json.dumps({"frames": self.frames}))
        (self.folder / "clip.json").write_text(json.dumps(clip, indent=1))
