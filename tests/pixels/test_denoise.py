"""Noisy passes to one clean image: noise goes, textures, edges and energy stay."""

import numpy as np
import pytest

from simlift.pixels.image.denoise import denoise

SIZE = (64, 96)
FACING = np.broadcast_to(np.float32([0, 0, -1]), (*SIZE, 3)).copy()
FLAT = np.full(SIZE, 2.0, np.float32)
NOISE = np.random.default_rng(0).normal(size=(8, *SIZE, 3)).astype(np.float32)
TEXTURE = np.random.default_rng(1).uniform(0.1, 0.9, (*SIZE, 3)).astype(np.float32)
INNER = (slice(8, -8), slice(8, -8))


def tilted(slope):
    """A plane whose depth grows to the right, and its normals (for a long lens)."""
    depth = (2 + slope * np.arange(SIZE[1]) / SIZE[1] * np.ones((SIZE[0], 1))).astype(np.float32)
    return depth, FACING


@pytest.mark.parametrize("passes", [2, 4, 8])
def test_light_without_noise_keeps_every_texture(passes):
    exact = np.stack([np.float32(0.7) * TEXTURE] * passes)
    found = denoise(exact, TEXTURE, FACING, FLAT)
    np.testing.assert_allclose(found, exact[0], rtol=1e-5)


def test_a_constant_stays_constant_where_there_is_sky():
    depth = FLAT.copy()
    depth[:, 40:] = np.inf
    black = np.zeros((*SIZE, 3), np.float32)  # the sky has no albedo
    found = denoise(np.full((8, *SIZE, 3), 0.4, np.float32), black, FACING, depth)
    np.testing.assert_allclose(found, 0.4, rtol=1e-5)


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_noise_falls_tenfold_and_the_texture_stays(slope):
    depth, normals = tilted(slope)
    light = 1 + np.float32(0.3) * NOISE
    found = denoise(light * TEXTURE, TEXTURE, normals, depth) / TEXTURE
    before, after = light.mean(0)[INNER].var(), found[INNER].var()
    assert after < before / 10
    # No light is lost or made.
    np.testing.assert_allclose(found.mean(), light.mean(), rtol=2e-3)


def test_more_passes_leave_less_noise():
    light = 1 + np.float32(0.5) * NOISE
    white = np.ones((*SIZE, 3), np.float32)
    left = [denoise(light[:n], white, FACING, FLAT)[INNER].var() for n in (2, 8)]
    assert left[1] < left[0]


def test_light_does_not_cross_a_step_in_depth_or_a_fold():
    """Passes so far apart that brightness tells nothing: only geometry keeps the halves apart."""
    white = np.ones((*SIZE, 3), np.float32)
    level = np.where(np.arange(SIZE[1]) < 48, 1.0, 2.0).astype(np.float32)[None, :, None]
    swing = np.array([3, -3] * 4, np.float32)[:, None, None, None]
    light = (level + swing) * np.ones((1, *SIZE, 3), np.float32)
    step, fold, far = FLAT.copy(), FACING.copy(), FLAT.copy()
    step[:, 48:] = 5.0
    fold[:, 48:] = [1, 0, 0]
    far[:, 48:] = np.inf
    for depth, normals in ((step, FACING), (FLAT, fold), (far, FACING)):
        found = denoise(light, white, normals, depth)
        np.testing.assert_allclose(found, np.broadcast_to(level, found.shape), atol=0.02)
    bled = denoise(light, white, FACING, FLAT)
    assert bled[:, 47].mean() > 1.2  # which is what they keep it from


def test_an_edge_of_light_stays_sharp():
    """A shadow's border has no edge in depth; what differs by more than its noise stays apart."""
    white = np.ones((*SIZE, 3), np.float32)
    level = np.where(np.arange(SIZE[1]) < 48, 0.2, 1.0).astype(np.float32)[None, :, None]
    found = denoise(level + np.float32(0.03) * NOISE, white, FACING, FLAT)
    np.testing.assert_allclose(found[:, 47].mean(), 0.2, atol=0.02)
    np.testing.assert_allclose(found[:, 48].mean(), 1.0, atol=0.02)


def test_a_firefly_of_one_pass_goes_and_a_lamp_stays():
    light = 1 + np.float32(0.05) * NOISE
    lamp, spark = (20, 20), (40, 60)
    light[:, lamp[0], lamp[1]] = 30
    light[3, spark[0], spark[1]] = 1000
    found = denoise(light.astype(np.float32), np.ones((*SIZE, 3), np.float32), FACING, FLAT)
    assert abs(found[spark].mean() - 1) < 0.1
    assert found[lamp].mean() > 25
    around = found[38:43, 58:63].mean()
    assert abs(around - 1) < 0.05


def test_the_same_passes_give_the_same_image():
    light = (1 + np.float32(0.3) * NOISE) * TEXTURE
    one, again = (denoise(light, TEXTURE, FACING, FLAT) for _ in range(2))
    np.testing.assert_array_equal(one, again)
