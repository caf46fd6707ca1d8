"""Write recorded episodes as a dataset of native clips: resumable, and whole when it is named.

    OUT/dataset.json                            last of all
    OUT/episode_000000/actions.parquet
    OUT/episode_000000/agentview/clip.json ...  a clip folder for each camera

A dataset of one episode and one camera lies flat in OUT, which then is a clip folder too.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from simlift.core.dataset import short_name
from simlift.core.errors import ClipError, RunError, SimliftError
from simlift.core.run import hold_folder
from simlift.core.strict_json import dumps
from simlift.media.dataset_manifest import (
    FILE,
    DatasetManifest,
    EpisodeEntry,
    EpisodeSource,
    write_manifest,
)
from simlift.scale.progress import Progress
from simlift.simulators.record import write_actions, write_recording
from simlift.simulators.recording import Recording

_SETTINGS = ".recording.json"


@dataclass(frozen=True)
class PlannedEpisode:
    """An episode to be recorded; `record` returns a recording of each camera when its turn comes.

    write_rows: writes the rows into a file; None where they are the actions of the recordings.
    """

    index: int
    name: str
    num_frames: int
    record: Callable[[], Mapping[str, Recording]]
    write_rows: Callable[[Path], None] | None = None
    tasks: tuple[str, ...] = ()
    success: bool | None = None
    source: EpisodeSource | None = None


def record_dataset(
    out: Path,
    episodes: Sequence[PlannedEpisode],
    cameras: Sequence[str],
    *,
    fps: Fraction,
    settings: object,
    progress: Progress,
    robot_type: str = "",
    notes: Callable[[], tuple[str, ...]] = tuple,
) -> str:
    """Record all cameras of all episodes; clips that a killed recording finished are kept.

    Returns why clips do not carry their scene, or "". RunError for a folder that holds something
    else, or a recording of other settings. `notes` are asked for at the end.
    """
    if (out / FILE).exists():
        raise RunError(out, f"holds a {FILE} already", way_out="choose another --out")
    marker = out / _SETTINGS
    if marker.is_file():
        if marker.read_text(encoding="utf-8") != dumps(settings) and _any_clip(out):
            raise RunError(
                out,
                "holds a recording that was begun with other settings",
                way_out="choose another --out, or remove it",
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(out, "is there already", way_out="choose another --out, or remove it")
    flat = len(episodes) == 1 and len(cameras) == 1
    entries = [_entry(episode, cameras, flat) for episode in episodes]
    frames = len(cameras) * sum(episode.num_frames for episode in episodes)
    missing = ""
    try:
        with hold_folder(out), progress.task("record", frames) as advance:
            marker.write_text(dumps(settings), encoding="utf-8")
            for episode, entry in zip(episodes, entries):
                left = _left(out, entry)
                advance((len(cameras) - len(left)) * episode.num_frames)
                if left:
                    missing = _record(out, episode, entry, left, advance) or missing
            manifest = DatasetManifest(
                format="simlift-dataset/1",
                name=out.resolve().name,
                fps=fps,
                episodes=tuple(entries),
                robot_type=robot_type,
                notes=notes(),
            )
            write_manifest(out, manifest)
    except SimliftError:
        if not _any_clip(out):  # refused before anything was recorded: nothing to go on with
            _sweep(out)
        raise
    _sweep(out)
    return missing


def _any_clip(out: Path) -> bool:
    return next(out.rglob("clip.json"), None) is not None


def _sweep(out: Path) -> None:
    """Remove what only a recording that goes on needs, and the folder where nothing is left."""
    for name in (_SETTINGS, ".lock"):
        (out / name).unlink(missing_ok=True)
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()


def _entry(episode: PlannedEpisode, cameras: Sequence[str], flat: bool) -> EpisodeEntry:
    below = "" if flat else f"{episode.name}/"
    return EpisodeEntry(
        index=episode.index,
        name=episode.name,
        num_frames=episode.num_frames,
        cameras={c: "." if flat else f"{below}{_folder_name(c)}" for c in cameras},
        tasks=episode.tasks,
        actions=f"{below}actions.parquet",
        success=episode.success,
        source=episode.source,
    )


def _folder_name(camera: str) -> str:
    """Return a camera's name as a folder; ClipError for one that is no file name."""
    if not camera or camera != Path(camera).name or camera.startswith("."):
        raise ClipError(
            "--cameras", f"found {camera!r}", allowed="names that may be names of folders"
        )
    return camera


def _left(out: Path, entry: EpisodeEntry) -> list[str]:
    """Return the cameras of an episode whose clips are not whole."""
    return [c for c, folder in entry.cameras.items() if not (out / folder / "clip.json").is_file()]


def _record(
    out: Path,
    episode: PlannedEpisode,
    entry: EpisodeEntry,
    cameras: Sequence[str],
    advance: Callable[[int], None],
) -> str:
    recordings = episode.record()
    rows = out / str(entry.actions)
    rows.parent.mkdir(parents=True, exist_ok=True)
    partial = rows.with_name(f".{rows.name}.partial")
    if episode.write_rows is not None:
        episode.write_rows(partial)
    else:
        actions = next(iter(recordings.values())).actions
        if actions is None:
            raise ClipError(out, f"{episode.name} was recorded without actions")
        write_actions(partial, actions)
    partial.replace(rows)
    missing = ""
    for camera in cameras:
        folder = out / entry.cameras[camera]
        if folder != out:
            shutil.rmtree(folder, ignore_errors=True)  # of a recording that was killed
        recording = replace(recordings[camera], actions=None)  # its episode's file holds them
        name = f"{episode.name}.{short_name(camera)}"
        missing = write_recording(recording, folder, name, advance) or missing
    return missing
