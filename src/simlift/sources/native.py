"""The native clip folder -> Clip; every key of clip.json is checked before a frame is read."""

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
from simlift.media.video import VIDEO_SUFFIXES, VideoStore, probe_video
from simlift.sources.video import video_notes

T = TypeVar("T")


def recognises(folder: Path) -> bool:
    """Whether clip.json lies in the folder."""
    return (folder / "clip.json").is_file()


def read(folder: Path) -> Clip:
    """Read a native clip; ClipError or RecipeError names the file, the key and what is allowed."""
    manifest = load(folder / "clip.json", NativeManifest)
    layers = tuple(
        _layer(folder, Layer(name), entry) for name, entry in sorted(manifest.layers.items())
    )
    rgb = next((s.store for s in layers if s.layer is Layer.RGB), None)
    notes = video_notes(rgb.info) if isinstance(rgb, VideoStore) else ()
    clip = Clip(
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
        actions=_inside(folder, manifest.actions) if manifest.actions else None,
        twin=_inside(folder, manifest.twin) if manifest.twin else None,
        notes=notes,
    )
    if manifest.name != Path(manifest.name).name or manifest.name.startswith("."):
        raise ClipError(folder / "clip.json", f"name is {manifest.name!r}", allowed="a file name")
    return clip


def _layer(folder: Path, layer: Layer, entry: NativeLayer) -> StoredLayer:
    path = _inside(folder, entry.file)
    if layer is not Layer.DEPTH and (entry.metres_per_unit or entry.sky) is not None:
        raise ClipError(
            folder / "clip.json",
            f"layer {layer.value} has metres_per_unit or sky",
            allowed="on depth alone",
        )
    if path.suffix.lower() in VIDEO_SUFFIXES:
        colour = layer in (Layer.RGB, Layer.ALBEDO)
        store: FrameStore = VideoStore(probe_video(path), "rgb24" if colour else "gray16le")
        floats = False
    else:
        files = sorted(path.parent.glob("*" + path.suffix)) if "%" in path.name else [path]
        if not files:
            raise ClipError(path.parent, f"layer {layer.value} has no {path.suffix} files")
        images, first = probe_images(numbered(files, path.parent))
        store, floats = images, first.dtype.kind == "f"
    return _decoded(folder, layer, entry, store, floats)


def _decoded(
    folder: Path, layer: Layer, entry: NativeLayer, store: FrameStore, floats: bool
) -> StoredLayer:
    if layer in (Layer.RGB, Layer.ALBEDO):
        return StoredLayer(layer, store, Colour(), Unit.SRGB)
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


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ClipError(
            folder / "clip.json", f"{name!r} leads out of the folder", allowed="paths inside it"
        )
    return path


def _arrays(folder: Path, name: str, keys: tuple[str, ...]) -> dict[str, Array]:
    path = _inside(folder, name)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="remove it from clip.json") from None
    except (ValueError, OSError, EOFError) as error:
        raise ClipError(path, f"is not a plain .npz archive ({error})") from error
    if missing := [key for key in keys if key not in arrays]:
        raise ClipError(path, f"lacks {', '.join(missing)}", allowed=", ".join(keys))
    return arrays


def _camera(folder: Path, name: str | None) -> Camera | None:
    if name is None:
        return None
    found = _arrays(folder, name, ("intrinsics", "world_to_camera"))
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
    found = _arrays(folder, name, ("ids", "poses"))
    return _built(
        folder / name,
        Objects,
        ids=found["ids"].astype(np.int64),
        poses=found["poses"].astype(np.float64),
    )


def _robot(folder: Path, name: str | None) -> Robot | None:
    if name is None:
        return None
    keys = ("joint_names", "joint_positions", "link_names", "link_poses", "gripper")
    found = _arrays(folder, name, keys)
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
    except (ValueError, IndexError) as error:
        raise ClipError(path, str(error), allowed=str(kind.__doc__).splitlines()[0]) from error
