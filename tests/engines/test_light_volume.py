"""Light among voxels, planes that bound a scene, mirrors in the image: against closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from simlift.core.camera import Camera
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.light.indirect import static_scene
from simlift.engines.photographic.scene.observed_surfaces import observed_empty
from simlift.pixels.geometry.planes import bounding_planes, extend_plane
from simlift.pixels.geometry.projection import pinhole, rays
from simlift.pixels.geometry.voxels import voxelise
from simlift.pixels.light.environment import (
    Sun,
    build_environment,
    equirectangular_directions,
    harmonic_basis,
)
from simlift.pixels.light.probes import place_probes, solve_light_bounces
from simlift.pixels.light.reflections import glossy_directions, screen_space_reflections
from simlift.pixels.light.shading import OutgoingLight

RANDOM = np.random.default_rng(0)
WAYS = RANDOM.normal(size=(64, 3))
WAYS = (WAYS / np.linalg.norm(WAYS, axis=1, keepdims=True)).astype(np.float32)
UP = np.array([0.0, 0.0, 1.0])


def constant(level):
    return np.full((64, 128, 3), level, np.float32)


WHITE, BLACK = build_environment(constant(1)), build_environment(constant(0))


def sheet(axis, at, low, high, facing, albedo=0.5, glow=0.0, step=0.05):
    """Samples of an axis-aligned rectangle: points, normals, albedo, glow."""
    lines = [np.arange(low[k], high[k], step) for k in range(3) if k != axis]
    flat = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2)
    points = np.insert(flat, axis, at, axis=1).astype(np.float32)
    normals = np.zeros_like(points)
    normals[:, axis] = facing
    return points, normals, np.full_like(points, albedo), np.full(len(points), glow, np.float32)


def joined(*sheets):
    return tuple(np.concatenate(parts) for parts in zip(*sheets))


def room(size=3.0, **surface):
    """The inside of a cube."""
    low, high = np.zeros(3), np.full(3, size)
    return joined(
        *(
            sheet(k, at, low, high, facing, **surface)
            for k in range(3)
            for at, facing in ((0, 1), (size, -1))
        )
    )


NOTHING = (*(np.zeros((0, 3), np.float32),) * 3, np.zeros(0, np.float32))


def lit(samples, low, high, environment, cell=0.1, spacing=0.3, glow=0.0):
    """Light a box of space that holds the samples."""
    low, high = np.array(low, float), np.array(high, float)
    voxels = voxelise(*samples, low, high, cell)
    probes = place_probes(voxels, low, high, spacing)
    turn = np.eye(3, dtype=np.float32)
    return solve_light_bounces(voxels, probes, environment, turn, environment.soft, glow)


# --- light ------------------------------------------------------------------------------------


def test_in_an_empty_world_light_is_that_of_the_environment():
    colours = np.float32([[0.5, 0.2, -0.1], [0.1, 0.6, 0.3], [-0.4, 0.1, 0.5]])
    environment = build_environment(
        np.einsum("hwi,ij->hwj", equirectangular_directions(64, 128), colours) + np.float32(2)
    )
    volume = lit(NOTHING, [0, 0, 0], [2, 2, 2], environment, cell=0.2, spacing=0.5)
    points = np.random.default_rng(3).uniform(0.1, 1.9, (64, 3)).astype(np.float32)
    found = volume.at(points, WAYS, WAYS)
    truth = np.einsum("nk,kc->nc", harmonic_basis(WAYS), environment.harmonics)
    np.testing.assert_allclose(found[:, :3], truth, rtol=0.01)
    # Radiance is the linear map through the window, 0.8 of its slope.
    np.testing.assert_allclose(found[:, 3:6], 0.8 * (WAYS @ colours) + 2, rtol=0.02)
    np.testing.assert_allclose(found[:, 6], 1, atol=0.01)


@pytest.mark.parametrize("albedo", [0.0, 0.3, 0.6])
def test_in_a_closed_furnace_light_is_a_geometric_series(albedo):
    """Walls that shine by `albedo` and reflect as much: albedo (1 + albedo + albedo^2 + ...)."""
    bounces = 4
    volume = lit(room(albedo=albedo, glow=1.0), [0, 0, 0], [3, 3, 3], BLACK, glow=1.0)
    points = np.random.default_rng(4).uniform(0.4, 2.6, (64, 3)).astype(np.float32)
    found = volume.at(points, WAYS, WAYS)
    series = albedo * sum(albedo**k for k in range(bounces))
    np.testing.assert_allclose(found[:, :6], series, rtol=0.01, atol=1e-6)
    np.testing.assert_allclose(found[:, 6], 0, atol=1e-6)
    if albedo:
        np.testing.assert_allclose(series, albedo / (1 - albedo), rtol=1.01 * albedo**bounces)


@pytest.mark.parametrize("albedo", [0.0, 0.5, 0.8])
def test_over_an_endless_floor_a_wall_sees_half_sky_and_half_floor(albedo):
    far = 10
    floor = sheet(2, 0, [-far, -far, 0], [far, far, 0], 1, albedo=albedo, step=0.15)
    volume = lit(floor, [-far, -far, 0], [far, far, 4], WHITE, cell=0.2, spacing=0.8)
    beside = np.random.default_rng(5).uniform(-1, 1, (64, 2))
    ground = np.column_stack([beside, np.zeros(64)]).astype(np.float32)
    above = np.column_stack([beside, np.ones(64)]).astype(np.float32)
    up = np.tile(np.float32([0, 0, 1]), (64, 1))
    side = np.tile(np.float32([0.6, -0.8, 0]), (64, 1))
    np.testing.assert_allclose(volume.at(ground, up, up)[:, :3], 1, atol=0.02)
    # The floor ends: from 1 m a seventh of the lower half's light comes from the sky.
    beside = volume.at(above, side, side)[:, :3]
    assert (beside > (1 + albedo) / 2 - 0.005).all()
    assert (beside < (1 + albedo) / 2 + 0.005 + 0.14 * (1 - albedo) / 2).all()
    np.testing.assert_allclose(volume.at(above, -up, -up)[:, :3], albedo, atol=0.03)


def test_a_sun_lights_a_floor_and_what_stands_above_it():
    """A point sun of irradiance pi at 60 degrees from the zenith: the floor leaves albedo / 2."""
    far = 5
    towards = np.float32([np.sqrt(0.75), 0, 0.5])
    sun = Sun(towards, np.full(3, np.pi, np.float32))
    environment = replace(BLACK, suns=(sun,))
    floor = sheet(2, 0, [-far, -far, 0], [far, far, 0], 1, albedo=0.6, step=0.1)
    volume = lit(floor, [-far, -far, 0], [far, far, 2], environment, cell=0.2, spacing=0.6)
    np.testing.assert_allclose(volume.leaving, 0.3, rtol=0.02)
    above = np.float32([[0, 0, 0.5]])
    down = np.float32([[0, 0, -1]])
    np.testing.assert_allclose(volume.at(above, down, down)[0, :3], 0.3, rtol=0.05)


def test_no_sun_and_little_sky_pass_through_walls():
    """A black room in a white world: what its walls receive inside leaks past the probes."""
    margin = 0.6
    sun = Sun(np.float32([0, 0.6, 0.8]), np.full(3, 5, np.float32))
    environment = replace(WHITE, suns=(sun,))
    random = np.random.default_rng(6)
    points = random.uniform(0.1, 2.9, (300, 3)).astype(np.float32)
    axis, side = random.integers(0, 3, 300), random.integers(0, 2, 300)
    points[np.arange(300), axis] = np.where(side, 0, 3)
    normals = np.zeros((300, 3), np.float32)
    normals[np.arange(300), axis] = np.where(side, 1, -1)
    for spacing, mean, most in ((0.3, 0.005, 0.05), (0.4, 0.04, 0.4)):
        volume = lit(room(albedo=0.0), [-margin] * 3, [3 + margin] * 3, environment,
                     spacing=spacing)  # fmt: skip
        inside = volume.at(points, normals, normals)[:, :3]
        assert inside.mean() < mean
        assert inside.max() < most
        middle = random.uniform(0.8, 2.2, (64, 3)).astype(np.float32)
        assert volume.at(middle, WAYS, WAYS).max() < 0.01
        # Seen from outside the same walls stand in half of the sky, all of what they face.
        np.testing.assert_allclose(volume.at(points, -normals, -normals)[:, :3], 1, atol=0.04)


def test_the_same_scene_gives_the_same_light():
    def once():
        volume = lit(room(albedo=0.4, glow=0.2), [0, 0, 0], [3, 3, 3], WHITE, glow=0.5)
        return volume.at(WAYS + np.float32(1.5), WAYS, WAYS)

    np.testing.assert_array_equal(once(), once())


# --- planes that bound a scene ----------------------------------------------------------------


def corner():
    """A floor, two walls and a table of 1 m, with the floor below it."""
    return joined(
        sheet(2, 0, [0, 0, 0], [4, 4, 0], 1, albedo=0.2),
        sheet(0, 0, [0, 0, 0], [0, 4, 2.5], 1, albedo=0.4),
        sheet(1, 0, [0, 0, 0], [4, 0, 2.5], 1, albedo=0.6),
        sheet(2, 0.8, [1, 1, 0.8], [3, 3, 0.8], 1, albedo=0.8),
    )


def test_floor_and_walls_bound_a_scene_and_a_table_does_not():
    points, normals, albedo, _ = corner()
    planes = bounding_planes(points, normals, albedo, UP, 0.05)
    found = {int(np.abs(plane.normal).argmax()): plane for plane in planes}
    assert len(planes) == 3
    assert set(found) == {0, 1, 2}
    for axis, colour, top in ((2, 0.2, 0.0), (0, 0.4, 2.45), (1, 0.6, 2.45)):
        plane = found[axis]
        np.testing.assert_allclose(plane.normal[axis], 1, atol=1e-6)
        assert abs(plane.offset) < 0.02
        np.testing.assert_allclose(plane.albedo, colour, atol=0.02)
        assert abs(plane.top - top) < 0.1


def test_a_plane_is_continued_past_the_box_and_not_above_its_top():
    points, normals, albedo, _ = corner()
    wall = next(p for p in bounding_planes(points, normals, albedo, UP, 0.05) if p.normal[0] > 0.9)
    low, high = points.min(0), points.max(0)
    more, facing, colours = extend_plane(wall, low, high, 0.1, None)
    np.testing.assert_allclose(more[:, 0], 0, atol=0.02)
    assert (more[:, 1].min() < low[1] - 0.5) and (more[:, 1].max() > high[1] + 0.5)
    assert more[:, 2].max() > high[2] + 0.3
    np.testing.assert_allclose(facing, np.tile([1, 0, 0], (len(more), 1)), atol=1e-6)
    np.testing.assert_allclose(colours, 0.4, atol=0.02)
    below, _, _ = extend_plane(wall, low, high, 0.1, UP)
    assert below[:, 2].max() < wall.top


SIZE = (60, 80)
LENS = pinhole(*SIZE, np.radians(70))


def half_a_wall(sky):
    """A camera looks along +y at a wall 4 m away that ends in the middle of the image; z is up."""
    ray = rays(LENS, *SIZE)
    depth = np.full(SIZE, 4.0, np.float32)
    depth[:, 40:] = np.inf if sky else 9.0
    low = 1.0 / np.maximum(ray[..., 1], 1e-6)  # the floor, 1 m below
    depth = np.where(ray[..., 1] > 0, np.minimum(depth, low), depth).astype(np.float32)
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    return Window(
        indices=np.array([0]),
        arrays={
            Layer.RGB: np.full((1, *SIZE, 3), 128, np.uint8),
            Layer.ALBEDO: np.full((1, *SIZE, 3), 128, np.uint8),
            Layer.DEPTH: depth[None],
        },
        num_frames=1,
        fps=24.0,
        metric_depth=True,
        camera=Camera(LENS[None], pose[None], UP),
    )


@pytest.mark.parametrize("sky", [True, False])
def test_what_a_camera_saw_empty_stays_empty(sky):
    window = half_a_wall(sky)
    depth = window[Layer.DEPTH][0]
    # Points at known places: before the wall, on it, behind it, and where there is none.
    places = np.float32([[-1, 2, 0.3], [-1, 4, 0.3], [-1, 5, 0.3], [1, 4, 0.3], [1, 50, 0.3]])
    expected = [True, False, False, True, sky]
    np.testing.assert_array_equal(observed_empty(window, places), expected)
    around = static_scene(window)
    solid = around.voxels.centres
    # No solid voxel stands in the open: as far as a voxel before what was seen at its pixel.
    u = solid[:, 0] / solid[:, 1] * LENS[0, 0] + LENS[0, 2]
    v = -solid[:, 2] / solid[:, 1] * LENS[1, 1] + LENS[1, 2]
    inside = (solid[:, 1] > 0.5) & (u >= 0) & (u < SIZE[1]) & (v >= 0) & (v < SIZE[0])
    seen = depth[v[inside].astype(int), u[inside].astype(int)]
    previous = solid[inside, 1] < 0.95 * seen - around.voxels.cell
    assert previous.mean() < 0.03  # cells on the silhouette, whose mean falls beside it
    # To the left, where the image ends and the wall does not, the wall goes on.
    assert ((np.abs(solid[:, 1] - 4) < 0.1) & (u < -5)).sum() > 20


# --- mirrors ----------------------------------------------------------------------------------


def hall(height=120, width=160):
    """A floor 1 m below the camera and a wall 4 m ahead: depth, normals, light by height."""
    lens = pinhole(height, width, np.radians(70))
    ray = rays(lens, height, width)
    floor = 1 / np.maximum(ray[..., 1], 1e-6)
    on_floor = (ray[..., 1] > 0) & (floor < 4)
    depth = np.where(on_floor, floor, 4).astype(np.float32)
    normals = np.where(on_floor[..., None], [0, -1, 0], [0, 0, -1]).astype(np.float32)
    light = np.stack([1 + 0.2 * ray[..., 1] * depth] * 3, -1).astype(np.float32)
    light[on_floor] = 0
    return lens, ray, depth, normals, on_floor, light


def leaving(scattered, mirror):
    """Light of surfaces that keep all of what they mirror."""
    return OutgoingLight(scattered + mirror, mirror, np.ones_like(mirror))


def test_a_mirror_floor_shows_the_wall_at_the_mirrored_pixel():
    lens, ray, depth, normals, on_floor, light = hall()
    roughness = np.full(depth.shape, 0.05, np.float32)
    fallback = np.full_like(light, -1)
    found = (
        screen_space_reflections(depth, normals, roughness, leaving(light, fallback), lens) - light
    )
    # A ray that falls by s a metre meets the floor at 1 / s, rises again, and meets the wall at 4.
    height_there = 1 - ray[..., 1] * (4 - depth)
    v = height_there / 4 * lens[1, 1] + lens[1, 2]
    u = ray[..., 0] * lens[0, 0] + lens[0, 2]
    well = on_floor & (v > 14) & (v < 106) & (u > 20) & (u < 140) & (depth > 2.5) & (depth < 3.5)
    truth = 1 + 0.2 * height_there
    assert well.sum() > 800
    assert (found[well] > 0.5).all()  # the floor, which is black, never finds itself
    error = np.abs(found[well][:, 0] - truth[well])
    assert np.median(error) < 0.01
    assert np.quantile(error, 0.98) < 0.05


def test_rough_surfaces_keep_what_they_have():
    lens, _, depth, normals, _, light = hall()
    fallback = np.full_like(light, 0.3)
    rough = np.full(depth.shape, 0.5, np.float32)
    there = leaving(light, fallback)
    assert screen_space_reflections(depth, normals, rough, there, lens) is there.light
    rough[:40] = 0.05  # the wall alone is smooth: it mirrors what the image does not show
    np.testing.assert_array_equal(
        screen_space_reflections(depth, normals, rough, there, lens), there.light
    )


def test_what_the_image_does_not_show_stays_as_it_was():
    """Above nothing but sky a mirror has nothing to show."""
    lens, _, depth, normals, on_floor, light = hall()
    open_air = np.where(on_floor, depth, np.float32(np.inf))
    smooth = np.full(depth.shape, 0.05, np.float32)
    fallback = np.full_like(light, 0.3)
    there = leaving(light, fallback)
    np.testing.assert_array_equal(
        screen_space_reflections(open_air, normals, smooth, there, lens), there.light
    )


def test_reflections_spread_as_ggx_does():
    """From above, half vectors have slopes alpha sqrt(u / (1 - u)) at sixteen quantiles."""
    places = np.arange(16)
    up = np.tile(np.float32([0, 0, 1]), (16, 1))
    ways = np.tile(np.float32([1e-4, 0, 1]), (16, 1))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    roughness = np.full(16, 0.5, np.float32)
    found = glossy_directions(up, ways, roughness, places)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(glossy_directions(up, ways, 0 * roughness, places), ways, atol=1e-6)
    u = (places[:15] + 0.5) / 16  # beyond, light would go under the surface
    tilt = np.arctan(0.25 * np.sqrt(u / (1 - u)))
    np.testing.assert_allclose(np.arccos(found[:15, 2]), 2 * tilt, atol=1e-3)
    assert (found[:, 2] > 0).all()
