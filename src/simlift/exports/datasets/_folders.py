"""Write a folder for each episode, for readers of one's own.

episodes/episode_000000/<camera>.mp4   one for each camera
                        rows.parquet   the rows as the source stores them, and `source`
                        episode.json   frames, rate, tasks, cameras, and where it came from
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from simlift.core.dataset import short_name
from simlift.core.errors import InputError
from simlift.core.strict_json import dumps
from simlift.exports.datasets._columns import SOURCE, source_column
from simlift.exports.datasets._existing import link_files
from simlift.exports.datasets._videos import Codec, piece_of, place_video
from simlift.exports.datasets.episodes import ExportEpisode

FOLDER = "episodes"


def write_folders(
    episodes: Sequence[ExportEpisode],
    out: Path,
    work: Path,
    *,
    codec: Codec,
    provenance: Sequence[Mapping[str, Any]],
    advance: Callable[[int], None],
    existing: Path | None = None,
) -> None:
    """Write the episodes, with the numbers that `provenance` states; see `write_lerobot`."""
    for episode in episodes:
        _check_names(episode)
    if existing is not None:
        link_files(existing / FOLDER, out / FOLDER)
    for episode, row in zip(episodes, provenance):
        folder = out / FOLDER / f"episode_{row['episode_index']:06d}"
        folder.mkdir(parents=True)
        table = episode.dataset.rows(episode.source)
        column = source_column(episode, table)
        if SOURCE in table.column_names:
            table = table.set_column(table.column_names.index(SOURCE), SOURCE, column)
        else:
            table = table.append_column(SOURCE, column)
        pq.write_table(table, folder / "rows.parquet")
        cameras = {}
        for view in episode.views:
            name = f"{_file_name(view.camera)}.mp4"
            piece = piece_of(view, episode, work, codec, mixed=False)
            place_video(piece, folder / name, episode.dataset.fps)
            height, width = view.size
            cameras[view.camera] = {"file": name, "height": height, "width": width}
        about = {
            **row,
            "frames": episode.source.num_frames,
            "fps": episode.dataset.fps,
            "tasks": list(episode.source.tasks),
            "videos": cameras,
        }
        (folder / "episode.json").write_text(dumps(about), encoding="utf-8")
        advance(episode.source.num_frames)


def _file_name(camera: str) -> str:
    return short_name(camera).replace("/", "_")


def _check_names(episode: ExportEpisode) -> None:
    names = [_file_name(view.camera) for view in episode.views]
    if len(set(names)) < len(names):
        raise InputError(
            episode.dataset.path,
            f"has cameras of one name: {', '.join(view.camera for view in episode.views)}",
            allowed="cameras whose names differ in their last part",
            way_out="lift them one by one: --cameras NAME",
        )
