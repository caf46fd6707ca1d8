"""Record an Isaac Sim camera as a native folder: rgb, depth, normals, ids, albedo, camera.

Paste it into a standalone script after SimulationApp is up and the stage, with semantic labels, is
loaded: recorder = Recorder("/World/Camera", "clip"), recorder.record() for each frame,
recorder.close(). The stage is in metres; in others, state metres_per_unit for depth and camera.
Written from the documentation of Replicator in Isaac Sim 4.5 to 5.1. Not run here.
Check: simlift inspect FOLDER --out .
"""

import json
from pathlib import Path

import numpy as np
import omni.replicator.core as rep

OUTPUTS = {"rgb": "rgb", "depth": "distance_to_image_plane", "normals": "normals"}
OUTPUTS |= {"albedo": "DiffuseAlbedo", "camera": "camera_params"}
LAYERS = ("rgb", "depth", "normals", "albedo", "segmentation")


class Recorder:
    def __init__(self, camera, folder, height=360, width=640, fps=24):
        self.folder, self.height, self.width, self.fps = Path(folder), height, width, fps
        self.frames, self.labels = [], {}
        product = rep.create.render_product(camera, (width, height))
        self.outputs = {k: rep.AnnotatorRegistry.get_annotator(v) for k, v in OUTPUTS.items()}
        self.outputs["segmentation"] = rep.AnnotatorRegistry.get_annotator(
            "semantic_segmentation", init_params={"colorize": False}
        )
        for output in self.outputs.values():
            output.attach(product)

    def record(self):
        rep.orchestrator.step(delta_time=1 / self.fps, rt_subframes=4)
        found = {name: output.get_data() for name, output in self.outputs.items()}
        for number, classes in found["segmentation"]["info"]["idToLabels"].items():
            name = ", ".join(classes.values())
            self.labels[str(number)] = {"name": name, "category": name}
        found["segmentation"] = found["segmentation"]["data"]
        for name in LAYERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / name / f"{len(self.frames):06d}.npy", found[name])
        self.albedo_is_linear = found["albedo"].dtype.kind == "f"  # half floats, or 8 bits of sRGB
        keys = {"view": "cameraViewTransform", "projection": "cameraProjection"}
        self.frames.append({k: found["camera"][v].tolist() for k, v in keys.items()})

    def close(self):
        layers = {name: {"file": f"{name}/%06d.npy"} for name in LAYERS}
        layers["normals"]["axes"] = "world"
        layers["albedo"]["transfer"] = "linear" if self.albedo_is_linear else "srgb"
        clip = {"format": "simlift-clip/1", "name": self.folder.name, "fps": str(self.fps)}
        clip |= {"num_frames": len(self.frames), "height": self.height, "width": self.width}
        clip |= {"layers": layers, "labels": self.labels}
        clip["camera"] = {"file": "camera.json", "convention": "usd"}
        (self.folder / "camera.json").write_text(json.dumps({"frames": self.frames}))
        (self.folder / "clip.json").write_text(json.dumps(clip, indent=1))
