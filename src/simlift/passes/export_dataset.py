"""Export the accepted takes of a run as a dataset: complete, by rename, and resumable.

    OUT/            as the format has it
    OUT/README.md   the dataset card;  OUT/redo.json  what was left out, and why
    OUT/export.json the format;  OUT/meta/simlift.jsonl  where every episode came from

What has to be encoded is kept beside the folder (`.OUT.work`) until the export is whole. Episodes
are appended to a copy made of links, which then takes the place of the folder.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from simlift.core.dataset import Dataset
from simlift.core.errors import InputError, RunError
from simlift.core.run import Run, hold_folder
from simlift.core.strict_json import dumps, encode, read_json
from simlift.exports.datasets import DATASET_FORMATS
from simlift.exports.datasets.card import (
    PROVENANCE,
    dataset_card,
    identity,
    provenance,
    provenance_lines,
    read_provenance,
)
from simlift.exports.datasets.episodes import ExportEpisode, OtherCameras, Selection, select
from simlift.passes.provenance import file_digest
from simlift.passes.score import source_clips
from simlift.scale.progress import Progress
from simlift.sources.datasets import dataset_of

_ABOUT = "export.json"
_HDF5 = ("isaac-lab", "robomimic")


@dataclass(frozen=True)
class DatasetOptions:
    """What a user chooses of an export.

    other_cameras: what becomes of cameras that were not lifted. originals: episodes as they were
    recorded for each lifted one. codec: "keep" joins videos without coding them anew. state, task:
    see `RowSettings`. shard: which part of how many, by a hash of the episode's name. append: to
    the export that is there, what it does not hold yet.
    """

    other_cameras: OtherCameras | None = None
    originals: float = 1.0
    unscored: bool = False
    codec: Literal["keep", "h264", "av1"] = "keep"
    state: tuple[str, ...] = ()
    task: str | None = None
    shard: tuple[int, int] | None = None
    append: bool = False


@dataclass(frozen=True)
class ExportedDataset:
    """An export that was made: where it lies, what it holds, what it says."""

    path: Path
    episodes: int
    lifted: int
    frames: int
    left: int
    notes: tuple[str, ...]


def export_dataset(
    run: Run,
    format: str,
    out: Path,
    options: DatasetOptions = DatasetOptions(),
    *,
    progress: Progress,
) -> ExportedDataset:
    """Write the accepted takes of a run with the rows that they came with.

    InputError for what the format cannot hold, RunError for a folder that is there, or a run
    without verdicts.
    """
    if format not in DATASET_FORMATS:
        raise InputError("--format", f"found {format!r}", allowed=", ".join(DATASET_FORMATS))
    out = out.absolute()
    work = out.with_name(f".{out.name}.work")
    if not work.exists():
        _existing(out, format, options)  # says what is wrong before sources are read
    selection = select_takes(run, options)
    with _held(out, work):
        _restore(out, work)
        existing = _existing(out, format, options)
        there = [] if existing is None else read_provenance(existing)
        episodes, rows = _numbered(selection, format, there)
        notes = selection.notes
        if skipped := len(selection.episodes) - len(episodes):
            notes = (*notes, f"{skipped} episodes were there already, and were left as they are")
        frames = sum(e.source.num_frames for e in episodes)
        if episodes:
            folder = work / "export"
            shutil.rmtree(folder, ignore_errors=True)  # of an export that was killed
            (folder / "meta").mkdir(parents=True)
            with progress.task("export", frames) as advance:
                made = _write(episodes, format, folder, work, options, rows, existing, advance)
            notes = (*notes, *made)
            every = [*there, *rows]
            left = _left(selection, existing, every)
            (folder / PROVENANCE).write_text(provenance_lines(every), encoding="utf-8")
            (folder / "redo.json").write_text(dumps(left), encoding="utf-8")
            (folder / _ABOUT).write_text(dumps({"format": format}), encoding="utf-8")
            card = dataset_card(out.name, format, every, len(left), notes)
            (folder / "README.md").write_text(card, encoding="utf-8")
            if out.exists():
                out.replace(work / "before")
            folder.replace(out)
    lifted = sum(row["variant"] is not None for row in rows)
    return ExportedDataset(out, len(rows), lifted, frames, len(selection.left), notes)


@contextmanager
def _held(out: Path, work: Path) -> Iterator[None]:
    """Hold the folder of what is kept until the export is whole; none is left for nothing.

    RunError where the disk does not take what is written.
    """
    with hold_folder(work):
        try:
            yield
        except BaseException as error:
            shutil.rmtree(work / "export", ignore_errors=True)
            if [path.name for path in work.iterdir()] == [".lock"]:
                shutil.rmtree(work)
            if isinstance(error, OSError):
                raise RunError(
                    out,
                    f"cannot be written ({error.strerror or error})",
                    way_out="free space on the disk or choose another --out, then run again: it "
                    "resumes",
                ) from error
            raise
    shutil.rmtree(work, ignore_errors=True)


def _restore(out: Path, work: Path) -> None:
    """Bring back what was moved aside by an export that was killed before the new one was there."""
    if (work / "before").exists() and not out.exists():
        (work / "before").replace(out)
    shutil.rmtree(work / "before", ignore_errors=True)


def _existing(out: Path, format: str, options: DatasetOptions) -> Path | None:
    """Return the export to append to; RunError for a folder that is there and none, or another."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not options.append:
        raise RunError(
            out,
            "is there already",
            way_out="choose another --out, or --append what it does not hold yet",
        )
    if not (out / _ABOUT).is_file() or not (out / PROVENANCE).is_file():
        raise RunError(
            out,
            f"is no export of simlift (it lacks {_ABOUT} or {PROVENANCE})",
            way_out="choose another --out",
        )
    found = read_json(out / _ABOUT).get("format")
    if found != format:
        raise RunError(out, f"holds {found}", allowed=format, way_out=f"--format {found}")
    return out


def _numbered(
    selection: Selection, format: str, there: Sequence[Mapping[str, Any]]
) -> tuple[list[ExportEpisode], list[dict[str, Any]]]:
    """Return the episodes that are not there yet, and where each came from, numbered on.

    Demonstrations begin with the originals: of whole files, they keep their names.
    """
    episodes = list(selection.episodes)
    if format in _HDF5:
        episodes.sort(key=lambda episode: bool(episode.variant))
    files = {f for e in episodes for f in e.dataset.files(e.source)}
    digests = {str(file): file_digest(file) for file in files}
    known = {identity(row) for row in there}
    first = max((int(row["episode_index"]) for row in there), default=-1) + 1
    new: list[ExportEpisode] = []
    rows: list[dict[str, Any]] = []
    for episode in episodes:
        row = provenance(first + len(new), episode, digests)
        if identity(row) not in known:
            new.append(episode)
            rows.append(row)
    return new, rows


def _left(
    selection: Selection, existing: Path | None, every: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what was left out, now and before, less what has come since."""
    before = [] if existing is None else read_json(existing / "redo.json")
    found = {
        (left["dataset"], left["episode"], left["variant"]): left
        for left in (*before, *encode(selection.left))
    }
    here = {(row["source_dataset"], row["source_name"], row["variant"]) for row in every}
    return [left for key, left in found.items() if key not in here]


def select_takes(run: Run, options: DatasetOptions) -> Selection:
    """Choose what is exported; RunError and InputError as `select`."""
    clips = source_clips(run)
    datasets: dict[str, Dataset] = {name: dataset_of(clip) for name, clip in clips.items()}
    found = select(
        run,
        clips,
        datasets,
        other_cameras=options.other_cameras,
        originals=options.originals,
        unscored=options.unscored,
    )
    if options.shard is None:
        return found
    part, parts = options.shard
    if not 0 <= part < parts:
        raise InputError("--shard", f"found {part}/{parts}", allowed="i/n with 0 <= i < n")
    mine = tuple(e for e in found.episodes if _shard(e.source.name, parts) == part)
    if not mine:
        raise InputError("--shard", f"{part}/{parts} holds no episode", allowed="fewer parts")
    left = tuple(each for each in found.left if _shard(each.episode, parts) == part)
    return replace(found, episodes=mine, left=left)


def _shard(name: str, parts: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % parts


def _write(
    episodes: Sequence[ExportEpisode],
    format: str,
    folder: Path,
    work: Path,
    options: DatasetOptions,
    rows: Sequence[Mapping[str, Any]],
    existing: Path | None,
    advance: Callable[[int], None],
) -> tuple[str, ...]:
    """Write the episodes as the format has it; return what must be said of them."""
    from simlift.exports.datasets import _columns, _folders, _hdf5, _lerobot, _lerobot_v21

    if format.startswith("lerobot"):
        write = _lerobot.write_lerobot
        if format == "lerobot-v2.1":
            write = _lerobot_v21.write_lerobot_v21
        settings = _columns.RowSettings(options.state, options.task)
        return write(
            episodes,
            folder,
            work,
            codec=options.codec,
            settings=settings,
            advance=advance,
            existing=existing,
        ).notes
    _check_unheeded(format, options)
    if format in _HDF5:
        return _hdf5.write_demonstrations(
            episodes,
            folder,
            work,
            layout=format,
            provenance=rows,
            advance=advance,
            existing=existing,
        )
    _folders.write_folders(
        episodes,
        folder,
        work,
        codec=options.codec,
        provenance=rows,
        advance=advance,
        existing=existing,
    )
    return ()


def _check_unheeded(format: str, options: DatasetOptions) -> None:
    """Raise InputError for options that the format has no use for."""
    stated = {"--state": bool(options.state), "--task": options.task is not None}
    stated["--codec"] = format in _HDF5 and options.codec != "keep"
    for flag, given in stated.items():
        if given:
            raise InputError(
                flag, f"is stated, and {format} has no use for it", way_out="leave it out"
            )
