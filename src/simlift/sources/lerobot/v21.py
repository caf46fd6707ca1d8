"""Read LeRobot v2.0 and v2.1: a parquet file, and a video file of each camera, to an episode."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlift.core.dataset import Episode
from simlift.core.errors import ClipError
from simlift.core.read_options import ReadOptions
from simlift.sources.lerobot.counts import check_counts
from simlift.sources.lerobot.dataset import LeRobot, Section, splits_of
from simlift.sources.lerobot.info import Info
from simlift.sources.lerobot.layers import camera_layers


@dataclass(frozen=True)
class OwnFiles:
    """Files that are an episode's own, by the templates of info.json."""

    root: Path
    info: Info
    lengths: Sequence[int]

    def data_file(self, episode: int) -> Path:
        return self._path(self.info.data_path, episode)

    def section(self, feature: str, episode: int) -> Section:
        return Section(self._path(self.info.video_path, episode, video_key=feature), 0)

    def fullest(self, feature: str, file: Path, episode: int) -> tuple[int, int]:
        del feature, file
        return self.lengths[episode], self.lengths[episode]

    def _path(self, template: str, episode: int, **values: str) -> Path:
        chunk = episode // self.info.chunks_size
        return self.info.path_of(
            template, self.root, chunk_index=chunk, episode_index=episode, **values
        )


def read_v21(root: Path, info: Info, options: ReadOptions) -> LeRobot:
    """Read meta/episodes.jsonl; ClipError for holes and for counts unlike info.json."""
    file = root / "meta" / "episodes.jsonl"
    episodes = []
    for number, row in enumerate(_lines(file)):
        index, length = row.get("episode_index"), row.get("length")
        if not isinstance(index, int) or not isinstance(length, int):
            raise ClipError(
                file,
                f"line {number + 1} has the episode_index {index!r} and the length {length!r}",
                allowed="whole numbers",
            )
        tasks = row.get("tasks") or ()
        words = (tasks,) if isinstance(tasks, str) else tuple(str(task) for task in tasks)
        episodes.append(Episode(index, f"episode_{index:06d}", length, words, str(index)))
    episodes.sort(key=lambda episode: episode.index)
    lengths = [episode.num_frames for episode in episodes]
    check_counts(file, info, [episode.index for episode in episodes], lengths)
    notes: list[str] = []
    layers = camera_layers(info, notes)
    places = OwnFiles(root, info, lengths)
    places.data_file(0)  # which refuses a template that leads out of the dataset
    return LeRobot(
        path=root,
        info=info,
        episodes=tuple(episodes),
        places=places,
        layers=layers,
        options=options,
        notes=tuple(notes),
        filters=splits_of(info, len(episodes)),
    )


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ClipError(file, "does not exist", way_out="copy the dataset again") from None
    except UnicodeDecodeError as error:
        raise ClipError(file, f"is not text ({error.reason})", allowed="UTF-8 JSON") from error
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ClipError(file, f"line {number} is not JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise ClipError(file, f"line {number} holds {row!r}"[:120], allowed="a JSON object")
        rows.append(row)
    return rows
