"""All cameras of an episode are lit from one side, by one environment, and made of one stuff."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import clips as builders

from simlift.core.camera import Camera
from simlift.core.clip_sample import sample_clip
from simlift.core.layers import Layer
from simlift.engines.photographic import Photographic
from simlift.engines.photographic.looks.look import Light, Look
from simlift.sources import open_clip

LAYERS = [Layer.RGB, Layer.ALBEDO, Layer.DEPTH, Layer.SEGMENTATION]
TURN = np.radians(70)


def constants(clip):
    look = Look(light=Light(turn=30))
    with clip.open(LAYERS) as reader, Photographic(look).open("cpu") as engine:
        return engine.constants(sample_clip(reader), 5)


@pytest.fixture(scope="module")
def cameras(tmp_path_factory):
    """A camera, and another of the same episode that looks 70 degrees aside."""
    front = open_clip(builders.native(tmp_path_factory.mktemp("clips") / "front", LAYERS))
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]
    seen = front.camera
    aside = Camera(seen.intrinsics, seen.world_to_camera @ turn, seen.up)
    side = replace(front, name="side", camera=aside)
    return front, side


def test_light_comes_from_one_side_of_the_world(cameras):
    front, side = cameras
    one, alone, led = constants(front), constants(side), constants(replace(side, lead=front))
    np.testing.assert_allclose(led.axes, one.axes, atol=1e-6)
    assert np.abs(alone.axes - one.axes).max() > 0.5  # each by its own heading


def test_what_the_first_camera_saw_is_made_as_it_saw_it(cameras):
    front, side = cameras
    one, led = constants(front), constants(replace(side, lead=front))
    known = one.material_assignment.known.tolist()
    assert led.material_assignment.known.tolist() == known
    np.testing.assert_array_equal(led.material_assignment.layout, one.material_assignment.layout)
    for name in ("texture", "colour", "tiles"):
        np.testing.assert_array_equal(
            getattr(led.material_assignment.slot_materials, name),
            getattr(one.material_assignment.slot_materials, name),
        )
