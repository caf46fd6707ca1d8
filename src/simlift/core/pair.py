"""A pair: a rendered clip and its photoreal twin, as training data; and the folder that holds them.

    pairs/pairs.jsonl                 one line for each pair that was accepted
    pairs/decisions.jsonl             one line for each pair that was tried, with gates and reasons
    pairs/videos/<id>.mp4             the photoreal target, near-lossless
    pairs/references/<id>.mp4         the render, of the same size and length

`caption`, `video` and `reference_video` are the column names that trainers of in-context adapters
read; paths are relative to the folder.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from simlift.core.errors import InputError
from simlift.core.recipe import Encoding
from simlift.core.run import write_text
from simlift.core.strict_json import decode, encode

T = TypeVar("T")

# Targets teach every pixel: coded so that what the codec adds stays below a code value of noise.
NEAR_LOSSLESS = Encoding(crf=4, preset="medium", chroma="yuv444p")


@dataclass(frozen=True)
class Pair:
    """One training pair and where it came from; `gates` are the measured values that admitted it.

    `models` names each model with its digest, `seeds` each random choice.
    """

    id: str
    caption: str
    video: Path
    reference_video: Path
    num_frames: int
    height: int
    width: int
    fps: Fraction
    source: str
    start: int  # first frame of the source
    origin: str  # keyframed, twin, or take
    video_digest: str
    reference_digest: str
    seeds: dict[str, int]
    models: dict[str, str]
    gates: dict[str, float]


@dataclass(frozen=True)
class Decision:
    """What became of one attempt at a pair, and why."""

    id: str
    accepted: bool
    reasons: tuple[str, ...]
    attempts: int
    gates: dict[str, float]


@dataclass(frozen=True)
class PairSet:
    """The folder of a training set."""

    path: Path

    @property
    def manifest(self) -> Path:
        return self.path / "pairs.jsonl"

    @property
    def decisions_file(self) -> Path:
        return self.path / "decisions.jsonl"

    def video_of(self, pair_id: str) -> Path:
        """Where the target of a pair lies, relative to the folder."""
        return Path("videos") / f"{pair_id}.mp4"

    def reference_of(self, pair_id: str) -> Path:
        """Where the render of a pair lies, relative to the folder."""
        return Path("references") / f"{pair_id}.mp4"

    def pairs(self) -> tuple[Pair, ...]:
        """Return the accepted pairs; InputError names the line that cannot be read."""
        if not self.manifest.is_file():
            raise InputError(
                self.path,
                "is no training set (no pairs.jsonl)",
                way_out="make one: simlift pair CLIP... --out PAIRS",
            )
        return tuple(_rows(self.manifest, Pair))

    def decisions(self) -> tuple[Decision, ...]:
        """Return what was tried, accepted or not."""
        return tuple(_rows(self.decisions_file, Decision)) if self.decisions_file.exists() else ()

    def write(self, pairs: list[Pair], decisions: list[Decision]) -> None:
        """Write both files, sorted by id, each appearing whole."""
        write_text(self.manifest, _lines(sorted(pairs, key=lambda p: p.id)))
        write_text(self.decisions_file, _lines(sorted(decisions, key=lambda d: d.id)))


def _lines(values: list[Pair] | list[Decision]) -> str:
    return "".join(
        json.dumps(encode(value), sort_keys=True, ensure_ascii=False) + "\n" for value in values
    )


def _rows(path: Path, kind: type[T]) -> list[T]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}:{number}"
        try:
            data = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(where, f"is not JSON ({error})", allowed="one object a line") from (
                error
            )
        rows.append(decode(data, kind, where))
    return rows
