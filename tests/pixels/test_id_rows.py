"""Ids find their rows, and the largest take no more memory than the smallest."""

import tracemalloc

import numpy as np
import pytest

from simlift.pixels.id_rows import rows_of
from simlift.pixels.optics.lens_effects import body_steps, rigid_motion

LARGEST = 2**31 - 1


@pytest.mark.parametrize(
    "known",
    [[], [0], [3, 1, 2], [7, 65535], [65536, 5], [LARGEST, 0, 9], [-4, 2]],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_every_id_finds_its_row_or_none(known, dtype):
    ids = np.array([[0, 1, 2, 3], [5, 65535, 65536, LARGEST]], dtype)
    expected = [[known.index(i) if i in known else -1 for i in row] for row in ids.tolist()]
    assert rows_of(ids, np.array(known, np.int64)).tolist() == expected
    assert rows_of(ids[:0], np.array(known, np.int64)).shape == (0, 4)


def test_the_largest_ids_move_as_the_smallest_do_and_take_no_memory():
    depth = np.full((4, 6), 2.0, np.float32)
    places = np.arange(24).reshape(4, 6) % 3
    bodies, poses = np.array([1, 2]), np.tile(np.eye(4), (2, 2, 1, 1))
    poses[1, :, 0, 3] = 0.1, -0.2
    lens = np.array([[5.0, 0, 3], [0, 5, 2], [0, 0, 1]])
    steps = body_steps((lens, lens), (np.eye(4), np.eye(4)), (poses[0], poses[1]))
    expected = rigid_motion(depth, places, bodies, steps)
    large = np.array([0, LARGEST, LARGEST - 5])
    tracemalloc.start()
    found = rigid_motion(depth, large[places], large[1:], steps)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, expected)
    assert peak < 2**20
