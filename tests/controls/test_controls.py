"""Controls: exact size, stated polarity, closed forms, and no dependence on the window."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny import arms

from simlift.controls import (
    CONTROLS,
    Blur,
    DepthControl,
    Edges,
    EngineEdges,
    Segmentation,
    open_control,
)
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.pixels.colour.label_colours import label_colours

HEIGHT, WIDTH, FRAMES = 48, 64, 4


@pytest.fixture
def window() -> Window:
    """A gray wall at 6 m with sky above it, and a box at 2 m that moves to the right."""
    rgb = np.full((FRAMES, HEIGHT, WIDTH, 3), 90, np.uint8)
    depth = np.full((FRAMES, HEIGHT, WIDTH), 6, np.float32)
    ids = np.full((FRAMES, HEIGHT, WIDTH), 1, np.int32)
    rgb[:, :8], depth[:, :8], ids[:, :8] = 250, np.inf, 0
    for t in range(FRAMES):
        box = (t, slice(16, 36), slice(10 + 3 * t, 34 + 3 * t))
        rgb[box], depth[box], ids[box] = (200, 60, 20), 2, 7
    links = [[arms.pose((0.1 * t, 0, 2)), arms.pose((-0.5, 0.3, 2.2))] for t in range(FRAMES)]
    robot = arms.robot({"arm": links}, {"arm": np.linspace(0, 1, FRAMES)})
    return replace(
        arms.window(robot, height=HEIGHT, width=WIDTH, focal=60.0),
        arrays={Layer.RGB: rgb, Layer.DEPTH: depth, Layer.SEGMENTATION: ids},
        metric_depth=True,
    )


def only(window: Window, *layers: Layer) -> Window:
    return replace(window, arrays={k: window.arrays[k] for k in layers}, _derived={})


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_has_the_windows_size_and_never_sees_the_window_as_a_whole(name, window):
    control = open_control(name)
    assert control.needs() <= set(Layer)
    frames = control.draw(window)
    assert frames.shape == window.rgb.shape and frames.dtype == np.uint8
    assert len(np.unique(frames)) > 1
    for i in range(FRAMES):
        assert np.array_equal(control.draw(window.frame(i))[0], frames[i])


def test_an_unknown_control_lists_the_known_ones():
    with pytest.raises(
        RecipeError, match="edges, engine-edges, depth, segmentation, blur, skeleton"
    ):
        open_control("canny")


def test_edges_are_cannys_white_on_black(window):
    gray = cv2.cvtColor(window.rgb[0], cv2.COLOR_RGB2GRAY)
    drawn = Edges().draw(window)
    assert np.array_equal(drawn[0, ..., 1], cv2.Canny(gray, 100, 200))
    assert np.array_equal(Edges(white_on_black=False).draw(window), 255 - drawn)


@pytest.mark.parametrize("layer", [Layer.DEPTH, Layer.SEGMENTATION])
def test_engine_edges_are_the_outlines_whichever_layer_is_there(layer, window):
    drawn = EngineEdges().draw(only(window, Layer.RGB, layer))[..., 0] > 0
    ids = window[Layer.SEGMENTATION]
    borders = np.zeros(ids.shape, np.uint8)
    borders[:, :, :-1] |= ids[:, :, :-1] != ids[:, :, 1:]
    borders[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    around = np.stack([cv2.dilate(b, np.ones((3, 3), np.uint8)) for b in borders]) > 0
    assert not (drawn & ~around).any()
    covered = np.stack([cv2.dilate(d.view(np.uint8), np.ones((3, 3), np.uint8)) for d in drawn])
    assert (covered[borders > 0] > 0).mean() > 0.95


def test_engine_edges_see_relative_depth_and_folds_of_given_normals(window):
    far = np.nan_to_num(window[Layer.DEPTH] / 8, posinf=1).astype(np.float32)
    relative = replace(
        only(window, Layer.RGB, Layer.DEPTH),
        arrays={Layer.RGB: window.rgb, Layer.DEPTH: far},
        metric_depth=False,
    )
    assert EngineEdges().draw(relative)[0, 25, 9:11].any()
    normals = np.zeros((*far.shape, 3), np.float32)
    normals[..., 2] = -1
    normals[:, 40:] = (0, -1, 0)
    folded = replace(window, arrays={Layer.RGB: window.rgb, Layer.NORMALS: normals}, _derived={})
    rows = np.unique(np.nonzero(EngineEdges().draw(folded))[1])
    assert rows.tolist() == [39]


def test_engine_edges_without_geometry_say_what_is_missing(window):
    with pytest.raises(ClipError, match="holds only rgb; allowed: at least one of depth, normals"):
        EngineEdges().draw(only(window, Layer.RGB))


def test_depth_is_white_when_near_and_black_when_far_or_sky(window):
    drawn = DepthControl(near=2.0, far=6.0).draw(window)
    ids = window[Layer.SEGMENTATION]
    assert (drawn[ids == 7] == 255).all() and (drawn[ids == 1] == 0).all()
    assert (drawn[ids == 0] == 0).all()
    halfway = np.full((1, 2, 2), 3, np.float32)  # 1/3 lies halfway between 1/2 and 1/6
    there = replace(window.frame(0), arrays={Layer.DEPTH: halfway})
    assert (DepthControl(near=2.0, far=6.0).draw(there) == 128).all()


def test_relative_depth_is_inverted_as_it_is(window):
    ramp = np.array([[[0, 0.25, 1.0, np.inf]]], np.float32)
    there = replace(window.frame(0), arrays={Layer.DEPTH: ramp}, metric_depth=False)
    assert DepthControl().draw(there)[0, 0, :, 0].tolist() == [255, 191, 0, 0]


def test_the_depth_range_is_fitted_once_for_a_clip(window):
    assert DepthControl.fitted(ClipSample(window)) == DepthControl(near=2.0, far=6.0)
    with pytest.raises(RecipeError, match="0 < near < far"):
        DepthControl(near=3.0, far=1.0)


def test_segmentation_colours_are_those_of_pascal_voc(window):
    # Source: VOC2012 development kit, VOClabelcolormap: background, aeroplane, ..., void.
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 15: (192, 128, 128)}
    known |= {255: (224, 224, 192)}
    assert np.array_equal(label_colours(np.array(list(known))), np.array(list(known.values())))
    assert len(np.unique(label_colours(np.arange(1 << 16)), axis=0)) == 1 << 16
    drawn = Segmentation().draw(window)
    assert (drawn[window[Layer.SEGMENTATION] == 7] == label_colours(np.array([7]))[0]).all()


def test_blur_takes_texture_and_leaves_shapes(window):
    textured = window.rgb.astype(int)
    textured[:, :, ::2] += 12
    there = replace(window, arrays={Layer.RGB: textured.clip(0, 255).astype(np.uint8)}, _derived={})
    drawn = Blur(diameter=9.0, sigma_colour=40.0).draw(there).astype(float)
    wall, box = drawn[0, 40:, 20:-20], drawn[0, 22:30, 18:26]
    assert wall.std((0, 1)).max() < 2 and abs(wall.mean() - 96) < 2
    assert np.abs(box.mean((0, 1)) - (206, 66, 26)).max() < 4


def test_a_small_blur_is_close_to_the_whole_one(window):
    big = cv2.resize(window.rgb[0], (640, 480), interpolation=cv2.INTER_NEAREST)[None]
    there = replace(window.frame(0), arrays={Layer.RGB: big})
    small, whole = Blur().draw(there), Blur(lines=10_000).draw(there)
    assert np.abs(small.astype(float) - whole).mean() < 2
