"""Export a folder of pairs to a folder that another trainer reads.

The folder appears by rename when it is whole. Videos are hard links of those in the training set
(copies where links cannot be made), never coded anew; each is checked against its hash first.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simlift.core.errors import InputError, RunError
from simlift.core.pair import PairSet
from simlift.core.strict_json import dumps
from simlift.exports import trainer_named
from simlift.scale.progress import Progress


@dataclass(frozen=True)
class Export:
    """What an export holds; it lies in the folder as export.json."""

    format: str
    pairs: int
    frames: int  # of all targets together
    notes: tuple[str, ...]  # what the trainer will do to the pairs, and what was left out
    command: str  # the trainer's own, which reads the folder


@dataclass(frozen=True)
class Exported:
    """An export that was made: where it lies, and how many videos are links or copies."""

    export: Export
    path: Path
    linked: int
    copied: int


class _Placement:
    """Brings files into a folder by links, or copies, and counts both."""

    def __init__(self, copy: bool) -> None:
        self.linked = self.copied = 0
        self._copy = copy

    def put(self, source: Path, target: Path) -> None:
        """Bring one file; a link is made to the file itself, not to a link."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self._copy:
            try:
                target.hardlink_to(source.resolve())
            except OSError:  # another disk, or a file system without links
                pass
            else:
                self.linked += 1
                return
        shutil.copyfile(source, target)
        self.copied += 1


def export_pairs(
    source: Path, format: str, out: Path, *, copy: bool = False, progress: Progress
) -> Exported:
    """Write the pairs of a training set for another trainer.

    `format` is one of `sinks.TRAINERS`. InputError for a source that is none, for pairs that the
    trainer cannot use or whose files changed; RunError for a folder that is not empty.
    """
    trainer, found = trainer_named(format), _training_set(source)
    pairs = found.pairs()
    trainer.check(pairs)
    placement = _Placement(copy)
    export = Export(
        format=format,
        pairs=len(pairs),
        frames=sum(pair.num_frames for pair in pairs),
        notes=trainer.notes(pairs),
        command=trainer.command(pairs, out),
    )
    with _appearing(out) as folder, progress.task("export", export.frames) as advance:
        for pair in pairs:
            found.check(pair)
            for video in (pair.video, pair.reference_video):
                placement.put(found.path / video, folder / video)
            advance(pair.num_frames)
        for name, text in {**trainer.texts(pairs, out), "export.json": dumps(export)}.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return Exported(export, out, placement.linked, placement.copied)


def _training_set(path: Path) -> PairSet:
    if PairSet(path).manifest.is_file():
        return PairSet(path)
    if (path / "takes").is_dir():
        raise InputError(
            path,
            "is a run",
            allowed="a training set",
            way_out=f"make one of its accepted takes: simlift pair {path} --out PAIRS",
        )
    if (path / "recipe.json").is_file():  # of a pass that was killed before it had anything whole
        raise InputError(
            path, "holds no pairs.jsonl yet", way_out="run simlift pair again: it goes on"
        )
    raise InputError(
        path,
        "is no training set (no pairs.jsonl)",
        way_out="make one: simlift pair CLIP... --out PAIRS",
    )


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """Give a hidden folder beside `out` that becomes it when the block ends well."""
    if out.exists() and not out.is_dir():
        raise RunError(out, "is a file", way_out="choose another --out")
    if out.is_dir() and any(out.iterdir()):
        raise RunError(out, "is not empty", way_out="choose another --out, or empty it")
    folder = out.absolute().with_name(f".{out.absolute().name}.partial")
    try:
        if folder.exists():
            shutil.rmtree(folder)  # of an export that was killed
        folder.mkdir(parents=True)
        try:
            yield folder
            folder.replace(out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise RunError(
            out,
            f"cannot be written ({error.strerror or error})",
            way_out="free space on the disk, or choose another --out",
        ) from error
