"""The OSCAR engine against a stand-in release that speaks its API, and workers that break."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from tiny import clips as builders
from tiny.oscar_release import (
    ANY,
    HEIGHT,
    WIDTH,
    Dots,
    broken_worker,
    ends,
    project,
    recipe_of,
    write_episode,
    write_release,
)

from simlift.core.clip_sample import sample_clip
from simlift.core.errors import ClipError, RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.recipe import Plugin
from simlift.core.run import Run
from simlift.engines.anchors import FirstFrames
from simlift.engines.oscar import Oscar
from simlift.engines.oscar import process as processes
from simlift.engines.oscar.conditions import draw_skeleton, first_skeleton, fit_frames
from simlift.engines.oscar.jobs import open_skeleton
from simlift.engines.oscar.process import Launch, Worker, WorkerFault
from simlift.engines.oscar.spec import PYTHON_VARIABLE, WORKER
from simlift.engines.remote.aleph import windows
from simlift.media.video import VideoStore, probe_video
from simlift.passes.lift import lift_clips
from simlift.passes.lift_windows import lift
from simlift.passes.plan import plan_lift
from simlift.scale.progress import Silent
from simlift.sources import open_clip

COUNT = 7  # frames: windows of 5 that share one: 0-4 and 4-6
LONG = 11  # three windows: 0-4, 4-8, 8-10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_episode(tmp_path_factory.mktemp("clips") / "clip", COUNT)


@pytest.fixture
def clip(folder):
    return open_clip(folder)


@pytest.fixture
def release(tmp_path):
    return write_release(tmp_path / "release")


@pytest.fixture(autouse=True)
def _no_worker_stays():
    yield
    processes.stop_idle_workers()


def spec_of(release, **changes):
    settings = {
        "checkpoint": str(release.folder / "checkpoint"),
        "frames": 5,
        "steps": 2,
        "first_frames": FirstFrames("tiny.oscar_release:Recolour", gate=ANY),
        "control": Plugin("tiny.oscar_release:Dots"),
        "worker": release.worker,
    }
    return Oscar(**settings | changes)


def window_of(clip, count=COUNT):
    with clip.open([Layer.RGB, Layer.SEGMENTATION]) as reader:
        return reader.window(range(count)), sample_clip(reader)


def frames_of(path):
    store = VideoStore(probe_video(path))
    with store.open() as reader:
        return reader.read(range(store.num_frames))


def test_windows_are_chained_and_trimmed_to_the_clips_frames(release, tmp_path):
    clip, spec = open_clip(write_episode(tmp_path / "long", LONG)), spec_of(release)
    made = lift(clip, spec, seed=3)
    assert made.shape == (LONG, HEIGHT, WIDTH, 3)
    assert spec.window_starts(LONG) == (0, 4, 8)
    assert len(release.jobs) == 3
    assert release.loads == 1
    # Every frame shows the link where the simulator has it in that very frame.
    window, _ = window_of(clip, LONG)
    for t in range(1, LONG):
        x, y = project(window, t)[0]
        assert made[t, int(y), int(x), 0] > 180
        assert made[t, int(y), int(x), 1] < 90


def test_the_first_frame_is_the_given_one_and_a_window_goes_on_from_the_last(clip, release):
    spec, (window, sample) = spec_of(release), window_of(clip)
    with spec.open("cpu") as engine:
        one = engine.lift(window.part(slice(0, 5)), sample=sample, previous=None, seed=3)
        two = engine.lift(window.part(slice(4, 7)), sample=sample, previous=one[-1:], seed=3)
        notes = engine.attest(3)
    with spec.first_frames.spec().open("cpu") as maker:
        plain = maker.make(window, sample=sample, scene=None, seed=0)
    assert (one[0, ..., 1:] == plain[..., 1:]).all()  # red depends on the seed
    assert len(two) == 2
    # The stand-in halves what it was given: the second window was given the end of the first.
    dark = (two[0].mean() - one[-1].mean() / 2) % 64
    assert dark == pytest.approx(spec.window_seed(3, 4) % 64, abs=3)
    assert "seed 1 of 3; robot shifted by" in notes[0]
    assert notes[1].startswith("prompt: Real camera footage of a robot arm")
    assert "a table" in notes[1]
    assert [n.partition(":")[0] for n in notes[2:]] == [
        "window from frame 0",
        "window from frame 4",
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_a_clip_below_a_window_is_padded_and_a_picture_is_its_first_frame(release, tmp_path, count):
    clip = open_clip(write_episode(tmp_path / "short", count))
    assert len(lift(clip, spec_of(release), seed=3)) == count
    assert len(release.jobs) == count - 1


def test_takes_tell_windows_prompt_and_what_was_measured(clip, release, tmp_path):
    recipe = recipe_of(spec_of(release), count=2)
    other = replace(clip, name="clip2")
    result = lift_clips([clip, other], recipe, tmp_path / "run", progress=Silent())
    assert result.failures == ()
    assert result.made == 4
    assert release.loads == 1  # one load for all clips and variants
    assert len(release.jobs) == 8
    takes = Run(tmp_path / "run").takes()
    for take in takes:
        assert take.window_starts == (5,)
        assert take.num_frames == COUNT
        assert take.fps == Fraction(24)
        assert any(
            note.startswith("first frame: tiny.oscar_release:Recolour") for note in take.notes
        )
        assert sum(note.startswith("window from frame") for note in take.notes) == 2
        assert any("24 fps: every frame is kept" in stage for stage in take.stages)
        assert any("only the DROID part" in stage for stage in take.stages)
        video = Run(tmp_path / "run").take_video(take.key)
        assert frames_of(video).shape == (COUNT, HEIGHT, WIDTH, 3)
    assert len({take.seed for take in takes}) == 4
    assert len({note for take in takes for note in take.notes if note.startswith("prompt")}) > 1


def test_equal_seeds_give_equal_frames_and_others_others(clip, release):
    spec = spec_of(release)
    one, same, other = (lift(clip, spec, seed=seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_a_killed_run_goes_on_with_the_windows_that_are_left(clip, release, tmp_path):
    spec = spec_of(release, keep=tmp_path / "keep")
    whole = lift(clip, spec, seed=3)
    assert len(release.jobs) == 2
    again = lift(clip, spec, seed=3)
    assert len(release.jobs) == 2
    assert (again == whole).all()
    outputs = sorted((tmp_path / "keep").glob("*/frames.npy"), key=lambda p: p.stat().st_mtime_ns)
    outputs[-1].unlink()  # a worker that was killed leaves no output, whole or not
    assert (lift(clip, spec, seed=3) == whole).all()
    assert len(release.jobs) == 3


def test_a_run_that_was_stopped_makes_what_is_left(clip, release, tmp_path):
    recipe = recipe_of(spec_of(release))
    release.misbehave(job="raise")
    result = lift_clips([clip], recipe, tmp_path / "run", progress=Silent())
    (failure,) = result.failures
    assert "OSCAR failed: MemoryError: out of GPU memory" in failure.reason
    assert not list((tmp_path / "run").rglob("*.mp4"))
    release.misbehave()
    assert lift_clips([clip], recipe, tmp_path / "run", progress=Silent()).made == 1
    assert lift_clips([clip], recipe, tmp_path / "run", progress=Silent()).kept == 1
    assert release.loads == 1  # a job that failed is no fault of the worker


def test_a_worker_that_dies_once_is_replaced_once(clip, release):
    release.misbehave(job="die once")
    expected = lift(clip, spec_of(release), seed=3)
    assert release.loads == 2
    assert (lift(clip, spec_of(release), seed=3) == expected).all()


@pytest.mark.parametrize(
    "job, words",
    [
        ("die", r"failed by two workers; .*ended in job \w+ \(exit status 7\).*device lost"),
        ("raise", "OSCAR failed: MemoryError: out of GPU memory"),
        ("short", r"made uint8 \(4, 480, 640, 3\); allowed: uint8 \(5, 480, 640, 3\)"),
        ("small", r"made uint8 \(5, 240, 640, 3\)"),
        ("float", "OSCAR failed: TypeError: the pipeline made float64 frames"),
    ],
)
def test_jobs_that_fail_say_how(clip, release, job, words):
    release.misbehave(job=job)
    with pytest.raises(RunError, match=f"(?s){words}"):
        lift(clip, spec_of(release), seed=3)
    assert release.loads == (2 if job == "die" else 1)


def test_a_worker_that_hangs_is_given_up_and_killed(clip, release):
    release.misbehave(job="hang")
    with pytest.raises(
        RunError, match=r"failed by two workers; .*was waited for job \w+ for 0.4 s"
    ):
        lift(clip, spec_of(release, job_seconds=0.4), seed=3)
    assert release.loads == 2
    assert ends(release.last_process)


def test_a_checkpoint_that_does_not_load_is_told_with_the_workers_last_words(clip, release):
    release.misbehave(load="raise")
    with pytest.raises(
        RunError, match=r"(?s)ended before it was ready \(exit status 1\).*cut short"
    ):
        lift(clip, spec_of(release), seed=3)
    assert release.loads == 1  # what does not load is not loaded again


@pytest.mark.parametrize(
    "how, settings, words",
    [
        ("exits", {}, r"ended before it was ready \(exit status 3\).*no module named torch"),
        ("garbage", {}, "wrote a line that is no event: 'Loading checkpoint shards: 100%'"),
        ("never ready", {"start_seconds": 0.5}, "was waited to be ready for 0.5 s"),
        ("deaf", {"silence_seconds": 0.5}, "was silent for 0.5 s, waited for job"),
        ("liar", {}, "said that it is done and wrote no frames"),
        ("babbles", {}, "two workers.*wrote a line that is no event: '{\"step\": 1}'"),
    ],
)
def test_workers_that_break_the_protocol(clip, release, tmp_path, how, settings, words):
    spec = spec_of(release, worker=broken_worker(tmp_path, how), **settings)
    with pytest.raises(RunError, match=f"(?s){words}"):
        lift(clip, spec, seed=3)


def test_a_worker_that_ignores_the_end_of_its_input_is_killed(tmp_path):
    worker = Worker(Launch(broken_worker(tmp_path, "stubborn"), start=20))
    process = worker._process.pid
    worker.stop(grace=0.1)
    assert ends(process)


def test_a_worker_that_died_between_jobs_is_a_fault(release):
    launch = Launch((*release.worker, "--checkpoint", "x"), start=20)
    worker = Worker(launch)
    os.killpg(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    with pytest.raises(WorkerFault, match=r"signal 9"):
        worker.do({"id": "a"})
    worker.stop()


def test_a_worker_ends_with_the_process_that_started_it(clip, release, folder):
    """Killed, a process can clean nothing up: the end of stdin tells the worker, in a job too."""
    release.misbehave(job="hang")
    plugin = Plugin.of(spec_of(release))
    code = f"""
        from simlift.core.recipe import Plugin
        from simlift.passes.lift_windows import lift
        from simlift.sources import open_clip
        import pathlib
        spec = Plugin({plugin.kind!r}, {plugin.settings!r}).load()
        lift(open_clip(pathlib.Path({str(folder)!r})), spec, seed=3)
    """
    paths = os.pathsep.join([*sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], env=os.environ | {"PYTHONPATH": paths}
    )
    try:
        assert waits_for(lambda: release.jobs)
    finally:
        parent.kill()
        parent.wait()
    assert ends(release.last_process)


def waits_for(condition, seconds=40.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_a_checkpoint_on_the_hub_is_taken_at_its_revision(release):
    (release.folder / "huggingface_hub.py").write_text(
        "def snapshot_download(name, revision):\n    return f'/cache/{name}/{revision}'\n"
    )
    spec = spec_of(release, checkpoint="owner/model", revision="abc123")
    Worker(spec.launch()).stop()
    assert release.log[0].startswith("load /cache/owner/model/abc123 ")
    assert spec.weights() == "owner/model@abc123"


def test_an_option_that_the_release_has_no_argument_for_is_never_dropped(clip, release):
    with pytest.raises(RunError, match=r"shift=3.0 was asked, the release uses 5.0 and has no arg"):
        lift(clip, spec_of(release, shift=3.0), seed=3)


@pytest.mark.parametrize("height, width", [(480, 640), (240, 320), (180, 320), (320, 180)])
@pytest.mark.parametrize("fit", ["letterbox", "squash"])
def test_the_camera_is_fitted_with_the_picture(clip, height, width, fit):
    """A point projects into the fitted frame where its pixel of the clip's frame goes."""
    how = fit_frames(height, width, fit)
    assert (how.padded_height, how.padded_width) == (480, 640)
    inner = how.inner_width / how.inner_height
    assert inner == pytest.approx(4 / 3 if fit == "squash" else width / height, rel=3e-3)
    window, _ = window_of(clip, 3)
    window = replace(
        window,
        arrays={Layer.RGB: np.zeros((3, height, width, 3), np.uint8)},
        camera=builders.camera(3, height, width),
        _derived={},
    )
    drawn = draw_skeleton(Dots(), window, how, "model")
    assert drawn.shape == (3, 480, 640, 3)
    for t in range(3):
        x, y = (how.pixel_map @ [*project(window, t)[0], 1])[:2]
        rows, columns = np.nonzero(drawn[t, ..., 0])
        # A dot of radius 4 about the pixel that holds the point.
        assert (columns.mean(), rows.mean()) == pytest.approx((int(x), int(y)), abs=0.01)
        assert len(rows) == 49
    small = draw_skeleton(Dots(), window, how, "clip")
    assert (first_skeleton(Dots(), window) > 0).any()
    assert (small.max(axis=(1, 2, 3)) > 100).all()
    if how.resizes:
        assert (small != drawn).any()


def test_the_skeleton_is_black_where_frames_are_padded(clip):
    window, _ = window_of(clip, 1)
    wide = np.zeros((1, 90, 320, 3), np.uint8)
    window = replace(
        window, arrays={Layer.RGB: wide}, camera=builders.camera(1, 90, 320), _derived={}
    )
    how = fit_frames(90, 320, "letterbox")

    class White:
        def needs(self):
            return frozenset({Layer.RGB})

        def draw(self, window):
            return np.full((len(window), *window.size, 3), 255, np.uint8)

    for place in ("model", "clip"):
        drawn = draw_skeleton(White(), window, how, place)
        assert drawn[:, 150:330].min() == 255
        assert drawn[:, :150].max() == 0
        assert drawn[:, 330:].max() == 0


def test_a_plan_says_what_will_run_and_starts_nothing(clip, release):
    (plan,) = plan_lift([clip], recipe_of(spec_of(release)))
    told = {stage.name: stage.reason for stage in plan.stages}
    assert told["first frame"] == "recoloured; up to 3 seeds, each judged"
    assert told["size"].startswith("160x120 as 640x480 inside 640x480")
    assert told["rate"].startswith("24 fps: every frame is kept and none made up")
    assert told["windows"].startswith("2 of 5 frames; each goes on from the last frame")
    assert "the last is 3 long" in told["windows"]
    assert told["model"].startswith(str(release.folder))
    assert plan.seconds is None
    assert plan.basis.startswith("2 windows of 5 frames and 2 steps")
    assert release.log == []


@pytest.mark.parametrize("count", [1, 2, 5, 6, 9, 10, 81, 82, 161, 162])
def test_windows_are_counted_as_they_are_read(count):
    for frames in (5, 81):
        spec = Oscar(frames=frames)
        assert len(spec.window_starts(count)) == len(windows(count, spec.window_size()))


def test_a_clip_of_another_rate_can_be_refused(clip, release):
    with pytest.raises(ClipError, match="has 24 fps; allowed: 15 fps, as the model is told"):
        spec_of(release, other_rates="refuse").check(clip)
    spec_of(release, other_rates="refuse", fps=24.0).check(clip)


def test_a_clip_without_a_robot_is_refused_before_anything_is_made(clip, release):
    with pytest.raises(ClipError, match="no robot"):
        spec_of(release).check(replace(clip, robot=None))


def test_a_control_that_draws_another_size_is_refused(clip, release):
    with pytest.raises(ClipError, match="leave its size unset"):
        window, _ = window_of(clip, 1)

        class Small:
            def needs(self):
                return frozenset({Layer.RGB})

            def draw(self, window):
                return window.rgb[:, ::2]

        first_skeleton(Small(), window)


def test_without_a_runnable_worker_nothing_begins(clip, release, monkeypatch, tmp_path):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    with pytest.raises(RecipeError, match=f"oscar.worker: is not given.*{PYTHON_VARIABLE}"):
        spec_of(release, worker=()).check(clip)
    with pytest.raises(RecipeError, match="nowhere/python cannot be run"):
        spec_of(release, worker=("nowhere/python",)).check(clip)
    with pytest.raises(RecipeError, match="gone.py does not exist"):
        spec_of(release, worker=(sys.executable, "gone.py")).check(clip)
    with pytest.raises(RecipeError, match="oscar.checkpoint: no/such/place does not exist"):
        spec_of(release, checkpoint="no/such/place").check(clip)
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    launch = spec_of(release, worker=()).launch()
    assert launch.command[:2] == (sys.executable, str(WORKER))
    hub = spec_of(release, worker=(sys.executable,), checkpoint="zywu2115/OSCAR-2B").launch()
    assert hub.command[:2] == (sys.executable, str(WORKER))
    assert hub.command[-2:] == ("--revision", Oscar().revision)
    assert "--revision" not in launch.command


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"steps": 0}, "oscar.steps: found 0"),
        ({"frames": 80}, "oscar.frames: found 80; allowed: 4k\\+1"),
        ({"fps": 0.0}, "oscar.fps"),
        ({"prompt": "in {place}"}, "oscar.prompt: found {place}; allowed: {caption}"),
        ({"job_seconds": 0.0}, "oscar.job_seconds"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(RecipeError, match=words):
        Oscar(**changes)


def test_a_recipe_keeps_the_engine_and_a_worker_elsewhere_makes_the_same_takes(release):
    spec = spec_of(release)
    assert Plugin.of(spec).load() == spec
    json.dumps(Plugin.of(spec).settings)
    assert replace(spec, worker=("elsewhere",), job_seconds=9.0) == spec
    assert replace(spec, steps=3) != spec


def test_the_colours_of_the_skeleton_survive_coding_whoever_decodes_it(tmp_path):
    frames = np.zeros((3, 480, 640, 3), np.uint8)
    colours = [(255, 255, 0), (0, 0, 255), (0, 255, 0), (255, 0, 0)]
    for k, colour in enumerate(colours):
        frames[:, 100:200, 100 + 100 * k : 180 + 100 * k] = colour
    with open_skeleton(tmp_path / "s.mp4", 15.0) as video:
        video.append(frames)
    seen = {"ours": frames_of(tmp_path / "s.mp4")[0]}
    seen["OpenCV"] = cv2.VideoCapture(str(tmp_path / "s.mp4")).read()[1][..., ::-1]
    with av.open(str(tmp_path / "s.mp4")) as container:
        coded = next(container.decode(video=0))
        plain = coded.reformat(format="rgb24", src_colorspace=Colorspace.ITU601)
        seen["BT.601 whatever it says"] = plain.to_ndarray()
    for name, decoded in seen.items():
        worst = np.abs(decoded.astype(int) - frames[0])[120:180]
        centres = [worst[:, 120 + 100 * k : 160 + 100 * k].max() for k in range(4)]
        assert max(centres) <= 4, (name, centres)
