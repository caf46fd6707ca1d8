"""Colour, film, lens and sensor against closed forms and laws."""

import numpy as np
import pytest

from simlift.pixels.colour import spaces
from simlift.pixels.geometry.projection import pinhole
from simlift.pixels.optics import film, lens, sensor

CODES = np.arange(256) / 255.0


def test_srgb_comes_back():
    linear = spaces.srgb_to_linear(CODES)
    np.testing.assert_allclose(spaces.linear_to_srgb(linear), CODES, atol=1e-6)
    assert linear[0] == 0
    assert np.isclose(linear[255], 1)
    assert np.isclose(spaces.srgb_to_linear(np.array([0.5]))[0], 0.21404, atol=1e-5)
    assert (np.diff(linear) > 0).all()


def test_decoding_bytes_is_the_formula():
    frame = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    truth = spaces.srgb_to_linear(frame / 255.0)
    np.testing.assert_allclose(spaces.decode_srgb(frame), truth, atol=1e-6)


def test_luminance_of_white_is_one():
    white = np.ones((2, 3, 3), np.float32)
    np.testing.assert_allclose(spaces.luminance(white), 1, atol=1e-5)
    green = white * np.float32([0, 1, 0])
    np.testing.assert_allclose(spaces.luminance(green), 0.7152, atol=1e-5)


def test_daylight_at_6504_is_white():
    np.testing.assert_allclose(spaces.daylight(6504), 1, atol=0.02)


@pytest.mark.parametrize("kelvin", [1700, 2222, 2856, 3700, 4000, 4300, 5000, 7000, 12000, 25000])
def test_daylight_has_equal_luminance_and_grows_bluer(kelvin):
    found = spaces.daylight(kelvin)
    if kelvin > 2000:  # warmer light leaves the gamut: its blue is clipped
        assert found @ spaces.LUMINANCE == pytest.approx(1, abs=0.02)
    if kelvin < 24000:
        warmer, cooler = found, spaces.daylight(kelvin + 150)
        assert cooler[2] / cooler[0] > warmer[2] / warmer[0]


def test_daylight_is_continuous():
    kelvins = np.linspace(1700, 25000, 2000)
    found = np.array([spaces.daylight(float(k)) for k in kelvins])
    assert np.abs(np.diff(np.log(found[200:]), axis=0)).max() < 0.05


@pytest.mark.parametrize("kelvin", [1000, 1699, 25001, float("nan")])
def test_daylight_out_of_range(kelvin):
    with pytest.raises(ValueError, match="1700 to 25000"):
        spaces.daylight(kelvin)


def test_xyy_of_d65_is_white():
    ones = np.ones(3)
    found = spaces.xyy_to_rgb(0.3127 * ones, 0.3290 * ones, 0.5 * ones)
    np.testing.assert_allclose(found, 0.5, atol=2e-3)


def test_monge_kantorovich_maps_moments_exactly():
    draw = np.random.default_rng(0)
    for _ in range(5):
        source = draw.normal(size=(500, 3)) @ draw.normal(size=(3, 3)) + draw.normal(size=3)
        target = draw.normal(size=(400, 3)) @ draw.normal(size=(3, 3)) + draw.normal(size=3)
        found = spaces.monge_kantorovich(spaces.moments(source), spaces.moments(target))
        moved = source @ found[:, :3].T + found[:, 3]
        mean, covariance = spaces.moments(moved)
        truth = spaces.moments(target)
        np.testing.assert_allclose(mean, truth[0], atol=1e-9)
        scale = np.abs(truth[1]).max()
        np.testing.assert_allclose(covariance, truth[1], atol=0.02 * scale)
        # The cheapest map is symmetric and never turns a colour around.
        np.testing.assert_allclose(found[:, :3], found[:, :3].T, atol=1e-6)
        assert np.linalg.eigvalsh(found[:, :3]).min() >= -1e-9


def test_equal_moments_are_left_alone():
    pixels = np.random.default_rng(0).random((900, 3))
    some = spaces.moments(pixels)
    found = spaces.monge_kantorovich(some, some)
    np.testing.assert_allclose(found, np.eye(3, 4), atol=1e-3)


def test_gray_clips_do_not_blow_up():
    gray = np.random.default_rng(0).random((900, 1)).repeat(3, -1)
    vivid = np.random.default_rng(1).random((900, 3))
    found = spaces.monge_kantorovich(spaces.moments(gray), spaces.moments(vivid))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("contrast", [0.9, 1.0, 1.4, 2.2])
@pytest.mark.parametrize("white", [1.5, 5.0, 16.0])
def test_the_film_curve_keeps_gray_and_white_and_rises(contrast, white):
    x = np.linspace(0, white, 500)
    y = film.film_curve(x, contrast, white)
    assert (np.diff(y) > 0).all()
    assert y[0] == 0
    gray, top, beyond = film.film_curve(np.array([0.18, white, 2 * white]), contrast, white)
    np.testing.assert_allclose([gray, top, beyond], [0.18, 1, 1], atol=1e-9)


def test_the_film_curve_has_its_closed_form():
    """Contrast 1: y = x / (x + k) (w + k) / w with k = 0.18 w 0.82 / (0.18 w - 0.18)."""
    white = 4.0
    k = 0.18 * white * 0.82 / (0.18 * white - 0.18)
    x = np.linspace(0, white, 50)
    truth = x / (x + k) * (white + k) / white
    np.testing.assert_allclose(film.film_curve(x, 1.0, white), truth, atol=1e-9)


@pytest.mark.parametrize(("contrast", "white"), [(1.0, 0.18), (0.0, 4.0), (0.6, 1.2), (1.0, 1.0)])
def test_film_curves_that_cannot_be(contrast, white):
    with pytest.raises(ValueError, match=r"white|contrast"):
        film.film_curve(np.zeros(3), contrast, white)


def test_the_film_table_is_the_curve():
    table = film.film_table(1.3, 5.0)
    codes = np.array([0, 1000, 30000, 65535])
    truth = spaces.linear_to_srgb(film.film_curve(codes / 65535 * 5.0, 1.3, 5.0))
    np.testing.assert_allclose(table[codes] / 65535, truth, atol=1e-5)
    assert (np.diff(table.astype(int)) >= 0).all()


def test_metering():
    assert film.log_average(np.full((4, 5), 0.3)) == pytest.approx(0.3, rel=1e-3)
    assert film.log_average(np.zeros((4, 5))) > 0
    assert film.log_average(np.array([0.1, 0.4])) == pytest.approx(0.2, rel=1e-2)


def test_exposure_over_time_is_smooth():
    times = np.arange(20.0)
    jump = np.where(times < 10, 0.0, 1.0)
    found = film.smooth_over_time(times, jump, 2.0)
    assert np.abs(np.diff(found)).max() < 0.25
    assert (np.diff(found) >= 0).all()
    np.testing.assert_allclose(film.smooth_over_time(times, np.full(20, 3.0), 2.0), 3.0)
    np.testing.assert_array_equal(film.smooth_over_time(times, jump, 0.0), jump)


def test_interpolation_has_no_jump_and_no_kink():
    times, values = np.array([0.0, 1.0, 3.0]), np.array([[1.0], [2.0], [0.0]])
    at = np.linspace(-1, 4, 5001)
    found = np.array([film.interpolate(times, values, float(t))[0] for t in at])
    np.testing.assert_allclose([found[0], found[-1]], [1, 0])
    for time, value in zip(times, values[:, 0], strict=True):
        assert film.interpolate(times, values, float(time))[0] == value
    slopes = np.diff(found) / np.diff(at)
    assert np.abs(np.diff(slopes)).max() < 0.02
    assert film.interpolate(times[:1], values[:1], 7.0)[0] == 1


def test_the_vignette_is_one_on_the_axis_and_cos4_off_it():
    k = pinhole(41, 61, np.radians(60))
    found = lens.vignette(41, 61, (k[0, 0], k[1, 1], k[0, 2], k[1, 2]), 1.0)[..., 0]
    assert found[20, 30] == pytest.approx(1, abs=1e-5)
    angle = np.arctan(np.hypot(30.5 - 0.5, 20.5 - 0.5) / k[0, 0])
    assert found[0, 0] == pytest.approx(np.cos(angle) ** 4, rel=1e-3)
    np.testing.assert_allclose(found, found[::-1, ::-1], rtol=1e-5)
    np.testing.assert_allclose(lens.vignette(41, 61, (k[0, 0], k[1, 1], k[0, 2], k[1, 2]), 0.0), 1)
    half = lens.vignette(41, 61, (k[0, 0], k[1, 1], k[0, 2], k[1, 2]), 0.5)[..., 0]
    np.testing.assert_allclose(half, 0.5 + 0.5 * found, atol=1e-6)


def test_softness_keeps_light():
    draw = np.random.default_rng(0).random((30, 30, 3), dtype=np.float32)
    assert lens.blur_point_spread(draw, 0.0) is draw
    soft = lens.blur_point_spread(draw, 1.2)
    assert soft.std() < 0.5 * draw.std()
    assert soft.mean() == pytest.approx(draw.mean(), rel=0.01)
    np.testing.assert_allclose(
        lens.blur_point_spread(np.ones((9, 9, 3), np.float32), 2.0), 1, rtol=1e-5
    )


FLAT = (0.1, 0.25, 0.6, 1.5)


def exposed(level, shape=(96, 128), shot=0.01, read=0.02, seed=(1, 2), white=4.0):
    flat = np.full((*shape, 3), level, np.float32)
    codes = sensor.expose_bayer(flat, white=white, shot=shot, read=read, seed=seed)
    return codes.astype(np.float64) / 65535 * white


@pytest.mark.parametrize("level", FLAT)
def test_the_sensor_keeps_the_mean(level):
    found = exposed(level)
    # Ratios to a noisy luma are biased by the square of its relative noise.
    np.testing.assert_allclose(found.mean((0, 1)), level, rtol=0.03)
    np.testing.assert_allclose(exposed(level, shot=0.0, read=0.0), level, atol=2e-4)


def test_colours_come_back_from_the_mosaic():
    flat = np.broadcast_to(np.float32([0.6, 0.3, 0.1]), (32, 48, 3)).copy()
    codes = sensor.expose_bayer(flat, white=2.0, shot=0.0, read=0.0, seed=(0, 0))
    np.testing.assert_allclose(codes / 65535 * 2, flat, atol=2e-3)


def test_noise_is_linear_in_light():
    """The variance of a raw pixel is a x + b; what demosaicing makes of it keeps the proportion."""
    shot, read = 0.002, 0.01
    variances = [exposed(x, (128, 160), shot, read)[..., 1].var() for x in FLAT]
    slope, offset = np.polyfit(FLAT, variances, 1)
    fitted = np.polyval([slope, offset], FLAT)
    np.testing.assert_allclose(variances, fitted, rtol=0.12)
    assert offset / slope == pytest.approx(read**2 / shot, rel=0.5)
    # Half of the green pixels are read, half interpolated: between a quarter and all of it.
    assert 0.2 * shot < slope < shot


def test_noise_depends_on_the_take_and_the_frame_alone():
    one = exposed(0.3, seed=(5, 7))
    np.testing.assert_array_equal(one, exposed(0.3, seed=(5, 7)))
    for other in ((5, 8), (6, 7)):
        difference = exposed(0.3, seed=other) - one
        assert difference.std() == pytest.approx(np.sqrt(2) * one.std(), rel=0.1)
    big = exposed(0.3, seed=(2**64 - 1, 3))
    assert big.std() == pytest.approx(one.std(), rel=0.1)


def test_noise_of_two_frames_is_independent():
    one, other = exposed(0.3, seed=(5, 7)), exposed(0.3, seed=(5, 8))
    together = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert abs(together) < 0.03


@pytest.mark.parametrize("shape", [(33, 47), (32, 47), (33, 48), (1, 1), (3, 2)])
def test_odd_sizes_are_exposed_whole(shape):
    found = exposed(0.4, shape, shot=0.0, read=0.0)
    assert found.shape == (*shape, 3)
    np.testing.assert_allclose(found, 0.4, atol=2e-4)


def test_codes_are_clipped_at_white_and_black():
    assert (exposed(9.0, shot=0, read=0) == 4.0).all()
    linear = np.float32([[[-1, 0, 9]]])
    np.testing.assert_array_equal(sensor.quantise(linear, white=2.0), [[[0, 0, 65535]]])


def test_light_that_passes_the_curve_is_the_curve():
    table = film.film_table(1.2, 4.0)
    codes = np.random.default_rng(0).integers(0, 65536, (5, 6, 3)).astype(np.uint16)
    found = film.tone_map_8bit(codes, 1.2, 4.0, np.eye(3, 4))
    np.testing.assert_array_equal(found, np.rint(table[codes] / 257).astype(np.uint8))
