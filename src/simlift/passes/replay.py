"""Replay demonstrations of robosuite in MuJoCo into native clips with every layer.

Before an episode is rendered, frames of it are drawn in the size of its recorded pictures and
compared with these: a replay that shows something else is refused.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simlift.core.dataset import Episode, select_episodes
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.media.dataset_manifest import EpisodeSource
from simlift.passes.recorded_dataset import PlannedEpisode, record_dataset
from simlift.scale.progress import Progress
from simlift.simulators.recording import Recording
from simlift.sources.hdf5 import Demonstrations, read_as_stored

if TYPE_CHECKING:
    from simlift.simulators.replay._comparison import Comparison
    from simlift.simulators.replay._model import Replay

_SIZE = (640, 480)  # width and height, of files without pictures


@dataclass(frozen=True)
class ReplayedDataset:
    """What was recorded: where it lies, its notes, and why clips lack their scene, or ""."""

    path: Path
    notes: tuple[str, ...]
    missing: str


@dataclass(frozen=True, eq=False)
class _Session:
    """One file that is replayed with one set of cameras, and what was found out on the way."""

    source: Demonstrations
    cameras: tuple[str, ...]
    compared: tuple[str, ...]
    width: int
    height: int
    assets: Path | None
    comparisons: "list[Comparison]" = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def record(self, episode: Episode) -> Mapping[str, Recording]:
        """Compile the model of an episode, compare it, and return a recording of each camera."""
        from simlift.simulators.replay._demonstration import read_demonstration
        from simlift.simulators.replay._model import open_replay
        from simlift.simulators.replay._recording import recordings_of

        demonstration = read_demonstration(
            self.source.path, self.source.group(episode), episode.num_frames
        )
        replay = open_replay(demonstration, self.assets)
        for folder in replay.assets:
            self.notes.append(f"meshes and textures are those of {folder}")
        self._compare(replay, episode)
        return recordings_of(
            replay,
            self.cameras,
            height=self.height,
            width=self.width,
            fps=self.source.fps,
            caption="; ".join(episode.tasks),
            notes=self.notes,
        )

    def _compare(self, replay: "Replay", episode: Episode) -> None:
        from simlift.simulators.replay._comparison import compare, compared_frames

        frames = compared_frames(episode.num_frames)
        for camera in self.compared:
            clip = self.source.clip(episode, camera)
            with clip.open([Layer.RGB]) as reader:
                stored = np.asarray(reader.readers[Layer.RGB].read(frames.tolist()))
            self.comparisons.append(compare(replay, camera, frames, stored))

    def told(self) -> tuple[str, ...]:
        """Return the notes of the whole recording."""
        if not self.compared:
            said = ["there are no recorded pictures to compare the replay with"]
        else:
            said = [_summary([c for c in self.comparisons if c.camera == n]) for n in self.compared]
        return tuple(dict.fromkeys([*filter(None, said), *self.notes, *self.source.notes]))


def record_replay(
    file: Path,
    out: Path,
    progress: Progress,
    *,
    episodes: str | None = None,
    cameras: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    assets: Path | None = None,
) -> ReplayedDataset:
    """Replay the chosen episodes of a file, seen by the chosen cameras, into the folder `out`.

    Without cameras, those whose pictures the file holds. `size` is width and height, by default
    those of the recorded pictures. ClipError for what cannot be replayed, or does not agree.
    """
    source = read_as_stored(file)
    chosen = select_episodes(source, episodes)
    seen = tuple(dict.fromkeys(cameras)) if cameras is not None else source.cameras
    if not seen:
        raise RecipeError(
            "--cameras",
            f"is not stated, and {file} holds no pictures that would say it",
            allowed="names of cameras of its model, such as agentview",
        )
    stored = [source.views[name] for name in seen if name in source.views]
    compared = tuple(n for n in seen if n in source.views) or source.cameras[:1]
    if size is None:
        size = (stored[0].width, stored[0].height) if stored else _SIZE
    source.check(chosen, compared)
    from simlift.simulators.mujoco._renderer import check_drawing

    check_drawing()
    session = _Session(source, seen, compared, size[0], size[1], assets)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    planned = [
        PlannedEpisode(
            index=episode.index,
            name=episode.name,
            num_frames=episode.num_frames,
            record=partial(session.record, episode),
            write_rows=partial(_write_rows, source, episode),
            tasks=episode.tasks,
            success=episode.success,
            source=EpisodeSource(
                path=str(file.resolve()),
                layout=source.layout,
                key=episode.key,
                sha256=digest,
                size=file.stat().st_size,
            ),
        )
        for episode in chosen
    ]
    missing = record_dataset(
        out,
        planned,
        seen,
        fps=source.fps,
        settings={
            "source": digest,
            "episodes": [e.key for e in chosen],
            "cameras": list(seen),
            "size": list(size),
        },
        progress=progress,
        robot_type=source.robot_type,
        notes=session.told,
    )
    return ReplayedDataset(out, session.told(), missing)


def _summary(comparisons: "Sequence[Comparison]") -> str:
    if not comparisons:
        return ""
    worst = max(comparisons, key=lambda c: c.mean)
    more = f" (the worst of {len(comparisons)} episodes)" if len(comparisons) > 1 else ""
    return worst.words + more


def _write_rows(source: Demonstrations, episode: Episode, file: Path) -> None:
    """Write the rows as they are stored, in their own types."""
    import pyarrow.parquet as pq

    pq.write_table(source.rows(episode), file)
