"""Read what Kubric writes for a scene -> Clip.

Files are named by their layer and frame: rgba_00000.png, depth_00000.tiff, segmentation_00000.png,
normal_00000.png, forward_flow_00000.png; metadata.json holds the camera and the instances. Depth is
the distance to the camera's centre in metres. Normals are in world axes, 16 bits for -1 to 1. Flow
holds rows, then columns, in 16 bits over the range that data_ranges.json states. Segmentation is
an indexed PNG, whose index k is instance k - 1 of metadata.json, and 0 the background.

Source: Kubric, file_io and renderer/blender_utils (2022 and later). Not yet compared with a scene
that Kubric itself wrote.
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.camera import Camera, Objects
from simlift.core.camera_conventions import (
    convert_camera,
    intrinsics_of_lens,
    poses_of,
    rotation_of_quaternion,
)
from simlift.core.clip import Clip, Label
from simlift.core.errors import ClipError
from simlift.core.layers import Array, FrameStore, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.core.strict_json import read_json
from simlift.media.decodings import Colour, Ids, RangedFlow
from simlift.media.geometry_decodings import AlongRay, FromWorld, ScaledDepth, StoredNormals
from simlift.media.images import ImageStore, probe_images
from simlift.sources.folder_files import aligned, frame_rate, names_in, sorted_by_kind
from simlift.sources.unread import not_read

_FILE = re.compile(
    r"(?P<kind>rgba|rgb|depth|segmentation|normal|forward_flow)_(?P<number>\d{5})\.(?:png|tiff)"
)
_UNVERIFIED = "read by Kubric's source code; no files of its own were at hand to compare with"
_FARTHEST = 1e8  # metres; Blender's 1e10, along the ray, is what Kubric writes where nothing is
_MOVES = ("positions", "quaternions")


def recognises(folder: Path) -> bool:
    """Whether Kubric's pictures, another of its layers and metadata.json lie in the folder."""
    kinds = {match["kind"] for name in names_in(folder) if (match := _FILE.fullmatch(name))}
    pictures = kinds & {"rgba", "rgb"}
    return bool(pictures) and len(kinds) > 1 and (folder / "metadata.json").is_file()


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read a scene; ClipError names what is missing or contradicts."""
    found = sorted_by_kind(folder, _FILE)
    pictures = found.pop("rgba", None) or found["rgb"]
    found.pop("rgb", None)
    if "forward_flow" in found:
        found[Layer.FLOW.value] = found.pop("forward_flow")
    numbers, files, notes = aligned(folder, pictures, {"rgb": pictures, **found})
    rgb, first = probe_images(files["rgb"])
    said = [_UNVERIFIED, *notes, *rgb.notes]
    if first.ndim == 3 and first.shape[2] == 4 and int(first[..., 3].min()) < 255:
        said.append("the alpha channel is dropped: the background shows the colour below it")
    path = folder / "metadata.json"
    data = read_json(path)
    if not isinstance(data, dict):
        raise ClipError(path, "holds no object", allowed="metadata, camera and instances")
    layers = [StoredLayer(Layer.RGB, rgb, Colour(), Unit.SRGB), *_geometry(files)]
    used = [path, *(each for paths in files.values() for each in paths)]
    ranges = folder / "data_ranges.json"
    if Layer.FLOW.value in files:
        layers.append(_flow(files[Layer.FLOW.value], ranges))
        used.append(ranges)
        said.append("flow is taken as (row, column), as Kubric writes it since 2022")
    labels: dict[int, Label] = {}
    objects = None
    if "segmentation" in files:
        store, highest = _indices(files["segmentation"])
        layers.append(StoredLayer(Layer.SEGMENTATION, store, Ids(), Unit.IDS))
        instances = _instances(path, data, highest, said)
        labels = {k + 1: _label(k + 1, each) for k, each in enumerate(instances)}
        objects = _objects(path, instances, numbers)
    fps, rate_notes = frame_rate(options, _fps(path, data), len(numbers))
    return Clip(
        name=folder.name,
        path=folder,
        fps=fps,
        num_frames=len(numbers),
        height=rgb.height,
        width=rgb.width,
        layers=tuple(layers),
        camera=_camera(path, data, numbers, rgb),
        objects=objects,
        labels=labels,
        notes=(*said, *rate_notes, *not_read(folder, used)),
        read_options=options,
    )


def _geometry(files: Mapping[str, tuple[Path, ...]]) -> list[StoredLayer]:
    layers = []
    if "depth" in files:
        store = _checked(files["depth"], "f", (0, 1), "floats [h w]")
        decode = ScaledDepth(far=_FARTHEST)
        layers.append(StoredLayer(Layer.DEPTH, store, decode, Unit.METRES, to_camera=AlongRay()))
    if "normal" in files:
        store = _checked(files["normal"], "u", (3,), "uint16 [h w 3]")
        decode_normals = StoredNormals("world")
        layers.append(
            StoredLayer(
                Layer.NORMALS, store, decode_normals, Unit.CAMERA_VECTOR, to_camera=FromWorld()
            )
        )
    return layers


def _checked(
    paths: tuple[Path, ...], kinds: str, channels: tuple[int, ...], allowed: str
) -> ImageStore:
    store, first = probe_images(paths)
    if first.dtype.kind not in kinds or (first.shape[2] if first.ndim == 3 else 0) not in channels:
        raise ClipError(
            paths[0],
            f"holds {first.dtype} {list(first.shape)}",
            allowed=f"{allowed}, as Kubric writes it",
            way_out="write it again, or describe the folder in a clip.json",
        )
    return store


def _flow(paths: tuple[Path, ...], ranges: Path) -> StoredLayer:
    store = _checked(paths, "u", (3,), "uint16 [h w 3]")
    try:
        stated = read_json(ranges)["forward_flow"]
        low, high = float(stated["min"]), float(stated["max"])
    except (KeyError, TypeError, ValueError) as error:
        raise ClipError(
            ranges,
            f"states no range of forward_flow ({error})",
            allowed='{"forward_flow": {"min": -3.5, "max": 12.0}}',
            way_out="write it again, or remove the files of forward_flow",
        ) from error
    return StoredLayer(Layer.FLOW, store, RangedFlow(low, high, (1, 0)), Unit.PIXELS)


def _indices(paths: tuple[Path, ...]) -> tuple[ImageStore, int]:
    """Return the images of indices, and the largest of the first and last one."""
    store, first = probe_images(paths, samples=True)
    if first.ndim != 2:
        raise ClipError(
            paths[0],
            f"holds {first.dtype} {list(first.shape)}",
            allowed="an indexed or gray PNG, as Kubric writes it",
        )
    with store.open() as reader:
        return store, int(max(first.max(), reader.read([len(paths) - 1]).max()))


def _instances(
    path: Path, data: Mapping[str, Any], highest: int, said: list[str]
) -> list[Mapping[str, Any]]:
    """Return what is known of the ids 1, 2, ...; nothing where their number contradicts."""
    instances = data.get("instances", [])
    if not isinstance(instances, list) or not all(isinstance(each, dict) for each in instances):
        raise ClipError(path, "instances is no list of objects", allowed="what Kubric writes")
    if highest > len(instances):
        said.append(
            f"segmentation has the id {highest}, metadata.json {len(instances)} instances: ids "
            "have no names (Kubric's adjust_segmentation_idxs gives them one order)"
        )
        return []
    return instances


def _label(number: int, instance: Mapping[str, Any]) -> Label:
    asset = str(instance.get("asset_id") or instance.get("shape") or "object")
    return Label(f"{asset}-{number}", str(instance.get("category") or asset))


def _objects(
    path: Path, instances: Sequence[Mapping[str, Any]], numbers: Sequence[int]
) -> Objects | None:
    if not instances or not all(key in each for each in instances for key in _MOVES):
        return None
    poses = np.stack([_poses(path, each, numbers) for each in instances], axis=1)
    return Objects(np.arange(len(instances)) + 1, poses)


def _camera(path: Path, data: Mapping[str, Any], numbers: Sequence[int], rgb: FrameStore) -> Camera:
    stated = data.get("camera")
    if not isinstance(stated, dict):
        raise ClipError(path, "has no camera", allowed="focal_length, sensor_width and poses")
    try:
        intrinsics = intrinsics_of_lens(
            rgb.height,
            rgb.width,
            focal_length=float(stated["focal_length"]),
            sensor_width=float(stated["sensor_width"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ClipError(
            path,
            f"camera states no lens ({error})",
            allowed="focal_length and sensor_width of a perspective camera",
        ) from error
    poses = _poses(path, stated, numbers)
    lenses = np.repeat(intrinsics[None], len(poses), 0)
    return convert_camera(poses, lenses, convention="opengl", direction="camera_to_world")


def _poses(path: Path, stated: Mapping[str, Any], numbers: Sequence[int]) -> Array:
    """Return the poses of the frames `numbers`, from lists that begin with frame 0."""
    try:
        positions = np.array(stated["positions"], dtype=np.float64).reshape(-1, 3)
        rotations = rotation_of_quaternion(
            np.array(stated["quaternions"], dtype=np.float64).reshape(-1, 4), "wxyz"
        )
        if len(positions) != len(rotations) or len(positions) <= numbers[-1]:
            raise ValueError(
                f"{len(positions)} positions and {len(rotations)} quaternions for frame "
                f"{numbers[-1]}"
            )
    except (KeyError, TypeError, ValueError) as error:
        raise ClipError(
            path,
            f"states no poses ({error})",
            allowed="positions [t 3] and quaternions [t 4] (w, x, y, z) of every frame",
        ) from error
    return poses_of(positions, rotations)[list(numbers)]


def _fps(path: Path, data: Mapping[str, Any]) -> Fraction | None:
    stated = data.get("metadata", {})
    rate = stated.get("frame_rate") if isinstance(stated, dict) else None
    try:
        return Fraction(str(rate)) if rate is not None else None
    except (ValueError, ZeroDivisionError) as error:
        raise ClipError(path, f"frame_rate is {rate!r}", allowed="frames a second") from error
