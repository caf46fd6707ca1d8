"""Say which files of a folder a source did not read, so that nothing is lost without a word."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_DEEPEST = 6  # folders below the clip's that are searched
_NAMED = 8  # kinds of files that a note names


def not_read(folder: Path, read: Iterable[Path]) -> tuple[str, ...]:
    """Return the note "not read: lidar/*.bin (120 files), route.xml", or none where all was read.

    Files are named by their kinds. Hidden files are passed over.
    """
    taken = {str(path) for path in read}
    counts: dict[str, list[str]] = {}
    for place, folders, files in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = [] if depth == _DEEPEST else [f for f in folders if not f.startswith(".")]
        prefix = "" if depth == 0 else f"{Path(place).relative_to(folder).as_posix()}/"
        beginning = f"{place}{os.sep}"  # joined as text: a Path for each file is slow
        for name in files:
            if not name.startswith(".") and beginning + name not in taken:
                counts.setdefault(prefix + _LAST_NUMBER.sub("*", name), []).append(prefix + name)
    if not counts:
        return ()
    shown = [
        names[0] if len(names) == 1 else f"{kind} ({len(names)} files)"
        for kind, names in sorted(counts.items())
    ]
    more = f", and {len(shown) - _NAMED} more kinds of files" if len(shown) > _NAMED else ""
    return (f"not read: {', '.join(shown[:_NAMED])}{more}",)
