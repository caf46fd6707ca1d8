"""Coarse depth made smooth, from closed forms: planes, edges, bodies, what stays a code."""

import numpy as np
import pytest

from simlift.pixels.geometry.dequantisation import dequantise

SHAPE = (96, 128)
STEP = 0.01
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
STEPS = np.full(SHAPE, STEP, np.float32)


def plane(across: float, down: float, at: float = 1.0) -> np.ndarray:
    return at + across * COLUMNS + down * ROWS


def coded(inverse: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    codes = inverse / STEP + np.random.default_rng(seed).normal(0, noise, SHAPE)
    return (np.rint(codes) * STEP).astype(np.float32)


@pytest.mark.parametrize(
    ("across", "down"), [(0.1, 0.23), (0.03, 0.07), (-0.31, 0.02), (0.8, -1.3)]
)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_planes_are_straight_within_a_small_part_of_a_code(across, down, noise):
    truth = plane(across * STEP, down * STEP, at=3.0)
    found = dequantise(coded(truth, noise), STEPS)
    assert np.abs(found - truth).max() < 0.25 * STEP
    inside = (slice(8, -8), slice(8, -8))
    assert np.sqrt(np.mean((found - truth)[inside] ** 2)) < 0.06 * STEP
    # No steps are left in what light sees: the slopes. Codes have slopes of 0 and of a code.
    slopes = np.diff(found.astype(np.float64), axis=0)[inside]
    assert np.abs(slopes - down * STEP).max() < 0.1 * STEP


@pytest.mark.parametrize("guided", [False, True])
def test_an_edge_stays_where_it_is_and_sharp(guided):
    left = COLUMNS < 61
    truth = np.where(left, plane(0.05 * STEP, 0.1 * STEP), plane(0, -0.2 * STEP, at=2.0))
    ids = left.astype(np.int32) if guided else None
    found = dequantise(coded(truth), STEPS, ids)
    assert np.abs(found - truth).max() < 0.6 * STEP


def test_pixels_that_coding_mixed_at_an_edge_belong_to_one_side():
    left = COLUMNS < 61
    near, far = plane(0.05 * STEP, 0.1 * STEP), plane(0, -0.2 * STEP, at=2.0)
    mixed = np.where(left, near, far)
    mixed[:, 60] = (0.7 * near + 0.3 * far)[:, 60]
    mixed[:, 61] = (0.4 * near + 0.6 * far)[:, 61]
    found = dequantise(coded(mixed), STEPS, left.astype(np.int32))
    assert np.abs(found - np.where(left, near, far)).max() < STEP


def test_ids_keep_a_low_body_apart():
    """A box one code above the table: without ids it is lost in rounding, with them it is flat."""
    box = (abs(COLUMNS - 60) < 14) & (abs(ROWS - 50) < 12)
    truth = plane(0.02 * STEP, 0.11 * STEP) + np.where(box, 1.2 * STEP, 0)
    found = dequantise(coded(truth), STEPS, box.astype(np.int32))
    assert np.abs(found - truth).max() < 0.35 * STEP


def test_curved_surfaces_follow_their_codes():
    truth = 1 + 0.3 * np.sin(ROWS / 17) * np.cos(COLUMNS / 23)
    found = dequantise(coded(truth), STEPS)
    error = found - truth
    assert np.abs(error).max() < 1.2 * STEP
    assert np.sqrt(np.mean(error**2)) < np.sqrt(np.mean((coded(truth) - truth) ** 2))


def test_thin_bodies_and_nothing_keep_their_codes():
    codes = coded(plane(0, 0.1 * STEP))
    codes[:, 40] += np.float32(0.5)
    codes[:20] = 0
    found = dequantise(codes, STEPS)
    assert (found[:20] == 0).all()
    assert np.abs(found - codes)[20:].max() < STEP
    assert (found[20:] > 0).all()


def test_the_same_frame_gives_the_same_bytes_and_small_frames_work():
    codes = coded(plane(0.1 * STEP, 0.2 * STEP), noise=0.5)
    assert dequantise(codes, STEPS).tobytes() == dequantise(codes.copy(), STEPS).tobytes()
    for shape in ((1, 1), (3, 5), (7, 200)):
        flat = np.full(shape, 0.5, np.float32)
        found = dequantise(flat, np.full(shape, STEP, np.float32))
        np.testing.assert_allclose(found, 0.5, rtol=1e-5)
