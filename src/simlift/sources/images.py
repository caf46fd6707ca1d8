"""Read a folder of numbered images, one image or one animation -> Clip with rgb alone."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import FrameStore, Layer, StoredLayer, Unit
from simlift.core.read_options import ReadOptions
from simlift.media.animations import ANIMATION_SUFFIXES, open_animation
from simlift.media.decodings import Colour
from simlift.media.folders import visible_files
from simlift.media.images import IMAGE_SUFFIXES, PHOTO_SUFFIXES, numbered, probe_images
from simlift.media.video import ANIMATIONS, VIDEO_SUFFIXES
from simlift.sources.lens import fixed_camera

# Image files carry no rate; this is what film and most viewers assume.
ASSUMED_FPS = Fraction(24)
_DARK = 4096  # of 65535: 12 bits, stored as they are
_ONE_FRAME = "the clip has one frame: scores over time have no evidence"
SINGLE_SUFFIXES = IMAGE_SUFFIXES | ANIMATION_SUFFIXES


def recognises(folder: Path) -> bool:
    """Whether the folder, or a folder rgb/ in it, holds images or one animation."""
    return bool(_images(folder) or _images(folder / "rgb"))


def read(folder: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read numbered images as frames; ClipError names frames that are missing."""
    found = _images(folder) or _images(folder / "rgb")
    if len(found) == 1:
        return _read_file(folder.name, folder, found[0], options)
    return _sequence(folder.name, folder, numbered(found, folder), options)


def read_single(path: Path, options: ReadOptions = ReadOptions()) -> Clip:
    """Read one image as a clip of one frame, an animation as one of all its frames."""
    return _read_file(path.stem, path, path, options)


def _read_file(name: str, where: Path, path: Path, options: ReadOptions) -> Clip:
    animation = open_animation(path)
    if animation is None:
        return _sequence(name, where, (path,), options)
    notes = animation.notes
    still = animation.store.num_frames == 1
    if still:
        notes = (*notes, _ONE_FRAME)
    elif options.fps is not None:
        notes = (*notes, f"the file's own frame times (about {animation.fps} fps) are not used")
    return _clip(
        name,
        where,
        animation.store,
        notes,
        options,
        fps=ASSUMED_FPS if still else animation.fps,
        timestamps=animation.timestamps if options.fps is None else None,
    )


def _sequence(name: str, path: Path, paths: tuple[Path, ...], options: ReadOptions) -> Clip:
    store, first = probe_images(paths)
    if first.dtype not in (np.uint8, np.uint16) or (
        first.ndim == 3 and first.shape[2] not in (3, 4)
    ):
        raise ClipError(
            paths[0],
            f"holds {first.dtype} of shape {first.shape}",
            allowed="8 or 16 bit gray, RGB or RGBA",
        )
    notes = list(store.notes)
    if first.ndim == 3 and first.shape[2] == 4:
        notes.append("the alpha channel is dropped")
    if first.dtype == np.uint16:
        notes.append("16-bit colour is read as 8 bit")
        if 0 < first.max() < _DARK:
            notes.append(
                f"no value of the first image is above {first.max()} of 65535: it is read as dark; "
                "numbers of 10 or 12 bits are to be scaled to 16 before"
            )
    if first.ndim == 2:
        notes.append("the images are gray: colour is three equal channels")
    if len(paths) > 1 and options.fps is None:
        notes.append(f"images carry no frame rate: {ASSUMED_FPS} fps is assumed")
    if len(paths) == 1:
        notes.append(_ONE_FRAME)
    return _clip(name, path, store, notes, options)


def _clip(
    name: str,
    path: Path,
    store: FrameStore,
    notes: Sequence[str],
    options: ReadOptions,
    fps: Fraction = ASSUMED_FPS,
    timestamps: tuple[Fraction, ...] | None = None,
) -> Clip:
    return Clip(
        name=name,
        path=path,
        fps=options.fps or fps,
        num_frames=store.num_frames,
        height=store.height,
        width=store.width,
        layers=(StoredLayer(Layer.RGB, store, Colour(), Unit.SRGB),),
        timestamps=timestamps,
        camera=fixed_camera(store.num_frames, store.height, store.width, options.fov)
        if options.fov
        else None,
        notes=tuple(notes),
        read_options=options,
    )


def _images(folder: Path) -> list[Path]:
    """Return the images of a folder; an animation counts where no image or video lies beside it."""
    files = visible_files(folder)
    images = [p for p in files if p.suffix.lower() in PHOTO_SUFFIXES]
    animations = [p for p in files if p.suffix.lower() in ANIMATION_SUFFIXES]
    videos = any(p.suffix.lower() in VIDEO_SUFFIXES - ANIMATIONS for p in files)
    return images or (animations if len(animations) == 1 and not videos else [])
