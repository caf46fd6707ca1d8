"""Define the protocol of a trainer export and the checks that all exports share.

A folder holds `videos/<id>.mp4` and `references/<id>.mp4` as they lie in the training set, and
the texts that name them. Videos are H.264 and often 4:4:4; the trainers here decode them in
software by FFmpeg (PyAV or imageio), which reads 4:4:4 and 4:2:0 alike, so nothing is coded anew.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from simlift.core.errors import InputError
from simlift.core.pair import Pair
from simlift.pixels.image.letterbox import truncated_length


class TrainerFolder(Protocol):
    """Writes the texts of one trainer; `out` is where the folder will lie when it is whole."""

    def check(self, pairs: Sequence[Pair]) -> None:
        """Raise InputError for pairs that the trainer cannot use."""
        ...

    def texts(self, pairs: Sequence[Pair], out: Path) -> Mapping[str, str]:
        """Return the files that name the videos: their names in the folder, and their texts."""
        ...

    def notes(self, pairs: Sequence[Pair]) -> tuple[str, ...]:
        """Say what the trainer will do to these pairs: frames left out, borders cut, rates."""
        ...

    def command(self, pairs: Sequence[Pair], out: Path) -> str:
        """Return the trainer's own command that reads the folder."""
        ...


def check_usable(pairs: Sequence[Pair], *, frames: int, side: int) -> None:
    """Raise InputError without pairs, or for one without caption, too short or too small."""
    if not pairs:
        raise InputError(
            "the training set",
            "holds no accepted pair",
            way_out="read its decisions.jsonl, and loosen gates or add clips",
        )
    for pair in pairs:
        if not pair.caption.strip():
            raise InputError(
                pair.id,
                "has no caption",
                allowed="a text: every trainer encodes one for each pair",
                way_out="make the pairs with captions: simlift pair --caption, or a caption in "
                "clip.json",
            )
        if pair.num_frames < frames:
            raise InputError(
                pair.id, f"holds {pair.num_frames} frames", allowed=f"at least {frames}"
            )
        if min(pair.height, pair.width) < side:
            raise InputError(
                pair.id,
                f"is {pair.width}x{pair.height}",
                allowed=f"sides of at least {side} pixels",
            )


def shape_notes(pairs: Sequence[Pair], stride: int, multiple: int) -> list[str]:
    """Say which frames and borders a trainer leaves out that takes k * stride + 1 of multiples."""
    notes = []
    for frames, count in sorted(Counter(pair.num_frames for pair in pairs).items()):
        kept = truncated_length(frames, stride)
        if kept != frames:
            notes.append(
                f"{_pairs(count)} of {frames} frames: the trainer uses the first {kept} "
                f"({stride}k+1)"
            )
    for size, count in sorted(Counter((pair.width, pair.height) for pair in pairs).items()):
        width, height = (side // multiple * multiple for side in size)
        if (width, height) != size:
            notes.append(
                f"{_pairs(count)} of {size[0]}x{size[1]}: the trainer scales to cover "
                f"{width}x{height} (multiples of {multiple}) and cuts what juts out, of target "
                "and reference alike"
            )
    return notes


def rates_of(pairs: Sequence[Pair]) -> list[float]:
    """Return the frame rates there are, sorted."""
    return sorted({float(pair.fps) for pair in pairs})


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"
