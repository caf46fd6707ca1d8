"""Objects in a take: closed forms of where, when and whether they are found; honest silence.

A disc is carried to the right, let go after frame 8, falls with constant acceleration and rests;
its take is painted in other colours and moves as each test says.
"""

import cv2
import numpy as np
import pytest

from simlift.core.layers import Layer
from simlift.core.recipe import Gate
from simlift.core.score import Direction, Reduction, Score, merge_all
from simlift.core.window import Window
from simlift.evaluation.gate import judge
from simlift.evaluation.metrics import DEFINITIONS, ObjectTracking
from simlift.evaluation.objects import MovingObject, References, follow
from simlift.evaluation.objects.motion import release_frame, rest_frame
from simlift.pixels.image.object_search import fit_mask

HEIGHT, WIDTH, FRAMES, RADIUS, DISC = 120, 160, 30, 9.0, 7
RELEASE, REST = 8, 15


def simulated(t: float) -> tuple[float, float]:
    """Return where the simulator has the disc: 2 px a frame sideways, then it falls by 20 px."""
    fall = min(max(t - RELEASE, 0.0), REST - RELEASE)
    return 40.0 + 2.0 * min(t, RELEASE), 30.0 + 0.4 * fall**2


PLACES = np.array([simulated(t) for t in range(FRAMES)])


def disc(x: float, y: float) -> np.ndarray:
    """Return how much of every pixel a disc covers."""
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return (RADIUS + 0.5 - np.hypot(u - x, v - y)).clip(0, 1)[..., None]


def painted(place, colour, wall):
    """Return frames with a disc where `place(t)` says, on a wall of blotches; None paints none."""
    noise = cv2.resize(
        np.random.default_rng(3).normal(0, 12, (15, 20, 3)), (WIDTH, HEIGHT), interpolation=2
    )
    back, frames = np.array(wall) + noise, []
    for t in range(FRAMES):
        where = place(t)
        share = 0.0 if where is None else disc(*where)
        frames.append(back + share * (np.array(colour) - back))
    return np.rint(np.stack(frames).clip(0, 255)).astype(np.uint8)


RENDER = painted(simulated, (220, 200, 40), (110, 120, 140))
IDS = np.stack([np.where(disc(*p)[..., 0] > 0.5, DISC, 1) for p in PLACES]).astype(np.int32)
MOVING = MovingObject(DISC, "disc", PLACES, RELEASE, REST)


def scene() -> Window:
    layers = {Layer.RGB: RENDER, Layer.SEGMENTATION: IDS}
    return Window(np.arange(FRAMES), layers, FRAMES, 24.0, metric_depth=False)


def references(rgb=RENDER, ids=IDS) -> References:
    frames = tuple(np.unique(np.linspace(0, RELEASE, 8).round().astype(int)).tolist())
    return References(frames, (MOVING,), rgb[list(frames)], ids[list(frames)])


def take(place, colour=(60, 150, 70), wall=(150, 120, 90)):
    return painted(place, colour, wall)


def scores(frames, cuts=()) -> dict[str, Score]:
    followed = follow(references(), lambda rows: frames[list(rows)])
    metric, found, whole = ObjectTracking(followed), [], scene()
    for start, stop in zip((0, *cuts), (*(c + 1 for c in cuts), FRAMES), strict=True):
        part = whole.part(slice(start, stop))
        found += metric.measure(part, frames[start:stop])
    return merge_all(found)


def values(frames):
    return {name: score.value() for name, score in scores(frames).items()}


def moved(dx=0.0, dy=0.0, late=0):
    """Return the path of a take that goes wrong after the release."""

    def place(t):
        if t <= RELEASE:
            return simulated(t)
        x, y = simulated(max(t - late, RELEASE) if late > 0 else t - late)
        return x + dx, y + dy

    return place


def test_a_take_in_other_colours_that_moves_alike_has_no_error():
    found = values(take(simulated))
    for name in ("object_offset", "release_error", "release_error_worst", "rest_error"):
        assert found[name] < 0.3
    assert found["release_time_error"] == 0
    assert found["object_persistence"] == found["release_persistence"] == 1
    assert judge(Gate(), found) == (True, ())


@pytest.mark.parametrize(("dx", "dy"), [(5.0, 0.0), (-7.0, 0.0), (6.0, -8.0), (12.3, 0.0)])
def test_the_error_is_the_distance_in_pixels(dx, dy):
    found = values(take(moved(dx, dy)))
    for name in ("release_error", "release_error_worst", "rest_error"):
        assert found[name] == pytest.approx(np.hypot(dx, dy), abs=0.3)
    assert not judge(Gate(), found)[0]


@pytest.mark.parametrize("frames", [2, 3, 5, -2])
def test_the_time_error_is_the_frames_by_which_it_falls_late_or_early(frames):
    found = values(take(moved(late=frames)))
    assert found["release_time_error"] == abs(frames)
    assert found["rest_error"] < 0.3  # it comes to rest where it should
    assert "release_time_error" in " ".join(judge(Gate(), found)[1])


def test_what_floats_is_as_far_off_as_the_simulator_lets_it_fall():
    found = values(take(lambda t: simulated(min(t, RELEASE))))
    assert found["rest_error"] == pytest.approx(19.6, abs=0.3)
    assert found["release_time_error"] == 8
    assert not judge(Gate(), found)[0]


def test_what_vanishes_is_missed_and_has_no_place():
    found = values(take(lambda t: simulated(t) if t <= RELEASE else None))
    assert found["release_persistence"] == 0 and np.isnan(found["release_error"])
    assert found["object_persistence"] == pytest.approx((RELEASE + 1) / FRAMES)
    assert not judge(Gate(), found)[0]


@pytest.mark.parametrize("cuts", [(4,), (8, 16, 24), (7, 8, 9)])
def test_scores_do_not_depend_on_windows(cuts):
    frames = take(moved(4.0, -3.0))
    assert scores(frames, cuts) == scores(frames)


def test_the_render_is_its_own_floor():
    found = scores(take(moved(9.0)))
    for name in ("release_error", "rest_error", "object_offset"):
        assert found[f"{name}_render"].value() < 0.3
        assert found[f"{name}_render"].direction is Direction.NEUTRAL


def test_scores_are_those_that_are_defined():
    found = scores(take(simulated))
    prefixes = ("object_", "release_", "rest_")
    assert set(found) == {n for n in DEFINITIONS if n.startswith(prefixes)}
    assert {n: s.direction for n, s in found.items()} == {
        n: DEFINITIONS[n].direction for n in found
    }


def test_an_object_in_the_colours_of_its_surroundings_gives_no_evidence():
    same = painted(simulated, (110, 120, 140), (110, 120, 140))
    assert follow(references(same), lambda rows: same[list(rows)]) == ()
    found = values(take(simulated, (150, 120, 90)))  # the render tells it, the take does not
    assert np.isnan(found["release_error"]) and np.isnan(found["object_persistence"])
    assert found["release_error_render"] < 0.3


def test_a_tiny_or_hidden_object_gives_no_evidence():
    small = np.where((IDS == DISC) & (np.indices(IDS.shape)[2] % 5 == 0), DISC, 1)
    assert follow(references(ids=small), lambda rows: RENDER[list(rows)]) == ()
    hidden = IDS.copy()
    hidden[20:] = 1
    followed = follow(references(), lambda rows: RENDER[list(rows)])
    window = Window(
        np.arange(FRAMES),
        {Layer.RGB: RENDER, Layer.SEGMENTATION: hidden},
        FRAMES,
        24.0,
        metric_depth=False,
    )
    found = merge_all(ObjectTracking(followed).measure(window, RENDER))
    assert found["object_persistence"].denominators == (1.0,) * 20 + (0.0,) * 10


def test_two_things_that_look_alike_are_no_evidence():
    twin = take(simulated)
    other = disc(48.0, 52.0)
    twin = np.rint(twin + other * (np.array((60, 150, 70)) - twin)).astype(np.uint8)
    assert follow(references(), lambda rows: twin[list(rows)])[0].take is None


def test_a_mask_is_found_where_it_lies():
    ratios = np.full((60, 80), -2.0, np.float32)
    ratios[20:30, 33:47] = 2.0
    mask = np.zeros((60, 80), bool)
    mask[26:36, 30:44] = True
    fit = fit_mask(ratios, mask, 10)
    assert (fit.dx, fit.dy, fit.fit) == (pytest.approx(3), pytest.approx(-6), pytest.approx(4))
    assert fit_mask(ratios, np.zeros_like(mask), 10) is None


def test_release_and_rest_come_from_the_poses():
    t = np.arange(20.0)
    hand = np.stack([0.05 * t.clip(3, 9), 0 * t, 0 * t], 1)
    thing = hand + np.array([0.01, 0, -0.1])
    thing[:, 2] -= 0.03 * (t - 10).clip(0, 4) ** 2
    links = np.tile(np.eye(4), (20, 2, 1, 1))
    links[:, 1, :3, 3] = hand
    links[:, 0, :3, 3] = (-1, 0, 0)  # the robot's foot carries nothing
    assert release_frame(thing, links) == 10
    assert rest_frame(thing, 10) == 14
    assert release_frame(hand + 0.1, links) is None  # never let go
    assert release_frame(thing, links[:, :1]) is None  # nothing carries it
    assert rest_frame(np.stack([t, t, t], 1), 0) is None  # never still


def test_median_and_worst_look_at_frames_with_evidence_alone():
    tops, bottoms = ((1.0,), (5.0,), (2.0,), (99.0,)), (1.0, 1.0, 1.0, 0.0)
    found = [
        Score("s", Direction.LOWER, (0, 1, 2, 3), tops, bottoms, kind).value()
        for kind in (Reduction.MEDIAN, Reduction.WORST)
    ]
    assert found == [2.0, 5.0]
