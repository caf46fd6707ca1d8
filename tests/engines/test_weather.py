"""Weather against the measured laws it is drawn from, and against what must not change."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import clips as builders

from simlift.core.camera import Camera, Objects
from simlift.core.errors import ClipError, RecipeError
from simlift.core.layers import Layer
from simlift.core.window import Window
from simlift.engines.photographic.scene.surface import Surface
from simlift.engines.photographic.weather import effects
from simlift.engines.photographic.weather.effects import Weather
from simlift.pixels.geometry.projection import pinhole
from simlift.pixels.weather import atmosphere as laws
from simlift.pixels.weather import precipitation
from simlift.sources import open_clip

AIR = np.array([0.5, 0.6, 0.7])
UP = np.array([0.0, 0.0, 1.0])
AHEAD = np.array([0.0, 1.0, 0.0])
LOOK_AHEAD = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
LOOK_DOWN = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
UP_AHEAD, UP_DOWN = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, -1.0])
HEIGHT, WIDTH = 60, 80
POOLS = Weather(wetness=1.0)


def pose(rotation, place):
    out = np.eye(4)
    out[:3, :3] = rotation
    out[:3, 3] = -rotation @ np.asarray(place, dtype=float)
    return out


def window(depth, world_to_camera, *, index=0, ids=None, bodies=None, focal=60.0):
    """One frame of a scene of given depth [h w], gray, 25 frames per second."""
    depth = np.asarray(depth, dtype=np.float32)
    height, width = depth.shape
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    arrays = {
        Layer.RGB: np.full((1, height, width, 3), 90, np.uint8),
        Layer.DEPTH: depth[None],
        Layer.SEGMENTATION: (np.ones(depth.shape) if ids is None else ids).astype(np.int32)[None],
    }
    return Window(
        indices=np.array([index]),
        arrays=arrays,
        num_frames=100,
        fps=25.0,
        metric_depth=True,
        camera=Camera(intrinsics[None], world_to_camera[None], UP),
        objects=bodies,
    )


def from_above(place=(0.0, 0.0, 8.0), **kind):
    """The ground 8 m below a camera that looks straight down; one pixel is 8 / 60 m."""
    return window(np.full((HEIGHT, WIDTH), place[2]), pose(LOOK_DOWN, place), **kind)


def even(normal, shape=(HEIGHT, WIDTH), albedo=0.3):
    return Surface(
        np.full((*shape, 3), albedo, np.float32),
        np.broadcast_to(np.asarray(normal, np.float32), (*shape, 3)).copy(),
        np.full(shape, 0.6, np.float32),
        np.zeros(shape, np.float32),
    )


def test_contrast_is_2_percent_at_the_visibility():
    assert np.isclose(np.exp(-laws.fog_extinction(60.0) * 60.0), 0.02, atol=1e-4)


def test_fog_counts_metres_along_the_ray():
    depth = np.full((HEIGHT, WIDTH), 30.0)
    depth[:10] = np.inf
    frame = window(depth, pose(LOOK_AHEAD, (0, 0, 1.5)))
    light = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    seen = effects.apply_fog(light, frame, Weather(visibility=100.0), AIR)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    ray = np.sqrt(1 + ((x + 0.5 - WIDTH / 2) / 60) ** 2 + ((y + 0.5 - HEIGHT / 2) / 60) ** 2)
    t = np.exp(-3.912 / 100 * 30.0 * ray)[..., None]
    np.testing.assert_allclose(seen[10:], (0.2 * t + AIR * (1 - t))[10:], atol=1e-6)
    np.testing.assert_allclose(seen[:10], np.broadcast_to(AIR, (10, WIDTH, 3)), atol=1e-6)


def test_two_walls_of_fog_are_one_twice_as_thick():
    frame = window(np.full((HEIGHT, WIDTH), 20.0), pose(LOOK_AHEAD, (0, 0, 1.5)))
    light = np.random.default_rng(0).random((HEIGHT, WIDTH, 3), dtype=np.float32)
    half = Weather(visibility=200.0)
    twice = effects.apply_fog(effects.apply_fog(light, frame, half, AIR), frame, half, AIR)
    once = effects.apply_fog(light, frame, Weather(visibility=100.0), AIR)
    np.testing.assert_allclose(twice, once, atol=1e-6)


@pytest.mark.parametrize("rate", [1.0, 10.0, 50.0])
def test_extinction_integrates_the_drops(rate):
    d = np.linspace(0, 60, 400_001)  # mm
    numbers = 8000 * np.exp(-4.1 * rate**-0.21 * d)
    area = np.pi / 4 * d**2 * 1e-6
    assert np.isclose(laws.rain_extinction(rate), np.trapezoid(2 * area * numbers, d), rtol=1e-4)
    number, slope = laws.snow_size_distribution(rate)
    size = laws.flake_diameter_mm(d)
    truth = np.trapezoid(2 * np.pi / 4 * size**2 * 1e-6 * number * np.exp(-slope * d), d)
    assert np.isclose(laws.snow_extinction(rate), truth, rtol=1e-4)


def test_moderate_snow_leaves_the_visibility_that_is_observed():
    """Rasmussen et al. 1999: 1 mm/h of dry snow goes with 0.5 to 1 km."""
    assert 500 < 3.912 / laws.snow_extinction(1.0) < 1000


@pytest.mark.parametrize("rate", [1.0, 30.0])
def test_as_many_drops_as_marshall_and_palmer_counted(rate):
    drops = precipitation.raindrops(rate)
    d = np.linspace(0.5, 6.0, 100_001)
    truth = np.trapezoid(8000 * np.exp(-4.1 * rate**-0.21 * d), d)
    assert np.isclose(drops.densities.sum(), truth, rtol=1e-4)
    # Liquid water in the air falls at the rate that it is named by (within the law's own error).
    water = (np.pi / 6 * drops.diameters**3 * drops.densities * drops.speeds).sum() * 3600e3
    assert np.isclose(water, rate, rtol=0.25)


def test_terminal_velocities_are_the_measured_ones():
    """Gunn and Kinzer 1949: 4.03, 6.49, 8.06 and 8.83 m/s at 1, 2, 3 and 4 mm."""
    speeds = precipitation.drop_speed(np.array([1.0, 2.0, 3.0, 4.0, 0.01]))
    np.testing.assert_allclose(speeds[:4], [4.03, 6.49, 8.06, 8.83], rtol=0.02)
    assert speeds[4] == 0
    assert 0.7 < precipitation.flake_speed(np.array([3.0]))[0] < 1.2


SHUTTER = precipitation.Shutter(time=3.0, exposure=0.004)
VIEW = pinhole(480, 832, np.radians(60))


def see(particles, *, shutter=SHUTTER, place=(0.0, 0.0, 1.5), seed=3, wind=(0.0, 0.0, 0.0)):
    poses = np.stack([pose(LOOK_AHEAD, place)] * 2)
    return precipitation.particle_streaks(
        particles, np.array(wind), UP, shutter, poses, VIEW, (480, 832), seed
    )


def one_kind(diameter=0.002, density=60.0, speed=6.5):
    return precipitation.Particles(
        np.array([diameter]), np.array([density]), np.array([speed]), 0.94
    )


def in_frame(seen):
    x, y = seen[:, [0, 2]].mean(1), seen[:, [1, 3]].mean(1)
    return seen[(x >= 0) & (x < 832) & (y >= 0) & (y < 480)]


def test_the_view_holds_the_drops_of_its_volume():
    """Drops between 1 and 3 m: their mean number is the density times the frustum's volume."""
    kind = one_kind()
    focal = VIEW[0, 0]
    truth = 60.0 * 480 * 832 / focal**2 * (3.0**3 - 1) / 3
    counts = []
    for seed in range(8):
        seen = in_frame(see(kind, seed=seed))
        counts.append(((seen[:, 4] > 1) & (seen[:, 4] < 3)).sum())
    assert abs(np.mean(counts) - truth) < 4 * np.sqrt(truth / 8)


def test_drops_are_seen_as_far_as_they_cover_their_share():
    kind = one_kind()
    far = precipitation.visible_distance(kind, float(VIEW[0, 0]), 0.004, 1 / 255)
    deepest = in_frame(see(kind))[:, 4].max()
    assert 0.9 * far[0] < deepest <= far[0]
    width, length = 0.002 * VIEW[0, 0] / far[0], 6.5 * 0.004 * VIEW[0, 0] / far[0]
    spread = 1.6 * length + 2.36
    assert np.isclose(np.pi / 4 * width**2 / spread, 1 / 255, rtol=1e-6)


def test_a_streak_is_as_long_as_the_drop_falls():
    seen = see(one_kind())
    length = np.hypot(seen[:, 2] - seen[:, 0], seen[:, 3] - seen[:, 1])
    np.testing.assert_allclose(length, 6.5 * 0.004 * VIEW[0, 0] / seen[:, 4], rtol=1e-3)
    assert (seen[:, 3] > seen[:, 1]).all()  # downwards
    np.testing.assert_allclose(seen[:, 5], 0.002 * VIEW[0, 0] / seen[:, 4], rtol=1e-5)


def test_wind_slants_the_streaks():
    seen = see(one_kind(), wind=(6.5, 0.0, 0.0))
    slope = (seen[:, 2] - seen[:, 0]) / (seen[:, 3] - seen[:, 1])
    np.testing.assert_allclose(slope, 1.0, rtol=2e-3)


def nearer(seen, metres):
    """Where the drops nearer than some metres are, in camera axes, one a row."""
    seen = seen[seen[:, 4] < metres]
    uv = (seen[:, :2] + seen[:, 2:4]) / 2 - [416, 240]
    return np.column_stack([uv / VIEW[0, 0] * seen[:, 4:5], seen[:, 4]])


def test_a_drop_is_met_again_where_physics_puts_it():
    """A hundredth of a second later, from a camera that went 3 cm ahead and 2 cm right."""
    first = nearer(in_frame(see(one_kind())), 2.0)
    later = replace(SHUTTER, time=3.01)
    second = nearer(see(one_kind(), shutter=later, place=(0.02, 0.03, 1.5)), 2.1)
    expected = first + np.array([-0.02, 0.065, -0.03])
    focal = VIEW[0, 0]
    inside = expected[:, 2] > 0.3
    inside &= np.abs(expected[:, 1] / expected[:, 2] * focal) < 235
    inside &= np.abs(expected[:, 0] / expected[:, 2] * focal) < 410
    apart = np.linalg.norm(expected[inside][:, None] - second[None], axis=-1).min(1)
    assert inside.sum() > 50
    assert apart.max() < 1e-3


def test_flakes_sway_around_their_fall():
    flakes = replace(one_kind(0.004, 20.0, 1.0), sway=0.05)
    still, swaying = see(one_kind(0.004, 20.0, 1.0)), see(flakes)
    assert len(swaying) > 50
    length = np.hypot(swaying[:, 2] - swaying[:, 0], swaying[:, 3] - swaying[:, 1])
    np.testing.assert_allclose(length, 0.004 * VIEW[0, 0] / swaying[:, 4], rtol=1e-3)
    apart = nearer(still, 1.5)[:, None] - nearer(swaying, 1.7)[None]
    distance = np.linalg.norm(apart, axis=-1).min(1)
    assert 0.02 < np.median(distance) < 0.09


def test_what_a_drop_covers_sums_to_its_area():
    seen = np.array([[40.3, 12.1, 43.8, 44.6, 2.0, 0.8]], np.float32)
    black, depth = np.zeros((60, 80, 3), np.float32), np.full((60, 80), 9.0, np.float32)
    out = precipitation.draw_streaks(
        black, depth, depth > 10, seen, np.ones(3), replace(SHUTTER, focus=2.0), 60.0, 0.0, AIR
    )
    assert np.isclose(out[..., 0].sum(), np.pi / 4 * 0.8**2, rtol=0.01)
    assert 0 < out.max() < 0.02


def test_defocus_widens_and_keeps_the_light():
    black, depth = np.zeros((60, 80, 3), np.float32), np.full((60, 80), 9.0, np.float32)
    seen = np.array([[40.3, 22.1, 41.0, 34.6, 0.5, 2.0]], np.float32)
    sums, peaks = [], []
    for aperture in (0.0, 0.05):
        shutter = replace(SHUTTER, aperture=aperture)
        out = precipitation.draw_streaks(
            black, depth, depth > 10, seen, np.ones(3), shutter, 60.0, 0.0, AIR
        )
        sums.append(out.sum())
        peaks.append(out.max())
    assert np.isclose(sums[0], sums[1], rtol=0.02)
    assert peaks[1] < 0.6 * peaks[0]


def test_no_drop_is_seen_through_a_surface():
    frame = window(np.full((HEIGHT, WIDTH), 0.14), pose(LOOK_AHEAD, (0, 0, 1.5)), index=5)
    light = np.full((HEIGHT, WIDTH, 3), 0.1, np.float32)
    kind = {"exposure": 0.002, "ahead": AHEAD, "seed": 1}
    heavy = Weather(rain=100.0, snowfall=3.0)
    np.testing.assert_array_equal(
        effects.draw_precipitation(light, frame, heavy, AIR, AIR, **kind), light
    )
    frame = window(np.full((HEIGHT, WIDTH), 9.0), pose(LOOK_AHEAD, (0, 0, 1.5)), index=5)
    assert (effects.draw_precipitation(light, frame, heavy, AIR, AIR, **kind) != light).any()


def test_a_drop_brightens_what_is_darker_and_darkens_what_is_brighter():
    frame = window(np.full((HEIGHT, WIDTH), 9.0), pose(LOOK_AHEAD, (0, 0, 1.5)))
    kind = {"exposure": 0.002, "ahead": AHEAD, "seed": 1}
    for level, sign in ((0.05, 1), (2.0, -1)):
        light = np.full((HEIGHT, WIDTH, 3), level, np.float32)
        change = (
            effects.draw_precipitation(light, frame, Weather(rain=50.0), AIR, AIR, **kind) - light
        )
        assert (sign * change >= 0).all()
        assert (change != 0).any()


@pytest.mark.parametrize("kind", ["rain", "snowfall"])
def test_hardly_any_rain_or_snow_is_hardly_any(kind):
    frame = window(np.full((HEIGHT, WIDTH), 9.0), pose(LOOK_AHEAD, (0, 0, 1.5)))
    light = np.full((HEIGHT, WIDTH, 3), 0.1, np.float32)
    told = Weather(**{kind: 1e-12})
    seen = effects.draw_precipitation(
        light, frame, told, AIR, AIR, exposure=0.002, ahead=AHEAD, seed=1
    )
    np.testing.assert_array_equal(seen, light)
    np.testing.assert_allclose(effects.apply_fog(light, frame, told, AIR), light, atol=1e-5)


def test_the_same_frame_gives_the_same_pixels_in_any_window(tmp_path):
    clip = open_clip(builders.native(tmp_path / "clip"))
    wet = Weather(visibility=80.0, rain=40.0, snowfall=1.0, snow_cover=0.4, wind=3.0)
    pictures = []
    for first, last in ((4, 5), (2, 7)):
        with clip.open(Layer) as reader:
            frame = reader.window(range(first, last)).frame(4 - first)
        surface = even(UP_AHEAD, frame.size)
        under = effects.apply_to_surfaces(surface, frame, wet, UP_AHEAD)
        light = effects.apply_fog(under.albedo, frame, wet, AIR)
        kind = {"exposure": 0.004, "ahead": AHEAD, "seed": 9}
        pictures.append(
            (under.normals, effects.draw_precipitation(light, frame, wet, AIR, AIR, **kind))
        )
    np.testing.assert_array_equal(pictures[0][0], pictures[1][0])
    np.testing.assert_array_equal(pictures[0][1], pictures[1][1])


def test_nothing_changes_without_weather():
    frame, surface = from_above(), even(UP_DOWN)
    light = surface.albedo
    assert effects.apply_to_surfaces(surface, frame, Weather(), UP_DOWN) is surface
    assert effects.apply_fog(light, frame, Weather(), AIR) is light
    kind = {"exposure": 0.01, "ahead": AHEAD, "seed": 0}
    assert effects.draw_precipitation(light, frame, Weather(), AIR, AIR, **kind) is light
    assert Weather().kinds == ()


def test_a_film_darkens_as_lekner_and_dorf_say():
    """Total reflection inside: 1 - (1 - R)(1 - a) / (1 - p a), less the outer reflection R."""
    albedo = np.linspace(0, 1, WIDTH, dtype=np.float32)
    surface = even((0, 0, -1))
    surface = replace(surface, albedo=np.tile(albedo[None, :, None], (HEIGHT, 1, 3)))
    wet = effects.apply_to_surfaces(surface, from_above(), POOLS, UP_DOWN).albedo[0, :, 0]
    outside, p = 0.066, 1 - (1 - 0.066) / 1.33**2
    truth = 1 - (1 - outside) * (1 - albedo) / (1 - p * albedo) - outside
    np.testing.assert_allclose(wet, truth, atol=1e-5)
    assert (np.diff(wet) > 0).all()
    assert (wet[1:] < albedo[1:]).all()


def test_more_water_is_darker_and_smoother():
    frame, surface = from_above(), even((0, 0, -1))
    amounts = [Weather(wetness=w) for w in (0.0, 0.25, 0.5, 0.75, 1.0)]
    wet = [effects.apply_to_surfaces(surface, frame, w, UP_DOWN) for w in amounts]
    assert (np.diff([w.albedo.mean() for w in wet]) < 0).all()
    assert (np.diff([w.roughness.mean() for w in wet]) < 0).all()
    assert Weather(rain=1).ground_wetness < Weather(rain=30).ground_wetness < 1
    assert Weather(rain=30, wetness=0.0).ground_wetness == 0


def pools(surface):
    return surface.roughness < 0.15


def test_puddles_lie_level_on_a_fifth_of_level_ground():
    tilt = np.array([0.05, 0, -1]) / np.hypot(1, 0.05)
    shares = []
    for k in range(12):
        frame = from_above((37.0 * k, 11.0 * k, 8.0))
        wet = effects.apply_to_surfaces(even(tilt), frame, POOLS, UP_DOWN, seed=k)
        shares.append(pools(wet).mean())
        full = wet.roughness < 0.04
        np.testing.assert_allclose(wet.normals[full], [(0, 0, -1)] * full.sum(), atol=0.02)
    assert 0.1 < np.mean(shares) < 0.3
    steep = np.array([0.6, 0, -0.8])
    wet = effects.apply_to_surfaces(even(steep), from_above(), POOLS, UP_DOWN)
    assert not pools(wet).any()


def test_rain_ruffles_the_puddles():
    surface, frame = even((0, 0, -1)), from_above()
    raining = effects.apply_to_surfaces(surface, frame, Weather(wetness=1.0, rain=30.0), UP_DOWN)
    after = effects.apply_to_surfaces(surface, frame, POOLS, UP_DOWN)
    assert 0.02 < after.roughness.min() < raining.roughness.min() < 0.1


def test_water_does_not_darken_metal():
    surface = replace(even((0, 0, -1)), metallic=np.ones((HEIGHT, WIDTH), np.float32))
    wet = effects.apply_to_surfaces(surface, from_above(), POOLS, UP_DOWN)
    np.testing.assert_array_equal(wet.albedo, surface.albedo)


@pytest.mark.parametrize(
    ("slope", "covered"), [(0.0, True), (30.0, True), (80.0, False), (180, False)]
)
def test_snow_lies_on_what_faces_up(slope, covered):
    tilt = np.radians(slope)
    surface = even((np.sin(tilt), 0, -np.cos(tilt)))
    snowy = effects.apply_to_surfaces(surface, from_above(), Weather(snow_cover=1.0), UP_DOWN)
    if covered:
        assert snowy.albedo.min() > 0.7
        assert snowy.roughness.min() > 0.8
    else:
        np.testing.assert_array_equal(snowy.albedo, surface.albedo)
        np.testing.assert_allclose(snowy.normals, surface.normals, atol=1e-6)


def test_snow_covers_the_share_it_is_told():
    for cover in (0.2, 0.5, 0.8):
        told = Weather(snow_cover=cover)
        shares = []
        for k in range(10):
            frame = from_above((53.0 * k, 17.0 * k, 8.0))
            snowy = effects.apply_to_surfaces(even((0, 0, -1)), frame, told, UP_DOWN, seed=k)
            shares.append((snowy.albedo[..., 0] > 0.55).mean())
        assert abs(np.mean(shares) - cover) < 0.1


def test_normals_stay_unit_and_the_sky_stays_as_it_is():
    depth = np.full((HEIGHT, WIDTH), 6.0)
    depth[:20] = np.inf
    frame = window(depth, pose(LOOK_DOWN, (0, 0, 6)))
    surface = even((0, 0, -1))
    out = effects.apply_to_surfaces(surface, frame, Weather(rain=20, snow_cover=0.5), UP_DOWN)
    np.testing.assert_allclose(np.linalg.norm(out.normals, axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(out.albedo[:20], surface.albedo[:20])
    assert (out.albedo[20:] != surface.albedo[20:]).any()


def test_patches_stick_to_the_world_under_a_moving_camera():
    """The camera goes 3 pixels of ground to the right, so everything goes 3 pixels to the left."""
    told = Weather(snow_cover=0.5)
    first = effects.apply_to_surfaces(even((0, 0, -1)), from_above(), told, UP_DOWN)
    moved = from_above((3 * 8.0 / 60, 0.0, 8.0))
    second = effects.apply_to_surfaces(even((0, 0, -1)), moved, told, UP_DOWN)
    # What a pixel can resolve depends a little on the angle at which it sees the ground.
    np.testing.assert_allclose(first.albedo[:, 3:], second.albedo[:, :-3], atol=0.03)
    assert np.abs(first.albedo - second.albedo).max() > 0.2


def test_patches_ride_on_a_moving_body():
    """Body 1 moves and turns with the camera above it: its snow stands still in the picture."""
    told = Weather(snow_cover=0.8)
    turn, angle = np.eye(4), 0.4
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = (5.0, -2.0, 0.3)
    poses = np.stack([np.eye(4), turn])[:, None]
    sampled = Objects(np.array([1]), poses)
    above = pose(LOOK_DOWN, (0, 0, 8))
    pictures = []
    for k, world_to_camera in enumerate((above, above @ np.linalg.inv(turn))):
        depth = np.full((HEIGHT, WIDTH), 8.0)
        frame = window(depth, world_to_camera, bodies=sampled.at(np.array([k])))
        out = effects.apply_to_surfaces(even((0, 0, -1)), frame, told, UP_DOWN, sampled=sampled)
        pictures.append(out.albedo)
    np.testing.assert_allclose(pictures[0], pictures[1], atol=2e-3)
    assert pictures[0].std() > 0.05
    still = effects.apply_to_surfaces(even((0, 0, -1)), from_above(), told, UP_DOWN)
    assert pictures[0].mean() < still.albedo.mean()  # it is thin on what moves


def test_snow_does_not_change_at_the_border_of_two_still_bodies():
    """Bodies that stand still rest in one world: their own poses draw no seam."""
    told, ids = Weather(snow_cover=0.5), np.ones((HEIGHT, WIDTH))
    ids[:, 40:] = 2
    poses = np.eye(4)[None, None].repeat(2, 1)
    poses[0, 1, :3, 3] = (31.0, 7.0, 0.0)
    bodies = Objects(np.array([1, 2]), poses)
    frame = from_above(ids=ids, bodies=bodies)
    one = effects.apply_to_surfaces(even((0, 0, -1)), from_above(), told, UP_DOWN)
    two = effects.apply_to_surfaces(even((0, 0, -1)), frame, told, UP_DOWN, sampled=bodies)
    np.testing.assert_allclose(one.albedo, two.albedo, atol=2e-3)


def test_weather_needs_metres(tmp_path):
    clip = open_clip(builders.native(tmp_path / "flat", [Layer.RGB]))
    effects.check(Weather(), clip)
    with pytest.raises(ClipError, match="fog, rain, wet ground: weather needs depth in metres"):
        effects.check(Weather(visibility=50.0, rain=2.0), clip)
    effects.check(Weather(rain=2.0), open_clip(builders.native(tmp_path / "deep")))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"visibility": 0.0}, "weather.visibility: found 0.0; allowed: 5 to"),
        ({"rain": -1.0}, "weather.rain: found -1.0; allowed: 0 to 200"),
        ({"snowfall": float("nan")}, "weather.snowfall: found nan"),
        ({"snow_cover": 1.5}, "weather.snow_cover: found 1.5; allowed: 0 to 1"),
        ({"wetness": 2.0}, "weather.wetness: found 2.0"),
        ({"wind": 99.0}, "weather.wind: found 99.0"),
    ],
)
def test_impossible_weather_is_refused(wrong, words):
    with pytest.raises(RecipeError, match=words):
        Weather(**wrong)


def test_the_wind_blows_where_it_is_told():
    for turn, truth in ((0.0, AHEAD), (90.0, [-1.0, 0, 0]), (180.0, -AHEAD)):
        told = Weather(wind=3.0, wind_turn=turn)
        np.testing.assert_allclose(effects.wind(told, UP, AHEAD), 3 * np.array(truth), atol=1e-9)
    down = effects.wind(Weather(wind=3.0), UP, -UP)
    assert np.isclose(np.linalg.norm(down), 3.0)
    assert down[2] == 0
