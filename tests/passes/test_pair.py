"""The pair pass: segments, gates, decisions with reasons, and the same files however it ends."""

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from simlift.core.errors import ClipError, InputError, RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.pair import PairGate, PairSet
from simlift.core.recipe import Gate, Plugin, Recipe, Variant, derive_seed
from simlift.core.run import Run, hold_folder
from simlift.core.strict_json import load
from simlift.engines.echo import Echo
from simlift.engines.keyframed import Keyframed
from simlift.engines.keyframed.settings import Editing
from simlift.evaluation.gate import judge
from simlift.evaluation.metrics.anchors import anchor_scores, novelty, thumbnails
from simlift.evaluation.metrics.faces import FaceModels, face_scores, overlap
from simlift.media.native import write_clip
from simlift.media.video import VideoStore, probe_video
from simlift.passes.lift import lift_clips
from simlift.passes.pairs.make import PairRecipe, pair_clips, pair_recipe, pair_takes
from simlift.passes.pairs.segments import divide
from simlift.passes.score import score_run
from simlift.pixels.image.cuts import find_cuts
from simlift.scale.progress import Silent
from simlift.sources import open_clip

HEIGHT, WIDTH = 64, 96
# Nothing is rejected, whatever is measured.
OPEN = PairGate(
    **{
        field.name: -1e9 if field.name.startswith("min") else 1e9
        for field in dataclasses.fields(PairGate)
    }
)
TWINS = PairRecipe(twins=True, frames=9, min_frames=5)


def boxes(seed=0, count=9, step=1):
    """A still background of boxes before which others move: `step` pixels a frame."""
    rng = np.random.default_rng(seed)
    back = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for _ in range(14):
        x, y = rng.integers(0, [WIDTH, HEIGHT])
        size = rng.integers(6, 26, 2)
        cv2.rectangle(
            back, (int(x), int(y), *map(int, size)), rng.integers(30, 226, 3).tolist(), -1
        )
    colour = rng.integers(0, 256, 3).tolist()
    frames = np.repeat(back[None], count, 0)
    for k, frame in enumerate(frames):
        cv2.rectangle(frame, (8 + k * step, 20, 22, 18), colour, -1)
    return frames


def relit(frames):
    """What a twin is: the same edges in another light."""
    return np.clip(frames * 0.8 + 30, 0, 255).astype(np.uint8)


def clip_of(folder, render, target=None, caption="boxes"):
    with write_clip(
        folder, name=folder.name, fps=Fraction(24), height=HEIGHT, width=WIDTH, caption=caption
    ) as writer:
        for i, frame in enumerate(render):
            twin = {} if target is None else {Layer.TWIN: target[i]}
            writer.append({Layer.RGB: frame, **twin})
    return open_clip(folder)


def twin_clip(folder, seed=0, count=20, target=relit):
    render = boxes(seed, count)
    return clip_of(folder, render, target(render))


def pair(clips, out, recipe=TWINS, **settings):
    return pair_clips(clips, recipe, out, progress=Silent(), **settings)


def files_of(folder):
    """Everything of a training set that anyone reads."""
    names = [folder / "pairs.jsonl", folder / "decisions.jsonl"]
    names += sorted(folder.glob("videos/*")) + sorted(folder.glob("references/*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def read(path):
    info = probe_video(path)
    with VideoStore(info).open() as video:
        return video.read(range(info.num_frames))


def test_stretches_hold_no_cut_and_are_of_4k_plus_1_frames():
    assert divide(81, [], 81, 17) == [(0, 81)]
    assert divide(100, [], 81, 17) == [(0, 81), (81, 17)]
    assert divide(97, [], 81, 17) == [(0, 81)]
    assert divide(60, [40], 81, 17) == [(0, 37), (40, 17)]
    assert divide(5, [], 81, 17) == []
    assert divide(3, [1], 9, 1) == [(0, 1), (1, 1), (2, 1)]


def test_twins_become_pairs(tmp_path):
    clip = twin_clip(tmp_path / "desk", count=20)
    result = pair([clip], tmp_path / "pairs")
    assert (result.accepted, result.rejected, result.failures) == (2, 0, ())
    pairs = PairSet(tmp_path / "pairs").pairs()
    assert [(p.id, p.start, p.num_frames, p.origin) for p in pairs] == [
        ("desk-000000-twin", 0, 9, "twin"),
        ("desk-000009-twin", 9, 9, "twin"),
    ]
    first = pairs[0]
    assert first.caption == "photorealistic video, boxes"
    assert (first.fps, first.height, first.width) == (24, HEIGHT, WIDTH)
    assert first.source == str((tmp_path / "desk").resolve())
    with clip.open([Layer.RGB, Layer.TWIN]) as reader:
        window = reader.window(range(9))
    for path, frames in ((first.video, window[Layer.TWIN]), (first.reference_video, window.rgb)):
        stored = read(tmp_path / "pairs" / path)
        assert stored.shape == frames.shape
        assert np.abs(stored.astype(int) - frames).mean() < 1.0
    assert first.gates["anchor_shift"] < 0.2
    assert first.gates["colour_jump"] < 0.5


def test_trainers_read_the_lines(tmp_path):
    pair([twin_clip(tmp_path / "desk")], tmp_path / "pairs")
    rows = [json.loads(t) for t in (tmp_path / "pairs" / "pairs.jsonl").read_text().splitlines()]
    for row in rows:
        assert {"caption", "video", "reference_video"} <= set(row)
        assert (tmp_path / "pairs" / row["video"]).is_file()
        assert (tmp_path / "pairs" / row["reference_video"]).is_file()


def late(render):
    return relit(np.roll(render, 4, axis=2))


def still(render):
    return np.repeat(relit(render)[:1], len(render), 0)


def jumping(render):
    target = relit(render)
    cast = np.array([14, 0, -14])
    target[1:] = np.clip(target[1:].astype(int) + cast, 0, 255)
    return target


def flickering(render):
    signs = np.where(np.arange(len(render)) % 2, 12, -12)[:, None, None, None]
    return np.clip(relit(render).astype(int) + signs, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (late, "anchor_shift 4"),
        (still, "anchors_repeat 1 is above 0.5"),
        (jumping, "colour_jump"),
        (flickering, "flicker_ratio"),
    ],
)
def test_spoiled_targets_are_rejected_with_the_reason(tmp_path, spoil, reason):
    render = boxes(2, 9, 4)
    clip = clip_of(tmp_path / "desk", render, spoil(render))
    result = pair([clip], tmp_path / "pairs")
    (decision,) = result.pairs.decisions()
    assert not decision.accepted
    assert [r for r in decision.reasons if r.startswith(reason)], decision.reasons
    assert result.pairs.pairs() == ()
    assert not list((tmp_path / "pairs").glob("videos/*"))


def test_what_was_seen_before_is_no_second_pair(tmp_path):
    render = boxes(0, 18, 0)
    clips = [clip_of(tmp_path / "a", render, relit(render)), twin_clip(tmp_path / "b", 1, 9)]
    result = pair(clips, tmp_path / "pairs")
    reasons = {d.id: d.reasons for d in result.pairs.decisions()}
    assert reasons["a-000000-twin"] == reasons["b-000000-twin"] == ()
    assert re.match("novelty 0[.][01].* is below 0.5", reasons["a-000009-twin"][0])
    assert novelty(thumbnails(render), []) == 255.0


def test_no_pair_spans_a_cut(tmp_path):
    render = np.concatenate([boxes(0, 7), boxes(5, 12)])
    assert list(find_cuts(render)) == [7]
    clip = clip_of(tmp_path / "desk", render, relit(render))
    result = pair([clip], tmp_path / "pairs", replace(TWINS, gate=OPEN))
    assert [(p.start, p.num_frames) for p in result.pairs.pairs()] == [(0, 5), (7, 9)]


def test_a_second_run_keeps_what_is_there_and_mends_what_is_lost(tmp_path):
    clips = [twin_clip(tmp_path / name, seed) for seed, name in enumerate("ab")]
    out = tmp_path / "pairs"
    pair(clips, out)
    before = files_of(out)
    stamps = {p: p.stat().st_mtime_ns for p in out.glob("videos/*")}
    result = pair(clips, out)
    assert result.kept == 4
    assert {p: p.stat().st_mtime_ns for p in out.glob("videos/*")} == stamps
    (out / "videos" / "a-000009-twin.mp4").unlink()
    (out / "videos" / "orphan.mp4").write_bytes(b"left by a killed run")
    assert pair(clips, out).kept == 3
    assert files_of(out) == before


def test_clips_may_be_added_and_a_changed_clip_is_paired_anew(tmp_path):
    first, second = twin_clip(tmp_path / "a", 0), twin_clip(tmp_path / "b", 1)
    out = tmp_path / "pairs"
    pair([first], out)
    result = pair([second], out)
    assert (result.accepted, result.kept) == (4, 0)
    before = files_of(out)
    changed = twin_clip(tmp_path / "other" / "a", 7, 10)
    assert pair([changed], out).accepted == 3
    after = files_of(out)
    assert "videos/a-000009-twin.mp4" not in after
    assert after["videos/b-000000-twin.mp4"] == before["videos/b-000000-twin.mp4"]
    assert after["videos/a-000000-twin.mp4"] != before["videos/a-000000-twin.mp4"]


KILLED = """
import sys
from pathlib import Path
from simlift.passes.pairs.make import PairRecipe, pair_clips
from simlift.scale.progress import Silent
from simlift.sources import open_clip
folder = Path(sys.argv[1])
clips = [open_clip(folder / name) for name in "ab"]
recipe = PairRecipe(twins=True, frames=9, min_frames=5)
pair_clips(clips, recipe, Path(sys.argv[2]), progress=Silent())
"""


def test_a_killed_pass_ends_like_one_that_was_not(tmp_path):
    clips = [twin_clip(tmp_path / name, seed, 18) for seed, name in enumerate("ab")]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    pair(clips, whole)
    running = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), str(killed)])
    deadline = time.monotonic() + 300
    while not list(killed.glob(".work/rows/[!.]*.json")) and time.monotonic() < deadline:
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (killed / "pairs.jsonl").exists()
    assert pair(clips, killed).kept >= 1
    assert files_of(killed) == files_of(whole)
    assert not list(killed.rglob(".*partial*"))


def test_folders_that_are_others(tmp_path):
    clips = [twin_clip(tmp_path / "desk")]
    out = tmp_path / "pairs"
    pair(clips, out)
    with pytest.raises(RunError, match="holds pairs of recipe .*choose another --out"):
        pair(clips, out, replace(TWINS, seed=1))
    with hold_folder(out), pytest.raises(RunError, match="another process"):
        pair(clips, out)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty and holds no pairs"):
        pair(clips, foreign)
    assert load(out / "recipe.json", PairRecipe) == TWINS


def test_what_can_be_refused_is_refused_first(tmp_path):
    plain = clip_of(tmp_path / "plain", boxes())
    out = tmp_path / "pairs"
    with pytest.raises(ClipError, match="needs twin"):
        pair([plain], out)
    with pytest.raises(RecipeError, match="nothing makes targets"):
        pair([plain], out, PairRecipe())
    with pytest.raises(RecipeError, match="found 80; allowed: 4k"):
        PairRecipe(frames=80)
    with pytest.raises(RecipeError, match="at most 9"):
        PairRecipe(frames=9, min_frames=17)
    absent = FaceModels(tmp_path / "yunet.onnx", tmp_path / "sface.onnx")
    with pytest.raises(RecipeError, match=r"yunet.onnx: does not exist"):
        pair([twin_clip(tmp_path / "desk")], out, replace(TWINS, faces=absent))
    assert not list(out.glob("*.json*"))


def test_a_recipe_as_it_is_asked_for():
    made = pair_recipe(
        editor="e",
        propagator="p",
        frames=9,
        settings=(
            "engine.anchors=first",
            "engine.editing.steps=8",
            "gate.max_frozen=1",
            "retries=0",
        ),
    )
    assert made.engine == Keyframed("e", "p", anchors="first", editing=Editing(steps=8))
    assert (made.gate.max_frozen, made.retries, made.min_frames) == (1.0, 0, 9)
    assert pair_recipe(twins=True) == PairRecipe(twins=True)
    alone = pair_recipe(propagator="p", settings=("engine.anchors=none",))
    assert alone.engine is not None and alone.engine.anchors == "none"
    with pytest.raises(RecipeError, match="--editor: is missing"):
        pair_recipe(propagator="p")
    with pytest.raises(RecipeError, match="unknown key 'ancors'.*did you mean 'anchors'"):
        pair_recipe(editor="e", propagator="p", settings=("engine.ancors=none",))


def test_captions_come_from_a_template_a_file_or_a_callable(tmp_path):
    clips = [twin_clip(tmp_path / "desk", count=9)]
    listed = tmp_path / "captions.json"
    listed.write_text(json.dumps({"desk": "a desk"}))
    for number, (recipe, expected) in enumerate(
        [
            (replace(TWINS, caption="real {name}"), "real desk"),
            (replace(TWINS, caption=str(listed)), "a desk"),
        ]
    ):
        out = tmp_path / str(number)
        assert pair(clips, out, recipe).pairs.pairs()[0].caption == expected

    class Counted:
        def caption(self, clip, start, frames):
            return f"{clip.name} from {start}, {len(frames)} frames"

    found = pair(clips, tmp_path / "own", captions=Counted()).pairs.pairs()[0].caption
    assert found == "desk from 0, 9 frames"
    listed.write_text(json.dumps({"desk": "another desk"}))
    changed = pair(clips, tmp_path / "1", replace(TWINS, caption=str(listed)))
    assert changed.kept == 0
    assert changed.pairs.pairs()[0].caption == "another desk"
    with pytest.raises(InputError, match="no caption of 'other'"):
        other = [twin_clip(tmp_path / "other", 3, count=9)]
        failed = pair(other, tmp_path / "1", replace(TWINS, caption=str(listed)))
        raise InputError(*failed.failures[0].reason.partition(": ")[::2])


class Painter:
    """An editor whose every first edit lies 5 pixels off."""

    def __init__(self):
        self.seeds = []

    def edit(self, image, seed):
        self.seeds.append(seed)
        off = len(set(self.seeds)) % 2
        return relit(np.roll(image, 5, axis=1) if off else image)


class Joiner:
    """A propagator that knows the answer, but flickers at its first call."""

    def __init__(self, frames):
        self.frames, self.calls = frames, []

    def propagate(self, video, generate, prompt, seed):
        self.calls.append((generate, prompt, seed))
        return flickering(self.frames) if len(self.calls) == 1 else relit(self.frames)


@pytest.fixture
def pretend(monkeypatch):
    """Stand known hands in for both networks."""
    frames = boxes(4, 9, 2)
    joiner, painter = Joiner(frames), Painter()

    @contextmanager
    def editor(self, device):
        yield painter

    @contextmanager
    def propagator(self, device):
        yield joiner

    monkeypatch.setattr(Keyframed, "open_editor", editor)
    monkeypatch.setattr(Keyframed, "open_propagator", propagator)
    monkeypatch.setattr(Keyframed, "check", lambda self, clip: ())
    monkeypatch.setattr(Keyframed, "digests", lambda self: {"editor": "e1", "propagator": "p1"})
    return frames, painter, joiner


def test_anchors_and_pairs_are_tried_again_with_other_seeds(tmp_path, pretend):
    frames, painter, joiner = pretend
    clip = clip_of(tmp_path / "desk", frames)
    recipe = PairRecipe(Keyframed("e", "p"), frames=9, min_frames=9, retries=4, seed=6)
    result = pair([clip], tmp_path / "pairs", recipe)
    (made,) = result.pairs.pairs()
    (decision,) = result.pairs.decisions()
    # Off, good but flickering, off, good.
    assert decision.attempts == 4
    assert len(joiner.calls) == 2
    assert made.origin == "keyframed"
    assert made.models == {"editor": "e1", "propagator": "p1"}
    assert made.seeds["anchors"] == derive_seed(6, "desk", "0", "anchor", "3")
    assert made.seeds["propagation"] == joiner.calls[1][2]
    assert joiner.calls[0][0].tolist() == [False, *[True] * 7, False]
    assert joiner.calls[0][1] == "photorealistic video, boxes"
    seeds = [derive_seed(6, "desk", "0", "anchor", str(k)) for k in (0, 0, 1, 1, 2, 2, 3, 3)]
    assert painter.seeds == seeds
    assert not list((tmp_path / "pairs" / ".work" / "anchors").glob("*"))


def test_a_pair_is_given_up_with_the_last_reason(tmp_path, pretend):
    clip = clip_of(tmp_path / "desk", pretend[0])
    recipe = PairRecipe(Keyframed("e", "p"), frames=9, min_frames=9, retries=0)
    result = pair([clip], tmp_path / "pairs", recipe)
    (decision,) = result.pairs.decisions()
    assert (decision.accepted, decision.attempts) == (False, 1)
    assert decision.reasons[0].startswith("anchor at frame 0: ")
    assert {"anchor_edge_f1", "anchor_shift", "anchor_zoom"} <= set(decision.gates)


def test_twins_and_models_fill_one_set(tmp_path, pretend):
    clip = clip_of(tmp_path / "desk", pretend[0], relit(pretend[0]))
    recipe = PairRecipe(Keyframed("e", "p"), twins=True, frames=9, min_frames=9, gate=OPEN)
    result = pair([clip], tmp_path / "pairs", recipe)
    assert [p.origin for p in result.pairs.pairs()] == ["keyframed", "twin"]


def test_accepted_takes_enter_by_the_same_door(tmp_path):
    clip = clip_of(tmp_path / "desk", boxes(0, 9))
    run = Run(tmp_path / "run")
    recipe = Recipe((Variant("echo", Plugin.of(Echo())),), gate=Gate())
    lift_clips([clip], recipe, run.path, progress=Silent())
    with pytest.raises(RunError, match="has no score"):
        pair_takes(run, TWINS, tmp_path / "pairs", progress=Silent())
    score_run(run, progress=Silent())
    result = pair_takes(run, TWINS, tmp_path / "pairs", progress=Silent())
    (made,) = result.pairs.pairs()
    assert (made.id, made.origin) == ("desk-echo-000000-take", "take")


def test_ends_of_a_pair_in_closed_form():
    render = boxes(3, 9, 4)
    same = anchor_scores(render, render)
    assert same["anchor_edge_f1"] == 1.0
    assert same["colour_jump"] == same["anchors_repeat"] == 0.0
    assert anchor_scores(render, still(render))["anchors_repeat"] == 1.0
    calm = boxes(3, 9, 0)
    assert anchor_scores(calm, calm)["anchors_repeat"] == 0.0
    assert "colour_jump" not in anchor_scores(render[:1], render[:1])


def test_a_gate_says_what_speaks_against_a_pair():
    assert judge(PairGate(), {"anchor_shift": 3.0, "face_similarity": float("nan")}) == (
        False,
        ("anchor_shift 3 is above 1",),
    )


class Faces:
    """Finds one face where a picture is bright, as alike as its brightness."""

    def find(self, image):
        if image.mean() < 50:
            return []
        return [np.array([4, 4, 40, 40, *[0] * 10, 0.9], np.float32)]

    def similarity(self, one, face, other, other_face):
        return float(other.mean() / one.mean())


def test_faces_that_stay_and_faces_that_are_lost(tmp_path):
    models = FaceModels(tmp_path / "a", tmp_path / "b", every=4)
    bright = np.full((8, 64, 64, 3), 100, np.uint8)
    target = bright // 2
    target[4] = 0
    scores = face_scores(models, Faces(), bright, target)
    assert scores == {"face_found": 0.5, "face_similarity": 0.5}
    assert face_scores(models, Faces(), bright * 0, target) == {}
    small = replace(models, smallest=60)
    assert face_scores(small, Faces(), bright, bright) == {}
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 0, 10, 10)) == 0.0


def test_files_that_are_no_networks_are_refused(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"not a network")
    with pytest.raises(RecipeError, match="cannot be opened"):
        FaceModels(tmp_path / "a", tmp_path / "b").check()


def test_a_shipped_twin_is_a_good_pair(tmp_path):
    from simlift.passes.demo import demo_clips

    recipe = PairRecipe(twins=True, frames=5, min_frames=5)
    clip = short(demo_clips()[0])
    result = pair_clips([clip], recipe, tmp_path / "pairs", progress=Silent())
    assert [d.reasons for d in result.pairs.decisions()] == [()]


def short(clip):
    """Return the clip as if it had six frames."""
    layers = tuple(
        replace(stored, store=Shortened(stored.store))
        for stored in clip.layers
        if stored.layer in (Layer.RGB, Layer.TWIN)
    )
    return replace(clip, layers=layers, num_frames=6, camera=None, objects=None, robot=None)


@dataclasses.dataclass(frozen=True)
class Shortened:
    """The first six frames of a store."""

    store: object
    num_frames: int = 6

    @property
    def height(self):
        return self.store.height

    @property
    def width(self):
        return self.store.width

    @property
    def files(self):
        return self.store.files

    def open(self):
        return self.store.open()
