"""Define a training pair (a render and its photoreal target) and the folder of a pair set.

    pairs/pairs.jsonl                 one line for each pair that was accepted
    pairs/decisions.jsonl             one line for each pair that was tried, with gates and reasons
    pairs/videos/<id>.mp4             the photoreal target, near-lossless
    pairs/references/<id>.mp4         the render, of the same size and length
    pairs/controls/<name>/<id>.mp4    a control of the render, such as its skeleton, where asked for

`caption`, `video` and `reference_video` are the column names that trainers of in-context adapters
read; paths are relative to the folder.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from simlift.core.errors import InputError
from simlift.core.recipe import Encoding, Plugin
from simlift.core.run import write_text
from simlift.core.strict_json import decode, encode

T = TypeVar("T")

# Targets teach every pixel: coded so that what the codec adds stays below a code value of noise.
NEAR_LOSSLESS = Encoding(crf=4, preset="medium", chroma="yuv444p")

_MOST = 1_000_000  # of frames, pixels of a side, frames a second: no video has more
_MAKE_AGAIN = "copy the file again, or make the set again with simlift pair"


@dataclass(frozen=True)
class PairGate:
    """The thresholds between accepted and rejected pairs: `min_<score>` and `max_<score>`.

    A score without evidence judges nothing.
    """

    min_anchor_edge_f1: float = 0.4
    max_anchor_shift: float = 1.0  # pixels
    max_anchor_zoom: float = 0.005
    max_anchors_repeat: float = 0.5
    max_colour_jump: float = 1.5  # CIELAB
    min_edge_f1_near: float = 0.45
    min_moving_edge_f1: float = 0.45
    min_engine_edge_ratio: float = 0.8
    max_edge_offset: float = 1.0  # pixels
    max_flicker_ratio: float = 2.5
    max_frozen: float = 0.2
    max_colour_drift: float = 4.0  # CIELAB
    min_novelty: float = 0.5  # codes, from the most alike of the segments before
    min_face_found: float = 0.5
    min_face_similarity: float = 0.3  # cosine of SFace


@dataclass(frozen=True)
class PairControl:
    """A control video of a pair: its file, what drew it with which settings, its `file_digest`."""

    video: Path
    drawn_by: Plugin
    digest: str


@dataclass(frozen=True)
class Pair:
    """One training pair and where it came from; `gates` are the measured values that admitted it.

    `models` names each model with its digest, `seeds` each random choice; `video_digest` and
    `reference_digest` are `file_digest` of the two files.
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
    controls: dict[str, PairControl] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every video of the pair, relative to the folder."""
        return (self.video, self.reference_video, *(c.video for c in self.controls.values()))

    def __post_init__(self) -> None:
        # Ids become file names, in this folder and in every export of it.
        if not self.id or self.id.startswith(".") or any(c in self.id for c in "/\\\0\n"):
            raise InputError("id", f"found {self.id!r}", allowed="a name that a file may have")
        files = {"video": self.video, "reference_video": self.reference_video}
        files |= {f"controls.{name}": control.video for name, control in self.controls.items()}
        for name, path in files.items():
            if path.is_absolute() or ".." in path.parts or path == Path():
                raise InputError(name, f"found {str(path)!r}", allowed="a path inside the folder")
        sizes = (self.num_frames, self.height, self.width)
        if not (1 <= min(sizes) <= max(sizes) <= _MOST and 0 < self.fps <= _MOST):
            raise InputError(
                self.id,
                f"{self.num_frames} frames of {self.width}x{self.height} at {self.fps} fps",
                allowed=f"at least one frame of one pixel, at a rate above 0; none above {_MOST:,}",
            )


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

    def control_of(self, pair_id: str, name: str) -> Path:
        """Where a control of a pair lies, relative to the folder."""
        return Path("controls") / name / f"{pair_id}.mp4"

    def pairs(self) -> tuple[Pair, ...]:
        """Return the accepted pairs; InputError names the line that cannot be read."""
        if not self.manifest.is_file():
            raise InputError(
                self.path,
                "is no training set (no pairs.jsonl)",
                way_out="make one: simlift pair CLIP... --out PAIRS",
            )
        pairs = tuple(_rows(self.manifest, Pair))
        _check_unique(self.manifest, pairs)
        return pairs

    def check(self, pair: Pair) -> None:
        """Raise InputError when a file of a pair is gone, or no longer what the manifest says."""
        for path, expected in (
            (self.path / pair.video, pair.video_digest),
            (self.path / pair.reference_video, pair.reference_digest),
            *((self.path / c.video, c.digest) for c in pair.controls.values()),
        ):
            if not path.is_file():
                raise InputError(path, "is missing", way_out=_MAKE_AGAIN)
            if (found := file_digest(path)) != expected:
                raise InputError(
                    path,
                    f"changed after the pair {pair.id} was accepted (its hash is {found})",
                    allowed=f"the file of hash {expected}, as {self.manifest.name} says",
                    way_out=_MAKE_AGAIN,
                )

    def decisions(self) -> tuple[Decision, ...]:
        """Return what was tried, accepted or not."""
        return tuple(_rows(self.decisions_file, Decision)) if self.decisions_file.exists() else ()

    def write(self, pairs: list[Pair], decisions: list[Decision]) -> None:
        """Write both files, sorted by id, each appearing whole."""
        _check_unique(self.manifest, pairs)
        write_text(self.manifest, _lines(sorted(pairs, key=lambda p: p.id)))
        write_text(self.decisions_file, _lines(sorted(decisions, key=lambda d: d.id)))


def file_digest(path: Path) -> str:
    """Name the bytes of a file by 32 hexadecimal digits of their BLAKE2 hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _check_unique(path: Path, pairs: Sequence[Pair]) -> None:
    if double := [name for name, count in Counter(p.id for p in pairs).items() if count > 1]:
        raise InputError(path, f"holds the pair {double[0]} twice", allowed="each id once")


def _lines(values: list[Pair] | list[Decision]) -> str:
    return "".join(
        json.dumps(encode(value), sort_keys=True, ensure_ascii=False) + "\n" for value in values
    )


def _rows(path: Path, kind: type[T]) -> list[T]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not text ({error})", allowed="UTF-8 JSON lines") from error
    rows = []
    # Not splitlines: captions may hold what Unicode calls a line separator.
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        where = f"{path}:{number}"
        try:
            data = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(where, f"is not JSON ({error})", allowed="one object a line") from (
                error
            )
        rows.append(decode(data, kind, where))
    return rows
