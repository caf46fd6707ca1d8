"""Find the cameras among the observations of an episode, and what their further layers hold."""

from collections.abc import Mapping

import h5py
import numpy as np

from simlift.core.layers import Array, Layer, Unit
from simlift.media.decodings import ChannelIds, Colour, Ids
from simlift.media.geometry_decodings import (
    FromWorld,
    RelativeDepth,
    ScaledDepth,
    StoredNormals,
)
from simlift.sources.hdf5.dataset import Picture, View

_COLOUR = ("_image", "_rgb", "")
_IDS = (
    "_segmentation",
    "_instance_segmentation",
    "_semantic_segmentation",
    "_instance_id_segmentation",
    "_instance_segmentation_fast",
    "_segmentation_instance",
    "_segmentation_class",
    "_segmentation_element",
)
_OTHER = ("depth", "segmentation", "normals", "_seg")
_UNIT = 0.05  # by which the length of a normal may differ from 1


def find_views(
    columns: Mapping[str, h5py.Dataset], depth: str | None, notes: list[str]
) -> dict[str, View]:
    """Return the cameras among columns "obs/...": pictures of three channels, and what is named so.

    A camera `front` is "front_image", "front_rgb" or "front"; its depth "front_depth", and so on.
    `depth` says what depth is in, where it is stated.
    """
    views = {}
    inside = {name.removeprefix("obs/"): c for name, c in columns.items() if name[:4] == "obs/"}
    for name, column in inside.items():
        if column.ndim != 4 or column.shape[3] not in (3, 4) or any(w in name for w in _OTHER):
            continue
        if column.dtype != np.uint8:
            notes.append(
                f"obs/{name} holds {column.dtype} colours, which were normalised: it is no camera "
                "here; record it with normalize=False"
            )
            continue
        suffix = next(s for s in _COLOUR if name.endswith(s))
        camera = name.removesuffix(suffix)
        pictures = [Picture(Layer.RGB, f"obs/{name}", Colour(), Unit.SRGB)]
        pictures += _depth(inside, camera, depth, notes)
        pictures += _ids(inside, camera, notes)
        pictures += _normals(inside, camera, notes)
        fitting = [p for p in pictures if inside[p.name[4:]].shape[1:3] == column.shape[1:3]]
        notes += [
            f"{picture.name} is of another size than {camera}: left out"
            for picture in pictures
            if picture not in fitting
        ]
        views[camera] = View(column.shape[1], column.shape[2], tuple(fitting))
    return views


def _depth(
    inside: Mapping[str, h5py.Dataset], camera: str, stated: str | None, notes: list[str]
) -> list[Picture]:
    name = f"{camera}_depth"
    column = inside.get(name)
    if column is None or column.ndim not in (3, 4) or (column.ndim == 4 and column.shape[3] != 1):
        return []
    if column.dtype.kind in "iu":
        decode = ScaledDepth(0.001, (0.0,))
        notes.append(f"{name}: whole numbers are taken for millimetres, 0 for nothing hit")
        return [Picture(Layer.DEPTH, f"obs/{name}", decode, Unit.METRES)]
    first = np.asarray(column[0], dtype=np.float64)
    finite = first[np.isfinite(first)]
    if stated is None and finite.size and finite.max() <= 1.0:
        notes.append(
            f"{name} lies between 0 and 1: a z-buffer and metres look alike there, so that it is "
            'relative; "depth": "metres" in the file of cameras states it'
        )
        stated = "relative"
    if stated == "relative":
        return [Picture(Layer.DEPTH, f"obs/{name}", RelativeDepth(False, 1.0), Unit.RELATIVE)]
    notes.append(f"{name} is taken for metres along the optical axis, 0 for nothing hit")
    return [Picture(Layer.DEPTH, f"obs/{name}", ScaledDepth(1.0, (0.0,)), Unit.METRES)]


def _ids(inside: Mapping[str, h5py.Dataset], camera: str, notes: list[str]) -> list[Picture]:
    name = next((camera + end for end in _IDS if camera + end in inside), None)
    if name is None:
        return []
    column = inside[name]
    channels = column.shape[3] if column.ndim == 4 else 1
    if channels == 1 and column.dtype.kind in "iu":
        return [Picture(Layer.SEGMENTATION, f"obs/{name}", Ids(), Unit.IDS)]
    if channels < 3 or column.dtype != np.uint8:
        notes.append(f"{name} holds {column.dtype} {list(column.shape)}: left out")
        return []
    notes.append(f"{name}: every colour is an id of its own, without a name; black is nothing")
    return [Picture(Layer.SEGMENTATION, f"obs/{name}", ChannelIds((0, 1, 2)), Unit.IDS)]


def _normals(inside: Mapping[str, h5py.Dataset], camera: str, notes: list[str]) -> list[Picture]:
    name = f"{camera}_normals"
    column = inside.get(name)
    if column is None or column.ndim != 4 or column.shape[3] not in (3, 4):
        return []
    first = np.asarray(column[0])
    unsigned = first.dtype.kind == "u"
    if not unsigned:
        signed, shifted = _unit_share(first), _unit_share(first * 2 - 1)
        if max(signed, shifted) < 0.5:
            notes.append(f"{name} holds no vectors of unit length: left out")
            return []
        unsigned = shifted > signed
    notes.append(f"{name} are taken to be in world axes: they are read where the camera is known")
    decode = StoredNormals("world", unsigned)
    return [Picture(Layer.NORMALS, f"obs/{name}", decode, Unit.CAMERA_VECTOR, FromWorld())]


def _unit_share(vectors: Array) -> float:
    length = np.linalg.norm(vectors[..., :3].astype(np.float64), axis=-1)
    return float((np.abs(length - 1) < _UNIT).mean())
