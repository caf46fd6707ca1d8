"""What the fast loops must keep: dense references, shared weights, odd sizes, broken input."""

import numpy as np
import pytest

from simlift.pixels.geometry.projection import normals_from_depth, pinhole, rays
from simlift.pixels.image.upsampling import GeometryView, joint_bilateral_upsampler
from simlift.pixels.light.occlusion import ambient_occlusion, distant_shadow
from simlift.pixels.optics import sensor

HEIGHT, WIDTH = 72, 96
K = pinhole(HEIGHT, WIDTH, np.radians(60))
HALF = np.diag([0.5, 0.5, 1]) @ K
RAYS = rays(K, HEIGHT, WIDTH).astype(float)


def unit(*vector):
    return np.array(vector, float) / np.linalg.norm(vector)


def plane(normal, distance):
    facing = RAYS @ unit(*normal)
    return np.where(facing < -1e-3, distance / np.maximum(-facing, 1e-3), np.inf)


def corner():
    """Two walls that meet at the back, and a floor."""
    walls = np.minimum(plane((-1, 0, -1), 2.0), plane((1, 0, -1), 2.0))
    depth = np.minimum(walls, plane((0, -1, -0.2), 0.9)).astype(np.float32)
    return depth, normals_from_depth(depth, K)


def dense_occlusion(depth, normals, radius, directions=32, steps=32):
    """Horizons by the definition, every pixel alike: the mean over directions of the highest."""
    points = RAYS * depth[..., None]
    out = np.zeros(depth.shape)
    reach = np.clip(radius * K[0, 0] / depth, 2, 0.3 * WIDTH)
    limit = (reach * depth / K[0, 0]) ** 2
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    for angle in 2 * np.pi * (np.arange(directions) + 0.5) / directions:
        highest = np.zeros(depth.shape)
        for step in ((np.arange(steps) + 0.65) / steps) ** 2:
            length = 1 + step * (reach - 1)
            u = np.floor(columns + np.cos(angle) * length + 0.5).astype(int)
            v = np.floor(rows + np.sin(angle) * length + 0.5).astype(int)
            inside = (u >= 0) & (v >= 0) & (u < WIDTH) & (v < HEIGHT)
            to = points[v.clip(0, HEIGHT - 1), u.clip(0, WIDTH - 1)] - points
            square = (to**2).sum(-1) + 1e-20
            above = (to * normals).sum(-1)
            lifted = (above / np.sqrt(square) - 0.07) * (1 - square / limit)
            lifted = np.where(inside & (above > 0) & (square < limit), lifted, 0)
            highest = np.maximum(highest, lifted)
        out += highest / directions
    return 1 - out


def test_few_samples_see_what_many_see():
    depth, normals = corner()
    found = ambient_occlusion(GeometryView(depth, normals, K), 0.5)
    truth = dense_occlusion(depth, normals, 0.5)
    assert truth.min() < 0.75
    inner = found[4:-4, 4:-4] - truth[4:-4, 4:-4]
    assert np.sqrt((inner**2).mean()) < 0.02
    assert abs(inner.mean()) < 0.01


def test_a_tile_of_half_the_directions_is_the_mean_of_all():
    """A post before a wall: beside its shadow's edges four directions are four single ones."""
    depth = plane((0, 0, -1), 3.0)
    depth[20:60, 44:52] = 2.6
    depth = depth.astype(np.float32)
    normals = np.broadcast_to(np.float32([0, 0, -1]), (HEIGHT, WIDTH, 3)).copy()
    lights = np.stack([unit(x, y, -1) for x, y in ((0.8, 0), (-0.8, 0), (0.5, 0.5), (-0.5, 0.5))])
    each = [distant_shadow(GeometryView(depth, normals, K), light[None], 1.0) for light in lights]
    mean = np.mean(each, axis=0)
    found = distant_shadow(GeometryView(depth, normals, K), lights, 1.0)
    assert (mean < 0.9).sum() > 100
    assert np.abs(found - mean).mean() < 0.02
    assert found.mean() == pytest.approx(mean.mean(), abs=0.005)


def test_a_tile_is_averaged_however_steeply_its_surface_runs_away():
    depth = plane((0, -1, -0.05), 1.0).astype(np.float32)
    normals = np.broadcast_to(unit(0, -1, -0.05).astype(np.float32), (HEIGHT, WIDTH, 3)).copy()
    values = np.indices((HEIGHT, WIDTH)).sum(0) % 2
    found = GeometryView(depth, normals, K).tiles(values.astype(np.float32))
    ground = slice(HEIGHT // 2 + 6, -4)
    np.testing.assert_allclose(found[ground, 4:-4], 0.5, atol=0.02)


def test_means_over_tiles_do_not_cross_edges_and_treat_maps_alike():
    """Two walls, one behind the other: each keeps its own number, along rows and columns."""
    depth = plane((0, 0, -1), 2.0).astype(np.float32)
    depth[:, 40:] = 5.0
    depth[50:] = 9.0
    normals = np.broadcast_to(np.float32([0, 0, -1]), (HEIGHT, WIDTH, 3)).copy()
    tiles = GeometryView(depth, normals, K).tiles
    found = tiles(depth)
    np.testing.assert_allclose(found, depth, rtol=2e-3)
    np.testing.assert_allclose(tiles(np.full_like(depth, 0.3)), 0.3, rtol=1e-5)
    maps = np.random.default_rng(0).random((3, HEIGHT, WIDTH), dtype=np.float32)
    for one, mean in zip(maps, tiles(maps), strict=True):
        np.testing.assert_array_equal(mean, tiles(one))
        inner = np.lib.stride_tricks.sliding_window_view(one[:50, :40], (4, 4)).mean((2, 3))
        np.testing.assert_allclose(mean[4:46, 4:36], inner[2:44, 2:34], atol=2e-3)


def test_many_maps_are_enlarged_as_each():
    depth, normals = corner()
    small_depth, small_normals = depth[::2, ::2].copy(), normals[::2, ::2].copy()
    maps = np.random.default_rng(0).random((3, *small_depth.shape), dtype=np.float32)
    enlarge = joint_bilateral_upsampler(
        GeometryView(small_depth, small_normals, HALF), GeometryView(depth, normals, K)
    )
    together = enlarge(maps)
    assert together.shape == (3, HEIGHT, WIDTH)
    for one, found in zip(maps, together, strict=True):
        np.testing.assert_array_equal(found, enlarge(one))


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (5, 31)])
def test_small_and_odd_frames_are_enlarged_whole(shape):
    depth = np.full(shape, 2.0, np.float32)
    normals = np.broadcast_to(np.float32([0, 0, -1]), (*shape, 3)).copy()
    a, b = max(shape[0] // 2, 1), max(shape[1] // 2, 1)
    small = np.full((a, b), 0.4, np.float32)
    part = GeometryView(depth[:a, :b].copy(), normals[:a, :b].copy(), HALF)
    found = joint_bilateral_upsampler(part, GeometryView(depth, normals, K))(small)
    assert found.shape == shape
    np.testing.assert_allclose(found, 0.4, atol=1e-6)
    np.testing.assert_allclose(
        ambient_occlusion(GeometryView(depth, normals, K), 0.5), 1, atol=0.02
    )


@pytest.mark.parametrize("broken", [0.0, -1.0, np.nan, np.inf, 1e-30, 1e30])
def test_broken_depth_stays_where_it_is(broken):
    depth = plane((0, 0, -1), 2.0).astype(np.float32)
    depth[30:34, 40:44] = broken
    normals = normals_from_depth(depth, K)
    assert np.isfinite(normals).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-4)
    small_depth, small_normals = depth[::2, ::2].copy(), normals[::2, ::2].copy()
    view = GeometryView(small_depth, small_normals, HALF)
    for small in (
        ambient_occlusion(view, 0.5),
        distant_shadow(view, unit(0.2, 0.1, -1)[None], 0.5),
    ):
        whole = joint_bilateral_upsampler(view, GeometryView(depth, normals, K))(small)
        assert np.isfinite(whole).all()
        far = np.ones(depth.shape, bool)
        far[16:48, 26:58] = False
        np.testing.assert_allclose(whole[far], 1, atol=0.03)


def test_normals_of_a_turned_image_are_turned():
    depth, normals = corner()
    turned = normals_from_depth(depth.T.copy(), K[[1, 0, 2]][:, [1, 0, 2]])
    np.testing.assert_allclose(turned.transpose(1, 0, 2)[..., [1, 0, 2]], normals, atol=1e-4)


def test_smoothing_colour_keeps_light_and_gray():
    draw = np.random.default_rng(0)
    gray = draw.integers(500, 60000, (33, 46, 1)).repeat(3, -1).astype(np.uint16)
    assert np.abs(sensor.denoise_chroma(gray).astype(int) - gray).max() <= 1
    colours = draw.integers(8000, 30000, (33, 46, 3)).astype(np.uint16)
    found = sensor.denoise_chroma(colours).astype(float)
    weights = np.array([0.25, 0.5, 0.25])
    np.testing.assert_allclose(found @ weights, colours @ weights, atol=2)
    assert found.std((0, 1))[0] < 0.9 * colours.std((0, 1))[0]
