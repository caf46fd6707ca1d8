"""Name a file to FFmpeg so that nothing in its name is taken for a protocol."""

from pathlib import Path


def media_url(path: Path) -> str:
    """Return the URL of a file: `2024-01-26T20:57:04Z.mp4` alone would name a protocol."""
    return f"file:{path}"
