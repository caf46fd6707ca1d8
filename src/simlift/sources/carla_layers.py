"""Judge by the first, middle and last image how a CARLA dump stores depth and classes.

Folders of other simulators carry the same names, and CARLA's own images are saved in many ways.
So depth must be smooth as a 24-bit code, and classes must be colours of the palette or tags.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array, Layer, StoredLayer, Unit
from simlift.media.decodings import PaletteIds
from simlift.media.geometry_decodings import CarlaDepth
from simlift.media.images import ImageStore, probe_images, read_image
from simlift.sources.carla_classes import LAST_OLD_TAG, LAST_TAG, PALETTE, RedTags

_RGB, _BGR = (0, 1, 2), (2, 1, 0)
_UNEQUIVOCAL = 4.0  # times rougher: right codes are 20 times and more smoother than swapped ones
_FEW_COLOURS = 16  # flat surfaces, on which no order can be told from the other
_JPEG = 32  # codes by which JPEG moves a flat colour
_JPEG_BORDERS = 0.15  # of the pixels: where JPEG mixes the colours of two classes
_JPEG_SUFFIXES = {".jpg", ".jpeg"}


@dataclass(frozen=True)
class Judged:
    """A layer, and what is to be said of it."""

    stored: StoredLayer
    notes: tuple[str, ...] = ()


def read_depth(paths: Sequence[Path], rgb: ImageStore) -> Judged:
    """Read depth as CARLA's 24-bit code; ClipError says what the images hold instead."""
    if paths[0].suffix.lower() in _JPEG_SUFFIXES:
        raise ClipError(
            paths[0],
            "is depth as JPEG",
            allowed="PNG or raw buffers: the 24 bits of depth do not survive JPEG",
            way_out="record depth again as PNG, or remove it",
        )
    if paths[0].suffix.lower() == ".npy":
        store = _raw_buffers(paths, read_image(paths[0]), rgb)
        order, notes = _order([_buffer(p, rgb) for p in _some(paths)], _BGR, paths[0])
    else:
        frames = [read_image(path, samples=True) for path in _some(paths)]
        _check_not_gray(paths[0], frames[0])
        store, _ = probe_images(paths, samples=True)
        order, notes = _order(frames, _RGB, paths[0])
    return Judged(StoredLayer(Layer.DEPTH, store, CarlaDepth(order), Unit.METRES), notes)


def is_gray(path: Path) -> bool:
    """Whether a depth image is one that CARLA converted to gray, or that was cut to 8 bits."""
    if path.suffix.lower() == ".npy":
        return False
    frame = read_image(path)
    if frame.ndim == 2:
        return frame.dtype == np.uint8
    # Sky alone is white in raw depth too, and black is the camera's own place.
    between = (frame[..., :3] != 0) & (frame[..., :3] != 255)
    return bool(between.any()) and not np.ptp(frame[..., :3], axis=-1).any()


def could_be_depth(path: Path) -> bool:
    """Whether a file has the form of CARLA's depth, raw or converted to gray."""
    return bool(read_image(path).dtype == np.uint8)


def _check_not_gray(path: Path, frame: Array) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or is_gray(path):
        raise ClipError(
            path,
            "is gray" if frame.dtype == np.uint8 else f"holds {frame.dtype} {list(frame.shape)}",
            allowed="the raw depth camera (24 bits in R, G, B)",
            way_out="save with ColorConverter.Raw; or state what the numbers are in a clip.json "
            "(simlift init)",
        )


def _order(
    frames: Sequence[Array], order: tuple[int, int, int], path: Path
) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """Return where red, green and blue stand: as stated, or swapped where that is certain."""
    swapped = (order[2], order[1], order[0])
    rough = sum(_roughness(frame, order) for frame in frames)
    other = sum(_roughness(frame, swapped) for frame in frames)
    if rough * _UNEQUIVOCAL <= other or rough == 0:
        return order, ()
    if other * _UNEQUIVOCAL <= rough:
        return swapped, (
            "depth holds blue where CARLA has red: read so, for only then is it smooth",
        )
    first = frames[0][..., :3].reshape(-1, 3)
    if len(np.unique(first, axis=0)) <= _FEW_COLOURS:
        return order, ()
    raise ClipError(
        path,
        "is not smooth as a 24-bit code, in neither order of its colours",
        allowed="the raw depth camera (R + 256 G + 65536 B), as PNG",
        way_out="save with ColorConverter.Raw; or state what the numbers are in a clip.json "
        "(simlift init)",
    )


def _roughness(frame: Array, order: tuple[int, int, int]) -> float:
    """Return the sum of steps in metres between neighbours, those to the sky apart."""
    depth = CarlaDepth(order)(frame[None])[0]
    total = 0.0
    for a, b in ((depth[1:], depth[:-1]), (depth[:, 1:], depth[:, :-1])):
        both = np.isfinite(a) & np.isfinite(b)
        total += float(np.abs(a[both] - b[both]).sum(dtype=np.float64))
    return total


def _raw_buffers(paths: Sequence[Path], first: Array, rgb: ImageStore) -> ImageStore:
    if first.size != rgb.height * rgb.width * 4 or first.dtype != np.uint8:
        raise ClipError(
            paths[0],
            f"holds {first.size} numbers of type {first.dtype}",
            allowed=f"{rgb.height * rgb.width * 4} bytes ({rgb.width}x{rgb.height} BGRA)",
            way_out="save the buffer as it is; or state what the numbers are in a clip.json "
            "(simlift init)",
        )
    return ImageStore(tuple(paths), rgb.height, rgb.width, flat_channels=4)


def _buffer(path: Path, rgb: ImageStore) -> Array:
    with ImageStore((path,), rgb.height, rgb.width, flat_channels=4).open() as reader:
        return np.asarray(reader.read([0])[0])


def read_classes(paths: Sequence[Path], tags: str | None) -> Judged:
    """Read classes from colours of the palette, or from tags; ClipError says what is there."""
    store, _ = probe_images(paths)
    frames = [read_image(path) for path in _some(paths)]
    jpeg = paths[0].suffix.lower() in _JPEG_SUFFIXES
    form = form_of_classes(frames, jpeg)
    notes: tuple[str, ...]
    if form == "palette":
        decode = PaletteIds(PALETTE, tolerance=255 if jpeg else 0)
        notes = (
            ("classes are JPEG: pixels take the class of the nearest colour, borders are rough",)
            if jpeg
            else ()
        )
        if tags is not None:
            notes += ("--tags is not used: classes are colours",)
        return Judged(StoredLayer(Layer.SEGMENTATION, store, decode, Unit.IDS), notes)
    if form is None or (jpeg and form == "instance"):
        colour = _strange(frames[0])
        raise ClipError(
            paths[0],
            f"colours that are none of CARLA's classes, such as {colour}",
            allowed="the CityScapes palette, or tags in the red channel",
            way_out="save with ColorConverter.CityScapesPalette; or state the colours in a "
            "clip.json (simlift init)",
        )
    channel = 0 if form == "tags" else _tag_channel(frames) or 0
    highest = max(int((f if f.ndim == 2 else f[..., channel]).max()) for f in frames)
    if tags is None and highest <= LAST_OLD_TAG:
        raise ClipError(
            paths[0],
            "raw tags that either numbering allows",
            allowed="--tags pre0.9.14 or --tags 0.9.14",
            way_out="state the release of CARLA by --tags; or save with "
            "ColorConverter.CityScapesPalette",
        )
    notes = ()
    if channel:
        notes += ("classes hold tags in blue, where CARLA has red: read so",)
    if form == "instance":
        notes += ("instances are read as their classes: their own ids are left out",)
    tagged = RedTags(from_0_9_14=tags != "pre0.9.14", red=channel)
    for frame in frames:
        tagged(frame[None])
    return Judged(StoredLayer(Layer.SEGMENTATION, store, tagged, Unit.IDS), notes)


def form_of_classes(frames: Sequence[Array], jpeg: bool = False) -> str | None:
    """Return "palette", "tags" or "instance" for images of classes, None for other images."""
    if any(frame.dtype != np.uint8 for frame in frames):
        return None
    if all(frame.ndim == 2 for frame in frames):
        return "tags" if max(int(f.max()) for f in frames) <= LAST_TAG else None
    if any(frame.ndim == 2 for frame in frames):
        return None
    if all(not frame[..., 1:3].any() for frame in frames):
        return "tags" if max(int(f[..., 0].max()) for f in frames) <= LAST_TAG else None
    apart = np.concatenate([_apart(frame) for frame in frames])
    if jpeg:
        return "palette" if (apart > _JPEG).mean() <= _JPEG_BORDERS else None
    if not apart.any():
        return "palette"
    return "instance" if _tag_channel(frames) is not None else None


def _tag_channel(frames: Sequence[Array]) -> int | None:
    """Return where tags stand: in red, or in blue where buffers were saved with both swapped."""
    for channel in (0, 2):
        highest = max(int(frame[..., channel].max()) for frame in frames)
        if 0 < highest <= LAST_TAG:
            return channel
    return None


def _apart(frame: Array) -> Array:
    """Return how far each pixel is from the nearest colour of the palette, in any channel."""
    colours, counts = _colours(frame)
    table = np.asarray(PALETTE, dtype=np.int32)[:, :3]
    apart = np.abs(colours.astype(np.int32)[:, None] - table[None]).max(-1).min(-1)
    return np.repeat(apart, counts)


def _colours(frame: Array) -> tuple[Array, Array]:
    code = frame[..., :3].astype(np.uint32)
    packed = (code[..., 0] << 16) | (code[..., 1] << 8) | code[..., 2]
    values, counts = np.unique(packed, return_counts=True)
    return np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=-1), counts


def _strange(frame: Array) -> tuple[int, ...]:
    """Return the commonest colour that is none of the palette."""
    if frame.ndim == 2:
        return (int(frame.max()),)
    colours, counts = _colours(frame)
    table = np.asarray(PALETTE, dtype=np.int32)[:, :3]
    apart = np.abs(colours.astype(np.int32)[:, None] - table[None]).max(-1).min(-1)
    return tuple(int(c) for c in colours[np.where(apart > 0, counts, 0).argmax()])


def _some(paths: Sequence[Path]) -> list[Path]:
    """Return the first, the middle and the last file."""
    return [paths[i] for i in sorted({0, len(paths) // 2, len(paths) - 1})]
