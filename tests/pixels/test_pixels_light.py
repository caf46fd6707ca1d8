"""Environments, harmonics, reflections and suns against closed forms."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from simlift.pixels.light import sky
from simlift.pixels.light.environment import (
    GLOSSY,
    Sun,
    axes_from_world,
    build_environment,
    equirectangular_directions,
    extract_sun,
    extract_suns,
    harmonic_basis,
    lookup,
    octahedral,
    prefilter,
    project_irradiance,
    solid_angles,
)
from simlift.pixels.light.shading import IncidentLight, estimate_shading, remove_shading, shade

SIZE = (32, 64)
AROUND = np.random.default_rng(0).normal(size=(8, 25, 3))
AROUND = (AROUND / np.linalg.norm(AROUND, axis=-1, keepdims=True)).astype(np.float32)


def constant(*rgb, size=SIZE):
    return np.broadcast_to(np.float32(rgb), (*size, 3)).copy()


def smooth_map(size=SIZE):
    """A radiance that is linear in the direction: its lookup is known everywhere."""
    way = equirectangular_directions(*size)
    return (way @ COLOURS + 2).astype(np.float32)


COLOURS = np.float32([[0.5, 0.2, -0.1], [0.1, 0.6, 0.3], [-0.4, 0.1, 0.5]])
WHITE = build_environment(constant(1, 1, 1))
SMOOTH = build_environment(smooth_map((64, 128)))
FRONT = np.eye(3, dtype=np.float32)


def test_directions_are_unit_and_angles_cover_the_sphere():
    way = equirectangular_directions(*SIZE)
    np.testing.assert_allclose(np.linalg.norm(way, axis=-1), 1, atol=1e-5)
    assert np.isclose(solid_angles(*SIZE).sum() * SIZE[1], 4 * np.pi, rtol=1e-5)
    # The middle looks along -z, the right quarter along +x, the top up.
    np.testing.assert_allclose(way[16, 32], [0, 0, -1], atol=0.07)
    np.testing.assert_allclose(way[16, 48], [1, 0, 0], atol=0.07)
    np.testing.assert_allclose(way[0, 0], [0, 1, 0], atol=0.07)


def test_lookup_inverts_directions():
    noise = np.random.default_rng(1).random((*SIZE, 3), dtype=np.float32)
    np.testing.assert_allclose(lookup(noise, equirectangular_directions(*SIZE)), noise, atol=2e-3)


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
    radiance = (
        (1 + equirectangular_directions(*SIZE) @ axis)[..., None].repeat(3, -1).astype(np.float32)
    )
    lit = harmonic_basis(AROUND) @ project_irradiance(radiance)
    truth = 1 + 2 / 3 * (AROUND @ axis)
    np.testing.assert_allclose(lit, truth[..., None].repeat(3, -1), atol=5e-3)


def test_harmonics_agree_with_brute_force():
    radiance = sky.overcast_sky(3)[::16, ::16].copy()
    way, angle = equirectangular_directions(*radiance.shape[:2]), solid_angles(*radiance.shape[:2])
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
        truth = equirectangular_directions(*SIZE) @ COLOURS * (gloss + 1) / (gloss + 2) + 2
        np.testing.assert_allclose(found, truth, atol=0.02)


def environment_of(radiance, suns=()):
    """An environment whose lights are those given, none found in the map."""
    return replace(build_environment(radiance, suns), suns=suns)


def turned_to(way):
    """A rotation that turns (0, 0, -1), towards the camera, to `way`."""
    aside = np.cross(way, [1.0, 0, 0] if abs(way[0]) < 0.7 else [0, 1.0, 0])
    aside /= np.linalg.norm(aside)
    return np.stack([aside, np.cross(aside, way), -way], axis=1).astype(np.float32)


class Lit(NamedTuple):
    """What leaves one pixel, each [3]."""

    scattered: np.ndarray
    mirror: np.ndarray
    gloss: np.ndarray
    light: np.ndarray


def plate(environment, normal=(0, 0, -1), turn=FRONT, **changes):
    """Light one pixel in the middle of a long lens, whose view is (0, 0, 1), by default."""
    settings = {"albedo": 1.0, "roughness": 0.5, "metallic": 0.0, "specular": 0.0} | changes
    one = np.ones((1, 1), np.float32)
    shadow = np.full((len(environment.suns), 1, 1), settings.get("shadow", 1.0), np.float32)
    arriving = IncidentLight(one * np.float32(settings.get("ambient", 1.0)), shadow)
    found = shade(
        one[..., None] * np.float32(np.broadcast_to(settings["albedo"], 3)),
        np.float32(normal).reshape(1, 1, 3),
        one * np.float32(settings["roughness"]),
        one * np.float32(settings["metallic"]),
        np.array([[1e6, 0, 0.5], [0, 1e6, 0.5], [0, 0, 1]]),
        turn,
        environment,
        settings.get("arriving", arriving),
        specular=settings["specular"],
    )
    parts = (found.scattered, found.mirror, found.gloss, found.light)
    return Lit(*(part[0, 0] for part in parts))


def tilted(facing):
    """A normal at a cosine of `facing` to the view."""
    return np.sqrt(1 - facing**2), 0, -facing


def burley(facing, roughness, size=400):
    """What a white Burley surface scatters in a white room, by integration over the hemisphere."""
    axis = (np.arange(size) + 0.5) / size
    cosine, around = np.meshgrid(axis, 2 * np.pi * axis)
    towards = cosine * facing
    towards += np.sqrt(1 - cosine**2) * np.sqrt(1 - facing**2) * np.cos(around)
    extra = roughness * (1 + towards) - 0.5  # 2 cos^2 of half the angle is 1 + its cosine
    return 2 * np.mean((1 + extra * (1 - cosine) ** 5) * (1 + extra * (1 - facing) ** 5) * cosine)


@pytest.mark.parametrize("facing", [1.0, 0.7, 0.5, 0.3])
@pytest.mark.parametrize("roughness", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_white_room_lights_a_surface_as_the_integral_over_it(facing, roughness):
    found = plate(WHITE, tilted(facing), roughness=roughness, albedo=(1, 0.5, 0.1))
    truth = burley(facing, roughness) * np.array([1, 0.5, 0.1])
    np.testing.assert_allclose(found.scattered, truth, rtol=0.025)


@pytest.mark.parametrize("facing", [1.0, 0.7, 0.5])
@pytest.mark.parametrize("roughness", [0.1, 0.3, 0.5, 0.8, 1.0])
def test_a_white_room_is_sent_back_and_no_more(facing, roughness):
    """Burley's base does not make way for its coat: a few percent too much, more when grazing."""
    found = plate(WHITE, tilted(facing), roughness=roughness, specular=1.0)
    assert (found.gloss >= 0).all()
    assert (found.gloss <= 1).all()
    np.testing.assert_allclose(found.mirror, 1, rtol=2e-3)
    assert 0.98 < found.light.min() <= found.light.max() < 1.09
    metal = plate(WHITE, tilted(facing), roughness=roughness, specular=1.0, metallic=1.0)
    np.testing.assert_array_equal(metal.scattered, 0)
    assert 0.4 < metal.light.min() <= metal.light.max() < 1.02


def test_a_metal_mirrors_in_its_own_colour():
    gold = plate(WHITE, roughness=0.2, metallic=1.0, albedo=(1.0, 0.7, 0.3), specular=1.0)
    ratio = gold.gloss / gold.gloss[0]
    np.testing.assert_allclose(ratio, [1.0, 0.7, 0.3], atol=0.02)


def test_what_hides_the_surroundings_darkens_all_they_send():
    for normal in (tilted(0.2), tilted(0.4)):
        open_, half, shut = (
            plate(WHITE, normal, ambient=a, albedo=0.1, specular=1.0) for a in (1.0, 0.5, 0.0)
        )
        # A dark crevice bounces little: about half the light is left.
        np.testing.assert_allclose(half.scattered / open_.scattered, 0.5, atol=0.06)
        assert (half.mirror < open_.mirror).all()
        np.testing.assert_allclose(shut.light, 0, atol=1e-6)


def test_what_arrives_is_taken_where_it_is_known():
    """Irradiance from `around`; reflections from the sky's share of the map and what is `ahead`."""
    one, three = np.ones((1, 1), np.float32), np.ones((3, 1, 1), np.float32)
    shade_of = np.zeros((0, 1, 1), np.float32)

    def lit(around, ahead, sky, roughness=0.2):
        known = IncidentLight(one, shade_of, around * three, ahead * three, sky * one)
        return plate(WHITE, arriving=known, roughness=roughness)

    base = plate(WHITE, roughness=0.2).scattered
    np.testing.assert_allclose(lit(0.3, 0.0, 0.0).scattered, 0.3 * base, rtol=2e-3)
    np.testing.assert_allclose(lit(1.0, 0.25, 0.0).mirror, 0.25, rtol=1e-3)
    np.testing.assert_allclose(lit(1.0, 1.0, 1.0).mirror, 1.0, rtol=1e-3)
    # Half sky of radiance 1, half a wall of 0.2: 0.6 is ahead.
    for roughness in (0.2, 0.45, 0.9):
        np.testing.assert_allclose(lit(1.0, 0.6, 0.5, roughness).mirror, 0.6, rtol=3e-3)


def test_reflections_come_from_the_mirrored_direction():
    for way in AROUND.reshape(-1, 3)[::10]:
        normal = np.append(way[:2], -abs(way[2]) - 0.4)
        normal /= np.linalg.norm(normal)
        mirrored = np.array([0, 0, 1.0]) - 2 * normal[2] * normal
        found = plate(SMOOTH, normal, roughness=0.0, specular=1.0)
        np.testing.assert_allclose(found.mirror, mirrored @ COLOURS + 2, rtol=0.03)


@pytest.mark.parametrize("roughness", GLOSSY[1:])
def test_rough_surfaces_see_the_map_through_a_lobe(roughness):
    """A lobe cos^g leaves (g + 1) / (g + 2) of a linear map's slope; g as Walter et al. have it."""
    power = max((2 / roughness**4 - 2) / 4, 0.5)
    for way in AROUND.reshape(-1, 3)[::20]:
        found = plate(SMOOTH, turn=turned_to(way), roughness=roughness, specular=1.0)
        truth = way @ COLOURS * (power + 1) / (power + 2) + 2
        np.testing.assert_allclose(found.mirror, truth, rtol=0.03)


def test_a_sun_on_a_plate_that_faces_it_is_albedo_times_irradiance_over_pi():
    towards = np.float32([0, 0.6, -0.8])
    environment = environment_of(constant(0, 0, 0), (Sun(towards, np.float32([3, 2, 1])),))
    found = plate(environment, turn=turned_to(towards), albedo=0.4)
    np.testing.assert_allclose(found.scattered, 0.4 * np.array([3, 2, 1]) / np.pi, atol=1e-3)


def test_a_sun_follows_the_cosine_and_burley():
    towards = np.float32([0, 0.6, -0.8])
    environment = environment_of(constant(0, 0, 0), (Sun(towards, np.float32([3, 2, 1])),))
    for way in AROUND.reshape(-1, 3)[::4]:
        turn = turned_to(way)
        lit, dark = (plate(environment, turn=turn, shadow=s).scattered for s in (1.0, 0.0))
        np.testing.assert_allclose(dark, 0, atol=2e-3)  # the floor under every environment
        cosine = max(way @ towards, 0)
        retro = 1 + 0.5 * cosine * (1 - cosine) ** 5  # facing: (0.5 (1 + cosine) - 0.5)
        np.testing.assert_allclose(
            lit - dark, np.array([3, 2, 1]) * cosine * retro / np.pi, atol=3e-3
        )


@pytest.mark.parametrize("roughness", [0.25, 0.5, 0.9])
def test_half_a_shadow_leaves_half_of_a_suns_light_and_highlight(roughness):
    environment = environment_of(constant(0, 0, 0), (Sun(tilt(0.5), np.ones(3, np.float32)),))

    def lit(shadow):
        return plate(
            environment, albedo=0.2, roughness=roughness, specular=1.0, shadow=shadow
        ).scattered

    full = lit(1.0) - lit(0.0)
    for shadow in (0.5, 0.1, 0.02):
        np.testing.assert_allclose(lit(shadow) - lit(0.0), shadow * full, rtol=1e-3, atol=1e-6)


def tilt(angle):
    return np.float32([np.sin(angle), 0, -np.cos(angle)])


@pytest.mark.parametrize("angle", [0.0, 0.9, 1.35, 1.5, 1.65, 2.2])
def test_a_large_light_is_the_mean_over_the_ways_to_it(angle):
    sun = Sun(tilt(angle), np.ones(3, np.float32), radius=0.3)
    environment = environment_of(constant(0, 0, 0), (sun,))
    ways = sun.samples()
    cosines = np.maximum(-ways[:, 2], 0)
    cosine = cosines.mean()
    extra = 0.5 * (1 - ways[0, 2]) - 0.5
    truth = cosine * (1 + extra * (1 - cosine) ** 5) / np.pi
    lit, dark = (plate(environment, shadow=s).scattered for s in (1.0, 0.0))
    np.testing.assert_allclose(lit - dark, truth, atol=1e-4)
    # A shadow that knows of the horizon counts the ways below it as dark; they are so once.
    share = (cosines > 0).mean()
    np.testing.assert_allclose(plate(environment, shadow=share).scattered, lit, atol=1e-5)


@pytest.mark.parametrize("roughness", [0.65, 0.8, 1.0])
@pytest.mark.parametrize("angle", [0.2, 0.9])
def test_a_rough_surface_shows_the_highlight_of_a_large_light_that_probes_do_not_hold(
    roughness, angle
):
    """Against the GGX lobe (F0 = 0.04) integrated over the disc of the light."""
    sun = Sun(tilt(angle), np.ones(3, np.float32), radius=0.35)
    environment = environment_of(constant(0, 0, 0), (sun,))
    one, dark = np.ones((1, 1), np.float32), np.zeros((3, 1, 1), np.float32)
    known = IncidentLight(one, one[None], dark, dark, np.zeros((1, 1), np.float32))
    found = plate(environment, albedo=0.0, roughness=roughness, specular=1.0, arriving=known)
    ways = sun.samples(4000)
    half = ways + np.float32([0, 0, -1])
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    cosine, along = np.maximum(-ways[:, 2], 0), np.maximum(-half[:, 2], 0)
    square, k = roughness**4, roughness**2 / 2
    bell = square / (np.pi * (along**2 * (square - 1) + 1) ** 2)
    fresnel = 0.04 + 0.96 * (1 - np.einsum("nc,nc->n", ways, half)) ** 5
    truth = (bell * fresnel * cosine / (4 * (cosine * (1 - k) + k))).mean()
    np.testing.assert_allclose(found.scattered, truth, rtol=0.12)
    shadow = replace(known, shadows=one[None] * np.float32(0.25))
    hidden = plate(environment, albedo=0.0, roughness=roughness, specular=1.0, arriving=shadow)
    np.testing.assert_allclose(hidden.scattered, found.scattered / 4, rtol=1e-4)


def test_a_smooth_surface_is_shown_a_large_light_by_the_map_alone():
    sun = Sun(tilt(0.4), np.ones(3, np.float32), radius=0.35)
    environment = environment_of(constant(0, 0, 0), (sun,))
    one, dark = np.ones((1, 1), np.float32), np.zeros((3, 1, 1), np.float32)
    known = IncidentLight(one, one[None], dark, dark, np.zeros((1, 1), np.float32))
    found = plate(environment, albedo=0.0, roughness=0.3, specular=1.0, arriving=known)
    np.testing.assert_allclose(found.scattered, 0, atol=1e-7)


def test_the_more_a_surface_glances_the_larger_is_its_reflection():
    gloss = [plate(WHITE, tilted(f), roughness=0.2, specular=1.0).gloss for f in (1, 0.6, 0.2)]
    assert gloss[0].max() < gloss[1].min()
    assert gloss[1].max() < gloss[2].min()
    # Straight on it is F0 = 0.04, as far as the fit of the coat goes.
    np.testing.assert_allclose(gloss[0], 0.04, atol=0.006)


def test_a_planted_sun_is_found_and_taken_out():
    size = (256, 512)
    towards = np.array([0.5, 0.5, -np.sqrt(0.5)])
    radiance = constant(0.4, 0.5, 0.6, size=size)
    way, angle = equirectangular_directions(*size), solid_angles(*size)
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


def test_a_black_map_has_no_sun():
    assert build_environment(constant(0, 0, 0)).suns == ()


def test_two_suns_are_found_the_stronger_first_and_no_third():
    size = (256, 512)
    way = equirectangular_directions(*size)
    radiance = constant(0.2, 0.2, 0.2, size=size)
    places = np.array([[0.0, 0.6, -0.8], [-0.8, 0.6, 0.0], [0.0, 0.6, 0.8]])
    for place, level in zip(places, (300, 200, 120)):
        radiance[way @ place > np.cos(np.radians(4))] = level
    rest, suns = extract_suns(radiance)
    assert len(suns) == 2
    assert suns[0].irradiance.sum() > suns[1].irradiance.sum()
    for sun, place in zip(suns, places):
        assert sun.direction @ place > np.cos(np.radians(1))
    # Nothing is lost: what was taken out is in the suns.
    angle = solid_angles(*size)[..., None]
    found = sum(sun.irradiance for sun in suns)
    np.testing.assert_allclose(found, ((radiance - rest) * angle).sum((0, 1)), rtol=1e-3)
    assert rest.max() == 120


def test_octahedral_maps_hold_every_direction():
    """Looked up between its pixels, a folded map is the map."""
    for way in AROUND.reshape(-1, 3)[::3]:
        found = plate(SMOOTH, turn=turned_to(way), roughness=0.1, specular=1.0).mirror
        np.testing.assert_allclose(found, way @ COLOURS + 2, rtol=0.02)
    np.testing.assert_allclose(octahedral(constant(0.2, 0.5, 0.9), 16)[3, 4], [0.2, 0.5, 0.9])


def test_samples_of_a_light_lie_within_it():
    for direction in ([0, 1, 0], [0.6, 0, -0.8]):
        point = Sun(np.float32(direction), np.ones(3, np.float32))
        np.testing.assert_array_equal(point.samples(), np.float32([direction]))
        area = Sun(np.float32(direction), np.ones(3, np.float32), radius=0.3)
        found = area.samples()
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        assert np.arccos(found @ direction).max() <= 0.3
        assert len(found) > 1


@pytest.mark.parametrize("count", [1, 4, 12])
def test_as_many_ways_lead_to_a_light_as_are_asked_for_about_its_middle(count):
    sun = Sun(np.float32([0, 0.6, -0.8]), np.ones(3, np.float32), radius=0.4)
    found = sun.samples(count)
    assert found.shape == (count, 3)
    assert found.mean(0) @ sun.direction > 0.9


def test_building_keeps_the_light_of_a_plain_map():
    environment = build_environment(constant(0.5, 0.5, 0.5, size=(64, 128)))
    assert environment.suns == ()
    assert len(environment.glossy) == len(GLOSSY)
    np.testing.assert_allclose(environment.glossy, 0.5, rtol=1e-3)
    np.testing.assert_allclose(environment.mean_radiance, 0.5, rtol=1e-3)
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
