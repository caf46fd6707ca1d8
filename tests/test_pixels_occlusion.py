"""Occlusion and shadows in screen space, on planes, corners and boxes."""

import numpy as np
import pytest

from simlift.pixels.geometry import normals_from_depth, pinhole, points, rays
from simlift.pixels.occlusion import ambient_occlusion, distant_shadow, enclosed, upsample

HEIGHT, WIDTH = 64, 96
K = pinhole(HEIGHT, WIDTH, np.radians(60))
RAYS = rays(K, HEIGHT, WIDTH).astype(float)


def unit(*vector):
    return np.array(vector, float) / np.linalg.norm(vector)


def plane(normal, distance):
    facing = RAYS @ unit(*normal)
    return np.where(facing < -1e-3, distance / np.maximum(-facing, 1e-3), np.inf)


def with_normals(depth):
    depth = depth.astype(np.float32)
    return depth, normals_from_depth(depth, K)


FLOOR = (0, -1, -0.35)  # a floor seen from above at a slant


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.4, -0.6, -1), FLOOR])
def test_a_plane_is_open(normal):
    depth, normals = with_normals(plane(normal, 2.0))
    found = ambient_occlusion(depth, normals, K, 0.5)
    assert found.shape == depth.shape
    assert found[np.isfinite(depth)].min() > 0.97
    assert found.max() <= 1


def test_a_corner_is_darker_than_its_walls():
    depth, normals = with_normals(np.minimum(plane((-1, 0, -1), 2.0), plane((1, 0, -1), 2.0)))
    assert depth[32, 48] > depth[32, 10]  # the walls meet far away, in the middle
    found = ambient_occlusion(depth, normals, K, 0.6)
    corner, wall = found[20:44, 46:50].mean(), found[20:44, 8:16].mean()
    assert corner < 0.8
    assert wall > 0.95
    np.testing.assert_allclose(found, found[:, ::-1], atol=0.12)


def test_a_ridge_is_open():
    depth, normals = with_normals(np.maximum(plane((-1, 0, -1), 2.0), plane((1, 0, -1), 2.0)))
    assert depth[32, 48] < depth[32, 10]
    found = ambient_occlusion(depth, normals, K, 0.6)
    assert found[20:44, 40:56].min() > 0.9


def test_an_object_far_in_front_draws_no_halo():
    wall = plane((0, 0, -1), 6.0)
    depth = wall.copy()
    depth[20:44, 36:60] = 2.0
    near, normals = with_normals(depth)
    bare, bare_normals = with_normals(wall)
    beside = np.zeros((HEIGHT, WIDTH), bool)
    beside[16:48, 30:66] = True
    beside[20:44, 36:60] = False
    found = ambient_occlusion(near, normals, K, 0.5)[beside]
    truth = ambient_occlusion(bare, bare_normals, K, 0.5)[beside]
    assert np.abs(found - truth).mean() < 0.02
    assert np.abs(found - truth).max() < 0.1


def test_occlusion_does_not_depend_on_the_scale_of_the_scene():
    depth, normals = with_normals(np.minimum(plane((-1, 0, -1), 2.0), plane((1, 0, -1), 2.0)))
    one = ambient_occlusion(depth, normals, K, 0.5)
    far = ambient_occlusion(depth * 10, normals, K, 5.0)
    np.testing.assert_allclose(one, far, atol=0.02)


def test_the_sky_is_open():
    depth = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    normals = normals_from_depth(depth, K)
    np.testing.assert_allclose(ambient_occlusion(depth, normals, K, 0.5), 1)
    np.testing.assert_allclose(distant_shadow(depth, normals, K, np.eye(3)[[1]], 1.0), 1)


def box_on_a_floor():
    """A box of 0.3 m before the camera on a floor 1 m below; y is down."""
    floor = np.where(RAYS[..., 1] > 0.05, 1.0 / np.maximum(RAYS[..., 1], 0.05), np.inf)
    depth = floor.copy()
    front = np.full_like(floor, 2.6)
    at = RAYS * front[..., None]
    inside = (np.abs(at[..., 0]) < 0.2) & (at[..., 1] > 0.5) & (at[..., 1] < 1.0)
    depth[inside] = 2.6
    # Its top, at y = 0.5, reaches from 2.6 to 3.0 m.
    top = np.where(RAYS[..., 1] > 0.05, 0.5 / np.maximum(RAYS[..., 1], 0.05), np.inf)
    over = (top > 2.6) & (top < 3.0) & (np.abs(RAYS[..., 0] * top) < 0.2)
    depth[over] = top[over]
    depth, normals = with_normals(depth)
    ground = np.isfinite(depth) & ~inside & ~over
    return depth, normals, ground


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.4, -0.6, -1), FLOOR])
def test_a_thick_plane_is_open(normal):
    depth, normals = with_normals(plane(normal, 2.0))
    found = enclosed(depth, normals, K, 0.5, np.full(depth.shape, 1.0, np.float32))
    # Depth is a step from pixel to pixel, which a ray along a slanted floor now and then meets.
    assert found[np.isfinite(depth)].min() > 0.93
    assert found[np.isfinite(depth)].mean() > 0.985
    assert found.max() <= 1


def slab_over_a_floor():
    """A floor 1 m below the camera, and the front of a thing 0.2 m above it, 3 m away."""
    floor = np.where(RAYS[..., 1] > 0.05, 1.0 / np.maximum(RAYS[..., 1], 0.05), np.inf)
    depth = floor.copy()
    at = RAYS * 3.0
    front = (np.abs(at[..., 0]) < 0.6) & (at[..., 1] > 0.2) & (at[..., 1] < 0.8)
    depth[front] = 3.0
    depth, normals = with_normals(depth)
    under = (floor > 3.05) & (np.abs(RAYS[..., 0] * floor) < 0.3) & ~front & (floor < 3.7)
    return depth, normals, front, under


def test_the_ground_under_a_thing_is_as_dark_as_the_thing_is_deep():
    depth, normals, front, under = slab_over_a_floor()
    assert under.sum() > 10

    def ground(deep):
        thickness = np.where(front, np.float32(deep), np.float32(0))
        return enclosed(depth, normals, K, 1.5, thickness)[under].mean()

    thin, car = ground(0.05), ground(2.0)
    assert car < 0.6 < 0.85 < thin


def test_enclosure_does_not_depend_on_the_scale_of_the_scene():
    depth, normals, front, _ = slab_over_a_floor()
    one = enclosed(depth, normals, K, 0.5, np.where(front, np.float32(1), np.float32(0)))
    far = enclosed(depth * 10, normals, K, 5.0, np.where(front, np.float32(10), np.float32(0)))
    np.testing.assert_allclose(one, far, atol=0.02)


def test_a_light_passes_behind_what_is_known_to_be_thin():
    """A post 0.4 m before a wall, lit from the side: its shadow is as wide as the post is deep."""
    depth = plane((0, 0, -1), 3.0)
    depth[:, 46:50] = 2.6
    depth = depth.astype(np.float32)
    normals = np.broadcast_to(np.float32([0, 0, -1]), (HEIGHT, WIDTH, 3)).copy()
    light = unit(0.8, 0, -1)[None]
    thickness = np.where(depth < 2.8, np.float32(0.05), np.float32(0))
    guessed = distant_shadow(depth, normals, K, light, 1.0)
    known = distant_shadow(depth, normals, K, light, 1.0, thickness)
    dark, less = (guessed < 0.5).sum(), (known < 0.5).sum()
    assert 0 < less < 0.7 * dark


@pytest.mark.parametrize("side", [-1, 1])
def test_a_shadow_falls_away_from_the_light(side):
    depth, normals, ground = box_on_a_floor()
    light = unit(side, -0.9, -0.1)[None]  # from one side and above
    found = distant_shadow(depth, normals, K, light, 1.5)
    where = points(depth, K)[..., 0]
    depths = np.abs(depth - 2.7) < 0.25
    shaded = ground & depths & (where * side < -0.22) & (where * side > -0.45)
    lit = ground & depths & (where * side > 0.3)
    assert shaded.sum() > 5
    assert found[shaded].mean() < 0.4
    assert found[lit].mean() > 0.9


def test_light_from_behind_a_surface_does_not_reach_it():
    depth, normals = with_normals(plane((0, 0, -1), 2.0))
    behind = distant_shadow(depth, normals, K, unit(0.2, 0, 1)[None], 1.0)
    front = distant_shadow(depth, normals, K, unit(0.2, 0.1, -1)[None], 1.0)
    assert behind.max() < 0.05
    assert front.min() > 0.98


def test_several_directions_give_their_mean():
    depth, normals, _ = box_on_a_floor()
    lights = np.stack([unit(-1, -1, 0), unit(1, -1, 0)])
    each = [distant_shadow(depth, normals, K, light[None], 1.0) for light in lights]
    both = distant_shadow(depth, normals, K, lights, 1.0)
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2, atol=1e-5)


def test_enlarging_keeps_constants_and_edges():
    depth, normals = with_normals(plane((0, 0, -1), 2.0))
    depth[:, 48:] = 5.0
    normals[:] = (0, 0, -1)
    small_depth, small_normals = depth[::2, ::2].copy(), normals[::2, ::2].copy()
    flat = np.full(small_depth.shape, 0.37, np.float32)
    found = upsample(flat, small_depth, small_normals, depth, normals)
    np.testing.assert_allclose(found, 0.37, atol=1e-5)
    step = np.where(small_depth < 3, 0.0, 1.0).astype(np.float32)
    found = upsample(step, small_depth, small_normals, depth, normals)
    np.testing.assert_allclose(found, depth > 3, atol=0.01)


def test_the_same_geometry_gives_the_same_numbers():
    depth, normals, _ = box_on_a_floor()
    one = ambient_occlusion(depth, normals, K, 0.4)
    np.testing.assert_array_equal(one, ambient_occlusion(depth.copy(), normals, K, 0.4))
