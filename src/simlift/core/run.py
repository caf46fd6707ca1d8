"""Read and write a run folder: recipe, takes with their provenance, scores, events, lock.

    run/recipe.json  environment.json  events.jsonl
    run/takes/<clip>/<variant>.mp4 + .json (+ .png of a clip of one frame)
    run/scores/<clip>/<variant>.json
    run/rejected/<clip>/<variant>.attempt-<k>.mp4 + .json + .scores.json  (never among takes)
    run/yield.json  redo.json  (where takes were tried again)

A take appears by rename when it is complete: its existence means done.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from simlift.core.dataset import Origin
from simlift.core.errors import RunError
from simlift.core.read_options import ReadOptions
from simlift.core.recipe import Recipe
from simlift.core.score import Score
from simlift.core.strict_json import digest, dumps, load


@dataclass(frozen=True)
class TakeKey:
    """Which take: one variant of one clip."""

    clip: str
    variant: str

    def __str__(self) -> str:
        return f"{self.clip}/{self.variant}"


@dataclass(frozen=True)
class Take:
    """The provenance of a take. It holds nothing that differs between two equal runs."""

    clip: str
    variant: str
    source: Path
    source_digest: str
    engine: str
    settings: dict[str, Any]
    recipe_digest: str
    seed: int
    num_frames: int
    height: int
    width: int
    fps: Fraction
    window_starts: tuple[int, ...]  # frames at which a new window began, where windows could show
    stages: tuple[str, ...]  # what ran
    skipped: tuple[str, ...]  # what did not, and why
    notes: tuple[str, ...]  # what the source assumed
    versions: dict[str, str]
    read_options: ReadOptions = ReadOptions()  # what the user stated when the clip was opened
    trusted: tuple[str, ...] = ()  # contradictions between layers that the user overrode
    origin: Origin | None = None  # the episode and camera of the dataset that the clip is
    attempt: int = 0  # how many takes of it were rejected before
    rows_digest: str = ""  # of the rows that the clip came with, where it has some

    @property
    def key(self) -> TakeKey:
        return TakeKey(self.clip, self.variant)

    @property
    def group(self) -> str:
        """What shares looks and seeds, as `Clip.group`."""
        return self.origin.episode_name if self.origin else self.clip


@dataclass(frozen=True)
class ScoreSheet:
    """All scores of a take, those of its render beside them, and the gate's verdict."""

    clip: str
    variant: str
    take_digest: str
    accepted: bool
    reasons: tuple[str, ...]
    scores: tuple[Score, ...]
    flow: str  # where motion came from: the simulator, rigid motion, an estimate

    def values(self) -> dict[str, float]:
        """Return one number for each score."""
        return {score.name: score.value() for score in self.scores}


@dataclass(frozen=True)
class Run:
    """The folder that a recipe fills."""

    path: Path

    def take_video(self, key: TakeKey) -> Path:
        return self.path / "takes" / key.clip / f"{key.variant}.mp4"

    def take_picture(self, key: TakeKey) -> Path:
        """The frame of a clip of one frame, without loss; it is there before the video is."""
        return self.take_video(key).with_suffix(".png")

    def take_file(self, key: TakeKey) -> Path:
        return self.take_video(key).with_suffix(".json")

    def score_file(self, key: TakeKey) -> Path:
        return self.path / "scores" / key.clip / f"{key.variant}.json"

    def rejected_file(self, key: TakeKey, attempt: int, suffix: str) -> Path:
        """A file of a take that was set apart: suffix .mp4, .png, .json or .scores.json."""
        return self.path / "rejected" / key.clip / f"{key.variant}.attempt-{attempt}{suffix}"

    def rejected(self) -> tuple[Take, ...]:
        """Return the provenance of every take that was set apart, sorted by file."""
        files = sorted(self.path.glob("rejected/*/*.attempt-*.json"))
        return tuple(load(f, Take) for f in files if not f.name.endswith(".scores.json"))

    @property
    def report_file(self) -> Path:
        return self.path / "report" / "index.html"

    def recipe(self) -> Recipe:
        """Return the recipe; RunError when the folder is no run."""
        if not (self.path / "recipe.json").is_file():
            raise RunError(
                self.path, "is no run folder (no recipe.json)", way_out="make one: simlift lift"
            )
        return load(self.path / "recipe.json", Recipe)

    def begin(self, recipe: Recipe, environment: dict[str, str]) -> None:
        """Write the recipe, or check that the folder holds the same one."""
        file = self.path / "recipe.json"
        if file.exists():
            found = self.recipe()
            if not _same(found, recipe):
                raise RunError(
                    self.path,
                    f"holds a run of recipe {digest(found)}, this is {digest(recipe)}",
                    allowed="the same engine, looks, seed and settings to resume",
                    way_out="choose another --out",
                )
            return
        if self.path.exists() and any(p.name != ".lock" for p in self.path.iterdir()):
            raise RunError(
                self.path, "is not empty and holds no run", way_out="choose another --out"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "environment.json", dumps(environment))
        write_text(file, dumps(recipe))

    def sweep(self) -> None:
        """Remove what a killed process left half made; call it with the lock held."""
        for partial in self.path.rglob(".*.partial*"):
            partial.unlink(missing_ok=True)

    def takes(self) -> tuple[Take, ...]:
        """Return every finished take, sorted by clip, then in the order of the recipe."""
        order = {variant.name: i for i, variant in enumerate(self.recipe().variants)}
        found = [
            load(video.with_suffix(".json"), Take)
            for video in self.path.glob("takes/*/*.mp4")
            if not video.name.startswith(".")
        ]
        return tuple(sorted(found, key=lambda t: (t.clip, order.get(t.variant, 0))))

    def sheet(self, key: TakeKey) -> ScoreSheet | None:
        """Return the score sheet of a take, or None where it was not scored."""
        file = self.score_file(key)
        return load(file, ScoreSheet) if file.exists() else None

    def record(self, event: dict[str, Any]) -> None:
        """Append a line to events.jsonl."""
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, sort_keys=True) + "\n")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; RunError when another process fills it."""
        with hold_folder(self.path):
            yield


def _same(found: Recipe, recipe: Recipe) -> bool:
    """Whether a stored recipe makes the same takes as another.

    Engines are compared as values, since one that an older version stored lacks newer settings.
    """
    if found == recipe:
        return True
    if replace(found, variants=recipe.variants) != recipe:
        return False
    engines = [[(v.name, v.engine.load()) for v in r.variants] for r in (found, recipe)]
    return engines[0] == engines[1]


@contextmanager
def hold_folder(path: Path) -> Iterator[None]:
    """Hold a folder that a pass fills for this process; RunError when another process fills it.

    The lock is the operating system's, so it ends with the process, even when that is killed.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        opened = (path / ".lock").open("a+")
    except OSError as error:
        raise RunError(
            path,
            f"cannot be written ({error.strerror})",
            way_out="choose another --out",
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                path,
                "another process is filling this run",
                way_out="wait for it, or choose another --out",
            ) from None
        yield


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole, by rename; RunError when it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RunError(path, f"cannot be written ({error.strerror})") from error
