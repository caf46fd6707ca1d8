"""Takes that the gate rejects: set apart, tried again with other seeds, resumed after a kill."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tiny import datasets

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage, WindowSize
from simlift.core.recipe import Plugin, Recipe, Variant
from simlift.core.run import Run, TakeKey
from simlift.core.strict_json import dumps
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.media.video.writer import write_video
from simlift.passes.attempts import AttemptsResult, Moving, lift_until_accepted
from simlift.passes.lift import lift_clips
from simlift.scale.progress import Silent
from simlift.sources import open_clip, open_clips

FRAMES, HEIGHT, WIDTH = 5, 48, 64


@dataclass(frozen=True)
class Fickle:
    """An engine whose takes are good under some seeds, and black under all others."""

    good: tuple[int, ...] = ()

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(frames=4)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        return (Stage("fickle", True, "asks its seed"),)

    @contextmanager
    def open(self, device: str) -> Iterator["Fickle"]:
        yield self

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        return window.rgb if seed in self.good else np.zeros_like(window.rgb)


def make_clip(folder: Path, name: str, base: int = 90) -> Clip:
    path = folder / f"{name}.mp4"
    texture = np.random.default_rng(base).integers(0, 60, (HEIGHT, WIDTH + FRAMES, 3)) + base
    if not path.exists():
        with write_video(path, height=HEIGHT, width=WIDTH, fps=Fraction(12)) as writer:
            for t in range(FRAMES):
                writer.append(texture[None, :, t : t + WIDTH].astype(np.uint8))
    return open_clip(path)


def recipe(*good: tuple[str, int]) -> Recipe:
    """Return a recipe of two variants; `good` are the groups and attempts at which both are."""
    names = ("v0", "v1")
    plain = Recipe(tuple(Variant(name, Plugin.of(Fickle())) for name in names))
    seeds = tuple(plain.seed_for(v, *where) for v in plain.variants for where in good)
    return Recipe(tuple(Variant(name, Plugin.of(Fickle(seeds))) for name in names))


def fill(out: Path, clips: list[Clip], made: Recipe, attempts: int = 3) -> AttemptsResult:
    return lift_until_accepted(clips, made, out, attempts=attempts, progress=Silent())


def files(out: Path) -> dict[str, bytes]:
    """Return the files of a run that two equal runs share."""
    found = (p for part in ("takes", "rejected", "scores") for p in (out / part).rglob("*"))
    named = {str(p.relative_to(out)): p.read_bytes() for p in found if p.is_file()}
    return named | {n: (out / n).read_bytes() for n in ("yield.json", "redo.json")}


def test_a_rejected_take_is_set_apart_and_made_again(tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "a")
    result = fill(tmp_path / "run", [clip], recipe(("a", 1)))
    run = Run(tmp_path / "run")
    assert [(t.variant, t.attempt) for t in run.takes()] == [("v0", 1), ("v1", 1)]
    assert [(t.variant, t.attempt) for t in run.rejected()] == [("v0", 0), ("v1", 0)]
    assert all(run.sheet(take.key).accepted for take in run.takes())
    for suffix in (".mp4", ".json", ".scores.json"):
        assert run.rejected_file(TakeKey("a", "v0"), 0, suffix).is_file()
    found = json.loads((tmp_path / "run" / "yield.json").read_text())
    assert found["accepted_at"] == [0, 2, 0] and found["share"] == 1 and found["rejected"] == 2
    assert result.redo == () and json.loads((tmp_path / "run" / "redo.json").read_text()) == []
    first, again = run.takes()[0], run.rejected()[0]
    assert first.seed != again.seed and first.recipe_digest == again.recipe_digest


def test_what_is_never_accepted_stays_apart_and_is_listed_with_reasons(tmp_path: Path) -> None:
    clips = [make_clip(tmp_path, "a"), make_clip(tmp_path, "b", 120)]
    made, out = recipe(("a", 0), ("b", 2)), tmp_path / "run"
    result = fill(out, clips, made, attempts=2)
    assert {t.clip for t in Run(out).takes()} == {"a"}
    assert not list((out / "takes" / "b").glob("*.mp4"))
    assert not list((out / "scores" / "b").glob("*.json"))
    assert [(r.clip, r.variant, r.attempts) for r in result.redo] == [
        ("b", "v0", 2),
        ("b", "v1", 2),
    ]
    assert "blank_frames 1 is above 0" in result.redo[0].reasons
    assert (result.yielded.accepted_at, result.yielded.rejected) == ((2, 0), 4)
    kept = (out / "takes" / "a" / "v0.mp4").stat().st_mtime_ns
    assert not lift_clips(clips, made, out, progress=Silent()).made  # it has had its attempts
    more = fill(out, clips, made, attempts=3)  # goes on where it stood
    assert more.redo == () and more.yielded.accepted_at == (2, 0, 2)
    assert (out / "takes" / "a" / "v0.mp4").stat().st_mtime_ns == kept


def test_all_cameras_of_an_episode_are_tried_again_together(tmp_path: Path) -> None:
    """One camera is black in the take; the other, which is accepted, must share its look."""
    clips = open_clips(datasets.lerobot_v3(tmp_path / "set", episodes=(FRAMES,)))
    names, group = [clip.name for clip in clips], clips[0].group
    assert len(names) == 2 and {clip.group for clip in clips} == {group}
    made, out = recipe((group, 0), (group, 1)), tmp_path / "run"
    lift_clips(clips, made, out, progress=Silent())
    run, spoiled = Run(out), TakeKey(names[1], "v0")
    with write_video(run.take_video(spoiled), height=24, width=32, fps=Fraction(10)) as writer:
        writer.append(np.zeros((FRAMES, 24, 32, 3), np.uint8))
    result = fill(out, clips, made)
    at = {(t.clip, t.variant): t.attempt for t in run.takes()}
    assert at == {(name, v): int(v == "v0") for name in names for v in ("v0", "v1")}
    assert {t.clip for t in run.rejected()} == set(names) and result.redo == ()
    assert len({t.seed for t in run.takes() if t.variant == "v0"}) == 1


def test_equal_runs_are_equal_and_a_second_call_makes_nothing(tmp_path: Path) -> None:
    clip, made = make_clip(tmp_path, "a"), recipe(("a", 1))
    for name in ("one", "two"):
        fill(tmp_path / name, [clip], made)
    first = files(tmp_path / "one")
    assert first == files(tmp_path / "two") and len(first) == 14
    fill(tmp_path / "one", [clip], made)
    assert files(tmp_path / "one") == first


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_move_that_was_begun_is_finished(tmp_path: Path, moved: int) -> None:
    clip, made, out = make_clip(tmp_path, "a"), recipe(("a", 1)), tmp_path / "run"
    fill(tmp_path / "whole", [clip], made)
    lift_clips([clip], made, out, progress=Silent())
    run, key = Run(out), TakeKey("a", "v0")
    # As if it had been killed among the renames of v0.
    (out / "rejected" / "a").mkdir(parents=True)
    journal = Moving((key,), 0, ("a: black",))
    (out / "rejected" / "moving.json").write_text(dumps(journal))
    for suffix, source in [(".json", run.take_file(key)), (".mp4", run.take_video(key))][:moved]:
        source.replace(run.rejected_file(key, 0, suffix))
    fill(out, [clip], made)
    takes = {n: b for n, b in files(out).items() if n.startswith("takes")}
    assert takes == {n: b for n, b in files(tmp_path / "whole").items() if n.startswith("takes")}
    assert not (out / "rejected" / "moving.json").exists()
    assert [t.attempt for t in run.rejected()] == [0, 0]


def test_fewer_attempts_than_before_keep_what_came_of_them(tmp_path: Path) -> None:
    clip, out = make_clip(tmp_path, "a"), tmp_path / "run"
    good = recipe(("a", 2))
    first = fill(out, [clip], good, attempts=3)
    again = fill(out, [clip], good, attempts=1)
    assert again.yielded.accepted == first.yielded.accepted
    assert again.yielded.accepted_at == first.yielded.accepted_at


def test_attempts_are_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="found 0"):
        fill(tmp_path / "run", [make_clip(tmp_path, "a")], recipe(), attempts=0)
    assert not (tmp_path / "run").exists()
