"""Read a folder of numbered images, or one image -> Clip with rgb alone."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.decodings import Colour
from simlift.media.images import IMAGE_SUFFIXES, numbered, probe_images
from simlift.sources.lens import fixed_camera

# Image files carry no rate; this is what film and most viewers assume.
ASSUMED_FPS = Fraction(24)
_COLOUR_SUFFIXES = IMAGE_SUFFIXES - {".npy"}


def recognises(folder: Path) -> bool:
    """Whether the folder holds images, or a folder rgb/ with images."""
    return bool(_images(folder) or _images(folder / "rgb"))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read numbered images as frames; ClipError names frames that are missing."""
    inside = folder if _images(folder) else folder / "rgb"
    return _clip(folder.name, folder, numbered(_images(inside), folder), options)


def read_single(path: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read one image as a clip of one frame."""
    return _clip(path.stem, path, (path,), options)


def _clip(name: str, path: Path, paths: tuple[Path, ...], options: ReadOptions) -> Clip:
    store, first = probe_images(paths)
    if first.dtype not in (np.uint8, np.uint16) or (
        first.ndim == 3 and first.shape[2] not in (3, 4)
    ):
        raise ClipError(
            paths[0],
            f"holds {first.dtype} of shape {first.shape}",
            allowed="8 or 16 bit gray, RGB or RGBA",
        )
    notes = []
    if first.ndim == 3 and first.shape[2] == 4:
        notes.append("the alpha channel is dropped")
    if first.dtype == np.uint16:
        notes.append("16-bit colour is read as 8 bit")
    if first.ndim == 2:
        notes.append("the images are gray: colour is three equal channels")
    if len(paths) > 1 and options.fps is None:
        notes.append(f"images carry no frame rate: {ASSUMED_FPS} fps is assumed")
    if len(paths) == 1:
        notes.append("the clip has one frame: scores over time have no evidence")
    return Clip(
        name=name,
        path=path,
        fps=options.fps or ASSUMED_FPS,
        num_frames=store.num_frames,
        height=store.height,
        width=store.width,
        layers=(StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB),),
        camera=fixed_camera(store.num_frames, store.height, store.width, options.fov)
        if options.fov
        else None,
        notes=tuple(notes),
        read_options=options,
    )


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [p for p in folder.iterdir() if p.suffix.lower() in _COLOUR_SUFFIXES]
