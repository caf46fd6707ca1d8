"""Scores: merging is associative, commutative and idempotent; values are true."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from simlift.core.score import Direction, Reduction, Score, frame_scores, merge_all

COUNT = 24


def full(reduction, seed=0):
    draw = random.Random(seed)
    if reduction is Reduction.RATIO:
        tops = [(draw.random(),) for _ in range(COUNT)]
    elif reduction is Reduction.SPREAD:
        tops = [tuple(draw.random() for _ in range(3)) for _ in range(COUNT)]
    else:
        tops = [
            (0.0, draw.random() + 1) if i % 8 == 0 else (draw.random() + 1, 0.0)
            for i in range(COUNT)
        ]
    bottoms = tuple(float(draw.randint(0, 3)) for _ in range(COUNT))
    return Score("s", Direction.LOWER, tuple(range(COUNT)), tuple(tops), bottoms, reduction, "px")


def part(score, frames):
    at = [score.frames.index(f) for f in frames]
    return Score(
        score.name,
        score.direction,
        tuple(frames),
        tuple(score.numerators[i] for i in at),
        tuple(score.denominators[i] for i in at),
        score.reduction,
        score.unit,
    )


@pytest.mark.parametrize("reduction", Reduction)
def test_any_split_merged_in_any_order_is_the_whole(reduction):
    whole = full(reduction)
    draw = random.Random(1)
    for _ in range(20):
        cuts = [0, *sorted(draw.sample(range(1, COUNT), 4)), COUNT]
        parts = [part(whole, range(a, b)) for a, b in pairwise(cuts)]
        draw.shuffle(parts)
        merged = merge_all(parts)["s"]
        assert merged == whole
        np.testing.assert_equal(merged.value(), whole.value())


@pytest.mark.parametrize("reduction", Reduction)
def test_the_laws_of_merging(reduction):
    whole = full(reduction)
    a, b, c = part(whole, range(9)), part(whole, range(6, 15)), part(whole, range(12, 24))
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == whole
    assert a.merge(b) == b.merge(a)
    assert a.merge(a) == a
    assert whole.merge(b) == whole
    empty = part(whole, [])
    assert a.merge(empty) == empty.merge(a) == a


def test_different_scores_do_not_merge():
    one = frame_scores("a", Direction.HIGHER, [0], [1])
    with pytest.raises(ValueError, match="cannot merge a with b"):
        one.merge(frame_scores("b", Direction.HIGHER, [0], [1]))
    with pytest.raises(ValueError, match="cannot merge"):
        full(Reduction.RATIO).merge(full(Reduction.SPREAD))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="differ in length"):
        Score("a", Direction.HIGHER, (0, 1), ((1.0,),), (1.0,))


def test_a_ratio_is_a_micro_average():
    score = frame_scores("a", Direction.HIGHER, [0, 1, 2], [1, 4, 0], [2, 8, 0])
    assert score.value() == 0.5
    assert score.per_frame() == [0.5, 0.5, None]
    assert frame_scores("a", Direction.HIGHER, [0, 1], [1, 3]).value() == 2


def test_no_evidence_is_not_a_number():
    assert math.isnan(frame_scores("a", Direction.HIGHER, [0], [0], [0]).value())
    assert math.isnan(frame_scores("a", Direction.HIGHER, [], []).value())
    tops, ones = ((1.0, 0.0),) * 3, (1.0,) * 3
    alone = Score("a", Direction.LOWER, (0, 1, 2), tops, ones, Reduction.JOIN)
    assert math.isnan(alone.value())


def test_spread_is_the_mean_distance_from_the_mean():
    tops = ((0.0, 0.0), (6.0, 8.0), (9.0, 9.0))
    score = Score("a", Direction.LOWER, (0, 1, 2), tops, (1.0, 2.0, 0.0), Reduction.SPREAD)
    assert score.value() == 2.5  # (0, 0) and (3, 4) lie 2.5 from (1.5, 2)
    still = Score("a", Direction.LOWER, (0, 1), ((1.0, 2.0),) * 2, (1.0, 1.0), Reduction.SPREAD)
    assert still.value() == 0


def test_joins_are_compared_with_the_median_of_the_others():
    tops = ((1.0, 0.0), (2.0, 0.0), (90.0, 0.0), (0.0, 4.0), (0.0, 8.0))
    score = Score("a", Direction.LOWER, tuple(range(5)), tops, (1.0,) * 5, Reduction.JOIN)
    assert score.value() == 3
