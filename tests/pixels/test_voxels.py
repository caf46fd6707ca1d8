"""Voxels: filled by samples and by meshes, and what rays meet among them."""

import itertools

import cv2
import numpy as np
import pytest

from simlift.core.camera import Camera, Objects
from simlift.core.layers import Layer
from simlift.core.scene_geometry import Material, Part, SceneGeometry
from simlift.core.window import Window
from simlift.engines.photographic.light.indirect import static_scene
from simlift.engines.photographic.scene.bounding_boxes import BoundingBoxes, FindOccluders
from simlift.engines.photographic.scene.stored_scene import (
    read_stored_scene,
    stored_boxes,
    stored_voxels,
)
from simlift.media.gltf.writer import write_gltf
from simlift.pixels.geometry import _voxel_kernels as kernels
from simlift.pixels.geometry.projection import pinhole, rays
from simlift.pixels.geometry.voxels import (
    Mesh,
    Voxels,
    first_hits,
    unoccluded_cosine,
    visibility_beyond_frustum,
    voxelise,
    voxelise_meshes,
)
from simlift.pixels.light.environment import fibonacci_sphere

RANDOM = np.random.default_rng(0)
WAYS = RANDOM.normal(size=(64, 3))
WAYS = (WAYS / np.linalg.norm(WAYS, axis=1, keepdims=True)).astype(np.float32)
UP = np.array([0.0, 0.0, 1.0])


def sheet(axis, at, low, high, facing, step=0.05):
    """Samples of an axis-aligned rectangle: points, normals, albedo, glow."""
    lines = [np.arange(low[k], high[k], step) for k in range(3) if k != axis]
    flat = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2)
    points = np.insert(flat, axis, at, axis=1).astype(np.float32)
    normals = np.zeros_like(points)
    normals[:, axis] = facing
    return points, normals, np.full_like(points, 0.5), np.zeros(len(points), np.float32)


def block(low, high, shape=(12, 10, 8)):
    """A grid of cells that is solid within [low, high)."""
    index = np.full(shape, -1, np.int32)
    inside = tuple(slice(a, b) for a, b in zip(low, high))
    index[inside] = np.arange(index[inside].size).reshape(index[inside].shape)
    return index


def enters(starts, ways, low, high):
    """Where rays enter a box, in lengths of `ways`, and where they leave it (the slab method)."""
    with np.errstate(divide="ignore"):
        first, last = (low - starts) / ways, (high - starts) / ways
    return np.minimum(first, last).max(-1), np.maximum(first, last).min(-1)


def grid(index, origin=(0, 0, 0), cell=1.0):
    """Voxels of which only the place counts."""
    count = int((index >= 0).sum())
    empty = np.zeros((count, 3), np.float32)
    return Voxels(np.float32(origin), cell, index, empty, empty, empty, np.zeros(count, np.float32))


# --- rays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [1.0, 0.25])
def test_rays_meet_a_box_where_geometry_says(cell):
    low, high = np.array([4, 3, 2]), np.array([8, 6, 6])
    index, origin = block(low, high), np.float32([0.5, -1, 2])
    starts = np.random.default_rng(1).uniform(-3, 15, (400, 3))
    enter, leave = enters(starts[:, None], WAYS[None].astype(float), low, high)
    hit = grid(index, origin, cell).hits((starts * cell + origin).astype(np.float32), WAYS)
    inside = leave - np.maximum(enter, 0)
    sure = np.abs(inside) > 1e-3  # a ray along an edge may go either way
    np.testing.assert_array_equal((hit >= 0)[sure], (inside > 0)[sure])
    assert 0.02 < (hit >= 0).mean() < 0.5
    # And it is the cell that the entry lies in.
    n, k = np.nonzero((hit >= 0) & sure & (enter > 0))
    at = starts[n] + WAYS[k] * (enter[n, k][:, None] + 1e-3)
    cells = np.stack(np.nonzero(index >= 0), -1)[np.argsort(index[index >= 0])][hit[n, k]]
    same = (np.floor(at) == cells).all(1)
    assert same.mean() > 0.995


def test_a_ray_does_not_look_at_what_it_skips():
    index = block((5, 5, 4), (6, 6, 5))
    start, way = np.float32([[0.5, 5.5, 4.5]]), np.float32([[1, 0, 0]])
    found = [int(grid(index).hits(start, way, skip)[0, 0]) for skip in (0.0, 4.0, 7.0)]
    assert found == [0, 0, -1]


def test_each_ray_of_its_own_meets_what_all_rays_of_one_would():
    voxels = grid(block((4, 3, 2), (8, 6, 6)))
    starts = np.random.default_rng(2).uniform(0, 8, (64, 3)).astype(np.float32)
    up = np.tile(np.float32([0, 0, 1]), (64, 1))
    lifted = starts + up * np.float32(1.2 * voxels.cell)
    every = voxels.hits(lifted, WAYS, voxels.cell)
    np.testing.assert_array_equal(first_hits(voxels, starts, up, WAYS), np.diagonal(every))


def test_directions_over_the_sphere_are_even():
    ways = fibonacci_sphere(96)
    np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1, atol=1e-6)
    moments = np.einsum("ki,kj->ij", ways, ways) / len(ways)
    np.testing.assert_allclose(moments, np.eye(3) / 3, atol=2e-3)
    np.testing.assert_allclose(ways.mean(0), 0, atol=6e-3)


def test_voxels_hold_the_mean_of_their_samples():
    points = np.float32([[0.1, 0.1, 0.1], [0.2, 0.1, 0.1], [0.1, 0.6, 0.1], [9, 9, 9]])
    normals = np.float32([[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    albedo = np.float32([[0.2] * 3, [0.4] * 3, [0.8] * 3, [1.0] * 3])
    glow = np.float32([0, 1, 0, 0])
    voxels = voxelise(points, normals, albedo, glow, np.zeros(3), np.ones(3), 0.5)
    assert (voxels.index >= 0).sum() == 2  # what lies outside the box is left out
    first = voxels.index[tuple(np.floor((points[0] - voxels.origin) / 0.5).astype(int))]
    np.testing.assert_allclose(voxels.centres[first], [0.15, 0.1, 0.1])
    np.testing.assert_allclose(voxels.normals[first], [0.5**0.5, 0, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(voxels.albedo[first], 0.3)
    assert voxels.glow[first] == 0.5


def test_clearance_is_the_chessboard_distance():
    solid = np.random.default_rng(7).random((9, 7, 8)) < 0.02
    places = np.stack(np.indices(solid.shape), -1).reshape(-1, 1, 3)
    apart = np.abs(places - np.argwhere(solid)[None]).max(-1).min(-1)
    np.testing.assert_array_equal(kernels.clearance(solid).ravel(), apart)
    assert (kernels.clearance(np.zeros((3, 4, 5), bool)) == 255).all()


def test_rays_through_a_cloud_of_cells_meet_the_first():
    """Against each cell's own slab: the nearest of all."""
    index = np.full((30, 21, 17), -1, np.int32)
    solid = np.random.default_rng(8).random(index.shape) < 0.02
    index[solid] = np.arange(solid.sum())
    cells = np.argwhere(solid)[np.argsort(index[solid])].astype(float)
    starts = np.random.default_rng(9).uniform(-2, 20, (60, 3))
    enter, leave = enters(
        starts[:, None, None], WAYS[None, :, None].astype(float), cells, cells + 1
    )
    reached = (leave > np.maximum(enter, 0)) & (leave > 0)
    nearest = np.where(reached, np.maximum(enter, 0), np.inf)
    found = grid(index).hits(starts.astype(np.float32), WAYS)
    # A ray that only grazes a corner may go either way.
    sure = (np.abs(leave - np.maximum(enter, 0)) > 0.02).all(-1)
    expected = np.where(np.isfinite(nearest.min(-1)), nearest.argmin(-1), -1)
    np.testing.assert_array_equal(found[sure], expected[sure])
    assert sure.mean() > 0.9
    assert 0.1 < (expected >= 0).mean() < 0.9


def test_a_wall_hides_a_light_from_what_stands_behind_it():
    wall = sheet(0, 0, [0, -2, 0], [0, 2, 2], 1)
    voxels = voxelise(*wall, np.float64([-2, -2, 0]), np.float64([2, 2, 2]), 0.1)
    places = np.float32([[-0.5, 0, 1], [0.5, 0, 1]])
    up = np.tile(np.float32([0, 0, 1]), (2, 1))
    along, back, above = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]]), up[:1]
    slope = np.float32(0.5**0.5)
    for way, free in ((along, [0, 1]), (back, [1, 0]), (above, [1, 1])):
        ways = (way + up[:1]) / np.linalg.norm(way + up[:1])
        cosine = 1 if way is above else slope
        np.testing.assert_allclose(
            unoccluded_cosine(voxels, places, up, ways), np.float32(free) * cosine
        )
    both = np.concatenate([along, back]) * slope + up * slope
    np.testing.assert_allclose(unoccluded_cosine(voxels, places, up, both), slope / 2)
    # What turns away from a light gets none of it.
    np.testing.assert_array_equal(unoccluded_cosine(voxels, places, -up, up[:1]), 0)
    seen = first_hits(voxels, places, up, np.float32([[1, 0, 0], [1, 0, 0]]))
    assert seen[0] >= 0
    assert seen[1] == -1
    assert abs(voxels.centres[seen[0], 0]) < 0.1


@pytest.mark.parametrize("count", [4095, 4096, 20_001])
def test_threads_find_what_one_finds(count):
    """Among random cells: rays, and a light whose four ways neighbours share."""
    random = np.random.default_rng(count)
    index = np.full((12, 10, 8), -1, np.int32)
    solid = random.random(index.shape) < 0.1
    index[solid] = np.arange(solid.sum())
    voxels = grid(index)
    points = random.uniform(-1, 13, (count, 3)).astype(np.float32)
    normals = random.normal(size=(count, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    threads = cv2.getNumThreads()
    found = []
    try:
        for number in (1, 3):
            cv2.setNumThreads(number)
            light = unoccluded_cosine(voxels, points, normals, normals[:4])
            found.append((voxels.hits(points, normals[:5]), light))
    finally:
        cv2.setNumThreads(threads)
    for one, several in zip(*found, strict=True):
        np.testing.assert_array_equal(one, several)


def test_the_image_is_asked_for_what_it_shows():
    """A wall in view is left to the image; beyond the view's side the voxels hide a light."""
    wall = sheet(0, 1, [1, -2, 0], [1, 2, 2], -1)
    voxels = voxelise(*wall, np.float64([-2, -2, 0]), np.float64([2, 2, 2]), 0.1)
    # Two neighbours, each of whom asks one of the ways.
    places = np.float32([[[0, 0, 1], [0, 0.01, 1]]])
    ways = np.float32([[1, 0, 0.1], [-1, 0, 0.1]])
    whole = np.array([[0.0, 0, 0, 1]])  # everything is in view
    cut = np.array([[-1.0, 0, 0, 0.5]])  # x <= 0.5 is
    for sides, reach, free in ((whole, 5.0, [1, 1]), (cut, 5.0, [0, 1]), (whole, 0.5, [0, 1])):
        found = visibility_beyond_frustum(voxels, places, ways, sides, reach)
        np.testing.assert_array_equal(found, [free])


# --- meshes -----------------------------------------------------------------------------------


def square(at=0.5, size=4.0, texture=None, glow=0.0):
    """A square in the plane z = at, from the origin to (size, size), as two triangles."""
    corners = np.float32([[0, 0, at], [size, 0, at], [size, size, at], [0, size, at]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])
    up = np.zeros_like(corners) + np.float32([0, 0, 1])
    texture = np.full((1, 1, 3), 0.25, np.float32) if texture is None else texture
    return Mesh(corners[faces], up[faces], uv[faces], texture, glow)


def box(*sides):
    return np.zeros(3), np.array(sides, float)


def test_a_square_fills_the_cells_it_lies_in():
    voxels = voxelise_meshes([square(glow=0.5)], *box(4, 4, 2), 0.5)
    assert voxels.index.shape == (8, 8, 4)
    assert (voxels.index[:, :, 1] >= 0).all()
    assert (voxels.index >= 0).sum() == 64
    assert sorted(voxels.index[voxels.index >= 0]) == list(range(64))
    np.testing.assert_allclose(voxels.centres[:, 2], 0.5, atol=1e-6)
    np.testing.assert_allclose(voxels.normals, np.tile([0, 0, 1], (64, 1)), atol=1e-6)
    np.testing.assert_allclose(voxels.albedo, 0.25, rtol=1e-5)
    np.testing.assert_allclose(voxels.glow, 0.5, rtol=1e-5)
    middles = np.argwhere(voxels.index >= 0)[np.argsort(voxels.index[voxels.index >= 0])]
    assert np.abs(voxels.centres[:, :2] - (middles[:, :2] + 0.5) * 0.5).max() < 0.13


def test_a_texture_lies_where_its_coordinates_say():
    """Its first row is at v = 0; beyond its border it repeats."""
    texture = np.zeros((2, 2, 3), np.float32)
    texture[0, 0], texture[0, 1], texture[1, 0], texture[1, 1] = 0.1, 0.2, 0.3, 0.4
    mesh = square(texture=texture)
    for repeat in (1, 2):
        repeated = Mesh(mesh.corners, mesh.normals, mesh.uv * repeat, texture, 0.0)
        voxels = voxelise_meshes([repeated], *box(4, 4, 2), 0.5)
        for x, y in itertools.product(range(8), range(8)):
            u, v = (x + 0.5) / 8 * repeat % 1, (y + 0.5) / 8 * repeat % 1
            colour = voxels.albedo[voxels.index[x, y, 1]]
            np.testing.assert_allclose(colour, texture[int(v * 2), int(u * 2)], rtol=1e-4)


def test_means_are_by_area():
    """A large black and a small white square in one cell."""
    white, black = np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32)
    meshes = [square(0.2, 0.9, black), square(0.7, 0.3, white)]
    voxels = voxelise_meshes(meshes, *box(1, 1, 1), 1.0)
    assert len(voxels.centres) == 1
    np.testing.assert_allclose(voxels.albedo[0], 0.09 / (0.81 + 0.09), rtol=1e-4)


def test_a_plane_as_large_as_a_town_fills_the_box_and_ends():
    mesh = square(0.5, 20_000.0)
    moved = Mesh(mesh.corners - np.float32([1e4, 1e4, 0]), mesh.normals, mesh.uv, mesh.texture, 0)
    voxels = voxelise_meshes([moved], *box(4, 4, 2), 0.5)
    assert (voxels.index[:, :, 1] >= 0).all()
    assert len(voxels.centres) == 64


def test_triangles_smaller_than_cells_and_without_area_do_no_harm():
    points = RANDOM.uniform(0, 4, (500, 1, 3)).astype(np.float32)
    tiny = points + RANDOM.uniform(-0.01, 0.01, (500, 3, 3)).astype(np.float32)
    none = np.repeat(points, 3, axis=1)
    flat, uv = np.zeros((500, 3, 3), np.float32), np.zeros((500, 3, 2), np.float32)
    flat[..., 0] = 1
    colour = np.full((1, 1, 3), 0.5, np.float32)
    voxels = voxelise_meshes([Mesh(tiny, flat, uv, colour, 0.0)], *box(4, 4, 4), 0.25)
    inside = np.floor(tiny.mean(1) / 0.25).astype(int)
    assert np.mean(voxels.index[tuple(np.clip(inside, 0, 15).T)] >= 0) > 0.95
    assert np.isfinite(voxels.centres).all()
    assert not len(
        voxelise_meshes([Mesh(none, flat, uv, colour, 0.0)], *box(4, 4, 4), 0.25).centres
    )


# --- a clip's own scene -----------------------------------------------------------------------


def quad(number, corners, material=0):
    vertices = np.float32(corners)
    normal = np.cross(vertices[1] - vertices[0], vertices[2] - vertices[0])
    normals = np.tile(normal / np.linalg.norm(normal), (4, 1)).astype(np.float32)
    uv = np.zeros((4, 2), np.float32)
    return Part(number, material, vertices, normals, uv, np.int32([[0, 1, 2], [0, 2, 3]]))


SIZE = (60, 80)
LENS = pinhole(*SIZE, np.radians(70))


def hall(folder):
    """A camera looks along +y at a wall 3 m ahead; behind it stands a wall that no image shows.

    Body 1 are the walls, 2 a pane of glass, 3 a plate that moves.
    """
    flat = Material("paint", (0.6, 0.3, 0.3), 0.8)
    glass = Material("glass", (1.0, 1.0, 1.0), 0.1, opacity=0.2)
    front = [[-3, 3, -2], [3, 3, -2], [3, 3, 2], [-3, 3, 2]]
    back = [[3, -0.5, -2], [-3, -0.5, -2], [-3, -0.5, 2], [3, -0.5, 2]]
    pane = [[-1, 1, -1], [1, 1, -1], [1, 1, 1], [-1, 1, 1]]
    plate = [[-0.3, 0, -0.2], [0.3, 0, -0.2], [0.3, 0, 0.2], [-0.3, 0, 0.2]]
    path = folder / "scene.glb"
    parts = (quad(1, front), quad(1, back), quad(2, pane, 1), quad(3, plate))
    write_gltf(path, SceneGeometry((flat, glass), parts))
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    bodies = np.tile(np.eye(4), (2, 3, 1, 1))
    bodies[:, 2, :3, 3] = [[-0.5, 2, 0], [0.5, 2, 0]]
    depth = np.full((2, *SIZE), 3.0, np.float32)
    depth[:, 50:] = 0.1  # something near, so that what is seen has an extent
    return Window(
        indices=np.array([0, 1]),
        arrays={
            Layer.RGB: np.full((2, *SIZE, 3), 128, np.uint8),
            Layer.ALBEDO: np.full((2, *SIZE, 3), 128, np.uint8),
            Layer.DEPTH: depth,
            Layer.SEGMENTATION: np.ones(depth.shape, np.int32),
        },
        num_frames=2,
        fps=24.0,
        metric_depth=True,
        camera=Camera(np.tile(LENS, (2, 1, 1)), np.tile(pose, (2, 1, 1)), UP),
        objects=Objects(np.array([1, 2, 3]), bodies),
        scene=path,
    )


def test_a_scene_fills_voxels_beyond_what_images_show(tmp_path):
    window = hall(tmp_path)
    geometry = read_stored_scene(window)
    voxels = stored_voxels(window, geometry, np.array([-2.0, -1, -1.5]), np.array([2.0, 3, 1.5]))
    at = voxels.centres[:, 1]
    # Both walls; neither the glass nor what moves.
    np.testing.assert_allclose(np.unique(np.round(at, 3)), [-0.5, 3.0], atol=1e-6)
    np.testing.assert_allclose(voxels.albedo, np.tile([0.6, 0.3, 0.3], (len(at), 1)), rtol=1e-5)
    facing = np.where(at > 0, -1, 1)
    np.testing.assert_allclose(voxels.normals[:, 1], facing, atol=1e-6)


def test_a_flat_wall_that_is_all_that_was_seen_fills_voxels(tmp_path):
    window = hall(tmp_path)
    low, high = np.array([-2.0, 3, -1.5]), np.array([2.0, 3, 1.5])
    voxels = stored_voxels(window, read_stored_scene(window), low, high)
    assert len(voxels.centres) > 1000
    np.testing.assert_allclose(voxels.centres[:, 1], 3.0, atol=1e-3)


def test_boxes_of_bodies_are_those_of_their_parts(tmp_path):
    boxes = stored_boxes(read_stored_scene(hall(tmp_path)))
    assert boxes.ids.tolist() == [1, 2, 3]
    np.testing.assert_allclose(boxes.low, [[-3, -0.5, -2], [-1, 1, -1], [-0.3, 0, -0.2]])
    np.testing.assert_allclose(boxes.high, [[3, 3, 2], [1, 1, 1], [0.3, 0, 0.2]])


@pytest.mark.parametrize(("turn", "number"), [(0.0, 1), (0.5, 1), (0.5, 2**31 - 1)])
def test_a_thing_is_as_deep_as_sight_stays_in_its_box(turn, number):
    """A cube of 1 m, 3 m ahead; its box tells where sight leaves it, whatever its id is."""
    height, width = 240, 320
    lens = pinhole(height, width, np.radians(60))
    pose = np.eye(4)
    pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    pose[:3, 3] = [0, 0, 3]
    sight = rays(lens, height, width).astype(float)
    local = np.linalg.inv(pose)
    enter, leave = enters(local[:3, 3], sight @ local[:3, :3].T, np.full(3, -0.5), np.full(3, 0.5))
    seen = leave > enter
    window = Window(
        indices=np.array([0]),
        arrays={
            Layer.RGB: np.zeros((1, height, width, 3), np.uint8),
            Layer.DEPTH: np.where(seen, enter, 9.0).astype(np.float32)[None],
            Layer.SEGMENTATION: np.where(seen, number, 0).astype(np.int32)[None],
        },
        num_frames=1,
        fps=24.0,
        metric_depth=True,
        camera=Camera(lens[None], np.eye(4)[None], np.array([0.0, -1, 0])),
        objects=Objects(np.array([number]), pose[None, None]),
    )
    half = np.float32(0.5)
    low = np.full((1, 3), -half)
    boxes = BoundingBoxes(np.array([number]), low, -low, np.zeros(1, np.float32))
    light = np.eye(9, dtype=np.float32)[0]
    found = FindOccluders(boxes, np.array([number]), light)(window)
    deep = (leave - enter)[::2, ::2]
    inner = cv2.erode(seen.astype(np.uint8), np.ones((9, 9)))[::2, ::2] > 0
    # In the corners, where the thing is narrow, it is taken to be thinner.
    error = found.thickness[inner] - deep[inner]
    assert np.quantile(np.abs(error), 0.98) < 0.05
    assert error.max() < 0.05
    np.testing.assert_array_equal(found.moves, seen[::2, ::2])
    centre, axes, sides = np.split(found.boxes[0], [3, 12])
    np.testing.assert_allclose(centre, [0, 0, 3], atol=1e-6)
    np.testing.assert_allclose(axes.reshape(3, 3), pose[:3, :3].T, atol=1e-6)
    np.testing.assert_allclose(sides, 0.5)


@pytest.mark.parametrize("carries", [True, False])
def test_what_surrounds_a_clip_is_its_scene_where_it_has_one(tmp_path, carries):
    window = hall(tmp_path)
    if not carries:
        (tmp_path / "scene.glb").unlink()
        window = Window(**{**vars(window), "scene": None, "_derived": {}})
    around = static_scene(window)
    assert around.known is carries
    behind = around.voxels.centres[:, 1] < 0
    assert behind.any() == carries
