"""First frames: makers, words, and the gate for pixels that moved and edits that are none."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_keyframed import moved, picture, repainted
from tiny import oscar_release
from tiny.oscar_release import Recolour

from simlift.core.clip_sample import sample_clip
from simlift.core.errors import RecipeError, RunError
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors import FirstFrameGate, FirstFrames, make_first_frame, prompt_of
from simlift.engines.anchors.cosmos import CosmosAnchors
from simlift.engines.anchors.edited import EditedAnchors, Retoucher
from simlift.engines.anchors.gate import judge_first_frame, robot_region
from simlift.engines.anchors.photographic import PhotographicAnchors
from simlift.engines.anchors.scenes import draw_scene, fill_template
from simlift.passes.demo import episode_path
from simlift.pixels.image.region_alignment import align_region
from simlift.sources import open_clip

GATE = FirstFrameGate()


def disc(height=180, width=320, centre=(150, 90), radius=45):
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, centre, radius, 1, -1)
    return mask > 0


def window_of(image, *, robot=None, caption="a robot picks a lemon"):
    arrays = {Layer.RGB: image[None]}
    if robot is not None:
        arrays[Layer.SEGMENTATION] = robot[None].astype(np.int32) * 7
    return Window(
        indices=np.array([0]),
        arrays=arrays,
        num_frames=1,
        fps=15.0,
        metric_depth=False,
        categories={7: "robot", 1: "table"},
        caption=caption,
    )


@pytest.mark.parametrize("dx, dy", [(0, 0), (1, 0), (0.5, -0.25), (3.3, -2.7), (-9, 6)])
def test_a_region_that_moved_before_a_still_background_is_measured(dx, dy):
    """The whole-frame alignment sees nothing of it: most of the frame stands still."""
    region = disc()
    soft = cv2.GaussianBlur(moved(region.astype(np.float64), dx, dy), (0, 0), 0.8)[..., None]
    pasted = (moved(picture(3), dx, dy) * soft + picture(0) * (1 - soft)).astype(np.uint8)
    render = np.where(region[..., None], picture(3), picture(0))
    found = align_region(render, repainted(pasted), region)
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=0.3)
    assert found.likeness > 0.7


def test_a_region_lies_exactly_over_itself_and_is_not_found_in_another_picture():
    same = align_region(picture(), picture(), disc())
    assert same.shift < 0.01
    assert same.edge_f1 == 1.0
    assert same.likeness == pytest.approx(1.0, abs=1e-4)
    assert align_region(picture(), picture(1), disc()).likeness < GATE.min_likeness


def test_nothing_is_said_of_a_region_that_is_too_small_or_plain():
    assert align_region(picture(), picture(), disc(radius=3)) is None
    flat = np.full((180, 320, 3), 90, np.uint8)
    assert align_region(flat, picture(), disc()) is None
    assert align_region(picture(), flat, disc()).likeness < GATE.min_likeness


def judged(made, render=None, robot=None):
    render = picture() if render is None else render
    return judge_first_frame(render, made, disc() if robot is None else robot).reasons(GATE)


def test_an_edit_in_place_passes():
    assert judged(repainted(picture())) == ()


def test_another_place_behind_a_robot_that_stays_passes():
    made = np.where(disc()[..., None], repainted(picture()), picture(5) // 2 + picture() // 2)
    assert judged(made) == ()


def test_an_editor_that_moves_everything_is_caught():
    (robot, frame) = judged(repainted(moved(picture(), 2.5, 0)))
    assert "the robot is shifted by 2.5" in robot
    assert "above 1" in robot
    assert "the frame is shifted by 2.4" in frame


def test_an_editor_that_moves_the_robot_alone_is_caught():
    soft = disc(centre=(154, 90))[..., None]
    made = repainted(np.where(soft, moved(picture(), 4, 0), picture()))
    (reason,) = judged(made)
    assert "the robot is shifted by" in reason
    assert judge_first_frame(picture(), made, disc()).frame.shift < 0.5


def test_an_editor_that_removes_the_robot_is_caught():
    made = np.where(disc(radius=50)[..., None], np.uint8(120), repainted(picture()))
    (reason,) = judged(made)
    assert "the robot is not found" in reason


def test_an_editor_that_zooms_is_caught():
    assert any("zoomed" in reason for reason in judged(repainted(moved(picture(), 0, 0, 0.03))))


@pytest.mark.parametrize("how", ["same", "noise", "jpeg"])
def test_an_editor_that_does_nothing_is_caught(how):
    made = picture().copy()
    if how == "noise":
        noise = np.random.default_rng(0).normal(0, 6, made.shape)
        made = np.clip(made + noise, 0, 255).astype(np.uint8)
    if how == "jpeg":
        made = cv2.imdecode(cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 1)
    (reason,) = judged(made)
    assert "it is the render itself" in reason


def test_the_robots_pixels_come_from_its_labels_else_from_the_skeletons_hull():
    robot, skeleton = disc(), np.zeros((180, 320, 3), np.uint8)
    cv2.line(skeleton, (100, 60), (200, 120), (255, 255, 0), 3)
    region, source = robot_region(window_of(picture(), robot=robot), skeleton, ("robot",))
    assert (region == robot).all()
    assert source == "segmentation"
    # A segmentation that names no robot tells nothing of it.
    for window in (window_of(picture()), replace(window_of(picture(), robot=robot), categories={})):
        region, source = robot_region(window, skeleton, ("robot",))
        assert source == "hull of the skeleton"
        assert region[skeleton.any(-1)].all()
        assert region.mean() < 0.1
    region, _ = robot_region(window_of(picture()), np.zeros_like(skeleton), ("robot",))
    assert not region.any()


def make(frames, opened, window=None):
    window = window_of(picture(), robot=disc()) if window is None else window
    blank = np.zeros((180, 320, 3), np.uint8)
    return make_first_frame(frames, opened, window, ClipSample(window), blank, 11)


def test_a_frame_that_fails_is_made_anew_with_another_seed():
    opened = oscar_release.OpenRecolour(["shift", "same", ""])
    made = make(FirstFrames("tiny.oscar_release:Recolour"), opened)
    assert "seed 3 of 3" in made.note
    assert "robot shifted by 0.0" in made.note
    assert "(robot from segmentation)" in made.note
    assert len(set(opened.seeds)) == 3
    assert len(set(opened.scenes)) == 1  # the place is the take's, whatever the attempt


def test_when_no_seed_passes_the_error_says_what_was_measured_and_allowed():
    with pytest.raises(RunError, match=r"no first frame of 2 .*shifted by 3.* above 1.*max_shift"):
        make(FirstFrames(attempts=2), oscar_release.OpenRecolour(["shift"]))
    with pytest.raises(RunError, match=r"it is the render itself.* below 4"):
        make(FirstFrames(attempts=2), oscar_release.OpenRecolour(["same"]))


def test_a_maker_that_gives_another_size_is_refused():
    class Small:
        def make(self, window, *, sample, scene, seed):
            return window.rgb[0, ::2]

    with pytest.raises(RunError, match="mend the maker"):
        make(FirstFrames(), Small())


def test_the_default_maker_moves_no_pixel_of_a_recorded_episode():
    clip = open_clip(episode_path("tabletop"))
    maker = FirstFrames().spec()
    assert Layer.DEPTH in maker.uses()
    # Without its geometry, which is slow to light and which the engine's own tests have.
    clip = replace(clip, scene=None, camera=None, objects=None)
    with clip.open([Layer.RGB, Layer.SEGMENTATION]) as reader, maker.open("cpu") as opened:
        sample, window = sample_clip(reader), reader.window([0])
        made = make_first_frame(FirstFrames(), opened, window, sample, window.rgb[0] * 0, 1)
    assert "seed 1 of 3" in made.note
    assert "(robot from segmentation)" in made.note
    looks = [maker.spec(seed).look for seed in (1, 2, 1)]
    assert looks[0] == looks[2] != looks[1]


def test_an_editor_is_told_the_place():
    told = []

    class Editor:
        def edit(self, image, seed, instruction=None):
            told.append((seed, instruction))
            return 255 - image

    spec, window = EditedAnchors(editor="x"), window_of(picture())
    scene = draw_scene(4)
    retoucher = Retoucher(Editor(), spec.editing.instruction)
    made = retoucher.make(window, sample=ClipSample(window), scene=scene, seed=9)
    assert (made == 255 - picture()).all()
    ((seed, instruction),) = told
    assert seed == 9
    for words in (scene.environment, scene.background, scene.objects, scene.light):
        assert words in instruction
    assert "{" not in instruction


def test_places_are_drawn_by_seed_and_differ():
    assert draw_scene(5) == draw_scene(5)
    scenes = [draw_scene(seed) for seed in range(60)]
    for part in ("environment", "background", "objects", "light"):
        assert len({getattr(scene, part) for scene in scenes}) >= 8
    environments = {scene.environment for scene in scenes}
    assert {
        "a warehouse",
        "a home kitchen",
        "a factory hall beside a conveyor belt",
    } <= environments


def test_prompts_say_only_what_the_first_frame_shows():
    scene = prompt_of("", Recolour(), "the robot drops a bun.", 3)
    assert "the robot drops a bun. The objects are" in scene
    assert "a " in scene
    plain = prompt_of("", PhotographicAnchors(), "the robot drops a bun", 3)
    assert plain == (
        "Real camera footage of a robot arm at work. the robot drops a bun. True materials, "
        "sharp focus."
    )
    assert prompt_of("", PhotographicAnchors(), "", 3) == (
        "Real camera footage of a robot arm at work. True materials, sharp focus."
    )
    own = prompt_of("In {environment}: {caption}!", Recolour(), "a bun", 3)
    assert own.startswith("In a")
    assert own.endswith(": a bun!")
    assert fill_template("{light}", "", draw_scene(0)) == draw_scene(0).light


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FirstFrames("qwen"), "first_frames.maker: found 'qwen'; allowed: photographic"),
        (lambda: FirstFrames(attempts=0), "first_frames.attempts"),
        (lambda: FirstFrames("photographic", {"lock": "x"}), "unknown key 'lock'"),
        (lambda: FirstFrames("photographic", {"look": "sunny"}), "no look 'sunny'"),
        (lambda: FirstFrames("cosmos"), "the key 'base' is missing"),
        (lambda: FirstFrames("simlift.engines.echo:Echoes"), "no class 'Echoes'"),
        (lambda: CosmosAnchors("x", prompt="{place}"), "found {place}; allowed: {caption}"),
        (lambda: FirstFrameGate(max_shift=-1), "gate.max_shift"),
        (lambda: FirstFrameGate(min_likeness=2), "gate.min_likeness"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(RecipeError) as caught:
        made = make()
        made.spec()
    assert message in str(caught.value)


def test_makers_that_are_not_there_say_so_before_anything_runs(tmp_path):
    clip = open_clip(episode_path("tabletop"))
    with pytest.raises(RecipeError, match="nothing"):
        EditedAnchors(editor=str(tmp_path / "nothing")).check(clip)
    with pytest.raises(RecipeError, match="nothing"):
        CosmosAnchors(str(tmp_path / "nothing")).check(clip)
