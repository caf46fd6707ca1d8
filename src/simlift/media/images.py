"""Read images and arrays as raw frames, held upright and never half; write images."""

import io
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from simlift.core.errors import ClipError, RunError
from simlift.core.layers import Array
from simlift.media.arrays import read_npy
from simlift.media.frame_files import FrameFiles
from simlift.media.image_formats import (
    Buffer,
    DamagedImage,
    ImageHeader,
    UnreadableImage,
    colour_words,
    icc_profile,
    read_header,
)
from simlift.media.image_formats.exif import turn_upright
from simlift.media.image_formats.icc import conversion_to_srgb
from simlift.media.image_formats.jpeg import check_jpeg_scan
from simlift.media.image_formats.png import as_samples
from simlift.media.image_formats.tiff import check_tiff_strips
from simlift.media.image_formats.webp import check_webp_picture
from simlift.media.numbered import numbered

__all__ = [
    "IMAGE_SUFFIXES",
    "PHOTO_SUFFIXES",
    "ImageStore",
    "decode_image",
    "numbered",
    "probe_images",
    "read_image",
    "write_image",
]

PHOTO_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"])
IMAGE_SUFFIXES = PHOTO_SUFFIXES | {".npy"}
_CHECKS = {"JPEG": check_jpeg_scan, "TIFF": check_tiff_strips, "WebP": check_webp_picture}
_FORMATS = "a whole PNG, JPEG, WebP, TIFF or BMP file"


def read_image(path: Path, *, samples: bool = False) -> Array:
    """Read an image: [h w], [h w 3] RGB or [h w 4] RGBA, uint8 or uint16, or a .npy.

    Pixels are turned upright where EXIF data says so, and colours of an ICC profile of primaries
    and curves are converted to sRGB. With `samples`, numbers come as they are
    stored: the indices of a palette, and 1, 2 and 4 bit gray without scaling. ClipError where the
    file is cut, zeroed or damaged, as far as its format tells: BMP and uncompressed TIFF have no
    marks, JPEG and WebP no checksums.
    """
    if not path.is_file():
        found = "is not a file" if path.exists() else "does not exist"
        raise ClipError(path, found, way_out="check the path")
    if path.suffix.lower() == ".npy":
        return read_npy(path)
    return decode_image(path, path.read_bytes(), samples=samples)


def decode_image(path: Path, data: bytes, *, samples: bool = False) -> Array:
    """Decode the bytes of an image as `read_image` does; `path` is where errors say they lie."""
    if not data:
        raise _empty(path)
    header = _header(path, data)
    try:
        if check := _CHECKS.get(header.format):
            check(data)
    except DamagedImage as error:
        raise _damaged(path, str(error)) from error
    if samples:
        return _read_samples(path, data, header)
    pixels = _decode(path, data, header)
    convert = conversion_to_srgb(icc_profile(data)) if pixels.ndim == 3 else None
    return pixels if convert is None else convert(pixels)


def _decode(path: Path, data: bytes, header: ImageHeader) -> Array:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise _damaged(path, f"cannot be read as an image ({error.err})") from error
    if pixels is None:
        raise _damaged(path, f"is damaged: its {header.format} data cannot be read as an image")
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    elif pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    # OpenCV turns TIFF files itself.
    return pixels if header.format == "TIFF" else turn_upright(pixels, header.orientation)


def _read_samples(path: Path, data: bytes, header: ImageHeader) -> Array:
    """Read numbers as they are stored; ClipError where coding or a palette has changed them."""
    if header.lossy:
        raise ClipError(
            path,
            f"holds numbers in lossy {header.format} coding, which changes them",
            allowed="PNG, or another format without loss",
            way_out="write them again as PNG",
        )
    if header.format == "PNG" and (header.palette or header.bits < 8):
        gray = as_samples(data) if header.palette else data
        # Samples of fewer than 8 bits decode to gray of full range: exact multiples.
        return _decode(path, gray, header) // np.uint8(255 // ((1 << min(header.bits, 8)) - 1))
    pixels = _decode(path, data, header)
    if header.inverted or (header.palette and pixels.ndim == 3) or header.bits < 8:
        kind = (
            "inverted" if header.inverted else "colours of a palette" if header.palette else "gray"
        )
        raise ClipError(
            path,
            f"holds no plain numbers ({header.format}: {kind}, {header.bits} bits)",
            allowed="gray of 8 or 16 bits, or PNG, whose palette indices are read",
            way_out="write the numbers as gray PNG",
        )
    return pixels


def _header(path: Path, data: Buffer) -> ImageHeader:
    try:
        header = read_header(data)
    except DamagedImage as error:
        raise _damaged(path, str(error)) from error
    except UnreadableImage as error:
        raise ClipError(
            path,
            f"cannot be read as an image: it {error}",
            allowed=_FORMATS,
            way_out="convert it, or export it again",
        ) from error
    if header.frames > 1:
        raise ClipError(
            path,
            f"holds {header.frames} frames",
            allowed="one picture in a file of a sequence or of a folder of photos",
            way_out="name the file itself as a clip if it is an animation, or split it",
        )
    return header


def _damaged(path: Path, found: str) -> ClipError:
    return ClipError(path, found, allowed=_FORMATS, way_out="export or copy it again")


def _empty(path: Path) -> ClipError:
    return ClipError(path, "the file is empty (0 bytes)", way_out="export it again")


def write_image(path: Path, pixels: Array) -> None:
    """Write uint8 or uint16 [h w], [h w 3] RGB, or [h w 4] RGBA; the suffix names the format.

    The file appears by rename when it is whole.
    """
    if pixels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        pixels = cv2.cvtColor(pixels, code)
    good, data = cv2.imencode(path.suffix, pixels)
    if not good:
        raise ClipError(path, f"cannot be written as {path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as error:
        raise RunError(path, f"cannot be written ({error.strerror})") from error


@dataclass(frozen=True)
class ImageStore(FrameFiles):
    """Frames in one image file each; `flat_channels` > 0 for buffers without a shape.

    `kind` is the type of number and the channels of the first frame, which all others share.
    `samples` reads numbers as they are stored (`read_image`). `notes` say what reading assumes.
    """

    flat_channels: int = 0
    kind: tuple[str, tuple[int, ...]] | None = None
    samples: bool = False
    notes: tuple[str, ...] = ()

    def read_frame(self, path: Path) -> Array:
        frame = read_image(path, samples=self.samples)
        if self.flat_channels and frame.size == self.height * self.width * self.flat_channels:
            frame = frame.reshape(self.height, self.width, self.flat_channels)
        if self.kind not in (None, _kind(frame)) and frame.shape[:2] == (self.height, self.width):
            raise ClipError(
                path,
                f"holds {frame.dtype} {frame.shape[2:]}, the first frame {self.kind}",
                allowed="one type of number and the same channels in the whole sequence",
            )
        return frame


def probe_images(paths: Sequence[Path], *, samples: bool = False) -> tuple[ImageStore, Array]:
    """Probe some image files: return their store and the first frame, to judge their kind.

    Every file is looked at, without decoding it; ClipError names one that is cut, zeroed at its
    end, or of another size.
    """
    first = read_image(paths[0], samples=samples)
    if first.ndim not in (2, 3):
        raise ClipError(paths[0], f"is an array of shape {first.shape}", allowed="[h w] or [h w c]")
    height, width = first.shape[:2]
    turned = 0
    for path in paths:
        size, orientation = _probe(path)
        turned += orientation > 1
        if size not in (None, (height, width)):
            raise ClipError(
                path,
                f"is {size[1]}x{size[0]}, the first frame {width}x{height}",
                allowed="one size in the whole sequence",
            )
    notes = []
    if turned:
        notes.append(f"{turned} of {len(paths)} images are turned upright, as their EXIF data asks")
    if colours := _colours(paths[0]):
        notes.append(colours)
    kind = _kind(first)
    return ImageStore(
        tuple(paths), height, width, kind=kind, samples=samples, notes=tuple(notes)
    ), first


def _probe(path: Path) -> tuple[tuple[int, int] | None, int]:
    """Return the upright size, or None for an array without rows, and the EXIF orientation."""
    if path.suffix.lower() == ".npy":
        return _npy_size(path), 1
    with _mapped(path) as data:
        header = _header(path, data)
    return (header.height, header.width), header.orientation


def _colours(path: Path) -> str:
    if path.suffix.lower() == ".npy":
        return ""
    with _mapped(path) as data:
        return colour_words(data)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map a file, so that only the pages that are looked at are read."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ClipError(path, "does not exist", way_out="check the path") from None
    with file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise _empty(path) from None
        with data:
            yield data


def _npy_size(path: Path) -> tuple[int, int] | None:
    """Return the height and width of an array; ClipError where bytes of it are missing."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
            # The length of the header stands behind the version, in 2 bytes or in 4.
            offset = 10 + int.from_bytes(start[8:10], "little")
            if start[6:7] > b"\x01":
                offset = 12 + int.from_bytes(start[8:12], "little")
            shape, item_size = _npy_header(start + file.read(offset - len(start)))
            missing = offset + item_size * int(np.prod(shape)) - os.fstat(file.fileno()).st_size
    except ValueError as error:
        empty = "the file is empty (0 bytes)" if path.stat().st_size == 0 else str(error)
        raise ClipError(path, empty, way_out="save it again with numpy.save") from error
    if missing > 0:
        raise ClipError(path, f"is cut short: {missing} bytes are missing", way_out="save it again")
    return (shape[0], shape[1]) if len(shape) > 1 else None


@lru_cache(maxsize=64)
def _npy_header(header: bytes) -> tuple[tuple[int, ...], int]:
    """Return the shape and the bytes of a number; the arrays of a clip have one header."""
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    return shape, kind.itemsize


def _kind(frame: Array) -> tuple[str, tuple[int, ...]]:
    return frame.dtype.name, frame.shape[2:]
