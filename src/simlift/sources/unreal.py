"""Read what Unreal's Movie Render Queue writes -> Clip.

A multi-layer EXR file holds the picture as R, G and B and other passes as channels such as
FinalImageMovieRenderQueue_WorldDepth.R; without that setting each pass has a file, whose name or
folder holds the pass: shot.FinalImage.0000.exr. WorldDepth is along the optical axis, in
centimetres, WorldNormal in world axes, BaseColor linear; object ids are a Cryptomatte. The camera
of each frame stands in the header of EXR files, in Unreal's left-handed axes and centimetres.

Source: Unreal Engine 5 documentation, "Cinematic render passes" and "Movie Render Queue". Not yet
compared with files that Unreal itself wrote.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.camera import Camera
from simlift.core.clip import Clip, Label
from simlift.core.errors import ClipError
from simlift.core.layers import FrameStore, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.cryptomatte import Cryptomatte, CryptomatteIds, cryptomattes
from simlift.media.exr import ExrHeader, ExrStore, exr_text, read_exr_channels, read_exr_header
from simlift.media.geometry_decodings import FromWorld, ScaledDepth, StoredNormals
from simlift.media.images import probe_images
from simlift.sources.folder_files import (
    aligned,
    folders_in,
    frame_rate,
    names_in,
    written_or_stated,
)
from simlift.sources.render_passes import colour_layers
from simlift.sources.unread import not_read
from simlift.sources.unreal_camera import read_unreal_camera

_OF_LINEAR = (
    "colour is read as linear light with the primaries of sRGB, with whatever tone curve the "
    "render had"
)
_FILE = re.compile(r"(?P<stem>.*?)[._]?(?P<number>\d+)\.(?:exr|png|jpe?g)", re.IGNORECASE)
_PICTURE = "FinalImage"
_KINDS = {"WorldDepth": "depth", "WorldNormal": "normals", "BaseColor": "albedo"}
_MATTE = "ActorHitProxyMask"
_METRES = 0.01  # of a centimetre, in which Unreal counts
_NOTHING = (65504.0,)  # the largest number of 16 bits
_UNVERIFIED = "read by Unreal's documentation; no files of its own were at hand to compare with"
_FARTHEST = 1e5  # metres; the sky of 32-bit renders is farther
_UNIT_SHARE = 0.8  # of the normals that are hit; edges mix them, and shorten the mixture
_COPY = re.compile(r"[_.]?\d+$")  # what Unreal adds to the name of a copy


@dataclass(frozen=True)
class _Passes:
    """The passes of a render: where each lies, the headers' files, and what is not read."""

    numbers: tuple[int, ...]
    stores: Mapping[str, FrameStore]
    matte: tuple[Cryptomatte, FrameStore] | None
    headers: tuple[Path, ...]
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def recognises(folder: Path) -> bool:
    """Whether passes of Movie Render Queue lie in the folder, by their names or headers."""
    if any(_is_pass(name) for name in names_in(folder) if _FILE.fullmatch(name)):
        return True
    if any(_is_pass(inner.name) for inner in folders_in(folder)):
        return True
    first = min((n for n in names_in(folder) if n.lower().endswith(".exr")), default=None)
    return first is not None and b"unreal/" in exr_text(folder / first)


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read a render; ClipError names what is missing or contradicts."""
    passes = _passes(folder)
    rgb = passes.stores["rgb"]
    said = [_UNVERIFIED, *passes.notes]
    written = read_unreal_camera(passes.headers, (rgb.height, rgb.width))
    if written is None:
        said.append("no camera is written (metadata in the EXR headers)")
    layers = _colours(passes, said)
    layers += _geometry(passes, written, said)
    labels: dict[int, Label] = {}
    if passes.matte is not None:
        matte, store = passes.matte
        ids = CryptomatteIds(matte.hashes)
        layers.append(StoredLayer(Layer.SEGMENTATION, store, ids, Unit.IDS))
        labels = {k + 1: Label(n, _COPY.sub("", n) or n) for k, n in enumerate(matte.names)}
    fps, rate_notes = frame_rate(options, None, len(passes.numbers))
    return Clip(
        name=folder.name,
        path=folder,
        fps=fps,
        num_frames=len(passes.numbers),
        height=rgb.height,
        width=rgb.width,
        layers=tuple(layers),
        camera=written_or_stated(written, options, rgb),
        labels=labels,
        notes=(*said, *rate_notes, *not_read(folder, passes.files)),
        read_options=options,
    )


def _is_pass(name: str) -> bool:
    return any(word in name for word in (_PICTURE, "MovieRenderQueue_", _MATTE))


def _kind(name: str) -> str | None:
    """Return the kind of a pass by its name; None for passes that are not read."""
    for word, kind in _KINDS.items():
        if word in name:
            return kind
    if _MATTE in name:
        return "matte"
    return "rgb" if name.endswith(_PICTURE) or not _is_pass(name) else None


def _passes(folder: Path) -> _Passes:
    """Sort files by their passes, then the channels of the picture's files by theirs."""
    found = _files(folder)
    said: list[str] = []
    if "rgb" not in found:
        raise ClipError(
            folder, "has no files of FinalImage", allowed="pictures beside the other passes"
        )
    numbers, files, notes = aligned(folder, found["rgb"], found)
    stores: dict[str, FrameStore] = {}
    matte = None
    for kind, paths in files.items():
        if paths[0].suffix.lower() != ".exr":
            stores[kind] = probe_images(paths)[0]
            continue
        header = read_exr_header(paths[0])
        inside = _channels(kind, header, said)
        for each, channels in inside.items():
            if each in files and each != kind:
                raise ClipError(paths[0], f"holds {each}, which has files of its own too")
            stores[each] = ExrStore(paths, header.height, header.width, channels)
        for name, crypto in cryptomattes(paths[0], header).items():
            if _MATTE in name or kind == "matte":
                store = ExrStore(paths, header.height, header.width, (crypto.channel,))
                matte = (crypto, store)
    headers = next((p for p in files.values() if p[0].suffix.lower() == ".exr"), ())
    used = tuple(path for paths in files.values() for path in paths)
    return _Passes(numbers, stores, matte, headers, used, (*said, *notes))


def _files(folder: Path) -> dict[str, dict[int, Path]]:
    """Return the files of every kind; ClipError where two shots share the folder."""
    found: dict[str, dict[int, Path]] = {}
    stems: dict[str, str] = {}
    for place in (folder, *(inner for inner in folders_in(folder) if _is_pass(inner.name))):
        for name in sorted(names_in(place)):
            match = _FILE.fullmatch(name)
            if match is None:
                continue
            stem = match["stem"] if place == folder else place.name
            kind = _kind(stem)
            if kind is None or (kind not in ("rgb", "albedo") and not name.lower().endswith("exr")):
                continue
            if stems.setdefault(kind, stem + Path(name).suffix) != stem + Path(name).suffix:
                raise ClipError(
                    folder,
                    f"holds {kind} of two renders: {stems[kind]} and {stem}{Path(name).suffix}",
                    allowed="one shot of one camera, in one format",
                    way_out="move each into a folder of its own",
                )
            files = found.setdefault(kind, {})
            if int(match["number"]) in files:
                raise ClipError(folder, f"frame {int(match['number'])} of {kind} is there twice")
            files[int(match["number"])] = place / name
    return found


def _channels(kind: str, header: ExrHeader, said: list[str]) -> dict[str, tuple[str, ...]]:
    """Return the channels of a file by the kinds that they hold."""
    layers: dict[str, set[str]] = {}
    for name in header.channels:
        layer, _, letter = name.rpartition(".")
        layers.setdefault(layer, set()).add(letter)
    chosen: dict[str, tuple[str, ...]] = {}
    left = []
    for layer in sorted(layers, key=len):
        # A file of one pass may call its channels by their letters alone.
        of = kind if not layer else _kind(layer)
        wanted = ("R",) if of == "depth" else ("R", "G", "B")
        prefix = f"{layer}." if layer else ""
        if of in (None, "matte") or of in chosen or not layers[layer].issuperset(wanted):
            if of != "matte":
                left.append(layer)
            continue
        chosen[str(of)] = tuple(prefix + letter for letter in wanted)
    if left:
        said.append(f"passes that are not read: {', '.join(left)}")
    return chosen


def _colours(passes: _Passes, said: list[str]) -> list[StoredLayer]:
    layers, notes = colour_layers(passes.stores, _OF_LINEAR)
    said += notes
    return layers


def _geometry(passes: _Passes, written: Camera | None, said: list[str]) -> list[StoredLayer]:
    layers = []
    if "depth" in passes.stores:
        decode = ScaledDepth(_METRES, _NOTHING, far=_FARTHEST)
        layers.append(StoredLayer(Layer.DEPTH, passes.stores["depth"], decode, Unit.METRES))
    store = passes.stores.get("normals")
    if isinstance(store, ExrStore) and written is not None:
        normals = StoredNormals("world", unsigned=_unsigned(store))
        # Unreal's world is left-handed: made right-handed, it lost the sign of y.
        turn = FromWorld(mirror="y")
        layers.append(
            StoredLayer(Layer.NORMALS, store, normals, Unit.CAMERA_VECTOR, to_camera=turn)
        )
    elif store is not None:
        said.append("normals are not read: they are in world axes, and no camera is written")
    return layers


def _unsigned(store: ExrStore) -> bool:
    """Whether normals are stored from 0 to 1, by the length that they have in the first frame."""
    stored = read_exr_channels(store.paths[0], store.channels)
    hit = stored[(np.abs(stored) > 1e-3).any(-1)]
    if not hit.size:
        return False
    for unsigned, vectors in ((False, hit), (True, hit * 2 - 1)):
        unit = np.abs(np.linalg.norm(vectors, axis=-1) - 1) < 0.03
        if unit.mean() > _UNIT_SHARE:
            return unsigned
    raise ClipError(
        store.paths[0],
        f"its normals have the length {np.median(np.linalg.norm(hit, axis=-1)):.2f}",
        allowed="unit vectors from -1 to 1, or from 0 to 1",
        way_out="write WorldNormal without a tone curve, or describe the folder in a clip.json",
    )
