"""Record a Blender scene as a native folder: rgb, depth, normals, ids, albedo, camera, poses.

Run: blender -b SCENE.blend -P record_blender.py -- FOLDER, or paste it into the text editor and set
FOLDER. It renders the scene's frames with its camera and samples, in Cycles: EEVEE has no ids.
Every layer of a frame is in one EXR. Run here with Blender 3.4.1 (Cycles on the CPU).
Check: simlift inspect FOLDER --out .
"""

import json
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

FOLDER = Path(sys.argv[-1]).absolute()
scene, view = bpy.context.scene, bpy.context.view_layer
scene.render.engine = "CYCLES"
scene.render.use_motion_blur = scene.camera.data.dof.use_dof = False
view.use_pass_z = view.use_pass_normal = True
view.use_pass_diffuse_color = view.use_pass_object_index = True
scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
scene.render.image_settings.color_depth = "32"
objects = [x for x in scene.objects if x.type in ("MESH", "CURVE", "SURFACE", "META", "FONT")]
for number, thing in enumerate(objects, 1):
    thing.pass_index = number

cameras, poses, unit = [], [], scene.unit_settings.scale_length
width = scene.render.resolution_x * scene.render.resolution_percentage // 100
height = scene.render.resolution_y * scene.render.resolution_percentage // 100
numbers = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
for frame in numbers:
    scene.frame_set(frame)
    scene.render.filepath = str(FOLDER / f"{frame:06d}.exr")
    bpy.ops.render.render(write_still=True)
    graph, camera = bpy.context.evaluated_depsgraph_get(), scene.camera
    lens = camera.calc_matrix_camera(graph, x=width, y=height)
    cameras.append({"pose": np.array(camera.matrix_world).tolist()})
    cameras[-1]["projection"] = np.array(lens).tolist()
    moved = [x.matrix_world.decompose() for x in objects]  # without their scale
    poses.append([Matrix.Translation(p * unit) @ q.to_matrix().to_4x4() for p, q, _ in moved])

layers = {"rgb": {"channel": f"{view.name}.Combined", "transfer": "linear"}}
layers["depth"] = {"channel": f"{view.name}.Depth.Z", "sky": 1e10, "metres_per_unit": unit}
layers["normals"] = {"channel": f"{view.name}.Normal", "axes": "world"}
layers["segmentation"] = {"channel": f"{view.name}.IndexOB.X"}
layers["albedo"] = {"channel": f"{view.name}.DiffCol", "transfer": "linear"}
camera = {"file": "camera.json", "convention": "opengl", "direction": "camera_to_world"}
clip = {"format": "simlift-clip/1", "name": FOLDER.name, "num_frames": len(numbers)}
clip |= {"height": height, "width": width, "frames": list(numbers), "objects": "objects.npz"}
clip["fps"] = f"{scene.render.fps * 1000}/{round(scene.render.fps_base * 1000)}"
clip["layers"] = {name: {"file": "%06d.exr", **entry} for name, entry in layers.items()}
clip["labels"] = {str(x.pass_index): {"name": x.name, "category": x.data.name} for x in objects}
clip["camera"] = {**camera, "metres_per_unit": unit}
np.savez(FOLDER / "objects.npz", ids=np.arange(len(objects)) + 1, poses=np.array(poses))
(FOLDER / "camera.json").write_text(json.dumps({"frames": cameras}))
(FOLDER / "clip.json").write_text(json.dumps(clip, indent=1))
