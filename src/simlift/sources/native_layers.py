"""Read one layer of a native folder as its entry in clip.json states it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from simlift.core.camera import Camera
from simlift.core.camera_conventions import TO_RIGHT_HANDED
from simlift.core.errors import ClipError
from simlift.core.layers import Array, FrameStore, Layer, StoredLayer, Unit
from simlift.media.animations import open_animation
from simlift.media.arrays import probe_npz, probe_stack
from simlift.media.coded_depth import AsStored, CodeRange, DequantisedDepth, luma_range
from simlift.media.decodings import (
    ChannelIds,
    Colour,
    FromBelow,
    Ids,
    LinearColour,
    PaletteIds,
    ScaledFlow,
)
from simlift.media.exr import probe_exr
from simlift.media.geometry_decodings import (
    AlongRay,
    CodedDepth,
    FromWorld,
    InverseDepth,
    RelativeDepth,
    ScaledDepth,
    StoredNormals,
)
from simlift.media.gray_pictures import check_gray
from simlift.media.images import numbered, probe_images
from simlift.media.manifest import NativeCamera, NativeLayer, NativeManifest, colour_of
from simlift.media.video import VIDEO_SUFFIXES, VideoInfo, VideoStore, probe_video
from simlift.sources.native_tracks import inside

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
_LETTERS = "rgba"

# How numbers become the layer, in which unit, and what of it needs the camera.
_Decoded: TypeAlias = tuple[Callable[[Array], Array], Unit, Callable[[Array, Camera], Array] | None]


def read_layer(folder: Path, manifest: NativeManifest, layer: Layer) -> StoredLayer:
    """Read how a layer is stored; ClipError names the file, what it holds and what is allowed."""
    entry = manifest.layers[layer.value]
    store, kind = _store(folder, manifest, layer, entry)
    if (coded := _few_codes(layer, entry, store, kind)) is not None:
        raw = FromBelow(AsStored()) if entry.rows == "bottom-up" else AsStored()
        return StoredLayer(layer, store, raw, Unit.METRES, entry.note, guided=coded)
    decode, unit, to_camera = _decoded(folder, manifest, layer, entry, kind)
    if entry.rows == "bottom-up":
        decode = FromBelow(decode)
    return StoredLayer(layer, store, decode, unit, entry.note, to_camera)


def _store(
    folder: Path, manifest: NativeManifest, layer: Layer, entry: NativeLayer
) -> tuple[FrameStore, str]:
    """Return where frames lie, and the type of their numbers as numpy names it."""
    files = _files(folder, manifest, layer, entry)
    suffix = files[0].suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        store, kind = _video(layer, entry, probe_video(files[0]))
        return store, kind
    if suffix == ".exr":
        return _checked(layer, entry, files[0], probe_exr(files, entry.channel))
    one = isinstance(entry.file, str) and "%" not in entry.file
    if one and suffix in (".npy", ".npz") and not (manifest.num_frames == 1 and suffix == ".npy"):
        return _checked(layer, entry, files[0], probe_stack(files[0], entry.channel))
    if suffix == ".npz":
        return _checked(layer, entry, files[0], probe_npz(files, entry.channel))
    if one and layer in _PICTURES and (animation := open_animation(files[0])) is not None:
        return animation.store, "uint8"
    # The colours of a palette, and gray stretched to its full range, are other numbers.
    numbers = layer is Layer.SEGMENTATION and entry.encoding != "colours"
    return _checked(layer, entry, files[0], probe_images(files, samples=numbers))


def _checked(
    layer: Layer, entry: NativeLayer, path: Path, probed: tuple[FrameStore, Array]
) -> tuple[FrameStore, str]:
    store, first = probed
    _check_numbers(layer, entry, path, first)
    return store, first.dtype.name


def _files(
    folder: Path, manifest: NativeManifest, layer: Layer, entry: NativeLayer
) -> tuple[Path, ...]:
    """Return the files of a layer's frames, in order; one where it holds all of them."""
    if isinstance(entry.file, tuple):
        if not entry.file:
            raise ClipError(folder / "clip.json", f"layers.{layer.value}.file is an empty list")
        return tuple(inside(folder, name) for name in entry.file)
    path = inside(folder, entry.file)
    if "%" not in path.name:
        return (path,)
    found = _by_number(path, layer)
    if manifest.frames is not None:
        wanted = [number + entry.number_offset for number in manifest.frames]
        missing = [number for number in wanted if number not in found]
        # Flow leads from a frame to the next, so the last frame may have none.
        if layer is Layer.FLOW and missing == wanted[-1:]:
            missing, wanted = [], wanted[:-1]
        if missing:
            raise ClipError(
                path.parent,
                f"layer {layer.value} has no file {', '.join(map(str, missing[:8]))}",
                allowed="a file for each number in frames",
                way_out="correct frames, or number_offset of the layer, in clip.json",
            )
        return tuple(found[number] for number in wanted)
    files = numbered(list(found.values()), path.parent)
    _check_same_numbers(folder, manifest, layer, entry, set(found))
    return files


def _by_number(path: Path, layer: Layer) -> dict[int, Path]:
    """Return the files that a pattern such as depth_%04d.exr names, by their numbers."""
    parts = re.split(r"(%0?\d*d)", path.name)
    if len(parts) != 3:
        raise ClipError(
            path,
            "is no pattern",
            allowed="one %d, such as rgb_%04d.png",
            way_out="correct clip.json",
        )
    before, number, after = parts
    digits = int(number[2:-1]) if number[1:2] == "0" and number[2:-1] else 1
    pattern = re.compile(rf"{re.escape(before)}(\d{{{digits},}}){re.escape(after)}")
    listed = path.parent.iterdir() if path.parent.is_dir() else ()
    found = {int(m.group(1)): p for p in listed if (m := pattern.fullmatch(p.name))}
    if not found:
        raise ClipError(
            path.parent,
            f"layer {layer.value} has no files {path.name}",
            way_out=f"correct layers.{layer.value}.file in clip.json",
        )
    return found


def _check_same_numbers(
    folder: Path, manifest: NativeManifest, layer: Layer, entry: NativeLayer, numbers: set[int]
) -> None:
    """Raise ClipError where a layer's files are numbered otherwise than those of rgb."""
    rgb = manifest.layers.get(Layer.RGB.value)
    if layer is Layer.RGB or rgb is None or not isinstance(rgb.file, str) or "%" not in rgb.file:
        return
    its = {n - rgb.number_offset for n in _by_number(inside(folder, rgb.file), Layer.RGB)}
    mine = {n - entry.number_offset for n in numbers}
    if mine == its or (layer is Layer.FLOW and its - mine == {max(its)} and mine < its):
        return
    if len(mine) != len(its):
        return  # the clip says which layer lacks frames
    raise ClipError(
        folder / "clip.json",
        f"files of {layer.value} are numbered from {min(mine)}, those of rgb from {min(its)}",
        allowed="the same number for the same frame",
        way_out=f"state number_offset {min(mine) - min(its)} for {layer.value} if its first file "
        "belongs to the first frame, or frames if some are to be left out",
    )


def _video(layer: Layer, entry: NativeLayer, info: VideoInfo) -> tuple[VideoStore, str]:
    if layer in _PICTURES or entry.encoding == "colours":
        return VideoStore(info, "rgb24", matrix=entry.matrix), "uint8"
    if layer is Layer.NORMALS:
        return VideoStore(info, "rgb24"), "uint8"
    if layer is Layer.MATERIAL:
        return _exact_colour(layer, info), "uint8"
    if layer is Layer.FLOW:
        allowed = "numbered .npy, .npz, .exr or 16-bit .png"
        raise ClipError(info.path, "layer flow is a video", allowed=allowed)
    if layer is Layer.SEGMENTATION and entry.channel:
        return _exact_colour(layer, info), "uint8"
    if layer is Layer.DEPTH and info.pixel_format not in _EXACT_GRAY:
        check_gray(info)
    if layer is Layer.DEPTH and _between(entry) and info.pixel_format not in _EXACT_GRAY:
        if info.has_luma:
            return VideoStore(info, "luma"), "uint8" if info.bit_depth == 8 else "uint16"
        return VideoStore(info, "gray"), "uint8"
    if entry.unit == "relative" or (layer is Layer.DEPTH and entry.measure == "inverse"):
        deep = info.bit_depth > 8
        return VideoStore(info, "gray16le" if deep else "gray"), "uint16" if deep else "uint8"
    # Colour video mixes neighbours and shifts numbers: depth and ids would be wrong, not rough.
    if info.pixel_format not in _EXACT_GRAY:
        raise ClipError(
            info.path,
            f"layer {layer.value} is stored as {info.pixel_format} video",
            allowed=f"lossless video of {' or '.join(_EXACT_GRAY)}, such as FFV1",
            way_out="record it again; or state unit: relative, or measure: inverse with near and "
            "far, for a picture of depth, and encoding: colours for a picture of ids",
        )
    pixel_format = _EXACT_GRAY[info.pixel_format]
    return VideoStore(info, pixel_format), "uint8" if pixel_format == "gray" else "uint16"


def _exact_colour(layer: Layer, info: VideoInfo) -> VideoStore:
    # Unrelated numbers: mixed as if they were a colour, each would bleed into the others.
    if info.pixel_format not in _EXACT_RGB:
        raise ClipError(
            info.path,
            f"layer {layer.value} is stored as {info.pixel_format} video",
            allowed="lossless video of RGB, such as FFV1 bgr0; or numbered .png",
            way_out="record it again",
        )
    return VideoStore(info, "rgb24")


def _check_numbers(layer: Layer, entry: NativeLayer, path: Path, first: Array) -> None:
    kinds, channels, allowed = _NUMBERS[layer]
    if layer in _PICTURES and entry.transfer == "linear":
        kinds, allowed = "fu", "floats or whole numbers [h w], [h w 3] or [h w 4]"
    if layer is Layer.SEGMENTATION and (entry.encoding == "colours" or _in_channels(entry, path)):
        kinds, channels, allowed = "u", (3, 4), "uint8 [h w 3] or [h w 4]"
    if layer is Layer.SEGMENTATION and path.suffix.lower() == ".exr":
        kinds, allowed = "fiu", "whole numbers [h w]"
    if layer is Layer.FLOW and path.suffix.lower() == ".exr":
        channels = (2, 3, 4)
    if layer is Layer.FLOW and path.suffix.lower() == ".png":
        kinds, channels, allowed = "u", (3,), "uint16 [h w 3]: right, down, whether it is known"
    found = first.shape[2] if first.ndim == 3 else 0
    if first.dtype.kind in kinds and found in channels:
        return
    ways = {
        Layer.SEGMENTATION: "state encoding: colours, or channel: r (or gb, ...), in clip.json",
        Layer.DEPTH: "store one number for each pixel",
    }
    linear = first.dtype.kind == "f" and layer in _PICTURES
    raise ClipError(
        path,
        f"layer {layer.value} holds {first.dtype} {list(first.shape)}",
        allowed=allowed,
        way_out="state transfer: linear in clip.json" if linear else ways.get(layer, ""),
    )


def _in_channels(entry: NativeLayer, path: Path) -> bool:
    """Whether ids stand in some channels of a colour image."""
    return bool(entry.channel) and path.suffix.lower() not in (".exr", ".npz")


def _decoded(
    folder: Path, manifest: NativeManifest, layer: Layer, entry: NativeLayer, kind: str
) -> _Decoded:
    if layer in _PICTURES:
        return LinearColour() if entry.transfer == "linear" else Colour(), Unit.SRGB, None
    if layer is Layer.MATERIAL:
        return Colour(), Unit.SHARES, None
    if layer is Layer.SEGMENTATION:
        return _ids(folder, entry), Unit.IDS, None
    if layer is Layer.FLOW:
        right, down = entry.pixels_per_unit
        down = -down if entry.axes == "opengl" else down
        return ScaledFlow((right, down), entry.zero), Unit.PIXELS, None
    if layer is Layer.NORMALS:
        decode = StoredNormals(entry.axes or "opencv", entry.range == "0..1")
        turn = FromWorld(_mirrored(manifest)) if entry.axes == "world" else None
        return decode, Unit.CAMERA_VECTOR, turn
    return _depth(folder, entry, kind)


def _between(entry: NativeLayer) -> bool:
    """Whether numbers lie between two distances."""
    return entry.near is not None and entry.measure not in ("z", "ray") and entry.unit != "relative"


def _few_codes(
    layer: Layer, entry: NativeLayer, store: FrameStore, kind: str
) -> DequantisedDepth | None:
    """Return how depth of 8 bits, or of lossy video, becomes metres without steps."""
    if layer is not Layer.DEPTH or not _between(entry) or entry.near is None:
        return None
    luma = isinstance(store, VideoStore) and store.pixel_format == "luma"
    if kind != "uint8" and not luma:
        return None
    codes = CodeRange(0, 255)
    if isinstance(store, VideoStore) and luma:
        codes = luma_range(store.info)
    far = entry.far if entry.far is not None else float("inf")
    return DequantisedDepth(CodedDepth(entry.measure, entry.near, far, 1.0, entry.nothing), codes)


def _depth(folder: Path, entry: NativeLayer, kind: str) -> _Decoded:
    full = {"uint8": 255.0, "uint16": 65535.0}.get(kind, 1.0)
    if entry.unit == "relative":
        return RelativeDepth(entry.measure == "inverse", full), Unit.RELATIVE, None
    if _between(entry) and entry.near is not None:
        far = entry.far if entry.far is not None else float("inf")
        coded = CodedDepth(entry.measure, entry.near, far, full, entry.nothing)
        return coded, Unit.METRES, None
    if entry.metres_per_unit is None and not kind.startswith("float"):
        raise ClipError(
            folder / "clip.json",
            "layers.depth.metres_per_unit is missing",
            allowed="metres of one stored unit, such as 0.001; or unit: relative",
        )
    unit = entry.metres_per_unit or 1.0
    if entry.measure == "inverse":
        return InverseDepth(unit, entry.nothing), Unit.METRES, None
    along_ray = AlongRay() if entry.measure == "ray" else None
    return ScaledDepth(unit, entry.nothing), Unit.METRES, along_ray


def _ids(folder: Path, entry: NativeLayer) -> Callable[[Array], Array]:
    name = entry.file if isinstance(entry.file, str) else entry.file[0]
    path = Path(name)
    if entry.encoding == "colours":
        palette = tuple((*colour_of(text), number) for text, number in entry.colours.items())
        return PaletteIds(palette, tolerance=entry.tolerance)
    if _in_channels(entry, path):
        if set(entry.channel) - set(_LETTERS):
            raise ClipError(
                folder / "clip.json",
                f"layers.segmentation.channel is {entry.channel!r}",
                allowed="letters of r, g, b and a, lowest byte first",
            )
        return ChannelIds(tuple(_LETTERS.index(letter) for letter in entry.channel))
    return Ids()


def _mirrored(manifest: NativeManifest) -> Literal["x", "y", "z"] | None:
    """Return the axis whose sign the world of a left-handed camera lost."""
    if not isinstance(manifest.camera, NativeCamera):
        return None
    axes: tuple[Literal["x", "y", "z"], ...] = ("x", "y", "z")
    signs = TO_RIGHT_HANDED[manifest.camera.convention].diagonal()
    return next((axis for axis, sign in zip(axes, signs, strict=True) if sign < 0), None)
