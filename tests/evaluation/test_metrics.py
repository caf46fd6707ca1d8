"""Metrics: closed forms, golden values, laws, and known-bad takes that must fail as documented.

The scene is traced in numpy: a textured wall at 6 m, a textured box at 3 m that moves to the right,
a camera that moves more slowly; depth, ids, poses and flow are exact.
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from simlift.core.camera import Camera, Objects
from simlift.core.layers import Layer
from simlift.core.recipe import Gate
from simlift.core.score import Direction, Reduction, Score, frame_scores, merge_all
from simlift.core.window import Frames, Window
from simlift.evaluation.gate import THRESHOLDS, judge
from simlift.evaluation.metrics import DEFINITIONS, flow_source, standard
from simlift.evaluation.metrics.motion import motions
from simlift.pixels.geometry.flow import (
    collision_free,
    estimate_flow,
    forward_backward_consistent,
    off_motion_boundaries,
)
from simlift.pixels.image.edges import (
    exact_agreement,
    near_agreement,
    offset,
    recall_counts,
    relative_canny,
)
from simlift.pixels.image.similarity import ssim

HEIGHT, WIDTH, FRAMES, FOCAL = 96, 144, 12, 100.0
WALL, BOX, CAMERA_STEP, BOX_STEP = 6.0, 3.0, 0.06, 0.12
SEAM = 6


def texture(x: np.ndarray, y: np.ndarray, tile: float) -> np.ndarray:
    """Return coloured patches of no regular size, with soft borders that can be resampled."""
    x, y = x + 0.4 * tile * np.sin(1.7 * y / tile), y + 0.4 * tile * np.sin(2.3 * x / tile)
    patches = np.tanh(6 * np.sin(np.pi * x / tile) * np.sin(np.pi * y / tile))
    shade = 0.45 + 0.3 * patches + 0.1 * np.sin(2.1 * x + 0.7) * np.cos(1.3 * y)
    return shade[..., None] * np.array([1.1, 0.7, 0.4]) + np.array([0.0, 0.05, 0.15])


def trace_scene(moving: bool = True) -> Window:
    u = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL
    v = (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL
    u, v = np.meshgrid(u, v)
    rgb, depth, ids, flow, to_camera, poses = [], [], [], [], [], []
    for t in range(FRAMES):
        step = t if moving else 0
        camera, box = CAMERA_STEP * step, -0.6 + BOX_STEP * step
        x, y = u * BOX + camera - box, v * BOX
        hit = (np.abs(x) < 0.5) & (np.abs(y) < 0.45)
        wall = texture(u * WALL + camera, v * WALL, 1.9)
        colour = np.where(hit[..., None], texture(x, y, 0.45)[..., ::-1], wall)
        rgb.append(np.rint(colour.clip(0, 1) * 255).astype(np.uint8))
        depth.append(np.where(hit, BOX, WALL).astype(np.float32))
        ids.append(np.where(hit, 2, 1).astype(np.int32))
        pace = np.where(hit, FOCAL * (BOX_STEP - CAMERA_STEP) / BOX, -FOCAL * CAMERA_STEP / WALL)
        flow.append(np.dstack([pace * moving, np.zeros_like(pace)]).astype(np.float32))
        to_camera.append(np.eye(4))
        to_camera[-1][0, 3] = -camera
        poses.append(np.eye(4)[None].copy())
        poses[-1][0, 0, 3] = box
    centre = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Window(
        indices=np.arange(FRAMES),
        arrays={
            Layer.RGB: np.stack(rgb),
            Layer.DEPTH: np.stack(depth),
            Layer.SEGMENTATION: np.stack(ids),
            Layer.FLOW: np.stack(flow),
        },
        num_frames=FRAMES,
        fps=24.0,
        metric_depth=True,
        camera=Camera(
            np.repeat(centre[None], FRAMES, 0), np.stack(to_camera), np.array([0.0, -1.0, 0.0])
        ),
        objects=Objects(np.array([2]), np.stack(poses)),
    )


@pytest.fixture(scope="module")
def scene() -> Window:
    return trace_scene()


def without(window: Window, *layers: Layer) -> Window:
    kept = {k: a for k, a in window.arrays.items() if k not in layers}
    metric = window.metric_depth and Layer.DEPTH in kept
    return replace(window, arrays=kept, metric_depth=metric, _derived={})


def measure(window: Window, frames: Frames, cuts: tuple[int, ...] = ()) -> dict[str, Score]:
    """Measure in windows that begin at `cuts` and share one frame with the one before."""
    stops = [*cuts, len(window) - 1]
    parts = [slice(a, b + 1) for a, b in zip([0, *cuts], stops)]
    return merge_all(
        score
        for part in parts
        for metric in standard((SEAM,))
        for score in metric.measure(window.part(part), frames[part])
    )


def values(window: Window, frames: Frames) -> dict[str, float]:
    return {name: score.value() for name, score in measure(window, frames).items()}


def turn_hue(frame: np.ndarray, degrees: float) -> np.ndarray:
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV).astype(int)
    hsv[..., 0] = (hsv[..., 0] + round(degrees / 2)) % 180
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def relit(frames: np.ndarray) -> np.ndarray:
    """Return a good take: half the exposure, warmer, more contrast, fresh sensor noise."""
    noise = np.random.default_rng(1).normal(0, 2, frames.shape)
    linear = (frames / 255.0) ** 2.2 * np.array([0.55, 0.5, 0.42])
    return np.clip(255 * linear ** (1 / 2.0) + noise, 0, 255).astype(np.uint8)


def blobs(frames: np.ndarray, size: float) -> np.ndarray:
    """Return frames with fresh coarse noise: the flicker of a translator without memory."""
    random = np.random.default_rng(2)
    coarse = (random.normal(0, size, (6, 9, 3)).astype(np.float32) for _ in frames)
    fields = np.stack(
        [cv2.resize(c, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for c in coarse]
    )
    return np.clip(frames + fields, 0, 255).astype(np.uint8)


# Laws


def test_the_render_itself_is_perfect(scene):
    found = values(scene, scene.rgb)
    perfect = {"edge_f1", "edge_f1_near", "moving_edge_f1", "engine_edge_ratio", "blur_ssim"}
    perfect |= {"flicker_ratio", "window_jump_ratio"}
    assert {name: found[name] for name in perfect} == pytest.approx(dict.fromkeys(perfect, 1.0))
    for name in ("frozen", "colour_shift", "colour_drift", "newly_clipped", "newly_black"):
        assert found[name] == 0
    assert found["edge_offset"] < 0.01
    for name in ("flicker", "clipped", "black", "engine_edge_recall"):
        assert found[name] == found[f"{name}_render"]
    assert judge(Gate(), found) == (True, ())


@pytest.mark.parametrize("cuts", [(1,), (5,), (3, 6, 9), tuple(range(1, 11))])
def test_a_score_does_not_depend_on_how_the_clip_was_cut(scene, cuts):
    take = blobs(relit(scene.rgb), 4)
    assert measure(scene, take, cuts) == measure(scene, take)


def test_an_estimated_flow_does_not_depend_on_the_cut_either(scene):
    estimated = without(scene, Layer.FLOW, Layer.DEPTH)
    take = relit(scene.rgb)
    assert measure(estimated, take, (4, 8)) == measure(estimated, take)


def test_scores_are_those_that_are_defined(scene):
    found = measure(scene, scene.rgb)
    # Without a twin nothing is measured against one; test_twin_scores.py has the rest.
    # Metrics that are told of a whole clip: test_release.py, test_robot_scores.py.
    rest = ("twin_", "lpips", "object_", "release_", "rest_", "first_frame", "critic")
    assert set(found) == {n for n in DEFINITIONS if not n.startswith(rest)}
    for name, definition in DEFINITIONS.items():
        assert name not in found or found[name].direction is definition.direction
        assert definition.text and definition.source and "\n" not in definition.text


def test_a_clip_of_one_frame_has_no_temporal_evidence(scene):
    found = values(scene.frame(0), scene.rgb[:1])
    for name in ("flicker", "flicker_ratio", "frozen", "window_jump_ratio", "moving_edge_f1"):
        assert np.isnan(found[name])
    assert judge(Gate(), found) == (True, ())


def test_a_bare_video_gives_no_evidence_of_geometry(scene):
    bare = without(scene, Layer.FLOW, Layer.DEPTH, Layer.SEGMENTATION)
    found = values(bare, bare.rgb)
    assert np.isnan(found["engine_edge_recall"]) and np.isnan(found["engine_edge_ratio"])
    assert found["flicker_ratio"] == 1


def test_frames_without_edges_agree():
    gray = np.full((3, 32, 48, 3), 90, np.uint8)
    window = Window(np.arange(3), {Layer.RGB: gray}, 3, 24.0, metric_depth=False)
    found = values(window, gray + 30)
    assert found["edge_f1"] == found["edge_f1_near"] == 1
    assert np.isnan(found["edge_offset"]) and np.isnan(found["frozen"])


# Known-bad takes


def test_a_relit_take_passes_the_gate(scene):
    found = values(scene, relit(scene.rgb))
    assert judge(Gate(), found) == (True, ())
    assert found["edge_f1_near"] > 0.9 and found["colour_shift"] > 10


BAD = {
    "frozen": (lambda v: np.repeat(v[:1], len(v), 0), {"frozen", "moving_edge_f1"}),
    "shuffled": (
        lambda v: v[np.random.default_rng(3).permutation(len(v))],
        {"moving_edge_f1", "flicker_ratio"},
    ),
    "late by 3 frames": (lambda v: v[np.maximum(np.arange(len(v)) - 3, 0)], {"moving_edge_f1"}),
    "every other frame twice": (lambda v: v[np.arange(len(v)) // 2 * 2], {"frozen"}),
    "shifted by 2 pixels": (lambda v: np.roll(v, 2, 2), {"edge_offset", "engine_edge_ratio"}),
    "blurred": (
        lambda v: np.stack([cv2.GaussianBlur(f, (0, 0), 5) for f in v]),
        {"edge_f1_near", "engine_edge_ratio"},
    ),
    "mirrored": (lambda v: v[:, :, ::-1].copy(), {"edge_f1_near"}),
    "hue turned frame by frame": (
        lambda v: np.stack([turn_hue(f, 15 * t) for t, f in enumerate(v)]),
        {"colour_drift"},
    ),
    "flickering": (lambda v: blobs(v, 10), {"flicker_ratio"}),
    "flickering exposure": (
        lambda v: (v * np.random.default_rng(4).uniform(0.8, 1, (len(v), 1, 1, 1))).astype(
            np.uint8
        ),
        {"flicker_ratio"},
    ),
    "brighter after the seam": (
        lambda v: np.where(np.arange(len(v))[:, None, None, None] < SEAM, v, v // 4 * 3),
        {"window_jump_ratio"},
    ),
    "overexposed": (
        lambda v: np.clip(v * 2.5, 0, 255).astype(np.uint8),
        {"newly_clipped"},
    ),
    "crushed": (lambda v: np.clip(v * 2.0 - 255, 0, 255).astype(np.uint8), {"newly_black"}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_take_is_rejected_for_its_fault(name, scene):
    spoil, faults = BAD[name]
    for frames in (scene.rgb, relit(scene.rgb)):
        accepted, reasons = judge(Gate(), values(scene, spoil(frames)))
        assert not accepted
        assert faults <= {reason.split()[0] for reason in reasons}, reasons


def test_a_constant_hue_moves_colour_and_nothing_that_judges(scene):
    found = values(scene, np.stack([turn_hue(f, 90) for f in scene.rgb]))
    assert found["colour_shift"] > 10 and found["colour_drift"] < 1
    assert judge(Gate(), found) == (True, ())


@pytest.mark.parametrize("gain", [0.3, 0.6])
def test_darkness_is_not_steadiness(scene, gain):
    take = blobs(scene.rgb, 6)
    bright, dark = values(scene, take), values(scene, (take * gain).astype(np.uint8))
    assert dark["flicker"] < 0.7 * bright["flicker"]
    assert dark["flicker_ratio"] == pytest.approx(bright["flicker_ratio"], rel=0.1)


def test_fresh_noise_counts_for_less_than_coarse_flicker_of_the_same_strength(scene):
    random = np.random.default_rng(5)
    fine = np.clip(scene.rgb + random.normal(0, 6, scene.rgb.shape), 0, 255).astype(np.uint8)
    assert values(scene, fine)["flicker"] < 0.5 * values(scene, blobs(scene.rgb, 6))["flicker"]


# Motion


def test_the_source_of_motion_is_the_best_there_is(scene):
    assert flow_source(scene) == "simulator"
    assert flow_source(without(scene, Layer.FLOW)) == "rigid motion"
    assert flow_source(replace(without(scene, Layer.FLOW), objects=None)) == "estimated"
    assert flow_source(without(scene, Layer.FLOW, Layer.DEPTH)) == "estimated"


def test_rigid_motion_is_the_true_flow_where_it_is_trusted(scene):
    for motion, flow in zip(motions(without(scene, Layer.FLOW)), scene[Layer.FLOW]):
        assert motion.seen.mean() > 0.8
        assert np.abs(motion.flow - flow)[motion.seen].max() < 1e-3


def test_flow_is_never_trusted_where_a_surface_disappears(scene):
    for window in (scene, without(scene, Layer.FLOW)):
        motion, ids = motions(window)[0], window[Layer.SEGMENTATION]
        step = np.rint(motion.flow[..., 0]).astype(int)
        x = (np.arange(WIDTH)[None] + step).clip(0, WIDTH - 1)
        covered_next = (ids[0] == 1) & (np.take_along_axis(ids[1], x, 1) == 2)
        assert covered_next.any() and not (covered_next & motion.seen).any()


def test_estimated_flow_is_near_the_true_one(scene):
    flow = estimate_flow(scene.rgb[0], scene.rgb[1])
    inner = (slice(12, -12), slice(12, -12))
    assert np.median(np.abs(flow - scene[Layer.FLOW][0])[inner]) < 0.15


def test_a_still_scene_has_no_flicker():
    still = trace_scene(moving=False)
    found = values(still, still.rgb)
    assert found["flicker"] == 0 and np.isnan(found["frozen"])


def test_flow_that_returns_and_flow_that_does_not():
    there = np.full((20, 30, 2), (3, 0), np.float32)
    assert (
        forward_backward_consistent(there, -there)[:, :27].all()
        and not forward_backward_consistent(there, -there)[:, 27:].any()
    )
    assert not forward_backward_consistent(there, there).any()


def test_motion_boundaries_and_crowded_places():
    flow = np.zeros((20, 30, 2), np.float32)
    flow[:, :15, 0] = 4  # moves over the still right half
    assert (
        not off_motion_boundaries(flow)[:, 14].any() and off_motion_boundaries(flow)[:, :14].all()
    )
    assert not collision_free(flow)[:, 11:19].any()
    assert collision_free(flow)[:, :11].all() and collision_free(flow)[:, 19:].all()


# Edges and structure


def line(column: int) -> np.ndarray:
    edges = np.zeros((24, 32), bool)
    edges[:, column] = True
    return edges


@pytest.mark.parametrize(("step", "exact", "near"), [(0, 1, 1), (1, 0, 1), (2, 0, 0)])
def test_agreement_of_two_lines(step, exact, near):
    one, other = line(10), line(10 + step)
    assert np.divide(*exact_agreement(one, other)) == exact
    assert np.divide(*near_agreement(one, other)) == near
    assert np.divide(*recall_counts(one, other)) == near


def test_f1_is_twice_the_product_of_precision_and_recall_over_their_sum():
    random = np.random.default_rng(6)
    one, other = (random.random((2, 40, 50)) < [[[0.2]], [[0.4]]]).astype(bool)
    both = (one & other).sum()
    precision, recall = both / one.sum(), both / other.sum()
    f1 = 2 * precision * recall / (precision + recall)
    assert np.divide(*exact_agreement(one, other)) == pytest.approx(f1)


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (2, -1), (-3, 3)])
def test_the_offset_of_shifted_edges_is_the_shift(scene, shift):
    edges = relative_canny(scene.rgb[0])
    moved = np.roll(edges, shift[::-1], (0, 1))
    assert offset(moved, edges) == pytest.approx(shift, abs=0.15)
    assert offset(edges, np.zeros_like(edges)) is None


@pytest.mark.parametrize(("gain", "bias"), [(0.25, 0), (0.5, 60), (0.7, 5)])
def test_relative_edges_do_not_see_exposure_or_haze(scene, gain, bias):
    frame = scene.rgb[0]
    other = relative_canny(np.rint(frame * gain + bias).astype(np.uint8))
    assert np.divide(*near_agreement(relative_canny(frame), other)) > 0.95


def test_ssim_of_constants_is_its_luminance_term():
    # Golden value: SSIM of zeros and ones is 9.999e-05 (JunyaoHu/common_metrics, README).
    zeros = np.zeros((20, 20))
    assert ssim(zeros, zeros + 255) == pytest.approx(9.999e-05, rel=1e-3)
    a, b, c1 = 40.0, 90.0, (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(zeros + a, zeros + b) == pytest.approx(expected, rel=2e-5)


def test_ssim_agrees_with_scipy():
    random = np.random.default_rng(7)
    one = gaussian_filter(random.uniform(0, 255, (50, 70)), 1)
    other = 0.8 * one + random.normal(0, 9, one.shape) + 12

    def window(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]  # 11 taps

    ma, mb = window(one), window(other)
    va, vb = window(one**2) - ma**2, window(other**2) - mb**2
    cov, c1, c2 = window(one * other) - ma * mb, 6.5025, 58.5225
    index = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    assert ssim(one, other) == pytest.approx(index.mean(), abs=1e-6)
    assert ssim(one, one) == pytest.approx(1)
    assert ssim(one, other) == pytest.approx(ssim(other, one))


# Score and gate


def test_a_join_score_is_the_mean_over_joins_by_the_median_elsewhere():
    rows = ((2.0, 0.0), (0.0, 9.0), (1.0, 0.0), (40.0, 0.0), (0.0, 3.0))
    score = Score("s", Direction.LOWER, tuple(range(5)), rows, (1.0,) * 5, Reduction.JOIN)
    assert score.value() == 6 / 2
    assert score.per_frame() == [2, 9, 1, 40, 3]
    first = Score("s", Direction.LOWER, (0, 1), rows[:2], (1.0,) * 2, Reduction.JOIN)
    rest = Score("s", Direction.LOWER, (1, 2, 3, 4), rows[1:], (1.0,) * 4, Reduction.JOIN)
    assert first.merge(rest) == rest.merge(first) == score
    only = Score("s", Direction.LOWER, (1,), rows[1:2], (1.0,), Reduction.JOIN)
    assert np.isnan(only.value())


def test_without_seams_there_is_no_evidence(scene):
    scores = [m.measure(scene, scene.rgb) for m in standard()]
    found = merge_all(score for some in scores for score in some)
    assert np.isnan(found["window_jump_ratio"].value())


def test_the_gate_says_why_in_words():
    found = {"edge_f1_near": 0.21, "flicker_ratio": 9.0, "blur_ssim": float("nan"), "other": 0.0}
    assert judge(Gate(), found) == (
        False,
        ("edge_f1_near 0.21 is below 0.55", "flicker_ratio 9 is above 3.4"),
    )
    assert judge(Gate(min_edge_f1_near=0.2, max_flicker_ratio=10.0), found) == (True, ())


def test_every_threshold_judges_a_score_that_has_a_better_way():
    for name, (field, kind) in THRESHOLDS.items():
        better = {"min": Direction.HIGHER, "max": Direction.LOWER}[kind]
        assert DEFINITIONS[name].direction is better and hasattr(Gate(), field)
    better = {n for n, d in DEFINITIONS.items() if d.direction is not Direction.NEUTRAL}
    # Few clips have a twin, so what is measured against one has a better way and no gate.
    assert better - set(THRESHOLDS) == {n for n in better if n.startswith(("twin_", "lpips"))}
    assert set(THRESHOLDS) <= better


def test_colour_drift_is_the_spread_of_offsets_and_no_offset_itself(scene):
    step = np.where(np.arange(FRAMES) % 2, 10, 30).astype(np.uint8)[:, None, None, None]
    steady, unsteady = values(scene, scene.rgb // 2 + 10), values(scene, scene.rgb // 2 + step)
    assert steady["colour_shift"] > 5 and steady["colour_drift"] < 0.5
    assert unsteady["colour_drift"] > 3
    assert frame_scores("x", Direction.LOWER, [0], [1.0]).value() == 1
