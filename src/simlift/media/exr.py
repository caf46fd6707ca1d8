"""Read channels of OpenEXR files, of one part or many, as frames of a layer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simlift.core.errors import ClipError, MissingLibrary
from simlift.core.layers import Array
from simlift.media.frame_files import FrameFiles

_HEADER = 1 << 16  # bytes that hold the header of renderers' files, metadata and all


@dataclass(frozen=True)
class ExrHeader:
    """The size of an EXR file, the channels of all its parts, and what else its first part says.

    `texts` are the texts and numbers of the header, as renderers leave their metadata.
    """

    height: int
    width: int
    channels: tuple[str, ...]
    texts: Mapping[str, str] = field(default_factory=dict)


def read_exr_header(path: Path) -> ExrHeader:
    """Read an EXR's size and channels; ClipError where it is damaged or its windows differ."""
    with _opened(path, header_only=True) as file:
        header = file.header()
        shown, stored = header["displayWindow"], header["dataWindow"]
        if [np.asarray(x).tolist() for x in shown] != [np.asarray(x).tolist() for x in stored]:
            raise ClipError(
                path,
                f"stores the window {_window(stored)} of a picture {_window(shown)}",
                allowed="pictures that are stored whole",
                way_out="render without cropping and without overscan",
            )
        low, high = (np.asarray(x) for x in stored)
        return ExrHeader(
            int(high[1] - low[1] + 1),
            int(high[0] - low[0] + 1),
            tuple(_channel_names(file)),
            _texts(header),
        )


def read_exr_texts(path: Path) -> dict[str, str]:
    """Read the texts and numbers of an EXR's header, as renderers leave their metadata."""
    with _opened(path, header_only=True) as file:
        return _texts(file.header())


def _texts(header: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in header.items() if type(value) in (str, int, float)}


def exr_text(path: Path) -> bytes:
    """Return the beginning of an EXR file, where its header stands; empty for other files.

    Names of attributes and channels stand there as they are: enough to tell who wrote the file,
    without the library that reads it.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER)
    return start if start[:4] == b"\x76\x2f\x31\x01" else b""


def read_exr_channels(path: Path, channels: Sequence[str]) -> Array:
    """Read some channels as float32 or uint32 [h w], or [h w c] where there are several."""
    with _opened(path) as file:
        planes: dict[str, Array] = {}
        for part, _ in enumerate(file.parts):
            for name, channel in file.channels(part).items():
                planes.setdefault(_qualified(file, part, name), np.asarray(channel.pixels))
        missing = [name for name in channels if name not in planes]
        if missing:
            raise ClipError(
                path,
                f"has no channel {', '.join(missing)}",
                allowed=", ".join(sorted(planes)),
                way_out="correct channel in clip.json",
            )
        found = [planes[name] for name in channels]
    kind = np.uint32 if all(p.dtype == np.uint32 for p in found) else np.float32
    stacked = np.stack([plane.astype(kind) for plane in found], axis=-1)
    return stacked[..., 0] if len(channels) == 1 else stacked


def channels_of_layer(names: Sequence[str], wanted: str, path: Path) -> tuple[str, ...]:
    """Return the channels that `wanted` stands for: itself, or all of a layer in their order.

    "Depth.Z" is a channel, "Normal" a layer with Normal.X, .Y and .Z, "" the plain R, G and B.
    """
    if wanted in names:
        return (wanted,)
    prefix = f"{wanted}." if wanted else ""
    for order in ("RGB", "XYZW", "XYZ", "rgb", "xyz", "UV", "XY", "Y", "Z", "V", "X"):
        found = tuple(prefix + letter for letter in order)
        if all(name in names for name in found):
            alpha = prefix + "A"
            return (*found, alpha) if order == "RGB" and alpha in names else found
    raise ClipError(
        path,
        f"has no channel or layer {wanted!r}",
        allowed=", ".join(names),
        way_out="correct channel in clip.json",
    )


def _channel_names(file: Any) -> list[str]:
    names: list[str] = []
    for part, _ in enumerate(file.parts):
        names += [_qualified(file, part, c.name) for c in file.header(part)["channels"]]
    return sorted(set(names))


def _qualified(file: Any, part: int, name: str) -> str:
    """Return a channel's name with the name of its part, where the parts have names."""
    if len(file.parts) == 1:
        return name
    prefix = str(file.header(part).get("name", ""))
    return name if not prefix or name.startswith(prefix + ".") else f"{prefix}.{name}"


def _window(box: Any) -> str:
    low, high = (np.asarray(x).tolist() for x in box)
    return f"{low} to {high}"


@contextmanager
def _opened(path: Path, header_only: bool = False) -> Iterator[Any]:
    try:
        import OpenEXR
    except ImportError:
        raise MissingLibrary("OpenEXR", f"reading {path.name}", "exr") from None
    if not path.is_file():
        raise ClipError(path, "does not exist", way_out="check the path")
    try:
        # Separate channels: the library otherwise merges R, G and B into one array.
        with OpenEXR.File(str(path), separate_channels=True, header_only=header_only) as file:
            yield file
    except (RuntimeError, OSError, ValueError) as error:
        if isinstance(error, ClipError):
            raise
        raise ClipError(path, f"is damaged ({error})", way_out="render it again") from error


@dataclass(frozen=True)
class ExrStore(FrameFiles):
    """Frames of one or more channels, each in an EXR file of its own."""

    channels: tuple[str, ...]

    def read_frame(self, path: Path) -> Array:
        return read_exr_channels(path, self.channels)


def probe_exr(paths: Sequence[Path], channel: str) -> tuple[ExrStore, Array]:
    """Probe EXR files: return the store of a channel or layer, and its first frame."""
    header = read_exr_header(paths[0])
    channels = channels_of_layer(header.channels, channel, paths[0])
    store = ExrStore(tuple(paths), header.height, header.width, channels)
    return store, read_exr_channels(paths[0], channels)
