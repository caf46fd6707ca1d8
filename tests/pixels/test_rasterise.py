"""The z-buffer: closed forms of depth and outline, seams without holes, what lies behind."""

import numpy as np
import pytest

from simlift.pixels.geometry.primitives import primitive
from simlift.pixels.geometry.projection import rays
from simlift.pixels.geometry.rasterise import rasterise

HEIGHT, WIDTH = 60, 80
LENS = np.array([[70.0, 0, 40.0], [0, 75.0, 30.0], [0, 0, 1]])
SQUARE = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def draw(vertices, faces, ids=None, lens=LENS, size=(HEIGHT, WIDTH), **options):
    ids = np.ones(len(faces), np.int32) if ids is None else np.asarray(ids, np.int32)
    vertices = np.asarray(vertices, np.float64)
    return rasterise(vertices, np.asarray(faces, np.int32), ids, lens, size, **options)


def at_pixels(corners, z):
    """Return the points at depth `z` that are seen at some places of the image."""
    u, v = np.asarray(corners, float).T
    x, y = (u - LENS[0, 2]) / LENS[0, 0], (v - LENS[1, 2]) / LENS[1, 1]
    return np.stack([x, y, np.ones_like(x)], axis=1) * np.reshape(z, (-1, 1))


def faces_of_grid(rows, columns):
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, below = first + 1, first + columns
    return np.concatenate(
        [np.stack([first, right, below + 1], 1), np.stack([first, below + 1, below], 1)]
    )


def test_a_rectangle_covers_the_pixels_whose_centres_it_holds():
    corners = [(10.5, 5.25), (20.5, 5.25), (20.5, 9.75), (10.5, 9.75)]
    depth, ids = draw(at_pixels(corners, 2.0), SQUARE)
    wanted = np.zeros((HEIGHT, WIDTH), bool)
    wanted[5:10, 10:20] = True  # the left edge owns the centres on it, the right one does not
    np.testing.assert_array_equal(ids == 1, wanted)
    np.testing.assert_array_equal(np.isfinite(depth), wanted)
    np.testing.assert_allclose(depth[wanted], 2.0, rtol=1e-6)
    assert depth.dtype == np.float32
    assert ids.dtype == np.int32


@pytest.mark.parametrize("turn", [False, True])
def test_both_sides_of_a_triangle_are_seen(turn):
    faces = SQUARE[:, ::-1] if turn else SQUARE
    _, ids = draw(at_pixels([(10, 10), (30, 10), (30, 20), (10, 20)], 1.0), faces)
    assert ids.sum() == 20 * 10


def test_depth_of_a_slanted_plane_is_that_along_each_ray():
    """A plane n p = d is met at z = d / (n r), r the ray with z = 1."""
    normal, distance = np.array([0.3, -0.5, 0.9]), 2.0
    pixels = np.array([(-30.0, -30.0), (120.0, -30.0), (120.0, 100.0), (-30.0, 100.0)])
    directions = at_pixels(pixels, 1.0)
    corners = directions * (distance / (directions @ normal))[:, None]
    depth, ids = draw(corners, SQUARE)
    assert (ids == 1).all()
    wanted = distance / (rays(LENS, HEIGHT, WIDTH).astype(float) @ normal)
    np.testing.assert_allclose(depth, wanted, rtol=2e-6)


def test_of_triangles_that_share_an_edge_one_covers_each_pixel():
    """A fan that covers the image: no hole, and no pixel belongs to two."""
    rng = np.random.default_rng(3)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 400))
    # The centre lies on that of a pixel, and some edges run along rows and columns.
    angles[:4] = (0, np.pi / 2, np.pi, 3 * np.pi / 2)
    angles = np.sort(angles)
    rim = 40.5 + 200 * np.cos(angles), 30.5 + 200 * np.sin(angles)
    places = np.concatenate([[(40.5, 30.5)], np.stack(rim, axis=1)])
    following = np.roll(np.arange(1, 401), -1)
    faces = np.stack([np.zeros(400, int), np.arange(1, 401), following], axis=1)
    vertices = at_pixels(places, 1.0)
    alone = np.zeros((HEIGHT, WIDTH), int)
    for face in faces:
        alone += draw(vertices, [face])[1]
    np.testing.assert_array_equal(alone, 1)
    assert (draw(vertices, faces)[1] == 1).all()


def test_a_jittered_grid_has_no_holes():
    rng = np.random.default_rng(1)
    n = 50
    u, v = np.meshgrid(np.linspace(-20, 100, n), np.linspace(-20, 80, n))
    places = np.stack([u, v], -1).reshape(-1, 2) + rng.uniform(-0.9, 0.9, (n * n, 2))
    faces = faces_of_grid(n, n)
    _, ids = draw(at_pixels(places, rng.uniform(1, 3, n * n)), faces)
    assert (ids == 1).all()


def test_the_nearer_triangle_hides_the_other_whatever_their_order():
    near = at_pixels([(10, 10), (30, 10), (30, 30), (10, 30)], 1.0)
    far = at_pixels([(20, 20), (40, 20), (40, 40), (20, 40)], 2.0)
    both = np.concatenate([far, near])
    depth, ids = draw(both, np.concatenate([SQUARE, SQUARE + 4]), [7, 7, 5, 5])
    swapped = draw(both, np.concatenate([SQUARE + 4, SQUARE]), [5, 5, 7, 7])
    np.testing.assert_array_equal(ids, swapped[1])
    np.testing.assert_array_equal(depth, swapped[0])
    assert ids[25, 25] == 5
    assert ids[35, 35] == 7
    assert (ids == 5).sum() == 400
    assert (ids == 7).sum() == 300


def test_triangles_that_meet_are_parted_where_their_planes_cross():
    """z = 1.5 - x against z = 1.5 + x: they cross at x = 0, column 40."""
    ends = [(-0.5, -1), (0.5, -1), (0.5, 1), (-0.5, 1)]
    down = np.array([(x, y, 1.5 - x) for x, y in ends])
    up = np.array([(x, y, 1.5 + x) for x, y in ends])
    _, ids = draw(np.concatenate([down, up]), np.concatenate([SQUARE, SQUARE + 4]), [1, 1, 2, 2])
    assert set(np.unique(ids[:, 30:40])) == {2}
    assert set(np.unique(ids[:, 40:50])) == {1}


def test_a_sphere_has_the_outline_of_its_tangent_cone():
    """A ray meets a sphere of radius r at c where |c|^2 - (c d)^2 <= r^2, d its direction."""
    centre, radius = np.array([0.2, -0.1, 2.0]), 0.5
    shape = primitive("sphere", np.array([radius, 0, 0]))
    depth, ids = draw(shape.vertices + centre, shape.faces)
    direction = rays(LENS, HEIGHT, WIDTH).astype(float)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    along = direction @ centre
    inside = centre @ centre - along**2 <= radius**2
    assert (ids[~inside] == 0).all()  # its facets lie within
    union = inside | (ids == 1)
    assert (inside & (ids == 1)).sum() / union.sum() > 0.97
    nearest = depth[np.isfinite(depth)].min()
    assert centre[2] - radius <= nearest < centre[2] - radius + 0.01


def test_the_front_of_a_box_is_at_its_depth():
    shape = primitive("box", np.array([0.3, 0.2, 0.4]))
    depth, ids = draw(shape.vertices + np.array([0, 0, 2.0]), shape.faces)
    # The front, at 1.6, is all that is seen from before it: 70 * 0.3 / 1.6 pixels to each side.
    assert (ids[30, 40 - 13 : 40 + 13] == 1).all()
    assert ids[30, 40 - 14] == ids[30, 40 + 13] == 0
    np.testing.assert_allclose(depth[ids == 1], 1.6, rtol=1e-6)
    assert (depth[ids == 0] == np.inf).all()


def test_what_lies_behind_the_camera_is_not_seen():
    shape = primitive("box", np.array([0.3, 0.2, 0.4]))
    depth, ids = draw(shape.vertices - np.array([0, 0, 2.0]), shape.faces)
    assert not ids.any()
    assert np.isinf(depth).all()


def test_a_ground_that_runs_below_the_camera_is_cut_off_at_the_near_plane():
    """A plane 1 m below, from 52 m behind to 52 m ahead: z = fy / (v - cy)."""
    corners = [(-52, 1, -52), (52, 1, -52), (52, 1, 52), (-52, 1, 52)]
    depth, ids = draw(corners, SQUARE)
    rows = np.arange(HEIGHT) + 0.5
    seen = rows - 30 > 75 / 52
    np.testing.assert_array_equal(ids == 1, np.repeat(seen[:, None], WIDTH, 1))
    wanted = np.repeat((75 / (rows[seen] - 30))[:, None], WIDTH, 1)
    np.testing.assert_allclose(depth[seen], wanted, rtol=1e-6)
    near = draw(corners, SQUARE, near=5.0)[0]
    np.testing.assert_array_equal(np.isfinite(near), np.isfinite(depth) & (depth >= 5.0))


def test_a_seam_that_crosses_the_near_plane_has_no_holes():
    rng = np.random.default_rng(5)
    x = np.linspace(-40, 40, 60)
    z = np.array([-3.0, 0.004, 0.5, 30.0])
    grid = np.stack(np.meshgrid(x, z), -1).reshape(-1, 2)
    vertices = np.stack([grid[:, 0], np.full(len(grid), 0.4), grid[:, 1]], axis=1)
    vertices[:, 0] += rng.uniform(-0.3, 0.3, len(vertices))
    n = len(x)
    faces = faces_of_grid(4, n)
    _, ids = draw(vertices, faces)
    assert (ids[32:] == 1).all()
    assert (ids[:30] == 0).all()


def test_a_triangle_without_area_covers_nothing():
    _, ids = draw(at_pixels([(10.5, 10.5), (30.5, 10.5), (50.5, 10.5)], 1.0), [[0, 1, 2]])
    assert not ids.any()


def test_no_faces_make_an_empty_image():
    depth, ids = draw(np.zeros((0, 3)), np.zeros((0, 3)))
    assert not ids.any()
    assert np.isinf(depth).all()


@pytest.mark.parametrize(
    ("faces", "vertices", "options", "words"),
    [
        ([[0, 1, 3]], np.eye(3), {}, "0 to 3"),
        ([[0, 1, -1]], np.eye(3), {}, "-1 to 1"),
        ([[0, 1, 2]], np.eye(3) * np.nan, {}, "not finite"),
        ([[0, 1, 2]], np.eye(3), {"near": 0.0}, "near is 0"),
        ([[0, 1, 2]], np.eye(3), {"size": (0, 8)}, "size is"),
    ],
)
def test_what_cannot_be_drawn_is_refused(faces, vertices, options, words):
    with pytest.raises(ValueError, match=words):
        draw(vertices, faces, **options)
