"""Read LeRobot v3.0: many episodes share a parquet file, and a video file for each camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simlift.core.read_options import ReadOptions
from simlift.sources.lerobot.dataset import LeRobot, Section, splits_of
from simlift.sources.lerobot.info import Info
from simlift.sources.lerobot.layers import camera_layers


@dataclass(frozen=True)
class SharedFiles:
    """Files that episodes share, as the tables of v3.0 name them."""

    data_files: Sequence[Path]  # of each episode
    sections: Mapping[str, Sequence[tuple[Path, int]]]  # of each video feature, for each episode
    ends: Mapping[str, Mapping[Path, tuple[int, int]]]  # see `Places.fullest`

    def data_file(self, episode: int) -> Path:
        return self.data_files[episode]

    def section(self, feature: str, episode: int) -> Section:
        return Section(*self.sections[feature][episode])

    def fullest(self, feature: str, file: Path, episode: int) -> tuple[int, int]:
        del episode
        return self.ends[feature][file]


def read_v3(root: Path, info: Info, options: ReadOptions) -> LeRobot:
    """Read the tables of episodes; ClipError where they contradict each other or info.json."""
    from simlift.sources.lerobot import _episodes

    table = _episodes.read_episodes(root, info)
    notes = list(table.notes)
    layers = camera_layers(info, notes)
    return LeRobot(
        path=root,
        info=info,
        episodes=table.episodes,
        places=SharedFiles(table.data_files, table.sections, table.ends),
        layers=layers,
        options=options,
        notes=tuple(notes),
        filters=splits_of(info, len(table.episodes)),
    )
