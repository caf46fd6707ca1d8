"""Read animated WebP files frame by frame: each is composed with what it leaves standing.

Source: RFC 9649, section 2.7.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import ClipError
from simlift.core.layers import Array
from simlift.media.image_formats import Buffer, DamagedImage
from simlift.media.image_formats.webp import webp_chunks

_HEAD = 16  # bytes of a frame before its coded picture
_ALPHA = 0x10  # the flag of the extended header


@dataclass(frozen=True)
class WebPFrame:
    """Where a frame's coded picture lies in the file, where it goes, and for how long it stays."""

    start: int
    stop: int
    x: int
    y: int
    height: int
    width: int
    milliseconds: int
    blended: bool  # over what stands there; otherwise in its place
    cleared: bool  # when its time is over

    def covers(self, height: int, width: int) -> bool:
        """Whether nothing that stands there shows through."""
        return not self.blended and (self.height, self.width) == (height, width)


@dataclass(frozen=True)
class WebPAnimation:
    """The frames of a file, and the size of their canvas."""

    height: int
    width: int
    frames: tuple[WebPFrame, ...]


def webp_animation(data: Buffer) -> WebPAnimation:
    """Find the frames of an animated WebP file; DamagedImage where one is not whole."""
    height = width = 0
    frames: list[WebPFrame] = []
    for name, start, stop in webp_chunks(data):
        head = data[start : start + _HEAD]
        if name == b"VP8X":
            width, height = 1 + _number(head, 4), 1 + _number(head, 7)
        elif name == b"ANMF":
            frame = WebPFrame(
                start + _HEAD,
                stop,
                x=2 * _number(head, 0),
                y=2 * _number(head, 3),
                width=1 + _number(head, 6),
                height=1 + _number(head, 9),
                milliseconds=_number(head, 12),
                blended=not head[15] & 2,
                cleared=bool(head[15] & 1),
            )
            if frame.x + frame.width > width or frame.y + frame.height > height:
                raise DamagedImage(f"is damaged: frame {len(frames)} reaches out of the picture")
            frames.append(frame)
    return WebPAnimation(height, width, tuple(frames))


@dataclass(frozen=True)
class WebPStore:
    """The frames of an animated WebP file, as RGBA."""

    path: Path
    animation: WebPAnimation

    @property
    def num_frames(self) -> int:
        return len(self.animation.frames)

    @property
    def height(self) -> int:
        return self.animation.height

    @property
    def width(self) -> int:
        return self.animation.width

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @contextmanager
    def open(self) -> Iterator["WebPReader"]:
        """Read the coded file into memory; frames are decoded as they are asked for."""
        yield WebPReader(self, self.path.read_bytes())


class WebPReader:
    """An opened animation: composes frames from the last one that covers all that was before."""

    def __init__(self, store: WebPStore, data: bytes) -> None:
        self._store, self._data = store, data
        self._restart(0)

    def read(self, indices: Sequence[int]) -> Array:
        """Return the frames at increasing `indices`, uint8 RGBA [t h w 4]."""
        return np.stack([self._frame(index) for index in indices])

    def _restart(self, index: int) -> None:
        animation = self._store.animation
        self._canvas = np.zeros((animation.height, animation.width, 4), np.uint8)
        self._next = index  # the frame that comes onto the canvas next
        self._shown = self._canvas

    def _frame(self, index: int) -> UInt8[np.ndarray, "h w 4"]:
        animation = self._store.animation
        # Frames that show nothing of those before can be begun with.
        first = index
        while first > 0 and not animation.frames[first].covers(animation.height, animation.width):
            first -= 1
        if self._next > index + 1 or self._next < first:
            self._restart(first)
        while self._next <= index:
            self._compose(animation.frames[self._next])
            self._next += 1
        return self._shown

    def _compose(self, frame: WebPFrame) -> None:
        pixels = self._decode(frame)
        part = (slice(frame.y, frame.y + frame.height), slice(frame.x, frame.x + frame.width))
        canvas = self._canvas
        canvas[part] = blend(pixels, canvas[part]) if frame.blended else pixels
        self._shown = canvas.copy()
        if frame.cleared:
            canvas[part] = 0

    def _decode(self, frame: WebPFrame) -> UInt8[np.ndarray, "h w 4"]:
        coded = _still(self._data[frame.start : frame.stop], frame.height, frame.width)
        pixels = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None or pixels.shape[:2] != (frame.height, frame.width):
            raise ClipError(
                self._store.path,
                f"frame {self._next} is damaged",
                allowed="a whole file",
                way_out="export it again",
            )
        code = cv2.COLOR_BGR2RGBA if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        return np.asarray(cv2.cvtColor(pixels, code))


def blend(
    over: UInt8[np.ndarray, "h w 4"], under: UInt8[np.ndarray, "h w 4"]
) -> UInt8[np.ndarray, "h w 4"]:
    """Blend RGBA pixels, whose colours are not multiplied by alpha, over others."""
    alpha = over[..., 3:]
    if np.isin(alpha, (0, 255)).all():
        return np.where(alpha == 255, over, under)
    share = alpha / np.float32(255)
    kept = under[..., 3:] / np.float32(255) * (1 - share)
    total = share + kept
    colour = over[..., :3] * share + under[..., :3] * kept
    colour = np.divide(colour, total, out=np.zeros_like(colour), where=total > 0)
    return np.concatenate([np.rint(colour), np.rint(total * 255)], axis=-1).astype(np.uint8)


def _still(chunks: bytes, height: int, width: int) -> bytes:
    """Wrap the chunks of a frame as a WebP file of its own."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    head = b"VP8X" + struct.pack("<I", 10) + bytes([_ALPHA, 0, 0, 0]) + size
    body = b"WEBP" + (head if chunks.startswith(b"ALPH") else b"") + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _number(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 3], "little")
