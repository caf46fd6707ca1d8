"""Runs: resumed after any kill to the same bytes, whole or absent, one process at a time."""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage, WindowSize
from simlift.core.recipe import Gate, Plugin, Recipe, Variant, derive_seed
from simlift.core.renamed import CLASSES
from simlift.core.run import Run, TakeKey
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.echo import Echo
from simlift.engines.photographic import Photographic
from simlift.media.native import write_clip
from simlift.media.video import VideoStore, probe_video
from simlift.media.video.writer import write_video
from simlift.passes.lift import lift_clips
from simlift.passes.lift_windows import lift
from simlift.passes.plan import plan_lift
from simlift.passes.score import score_run
from simlift.passes.variants import variants_of
from simlift.scale.progress import Silent
from simlift.sources import open_clip

HEIGHT, WIDTH = 48, 64


@dataclass(frozen=True)
class Slow:
    """An engine that takes its time, so that a test can kill it at work."""

    seconds: float = 0.05

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(frames=2)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        return (Stage("slow", True, "waits"),)

    @contextmanager
    def open(self, device: str) -> Iterator["Slow"]:
        yield self

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        time.sleep(self.seconds * len(window))
        return 255 - window.rgb


@dataclass(frozen=True)
class Chain(Slow):
    """An engine that carries what it made on: every frame is one brighter than the last."""

    overlap: int = 2

    def window_size(self) -> WindowSize:
        return WindowSize(frames=5, overlap=self.overlap)

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        new = len(window) - (0 if previous is None else self.overlap)
        start = 0 if previous is None else int(previous[-1].max()) + 1
        levels = np.arange(start, start + new, dtype=np.uint8)
        return np.broadcast_to(levels[:, None, None, None], (new, *window.size, 3)).copy()


@dataclass(frozen=True)
class Broken(Slow):
    """An engine that fails on clips whose frames are dark."""

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        if window.rgb.mean() < 40:
            raise ZeroDivisionError("dark")
        return window.rgb


@dataclass(frozen=True)
class Wrong(Slow):
    """An engine that returns one frame too few."""

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        return window.rgb[1:]


def make_video(path: Path, frames: int = 12, base: int = 100) -> Path:
    generator = np.random.default_rng(base)
    texture = generator.integers(0, 60, (HEIGHT, WIDTH + frames, 3)) + base
    with write_video(path, height=HEIGHT, width=WIDTH, fps=Fraction(12)) as writer:
        for t in range(frames):
            writer.append(texture[None, :, t : t + WIDTH].clip(0, 255).astype(np.uint8))
    return path


def make_episode(folder: Path, frames: int = 9) -> Path:
    rows = np.linspace(4, 2, HEIGHT)[:, None] * np.ones(WIDTH)
    with write_clip(folder, name=folder.name, fps=Fraction(12), height=HEIGHT, width=WIDTH) as w:
        for t in range(frames):
            depth = rows.astype(np.float32).copy()
            depth[10:30, 5 + t : 25 + t] = 1.5
            ids = (depth == 1.5).astype(np.int32) + 1
            rgb = np.where(ids[..., None] == 2, (200, 60, 40), (90, 110, 130)).astype(np.uint8)
            rgb[::4] //= 2
            w.append(
                {Layer.RGB: rgb, Layer.ALBEDO: rgb, Layer.DEPTH: depth, Layer.SEGMENTATION: ids}
            )
    return folder


def recipe(*specs: object, seed: int = 0, **changes: object) -> Recipe:
    variants = tuple(Variant(f"v{i}", Plugin.of(s)) for i, s in enumerate(specs))
    return replace(Recipe(variants=variants, seed=seed), **changes)


def fill(out: Path, clips: list[Path], made: Recipe, workers: int = 1) -> Run:
    result = lift_clips(
        [open_clip(c) for c in clips], made, out, workers=workers, progress=Silent()
    )
    assert not result.failures
    return Run(out)


def contents(run: Path) -> dict[str, bytes]:
    """Return all files of takes, by name."""
    files = sorted(p for p in (run / "takes").rglob("*") if p.is_file())
    return {str(p.relative_to(run)): p.read_bytes() for p in files}


def test_echo_gives_back_the_frames_in_order(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", [make_video(tmp_path / "a.mp4")], recipe(Echo()))
    source = VideoStore(probe_video(tmp_path / "a.mp4"))
    take = VideoStore(probe_video(run.take_video(TakeKey("a", "v0"))))
    with source.open() as one, take.open() as two:
        expected, found = one.read(range(12)), two.read(range(12))
    assert np.abs(expected.astype(int) - found).mean() < 3
    nearest = [np.abs(expected.astype(int) - f).mean((1, 2, 3)).argmin() for f in found]
    assert nearest == list(range(12))


def test_window_workers_and_order_do_not_change_a_byte(tmp_path: Path) -> None:
    clips = [make_episode(tmp_path / "one"), make_video(tmp_path / "two.mp4")]
    variants = variants_of("photographic", count=2, seed=3)
    base = Recipe(variants=variants, seed=3)
    first = contents(fill(tmp_path / "r1", clips, base).path)
    again = contents(fill(tmp_path / "r2", clips[::-1], base, workers=2).path)
    assert first == again
    other = fill(tmp_path / "r3", clips, replace(base, window=3)).path
    videos = {k: v for k, v in contents(other).items() if k.endswith(".mp4")}
    assert videos == {k: v for k, v in first.items() if k.endswith(".mp4")}


def test_seeds_depend_on_names_alone() -> None:
    seeds = {derive_seed(0, c, v) for c in ("a", "b", "ab") for v in ("0", "1", "b0")}
    assert len(seeds) == 9
    assert derive_seed(7, "clip", "look-00") == 9150515356539113168


@pytest.mark.parametrize("moment", [0.6, 1.2])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, moment: float) -> None:
    clips = [make_video(tmp_path / f"{n}.mp4", base=b) for n, b in (("a", 100), ("b", 140))]
    made = recipe(Slow(), Slow(0.02))
    whole = contents(fill(tmp_path / "whole", clips, made).path)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from test_runs import fill, recipe, Slow\n"
        "fill(Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]], recipe(Slow(), Slow(0.02)))\n"
    )
    root = Path(__file__).parent
    command = [sys.executable, "-c", program, str(root), str(tmp_path / "run"), *map(str, clips)]
    process = subprocess.Popen(command, cwd=root)
    lock = tmp_path / "run" / "takes"
    while not lock.exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for video in (tmp_path / "run").rglob("takes/*/[!.]*.mp4"):
        assert video.with_suffix(".json").exists()
        assert whole[str(video.relative_to(tmp_path / "run"))] == video.read_bytes()
    found = contents(fill(tmp_path / "run", clips, made).path)
    assert {k: v for k, v in found.items() if ".partial" not in k} == whole
    assert not [k for k in found if ".partial" in k]


def test_a_second_run_makes_nothing(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "a.mp4")
    fill(tmp_path / "run", [clip], recipe(Echo()))
    stamp = Run(tmp_path / "run").take_video(TakeKey("a", "v0")).stat().st_mtime_ns
    result = lift_clips([open_clip(clip)], recipe(Echo()), tmp_path / "run", progress=Silent())
    assert (result.made, result.kept) == (0, 1)
    assert Run(tmp_path / "run").take_video(TakeKey("a", "v0")).stat().st_mtime_ns == stamp


def test_a_run_of_another_recipe_is_refused(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "a.mp4")
    fill(tmp_path / "run", [clip], recipe(Echo()))
    with pytest.raises(RunError, match=r"holds a run of recipe.*choose another --out"):
        fill(tmp_path / "run", [clip], recipe(Echo(), seed=1))


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="holds no run"):
        fill(tmp_path / "out", [make_video(tmp_path / "a.mp4")], recipe(Echo()))
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_two_processes_on_one_run(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "a.mp4")
    with (
        Run(tmp_path / "run").lock(),
        pytest.raises(RunError, match="another process is filling this run"),
    ):
        fill(tmp_path / "run", [clip], recipe(Echo()))
    fill(tmp_path / "run", [clip], recipe(Echo()))


def test_one_failed_clip_leaves_the_others_whole(tmp_path: Path) -> None:
    clips = [make_video(tmp_path / "dark.mp4", base=0), make_video(tmp_path / "light.mp4")]
    opened = [open_clip(c) for c in clips]
    for workers in (1, 2):
        out = tmp_path / f"run{workers}"
        result = lift_clips(opened, recipe(Broken()), out, workers=workers, progress=Silent())
        assert [f.name for f in result.failures] == ["dark"]
        assert "ZeroDivisionError: dark" in result.failures[0].reason
        assert result.made == 1
        assert [t.clip for t in Run(out).takes()] == ["light"]
        events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
        assert {e["event"] for e in events} == {"clip failed", "clip lifted"}


def test_an_engine_that_owes_frames_is_named(tmp_path: Path) -> None:
    clip = open_clip(make_video(tmp_path / "a.mp4"))
    result = lift_clips([clip], recipe(Wrong()), tmp_path / "run", progress=Silent())
    assert "the engine returned uint8 (1, 48, 64, 3); allowed: uint8 (2, 48, 64, 3)" in (
        result.failures[0].reason
    )


@pytest.mark.parametrize("frames", [1, 4, 5, 6, 12])
def test_before_is_the_tail_of_what_was_made(tmp_path: Path, frames: int) -> None:
    clip = open_clip(make_video(tmp_path / "a.mp4", frames=frames))
    made = lift(clip, Chain())
    assert made[:, 0, 0, 0].tolist() == list(range(frames))
    run = fill(tmp_path / "run", [tmp_path / "a.mp4"], recipe(Chain()))
    take = run.takes()[0]
    assert take.num_frames == frames
    assert take.window_starts == tuple(range(5, frames, 3))


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    clip = open_clip(make_video(tmp_path / "a.mp4"))
    previous = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, previous[1]))
    try:
        result = lift_clips([clip], recipe(Echo()), tmp_path / "run", progress=Silent())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, previous)
        signal.signal(signal.SIGXFSZ, handler)
    assert "cannot be written" in result.failures[0].reason
    assert "way out: free space" in result.failures[0].reason
    assert not list((tmp_path / "run").rglob("*.mp4"))
    fill(tmp_path / "run", [tmp_path / "a.mp4"], recipe(Echo()))


def test_a_disk_that_is_too_small_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_video(tmp_path / "a.mp4")
    usage = os.statvfs(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type(usage)(usage) and _Tiny())
    with pytest.raises(RunError, match=r"0\.00 GB are free, the takes need about"):
        fill(tmp_path / "run", [clip], recipe(Echo()))
    assert not list((tmp_path / "run").rglob("*.mp4"))


class _Tiny:
    free = 100


def test_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    clips = [make_video(tmp_path / "a.mp4"), make_video(tmp_path / "x" / "a.mp4")]
    with pytest.raises(RunError, match="2 clips are named 'a'"):
        fill(tmp_path / "run", clips, recipe(Echo()))


def test_needs_are_checked_before_the_first_frame(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Deep(Slow):
        def needs(self) -> frozenset[Layer]:
            return frozenset({Layer.RGB, Layer.DEPTH})

    clip = open_clip(make_video(tmp_path / "a.mp4"))
    from simlift.passes.lift import check_layers

    with pytest.raises(ClipError, match="the engine needs depth; allowed: the clip has rgb"):
        check_layers(clip, Deep().needs())


def test_provenance_says_what_was_done(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", [make_episode(tmp_path / "ep")], recipe(Photographic(), seed=5))
    take = run.takes()[0]
    assert take.source == (tmp_path / "ep").resolve()
    assert take.seed == derive_seed(5, "ep", "v0")
    assert take.engine == "simlift.engines.photographic.spec:Photographic"
    assert any(s.startswith("light:") for s in take.stages)
    assert take.versions["numpy"] == np.__version__
    assert Plugin(take.engine, take.settings).load() == Photographic()


def test_uneven_times_and_sound_survive_a_lift(tmp_path: Path) -> None:
    times = [Fraction(n, 1000) for n in (0, 40, 120, 130, 400)]
    path = tmp_path / "uneven.mp4"
    with write_video(
        path, height=HEIGHT, width=WIDTH, fps=Fraction(12), timestamps=times
    ) as writer:
        writer.append(np.full((5, HEIGHT, WIDTH, 3), 90, np.uint8))
    run = fill(tmp_path / "run", [path], recipe(Echo()))
    info = probe_video(run.take_video(TakeKey("uneven", "v0")))
    assert info.timestamps == tuple(times)


def test_scores_follow_takes(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", [make_episode(tmp_path / "ep")], recipe(Echo(), Slow(0)))
    assert not score_run(run, progress=Silent())
    echo, negative = (run.sheet(t.key) for t in run.takes())
    assert echo is not None
    assert negative is not None
    assert echo.values()["blur_ssim"] > 0.95
    assert negative.values()["colour_shift"] > 10 * echo.values()["colour_shift"]
    assert not negative.accepted
    assert "blur_ssim" in " ".join(negative.reasons)
    stamp = run.score_file(run.takes()[0].key).stat().st_mtime_ns
    score_run(run, progress=Silent())
    assert run.score_file(run.takes()[0].key).stat().st_mtime_ns == stamp


def test_a_changed_source_is_not_scored(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", [make_video(tmp_path / "a.mp4")], recipe(Echo()))
    make_video(tmp_path / "a.mp4", base=30)
    with pytest.raises(RunError, match="has changed since its takes were made"):
        score_run(run, progress=Silent())


def test_a_take_cut_short_is_named(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", [make_video(tmp_path / "a.mp4")], recipe(Echo()))
    make_video(run.take_video(TakeKey("a", "v0")), frames=5)
    failures = score_run(run, progress=Silent())
    assert "holds 5 frames, its provenance says 12" in failures[0].reason


def test_a_take_damaged_after_it_was_scored_is_named(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", [make_video(tmp_path / "a.mp4")], recipe(Echo()))
    assert not score_run(run, progress=Silent())
    with run.take_video(TakeKey("a", "v0")).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(RunError, match=r"is damaged .* delete the take and run simlift lift again"):
        score_run(run, progress=Silent())


def test_plan_counts_and_refuses(tmp_path: Path) -> None:
    clip = open_clip(make_episode(tmp_path / "ep"))
    plans = plan_lift([clip], Recipe(variants=variants_of("photographic", count=2)))
    assert [p.num_frames for p in plans] == [9, 9]
    assert all(p.seconds is not None and p.seconds > 0 for p in plans)
    assert {s.name: s.on for s in plans[0].stages}["light"]
    bad = variants_of("photographic", replaced=["kraken"])
    with pytest.raises(ClipError, match="kraken"):
        plan_lift([clip], Recipe(variants=bad))


def test_engines_by_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no engine 'photo'; allowed: photographic, echo"):
        variants_of("photo")
    with pytest.raises(RecipeError, match="cannot be imported"):
        variants_of("no_such_lab.engines:NightDrive")
    with pytest.raises(RecipeError, match="has no class"):
        variants_of("simlift.engines.echo:Ecco")
    variants = variants_of("test_runs:Slow", count=2)
    assert [v.name for v in variants] == ["slow-00", "slow-01"]
    assert variants[0].engine.load() == Slow()


@dataclass(frozen=True)
class OfBefore(Echo):
    """An engine that was written when window_size was called span."""

    window_size = None

    def span(self) -> None: ...


def test_engines_of_before_are_refused_with_their_new_names() -> None:
    for old, new in CLASSES.items():
        with pytest.raises(RecipeError, match=f"has moved; way out: it is now called {new}"):
            Plugin(old, {}).load()
        module, _, name = new.partition(":")
        assert hasattr(importlib.import_module(module), name)
    with pytest.raises(RecipeError, match="lacks window_size; .*'span' is now called"):
        variants_of("test_runs:OfBefore")


def test_recipes_refuse_what_cannot_be() -> None:
    with pytest.raises(RecipeError, match="allowed: at least one variant"):
        Recipe(variants=())
    echo = Variant("a", Plugin.of(Echo()))
    with pytest.raises(RecipeError, match="twice"):
        Recipe(variants=(echo, echo))
    with pytest.raises(RecipeError, match="the name '../x'"):
        Variant("../x", Plugin.of(Echo()))
    assert Recipe(variants=(echo,)).gate == Gate()
