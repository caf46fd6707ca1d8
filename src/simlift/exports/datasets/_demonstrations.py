"""Find the HDF5 file that takes go back to: their dataset, or what that was replayed from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from simlift.core.dataset import Dataset, Episode
from simlift.core.errors import InputError, RunError
from simlift.exports.datasets.episodes import ExportEpisode
from simlift.sources.datasets import open_dataset
from simlift.sources.hdf5.dataset import Demonstrations
from simlift.sources.native_dataset import NativeDataset


@dataclass(frozen=True, eq=False)
class Demonstration:
    """An exported episode, and the episode of the HDF5 file whose group it takes over."""

    episode: ExportEpisode
    recorded: Episode


def demonstrations_of(
    episodes: Sequence[ExportEpisode], layout: str
) -> tuple[Demonstrations, tuple[Demonstration, ...]]:
    """Return the one file that all episodes go back to, and the episode of it for each.

    InputError for takes of another format, of several files, or of another size than the pictures
    that they replace; RunError where the file has changed since it was replayed.
    """
    found: dict[Path, Demonstrations] = {}
    pairs = []
    for episode in episodes:
        source, key = _file_of(episode.dataset, episode.source, layout)
        found[source.path] = source
        recorded = next((each for each in source.episodes if each.key == key), None)
        if recorded is None:
            raise RunError(source.path, f"has no {key} any more", way_out="restore the file")
        _check_views(episode, source)
        pairs.append(Demonstration(episode, recorded))
    if len(found) > 1:
        raise InputError(
            "--format",
            f"{layout} is asked of takes of {' and of '.join(map(str, found))}",
            allowed="takes of one file",
            way_out="lift each file in a run of its own, and join them with --append",
        )
    return source, tuple(pairs)


def _file_of(dataset: Dataset, episode: Episode, layout: str) -> tuple[Demonstrations, str]:
    """Return the file of an episode, and what the episode is called there."""
    found, key = dataset, episode.key
    if isinstance(dataset, NativeDataset):
        origin = dataset.replayed_from(episode)
        if origin is not None and origin.layout == layout:
            file = Path(origin.path)
            state = file.stat() if file.is_file() else None
            same = state is not None and state.st_size == origin.size
            if not same or _sha256(file, state.st_mtime_ns if state else 0) != origin.sha256:
                raise RunError(
                    file,
                    "is gone" if state is None else "has changed",
                    allowed=f"the file that {dataset.path} was replayed from",
                    way_out="restore it there, or replay it again",
                )
            found, key = _opened(file, state.st_mtime_ns if state else 0), origin.key
    if not isinstance(found, Demonstrations) or found.layout != layout:
        raise InputError(
            "--format",
            f"{layout} is asked of takes of {dataset.path}, which is {dataset.layout}",
            allowed=f"takes of {layout} HDF5, or of its replay: groups and attributes are copied",
            way_out="--format lerobot-v3, lerobot-v2.1 or folders",
        )
    return found, key


def _check_views(episode: ExportEpisode, source: Demonstrations) -> None:
    for view in episode.views:
        if view.camera not in source.views:
            raise InputError(
                source.path,
                f"holds no pictures of {view.camera}, which was lifted",
                allowed=", ".join(source.cameras) or "no camera at all",
                way_out="--format lerobot-v3, lerobot-v2.1 or folders",
            )
        due = source.views[view.camera]
        if view.size != (due.height, due.width):
            raise InputError(
                view.video or episode.dataset.path,
                f"shows {view.size[1]}x{view.size[0]}",
                allowed=f"{due.width}x{due.height}, the size of the pictures that it replaces",
                way_out="--format lerobot-v3, or make takes of that size",
            )


@lru_cache(maxsize=4)
def _opened(file: Path, changed: int) -> Dataset:
    del changed
    return open_dataset(file)


@lru_cache(maxsize=4)
def _sha256(file: Path, changed: int) -> str:
    del changed
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
