"""Collect what the page shows from takes and score sheets, as frozen values without pixels."""

import dataclasses
import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from simlift.core.errors import RunError
from simlift.core.recipe import Gate
from simlift.core.run import Run, ScoreSheet, Take, TakeKey
from simlift.core.score import Direction, Reduction, Score
from simlift.core.strict_json import digest, dumps
from simlift.evaluation.metrics.definitions import Definition

Values = tuple[float | None, ...]  # one entry for each frame of the clip; None is no evidence

_RENDER = "_render"  # `<score>_render` is the same score of the render itself


class Verdict(enum.StrEnum):
    """What the gate said of a take."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSCORED = "not scored"


@dataclass(frozen=True)
class Threshold:
    """What the gate asks of a score: at least `minimum`, at most `maximum`."""

    minimum: float | None = None
    maximum: float | None = None

    def passes(self, value: float | None) -> bool | None:
        """Judge a value; None where there is nothing to judge."""
        if value is None or (self.minimum is None and self.maximum is None):
            return None
        above = self.minimum is None or value >= self.minimum
        return above and (self.maximum is None or value <= self.maximum)


@dataclass(frozen=True)
class ScoreEntry:
    """A score in words: its title, what it is, which way it is better, what the gate asks of it."""

    name: str
    title: str
    definition: str
    direction: Direction
    unit: str
    threshold: Threshold


@dataclass(frozen=True)
class Plot:
    """One score of one take, frame by frame, with the same score of its render beside it."""

    score: str
    value: float | None
    passes: bool | None
    values: Values
    render_value: float | None
    render_values: Values


@dataclass(frozen=True)
class TakeEntry:
    """One row of the table, and all that the page says of it. Texts keep 64-bit seeds exact."""

    variant: str
    verdict: Verdict
    reasons: tuple[str, ...]
    window_starts: tuple[int, ...]
    plots: tuple[Plot, ...]
    provenance: tuple[tuple[str, str], ...]
    settings: str
    stages: tuple[str, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    twin_note: str  # what the distances to the twin are worth; empty where nothing is to be said


@dataclass(frozen=True)
class Motion:
    """Numbers of a clip that belong together, such as joints: a line of values for each name."""

    title: str
    unit: str
    names: tuple[str, ...]
    values: tuple[Values, ...]


@dataclass(frozen=True)
class EpisodeEntry:
    """What the cameras of an episode share: how its joints and actions moved."""

    name: str
    motion: tuple[Motion, ...]


@dataclass(frozen=True)
class ClipEntry:
    """A clip and its takes, in the order of the recipe; clips of one episode are its cameras."""

    name: str
    episode: str
    camera: str
    fps: Fraction
    num_frames: int
    height: int
    width: int
    takes: tuple[TakeEntry, ...]


@dataclass(frozen=True)
class ReportModel:
    """All that the page says."""

    run: str
    scores: tuple[ScoreEntry, ...]
    clips: tuple[ClipEntry, ...]
    episodes: tuple[EpisodeEntry, ...] = ()


def build_model(
    run: Run,
    *,
    definitions: Mapping[str, Definition],
    thresholds: Mapping[str, Threshold],
    twin_notes: Mapping[TakeKey, str] = MappingProxyType({}),
    motion: Mapping[str, tuple[Motion, ...]] = MappingProxyType({}),
) -> ReportModel:
    """Read every take and score sheet of a run; RunError when no take is finished.

    `twin_notes` say what the distances of single takes to their twins are worth, `motion` is by the
    name of an episode, or of a clip that is none.
    """
    takes = run.takes()
    if not takes:
        raise RunError(run.path, "holds no finished take", way_out="simlift lift CLIP --out RUN")
    sheets = {take.key: _current_sheet(run, take) for take in takes}
    found = [score for sheet in sheets.values() if sheet for score in sheet.scores]
    clips: dict[str, list[Take]] = {}
    for take in takes:
        clips.setdefault(take.clip, []).append(take)
    return ReportModel(
        run=run.path.resolve().name,
        scores=_score_entries(found, definitions, thresholds),
        clips=tuple(
            ClipEntry(
                name,
                members[0].origin.episode_name if members[0].origin else name,
                members[0].origin.camera if members[0].origin else "",
                members[0].fps,
                min(take.num_frames for take in members),
                members[0].height,
                members[0].width,
                tuple(
                    _take_entry(take, sheets[take.key], thresholds, twin_notes.get(take.key, ""))
                    for take in members
                ),
            )
            for name, members in clips.items()
        ),
        episodes=tuple(EpisodeEntry(name, lines) for name, lines in motion.items() if lines),
    )


def _current_sheet(run: Run, take: Take) -> ScoreSheet | None:
    # A sheet that was made for an earlier take of this name is no evidence about this one.
    sheet = run.sheet(take.key)
    return sheet if sheet and sheet.take_digest == digest(take) else None


def gate_thresholds(gate: Gate) -> dict[str, Threshold]:
    """Read the gate's fields `min_<score>` and `max_<score>` as thresholds by score."""
    found: dict[str, Threshold] = {}
    for field in dataclasses.fields(gate):
        bound, _, name = field.name.partition("_")
        value = float(getattr(gate, field.name))
        before = found.get(name, Threshold())
        found[name] = (
            dataclasses.replace(before, minimum=value)
            if bound == "min"
            else dataclasses.replace(before, maximum=value)
        )
    return found


def _score_entries(
    scores: Iterable[Score],
    definitions: Mapping[str, Definition],
    thresholds: Mapping[str, Threshold],
) -> tuple[ScoreEntry, ...]:
    first = {score.name: score for score in reversed(list(scores))}
    entries = [
        ScoreEntry(
            name,
            definitions[name].title if name in definitions else name.replace("_", " "),
            definitions[name].text if name in definitions else "",
            score.direction,
            score.unit,
            thresholds.get(name, Threshold()),
        )
        for name, score in reversed(first.items())
        if not _is_render(name, first)
    ]
    # Scores that the gate judges come first: they are what the verdict rests on.
    return tuple(sorted(entries, key=lambda entry: entry.name not in thresholds))


def _is_render(name: str, known: Mapping[str, Score]) -> bool:
    return name.endswith(_RENDER) and name.removesuffix(_RENDER) in known


def _take_entry(
    take: Take, sheet: ScoreSheet | None, thresholds: Mapping[str, Threshold], twin_note: str
) -> TakeEntry:
    rows = [
        ("Source", str(take.source)),
        ("Source digest", take.source_digest),
        ("Engine", take.engine),
        ("Seed", str(take.seed)),
        ("Recipe digest", take.recipe_digest),
        ("Frames", f"{take.num_frames} of {take.width}x{take.height} at {take.fps} fps"),
    ]
    if take.num_frames == 1:
        rows.append(("Picture", f"takes/{take.clip}/{take.variant}.png"))
    if sheet:
        rows.append(("Take digest", sheet.take_digest))
        rows.append(("Motion for scores", sheet.flow))
    rows.append(("Versions", ", ".join(f"{k} {v}" for k, v in sorted(take.versions.items()))))
    return TakeEntry(
        variant=take.variant,
        verdict=_verdict(sheet),
        reasons=sheet.reasons if sheet else (),
        window_starts=take.window_starts,
        plots=_plots(take, sheet, thresholds) if sheet else (),
        provenance=tuple(row for row in rows if row[1]),
        settings=dumps(take.settings),
        stages=take.stages,
        skipped=take.skipped,
        notes=take.notes,
        twin_note=twin_note,
    )


def _verdict(sheet: ScoreSheet | None) -> Verdict:
    if sheet is None:
        return Verdict.UNSCORED
    return Verdict.ACCEPTED if sheet.accepted else Verdict.REJECTED


def _plots(take: Take, sheet: ScoreSheet, thresholds: Mapping[str, Threshold]) -> tuple[Plot, ...]:
    known = {score.name: score for score in sheet.scores}
    plots = []
    for name, score in known.items():
        if _is_render(name, known):
            continue
        value, render = _finite(score.value()), known.get(name + _RENDER)
        plots.append(
            Plot(
                score=name,
                value=value,
                passes=thresholds.get(name, Threshold()).passes(value),
                values=frame_values(score, take.num_frames),
                render_value=_finite(render.value()) if render else None,
                render_values=frame_values(render, take.num_frames) if render else (),
            )
        )
    return tuple(plots)


def frame_values(score: Score, num_frames: int) -> Values:
    """Return one number for each frame of the clip, on the scale of `score.value()`."""
    spread = score.reduction is Reduction.SPREAD
    found = _distances(score) if spread else score.per_frame()
    values: list[float | None] = [None] * num_frames
    for frame, value in zip(score.frames, found, strict=True):
        if 0 <= frame < num_frames and value is not None:
            values[frame] = _finite(value)
    return tuple(values)


def _distances(score: Score) -> list[float | None]:
    # A spread is the mean distance from the mean vector, so that distance is its frame value: the
    # length of the vector itself would lie on another scale than the score and its threshold.
    weights = np.asarray(score.denominators, dtype=np.float64)
    there = weights > 0
    if not there.any():
        return [None] * len(weights)
    vectors = np.asarray(score.numerators, dtype=np.float64)[there] / weights[there, None]
    distances = iter(np.linalg.norm(vectors - vectors.mean(0), axis=1).tolist())
    return [next(distances) if evidence else None for evidence in there]


def _finite(value: float) -> float | None:
    # Six digits are more than a plot can show, and keep the page small.
    return float(f"{value:.6g}") if math.isfinite(value) else None
