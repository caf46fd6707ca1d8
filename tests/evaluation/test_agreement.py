"""Whether layers in another convention than they are read in are told, and right ones never are."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from tiny import clips as builders
from tiny.excerpts import Excerpt, excerpt
from tiny.wrong_conventions import DOUBTED, WRONG, depth, late

from simlift.core.clip import Clip
from simlift.core.errors import ClipError
from simlift.core.layers import Layer, Unit
from simlift.core.read_options import ReadOptions
from simlift.core.run import Run, TakeKey
from simlift.evaluation import agreement
from simlift.evaluation.agreement import Agreement, Finding, Verdict, check_layers
from simlift.passes import agreement as remembered
from simlift.passes.demo import EPISODES, episode_path
from simlift.sources import open_clip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_convention_is_told_with_its_cause(name):
    episode, change, check, words = WRONG[name]
    found = check_layers(change(excerpt(episode, 10, 6)).clip())
    texts = [f.text() for f in found.contradictions]
    assert any(check in text.partition(": ")[0] and words in text for text in texts), texts


@pytest.mark.parametrize("name", DOUBTED)
def test_a_fault_that_weak_evidence_shows_is_doubted(name):
    episode, change, check, words = DOUBTED[name]
    found = check_layers(change(excerpt(episode, 10, 6)).clip()).findings
    texts = [f.text() for f in found if f.verdict is Verdict.DOUBT]
    assert any(check in text.partition(": ")[0] and words in text for text in texts), texts


@pytest.mark.parametrize("layer", [Layer.DEPTH, Layer.SEGMENTATION, Layer.RGB])
def test_a_late_sensor_is_told_with_its_frames(layer):
    """Ids of another frame differ by a pixel or two where bodies move, and nowhere else."""
    e = excerpt("tabletop", 20, 48)
    wanted = {Layer.RGB, Layer.SEGMENTATION, layer}
    e = replace(e, layers={k: v for k, v in e.layers.items() if k in wanted})
    found = check_layers(e.changed(layer, late(2)).clip())
    words = "2 frames early" if layer is Layer.RGB else "2 frames late"
    assert any(words in f.text() for f in found.contradictions), found


@pytest.mark.parametrize("episode", EPISODES)
def test_right_clips_agree(episode):
    found = check_layers(open_clip(episode_path(episode)))
    assert not [f for f in found.findings if f.verdict in (Verdict.CONTRADICTS, Verdict.DOUBT)]
    assert sum(f.verdict is Verdict.AGREES for f in found.findings) >= 5
    assert not check_layers(excerpt(episode, 10, 6).clip()).contradictions


def test_right_clips_of_other_kinds_are_not_refused():
    """A crop moves the principal point; rounded depth has steps; a floor may hide its horizon."""
    for episode in EPISODES:
        assert not check_layers(cropped(excerpt(episode, 10, 6)).clip()).contradictions
        rounded = depth(lambda d: np.round(d, 1))(excerpt(episode, 10, 6))
        assert not check_layers(rounded.clip()).contradictions
    assert not check_layers(chequered_floor().clip()).contradictions


def test_no_evidence_is_said(tmp_path):
    """A camera that stands still, or is not there, says nothing of depth."""
    still = verdict_of(check_layers(excerpt("tabletop", 0, 4).clip()), "depth and camera")
    assert still.verdict is Verdict.NO_EVIDENCE and "stands still" in still.evidence
    clip = excerpt("drive", 10, 6).clip()
    without = verdict_of(check_layers(replace(clip, camera=None)), "depth and camera")
    assert without.verdict is Verdict.NO_EVIDENCE and "no camera" in without.evidence
    plain = builders.video(tmp_path / "a.mp4", builders.flat_frames(5))
    assert check_layers(open_clip(plain)).findings == ()


def test_ranges_and_zeros_are_said():
    e = excerpt("drive", 10, 6)
    found = check_layers(e.clip())
    low, high = found.depth_range
    assert 2 < low < 4 and 90 < high < 110
    assert found.sky == pytest.approx(np.isinf(e.layers[Layer.DEPTH]).mean(), abs=0.01)
    zero = check_layers(depth(lambda d: np.where(np.isinf(d), 0, d))(e).clip())
    assert any(
        f.verdict is Verdict.DOUBT and "are 0, negative or NaN" in f.evidence for f in zero.findings
    )


def test_flow_that_leads_elsewhere_is_told(tmp_path):
    """The scene of the tests moves by closed forms; flow is turned, then taken back a frame."""
    clip = open_clip(builders.native(tmp_path / "clip", height=96, width=160))
    assert not check_layers(clip).contradictions
    e = excerpt("drive", 10, 6)
    count, height, width = e.layers[Layer.DEPTH].shape
    shift = np.zeros((count, height, width, 2), np.float32)
    shift[..., 0] = 3.0
    rolled = np.stack([np.roll(e.layers[Layer.RGB][0], 3 * k, axis=1) for k in range(count)])
    moving = replace(e, layers={Layer.RGB: rolled, Layer.FLOW: shift})
    assert not check_layers(moving.clip()).contradictions
    for signs, words in (((-1, 1), "left"), ((-1, -1), "one before")):
        turned = moving.changed(Layer.FLOW, lambda f, s=signs: f * np.float32(s))
        assert any("leads" in f.cause for f in check_layers(turned.clip()).contradictions), words


def test_contradictions_are_refused_and_can_be_trusted(tmp_path):
    folder = builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH], height=96, width=160)
    builders.edit_manifest(folder, layers=with_depth(folder, metres_per_unit=1.0))
    with pytest.raises(ClipError, match=r"contradict each other.*millimetres.*--trust"):
        remembered.require_agreement([open_clip(folder)])
    (clip,) = remembered.require_agreement([open_clip(folder, ReadOptions(trust=True))])
    assert any("millimetres" in text for text in clip.trusted)


def test_what_was_trusted_stands_in_the_provenance(tmp_path):
    from simlift.core.recipe import Recipe
    from simlift.passes.lift import lift_clips
    from simlift.passes.score import score_run
    from simlift.passes.variants import variants_of
    from simlift.scale.progress import Silent

    folder = builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH], 3, 96, 160)
    builders.edit_manifest(folder, layers=with_depth(folder, metres_per_unit=1.0))
    recipe = Recipe(variants=variants_of("photographic", count=1))
    trusted = open_clip(folder, ReadOptions(trust=True))
    lift_clips([trusted], recipe, tmp_path / "run", progress=Silent())
    (take,) = Run(tmp_path / "run").takes()
    assert take.key == TakeKey("clip", recipe.variants[0].name)
    assert take.trusted and take.read_options.trust
    assert not score_run(Run(tmp_path / "run"), progress=Silent())


def test_it_is_computed_once_for_equal_files(tmp_path, monkeypatch):
    monkeypatch.setenv(remembered.CACHE_VARIABLE, str(tmp_path / "cache"))
    calls: list[Clip] = []
    answer = Agreement((Finding("a", Verdict.DOUBT, "b"),), (1.0, 2.0), 0.5, 3)

    def count(clip: Clip) -> Agreement:
        calls.append(clip)
        return answer

    monkeypatch.setattr(remembered, "check_layers", count)
    folder = builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH])
    assert remembered.examine(open_clip(folder)) == answer
    assert remembered.examine(open_clip(folder)) == answer
    assert len(calls) == 1
    builders.edit_manifest(folder, layers=with_depth(folder, metres_per_unit=0.5))
    remembered.examine(open_clip(folder))
    assert len(calls) == 2
    for path in (tmp_path / "cache").rglob("*.json"):
        path.write_text("{")
    assert remembered.examine(open_clip(folder)) == answer


def test_relative_depth_and_other_rates_do_not_disturb():
    e = excerpt("drive", 10, 6)
    d = e.layers[Layer.DEPTH]
    inverse = np.clip(2 / d, 0, 1)
    clip = replace(e, fps=Fraction(30000, 1001)).changed(Layer.DEPTH, lambda _: 1 - inverse).clip()
    layers = tuple(
        replace(s, unit=Unit.RELATIVE) if s.layer is Layer.DEPTH else s for s in clip.layers
    )
    found = check_layers(replace(clip, layers=layers))
    assert not found.contradictions and found.depth_range is None
    assert agreement.VERSION >= 1


def cropped(e: Excerpt) -> Excerpt:
    """Return the upper right quarter of the frames, in another shape."""
    height, width = e.layers[Layer.RGB].shape[1:3]
    left = width // 3
    layers = {k: x[:, : height // 2, left:] for k, x in e.layers.items()}
    return replace(
        e, layers=layers, intrinsics=e.intrinsics - np.array([[0, 0, left], [0] * 3, [0] * 3])
    )


def chequered_floor() -> Excerpt:
    """Return a floor of strong checks under a sky of their mean colour: its horizon is no edge."""
    k = np.array([[200.0, 0, 160], [0, 200, 90], [0, 0, 1]])
    rows, columns = np.mgrid[:180, :320] + 0.5
    with np.errstate(divide="ignore"):
        z = np.where(rows > 70, 600 / (rows - 70), np.inf)
    x = np.where(rows > 70, (columns - 160) * 3 / np.maximum(rows - 70, 0.5), 0)
    checks = (np.floor(x) + np.floor(np.minimum(z, 1e4))) % 2
    grey = np.where(rows > 80, 40 + 180 * checks, 130).astype(np.uint8)
    layers = {
        Layer.RGB: np.repeat(grey[..., None], 3, -1)[None].repeat(3, 0),
        Layer.DEPTH: z.astype(np.float32)[None].repeat(3, 0),
        Layer.SEGMENTATION: np.int32(rows > 70)[None].repeat(3, 0),
    }
    return Excerpt(layers, k[None].repeat(3, 0), np.eye(4)[None].repeat(3, 0))


def with_depth(folder, **changes: object) -> dict[str, object]:
    entry = {"file": "depth.mkv", "sky": 65535, **changes}
    return {"rgb": {"file": "rgb.mp4"}, "depth": entry}


def verdict_of(found: Agreement, check: str) -> Finding:
    return next(f for f in found.findings if f.check == check)
