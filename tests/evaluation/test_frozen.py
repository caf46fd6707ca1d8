"""Frozen pictures and stale first ones are found, and honest recordings are not."""

import numpy as np
import pytest

from simlift.evaluation.agreement import Verdict
from simlift.evaluation.agreement.frozen import check_first, check_stuck

RANDOM = np.random.default_rng(5)
TEXTURE = RANDOM.integers(0, 255, (24, 60, 3), dtype=np.uint8)
INDICES = np.array([0, 1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 30])


def view(t: int) -> np.ndarray:
    """A texture that moves by a pixel every second frame."""
    return TEXTURE[:, t // 2 % 28 : t // 2 % 28 + 32]


def recorded(indices=INDICES) -> np.ndarray:
    return np.stack([view(t) for t in indices])


def states(reach: float = 1.0) -> np.ndarray:
    return np.linspace(0, reach, 31)[:, None] * [1.0, 0.1]


def verdicts(findings) -> list[Verdict]:
    return [finding.verdict for finding in findings]


def test_pictures_that_move_agree():
    assert verdicts(check_stuck(INDICES, recorded(), states())) == [Verdict.AGREES]
    assert check_first(INDICES, recorded(), view(40)) == []


@pytest.mark.parametrize(("reach", "expected"), [(1.0, [Verdict.CONTRADICTS]), (0.01, [])])
def test_a_decoder_that_is_stuck_contradicts_a_robot_that_moves(reach, expected):
    stuck = np.repeat(view(0)[None], len(INDICES), 0)
    assert verdicts(check_stuck(INDICES, stuck, states(reach))) == expected


def test_states_that_are_unknown_say_nothing():
    stuck = np.repeat(view(0)[None], len(INDICES), 0)
    assert check_stuck(INDICES, stuck, np.empty((31, 0))) == []
    lost = states()
    lost[3] = np.nan
    assert check_stuck(INDICES, stuck, lost) == []


def test_a_few_frames_that_are_repeated_are_doubted_by_number():
    frames = recorded()
    frames[6:10] = frames[6]
    (found,) = check_stuck(INDICES, frames, states())
    assert (found.verdict, found.frame) == (Verdict.DOUBT, 20)
    assert "frames 20 to 23 are the same" in found.evidence
    # Frames that do not follow on each other are none in a row.
    apart = np.array([0, 5, 10, 15, 20, 30])
    frames = recorded(apart)
    frames[1:5] = frames[1]
    assert verdicts(check_stuck(apart, frames, states())) == [Verdict.AGREES]


def test_a_first_picture_of_the_episode_before():
    frames = recorded()
    frames[1:] //= 4
    frames[0] = view(48)
    (found,) = check_first(INDICES, frames, view(48))
    assert (found.verdict, found.frame) == (Verdict.DOUBT, 0)
    assert "shows the last picture of the episode before" in found.evidence


def test_a_first_picture_unlike_all_that_follow():
    frames = recorded()
    frames[1:] = frames[1:] // 16  # steps of a few codes
    frames[0] = 255
    for before in (None, view(3), np.zeros((5, 5, 3), np.uint8)):
        (found,) = check_first(INDICES, frames, before)
        assert "no other step by more than" in found.evidence


def test_an_episode_that_begins_where_the_last_one_ended_is_fine():
    assert check_first(INDICES, recorded(), view(0)) == []
    still = np.repeat(view(0)[None], len(INDICES), 0)
    assert check_first(INDICES, still, view(0)) == []
