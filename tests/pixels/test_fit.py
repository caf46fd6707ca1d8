"""Frames fitted to a network's sizes and back: exact where nothing is interpolated."""

import numpy as np
import pytest

from simlift.pixels.image.letterbox import letterbox, pad_frames, padded_length, truncated_length


def noise(count, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("multiple", [8, 16, 32])
@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (15, 33), (16, 32), (31, 17), (47, 83), (64, 96)]
)
def test_there_and_back_changes_nothing_where_nothing_is_resized(height, width, multiple):
    frames = noise(3, height, width)
    how = letterbox(height, width, multiple)
    padded = how.apply(frames)
    assert not how.resizes
    assert padded.shape[1] % multiple == 0
    assert padded.shape[2] % multiple == 0
    assert padded.shape[1] - height < multiple
    assert padded.shape[2] - width < multiple
    assert np.array_equal(how.undo(padded), frames)


def test_the_border_is_the_frame_s_own_and_centred():
    frames = noise(1, 5, 6)
    how = letterbox(5, 6, 8)
    padded = how.apply(frames)
    assert padded.shape == (1, 8, 8, 3)
    assert np.array_equal(padded[0, 1:6, 1:7], frames[0])  # 3 rows of border: 1 above, 2 below
    assert np.array_equal(padded[0, 0, 1:7], frames[0, 0])
    assert np.array_equal(padded[0, 7, 1:7], frames[0, -1])
    assert np.array_equal(padded[0, 1:6, 0], frames[0, :, 0])


@pytest.mark.parametrize(
    ("size", "within"),
    [
        ((720, 1280), (480, 832)),
        ((1280, 720), (480, 832)),
        ((33, 17), (480, 832)),
        ((7, 999), (64, 64)),
    ],
)
def test_within_a_box_touches_it_and_keeps_the_aspect_ratio(size, within):
    how = letterbox(*size, 16, within)
    assert how.inner_height <= within[0]
    assert how.inner_width <= within[1]
    assert how.inner_height == within[0] or how.inner_width == within[1]
    # Sides are whole pixels, each at most half a pixel from the exact one.
    scale = min(within[0] / size[0], within[1] / size[1])
    assert abs(how.inner_height - size[0] * scale) <= 0.5 or how.inner_height == 1
    assert abs(how.inner_width - size[1] * scale) <= 0.5 or how.inner_width == 1


def test_going_back_restores_the_size_and_a_flat_colour():
    frames = np.full((2, 45, 79, 3), (10, 200, 77), np.uint8)
    how = letterbox(45, 79, 16, (64, 64))
    assert how.resizes
    assert np.array_equal(how.undo(how.apply(frames)), frames)


def test_a_resized_ramp_comes_back_within_two_code_values():
    ramp = np.broadcast_to(np.linspace(0, 255, 96)[None, None, :, None], (1, 64, 96, 3))
    frames = np.ascontiguousarray(ramp.astype(np.uint8))
    how = letterbox(64, 96, 16, (32, 48))
    back = how.undo(how.apply(frames))
    assert np.abs(back.astype(int) - frames)[:, :, 2:-2].max() <= 2


def test_one_side_alone_shrinks_without_aliasing():
    # One pixel wide stripes: their mean is what a smaller picture can show of them.
    frames = np.zeros((1, 8, 96, 3), np.uint8)
    frames[:, :, ::2] = 200
    how = letterbox(8, 96, 1, (8, 48))
    assert (how.inner_height, how.inner_width) == (4, 48)
    assert np.array_equal(how.apply(frames), np.full((1, 4, 48, 3), 100, np.uint8))


def test_no_frames_stay_no_frames():
    for within in (None, (32, 32)):
        how = letterbox(45, 79, 16, within)
        padded = how.apply(np.empty((0, 45, 79, 3), np.uint8))
        assert padded.shape == (0, how.padded_height, how.padded_width, 3)
        assert how.undo(padded).shape == (0, 45, 79, 3)


@pytest.mark.parametrize("stride", [4, 8])
def test_lengths_are_the_nearest_that_the_network_takes(stride):
    for count in range(1, 100):
        above, below = padded_length(count, stride), truncated_length(count, stride)
        assert above % stride == 1 % stride
        assert below % stride == 1 % stride
        assert count <= above < count + stride
        assert count - stride < below <= count
    assert padded_length(81) == truncated_length(81) == 81
    assert (padded_length(82), truncated_length(84)) == (85, 81)


def test_frames_are_padded_by_the_last_and_cut_back():
    frames = noise(6, 4, 5)
    padded = pad_frames(frames, padded_length(6))
    assert padded.shape == (9, 4, 5, 3)
    assert np.array_equal(padded[:6], frames)
    assert all(np.array_equal(frame, frames[-1]) for frame in padded[6:])
    assert pad_frames(frames, 6) is frames
    with pytest.raises(ValueError, match="no last frame"):
        pad_frames(frames[:0], 5)
