"""Choose the picture and the sound of a file that holds several streams, and name the others."""

from pathlib import Path
from typing import Any

from av.stream import Disposition

from simlift.core.errors import ClipError

_COVER = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails


def best_video(path: Path, container: Any) -> Any:
    """Return the stream that players show: no cover picture; ClipError where there is none."""
    streams = container.streams.video
    if not streams:
        raise ClipError(path, "holds no video stream", way_out="name a file with pictures")
    moving = [s for s in streams if not _is_cover(s)]
    best = container.streams.best("video")
    if best is None or best.codec_context is None or best.codec_context.name is None:
        raise ClipError(path, "holds no video stream of a known codec", way_out="convert it")
    return best if best in moving or not moving else moving[0]


def best_sound(container: Any) -> Any:
    """Return the stream of sound that players play, or None."""
    best = container.streams.best("audio")
    return best if best is not None and best.codec_context is not None else None


def stream_remarks(container: Any, video: Any) -> list[str]:
    """Name the streams of picture and sound that are left out."""
    remarks = []
    for stream in container.streams.video:
        if stream.index != video.index:
            what = "a cover picture" if _is_cover(stream) else "a further video stream"
            remarks.append(f"{what} ({_describe(stream)}, stream {stream.index}) is left out")
    sound = best_sound(container)
    others = [s for s in container.streams.audio if sound is None or s.index != sound.index]
    if others:
        listed = ", ".join(f"{_describe(s)}, stream {s.index}" for s in others)
        kept = f" beside {_describe(sound)}, stream {sound.index}" if sound else ""
        remarks.append(f"sound is left out{kept}: {listed}")
    return remarks


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & _COVER)


def _describe(stream: Any) -> str:
    context = stream.codec_context
    if context is None:
        return "unknown codec"
    size = f" {context.width}x{context.height}" if stream.type == "video" else ""
    language = f" ({stream.language})" if stream.language not in (None, "und") else ""
    return f"{context.name}{size}{language}"
