"""Say which files of a folder a source did not read, so that nothing is lost without a word."""

import os
from collections.abc import Iterable
from pathlib import Path

_NAMED = 3  # files of a folder that are named one by one; more are counted
_DEEPEST = 8  # folders below the first; links may lead in circles


def not_read(folder: Path, read: Iterable[Path]) -> tuple[str, ...]:
    """Return the note "not read: lidar/ (120 files), route.xml", or none where all was read.

    A folder of which nothing was read is named as a whole. Hidden files are passed over.
    """
    known = {os.path.normpath(path) for path in read}
    parts, _, _ = _unread(os.path.normpath(folder), "", known)
    return (f"not read: {', '.join(parts)}",) if parts else ()


def _unread(folder: str, name: str, known: set[str]) -> tuple[list[str], bool, int]:
    """Return what to name below a folder, whether anything in it was read, and its files."""
    files: list[str] = []
    inner: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (inner if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        return [f"{name} ({error.strerror})"], False, 0
    unread = sorted(file for file in files if f"{folder}{os.sep}{file}" not in known)
    parts: list[str] = []
    some, count = len(unread) < len(files), len(files)
    for child in sorted(inner) if name.count("/") < _DEEPEST else ():
        below = _unread(f"{folder}{os.sep}{child}", f"{name}{child}/", known)
        parts, some, count = parts + below[0], some or below[1], count + below[2]
    if name and not some:
        return [f"{name} ({count} file{'s' if count != 1 else ''})"] if count else [], False, count
    if name and len(unread) > _NAMED:
        parts.append(f"{name} ({len(unread)} of {len(files)} files)")
        return parts, some, count
    parts += [f"{name}{file}" for file in unread[:_NAMED]]
    if len(unread) > _NAMED:
        parts.append(f"{len(unread) - _NAMED} more files")
    return parts, some, count
