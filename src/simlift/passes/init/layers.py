"""Recognise which layer a sequence of files is, by its name first and its numbers where it must."""

import re
from dataclasses import dataclass

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer
from simlift.media.exr import channels_of_layer, read_exr_channels, read_exr_header
from simlift.media.images import read_image
from simlift.media.video import VideoStore, probe_video
from simlift.passes.init.scan import Group

# Words of names, the more telling ones first: "semantic_depth" is no engine's name.
_WORDS: tuple[tuple[Layer, tuple[str, ...]], ...] = (
    (Layer.NORMALS, ("normals", "normal", "nrm")),
    (Layer.FLOW, ("flow", "motion_vectors", "motionvectors", "velocity", "vector")),
    (
        Layer.ALBEDO,
        ("albedo", "basecolor", "base_color", "diffuse", "diffcol", "diffusealbedo", "unlit"),
    ),
    (
        Layer.SEGMENTATION,
        (
            "segmentation",
            "semantic",
            "semantics",
            "instance",
            "seg",
            "sem",
            "ids",
            "mask",
            "masks",
            "labels",
            "indexob",
            "objectid",
        ),
    ),
    (
        Layer.DEPTH,
        (
            "depth",
            "distance_to_image_plane",
            "distance_to_camera",
            "disparity",
            "zbuffer",
            "z",
            "worlddepth",
            "range",
        ),
    ),
    (
        Layer.RGB,
        (
            "rgb",
            "rgba",
            "color",
            "colour",
            "image",
            "images",
            "img",
            "frames",
            "frame",
            "beauty",
            "combined",
            "finalimage",
            "render",
            "camera",
        ),
    ),
)


@dataclass(frozen=True)
class Found:
    """A layer that was found: its files, the channel of each, and its first frame as stored."""

    layer: Layer
    group: Group
    channel: str
    first: Array


def layer_of_words(words: str) -> Layer | None:
    """Return the layer that a name speaks of; None where it speaks of none."""
    tokens = re.split(r"[^a-z]+", words)
    text = "_".join(tokens)
    for layer, names in _WORDS:
        for name in names:
            if name in tokens or ("_" in name and name in text) or f"{name}s" in tokens:
                return layer
    return None


def recognise(group: Group) -> list[Found]:
    """Return the layers that a sequence holds: one, or several of EXR files with channels."""
    if group.suffix == ".json":
        return []
    if group.suffix == ".exr":
        return _of_exr(group)
    if group.suffix == ".npz":
        return _of_npz(group)
    first = first_frame(group)
    if first is None:
        return []
    named = layer_of_words(group.words)
    layer = named or layer_of_numbers(first)
    return [Found(layer, group, "", first)] if layer is not None else []


def _of_npz(group: Group) -> list[Found]:
    """Return the layers among the arrays of .npz files, each by its own name."""
    found: dict[Layer, Found] = {}
    try:
        with np.load(group.paths[0], allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (ValueError, OSError):
        return []
    for name, first in arrays.items():
        layer = layer_of_words(name.lower()) or (
            layer_of_words(group.words) if len(arrays) == 1 else None
        )
        if layer is not None and first.ndim in (2, 3):
            found.setdefault(layer, Found(layer, group, name, first))
    return list(found.values())


def first_frame(group: Group) -> Array | None:
    """Return the first frame as stored; None where a file that names no layer holds no picture."""
    path = group.paths[0]
    try:
        if group.is_video:
            info = probe_video(path)
            with VideoStore(info).open() as reader:
                return reader.read([0])[0]
        return read_image(path)
    except ClipError:
        if layer_of_words(group.words) is not None:
            raise
        return None


def layer_of_numbers(first: Array) -> Layer | None:
    """Return the layer that numbers speak of, where a name does not."""
    if first.dtype.kind == "f":
        if first.ndim == 3 and first.shape[2] in (3, 4):
            length = np.linalg.norm(first[..., :3], axis=-1)
            return Layer.NORMALS if np.isclose(length, 1, atol=0.01).mean() > 0.5 else None
        if first.ndim == 3 and first.shape[2] == 2:
            return Layer.FLOW
        return Layer.DEPTH if first.ndim == 2 or first.shape[2] == 1 else None
    if first.ndim == 3:
        return Layer.RGB if first.dtype == np.uint8 and len(_colours(first)) > 512 else None
    if first.dtype == np.uint16:
        return Layer.DEPTH if len(np.unique(first)) > 512 else Layer.SEGMENTATION
    return None


def flat_colours(first: Array) -> int:
    """Return how many colours a picture has."""
    return len(_colours(first))


def _colours(picture: Array) -> Array:
    code = picture[..., :3].astype(np.uint32)
    return np.unique((code[..., 0] << 16) | (code[..., 1] << 8) | code[..., 2])


def _of_exr(group: Group) -> list[Found]:
    path = group.paths[0]
    names = read_exr_header(path).channels
    layers = sorted({name.rpartition(".")[0] for name in names})
    found: dict[Layer, Found] = {}
    for layer_name in layers:
        if "crypto" in layer_name.lower():
            continue
        words = layer_name or group.words
        layer = layer_of_words(words.lower().replace(".", " "))
        if layer is None and not layer_name and {"R", "G", "B"} <= set(names):
            layer = Layer.RGB
        if layer is None or layer in found:
            continue
        channel = "" if not layer_name and len(layers) == 1 else layer_name
        channels = channels_of_layer(names, channel, path)
        found[layer] = Found(layer, group, channel, read_exr_channels(path, channels))
    return list(found.values())
