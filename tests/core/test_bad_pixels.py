"""Numbers that a layer cannot hold are read as nothing; lone ones are filled in the clip sample."""

import numpy as np
import pytest

from simlift.core.bad_pixels import replace_bad
from simlift.core.layers import Layer
from simlift.pixels.image.specks import fill_specks, lone_depths

NAN, INF = np.nan, np.inf
DEPTH = [NAN, -INF, 0.0, -1.0, 1e30, 1e-20, 1e-45]


@pytest.mark.parametrize("value", DEPTH)
def test_depth_that_cannot_be_is_nothing_hit(value):
    depth = np.full((2, 4, 5), 3, np.float32)
    depth[0, 0] = INF
    depth[1, 2, 3] = value
    found, bad = replace_bad(Layer.DEPTH, depth, metric=True)
    assert np.argwhere(bad).tolist() == [[1, 2, 3]]
    assert found[1, 2, 3] == INF
    np.testing.assert_array_equal(found[~bad], depth[~bad])


def test_good_layers_come_back_as_they_are():
    depth = np.array([[[1e-3, 65504, INF, 5e5]]], np.float32)
    near = np.zeros((1, 2, 2), np.float32)
    normals = np.broadcast_to(np.float32([0.6, 0, -0.8]), (1, 2, 2, 3))
    flow = np.full((1, 2, 2, 2), -3e4, np.float32)
    ids = np.full((1, 2, 2), -7, np.int32)
    for layer, array, metric in (
        (Layer.DEPTH, depth, True),
        (Layer.DEPTH, near, False),
        (Layer.NORMALS, normals, True),
        (Layer.FLOW, flow, True),
        (Layer.SEGMENTATION, ids, True),
    ):
        found, bad = replace_bad(layer, array, metric=metric)
        assert found is array
        assert bad is None


def test_other_layers_have_words_of_their_own():
    depth = np.float32([[[0.2, NAN, -0.1]]])
    assert replace_bad(Layer.DEPTH, depth, metric=False)[0].tolist() == [[[np.float32(0.2), 1, 1]]]
    normals = np.float32([[[[0, 0, -1], [NAN, 0, 0], [0, 0, 0], [INF, 0, 0], [1, 0, 0]]]])
    found, bad = replace_bad(Layer.NORMALS, normals, metric=True)
    assert bad.tolist() == [[[False, True, True, True, False]]]
    np.testing.assert_array_equal(found[bad], np.float32([[0, 0, -1]] * 3))
    flow = np.float32([[[[1, 2], [NAN, 0], [0, INF], [1e9, 0]]]])
    found, bad = replace_bad(Layer.FLOW, flow, metric=True)
    assert bad.tolist() == [[[False, True, True, True]]]
    assert np.isnan(found[bad]).all()


def test_specks_are_filled_and_holes_stay():
    image = np.arange(30, dtype=np.float32).reshape(5, 6)
    lost = np.zeros((5, 6), bool)
    lost[1, 1] = lost[3, 4] = True
    filled = fill_specks(image, lost, ~lost)
    assert filled[1, 1] == 6  # the lower median of 0 1 2 6 8 12 13 14
    np.testing.assert_array_equal(filled[~lost], image[~lost])
    lost[:] = False
    lost[2] = True  # a row: six of eight neighbours are good
    assert (fill_specks(image, lost, ~lost)[2, 1:-1] != image[2, 1:-1]).all()
    lost[1:4, 1:5] = True
    np.testing.assert_array_equal(fill_specks(image, lost, ~lost)[2, 2:4], image[2, 2:4])
    depth = np.full((5, 6), 2, np.float32)
    depth[1, 1], depth[3, 3], depth[0] = 5e3, 1e-3, INF
    assert np.argwhere(lone_depths(depth)).tolist() == [[1, 1], [3, 3]]
    assert not lone_depths(np.float32([[2, 2, 900], [2, 2, 900]])).any()
