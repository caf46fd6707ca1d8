"""Find the passes in Blender's files: channels of multi-layer EXR, or one file for each pass."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array, FrameStore
from simlift.media.cryptomatte import Cryptomatte, cryptomattes
from simlift.media.exr import (
    ExrHeader,
    ExrStore,
    exr_text,
    read_exr_channels,
    read_exr_header,
)
from simlift.media.images import probe_images
from simlift.sources.folder_files import aligned, names_in, sorted_by_kind

# The names of a pass before Blender 5.0, and since.
_PASSES: dict[str, tuple[str, ...]] = {
    "rgb": ("Combined", "Image"),
    "albedo": ("DiffCol", "Diffuse Color"),
    "depth": ("Depth", "Z"),
    "normals": ("Normal",),
    "object ids": ("IndexOB", "Object Index"),
    "material ids": ("IndexMA", "Material Index"),
    "flow": ("Vector",),
}
_KIND_OF = {name: kind for kind, names in _PASSES.items() for name in names}
# The channels that hold a kind, by the last part of their names; multi-layer files first.
_ONE = (("Z",), ("V",), ("X",), ("R",), ("Y",))
_CHANNELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "rgb": (("R", "G", "B"), ("Y",), ("V",)),
    "albedo": (("R", "G", "B"), ("Y",), ("V",)),
    "depth": _ONE,
    "normals": (("X", "Y", "Z"), ("R", "G", "B")),
    "object ids": _ONE,
    "material ids": _ONE,
    "flow": (("Z", "W"), ("B", "A")),
}
_FRAME = re.compile(r"(?P<kind>)(?:.*\D)?(?P<number>\d+)\.exr", re.IGNORECASE)
_SLOT = re.compile(
    rf"(?P<kind>{'|'.join(_KIND_OF)})(?P<mark>_?)(?P<number>\d+)\.(?P<suffix>exr|png|jpg)"
)
_STAMP = b"RenderTime"  # what Blender stamps into the files of a node too
_PLAIN = re.compile(r"(?P<kind>(?:.*\D)?)(?P<number>\d+)\.(?:png|jpe?g)", re.IGNORECASE)
_REC709 = "lin_rec709_scene"  # scene-linear light with the primaries of sRGB
_MATTES = ("CryptoObject", "CryptoAsset", "CryptoMaterial")


@dataclass(frozen=True)
class Passes:
    """The passes of a folder by their kinds, and what was found out about them.

    numbers: the frames' numbers. matte: a Cryptomatte and where its hashes lie. first: the first
    frame of "alpha", "depth", "normals" and ids, where they lie in EXR files.
    """

    numbers: tuple[int, ...]
    stores: Mapping[str, FrameStore]
    matte: tuple[Cryptomatte, FrameStore] | None
    first: Mapping[str, Array]
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def is_multilayer(folder: Path) -> bool:
    """Whether the folder's first EXR file is a multi-layer file of Blender."""
    name = min((n for n in names_in(folder) if n.lower().endswith(".exr")), default=None)
    if name is None or _SLOT.fullmatch(name):
        return False
    text = exr_text(folder / name)
    return b"BlenderMultiChannel" in text or b".Combined.R" in text


def is_file_output(folder: Path) -> bool:
    """Whether EXR files of a File Output node lie there, and pictures of it or of the render.

    Others call files Depth_0001.exr too: with a mark between, the header must be Blender's.
    """
    pictures = passes = False
    for name in names_in(folder):
        slot = _SLOT.fullmatch(name)
        pictures = pictures or _PLAIN.fullmatch(name) is not None
        if slot is not None and slot["suffix"] == "exr" and not passes:
            passes = slot["mark"] == "" or _STAMP in exr_text(folder / name)
        pictures = pictures or (slot is not None and slot["kind"] in _PASSES["rgb"])
    return pictures and passes


def multilayer_passes(folder: Path) -> Passes:
    """Find the passes in the channels of multi-layer files; the first file stands for all."""
    found = sorted_by_kind(folder, _FRAME).get("", {})
    if not found:
        raise ClipError(folder, "its EXR files have no numbers", allowed="names such as 0001.exr")
    numbers, _, _ = aligned(folder, found, {})
    paths = tuple(found[number] for number in numbers)
    header = read_exr_header(paths[0])
    layers = sorted({name.rpartition(".")[0] for name in header.channels})
    view, layer_of = _view_layer(paths[0], layers)
    channels = {
        kind: names
        for kind, layer in layer_of.items()
        if (names := _channels_of(kind, header.channels, layer))
    }
    stores = {
        kind: ExrStore(paths, header.height, header.width, names)
        for kind, names in channels.items()
    }
    matte = _matte(paths, header, view)
    used = {layer_of[kind] for kind in channels}
    used |= {name for name in layers if re.fullmatch(r".*Crypto(Object|Asset|Material)\d+", name)}
    left = [name for name in layers if name not in used]
    said = [f"passes that are not read: {', '.join(left)}"] if left else []
    space = header.texts.get("colorInteropID", _REC709)
    if space != _REC709:
        said.append(f"colours of the space {space} are read as if they were {_REC709}")
    said += [
        f"{layer_of[kind]} has not the channels of {kind}" for kind in layer_of.keys() - channels
    ]
    alpha = _channel(header.channels, layer_of["rgb"], "A")
    first = _first(paths[0], {**channels, **({"alpha": (alpha,)} if alpha else {})})
    return Passes(numbers, stores, matte, first, paths, tuple(said))


def file_output_passes(folder: Path) -> Passes:
    """Find the passes in files that are named by the sockets of a File Output node."""
    by_slot = sorted_by_kind(folder, _SLOT)
    said: list[str] = []
    found: dict[str, Mapping[int, Path]] = {}
    for slot, by_number in sorted(by_slot.items()):
        kind = _KIND_OF[slot]
        exr = all(path.suffix == ".exr" for path in by_number.values())
        if kind in ("rgb", "albedo") or exr:
            found.setdefault(kind, by_number)
        else:
            said.append(f"{slot} is not read: as pictures of 8 or 16 bits it has lost its unit")
    if "rgb" not in found:
        found["rgb"] = _rendered(folder)
    numbers, files, notes = aligned(folder, found["rgb"], found)
    stores: dict[str, FrameStore] = {}
    first: dict[str, Array] = {}
    for kind, paths in files.items():
        if paths[0].suffix != ".exr":
            stores[kind] = probe_images(paths)[0]
            continue
        header = read_exr_header(paths[0])
        layers = {name.rpartition(".")[0] for name in header.channels}
        layer = min(layers, key=lambda name: (name.rpartition(".")[2] not in _KIND_OF, name))
        names = _channels_of(kind, header.channels, layer)
        if not names:
            said.append(f"{paths[0].name} has not the channels of {kind}: it is not read")
            continue
        alpha = _channel(header.channels, layer, "A") if kind == "rgb" else ""
        first |= _first(paths[0], {kind: names, **({"alpha": (alpha,)} if alpha else {})})
        if kind == "flow" and np.ptp(first[kind][..., 1]) == 0:
            # Blender turns the four numbers of Vector into three and an alpha of its own.
            said.append(f"{paths[0].name} holds one value for all vertical motion: it is not read")
            continue
        stores[kind] = ExrStore(paths, header.height, header.width, names)
    used = tuple(path for paths in files.values() for path in paths)
    return Passes(numbers, stores, None, first, used, (*said, *notes))


def _rendered(folder: Path) -> dict[int, Path]:
    """Return the pictures of the render itself, beside those of the node."""
    by_name = sorted_by_kind(folder, _PLAIN, accepts=lambda m: _SLOT.fullmatch(m[0]) is None)
    if len(by_name) != 1:
        raise ClipError(
            folder,
            f"holds pictures of {len(by_name)} names ({', '.join(sorted(by_name)) or 'none'})",
            allowed="files of the socket Image, or one render's pictures, such as 0001.png",
            way_out="move the pictures of other renders away",
        )
    return next(iter(by_name.values()))


def _view_layer(path: Path, layers: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the view layer that holds the picture, and the EXR layer of every kind.

    Passes that it lacks are taken from another view layer, if one alone has them.
    """
    by_kind: dict[str, dict[str, str]] = {}
    for layer in layers:
        view, _, name = layer.rpartition(".")
        if name in _KIND_OF:
            by_kind.setdefault(_KIND_OF[name], {})[view] = layer
    views = by_kind.get("rgb", {})
    if len(views) != 1:
        raise ClipError(
            path,
            f"holds {len(views)} pictures ({', '.join(sorted(views.values())) or 'none'})",
            allowed="one layer Combined or Image; the file has " + ", ".join(layers),
            way_out="name the layer as channel in a clip.json, or render one view layer",
        )
    view = next(iter(views))
    chosen = {}
    for kind, options in by_kind.items():
        if view in options:
            chosen[kind] = options[view]
        elif len(options) == 1:
            chosen[kind] = next(iter(options.values()))
    return view, chosen


def _channels_of(kind: str, names: Sequence[str], layer: str) -> tuple[str, ...]:
    """Return the channels of a layer that hold a kind, in their order; none where they lack."""
    for letters in _CHANNELS[kind]:
        found = tuple(_channel(names, layer, letter) for letter in letters)
        if all(found):
            return found
    return ()


def _channel(names: Sequence[str], layer: str, letter: str) -> str:
    prefix = f"{layer}." if layer else ""
    return next((n for n in (prefix + letter, prefix + letter.lower()) if n in names), "")


def _matte(
    paths: tuple[Path, ...], header: ExrHeader, view: str
) -> tuple[Cryptomatte, FrameStore] | None:
    found = cryptomattes(paths[0], header)
    for ending in _MATTES:
        matte = found.get(f"{view}.{ending}" if view else ending)
        if matte is not None:
            return matte, ExrStore(paths, header.height, header.width, (matte.channel,))
    return None


def _first(path: Path, channels: Mapping[str, tuple[str, ...]]) -> dict[str, Array]:
    """Read what tells the kinds of a file apart from others, in one go."""
    wanted = {kind: names for kind, names in channels.items() if kind not in ("rgb", "albedo")}
    flat = [name for names in wanted.values() for name in names]
    if not flat:
        return {}
    pixels = read_exr_channels(path, flat)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    ends = np.cumsum([len(names) for names in wanted.values()])
    return {
        kind: pixels[..., end - len(names) : end]
        for (kind, names), end in zip(wanted.items(), ends, strict=True)
    }
