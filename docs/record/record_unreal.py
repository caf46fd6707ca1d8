"""Render an Unreal level sequence as a native folder: rgb, depth, albedo, normals, camera.

Enable the plugin Movie Render Queue, make two post process materials that show SceneTexture
BaseColor and WorldNormal, set the names below, and run it in the editor's Python console. Each
frame is one EXR; name its channels in LAYERS as `simlift inspect` lists them on a mismatch: they
depend on the version. No ids: the queue writes cryptomattes. Turn motion blur off. Unreal 5.3 to
5.5, from the documentation. Not run here.
Check: simlift inspect FOLDER --out .
"""

import json
from pathlib import Path

import unreal

LEVEL, SEQUENCE, CAMERA = "/Game/Level", "/Game/Sequence", "CineCameraActor"
FOLDER, HEIGHT, WIDTH = Path("D:/clip"), 720, 1280
DEPTH = "/MovieRenderPipeline/Materials/MovieRenderQueue_WorldDepth"
LAYERS = {
    "rgb": {"channel": "", "transfer": "linear"},
    "depth": {"channel": "FinalImageMovieRenderQueue_WorldDepth.R", "metres_per_unit": 0.01},
    "albedo": {"channel": "FinalImageBaseColor", "transfer": "linear"},
    "normals": {"channel": "FinalImageWorldNormal", "axes": "world"},
}

queue = unreal.get_editor_subsystem(unreal.MoviePipelineQueueSubsystem)
job = queue.get_queue().allocate_new_job(unreal.MoviePipelineExecutorJob)
job.map, job.sequence = unreal.SoftObjectPath(LEVEL), unreal.SoftObjectPath(SEQUENCE)
add = job.get_configuration().find_or_add_setting_by_class
output = add(unreal.MoviePipelineOutputSetting)
output.output_directory = unreal.DirectoryPath(str(FOLDER))
output.file_name_format, output.zero_pad_frame_numbers = "{frame_number}", 6
output.output_resolution = unreal.IntPoint(WIDTH, HEIGHT)
add(unreal.MoviePipelineImageSequenceOutput_EXR).multilayer = True
add(unreal.MoviePipelineColorSetting).disable_tone_curve = True  # linear light
image = add(unreal.MoviePipelineDeferredPassBase)
image.use32_bit_post_process_materials = image.disable_multisample_effects = True
image.additional_post_process_materials = [
    unreal.MoviePipelinePostProcessPass(enabled=True, material=unreal.load_asset(name))
    for name in (DEPTH, "/Game/BaseColor", "/Game/WorldNormal")
]
sequence = unreal.load_asset(SEQUENCE)
numbers = list(range(sequence.get_playback_start(), sequence.get_playback_end()))
actors = unreal.get_editor_subsystem(unreal.EditorActorSubsystem).get_all_level_actors()
camera = next(x for x in actors if x.get_actor_label() == CAMERA)
rate, editor, frames = sequence.get_display_rate(), unreal.LevelSequenceEditorBlueprintLibrary, []
editor.open_level_sequence(sequence)
for number in numbers:
    editor.set_current_time(number)
    place, turn = camera.get_actor_location(), camera.get_actor_rotation()
    pose = {"position": [place.x, place.y, place.z], "rotator": [turn.pitch, turn.yaw, turn.roll]}
    frames.append({**pose, "fov": camera.camera_component.field_of_view})
clip = {"format": "simlift-clip/1", "name": FOLDER.name, "num_frames": len(numbers)}
clip |= {"fps": f"{rate.numerator}/{rate.denominator}", "height": HEIGHT, "width": WIDTH}
clip["frames"], clip["layers"] = numbers, {k: {"file": "%06d.exr", **v} for k, v in LAYERS.items()}
camera = {"file": "camera.json", "convention": "unreal", "direction": "camera_to_world"}
FOLDER.mkdir(exist_ok=True)
(FOLDER / "camera.json").write_text(json.dumps({"frames": frames}))
(FOLDER / "clip.json").write_text(json.dumps({**clip, "camera": camera}, indent=1))
queue.render_queue_with_executor(unreal.MoviePipelinePIEExecutor)
