"""Read numbered images and arrays as raw frames; a gap in the numbers is an error."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from simlift.core.errors import ClipError, RunError
from simlift.core.layers import Array
from simlift.media.image_size import image_size

IMAGE_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".npy"])
_NUMBER = re.compile(r"(\d+)(?!.*\d)")


def read_image(path: Path) -> Array:
    """Read an image as stored: [h w], [h w 3] RGB or [h w 4] RGBA, uint8 or uint16, or a .npy."""
    if not path.is_file():
        found = "is not a file" if path.exists() else "does not exist"
        raise ClipError(path, found, way_out="check the path")
    if path.suffix == ".npy":
        return _read_npy(path)
    data = np.fromfile(path, dtype=np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        found = "the file is empty (0 bytes)" if not data.size else "cannot be read as an image"
        raise ClipError(path, found, allowed="a whole image file", way_out="export it again")
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    return pixels


def _read_npy(path: Path) -> Array:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ClipError(
            path,
            f"is not a plain .npy array ({error})",
            allowed="numbers, without pickles",
            way_out="save it again with numpy.save",
        ) from error
    return np.asarray(array)


def write_image(path: Path, pixels: Array) -> None:
    """Write uint8 or uint16 [h w], [h w 3] RGB, or [h w 4] RGBA; the suffix names the format."""
    if pixels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        pixels = cv2.cvtColor(pixels, code)
    good, data = cv2.imencode(path.suffix, pixels)
    if not good:
        raise ClipError(path, f"cannot be written as {path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise RunError(path, f"cannot be written ({error.strerror})") from error


def numbered(paths: Sequence[Path], where: Path) -> tuple[Path, ...]:
    """Sort files by the last number in their names; ClipError names missing and double frames."""
    if len(paths) == 1:
        return tuple(paths)
    found: dict[int, Path] = {}
    for path in paths:
        match = _NUMBER.search(path.stem)
        if match is None:
            raise ClipError(path, "has no frame number", allowed="names such as 000012.png")
        number = int(match.group(1))
        if number in found:
            raise ClipError(
                where,
                f"frame {number} is there twice: {found[number].name}, {path.name}",
                allowed="one file for each frame",
            )
        found[number] = path
    order = sorted(found)
    # Recorders that keep every n-th frame leave even gaps; only an uneven gap is a lost frame.
    steps = np.diff(order)
    step = int(steps.min()) if len(steps) else 1
    lost = [n for n in range(order[0], order[-1] + 1, step) if n not in found]
    if lost or (steps % step).any():
        names = ", ".join(str(n) for n in lost[:8]) or "uneven numbering"
        raise ClipError(
            where,
            f"{len(lost)} frames are missing ({names}), if every {step}. is kept",
            allowed="numbers without gaps",
            way_out="record them again; renumber the files if the cut is meant; name single "
            "pictures one by one",
        )
    return tuple(found[n] for n in order)


@dataclass(frozen=True)
class ImageStore:
    """Frames in one file each, all of one size; `flat_channels` > 0 for buffers without a shape.

    `kind` is the type of number and the channels of the first frame, which all others share.
    """

    paths: tuple[Path, ...]
    height: int
    width: int
    flat_channels: int = 0
    kind: tuple[str, tuple[int, ...]] | None = None

    @property
    def num_frames(self) -> int:
        return len(self.paths)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.paths

    @contextmanager
    def open(self) -> Iterator["ImageReader"]:
        """Open the sequence; files are read as they are asked for."""
        yield ImageReader(self)


@dataclass(frozen=True)
class ImageReader:
    """An opened sequence of images."""

    store: ImageStore

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at `indices`; ClipError names a file of another size."""
        frames = []
        for index in indices:
            path = self.store.paths[index]
            frame = read_image(path)
            height, width, flat = self.store.height, self.store.width, self.store.flat_channels
            if flat and frame.size == height * width * flat:
                frame = frame.reshape(height, width, flat)
            if frame.shape[:2] != (height, width):
                raise ClipError(
                    path,
                    f"has the shape {frame.shape}, the first frame {width}x{height}",
                    allowed="one size in the whole sequence",
                )
            if self.store.kind not in (None, _kind(frame)):
                raise ClipError(
                    path,
                    f"holds {frame.dtype} {frame.shape[2:]}, the first frame {self.store.kind}",
                    allowed="one type of number and the same channels in the whole sequence",
                )
            frames.append(frame)
        return np.stack(frames)


def probe_images(paths: Sequence[Path]) -> tuple[ImageStore, Array]:
    """Probe some image files: return their store and the first frame, to judge their kind."""
    first = read_image(paths[0])
    if first.ndim not in (2, 3):
        raise ClipError(paths[0], f"is an array of shape {first.shape}", allowed="[h w] or [h w c]")
    height, width = first.shape[:2]
    for path in paths[1:]:
        size = image_size(path)
        if size is not None and size != (height, width):
            raise ClipError(
                path,
                f"is {size[1]}x{size[0]}, the first frame {width}x{height}",
                allowed="one size in the whole sequence",
            )
        if path.stat().st_size == 0:
            raise ClipError(path, "the file is empty (0 bytes)", way_out="export it again")
    return ImageStore(tuple(paths), height, width, kind=_kind(first)), first


def _kind(frame: Array) -> tuple[str, tuple[int, ...]]:
    return frame.dtype.name, frame.shape[2:]
