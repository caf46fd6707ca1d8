"""Robot alignment, decoder faults and first-frame drift: closed forms and known-bad takes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from simlift.core.camera import Camera, Robot
from simlift.core.layers import Layer
from simlift.core.recipe import Gate
from simlift.core.score import merge_all
from simlift.core.window import Window
from simlift.evaluation.gate import judge
from simlift.evaluation.metrics import DecoderFaults, FirstFrameDrift, RobotAlignment
from simlift.evaluation.metrics.robot_alignment import robot_masks

HEIGHT, WIDTH, FRAMES, STEP = 100, 150, 12, 2
CUTS = [(), (5,), (3, 6, 9)]


def arm(frame, shift=0):
    """Return where a bent arm is, which moves to the right by 2 px a frame."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    x = 30 + STEP * frame + shift
    cv2.polylines(mask, [np.array([[x, 85], [x + 12, 45], [x + 40, 30]])], False, 1, 13)
    return mask > 0


def picture(frames, shift=0, robot=(225, 225, 230), wall=(90, 110, 80)):
    noise = np.random.default_rng(1).normal(0, 7, (10, 15, 3))
    back = np.array(wall) + cv2.resize(noise, (WIDTH, HEIGHT), interpolation=2)
    shade = np.linspace(-25, 25, WIDTH)[None, :, None]
    out = [np.where(arm(t, shift)[..., None], np.array(robot) + shade, back) for t in frames]
    return np.rint(np.stack(out).clip(0, 255)).astype(np.uint8)


RENDER = picture(range(FRAMES))


def window():
    ids = np.stack([np.where(arm(t), 4, 1) for t in range(FRAMES)]).astype(np.int32)
    layers = {Layer.RGB: RENDER, Layer.SEGMENTATION: ids}
    names = {4: "robot", 1: "wall"}
    return Window(np.arange(FRAMES), layers, FRAMES, 24.0, metric_depth=False, categories=names)


def scores(metric, frames, whole=None, cuts=()):
    whole, found = whole or window(), []
    for start, stop in zip((0, *cuts), (*(c + 1 for c in cuts), FRAMES), strict=True):
        found += metric.measure(whole.part(slice(start, stop)), frames[start:stop])
    return merge_all(found)


def values(metric, frames, whole=None):
    return {name: score.value() for name, score in scores(metric, frames, whole).items()}


def relit(shift=0, frames=range(FRAMES)):
    return picture(frames, shift, robot=(150, 120, 90), wall=(40, 60, 95))


def test_a_robot_in_other_light_stands_where_it_should():
    found = values(RobotAlignment(), relit())
    assert found["robot_offset"] == pytest.approx(0, abs=0.05)
    assert found["robot_edge_ratio"] == pytest.approx(1, abs=0.02)
    assert found["robot_moving_edge_ratio"] == pytest.approx(1, abs=0.02)
    assert found["robot_iou"] > 0.95
    assert judge(Gate(), found) == (True, ())


@pytest.mark.parametrize("shift", [2, 3, -3])
def test_the_offset_is_the_shift_in_pixels(shift):
    found = values(RobotAlignment(), relit(shift))
    assert found["robot_offset"] == pytest.approx(abs(shift), abs=0.3)
    assert not judge(Gate(), found)[0]


def test_a_robot_that_is_late_by_two_frames_is_off_by_its_way():
    late = relit(frames=[0, 0, *range(FRAMES - 2)])
    found = scores(RobotAlignment(), late)
    assert found["robot_offset"].per_frame()[4:] == pytest.approx([2.0 * STEP] * 8, abs=0.3)
    assert found["robot_moving_edge_ratio"].value() < 0.7
    assert not judge(Gate(), {n: s.value() for n, s in found.items()})[0]


def test_bones_stand_for_a_robot_without_ids():
    """Links whose projections are the corners of the arm, through an orthogonal-looking camera."""
    focal, depth = 1000.0, 10.0
    lens = np.tile(np.diag([focal, focal, 1.0]), (FRAMES, 1, 1))
    lens[:, :2, 2] = WIDTH / 2, HEIGHT / 2
    camera = Camera(lens, np.tile(np.eye(4), (FRAMES, 1, 1)), np.array([0.0, -1.0, 0.0]))
    poses = np.tile(np.eye(4), (FRAMES, 3, 1, 1))
    for t in range(FRAMES):
        x = 30 + STEP * t
        pixels = np.array([[x, 85], [x + 12, 45], [x + 40, 30.0]])
        poses[t, :, :2, 3] = (pixels - (WIDTH / 2, HEIGHT / 2)) * depth / focal
    poses[:, :, 2, 3] = depth
    robot = Robot(("a",), np.zeros((FRAMES, 1)), tuple("abc"), poses, np.full(FRAMES, np.nan))
    layers = {Layer.RGB: RENDER}
    bare = replace(window(), arrays=layers, camera=camera, robot=robot, categories={}, _derived={})
    for t, mask in enumerate(robot_masks(bare)):
        assert (mask & arm(t)).sum() > 0.5 * mask.sum() > 100
    found = values(RobotAlignment(), relit(3), bare)
    assert found["robot_offset"] == pytest.approx(3, abs=0.3)
    assert np.isnan([found["robot_edge_ratio"], found["robot_moving_edge_ratio"]]).all()
    assert np.isnan(found["robot_iou"])


def test_without_a_robot_there_is_no_evidence():
    found = values(RobotAlignment(), RENDER, replace(window(), categories={}, _derived={}))
    assert len(found) == 4 and np.isnan(list(found.values())).all()


@pytest.mark.parametrize("cuts", CUTS)
def test_no_score_depends_on_windows(cuts):
    frames = relit(1)
    metrics = RobotAlignment(), DecoderFaults(), FirstFrameDrift(RENDER[0], frames[0])
    for metric in metrics:
        assert scores(metric, frames, cuts=cuts) == scores(metric, frames)


def test_blank_frames_are_counted_and_one_is_too_many():
    frames = relit()
    frames[4], frames[5] = 0, (3, 200, 9)
    found = values(DecoderFaults(), frames)
    assert found["blank_frames"] == pytest.approx(2 / FRAMES)
    assert judge(Gate(), found) == (False, ("blank_frames 0.167 is above 0",))
    black = replace(window(), arrays={Layer.RGB: np.zeros_like(RENDER)}, _derived={})
    assert np.isnan(values(DecoderFaults(), frames, black)["blank_frames"])


def test_repeated_frames_are_counted_where_the_render_moves():
    frames = relit()
    frames[3], frames[7] = frames[2], frames[6]
    found = values(DecoderFaults(), frames)
    assert found["repeated_frames"] == pytest.approx(2 / (FRAMES - 1))
    assert not judge(Gate(), found)[0]
    assert values(DecoderFaults(), relit())["repeated_frames"] == 0
    still = replace(window(), arrays={Layer.RGB: RENDER[:1].repeat(FRAMES, 0)}, _derived={})
    assert np.isnan(
        values(DecoderFaults(), relit()[:1].repeat(FRAMES, 0), still)["repeated_frames"]
    )


def test_drift_is_the_distance_in_cielab_from_the_first_frame():
    gray = np.full((FRAMES, HEIGHT, WIDTH, 3), 119, np.uint8)  # L = 50
    whole = replace(window(), arrays={Layer.RGB: gray}, _derived={})
    take = gray.copy()
    take[6:] = 143  # L = 59.4
    found = scores(FirstFrameDrift(gray[0], take[0]), take, whole)
    drift = found["first_frame_drift"].per_frame()
    assert drift[0] is None and drift[1:6] == [0] * 5
    assert drift[6:] == pytest.approx([9.4] * 6, abs=0.2)
    assert np.isnan(found["first_frame_structure"].value())  # nothing to see


def test_structure_is_judged_where_the_render_stands_still():
    grain = 12 * np.sin(np.arange(WIDTH) * 1.3)[:, None] * np.sin(np.arange(HEIGHT))[:, None, None]
    frames = (relit() + grain).clip(0, 255).astype(np.uint8)
    metric = FirstFrameDrift(RENDER[0], frames[0])
    found = values(metric, frames)
    assert found["first_frame_structure"] > 0.95 and found["first_frame_drift"] < 0.5
    swum = frames.copy()
    noise = np.random.default_rng(5).normal(0, 20, (HEIGHT, WIDTH, 1))
    swum[6:] = (swum[6:] + noise).clip(0, 255)
    assert values(metric, swum)["first_frame_structure"] < 0.8
    moving = np.random.default_rng(2).integers(0, 255, RENDER.shape, dtype=np.uint8)
    whole = replace(window(), arrays={Layer.RGB: moving}, _derived={})
    assert np.isnan(
        values(FirstFrameDrift(moving[0], frames[0]), frames, whole)["first_frame_drift"]
    )
