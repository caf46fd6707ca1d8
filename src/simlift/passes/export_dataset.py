"""Export the accepted takes of a run as a dataset: complete, by rename, and resumable.

    OUT/            as the format has it
    OUT/README.md   the dataset card;  OUT/redo.json  what was left out, and why
    OUT/meta/simlift.jsonl            where every episode came from

What has to be encoded is kept beside the folder (`.OUT.work`) until the export is whole.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from simlift.core.dataset import Dataset
from simlift.core.errors import InputError, RunError
from simlift.core.run import Run, hold_folder
from simlift.core.strict_json import dumps
from simlift.exports.datasets import DATASET_FORMATS
from simlift.exports.datasets.card import (
    PROVENANCE,
    dataset_card,
    provenance,
    provenance_lines,
)
from simlift.exports.datasets.episodes import OtherCameras, Selection, select
from simlift.passes.provenance import file_digest
from simlift.passes.score import source_clips
from simlift.scale.progress import Progress
from simlift.sources.datasets import dataset_of


@dataclass(frozen=True)
class DatasetOptions:
    """What a user chooses of an export.

    other_cameras: what becomes of cameras that were not lifted. originals: episodes as they were
    recorded for each lifted one. codec: "keep" joins videos without coding them anew. state, task:
    see `RowSettings`. shard: which part of how many, by a hash of the episode's name.
    """

    other_cameras: OtherCameras | None = None
    originals: float = 1.0
    unscored: bool = False
    codec: Literal["keep", "h264", "av1"] = "keep"
    state: tuple[str, ...] = ()
    task: str | None = None
    shard: tuple[int, int] | None = None


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
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(out, "is there already", way_out="choose another --out, or remove it")
    selection = select_takes(run, options)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    work = out.absolute().with_name(f".{out.name}.work")
    with hold_folder(work):
        folder = work / "export"
        shutil.rmtree(folder, ignore_errors=True)  # of an export that was killed
        folder.mkdir()
        total = sum(e.source.num_frames for e in selection.episodes)
        with progress.task("export", total) as advance:
            notes = _write(selection, format, folder, work, options, advance)
        notes = (*selection.notes, *notes)
        files = {f for e in selection.episodes for f in e.dataset.files(e.source)}
        digests = {str(file): file_digest(file) for file in files}
        rows = [provenance(k, e, digests) for k, e in enumerate(selection.episodes)]
        (folder / "meta").mkdir(exist_ok=True)
        (folder / PROVENANCE).write_text(provenance_lines(rows), encoding="utf-8")
        (folder / "redo.json").write_text(dumps(list(selection.left)), encoding="utf-8")
        card = dataset_card(out.name, format, selection, notes)
        (folder / "README.md").write_text(card, encoding="utf-8")
        if out.exists():
            out.rmdir()
        folder.replace(out)
    shutil.rmtree(work, ignore_errors=True)
    return ExportedDataset(
        out, len(selection.episodes), selection.lifted, total, len(selection.left), notes
    )


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
    return replace(found, episodes=mine)


def _shard(name: str, parts: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % parts


def _write(
    selection: Selection,
    format: str,
    folder: Path,
    work: Path,
    options: DatasetOptions,
    advance: Callable[[int], None],
) -> tuple[str, ...]:
    from simlift.exports.datasets import _columns, _lerobot

    settings = _columns.RowSettings(options.state, options.task)
    if format == "lerobot-v3":
        return _lerobot.write_lerobot(
            selection.episodes,
            folder,
            work,
            codec=options.codec,
            settings=settings,
            advance=advance,
        ).notes
    raise InputError("--format", f"found {format!r}", allowed="lerobot-v3")
