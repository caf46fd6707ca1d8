"""Record PyBullet as a native folder: rgb, depth, ids, camera, poses of links.

Paste the class into your loop: recorder = Recorder("clip", fps=24) once all bodies are loaded, then
recorder.record(view, projection) after the steps of each frame, with the matrices of
computeViewMatrix and computeProjectionMatrixFOV, and recorder.close() at the end. PyBullet draws
neither normals nor unlit colours. Run here with PyBullet 3.2.7 (TinyRenderer, no display).
Check: simlift inspect FOLDER --out .
"""

import json
from pathlib import Path

import numpy as np
import pybullet as p


class Recorder:
    def __init__(self, folder, height=360, width=640, fps=24, renderer=p.ER_TINY_RENDERER):
        self.folder, self.height, self.width, self.fps = Path(folder), height, width, fps
        self.renderer, self.frames, self.poses = renderer, [], []
        bodies = [p.getBodyUniqueId(k) for k in range(p.getNumBodies())]
        parts = [(link, body) for body in bodies for link in range(-1, p.getNumJoints(body))]
        self.parts = sorted(parts)  # in the order of the numbers that PyBullet draws for them

    def record(self, view, projection):
        options = {"renderer": self.renderer, "flags": p.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX}
        found = p.getCameraImage(self.width, self.height, view, projection, **options)[2:]
        rgb, depth, drawn = (np.reshape(x, (self.height, self.width, -1)) for x in found)
        numbers = [body + ((link + 1) << 24) for link, body in self.parts]
        ids = np.where(drawn < 0, 0, np.searchsorted(numbers, drawn) + 1)[..., 0]
        layers = {"rgb": rgb.astype(np.uint8), "depth": depth[..., 0], "segmentation": ids}
        for name, pixels in layers.items():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / name / f"{len(self.frames):06d}.npy", pixels)
        self.frames.append({"view": view, "projection": projection})
        self.poses.append(np.tile(np.eye(4), (len(self.parts), 1, 1)))
        for pose, (link, body) in zip(self.poses[-1], self.parts):
            base = p.getBasePositionAndOrientation(body)
            place, turn = base if link < 0 else p.getLinkState(body, link, 0, 1)[4:6]
            pose[:3, 3], pose[:3, :3] = place, np.reshape(p.getMatrixFromQuaternion(turn), (3, 3))

    def close(self):
        layers = {k: {"file": f"{k}/%06d.npy"} for k in ("rgb", "depth", "segmentation")}
        m = self.frames[0]["projection"]  # the planes between which the z-buffer's numbers lie
        planes = {"near": m[14] / (m[10] - 1), "far": m[14] / (m[10] + 1)}
        layers["depth"] |= {"measure": "z-buffer", **planes}
        camera = {"file": "camera.json", "convention": "opengl", "matrices": "columns"}
        clip = {"format": "simlift-clip/1", "name": self.folder.name, "fps": str(self.fps)}
        clip |= {"num_frames": len(self.frames), "height": self.height, "width": self.width}
        clip |= {"layers": layers, "camera": camera, "objects": "objects.npz", "labels": {}}
        for number, (link, body) in enumerate(self.parts, 1):
            name = p.getBodyInfo(body)[1].decode() or f"body {body}"
            part = "base" if link < 0 else p.getJointInfo(body, link)[12].decode()
            clip["labels"][str(number)] = {"name": f"{name} {part}", "category": name}
        np.savez(self.folder / "objects.npz", ids=list(range(1, number + 1)), poses=self.poses)
        (self.folder / "camera.json").write_text(json.dumps({"frames": self.frames}))
        (self.folder / "clip.json").write_text(json.dumps(clip, indent=1))
