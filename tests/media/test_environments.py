"""Environment maps: what lossy coding leaves below zero is noted, what is no light is refused."""

import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.look import Light
from simlift.media.environments import read_environment

SUN = 400.0


def sky():
    light = np.full((32, 64, 3), 0.2, np.float32)
    light[4:6, 10:12] = SUN
    return light


def write(path, light, **header):
    exr = pytest.importorskip("OpenEXR")
    exr.File(header, {"RGB": np.ascontiguousarray(light)}).write(str(path))
    return path


def test_slightly_negative_values_become_zero_and_are_noted(tmp_path):
    light = sky()
    light[20, 3:9, 1] = -0.004
    found = read_environment(write(tmp_path / "a.exr", light))
    np.testing.assert_array_equal(found.radiance, np.maximum(light, 0))
    assert "0.00098 of the values are negative, down to -0.004: read as 0" in found.notes[0]
    assert read_environment(write(tmp_path / "b.exr", sky())).notes == ()


def test_lossy_coding_is_within_the_bounds(tmp_path):
    """DWA rings below zero about a sun, which is what the bounds are for."""
    exr = pytest.importorskip("OpenEXR")
    rng = np.random.default_rng(0)
    light = sky() * rng.uniform(0, 1, (32, 64, 1)) ** 8
    lossy = {"compression": exr.DWAB_COMPRESSION}
    path = write(tmp_path / "a.exr", light.astype(np.float16), **lossy)
    with exr.File(str(path)) as file:
        stored = np.asarray(file.channels()["RGB"].pixels, np.float32)
    assert (stored < 0).any()
    found = read_environment(path)
    np.testing.assert_array_equal(found.radiance, np.maximum(stored, 0))


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.01, -3.0), (0.5, -0.2)],
)
def test_maps_of_something_else_are_refused(tmp_path, share, value):
    light = sky()
    light[np.random.default_rng(0).random(light.shape) < share] = value
    with pytest.raises(RecipeError, match=r"a.exr.*negative.*at most 0\.001"):
        read_environment(write(tmp_path / "a.exr", light))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_no_number_is_refused_and_placed(tmp_path, value):
    light = sky()
    light[7, 21, 2] = value
    with pytest.raises(RecipeError, match=r"1 pixels.*row 7, column 21"):
        read_environment(write(tmp_path / "a.exr", light))


def test_primaries_and_spaces_that_are_not_rec709(tmp_path):
    wide = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    found = read_environment(write(tmp_path / "a.exr", sky(), chromaticities=wide))
    assert "primaries" in found.notes[0]
    path = builders.write_hdr(tmp_path / "a.hdr", sky())
    path.write_bytes(path.read_bytes().replace(b"32-bit_rle_rgbe", b"32-bit_rle_xyze"))
    with pytest.raises(RecipeError, match=r"a.hdr.*XYZ"):
        read_environment(path)


def test_notes_reach_the_stages_that_plans_and_provenance_state(tmp_path):
    light = sky()
    light[20, 3] = -0.004
    look = Look(light=Light(environment=str(write(tmp_path / "a.exr", light))))
    folder = builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH])
    stages = Photographic(look).check(simlift.open_clip(folder))
    assert any(s.name == "light" and "read as 0" in s.reason for s in stages)
