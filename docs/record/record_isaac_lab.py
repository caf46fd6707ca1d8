"""Record a camera of an Isaac Lab environment as a native folder: rgb, depth, normals, ids, camera.

Give the scene a TiledCameraCfg with data_types=["rgb", "distance_to_image_plane", "normals",
"semantic_segmentation"] and colorize_semantic_segmentation=False ("albedo" too from Isaac Lab 3).
recorder = Recorder(env, "camera", "clip"), recorder.record() after each env.step(actions),
recorder.close(). Written from the documentation of Isaac Lab 2.0 to 2.3. Not run here.
Check: simlift inspect FOLDER --out .
"""

import json
from pathlib import Path

import numpy as np

OUTPUTS = {"rgb": "rgb", "depth": "distance_to_image_plane", "normals": "normals"}
OUTPUTS |= {"segmentation": "semantic_segmentation", "albedo": "albedo"}


class Recorder:
    def __init__(self, env, camera, folder, index=0):
        self.env, self.camera = env.unwrapped, env.unwrapped.scene[camera]
        self.folder, self.index, self.frames, self.labels = Path(folder), index, [], {}

    def record(self):
        data = self.camera.data
        self.layers = {k: v for k, v in OUTPUTS.items() if v in data.output}
        for name, output in self.layers.items():
            pixels = data.output[output][self.index].cpu().numpy()
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / name / f"{len(self.frames):06d}.npy", pixels)
        info = (data.info or {}).get("semantic_segmentation") or {}
        for number, classes in info.get("idToLabels", {}).items():
            name = ", ".join(classes.values())
            self.labels[str(number)] = {"name": name, "category": name}
        self.size = data.image_shape
        values = {"position": data.pos_w, "quaternion": data.quat_w_ros}
        values["intrinsics"] = data.intrinsic_matrices
        self.frames.append({k: v[self.index].cpu().tolist() for k, v in values.items()})

    def close(self):
        layers = {name: {"file": f"{name}/%06d.npy"} for name in self.layers}
        if "normals" in layers:
            layers["normals"]["axes"] = "world"
        clip = {"format": "simlift-clip/1", "name": self.folder.name}
        clip |= {"fps": str(round(1 / self.env.step_dt)), "num_frames": len(self.frames)}
        clip |= {"height": self.size[0], "width": self.size[1]}
        clip |= {"layers": layers, "labels": self.labels}
        camera = {"file": "camera.json", "convention": "opencv", "direction": "camera_to_world"}
        clip["camera"] = {**camera, "quaternion": "wxyz"}  # from Isaac Lab 3: "xyzw"
        (self.folder / "camera.json").write_text(json.dumps({"frames": self.frames}))
        (self.folder / "clip.json").write_text(json.dumps(clip, indent=1))
