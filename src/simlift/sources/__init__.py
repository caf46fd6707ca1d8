"""Read clips from disk layouts in place, without converting them: one module for each layout."""

from collections.abc import Callable
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.media.images import IMAGE_SUFFIXES
from simlift.media.video import VIDEO_SUFFIXES
from simlift.sources import carla, cosmos_writer, images, native, video

# The first layout that recognises a folder reads it; the most specific come first.
_LAYOUTS: tuple[tuple[str, Callable[[Path], bool], Callable[[Path], Clip]], ...] = (
    ("native folder (clip.json)", native.recognises, native.read),
    (
        "CosmosWriter folder (*rgb.mp4 beside *depth.mp4)",
        cosmos_writer.recognises,
        cosmos_writer.read,
    ),
    ("CARLA sensor dump (rgb*, depth*, sem*)", carla.recognises, carla.read),
    ("image sequence (000000.png ...)", images.recognises, images.read),
    ("folder with one video", video.recognises, video.read_only_video),
)


def open_clip(path: str | Path) -> Clip:
    """Open the clip at a path: a folder of a known layout, a video file, or an image.

    ClipError says what was found, what is allowed and the way out; no frame is kept in memory.
    """
    path = Path(path)
    if path.is_dir():
        for _, recognises, read in _LAYOUTS:
            if recognises(path):
                return read(path)
        known = "; ".join(name for name, _, _ in _LAYOUTS)
        raise ClipError(
            path,
            f"is a folder of no known layout ({_inside(path)})",
            allowed=known,
            way_out="name the clips inside one by one",
        )
    if not path.exists():
        raise ClipError(path, "does not exist", way_out="check the path")
    if path.name == "clip.json":
        return native.read(path.parent)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return images.read_single(path)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return video.read(path)
    raise ClipError(
        path,
        f"has the suffix {path.suffix!r}",
        allowed=f"a folder, or {' '.join(sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES))}",
    )


def _inside(folder: Path) -> str:
    """Say what a folder holds, in short."""
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir())
    if not names:
        return "it is empty"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"it holds {', '.join(names[:4])}{more}"
