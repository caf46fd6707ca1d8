"""Split clips into segments for pairs: within one shot, 4k+1 frames, without repeats."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.run import write_text
from simlift.core.strict_json import digest, dumps, load
from simlift.evaluation.metrics.anchors import thumbnail
from simlift.passes.pairs.recipe import PairRecipe
from simlift.passes.provenance import source_digest
from simlift.pixels.image.cuts import find_cuts
from simlift.scale.progress import Progress

_CHUNK = 16  # frames read at a time
_THUMBNAILS = 4  # frames by which a segment is known again


@dataclass(frozen=True)
class Segment:
    """Frames of a clip: where they start, how many, and how they look (thumbnails, as hex)."""

    start: int
    num_frames: int
    thumbnail_hex: str

    def thumbnails(self) -> UInt8[np.ndarray, "k 12 16"]:
        """Return the thumbnails."""
        return np.frombuffer(bytes.fromhex(self.thumbnail_hex), np.uint8).reshape(-1, 12, 16)


@dataclass(frozen=True)
class Shots:
    """What was found in a clip; `key` names the clip's bytes and the lengths asked for."""

    key: str
    cuts: tuple[int, ...]
    segments: tuple[Segment, ...]


def divide(
    num_frames: int, cuts: Iterable[int], longest: int, shortest: int
) -> list[tuple[int, int]]:
    """Return (start, frames) of segments that hold no cut, each 4k+1 frames."""
    found = []
    for begin, end in pairwise([0, *cuts, num_frames]):
        start = begin
        while end - start >= shortest:
            length = min(longest, (end - start - 1) // 4 * 4 + 1)
            found.append((start, length))
            start += length
    return found


def find_shots(
    clips: Sequence[Clip], recipe: PairRecipe, folder: Path, progress: Progress
) -> dict[str, Shots]:
    """Read every clip once for its cuts; what was found before and still holds is not read."""
    found = {}
    with progress.task("cuts", sum(clip.num_frames for clip in clips)) as advance:
        for clip in clips:
            key = digest((source_digest(clip), recipe.frames, recipe.min_frames))
            file = folder / f"{clip.name}.json"
            shots = load(file, Shots) if file.exists() else None
            if shots is None or shots.key != key:
                shots = _read_shots(clip, key, recipe)
                write_text(file, dumps(shots))
            found[clip.name] = shots
            advance(clip.num_frames)
    return found


def _read_shots(clip: Clip, key: str, recipe: PairRecipe) -> Shots:
    small: list[UInt8[np.ndarray, "12 16"]] = []

    def frames() -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        with clip.open([Layer.RGB]) as reader:
            for start in range(0, clip.num_frames, _CHUNK):
                for frame in reader.window(range(start, min(start + _CHUNK, clip.num_frames))).rgb:
                    small.append(thumbnail(frame))
                    yield frame

    cuts = tuple(find_cuts(frames()))
    segments = []
    for start, length in divide(clip.num_frames, cuts, recipe.frames, recipe.min_frames):
        chosen = np.linspace(start, start + length - 1, _THUMBNAILS).round().astype(int)
        looks = np.stack([small[i] for i in chosen])
        segments.append(Segment(start, length, looks.tobytes().hex()))
    return Shots(key, cuts, tuple(segments))
