"""Encode small H.264 previews of renders, takes and overlays, inside the page or linked."""

import base64
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from simlift.core.clip import Clip
from simlift.core.layers import Array, Layer
from simlift.core.recipe import Encoding
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.writer import write_video

PREVIEW_LINES = 480
_POSTER_LINES = 120
# A keyframe every 8 frames: a seek decodes 8 small frames at most, which a phone does at once.
_PREVIEW = Encoding(crf=26, preset="veryfast", keyframe_interval=8)


@dataclass(frozen=True)
class Preview:
    """A video as the page holds it: a JPEG poster, and either the MP4 (base64) or a link."""

    poster: str
    content: str | None
    link: str | None


@dataclass(frozen=True)
class ClipPreviews:
    """The previews of a clip; `render` is None where its source is not at hand.

    `twin` is None where the clip has none.
    """

    render: Preview | None
    twin: Preview | None
    takes: tuple[Preview, ...]
    overlays: tuple[tuple[str, Preview], ...]

    def every(self) -> tuple[Preview, ...]:
        """Return all previews of the clip."""
        clip = [preview for preview in (self.render, self.twin) if preview]
        return (*clip, *self.takes, *(preview for _, preview in self.overlays))


@dataclass(frozen=True)
class Draft:
    """A preview that has no place yet; `path` is None where nothing was encoded."""

    poster: str
    path: Path | None
    link: str | None


class PreviewAlbum:
    """Places previews until the budget is spent; what comes after is linked.

    `folder` takes the files that no existing file can stand for (renders, overlays, uneven times).
    Drafts may be made side by side; they are placed in order, so that equal runs give equal pages.
    """

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self._folder, self._left = folder, budget_bytes
        self._full = False
        self._count = 0

    def draft(self, frames: Iterator[Array], *, fps: Fraction, link: str | None) -> Draft:
        """Encode a preview of frames [h w 3]; `link` leads to a file that can stand for it."""
        first = next(frames)
        poster = base64.b64encode(_poster(first)).decode("ascii")
        if self._full and link is not None:
            return Draft(poster, None, link)
        path = self._folder / f"draft-{uuid.uuid4().hex}.mp4"
        encode_preview(chain([first], frames), path, fps)
        return Draft(poster, path, link)

    def place(self, draft: Draft) -> Preview:
        """Take a draft into the page, into the folder, or drop it for its link."""
        if draft.path is None:
            return Preview(draft.poster, None, draft.link)
        content = base64.b64encode(draft.path.read_bytes()).decode("ascii")
        if not self._full and len(content) <= self._left:
            self._left -= len(content)
            draft.path.unlink()
            return Preview(draft.poster, content, None)
        self._full = True
        if draft.link is not None:
            draft.path.unlink()
            return Preview(draft.poster, None, draft.link)
        path = self._folder / f"{self._count:04d}.mp4"
        self._count += 1
        draft.path.replace(path)
        return Preview(draft.poster, None, f"{self._folder.name}/{path.name}")


def encode_preview(frames: Iterable[Array], path: Path, fps: Fraction) -> None:
    """Write frames at a constant rate, frame i from i/fps on, whatever times they had."""
    frames = iter(frames)
    first = next(frames)
    height, width = preview_size(*first.shape[:2])
    with write_video(path, height=height, width=width, fps=fps, encoding=_PREVIEW) as video:
        for frame in chain([first], frames):
            video.append(_resized(frame, height, width)[None])


def preview_size(height: int, width: int) -> tuple[int, int]:
    """Return an even size of at most PREVIEW_LINES rows and about the same shape."""
    lines = max(min(height, PREVIEW_LINES) // 2 * 2, 2)
    return lines, max(round(width * lines / height / 2) * 2, 2)


def layer_frames(clip: Clip, layer: Layer) -> Iterator[Array]:
    """Read a layer of a clip frame by frame."""
    with clip.open([layer]) as reader:
        for index in range(clip.num_frames):
            yield reader.window([index])[layer][0]


def video_frames(path: Path) -> Iterator[Array]:
    """Read a video frame by frame."""
    store = VideoStore(probe_video(path))
    with store.open() as reader:
        for index in range(store.num_frames):
            yield reader.read([index])[0]


def _resized(frame: Array, height: int, width: int) -> Array:
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))


def _poster(frame: Array) -> bytes:
    lines = min(_POSTER_LINES, frame.shape[0])
    small = _resized(frame, lines, max(round(frame.shape[1] * lines / frame.shape[0]), 1))
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80]
    )
    return bytes(data.tobytes())
