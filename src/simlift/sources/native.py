"""Read the native clip folder -> Clip; check every key of clip.json before reading a frame."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from simlift.core.camera import Camera, Objects, Robot
from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Array, FrameStore, Layer, StoredLayer, Unit
from simlift.core.strict_json import load
from simlift.media.decodings import (
    CameraNormals,
    Colour,
    FloatDepth,
    Ids,
    RelativeDepth,
    ScaledDepth,
    Vectors,
)
from simlift.media.images import numbered, probe_images
from simlift.media.native import NativeLayer, NativeManifest
from simlift.media.video import VIDEO_SUFFIXES, VideoInfo, VideoStore, probe_video
from simlift.sources.video import video_notes

T = TypeVar("T")

# Pixel formats of videos that hold numbers, and the format to read them as, without scaling.
_EXACT_GRAY = {"gray": "gray", "gray16le": "gray16le", "gray16be": "gray16le"}

# Pixel formats that keep red, green and blue apart, so that each holds a number of its own.
_EXACT_RGB = frozenset({"bgr0", "0rgb", "rgb0", "0bgr", "rgb24", "bgr24", "gbrp"})
_PICTURES = (Layer.RGB, Layer.ALBEDO, Layer.TWIN)

# The kinds of numbers (numpy's letters) and of channels (0: none) that the files of a layer hold.
_COLOUR = ("u", (0, 3, 4), "uint8 or uint16 [h w], [h w 3] or [h w 4]")
_NUMBERS: dict[Layer, tuple[str, tuple[int, ...], str]] = {
    Layer.RGB: _COLOUR,
    Layer.ALBEDO: _COLOUR,
    Layer.DEPTH: ("fu", (0, 1), "floats or whole numbers [h w]"),
    Layer.SEGMENTATION: ("iu", (0, 1), "whole numbers [h w]"),
    Layer.NORMALS: ("fu", (3, 4), "floats, uint8 or uint16 [h w 3]"),
    Layer.FLOW: ("f", (2,), "floats [h w 2]"),
    Layer.MATERIAL: ("u", (3, 4), "uint8 or uint16 [h w 3]"),
    Layer.TWIN: _COLOUR,
}


def recognises(folder: Path) -> bool:
    """Whether clip.json lies in the folder."""
    return (folder / "clip.json").is_file()


def read(folder: Path) -> Clip:
    """Read a native clip; ClipError or RecipeError names the file, the key and what is allowed."""
    manifest = load(folder / "clip.json", NativeManifest)
    name = manifest.name
    if not name or name != Path(name).name or name.startswith("."):
        raise ClipError(folder / "clip.json", f"name is {name!r}", allowed="a file name")
    layers = tuple(
        _layer(folder, Layer(name), entry) for name, entry in sorted(manifest.layers.items())
    )
    rgb = next((s.store for s in layers if s.layer is Layer.RGB), None)
    video = rgb.info if isinstance(rgb, VideoStore) else None
    return Clip(
        name=manifest.name,
        path=folder,
        fps=manifest.fps,
        num_frames=manifest.num_frames,
        height=manifest.height,
        width=manifest.width,
        layers=layers,
        camera=_camera(folder, manifest.camera),
        objects=_objects(folder, manifest.objects),
        robot=_robot(folder, manifest.robot),
        labels={int(i): label for i, label in manifest.labels.items()},
        caption=manifest.caption,
        actions=_existing(folder, manifest.actions),
        scene=_existing(folder, manifest.scene),
        timestamps=video.timestamps if video else None,
        audio=video.path if video and video.audio_codec else None,
        notes=video_notes(video) if video else (),
    )


def _layer(folder: Path, layer: Layer, entry: NativeLayer) -> StoredLayer:
    path = _inside(folder, entry.file)
    if layer is not Layer.DEPTH and (entry.metres_per_unit, entry.sky) != (None, None):
        raise ClipError(
            folder / "clip.json",
            f"layer {layer.value} has metres_per_unit or sky",
            allowed="on depth alone",
        )
    if path.suffix.lower() in VIDEO_SUFFIXES:
        store: FrameStore = _video(layer, entry, probe_video(path))
        floats = False
    else:
        files = sorted(path.parent.glob("*" + path.suffix)) if "%" in path.name else [path]
        if not files:
            raise ClipError(
                path.parent,
                f"layer {layer.value} has no {path.suffix} files",
                way_out=f"correct layers.{layer.value}.file in clip.json",
            )
        images, first = probe_images(numbered(files, path.parent))
        _check_numbers(layer, files[0], first)
        store, floats = images, first.dtype.kind == "f"
    return replace(_decoded(folder, layer, entry, store, floats), note=entry.note)


def _video(layer: Layer, entry: NativeLayer, info: VideoInfo) -> VideoStore:
    if layer in _PICTURES:
        return VideoStore(info, "rgb24")
    if layer is Layer.MATERIAL:
        return _material(info)
    if layer in (Layer.NORMALS, Layer.FLOW):
        raise ClipError(
            info.path,
            f"layer {layer.value} is a video",
            allowed="numbered .npy files, or .png for normals",
        )
    if entry.unit == "relative":
        return VideoStore(info, "gray16le")
    # Colour video mixes neighbours and shifts numbers: depth and ids would be wrong, not rough.
    if info.pixel_format not in _EXACT_GRAY:
        raise ClipError(
            info.path,
            f"layer {layer.value} is stored as {info.pixel_format} video",
            allowed=f"lossless video of {' or '.join(_EXACT_GRAY)}, such as FFV1",
            way_out="record it again, or state unit: relative for a picture of depth",
        )
    return VideoStore(info, _EXACT_GRAY[info.pixel_format])


def _material(info: VideoInfo) -> VideoStore:
    # Three unrelated numbers: mixed as if they were a colour, each would bleed into the others.
    if info.pixel_format not in _EXACT_RGB:
        raise ClipError(
            info.path,
            f"layer material is stored as {info.pixel_format} video",
            allowed="lossless video of RGB, such as FFV1 bgr0; or numbered .png",
            way_out="record it again",
        )
    return VideoStore(info, "rgb24")


def _check_numbers(layer: Layer, path: Path, first: Array) -> None:
    kinds, channels, allowed = _NUMBERS[layer]
    found = first.shape[2] if first.ndim == 3 else 0
    if first.dtype.kind not in kinds or found not in channels:
        raise ClipError(
            path, f"layer {layer.value} holds {first.dtype} {first.shape}", allowed=allowed
        )


def _decoded(
    folder: Path, layer: Layer, entry: NativeLayer, store: FrameStore, floats: bool
) -> StoredLayer:
    if layer in _PICTURES:
        return StoredLayer(layer, store, Colour(), Unit.SRGB)
    if layer is Layer.MATERIAL:
        return StoredLayer(layer, store, Colour(), Unit.SHARES)
    if layer is Layer.SEGMENTATION:
        return StoredLayer(layer, store, Ids(), Unit.IDS)
    if layer is Layer.FLOW:
        return StoredLayer(layer, store, Vectors(), Unit.PIXELS)
    if layer is Layer.NORMALS:
        return StoredLayer(layer, store, CameraNormals(), Unit.CAMERA_VECTOR)
    if entry.unit == "relative":
        return StoredLayer(
            layer, store, RelativeDepth(False, 1.0 if floats else 65535.0), Unit.RELATIVE
        )
    if floats:
        return StoredLayer(layer, store, FloatDepth(entry.metres_per_unit or 1.0), Unit.METRES)
    if entry.metres_per_unit is None or entry.metres_per_unit <= 0:
        raise ClipError(
            folder / "clip.json",
            f"layers.depth.metres_per_unit is {entry.metres_per_unit}",
            allowed="metres of one stored unit, such as 0.001; or unit: relative",
        )
    return StoredLayer(layer, store, ScaledDepth(entry.metres_per_unit, entry.sky), Unit.METRES)


def _existing(folder: Path, name: str | None) -> Path | None:
    if name is None:
        return None
    path = _inside(folder, name)
    if not path.is_file():
        raise ClipError(path, "does not exist", way_out="remove it from clip.json")
    return path


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ClipError(
            folder / "clip.json", f"{name!r} leads out of the folder", allowed="paths inside it"
        )
    return path


def _arrays(folder: Path, name: str, shapes: Mapping[str, str]) -> dict[str, Array]:
    """Read arrays whose axes `shapes` states; equal letters are equal lengths."""
    path = _inside(folder, name)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("one array, no archive")
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="remove it from clip.json") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ClipError(
            path,
            f"is not a plain .npz archive ({error})",
            allowed=f"arrays without pickles: {', '.join(shapes)}",
            way_out="save it again with numpy.savez",
        ) from error
    if missing := [key for key in shapes if key not in arrays and key != "up"]:
        raise ClipError(path, f"lacks {', '.join(missing)}", allowed=", ".join(shapes))
    lengths: dict[str, int] = {}
    for key in [key for key in shapes if key in arrays]:
        _check_axes(path, key, arrays[key], shapes[key], lengths)
    return arrays


def _check_axes(path: Path, key: str, array: Array, axes: str, lengths: dict[str, int]) -> None:
    names = axes.split()
    numbers = "U" if key.endswith("names") else "iuf"
    fits = len(names) == array.ndim and array.dtype.kind in numbers
    if not fits or any(
        size != int(name) for name, size in zip(names, array.shape) if name.isdigit()
    ):
        raise ClipError(
            path,
            f"{key} holds {array.dtype} {list(array.shape)}",
            allowed=f"{'texts' if numbers == 'U' else 'numbers'} [{axes}]",
        )
    for name, size in zip(names, array.shape):
        if not name.isdigit() and lengths.setdefault(name, size) != size:
            raise ClipError(
                path,
                f"{key} has {size} entries along {name}, the other arrays {lengths[name]}",
                allowed="equal lengths",
            )


def _camera(folder: Path, name: str | None) -> Camera | None:
    if name is None:
        return None
    shapes = {"intrinsics": "t 3 3", "world_to_camera": "t 4 4", "up": "3"}
    found = _arrays(folder, name, shapes)
    up = found.get("up", np.array([0.0, 0.0, 1.0]))
    return _built(
        folder / name,
        Camera,
        intrinsics=found["intrinsics"].astype(np.float64),
        world_to_camera=found["world_to_camera"].astype(np.float64),
        up=up.astype(np.float64),
    )


def _objects(folder: Path, name: str | None) -> Objects | None:
    if name is None:
        return None
    found = _arrays(folder, name, {"ids": "o", "poses": "t o 4 4"})
    return _built(
        folder / name,
        Objects,
        ids=found["ids"].astype(np.int64),
        poses=found["poses"].astype(np.float64),
    )


def _robot(folder: Path, name: str | None) -> Robot | None:
    if name is None:
        return None
    shapes = {
        "joint_names": "j",
        "joint_positions": "t j",
        "link_names": "l",
        "link_poses": "t l 4 4",
        "gripper": "t",
    }
    found = _arrays(folder, name, shapes)
    return _built(
        folder / name,
        Robot,
        joint_names=tuple(str(n) for n in found["joint_names"]),
        joint_positions=found["joint_positions"].astype(np.float64),
        link_names=tuple(str(n) for n in found["link_names"]),
        link_poses=found["link_poses"].astype(np.float64),
        gripper=found["gripper"].astype(np.float64),
    )


def _built(path: Path, kind: type[T], **fields: Any) -> T:
    try:
        return kind(**fields)
    except ValueError as error:
        raise ClipError(path, str(error), allowed=str(kind.__doc__).splitlines()[0]) from error
