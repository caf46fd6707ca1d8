"""The accepted takes of a run -> pairs: the take is the target, its clip's render the reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import isfinite
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import RunError
from simlift.core.layers import Layer
from simlift.core.pair import NEAR_LOSSLESS, Pair, PairSet, file_digest
from simlift.core.run import Run, ScoreSheet, Take
from simlift.core.seams import Span
from simlift.core.strict_json import digest
from simlift.media.video_writer import write_video
from simlift.runs.environment import source_digest
from simlift.runs.lifting import walk
from simlift.sources import open_clip

_SPAN = Span(frames=16)


@dataclass(frozen=True)
class AcceptedTakes:
    """The takes that the gate accepted, as pairs; captions are those of their clips."""

    run: Run

    @cached_property
    def _judged(self) -> tuple[tuple[Take, ScoreSheet | None], ...]:
        return tuple((take, self._sheet(take)) for take in self.run.takes())

    def pairs(self) -> Sequence[Pair]:
        """Return a pair for each accepted take; RunError when nothing was scored."""
        if not any(sheet for _, sheet in self._judged):
            raise RunError(
                self.run.path,
                "holds no scored take",
                allowed="takes that the gate accepted",
                way_out=f"score it first: simlift score {self.run.path}",
            )
        accepted = [(take, sheet) for take, sheet in self._judged if sheet and sheet.accepted]
        return tuple(self._pair(take, sheet) for take, sheet in accepted)

    def notes(self) -> tuple[str, ...]:
        """Say how many takes were left out, and that takes are coded for eyes."""
        rejected = sum(1 for _, sheet in self._judged if sheet and not sheet.accepted)
        unscored = sum(1 for _, sheet in self._judged if sheet is None)
        notes = [f"{rejected} takes that the gate rejected are left out"] if rejected else []
        if unscored:
            notes.append(f"{unscored} takes without scores of their present form are left out")
        encoding = self.run.recipe().encoding
        notes.append(
            f"targets are takes at CRF {encoding.crf}, {encoding.chroma}: what the codec took away "
            "is learned too; simlift pair stores targets near-lossless"
        )
        return tuple(notes)

    def place(self, pair: Pair, folder: Path, put: Callable[[Path, Path], None]) -> None:
        """Bring the take, and write its clip's render beside it, near-lossless."""
        take = next(take for take, _ in self._judged if _name(take) == pair.id)
        clip = open_clip(take.source)
        if source_digest(clip) != take.source_digest:
            raise RunError(
                clip.path,
                f"changed after {take.key} was made from it",
                way_out="lift it again into another run",
            )
        put(self.run.take_video(take.key), folder / pair.video)
        _write_render(clip, folder / pair.reference_video)

    def _sheet(self, take: Take) -> ScoreSheet | None:
        sheet = self.run.sheet(take.key)
        return sheet if sheet and sheet.take_digest == digest(take) else None

    def _pair(self, take: Take, sheet: ScoreSheet) -> Pair:
        name, places = _name(take), PairSet(Path())
        return Pair(
            id=name,
            caption=open_clip(take.source).caption,
            video=places.video_of(name),
            reference_video=places.reference_of(name),
            num_frames=take.num_frames,
            height=take.height,
            width=take.width,
            fps=Fraction(take.fps),
            source=str(take.source),
            start=0,
            origin="take",
            video_digest=file_digest(self.run.take_video(take.key)),
            reference_digest=take.source_digest,  # of its clip: the render is written when placed
            seeds={"take": take.seed},
            models={},
            gates={key: value for key, value in sheet.values().items() if isfinite(value)},
        )


def _name(take: Take) -> str:
    return f"{take.clip}--{take.variant}"


def _write_render(clip: Clip, path: Path) -> None:
    with (
        clip.open([Layer.RGB]) as reader,
        write_video(
            path,
            height=clip.height,
            width=clip.width,
            fps=clip.fps,
            encoding=NEAR_LOSSLESS,
            timestamps=clip.timestamps,
        ) as writer,
    ):
        for window in walk(reader, _SPAN):
            writer.append(window.rgb)
