"""Environments, harmonics, reflections and suns against closed forms."""

import numpy as np
import pytest

from simlift.pixels import sky
from simlift.pixels.environment import (
    Environment,
    Sun,
    axes_from_world,
    build,
    directions,
    extract_sun,
    harmonic_basis,
    lookup,
    octahedral,
    prefilter,
    project_irradiance,
    solid_angles,
)
from simlift.pixels.shading import estimate_shading, remove_shading, shade

SIZE = (32, 64)
AROUND = np.random.default_rng(0).normal(size=(8, 25, 3))
AROUND = (AROUND / np.linalg.norm(AROUND, axis=-1, keepdims=True)).astype(np.float32)


def constant(*rgb, size=SIZE):
    return np.broadcast_to(np.float32(rgb), (*size, 3)).copy()


def smooth_map(size=SIZE):
    """A radiance that is linear in the direction: its lookup is known everywhere."""
    way = directions(*size)
    return (way @ COLOURS + 2).astype(np.float32)


COLOURS = np.float32([[0.5, 0.2, -0.1], [0.1, 0.6, 0.3], [-0.4, 0.1, 0.5]])


def test_directions_are_unit_and_angles_cover_the_sphere():
    way = directions(*SIZE)
    np.testing.assert_allclose(np.linalg.norm(way, axis=-1), 1, atol=1e-5)
    assert np.isclose(solid_angles(*SIZE).sum() * SIZE[1], 4 * np.pi, rtol=1e-5)
    # The middle looks along -z, the right quarter along +x, the top up.
    np.testing.assert_allclose(way[16, 32], [0, 0, -1], atol=0.07)
    np.testing.assert_allclose(way[16, 48], [1, 0, 0], atol=0.07)
    np.testing.assert_allclose(way[0, 0], [0, 1, 0], atol=0.07)


def test_lookup_inverts_directions():
    noise = np.random.default_rng(1).random((*SIZE, 3), dtype=np.float32)
    np.testing.assert_allclose(lookup(noise, directions(*SIZE)), noise, atol=2e-3)


def test_lookup_is_smooth_over_the_seam():
    found = lookup(smooth_map((64, 128)), AROUND)
    np.testing.assert_allclose(found, AROUND @ COLOURS + 2, atol=0.02)


def test_a_constant_environment_lights_all_normals_equally():
    harmonics = project_irradiance(constant(0.2, 0.5, 0.9))
    lit = harmonic_basis(AROUND) @ harmonics
    np.testing.assert_allclose(lit, np.broadcast_to([0.2, 0.5, 0.9], lit.shape), atol=2e-3)


def test_a_cosine_environment_lights_as_its_integral():
    """L = 1 + w.a gives E / pi = 1 + (2 / 3) n.a, because the order-1 lobe weighs 2 / 3."""
    axis = np.array([0.48, 0.6, -0.64])
    radiance = (1 + directions(*SIZE) @ axis)[..., None].repeat(3, -1).astype(np.float32)
    lit = harmonic_basis(AROUND) @ project_irradiance(radiance)
    truth = 1 + 2 / 3 * (AROUND @ axis)
    np.testing.assert_allclose(lit, truth[..., None].repeat(3, -1), atol=5e-3)


def test_harmonics_agree_with_brute_force():
    radiance = sky.overcast_sky(3)[::16, ::16].copy()
    way, angle = directions(*radiance.shape[:2]), solid_angles(*radiance.shape[:2])
    cosine = np.maximum(AROUND @ way.reshape(-1, 3).T, 0)
    truth = cosine @ (radiance * angle[..., None]).reshape(-1, 3) / np.pi
    found = harmonic_basis(AROUND) @ project_irradiance(radiance)
    assert np.abs(found - truth).max() < 0.05 * truth.max()


@pytest.mark.parametrize("gloss", [1.0, 20.0, 400.0])
def test_prefiltering_keeps_constants(gloss):
    found = prefilter(constant(0.3, 0.6, 1.2), gloss)
    np.testing.assert_allclose(found, constant(0.3, 0.6, 1.2), rtol=1e-4)


def test_prefiltering_blurs_and_keeps_a_linear_map_linear():
    """A lobe cos^g weighs the linear part by (g + 1) / (g + 2)."""
    for gloss in (1.0, 8.0, 30.0):
        found = prefilter(smooth_map(), gloss)
        truth = directions(*SIZE) @ COLOURS * (gloss + 1) / (gloss + 2) + 2
        np.testing.assert_allclose(found, truth, atol=0.02)


def flat_shade(environment, normals, view, **changes):
    size = normals.shape[:2]
    settings = {"specular": 0.0, "roughness": 0.5} | changes
    settings.setdefault("albedo", np.ones((*size, 3), np.float32))
    albedo = settings.pop("albedo")
    ambient = settings.pop("ambient", np.ones(size, np.float32))
    shadows = settings.pop("shadows", tuple(np.ones(size, np.float32) for _ in environment.suns))
    return shade(albedo, normals, view, ambient, shadows, environment, **settings)


def environment_of(radiance, suns=()):
    return Environment(radiance, project_irradiance(radiance), octahedral(radiance, 64), suns)


def test_a_white_surface_in_a_white_room_is_white():
    environment = environment_of(constant(1, 1, 1))
    lit = flat_shade(environment, AROUND, -AROUND)
    np.testing.assert_allclose(lit, 1, atol=2e-3)
    dark = flat_shade(environment, AROUND, -AROUND, ambient=np.full((8, 25), 0.25, np.float32))
    np.testing.assert_allclose(dark, 0.25, atol=2e-3)


def test_octahedral_lookup_is_the_direct_lookup():
    """Without albedo, facing the surface, radiance is Fresnel times what lies along the mirror."""
    radiance = smooth_map((64, 128))
    environment = environment_of(radiance)
    black = np.zeros((8, 25, 3), np.float32)
    found = flat_shade(environment, AROUND, -AROUND, albedo=black, specular=1.0, roughness=1.0)
    mirrored = lookup(radiance, AROUND)  # the view comes from the normal and returns along it
    ratio = found / mirrored
    assert np.ptp(ratio) / ratio.mean() < 0.02
    assert 0.02 < ratio.mean() < 0.06


def test_reflections_come_from_the_mirrored_direction():
    """Turned views over one normal: the reflection is what a direct lookup finds."""
    radiance = smooth_map((64, 128))
    environment = environment_of(radiance)
    normal = np.broadcast_to(np.float32([0, 1, 0]), AROUND.shape).copy()
    view = AROUND.copy()
    view[..., 1] = -np.abs(view[..., 1]) - 0.6  # from above, off the grazing angles
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    mirrored = view * np.float32([1, -1, 1])
    black = np.zeros_like(view)
    found = flat_shade(environment, normal, view, albedo=black, specular=1.0, roughness=0.95)
    ratio = found / lookup(radiance, mirrored)
    colours_agree = ratio / ratio.mean(-1, keepdims=True)
    np.testing.assert_allclose(colours_agree, 1, atol=0.02)


def test_a_sun_follows_lambert():
    towards = np.float32([0, 0.6, -0.8])
    sun = Sun(towards, np.float32([3, 2, 1]))
    environment = environment_of(constant(0, 0, 0), (sun,))
    lit = flat_shade(environment, AROUND, -AROUND)
    dark = flat_shade(environment, AROUND, -AROUND, shadows=(np.zeros((8, 25), np.float32),))
    cosine = np.maximum(AROUND @ towards, 0)[..., None]
    np.testing.assert_allclose(lit - dark, cosine * [3, 2, 1] / np.pi, atol=2e-3)


def test_a_planted_sun_is_found_and_taken_out():
    size = (256, 512)
    towards = np.array([0.5, 0.5, -np.sqrt(0.5)])
    radiance = constant(0.4, 0.5, 0.6, size=size)
    way, angle = directions(*size), solid_angles(*size)
    disc = way @ towards > np.cos(np.radians(3))
    radiance[disc] += np.float32([300, 280, 250])
    truth = (disc[..., None] * np.float32([300, 280, 250]) * angle[..., None]).sum((0, 1))
    rest, suns = extract_sun(radiance)
    assert len(suns) == 1
    assert np.degrees(np.arccos(suns[0].direction @ towards)) < 1
    np.testing.assert_allclose(suns[0].irradiance, truth, rtol=0.03)
    assert np.degrees(suns[0].radius) == pytest.approx(3, rel=0.3)
    np.testing.assert_allclose(rest, constant(0.4, 0.5, 0.6, size=size), rtol=0.02)


def test_an_even_sky_has_no_sun():
    radiance = constant(0.4, 0.5, 0.6, size=(128, 256))
    rest, suns = extract_sun(radiance)
    assert suns == ()
    np.testing.assert_array_equal(rest, radiance)


def test_samples_of_a_light_lie_within_it():
    for direction in ([0, 1, 0], [0.6, 0, -0.8]):
        point = Sun(np.float32(direction), np.ones(3, np.float32))
        np.testing.assert_array_equal(point.samples(), np.float32([direction]))
        area = Sun(np.float32(direction), np.ones(3, np.float32), radius=0.3)
        found = area.samples()
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        assert np.arccos(found @ direction).max() <= 0.3
        assert len(found) > 1


def test_building_keeps_the_light_of_a_plain_map():
    environment = build(constant(0.5, 0.5, 0.5, size=(64, 128)), 30.0)
    assert environment.suns == ()
    np.testing.assert_allclose(environment.glossy, 0.5, rtol=1e-3)
    np.testing.assert_allclose(environment.harmonics[0] * 0.282095, 0.5, rtol=1e-3)


@pytest.mark.parametrize("turn", [-2.0, 0.0, 0.4])
@pytest.mark.parametrize("up", [(0, 0, 1), (0, -1, 0), (0, 1, 0), (1, 0, 0)])
@pytest.mark.parametrize("forward", [(1, 2, 3), (0, 0, 1), (0, 1, 0)])
def test_axes_are_a_rotation(up, forward, turn):
    forward = np.array(forward, float) / np.linalg.norm(forward)
    found = axes_from_world(np.array(up, float), forward, turn)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(found) > 0
    np.testing.assert_allclose(found @ np.array(up), [0, 1, 0], atol=1e-5)


def test_turning_moves_the_light_to_the_left():
    up, forward = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])  # right is +x
    ahead = np.array([0, 0, -1.0])  # the middle of the map
    straight = axes_from_world(up, forward, 0.0).T @ ahead
    np.testing.assert_allclose(straight, forward, atol=1e-5)
    left = axes_from_world(up, forward, 0.5).T @ ahead
    np.testing.assert_allclose(left, [-np.sin(0.5), np.cos(0.5), 0], atol=1e-5)


@pytest.mark.parametrize("elevation", [10, 40, 80])
def test_a_clear_sky_has_its_sun_in_place_and_a_fixed_scale(elevation):
    radiance, sun = sky.clear_sky(np.radians(elevation), 3.0, 0.0, 0)
    assert np.isfinite(radiance).all()
    assert (radiance >= 0).all()
    assert np.degrees(np.arcsin(sun.direction[1])) == pytest.approx(elevation, abs=0.01)
    np.testing.assert_allclose(sun.direction[[0]], 0, atol=1e-6)
    assert sun.direction[2] < 0
    up = harmonic_basis(np.float32([[[0, 1, 0]]])) @ project_irradiance(radiance[::8, ::8])
    # The sky alone gives a fixed share, whatever the sun's height.
    assert up.mean() == pytest.approx(0.35, rel=0.15)
    assert (sun.irradiance > 0).all()


def test_a_low_sun_is_redder_and_weaker():
    _, low = sky.clear_sky(np.radians(8), 3.0, 0.0, 0)
    _, high = sky.clear_sky(np.radians(60), 3.0, 0.0, 0)
    assert low.irradiance[0] / low.irradiance[2] > high.irradiance[0] / high.irradiance[2]
    assert low.irradiance.mean() < high.irradiance.mean()


@pytest.mark.parametrize("make", [sky.studio, sky.window_room, sky.lamp_room])
def test_rooms_light_a_surface_facing_up_by_one(make):
    radiance = make()
    up = harmonic_basis(np.float32([[[0, 1, 0]]])) @ project_irradiance(radiance[::8, ::8])
    assert up.mean() == pytest.approx(1, rel=0.25)


def test_clouds_depend_on_the_seed_alone():
    one, _ = sky.clear_sky(0.6, 3.0, 0.5, 4)
    again, _ = sky.clear_sky(0.6, 3.0, 0.5, 4)
    other, _ = sky.clear_sky(0.6, 3.0, 0.5, 5)
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.01


def test_fitted_shading_is_the_light_and_comes_out_again():
    normals = AROUND.reshape(-1, 3)
    log_light = 0.5 * normals @ np.float32([0.2, -0.8, 0.3])
    luma = (0.4 * np.exp(log_light)).astype(np.float32)
    fit = estimate_shading(luma, normals)
    fitted = harmonic_basis(normals) @ fit
    np.testing.assert_allclose(fitted, np.log(luma), atol=0.1)
    linear = luma.reshape(8, 25, 1).repeat(3, -1)
    bare = remove_shading(linear, AROUND, fit, 1.0)
    assert bare.std() < 0.25 * linear.std()
    np.testing.assert_allclose(remove_shading(linear, AROUND, fit, 0.0), linear, rtol=1e-5)
