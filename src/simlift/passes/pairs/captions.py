"""Caption a segment of a clip for a training pair: by template, from a file.

Captions say what is seen, so that text keeps its power over the picture: weather and time of day
may be named, the look of a render may not. A `prefix` is the task's fixed part and goes before
every caption. Captions by a vision model are in `caption_endpoint`.
"""

import csv
import json
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from simlift.core.clip import Clip
from simlift.core.errors import InputError

Frames = UInt8[np.ndarray, "t h w 3"]
FIELDS = ("caption", "name", "classes")
FILES = (".json", ".jsonl", ".csv", ".txt")


class Captions(Protocol):
    """Says what a segment of a clip shows."""

    def caption(self, clip: Clip, start: int, frames: Frames) -> str:
        """Return the text of the frames that begin at `start`; InputError when there is none."""
        ...


def captions_from(text: str, prefix: str = "") -> Captions:
    """Return captions from the file of that name, where it is one, or else by that template."""
    path = Path(text)
    if path.suffix.lower() in FILES:
        return FileCaptions(path, prefix)
    return TemplateCaptions(text, prefix)


@dataclass(frozen=True)
class TemplateCaptions:
    """Fill a template: {caption} is the clip's own, {name} its name, {classes} what it shows.

    A field that a clip leaves empty goes with the comma and the space before it, so that
    "photorealistic video, {caption}" of a clip without caption is "photorealistic video".
    """

    template: str = "photorealistic video, {caption}"
    prefix: str = ""

    def __post_init__(self) -> None:
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise InputError(
                "caption template",
                f"found {self.template!r} ({error})",
                allowed="text with {caption}, {name} or {classes}; {{ and }} for braces",
            ) from error
        for _, name, form, conversion in parts:
            if name is not None and (name not in FIELDS or form or conversion):
                raise InputError(
                    "caption template",
                    f"the unknown field {{{name}{'!' if conversion else ''}{conversion or ''}"
                    f"{':' if form else ''}{form or ''}}}",
                    allowed=", ".join(f"{{{field}}}" for field in FIELDS),
                )

    def caption(self, clip: Clip, start: int, frames: Frames) -> str:
        """Return the filled template; InputError when nothing is left of it."""
        del start, frames
        values = {
            "caption": clip.caption.strip(),
            "name": clip.name,
            "classes": ", ".join(sorted(clip.categories)),
        }
        text = ""
        for literal, name, _, _ in string.Formatter().parse(self.template):
            text += literal
            if name is not None:
                text = text + values[name] if values[name] else text.rstrip(" ,")
        return checked(text.strip(" ,"), clip, "the caption template", self.prefix)


@dataclass(frozen=True)
class FileCaptions:
    """Look captions up in a file by `name:start`, the frame a segment begins at, or by `name`.

    .json is an object of names and texts, .jsonl and .csv hold rows with `clip`, `caption` and, if
    they like, `start`, .txt has lines of a name, a tab and a text. UTF-8.
    """

    path: Path
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in FILES:
            raise InputError(self.path, "is no file of captions", allowed=", ".join(FILES))

    def caption(self, clip: Clip, start: int, frames: Frames) -> str:
        """Return the caption of that segment, or of its clip; InputError when it has neither."""
        del frames
        found = self.read()
        for name in (f"{clip.name}:{start}", clip.name):
            if name in found:
                return checked(found[name].strip(), clip, str(self.path), self.prefix)
        raise InputError(
            self.path,
            f"has no caption of {clip.name!r}",
            allowed=f"a row named {clip.name!r}, or '{clip.name}:{start}' for frame {start} on",
            way_out="add it",
        )

    def read(self) -> Mapping[str, str]:
        """Return every caption by its name; InputError names the line that is none."""
        if not self.path.is_file():
            raise InputError(self.path, "does not exist", way_out="check the path")
        stat = self.path.stat()
        return _read(self.path, stat.st_mtime_ns, stat.st_size)


def checked(text: str, clip: Clip, where: str, prefix: str) -> str:
    """Return a caption behind its prefix; InputError when it holds nothing."""
    if not text:
        raise InputError(where, f"gives {clip.name!r} an empty caption", allowed="a text")
    return prefix + text


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int) -> Mapping[str, str]:
    del changed, size  # a file that changed is read again
    try:
        rows = list(_rows(path))
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not text ({error.reason})", allowed="UTF-8") from error
    found: dict[str, str] = {}
    for where, name, text in rows:
        if not isinstance(name, str) or not isinstance(text, str):
            raise InputError(where, f"found {name!r}: {text!r}", allowed="a name and a text")
        if name in found:
            raise InputError(where, f"names {name!r} again", allowed="each name once")
        found[name] = text
    return found


def _rows(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield where each row stands, its name, and its text."""
    match path.suffix.lower():
        case ".json":
            yield from _object_rows(path)
        case ".jsonl":
            for number, line in _lines(path):
                yield _named_row(f"{path}:{number}", _parse(f"{path}:{number}", line))
        case ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                for row in reader:
                    yield _named_row(f"{path}:{reader.line_num}", row)
        case _:
            for number, line in _lines(path):
                name, tab, text = line.partition("\t")
                if not tab:
                    raise InputError(
                        f"{path}:{number}", f"found {line[:60]!r}", allowed="a name, a tab, a text"
                    )
                yield f"{path}:{number}", name.strip(), text


def _object_rows(path: Path) -> Iterator[tuple[str, Any, Any]]:
    try:  # objects become tuples of pairs, so that a name that is there twice is seen
        data = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=tuple)
    except json.JSONDecodeError as error:
        raise InputError(path, f"is not JSON ({error})", allowed="an object of texts") from error
    if not isinstance(data, tuple):
        raise InputError(path, f"holds a {type(data).__name__}", allowed="an object of texts")
    for name, text in data:
        yield f"{path}: {name}", name, text


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    return ((i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip())


def _parse(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(where, f"is not JSON ({error})", allowed="one object a line") from error


def _named_row(where: str, row: Any) -> tuple[str, Any, Any]:
    if isinstance(row, dict) and None in row:
        raise InputError(where, "holds more fields than there are columns", way_out="quote texts")
    good = isinstance(row, dict) and {"clip", "caption"} <= set(row) <= {"clip", "caption", "start"}
    if not good:
        found = ", ".join(map(str, row)) if isinstance(row, dict) else repr(row)[:60]
        raise InputError(
            where, f"found the columns {found}", allowed="clip, caption, and start if you like"
        )
    start = row.get("start")
    name = row["clip"] if start in (None, "") else f"{row['clip']}:{start}"
    return where, name, row["caption"]
