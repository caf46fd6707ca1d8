"""Episodes are found by their numbers, whatever a dataset was made from calls them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from simlift.core.dataset import Episode, episode_numbered, find_episode, select_episodes
from simlift.core.errors import ClipError
from simlift.engines.photographic.light.environments import open_environment
from simlift.engines.photographic.looks.look import Light


@dataclass(frozen=True)
class Numbered:
    """A dataset that knows its episodes alone."""

    episodes: tuple[Episode, ...]
    path: Path = Path("set")
    filters = {"0": (2,)}


# Keys are numbers of the dataset that this one was recorded from.
SOME = Numbered((Episode(0, "a", 5, key="2"), Episode(2, "b", 5, key="0"), Episode(7, "c", 5)))


@pytest.mark.parametrize("number", [0, 2, 7])
def test_a_number_goes_before_a_key_and_a_list_of_that_name(number):
    (found,) = select_episodes(SOME, str(number))
    assert found.index == number == episode_numbered(SOME, number).index


def test_a_number_without_an_episode():
    assert find_episode(SOME, 1) is None and find_episode(SOME, -1) is None
    with pytest.raises(ClipError, match="has no episode 1.*3 episodes, from 0 to 7"):
        episode_numbered(SOME, 1)


def test_looks_share_a_room_and_differ_in_their_skies():
    one, other = Light(pick=1, turn=10.0), Light(pick=2, emission=3.0)
    assert open_environment(one, "studio") is open_environment(other, "studio")
    assert open_environment(one, "overcast") is not open_environment(other, "overcast")
