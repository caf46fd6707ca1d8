"""Give a clip without ids the mask of its robot, rendered from the meshes of the robot's model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from simlift.core.clip import Clip, Label
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.media.decodings import Ids
from simlift.robots.description import RobotDescription
from simlift.robots.render import MeshSource, RobotMaskStore, in_view

_CATEGORY = "robot"


def with_robot_mask(
    clip: Clip, description: RobotDescription, file: Path, rows: Sequence[Path] = ()
) -> Clip:
    """Return the clip with a layer of ids that are rendered as they are read.

    The clip is returned as it is where it has ids, knows no camera or no links, or where the
    description (`file`) names no model or wants no mask. `rows` are the files of the joints.
    InputError where a mesh is missing or of a kind that cannot be read.
    """
    camera = clip.camera
    if description.model is None or description.meshes == "none" or camera is None:
        return clip
    if Layer.SEGMENTATION in clip or clip.robot is None:
        return clip
    if clip.objects is not None and Layer.DEPTH in clip:
        # With ids of the robot alone, bodies that move would be taken for a part of still ground.
        return _noted(
            clip, "no mask of the robot was rendered: bodies are known, but not their ids"
        )
    marks = [arm.end_effector for arm in description.arms]
    source = MeshSource(file.parent / description.model, description.meshes, tuple(marks))
    meshes = source.load()
    if not len(meshes.faces):
        where = f"{description.model} has no {description.meshes} shapes where the arms are"
        return _noted(clip, f"no mask of the robot was rendered: {where}")
    poses = clip.robot.poses_of(meshes.links)
    if not in_view(meshes, poses, camera, (clip.height, clip.width)).any():
        clip = _noted(clip, "the robot is in view of the camera in no frame: see to its pose")
    taken = [*clip.labels, *([] if clip.objects is None else clip.objects.ids.tolist())]
    number = 1 + max(taken, default=0)
    store = RobotMaskStore(
        source,
        tuple(sorted({*meshes.files, file, *rows})),
        poses,
        camera,
        clip.height,
        clip.width,
        number,
    )
    note = (
        f"ids were rendered from the {description.meshes} shapes of {description.model}: the robot "
        "alone, without what stands before it"
    )
    layer = StoredLayer(Layer.SEGMENTATION, store, Ids(), Unit.IDS, note)
    labels = {**clip.labels, number: Label(_CATEGORY, _CATEGORY)}
    return _noted(replace(clip, layers=(*clip.layers, layer), labels=labels), note)


def _noted(clip: Clip, note: str) -> Clip:
    return replace(clip, notes=(*clip.notes, note))
