"""Read a sequence of Unity Perception's SOLO dataset -> Clip.

sequence.0/step0.frame_data.json lists the captures of one step: a picture with the camera's pose
and projection, and annotations. A sequence is a clip; its steps are the frames. Depth is an EXR
file, along the optical axis or along the ray as measurementStrategy says. Poses are in Unity's
axes, quaternions (x, y, z, w). Colours of instances are listed anew in every step.

Source: Unity Perception 1.0 documentation, "SOLO dataset schema" and DepthMeasurementStrategy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.camera import Camera
from simlift.core.camera_conventions import (
    convert_camera,
    intrinsics_of_projection,
    poses_of,
    rotation_of_quaternion,
)
from simlift.core.clip import Clip, Label
from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.core.strict_json import read_json
from simlift.media.coded_ids import Code, probe_coded_ids
from simlift.media.decodings import Colour, Ids
from simlift.media.exr import ExrStore, read_exr_header
from simlift.media.geometry_decodings import AlongRay, ScaledDepth
from simlift.media.images import ImageStore, numbered, probe_images
from simlift.sources.folder_files import folders_in, frame_rate, names_in
from simlift.sources.rigs import choose_camera
from simlift.sources.unread import not_read

_STEP = re.compile(r"step(\d+)\.frame_data\.json")
_SEQUENCE = re.compile(r"sequence\.\d+")
_CAMERA = "RGBCamera"
_NOTHING: dict[Code, int] = {(0, 0, 0, 0): 0, (0, 0, 0, 255): 0}  # what no label covers


def recognises(folder: Path) -> bool:
    """Whether the folder is a sequence of a SOLO dataset, or holds sequences."""
    return _is_sequence(folder) or bool(_sequences(folder))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read a sequence; a dataset of several is refused, since each is a recording of its own."""
    place = _one_sequence(folder)
    steps = _steps(place)
    captures = _captures(place, steps, options)
    rgb, first = probe_images([_file(place, each, steps[k]) for k, each in enumerate(captures)])
    _check_cameras(steps, captures, rgb)
    said = list(rgb.notes)
    if first.ndim == 3 and first.shape[2] == 4 and int(first[..., 3].min()) < 255:
        said.append("the alpha channel is dropped")
    layers = [StoredLayer(Layer.RGB, rgb, Colour(), Unit.SRGB)]
    frames = _Frames(place, steps, captures)
    layers += _depth(frames, said)
    segmentation, labels = _segmentation(frames)
    layers += segmentation
    if any(frames.annotations("NormalAnnotation")):
        said.append("normals are not read: their axes are not documented")
    fps, rate_notes = frame_rate(options, _fps(place, str(captures[0]["id"])), len(steps))
    used = (*steps, *(Path(path) for stored in layers for path in stored.store.files))
    return Clip(
        name=place.name if place == folder else folder.name,
        path=folder,
        fps=fps,
        num_frames=len(steps),
        height=rgb.height,
        width=rgb.width,
        layers=tuple(layers),
        camera=_camera(frames, rgb),
        labels=labels,
        notes=(*said, *rate_notes, *not_read(place, used)),
        read_options=options,
    )


@dataclass(frozen=True)
class _Frames:
    """The captures of one camera: the file that describes each, and what it says."""

    place: Path
    steps: tuple[Path, ...]
    captures: tuple[Mapping[str, Any], ...]

    def annotations(self, kind: str) -> tuple[Mapping[str, Any] | None, ...]:
        """Return the first annotation of a kind in every capture."""
        return tuple(
            next((a for a in each.get("annotations", ()) if _kind(a) == kind), None)
            for each in self.captures
        )

    def complete(self, kind: str) -> tuple[Mapping[str, Any], ...]:
        """Return the annotations of a kind; none if none is there; ClipError where some lack it."""
        found = self.annotations(kind)
        missing = [str(k) for k, annotation in enumerate(found) if annotation is None]
        if missing and len(missing) < len(found):
            raise ClipError(
                self.place,
                f"{len(missing)} steps have no {kind} ({', '.join(missing[:8])})",
                allowed="the same annotations in every step",
            )
        return tuple(annotation for annotation in found if annotation is not None)


def _is_sequence(folder: Path) -> bool:
    return any(_STEP.fullmatch(name) for name in names_in(folder))


def _sequences(folder: Path) -> list[Path]:
    named = [inner for inner in folders_in(folder) if _SEQUENCE.fullmatch(inner.name)]
    return [inner for inner in named if _is_sequence(inner)]


def _one_sequence(folder: Path) -> Path:
    if _is_sequence(folder):
        return folder
    found = _sequences(folder)
    if len(found) > 1:
        steps = sum(1 for name in names_in(found[0]) if _STEP.fullmatch(name))
        raise ClipError(
            folder,
            f"holds {len(found)} sequences (the first of {steps} steps)",
            allowed="one sequence is one clip: the scene is set anew for each",
            way_out=f"name the sequences one by one, such as {found[0]}",
        )
    return found[0]


def _steps(place: Path) -> tuple[Path, ...]:
    paths = {int(m[1]): place / name for name in names_in(place) if (m := _STEP.fullmatch(name))}
    # The step's number is the only one in "step3.frame_data": gaps are lost frames.
    return numbered([paths[number] for number in sorted(paths)], place)


def _captures(
    place: Path, steps: Sequence[Path], options: ReadOptions
) -> tuple[Mapping[str, Any], ...]:
    """Return the captures of one camera; the first step says which cameras there are."""
    rows = [_cameras_in(step) for step in steps]
    chosen = choose_camera(place, sorted(rows[0]), options)
    for step, row in zip(steps, rows, strict=True):
        if chosen not in row:
            raise ClipError(
                step, f"has no capture of {chosen!r}", allowed="a capture in every step"
            )
    return tuple(row[chosen] for row in rows)


def _cameras_in(step: Path) -> dict[str, Mapping[str, Any]]:
    data = read_json(step)
    captures = data.get("captures") if isinstance(data, dict) else None
    if not isinstance(captures, list) or not all(isinstance(each, dict) for each in captures):
        raise ClipError(step, "has no list of captures", allowed="SOLO's frame data")
    found = {str(each.get("id")): each for each in captures if _kind(each) == _CAMERA}
    if not found:
        raise ClipError(step, "has no capture of a camera", allowed="captures of RGBCamera")
    return found


def _kind(entry: Mapping[str, Any]) -> str:
    """Return the last part of a type such as type.unity.com/unity.solo.RGBCamera."""
    return str(entry.get("@type", "")).rpartition(".")[2]


def _file(place: Path, entry: Mapping[str, Any], step: Path) -> Path:
    name = entry.get("filename")
    if not isinstance(name, str) or name in ("", "..") or "/" in name or "\\" in name:
        raise ClipError(step, f"names the file {name!r}", allowed="a file beside it")
    return place / name


def _check_cameras(
    steps: Sequence[Path], captures: Sequence[Mapping[str, Any]], rgb: ImageStore
) -> None:
    for step, each in zip(steps, captures, strict=True):
        projection = str(each.get("projection", "Perspective"))
        if projection.lower() != "perspective":
            raise ClipError(
                step,
                f"the projection is {projection}",
                allowed="Perspective: depth, light and motion are computed for a pinhole",
                way_out="capture with a perspective camera",
            )
        size = each.get("dimension", [rgb.width, rgb.height])
        if list(size) != [rgb.width, rgb.height]:
            raise ClipError(
                step,
                f"dimension is {size}, the picture is {rgb.width}x{rgb.height}",
                allowed="the size of the picture",
            )


def _camera(frames: _Frames, rgb: ImageStore) -> Camera:
    stated = {"position": 3, "rotation": 4, "matrix": 9}
    rows: dict[str, list[list[float]]] = {key: [] for key in stated}
    for step, each in zip(frames.steps, frames.captures, strict=True):
        for key, count in stated.items():
            numbers = each.get(key)
            if not isinstance(numbers, list) or len(numbers) != count:
                raise ClipError(
                    step,
                    f"{key} of the camera is {numbers!r}",
                    allowed="position (x, y, z), rotation (x, y, z, w) and matrix of 9 numbers",
                )
            rows[key].append(numbers)
    try:
        position, rotation, matrix = (np.array(rows[key], dtype=np.float64) for key in stated)
        return convert_camera(
            poses_of(position, rotation_of_quaternion(rotation, "xyzw")),
            intrinsics_of_projection(_projections(matrix), rgb.height, rgb.width),
            convention="unity",
            direction="camera_to_world",
        )
    except (TypeError, ValueError) as error:
        raise ClipError(frames.steps[0], str(error), way_out="capture again") from error


def _projections(matrix: Array) -> Array:
    """Return OpenGL projections from their upper left parts, which are all that SOLO writes."""
    out = np.zeros((len(matrix), 4, 4))
    out[:, :3, :3] = matrix.reshape(-1, 3, 3)
    out[:, 3, 2] = -1  # what makes it perspective, as `projection` says it is
    return out


def _depth(frames: _Frames, said: list[str]) -> list[StoredLayer]:
    found = frames.complete("DepthAnnotation")
    if not found:
        return []
    strategies = {str(annotation.get("measurementStrategy", "")) for annotation in found}
    strategy = strategies.pop()
    if strategies or strategy not in ("Depth", "Range", ""):
        raise ClipError(
            frames.steps[0],
            f"measurementStrategy is {strategy!r}",
            allowed="Depth or Range, the same in every step",
        )
    if not strategy:
        said.append("measurementStrategy is not written: depth is taken along the optical axis")
    paths = _files_of(frames, found)
    header = read_exr_header(paths[0])
    channel = next((name for name in ("R", "Y", "Z") if name in header.channels), None)
    if channel is None:
        raise ClipError(paths[0], f"has the channels {', '.join(header.channels)}", allowed="R")
    store = ExrStore(paths, header.height, header.width, (channel,))
    along_ray = AlongRay() if strategy == "Range" else None
    decode = ScaledDepth(1.0, (0.0,))
    return [StoredLayer(Layer.DEPTH, store, decode, Unit.METRES, to_camera=along_ray)]


def _files_of(frames: _Frames, found: Sequence[Mapping[str, Any]]) -> tuple[Path, ...]:
    return tuple(
        _file(frames.place, annotation, step)
        for annotation, step in zip(found, frames.steps, strict=True)
    )


def _segmentation(frames: _Frames) -> tuple[list[StoredLayer], dict[int, Label]]:
    """Return the ids of instances, or else of classes, and their labels."""
    found = frames.complete("InstanceSegmentationAnnotation")
    colour, named = "color", _instance
    if not found:
        found = frames.complete("SemanticSegmentationAnnotation")
        colour, named = "pixelValue", _class
    if not found:
        return [], {}
    label_of: dict[str, Label] = {}
    by_name: list[dict[Code, str]] = []
    for step, annotation in zip(frames.steps, found, strict=True):
        names: dict[Code, str] = {}
        for instance in annotation.get("instances", ()):
            try:
                label = named(instance)
                names[tuple(int(part) for part in instance[colour])] = label.name
            except (KeyError, TypeError, ValueError) as error:
                raise ClipError(
                    step,
                    f"an instance of the segmentation lacks {error}",
                    allowed=f"labelName and {colour} for each",
                ) from error
            label_of[label.name] = label
        by_name.append(names)
    number_of = {name: k + 1 for k, name in enumerate(sorted(label_of))}
    tables = [
        {**_NOTHING, **{code: number_of[name] for code, name in names.items()}} for names in by_name
    ]
    store, _ = probe_coded_ids(_files_of(frames, found), tables)
    labels = {number: label_of[name] for name, number in number_of.items()}
    return [StoredLayer(Layer.SEGMENTATION, store, Ids(), Unit.IDS)], labels


def _instance(entry: Mapping[str, Any]) -> Label:
    return Label(f"{entry['labelName']}-{entry['instanceId']}", str(entry["labelName"]))


def _class(entry: Mapping[str, Any]) -> Label:
    return Label(str(entry["labelName"]), str(entry["labelName"]))


def _fps(place: Path, camera: str) -> Fraction | None:
    """Return the rate that sensor_definitions.json beside the sequence states for a camera."""
    path = place.parent / "sensor_definitions.json"
    if not path.is_file():
        return None
    data = read_json(path)
    sensors = data.get("sensorDefinitions", ()) if isinstance(data, dict) else ()
    for sensor in sensors:
        if sensor.get("id") == camera and sensor.get("captureTriggerMode") == "Scheduled":
            seconds = Fraction(str(sensor.get("simulationDeltaTime", 0)))
            between = int(sensor.get("framesBetweenCaptures", 0))
            return 1 / (seconds * (between + 1)) if seconds > 0 else None
    return None
