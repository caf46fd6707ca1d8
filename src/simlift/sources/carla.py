"""Read a CARLA dump, of one camera or of a rig -> Clip: rgb, depth in metres, semantic classes.

Sensors are found by names (`carla_frames`), and each is judged by its images before it is believed
(`carla_layers`): depth is a 24-bit code as PNG or a raw BGRA buffer as .npy; classes are colours of
the CityScapes palette, tags, or the tags of instance images. Where the annotations of a rig hold
its cameras (`carla_poses`), they are read.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.images import probe_images, read_image
from simlift.sources.carla_classes import LABELS
from simlift.sources.carla_frames import Frames, find_sensors, pair_frames
from simlift.sources.carla_layers import (
    could_be_depth,
    form_of_classes,
    is_gray,
    read_classes,
    read_depth,
)
from simlift.sources.carla_poses import annotation_files, is_annotated, read_poses
from simlift.sources.images import ASSUMED_FPS
from simlift.sources.lens import fixed_camera
from simlift.sources.rigs import choose_camera
from simlift.sources.unread import not_read

_ASSUMED_FOV = 90.0  # the camera blueprint's default, in degrees across
_RIG_FPS = Fraction(10)  # of Bench2Drive
# Folders of the recorders that cut depth to 8 bits: Bench2Drive, TransFuser and what follows them.
_RECORDERS = ("anno", "measurements")


def recognises(folder: Path) -> bool:
    """Whether colour lies beside depth or classes that have the form of CARLA's.

    Other simulators use the same names, so that the first image of a sensor is looked at.
    """
    rig = find_sensors(folder)
    if rig and is_annotated(folder):
        return True
    return any(_is_carla(sensors) for sensors in rig.values())


def _is_carla(sensors: dict[str, Frames]) -> bool:
    first = {kind: frames[min(frames)] for kind, frames in sensors.items()}
    if "depth" in first and could_be_depth(first["depth"]):
        return True
    classes = first.get("semantic") or first.get("instance")
    if classes is None or classes.suffix.lower() == ".npy":
        return False
    return form_of_classes([read_image(classes)], classes.suffix.lower() != ".png") is not None


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the camera of a dump that `options.camera` names: frames that every sensor has.

    Raw tags that either numbering allows are refused until `options.tags` says which. The field of
    view is 90 degrees (CARLA's default) where neither options nor annotations state it.
    """
    rig = find_sensors(folder)
    name = choose_camera(folder, list(rig), options)
    sensors, notes = rig[name], []
    if "depth" in sensors and _is_left_out(folder, sensors["depth"]):
        del sensors["depth"]
        notes.append("depth is gray, cut to 8 bits at a distance that no file states: not read")
    if "semantic" in sensors:
        sensors.pop("instance", None)
    shared, lost = pair_frames(folder, sensors)
    paths = {kind: [frames[key] for key in shared] for kind, frames in sensors.items()}
    rgb, first = probe_images(paths["rgb"])
    if first.dtype != np.uint8:
        raise ClipError(
            paths["rgb"][0], f"holds {first.dtype} {list(first.shape)}", allowed="8-bit colour"
        )
    layers = [StoredLayer(Layer.RGB, rgb, Colour(), Unit.SRGB)]
    notes += lost
    if "depth" in paths:
        depth = read_depth(paths["depth"], rgb)
        layers.append(depth.stored)
        notes += depth.notes
    classes = paths.get("semantic") or paths.get("instance")
    if classes:
        judged = read_classes(classes, options.tags)
        layers.append(judged.stored)
        notes += judged.notes
    annotations = annotation_files(folder, shared)
    camera = read_poses(annotations, name, rgb.height, rgb.width) if annotations else None
    if camera is None:
        annotations = []
    camera, assumed = _camera(camera, len(shared), rgb.height, rgb.width, options)
    notes += assumed
    fps = _RIG_FPS if is_annotated(folder) else ASSUMED_FPS
    if len(shared) > 1 and options.fps is None:
        notes.append(f"images carry no frame rate: {fps} fps is assumed")
    read_files = [file for files in paths.values() for file in files]
    return Clip(
        name=folder.name if len(rig) == 1 else f"{folder.name}_{name}",
        path=folder,
        fps=options.fps or fps,
        num_frames=len(shared),
        height=rgb.height,
        width=rgb.width,
        layers=tuple(layers),
        camera=camera,
        labels=LABELS,
        notes=(*notes, *not_read(folder, [*read_files, *annotations])),
        read_options=options,
    )


def _is_left_out(folder: Path, depth: Frames) -> bool:
    """Whether depth was stored without its unit, by a recorder that is known to do so."""
    recorded = any((folder / name).is_dir() for name in _RECORDERS)
    return recorded and is_gray(depth[min(depth)])


def _camera(
    camera: Camera | None, count: int, height: int, width: int, options: ReadOptions
) -> tuple[Camera, list[str]]:
    """Return the camera that is read, or a fixed one with what it assumes."""
    if camera is not None:
        if options.fov is None:
            return camera, []
        fixed = fixed_camera(count, height, width, options.fov)
        return Camera(fixed.intrinsics, camera.world_to_camera, camera.up), [
            "the field of view that is stated replaces the one of the annotations"
        ]
    notes = []
    if options.fov is None:
        notes.append(
            f"no camera is written: a field of view of {_ASSUMED_FOV:.0f} degrees is assumed"
        )
    notes.append("no poses are written: the camera is taken as fixed")
    return fixed_camera(count, height, width, options.fov or _ASSUMED_FOV), notes
