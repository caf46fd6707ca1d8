"""Depth, cameras and motion against closed forms."""

import numpy as np
import pytest
from tiny import clips as builders

from simlift.pixels.geometry.projection import (
    backward_warp,
    discontinuities,
    lands_inside,
    normals_from_depth,
    pinhole,
    rays,
    rigid_flow,
    unproject,
)

HEIGHT, WIDTH = 40, 56
K = pinhole(HEIGHT, WIDTH, np.radians(60))
NO_BODIES = np.zeros(0, np.int64), (np.zeros((0, 4, 4)), np.zeros((0, 4, 4)))


def unit(*vector):
    return np.array(vector, float) / np.linalg.norm(vector)


def plane_depth(normal, distance, intrinsics=K, size=(HEIGHT, WIDTH)):
    """The z-depth of the plane n . p = -distance, in front of the camera where it is positive."""
    ray = rays(intrinsics, *size).astype(float)
    facing = ray @ normal
    return np.where(facing < -1e-3, -distance / np.minimum(facing, -1e-3), np.inf)


@pytest.mark.parametrize(
    "normal",
    [(0, 0, -1), (0.5, 0, -1), (0, -1, -0.6), (0.3, -0.7, -0.5), (-1, 0.2, -0.8), (0, -1, -0.2)],
)
@pytest.mark.parametrize("distance", [0.4, 3.0, 60.0])
def test_normals_of_planes_are_exact(normal, distance):
    normal = unit(*normal)
    depth = plane_depth(normal, distance).astype(np.float32)
    found = normals_from_depth(depth, K)
    hit = np.isfinite(depth)
    # A pixel whose neighbours are sky has one side only; away from the horizon it is exact.
    inner = hit.copy()
    for axis in (0, 1):
        for by in (-1, 1):
            inner &= np.roll(hit, by, axis)
    assert inner.sum() > 200
    assert np.abs(found[inner] - normal).max() < 2e-3
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-5)


def test_normals_of_a_sphere_point_away_from_its_centre():
    centre, radius = np.array([0.1, -0.05, 3.0]), 1.0
    ray = rays(K, HEIGHT, WIDTH).astype(float)
    a, b = (ray**2).sum(-1), ray @ centre
    root = b * b - a * (centre @ centre - radius**2)
    depth = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    found = normals_from_depth(depth.astype(np.float32), K)
    truth = (ray * np.where(root > 0, depth, 0)[..., None] - centre) / radius
    front = (root > 0) & (np.einsum("hwc,hwc->hw", truth, ray) < -0.5 * np.sqrt(a))
    assert front.sum() > 100
    angle = np.arccos(np.clip((found * truth).sum(-1), -1, 1))
    assert np.degrees(angle[front]).mean() < 3
    assert np.degrees(angle[front]).max() < 13


def test_normals_face_the_camera_where_nothing_was_hit():
    depth = np.full((6, 7), np.inf, np.float32)
    depth[3, 3] = 0
    assert (normals_from_depth(depth, K) == np.float32([0, 0, -1])).all()


def test_normals_do_not_see_across_edges():
    depth = plane_depth(unit(0.4, 0, -1), 3.0)
    depth[:, 28:] = plane_depth(unit(-0.4, 0, -1), 1.5)[:, 28:]
    found = normals_from_depth(depth.astype(np.float32), K)
    assert np.abs(found[:, 27] - unit(0.4, 0, -1)).max() < 0.02
    assert np.abs(found[:, 28] - unit(-0.4, 0, -1)).max() < 0.02


@pytest.mark.parametrize("between", [1, 2, 3])
def test_a_ledge_that_lies_in_line_by_chance_tilts_nothing_beside_it(between):
    """Two walls and a row between them, each `between` rows to a step: samples at equal distances
    lie in line across the edge, but those next to a pixel do not."""
    inverse = np.full((HEIGHT, WIDTH), 0.5)
    inverse[30 : 30 + between] = 0.505
    inverse[30 + between :] = 0.51
    found = normals_from_depth((1 / inverse).astype(np.float32), K)
    rows = np.r_[20:30, 30 + between : 40]
    away = np.degrees(np.arccos(np.clip(-found[rows, 10:-10, 2], -1, 1)))
    assert away.max() < (20 if between == 1 else 2)
    assert np.median(away) < 0.01


def test_segments_are_surfaces_of_their_own():
    """Two planes that meet in a fold which depth alone rounds off, between two segments."""
    across = plane_depth(unit(0.15, 0, -1), 2.0)
    other = plane_depth(unit(-0.15, 0, -1), 2.0)
    depth = np.minimum(across, other).astype(np.float32)
    ids = (other < across).astype(np.int32)
    found = normals_from_depth(depth, K, ids)
    truth = np.where(ids[..., None] == 1, unit(-0.15, 0, -1), unit(0.15, 0, -1))
    inner = (slice(None), slice(8, -8))
    error = np.abs(found - truth)[inner].max()
    assert error < 2e-3
    assert np.abs(normals_from_depth(depth, K) - truth)[inner].max() > 10 * error


def test_points_lie_on_their_plane():
    normal = unit(0.2, -0.6, -1)
    found = unproject(plane_depth(normal, 2.0).astype(np.float32), K)
    np.testing.assert_allclose(found @ normal, -2.0, atol=1e-4)


def test_edges_are_where_geometry_changes():
    depth = plane_depth(unit(0, -1, -0.5), 1.0).astype(np.float32)
    assert not discontinuities(depth, None, None).any()
    depth[:, 20:] += 1
    found = discontinuities(depth, None, None)
    assert found[2:-2, 19].all()
    assert not found[:, :18].any()
    ids = np.zeros((6, 8), np.int32)
    ids[:, 4:] = 1
    np.testing.assert_array_equal(np.flatnonzero(discontinuities(None, None, ids)[0]), [3])


def turn(axis, angle):
    x, y, z = unit(*axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def pose(rotation=np.eye(3), translation=(0, 0, 0)):
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation, translation
    return out


def homography_flow(matrix):
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    moved = np.stack([x, y, np.ones_like(x)], -1) @ matrix.T
    return moved[..., :2] / moved[..., 2:] - np.stack([x, y], -1)


@pytest.mark.parametrize("axis", [(0, 1, 0), (1, 0, 0), (0, 0, 1), (1, -2, 0.5)])
def test_flow_of_a_turning_camera_is_a_homography_for_any_depth_and_sky(axis):
    depth = np.random.default_rng(0).uniform(1, 9, (HEIGHT, WIDTH)).astype(np.float32)
    depth[:10] = np.inf
    rotation = turn(axis, 0.05)
    start = pose(turn((1, 1, 0), 0.3), (1, 2, 3))
    flow, ahead = rigid_flow(depth, None, (K, K), (start, pose(rotation) @ start), *NO_BODIES)
    truth = homography_flow(K @ rotation @ np.linalg.inv(K))
    np.testing.assert_allclose(flow, truth, atol=2e-3)
    assert np.isinf(ahead[:10]).all()


def test_flow_of_a_moving_camera_over_a_plane_is_its_homography():
    normal, distance = unit(0.1, -0.5, -1), 4.0
    depth = plane_depth(normal, distance).astype(np.float32)
    rotation, translation = turn((0, 1, 0), 0.04), np.array([0.2, -0.1, 0.3])
    end = pose(rotation, translation)
    flow, ahead = rigid_flow(depth, None, (K, K), (np.eye(4), end), *NO_BODIES)
    # n . p = -distance, so p' = R p + t = (R - t n^T / distance) p.
    matrix = K @ (rotation - np.outer(translation, normal) / distance) @ np.linalg.inv(K)
    np.testing.assert_allclose(flow, homography_flow(matrix), atol=2e-3)
    moved = unproject(depth, K) @ rotation.T + translation
    np.testing.assert_allclose(ahead, moved[..., 2], rtol=1e-4)


def test_flow_follows_zoom():
    wide = pinhole(HEIGHT, WIDTH, np.radians(70))
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    flow, _ = rigid_flow(depth, None, (K, wide), (np.eye(4), np.eye(4)), *NO_BODIES)
    np.testing.assert_allclose(flow, homography_flow(wide @ np.linalg.inv(K)), atol=1e-3)


def test_flow_of_a_body_is_its_own():
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    ids = np.zeros((HEIGHT, WIDTH), np.int32)
    ids[10:20, 10:30] = 5
    before, after = pose(), pose(translation=(0.1, -0.05, 0))
    world = pose(turn((0, 1, 0), 0.7), (0.3, 0, 1))
    # The body moves by (0.1, -0.05, 0) in world axes, seen by a camera that stands still.
    flow, _ = rigid_flow(
        depth, ids, (K, K), (world, world), np.array([5]), (before[None], after[None])
    )
    assert np.abs(flow[ids == 0]).max() < 1e-4
    step = world[:3, :3] @ [0.1, -0.05, 0]
    here = unproject(depth, K)[ids == 5]
    moved = here + step
    focal, centre = K[0, 0], K[:2, 2]
    truth = moved[:, :2] / moved[:, 2:] * focal - here[:, :2] / here[:, 2:] * focal
    np.testing.assert_allclose(flow[ids == 5], truth, atol=1e-3)
    assert centre.tolist() == [WIDTH / 2, HEIGHT / 2]


def test_flow_behind_the_camera_is_not_a_number():
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    end = pose(translation=(0, 0, -2))
    flow, _ = rigid_flow(depth, None, (K, K), (np.eye(4), end), *NO_BODIES)
    assert np.isnan(flow).all()
    assert not lands_inside(flow).any()
    assert not backward_warp(np.ones((HEIGHT, WIDTH), np.float32), flow).any()


def test_warping_without_flow_changes_nothing():
    image = np.random.default_rng(0).random((HEIGHT, WIDTH, 3), dtype=np.float32)
    still = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    np.testing.assert_array_equal(backward_warp(image, still), image)
    np.testing.assert_array_equal(backward_warp(image, still, nearest=True), image)
    assert lands_inside(still).all()


def test_warping_by_whole_pixels_is_a_shift():
    image = np.random.default_rng(0).random((HEIGHT, WIDTH), dtype=np.float32)
    flow = np.broadcast_to(np.float32([3, -2]), (HEIGHT, WIDTH, 2)).copy()
    found = backward_warp(image, flow)
    np.testing.assert_allclose(found[2:, :-3], image[:-2, 3:], atol=1e-6)
    assert not found[:, -3:].any()
    assert not found[:2].any()
    np.testing.assert_array_equal(lands_inside(flow)[2:, :-3], True)
    assert lands_inside(flow).sum() == (HEIGHT - 2) * (WIDTH - 3)


def test_the_known_camera_and_flow_agree():
    camera = builders.camera(3, HEIGHT, WIDTH)
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    poses = camera.world_to_camera[0], camera.world_to_camera[1]
    flow, _ = rigid_flow(depth, None, (K, K), poses, *NO_BODIES)
    # One centimetre to the right at 2 m moves the picture to the left.
    expected = np.broadcast_to([-0.01 / 2 * K[0, 0], 0], flow.shape)
    np.testing.assert_allclose(flow, expected, atol=1e-4)
