"""Record a CARLA camera as a native folder: rgb, depth, ids, camera.

Paste it into a client of a synchronous world with fixed_delta_seconds = 1 / fps: recorder =
Recorder(world, transform, "clip", parent=vehicle), recorder.record() for world.tick(), close().
CARLA draws no albedo; its normals are left out, as their axes are not documented. LABELS are the
tags of CARLA 0.9.14 to 0.9.16. Not run here.
Check: simlift inspect FOLDER --out .
"""

import json
import queue
from pathlib import Path

import numpy as np

SENSORS = {"rgb": "rgb", "depth": "depth", "segmentation": "instance_segmentation"}
LABELS = """unlabeled road sidewalk building wall fence pole traffic_light traffic_sign vegetation
terrain sky pedestrian rider car truck bus train motorcycle bicycle static dynamic other water
road_line ground bridge rail_track guard_rail""".split()


class Recorder:
    def __init__(self, world, transform, folder, parent=None, height=360, width=640, fov=90):
        self.world, self.folder, self.frames, self.ids = world, Path(folder), [], set()
        self.height, self.width, self.fov, self.sensors = height, width, fov, {}
        for layer, kind in SENSORS.items():
            blueprint = world.get_blueprint_library().find(f"sensor.camera.{kind}")
            for key, value in {"image_size_x": width, "image_size_y": height, "fov": fov}.items():
                blueprint.set_attribute(key, str(value))
            sensor = world.spawn_actor(blueprint, transform, attach_to=parent)
            self.sensors[layer] = (sensor, queue.Queue())
            sensor.listen(self.sensors[layer][1].put)

    def record(self):
        number = self.world.tick()
        for layer, (_, images) in self.sensors.items():
            while (image := images.get(timeout=10)).frame != number:
                pass  # an image of an earlier tick
            pixels = np.frombuffer(image.raw_data, np.uint8)
            pixels = pixels.reshape(self.height, self.width, 4)[..., 2::-1]
            if layer != "rgb":  # numbers of 24 bits, red lowest
                pixels = (pixels @ np.array([1, 1 << 8, 1 << 16])).astype(np.uint32)
            if layer == "segmentation":
                self.ids |= set(np.unique(pixels).tolist())
            (self.folder / layer).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / layer / f"{len(self.frames):06d}.npy", pixels)
        self.frames.append({"pose": image.transform.get_matrix()})

    def close(self):
        for sensor, _ in self.sensors.values():
            sensor.destroy()
        layers = {name: {"file": f"{name}/%06d.npy"} for name in SENSORS}
        layers["depth"] |= {"metres_per_unit": 1000 / (2**24 - 1), "sky": 2**24 - 1}
        fps = round(1 / self.world.get_settings().fixed_delta_seconds)
        clip = {"format": "simlift-clip/1", "name": self.folder.name, "fps": str(fps)}
        clip |= {"num_frames": len(self.frames), "height": self.height, "width": self.width}
        camera = {"file": "camera.json", "convention": "unreal", "direction": "camera_to_world"}
        clip |= {"layers": layers, "camera": {**camera, "fov": self.fov, "metres_per_unit": 1}}
        tags = ((k, LABELS[k & 255]) for k in self.ids)
        clip["labels"] = {str(k): {"name": f"{n} {k >> 8}", "category": n} for k, n in tags}
        (self.folder / "camera.json").write_text(json.dumps({"frames": self.frames}))
        (self.folder / "clip.json").write_text(json.dumps(clip, indent=1))
