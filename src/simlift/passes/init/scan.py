"""Scan a folder of unknown layout -> groups of files that are one sequence each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simlift.core.errors import ClipError
from simlift.media.images import IMAGE_SUFFIXES
from simlift.media.video import VIDEO_SUFFIXES

FRAME_SUFFIXES = IMAGE_SUFFIXES | {".exr", ".npz"}
SIDE_SUFFIXES = frozenset([".json", ".csv", ".npz", ".txt", ".yaml", ".yml"])
_DEPTH = 3  # folders below the one that is scanned
_NUMBER = re.compile(r"(\d+)(?!.*\d)")


@dataclass(frozen=True)
class Group:
    """Files that are frames of one sequence: a pattern and its numbers, or one file of all frames.

    `pattern` is relative to the folder, with one %d for the number; `numbers` are in order.
    """

    pattern: str
    paths: tuple[Path, ...]
    numbers: tuple[int, ...] = ()

    @property
    def suffix(self) -> str:
        """The suffix of the files, in small letters."""
        return self.paths[0].suffix.lower()

    @property
    def words(self) -> str:
        """The names of the file and of its folder, without numbers, in small letters."""
        return re.sub(r"%0?\d*d", " ", str(Path(self.pattern).with_suffix(""))).lower()

    @property
    def is_video(self) -> bool:
        """Whether one file holds all frames."""
        return self.suffix in VIDEO_SUFFIXES


@dataclass(frozen=True)
class Scan:
    """The sequences in a folder, and the other files."""

    folder: Path
    groups: tuple[Group, ...]
    others: tuple[Path, ...]


def scan(folder: Path) -> Scan:
    """List a folder and those inside it; hidden files are no one's frames."""
    files = sorted(_files(folder, _DEPTH))
    if not files:
        raise ClipError(folder, "is empty", way_out="name the folder that holds the frames")
    sequences: dict[tuple[str, str], dict[int, Path]] = {}
    groups, others = [], []
    for path in files:
        suffix = path.suffix.lower()
        parts = _parts(path.relative_to(folder))
        if suffix in VIDEO_SUFFIXES:
            groups.append(Group(path.relative_to(folder).as_posix(), (path,)))
        elif parts is not None and suffix in FRAME_SUFFIXES | {".json"}:
            before, digits, after = parts
            sequences.setdefault((before, after), {})[int(digits)] = path
        else:
            others.append(path)
    for (before, after), found in sorted(sequences.items()):
        numbers = tuple(sorted(found))
        paths = tuple(found[n] for n in numbers)
        groups.append(Group(before + _mark(paths, after) + after, paths, numbers))
    return Scan(folder, tuple(groups), tuple(others))


def _files(folder: Path, depth: int) -> list[Path]:
    found = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            found += _files(path, depth - 1) if depth else []
        elif path.name != "clip.json":
            found.append(path)
    return found


def _parts(path: Path) -> tuple[str, str, str] | None:
    """Return a name before its last number, the digits, and the name after; None without one."""
    match = _NUMBER.search(path.stem)
    # A per cent sign of the name itself would be taken for a number.
    if match is None or "%" in path.as_posix():
        return None
    place = path.parent.as_posix()
    before = path.stem[: match.start()] if place == "." else f"{place}/{path.stem[: match.start()]}"
    return before, match.group(1), path.stem[match.end() :] + path.suffix


def _mark(paths: tuple[Path, ...], after: str) -> str:
    """Return the mark that stands for the number: with leading zeros where names have them."""
    widths = set()
    for path in paths:
        match = _NUMBER.search(path.stem)
        assert match is not None and path.name.endswith(after)
        widths.add(len(match.group(1)))
    width = widths.pop() if len(widths) == 1 else 1
    return f"%0{width}d" if width > 1 else "%d"


def describe(paths: Sequence[Path], folder: Path, most: int = 6) -> str:
    """Name files in short, relative to their folder."""
    names = [str(p.relative_to(folder)) for p in paths]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
