"""Read a folder of Blender's renders -> Clip: multi-layer EXR files, or those of File Output nodes.

Multi-layer files hold the passes of Cycles and EEVEE as channels such as ViewLayer.Depth.Z. File
Output nodes write a file for each pass, such as Depth0001.exr. Depth is along the optical axis,
1e10 (65504 in 16 bits) where nothing was hit; normals are in world axes; Vector holds motion in
pixels with y up, and its Z and W lead back from the next frame. Ids are those of a Cryptomatte,
or pass indices. Neither holds the camera: camera.json or camera.npz does (`blender_camera`).

Source: Blender manual, "Render passes"; the signs of Vector were measured with a moving camera.
"""

import re
from pathlib import Path

import numpy as np

from simlift.core.clip import Clip, Label
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.cryptomatte import CryptomatteIds
from simlift.media.decodings import Ids, ScaledFlow
from simlift.media.geometry_decodings import FromWorld, ScaledDepth, StoredNormals
from simlift.sources.blender_camera import BlenderCamera, read_blender_camera
from simlift.sources.blender_passes import (
    Passes,
    file_output_passes,
    is_file_output,
    is_multilayer,
    multilayer_passes,
)
from simlift.sources.folder_files import frame_rate, written_or_stated
from simlift.sources.render_passes import colour_layers
from simlift.sources.unread import not_read

_OF_LINEAR = (
    "colour is linear light: it is shown by the sRGB curve, without the scene's exposure and view "
    "transform (Filmic, AgX)"
)

_NOTHING = (1e10, 65504.0)
_FARTHEST = 1e8  # metres: mixed with 1e10 at the borders of things, distances become as large
_DUPLICATE = re.compile(r"\.\d{3}$")  # what Blender adds to the name of a copy


def recognises(folder: Path) -> bool:
    """Whether multi-layer EXR files of Blender lie in the folder, or those of File Output nodes."""
    return is_multilayer(folder) or is_file_output(folder)


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read the passes that Blender wrote; ClipError names what is missing or contradicts."""
    passes = multilayer_passes(folder) if is_multilayer(folder) else file_output_passes(folder)
    rgb = passes.stores["rgb"]
    known = read_blender_camera(folder, passes.numbers, (rgb.height, rgb.width))
    said = list(passes.notes)
    if known.camera is None:
        said.append("no camera is written (camera.json or camera.npz beside the files)")
    segmentation, labels = _segmentation(passes, known, said)
    fps, rate_notes = frame_rate(options, known.fps, len(passes.numbers))
    return Clip(
        name=folder.name,
        path=folder,
        fps=fps,
        num_frames=len(passes.numbers),
        height=rgb.height,
        width=rgb.width,
        layers=(*_colours(passes, said), *_geometry(passes, known, said), *segmentation),
        camera=written_or_stated(known.camera, options, rgb),
        labels=labels,
        notes=(*said, *rate_notes, *not_read(folder, (*passes.files, *known.files))),
        read_options=options,
    )


def _colours(passes: Passes, said: list[str]) -> list[StoredLayer]:
    layers, notes = colour_layers(passes.stores, _OF_LINEAR)
    said += notes
    alpha = passes.first.get("alpha")
    if alpha is not None and alpha.min() < 1:
        said.append("the pictures have a transparent background: it is read as black")
    return layers


def _geometry(passes: Passes, known: BlenderCamera, said: list[str]) -> list[StoredLayer]:
    layers = []
    stores = passes.stores
    if "depth" in stores:
        decode = ScaledDepth(1.0, _NOTHING, far=min(_FARTHEST, known.clip_end * 0.9999))
        layers.append(StoredLayer(Layer.DEPTH, stores["depth"], decode, Unit.METRES))
    if "normals" in stores and known.camera is not None:
        _check_normals(passes)
        layers.append(
            StoredLayer(
                Layer.NORMALS,
                stores["normals"],
                StoredNormals("world"),
                Unit.CAMERA_VECTOR,
                to_camera=FromWorld(),
            )
        )
    elif "normals" in stores:
        said.append("normals are not read: they are in world axes, and no camera is written")
    if "flow" in stores:
        back = ScaledFlow((-1.0, 1.0))  # from the next frame, y up, to the next frame, y down
        layers.append(StoredLayer(Layer.FLOW, stores["flow"], back, Unit.PIXELS))
    return layers


def _check_normals(passes: Passes) -> None:
    lengths = np.linalg.norm(passes.first["normals"], axis=-1)
    hit = lengths[lengths > 0.01]
    if hit.size and abs(float(np.median(hit)) - 1) > 0.05:
        raise ClipError(
            passes.files[0],
            f"its normals have the length {np.median(hit):.2f}",
            allowed="unit vectors in world axes, as Blender's pass holds them",
            way_out="write the pass as it is, or describe the folder in a clip.json",
        )


def _segmentation(
    passes: Passes, known: BlenderCamera, said: list[str]
) -> tuple[list[StoredLayer], dict[int, Label]]:
    """Return ids and labels: of a Cryptomatte, of pass indices of objects, or of materials."""
    if passes.matte is not None:
        matte, store = passes.matte
        decode = CryptomatteIds(matte.hashes)
        labels = {k + 1: _label(name) for k, name in enumerate(matte.names)}
        return [StoredLayer(Layer.SEGMENTATION, store, decode, Unit.IDS)], labels
    for kind in ("object ids", "material ids"):
        if kind not in passes.stores:
            continue
        if not passes.first[kind].any():
            said.append(f"{kind} are 0 everywhere in the first frame: they are not read")
            continue
        _check_whole(passes, kind)
        names = known.objects if kind == "object ids" else {}
        labels = {number: _label(name) for number, name in names.items() if number}
        if not labels:
            said.append(f"{kind} have no names (objects in camera.json)")
        stored = StoredLayer(Layer.SEGMENTATION, passes.stores[kind], Ids(), Unit.IDS)
        return [stored], labels
    return [], {}


def _check_whole(passes: Passes, kind: str) -> None:
    ids = passes.first[kind]
    mixed = np.abs(ids - np.rint(ids)) > 1e-3
    if mixed.any():
        raise ClipError(
            passes.files[0],
            f"its {kind} are no whole numbers in {mixed.mean():.1%} of the pixels, such as "
            f"{float(ids[mixed][0]):.4g}",
            allowed="pass indices as they are: mixed or lossily coded, they are other ids",
            way_out="write them without loss (ZIP) and without anti-aliasing",
        )


def _label(name: str) -> Label:
    return Label(name, _DUPLICATE.sub("", name))
