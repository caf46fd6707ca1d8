"""Read the output of Omniverse Replicator's BasicWriter (Isaac Sim) -> Clip.

Files are named by their annotator and number: rgb_0000.png, distance_to_image_plane_0000.npy,
semantic_segmentation_0000.png with semantic_segmentation_labels_0000.json, and so on. They lie in
the folder, in one folder for each render product, or there in one folder for each annotator.
Depth is in metres. Normals are taken to be in world axes. Labels name the colours, or numbers, of
each frame.

Source: Omniverse Replicator documentation, "Annotators information" and "BasicWriter".
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from simlift.core.camera import Camera
from simlift.core.clip import Clip, Label
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.coded_ids import Code, probe_coded_ids
from simlift.media.decodings import Colour, Ids
from simlift.media.geometry_decodings import AlongRay, FromWorld, ScaledDepth, StoredNormals
from simlift.media.images import ImageStore, probe_images
from simlift.sources.folder_files import (
    aligned,
    folders_in,
    frame_rate,
    names_in,
    sorted_by_kind,
    written_or_stated,
)
from simlift.sources.replicator_camera import read_camera
from simlift.sources.rigs import choose_camera
from simlift.sources.unread import not_read

# What tells this writer from others: none of them calls its files so.
_ITS_OWN = (
    "distance_to_image_plane",
    "distance_to_camera",
    "camera_params",
    "semantic_segmentation_labels",
    "instance_segmentation_mapping",
    "instance_id_segmentation_mapping",
    "bounding_box_2d_tight",
    "bounding_box_2d_loose",
    "bounding_box_3d",
    "motion_vectors",
)
_IMAGES = ("semantic_segmentation", "instance_segmentation", "instance_id_segmentation")
_SUFFIXES = {
    "rgb": ("png", "jpg", "jpeg"),
    "distance_to_image_plane": ("npy",),
    "distance_to_camera": ("npy",),
    "normals": ("png", "npy"),
    "DiffuseAlbedo": ("png",),
    **dict.fromkeys(_IMAGES, ("png",)),
    "semantic_segmentation_labels": ("json",),
    "instance_segmentation_mapping": ("json",),
    "instance_segmentation_semantics_mapping": ("json",),
    "instance_id_segmentation_mapping": ("json",),
    "camera_params": ("json",),
}
# Longer names first: "instance_segmentation_mapping" begins as "instance_segmentation" does.
_FILE = re.compile(
    rf"(?P<kind>{'|'.join(sorted(_SUFFIXES, key=len, reverse=True))})"
    r"_(?P<number>\d+)\.(?P<suffix>\w+)"
)
_EVIDENCE = re.compile(rf"(?:{'|'.join(_ITS_OWN)})_\d+\.(?:npy|json)")
_RGB = re.compile(r"rgb_\d+\.(?:png|jpg|jpeg)")
_NOTHING = "BACKGROUND"


def recognises(folder: Path) -> bool:
    """Whether BasicWriter's pictures and another of its files lie in the folder, or one below."""
    return bool(_places(folder))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read one render product; ClipError or RecipeError names what is missing or contradicts."""
    places = _places(folder)
    place = places[choose_camera(folder, sorted(places), options)]
    found = _files(place)
    numbers, files, notes = aligned(place, found["rgb"], _chosen(found))
    rgb, first = probe_images(files["rgb"])
    size = (rgb.height, rgb.width)
    said = [*notes, *rgb.notes]
    if first.ndim == 3 and first.shape[2] == 4 and int(first[..., 3].min()) < 255:
        said.append("the alpha channel is dropped")
    written, camera_notes = read_camera(files.get("camera_params", ()), size)
    said += camera_notes
    layers = [StoredLayer(Layer.RGB, rgb, Colour(), Unit.SRGB)]
    layers += _geometry(files, written, options.fov, said)
    if "DiffuseAlbedo" in files:
        albedo, _ = probe_images(files["DiffuseAlbedo"])
        layers.append(StoredLayer(Layer.ALBEDO, albedo, Colour(), Unit.SRGB))
        said.append("DiffuseAlbedo is read as sRGB: its transfer curve is not documented")
    labels: dict[int, Label] = {}
    kind = next((kind for kind in _CHOICES if kind in files), None)
    if kind is not None:
        stored, labels = _segmentation(kind, files)
        layers.append(stored)
    fps, rate_notes = frame_rate(options, None, len(numbers))
    read_files = (path for paths in files.values() for path in paths)
    return Clip(
        name=folder.name if place == folder or len(places) == 1 else f"{folder.name}-{place.name}",
        path=folder,
        fps=fps,
        num_frames=len(numbers),
        height=rgb.height,
        width=rgb.width,
        layers=tuple(layers),
        camera=written_or_stated(written, options, rgb),
        labels=labels,
        notes=(*said, *rate_notes, *not_read(place, read_files)),
        read_options=options,
    )


def _places(folder: Path) -> dict[str, Path]:
    """Return the folders that hold a render product each, by its name."""
    if _is_product(folder):
        return {folder.name: folder}
    return {inner.name: inner for inner in folders_in(folder) if _is_product(inner)}


def _is_product(folder: Path) -> bool:
    pictures = evidence = False
    places = [folder, *(p for p in folders_in(folder) if p.name == "rgb" or p.name in _ITS_OWN)]
    places += [folder / name for name in _IMAGES if (folder / name).is_dir()]
    for place in places:
        for name in names_in(place):
            pictures = pictures or _RGB.fullmatch(name) is not None
            evidence = evidence or _EVIDENCE.fullmatch(name) is not None
            if pictures and evidence:
                return True
    return False


def _files(place: Path) -> dict[str, dict[int, Path]]:
    """Return the files of every kind in a render product's folder, and in those of its kinds."""
    found: dict[str, dict[int, Path]] = {}
    inner = [place / kind for kind in _SUFFIXES if (place / kind).is_dir()]
    for each in (place, *inner):
        sorted_by_kind(each, _FILE, found, accepts=_is_kind)
    return found


def _is_kind(match: re.Match[str]) -> bool:
    return match["suffix"].lower() in _SUFFIXES[match["kind"]]


# The ids of a clip come from the first of these that is there with all that names it.
_CHOICES: dict[str, tuple[str, ...]] = {
    "instance_segmentation": (
        "instance_segmentation_mapping",
        "instance_segmentation_semantics_mapping",
    ),
    "semantic_segmentation": ("semantic_segmentation_labels",),
    "instance_id_segmentation": ("instance_id_segmentation_mapping",),
}


def _chosen(found: Mapping[str, Mapping[int, Path]]) -> dict[str, Mapping[int, Path]]:
    """Return the kinds of files that are read: one measure of depth, one kind of ids."""
    kinds = [kind for kind in ("rgb", "camera_params", "normals", "DiffuseAlbedo") if kind in found]
    depths = ("distance_to_image_plane", "distance_to_camera")
    kinds += [kind for kind in depths if kind in found][:1]
    for image, names in _CHOICES.items():
        if image in found and all(name in found for name in names):
            kinds += [image, *names]
            break
    return {kind: found[kind] for kind in kinds}


def _geometry(
    files: Mapping[str, tuple[Path, ...]],
    written: Camera | None,
    fov: float | None,
    said: list[str],
) -> list[StoredLayer]:
    layers = []
    if "distance_to_image_plane" in files:
        store = _floats(files["distance_to_image_plane"], (0, 1))
        layers.append(StoredLayer(Layer.DEPTH, store, ScaledDepth(), Unit.METRES))
    elif "distance_to_camera" in files and (written is not None or fov is not None):
        store = _floats(files["distance_to_camera"], (0, 1))
        layers.append(
            StoredLayer(Layer.DEPTH, store, ScaledDepth(), Unit.METRES, to_camera=AlongRay())
        )
    elif "distance_to_camera" in files:
        said.append("distance_to_camera is not read: without a camera it gives no depth")
    if "normals" in files and written is not None:
        paths = files["normals"]
        store = probe_images(paths)[0] if paths[0].suffix == ".png" else _floats(paths, (3, 4))
        said.append("normals are taken to be in world axes, which the documentation leaves open")
        decode = StoredNormals("world")
        layers.append(
            StoredLayer(Layer.NORMALS, store, decode, Unit.CAMERA_VECTOR, to_camera=FromWorld())
        )
    elif "normals" in files:
        said.append("normals are not read: they are in world axes, and no camera is written")
    return layers


def _floats(paths: tuple[Path, ...], channels: tuple[int, ...]) -> ImageStore:
    store, first = probe_images(paths)
    if first.dtype.kind != "f" or (first.shape[2] if first.ndim == 3 else 0) not in channels:
        raise ClipError(
            paths[0],
            f"holds {first.dtype} {list(first.shape)}",
            allowed="floats as the annotator gives them",
            way_out="write them by BasicWriter, or describe the folder in a clip.json",
        )
    return store


def _segmentation(
    kind: str, files: Mapping[str, tuple[Path, ...]]
) -> tuple[StoredLayer, dict[int, Label]]:
    """Return ids that hold for the whole clip, and their labels, from the labels of each frame."""
    named = [_name_tables(files[name]) for name in _CHOICES[kind]]
    label_of: dict[str, Label] = {}
    for tables in {id(t): t for t in zip(*named, strict=True)}.values():
        for code, name in tables[0].items():
            label_of[name] = Label(name, tables[-1].get(code, name) if len(tables) > 1 else name)
    names = sorted(name for name in label_of if name != _NOTHING)
    number_of = {name: k + 1 for k, name in enumerate(names)} | {_NOTHING: 0}
    cache: dict[int, Mapping[Code, int]] = {}
    tables_of_ids = [
        cache.setdefault(id(table), {code: number_of[name] for code, name in table.items()})
        for table in named[0]
    ]
    store, _ = probe_coded_ids(files[kind], tables_of_ids)
    labels = {number_of[name]: label_of[name] for name in names}
    return StoredLayer(Layer.SEGMENTATION, store, Ids(), Unit.IDS), labels


def _name_tables(paths: tuple[Path, ...]) -> list[dict[Code, str]]:
    """Return what names the codes of every frame; frames with one text share one table."""
    known: dict[bytes, dict[Code, str]] = {}
    tables = []
    for path in paths:
        text = path.read_bytes()
        if text not in known:
            known[text] = _names(path, text)
        tables.append(known[text])
    return tables


def _names(path: Path, text: bytes) -> dict[Code, str]:
    try:
        data = json.loads(text)
        return {
            tuple(int(part) for part in code.strip("() ").split(",")): _name(value)
            for code, value in data.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise ClipError(
            path,
            f"names no codes ({error})",
            allowed='{"(140, 25, 255, 255)": {"class": "floor"}} or {"2": {"class": "floor"}}',
        ) from error


def _name(value: object) -> str:
    """Return a class, a prim's path, or what other semantic types say."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value:
        return str(value.get("class", " ".join(str(part) for part in value.values())))
    raise ValueError(f"found {value!r}")
