"""Occlusion and shadows in screen space, on planes, corners and boxes."""

import numpy as np
import pytest

from simlift.engines.photographic.scene.bounding_boxes import half_width
from simlift.pixels.geometry.projection import normals_from_depth, pinhole, rays, unproject
from simlift.pixels.image.upsampling import GeometryView, joint_bilateral_upsampler
from simlift.pixels.light.occlusion import (
    Occluders,
    ambient_occlusion,
    ambient_occlusion_by_rays,
    distant_shadow,
)

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
    found = ambient_occlusion(GeometryView(depth, normals, K), 0.5)
    assert found.shape == depth.shape
    assert found[np.isfinite(depth)].min() > 0.97
    assert found.max() <= 1


def test_a_corner_is_darker_than_its_walls():
    depth, normals = with_normals(np.minimum(plane((-1, 0, -1), 2.0), plane((1, 0, -1), 2.0)))
    assert depth[32, 48] > depth[32, 10]  # the walls meet far away, in the middle
    found = ambient_occlusion(GeometryView(depth, normals, K), 0.6)
    corner, wall = found[20:44, 46:50].mean(), found[20:44, 8:16].mean()
    assert corner < 0.8
    assert wall > 0.95
    np.testing.assert_allclose(found, found[:, ::-1], atol=0.12)


def test_a_ridge_is_open():
    depth, normals = with_normals(np.maximum(plane((-1, 0, -1), 2.0), plane((1, 0, -1), 2.0)))
    assert depth[32, 48] < depth[32, 10]
    found = ambient_occlusion(GeometryView(depth, normals, K), 0.6)
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
    found = ambient_occlusion(GeometryView(near, normals, K), 0.5)[beside]
    truth = ambient_occlusion(GeometryView(bare, bare_normals, K), 0.5)[beside]
    assert np.abs(found - truth).mean() < 0.02
    assert np.abs(found - truth).max() < 0.1


def test_occlusion_does_not_depend_on_the_scale_of_the_scene():
    depth, normals = with_normals(np.minimum(plane((-1, 0, -1), 2.0), plane((1, 0, -1), 2.0)))
    one = ambient_occlusion(GeometryView(depth, normals, K), 0.5)
    far = ambient_occlusion(GeometryView(depth * 10, normals, K), 5.0)
    np.testing.assert_allclose(one, far, atol=0.02)


def test_the_sky_is_open():
    depth = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    normals = normals_from_depth(depth, K)
    np.testing.assert_allclose(ambient_occlusion(GeometryView(depth, normals, K), 0.5), 1)
    np.testing.assert_allclose(
        distant_shadow(GeometryView(depth, normals, K), np.eye(3)[[1]], 1.0), 1
    )


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
    found = ambient_occlusion_by_rays(
        GeometryView(depth, normals, K), 0.5, 0.5, known(np.full(depth.shape, 1.0, np.float32))
    )
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


ALL_AROUND = np.eye(9, dtype=np.float32)[0] * np.float32(2 * np.pi**0.5)  # 1 from everywhere
SURFACE = 0.2 * 0.5  # what comes from a surface that hides the sky, beside 1 from the sky


def known(thickness, moves=None, boxes=(), light=ALL_AROUND):
    moves = np.zeros(thickness.shape, bool) if moves is None else moves
    return Occluders(thickness, moves, np.float32(boxes).reshape(-1, 15), light)


def plate(distance, side):
    """A thin square box before the middle of a wall that the camera faces, 3 m away."""
    return [0, 0, 3 - distance - 0.05, 1, 0, 0, 0, 1, 0, 0, 0, 1, side, side, 0.05]


def from_plate(distance, side):
    """The share of a hemisphere, by cosine, that a square above its middle fills (Howell B-3)."""
    x = side / distance
    return 4 / np.pi * x / np.sqrt(1 + x * x) * np.arctan(x / np.sqrt(1 + x * x))


@pytest.mark.parametrize("side", [0.2, 0.5, 1.5])
def test_a_box_hides_what_its_view_factor_says(side):
    depth = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    normals = np.broadcast_to(np.float32([0, 0, -1]), (HEIGHT, WIDTH, 3)).copy()
    nothing = np.zeros(depth.shape, np.float32)
    seen = known(nothing, boxes=[plate(0.5, side)])
    found = ambient_occlusion_by_rays(GeometryView(depth, normals, K), 1.0, 1e3, seen)[
        30:34, 46:50
    ].mean()
    share = from_plate(0.5, side)
    assert found == pytest.approx(1 - (1 - SURFACE) * share - SURFACE * share**4, abs=0.03)
    # What moves, and what is within the box, is not in its dark.
    moving = known(nothing, ~np.zeros(depth.shape, bool), [plate(0.5, side)])
    np.testing.assert_allclose(
        ambient_occlusion_by_rays(GeometryView(depth, normals, K), 1.0, 1e3, moving), 1, atol=1e-6
    )
    around = known(nothing, boxes=[plate(-0.05, 5.0)])
    np.testing.assert_allclose(
        ambient_occlusion_by_rays(GeometryView(depth, normals, K), 1.0, 1e3, around), 1, atol=1e-6
    )
    # From farther away than it reaches it hides nothing.
    near = ambient_occlusion_by_rays(GeometryView(depth, normals, K), 0.3, 0.4, seen)
    np.testing.assert_allclose(near, 1, atol=1e-6)


def test_what_is_enclosed_on_all_sides_is_black():
    """Under a wide plate, ten centimetres away, what would light the ground is as dark as it is."""
    depth = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    normals = np.broadcast_to(np.float32([0, 0, -1]), (HEIGHT, WIDTH, 3)).copy()
    seen = known(np.zeros(depth.shape, np.float32), boxes=[plate(0.1, 5.0)])
    assert (
        ambient_occlusion_by_rays(GeometryView(depth, normals, K), 1.0, 1e3, seen)[4:-4, 4:-4].max()
        < 0.03
    )


def test_what_hides_a_dark_side_hides_little():
    """A wall beside a floor: under a sky it takes half, where no sky is to its side nearly none."""
    depth = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    normals = np.broadcast_to(np.float32([0, 0, -1]), (HEIGHT, WIDTH, 3)).copy()
    beside = [1.05, 0, 2.0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0.05, 50, 1.0]  # at x = 1, before the wall
    nothing = np.zeros(depth.shape, np.float32)
    slope = 0.5 / 0.488603

    def taken(light):
        seen = known(nothing, boxes=[beside], light=light)
        column = int(K[0, 2] + K[0, 0] * 0.9 / 3)
        return (
            1
            - ambient_occlusion_by_rays(GeometryView(depth, normals, K), 1.0, 1e3, seen)[
                20:44, column - 4 : column
            ].mean()
        )

    even = ALL_AROUND.copy()
    left, right = even * 0.5, even * 0.5
    left[3], right[3] = -slope, slope
    assert taken(left) < 0.6 * taken(even) < 0.6 * taken(right)


def test_half_widths_are_those_of_the_largest_disc():
    inside = np.zeros((80, 120), np.uint8)
    inside[10:50, 5:115] = 1  # 40 high
    inside[50:78, 60:63] = 1  # a pole of 3 below it
    found = half_width(inside)
    assert found[30, 60] == pytest.approx(20, abs=1.5)
    # At the border too, away from corners, where a distance to the border would be 1.
    assert (found[11, 40:80] >= 15).all()
    assert (found[56:76, 60:63] <= 2).all()
    assert (found[inside == 0] == 0).all()
    assert half_width(np.ones((6, 8), np.uint8)).shape == (6, 8)


def test_the_ground_under_a_thing_is_as_dark_as_the_thing_is_deep():
    depth, normals, front, under = slab_over_a_floor()
    assert under.sum() > 10

    def ground(deep):
        thickness = np.where(front, np.float32(deep), np.float32(0))
        return ambient_occlusion_by_rays(
            GeometryView(depth, normals, K), 1.5, 1.5, known(thickness)
        )[under].mean()

    thin, car = ground(0.05), ground(2.0)
    assert car < 0.6 < 0.85 < thin


def test_enclosure_does_not_depend_on_the_scale_of_the_scene():
    depth, normals, front, _ = slab_over_a_floor()
    near, far = (np.where(front, np.float32(deep), np.float32(0)) for deep in (1, 10))
    one = ambient_occlusion_by_rays(GeometryView(depth, normals, K), 0.5, 0.5, known(near))
    far = ambient_occlusion_by_rays(GeometryView(depth * 10, normals, K), 5.0, 5.0, known(far))
    np.testing.assert_allclose(one, far, atol=0.02)


def test_a_light_passes_behind_what_is_known_to_be_thin():
    """A post 0.4 m before a wall, lit from the side: its shadow is as wide as the post is deep."""
    depth = plane((0, 0, -1), 3.0)
    depth[:, 46:50] = 2.6
    depth = depth.astype(np.float32)
    normals = np.broadcast_to(np.float32([0, 0, -1]), (HEIGHT, WIDTH, 3)).copy()
    light = unit(0.8, 0, -1)[None]
    thickness = np.where(depth < 2.8, np.float32(0.05), np.float32(0))
    guessed = distant_shadow(GeometryView(depth, normals, K), light, 1.0)
    known = distant_shadow(GeometryView(depth, normals, K), light, 1.0, thickness)
    dark, less = (guessed < 0.5).sum(), (known < 0.5).sum()
    assert 0 < less < 0.7 * dark


@pytest.mark.parametrize("side", [-1, 1])
def test_a_shadow_falls_away_from_the_light(side):
    depth, normals, ground = box_on_a_floor()
    light = unit(side, -0.9, -0.1)[None]  # from one side and above
    found = distant_shadow(GeometryView(depth, normals, K), light, 1.5)
    where = unproject(depth, K)[..., 0]
    depths = np.abs(depth - 2.7) < 0.25
    shaded = ground & depths & (where * side < -0.22) & (where * side > -0.45)
    lit = ground & depths & (where * side > 0.3)
    assert shaded.sum() > 5
    assert found[shaded].mean() < 0.4
    assert found[lit].mean() > 0.9


def test_light_from_behind_a_surface_does_not_reach_it():
    depth, normals = with_normals(plane((0, 0, -1), 2.0))
    behind = distant_shadow(GeometryView(depth, normals, K), unit(0.2, 0, 1)[None], 1.0)
    front = distant_shadow(GeometryView(depth, normals, K), unit(0.2, 0.1, -1)[None], 1.0)
    assert behind.max() < 0.05
    assert front.min() > 0.98


def test_several_directions_give_their_mean():
    depth, normals, _ = box_on_a_floor()
    lights = np.stack([unit(-1, -1, 0), unit(1, -1, 0)])
    each = [distant_shadow(GeometryView(depth, normals, K), light[None], 1.0) for light in lights]
    both = distant_shadow(GeometryView(depth, normals, K), lights, 1.0)
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2, atol=1e-5)


def test_enlarging_keeps_constants_and_edges():
    depth, normals = with_normals(plane((0, 0, -1), 2.0))
    depth[:, 48:] = 5.0
    normals[:] = (0, 0, -1)
    small_depth, small_normals = depth[::2, ::2].copy(), normals[::2, ::2].copy()
    flat = np.full(small_depth.shape, 0.37, np.float32)
    half = GeometryView(small_depth, small_normals, np.diag([0.5, 0.5, 1]) @ K)
    enlarge = joint_bilateral_upsampler(half, GeometryView(depth, normals, K))
    found = enlarge(flat)
    np.testing.assert_allclose(found, 0.37, atol=1e-5)
    step = np.where(small_depth < 3, 0.0, 1.0).astype(np.float32)
    found = enlarge(step)
    np.testing.assert_allclose(found, depth > 3, atol=0.01)


def test_the_same_geometry_gives_the_same_numbers():
    depth, normals, _ = box_on_a_floor()
    one = ambient_occlusion(GeometryView(depth, normals, K), 0.4)
    np.testing.assert_array_equal(
        one, ambient_occlusion(GeometryView(depth.copy(), normals, K), 0.4)
    )
