"""Compare the numbers and lengths of episodes with info.json, and with each other."""

from collections.abc import Sequence
from pathlib import Path

from simlift.core.errors import ClipError
from simlift.sources.lerobot.info import Info


def check_counts(file: Path, info: Info, indices: Sequence[int], lengths: Sequence[int]) -> None:
    """Raise ClipError for holes among sorted numbers, empty episodes, and other totals."""
    for position, index in enumerate(indices):
        if index != position:
            raise ClipError(
                file,
                f"episode {position} is missing: {index} comes in its place"
                if index > position
                else f"episode {index} is there twice",
                allowed="episodes numbered from 0 without holes",
                way_out="lerobot-edit-dataset numbers them anew",
            )
        if lengths[position] < 1:
            raise ClipError(
                file, f"episode {index} has the length {lengths[position]}", allowed="1 or more"
            )
    for key, stated, found, words in (
        ("total_episodes", info.total_episodes, len(indices), f"{file.name} lists"),
        ("total_frames", info.total_frames, sum(lengths), "the episodes hold"),
    ):
        if stated != found:
            raise ClipError(
                info.file,
                f"{key} is {stated}, {words} {found}",
                allowed="equal counts",
                way_out="copy the dataset again",
            )
