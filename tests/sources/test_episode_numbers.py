"""Episodes are found by their numbers, whatever a dataset was made from calls them."""

from fractions import Fraction
from pathlib import Path

import pytest

from simlift.core.dataset import episode_numbered, find_episode, select_episodes
from simlift.core.errors import ClipError
from simlift.engines.photographic.light.environments import open_environment
from simlift.engines.photographic.looks.look import Light
from simlift.media.dataset_manifest import DatasetManifest, EpisodeEntry, EpisodeSource
from simlift.sources.native_dataset import NativeDataset


def entry(index: int, name: str, key: str) -> EpisodeEntry:
    source = EpisodeSource("source.hdf5", "robomimic", key, "0" * 64, 1)
    return EpisodeEntry(index, name, 5, cameras={"front": name}, source=source)


# Keys are numbers of the dataset that this one was recorded from.
SOME = NativeDataset(
    Path("set"),
    DatasetManifest(
        "simlift-dataset/1",
        "set",
        Fraction(20),
        (entry(0, "a", "2"), entry(2, "b", "0"), entry(7, "c", "5")),
    ),
)


@pytest.mark.parametrize("number", [0, 2, 7])
def test_a_number_goes_before_a_key(number):
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
