"""Record a ManiSkill camera as a native folder: rgb, depth, ids, normals, albedo, camera.

env = gymnasium.make(TASK, obs_mode="rgb+depth+segmentation+normal+albedo"), then
recorder = Recorder(env, "base_camera", "clip"), recorder.record(observation) after each
env.step(action), recorder.close(). Written from the documentation of ManiSkill 3. Not run here:
its renderer needs Vulkan.
Check: simlift inspect FOLDER --out .
"""

import json
from pathlib import Path

import numpy as np

OUTPUTS = {"rgb": "rgb", "depth": "depth", "segmentation": "segmentation"}
OUTPUTS |= {"normals": "normal", "albedo": "albedo"}


class Recorder:
    def __init__(self, env, camera, folder, index=0):
        self.env, self.camera, self.folder = env.unwrapped, camera, Path(folder)
        self.index, self.frames = index, []

    def record(self, observation):
        seen = observation["sensor_data"][self.camera]
        lens = observation["sensor_param"][self.camera]
        self.layers = [name for name, output in OUTPUTS.items() if output in seen]
        for name in self.layers:
            pixels = seen[OUTPUTS[name]][self.index].cpu().numpy()
            self.size = pixels.shape[:2]
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / name / f"{len(self.frames):06d}.npy", pixels)
        keys = {"pose": "cam2world_gl", "intrinsics": "intrinsic_cv"}
        self.frames.append({k: lens[v][self.index].cpu().tolist() for k, v in keys.items()})

    def close(self):
        layers = {name: {"file": f"{name}/%06d.npy"} for name in self.layers}
        if "depth" in layers:
            layers["depth"] |= {"metres_per_unit": 0.001, "sky": 0}
        if "normals" in layers:
            layers["normals"]["axes"] = "opengl"
        found = self.env.segmentation_id_map.items()
        clip = {"format": "simlift-clip/1", "name": self.folder.name}
        clip |= {"fps": str(round(self.env.control_freq)), "num_frames": len(self.frames)}
        clip |= {"height": self.size[0], "width": self.size[1], "layers": layers}
        clip["labels"] = {str(k): {"name": x.name, "category": x.name} for k, x in found}
        clip["camera"] = {"file": "camera.json", "convention": "opengl"}
        clip["camera"]["direction"] = "camera_to_world"
        (self.folder / "camera.json").write_text(json.dumps({"frames": self.frames}))
        (self.folder / "clip.json").write_text(json.dumps(clip, indent=1))
