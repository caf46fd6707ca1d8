"""Speak with FFmpeg: name files so that no part is taken for a protocol, and read its errors."""

from pathlib import Path


def media_url(path: Path) -> str:
    """Return the URL of a file: `2024-01-26T20:57:04Z.mp4` alone would name a protocol."""
    return f"file:{path}"


def reason(error: Exception) -> str:
    """Return FFmpeg's own words for an error."""
    return getattr(error, "strerror", None) or str(error)
