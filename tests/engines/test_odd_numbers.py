"""Nothing bad spreads: odd numbers in any layer cost their pixels, not the frame or the take."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny import clips as builders
from tiny.spoiled import part_of, spoiled

import simlift
from simlift.core.clip_sample import sample_clip
from simlift.core.layers import Layer
from simlift.engines.photographic import Photographic
from simlift.engines.photographic.looks.named import NAMED
from simlift.evaluation.metrics import standard
from simlift.passes.demo import episode_path

NAN, INF = np.nan, np.inf
# What no depth can be, and what a camera might see, though not there.
ODD = [NAN, INF, -INF, 0.0, -1.0, 1e30, 1e-20, 1e-45, 65504.0, 1e5, 1e-3]
SIZE, FRAME = (72, 112), 1
SPOTS = ((14, 20), (50, 30), (32, 10))
# The widest that a picture is drawn together over: 24 pixels of streak and the lens' disc.
REACH = {"natural": 16, "wet": 24, "cinema": 40}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    native = builders.native(
        tmp_path_factory.mktemp("clips") / "native", count=3, height=72, width=112
    )
    found = {"native": part_of(simlift.open_clip(native), range(3), slice(0, 72), slice(0, 112))}
    for name in ("tabletop", "drive"):
        episode = simlift.open_clip(episode_path(name))
        rows = slice(episode.height // 2 - 30, episode.height // 2 + 42)
        columns = slice(episode.width // 2 - 56, episode.width // 2 + 56)
        found[name] = replace(part_of(episode, (0, 1, 2), rows, columns), scene=None)
    return found


def spots(value):
    def spoil(frame, array):
        if frame == FRAME:
            for row, column in SPOTS:
                array[row, column] = value

    return spoil


def photographed(clip, look):
    """Return the take, and the gains that it was exposed with."""
    spec = Photographic(NAMED[look])
    with clip.open(spec.needs() | spec.uses()) as reader, spec.open("cpu") as engine:
        sample, window = sample_clip(reader), reader.window(range(clip.num_frames))
        frames = engine.lift(window, sample=sample, previous=None, seed=0)
        return frames.astype(int), engine.constants(sample, 0).gains


def far_from_spots(reach):
    near = np.ones(SIZE, np.uint8)
    for row, column in SPOTS:
        near[row, column] = 0
    return cv2.distanceTransform(near, cv2.DIST_C, 3) > reach


CASES = [
    ("native", "cinema", {"depth": 0.0, "normals": NAN, "flow": 1e30, "segmentation": 2**31 - 1}),
    ("native", "wet", {"depth": -1.0, "normals": 0.0, "material": 255, "segmentation": -(2**31)}),
    ("drive", "wet", {"depth": NAN}),
    ("drive", "cinema", {"depth": 1e-20, "segmentation": -1}),
    ("tabletop", "natural", {"depth": 65504.0}),
]


@pytest.mark.parametrize(("name", "look", "values"), CASES)
def test_a_bad_pixel_costs_itself_alone(clips, name, look, values):
    frames, exposure = photographed(clips[name], look)
    bad = spoiled(clips[name], **{layer: spots(value) for layer, value in values.items()})
    found, gains = photographed(bad, look)
    np.testing.assert_allclose(gains, exposure, rtol=0.01)
    change = np.abs(found - frames).max(-1)
    far = change[FRAME][far_from_spots(REACH[look])]
    others = np.delete(change, FRAME, axis=0)
    for part in (far, others):
        assert np.percentile(part, 99.5) <= 3
        assert part.mean() < 0.3


def noise(seed, share):
    """Put numbers of every bad kind into a share of the pixels, and into a row."""

    def spoil(frame, array):
        draw = np.random.default_rng((seed, frame))
        where = draw.random(array.shape[:2]) < share
        where[7 + frame] = True
        if array.dtype.kind == "f":
            array[where] = draw.choice(np.float32(ODD), where.sum()).reshape(
                -1, *[1] * (array.ndim - 2)
            )
        elif array.ndim == 2:
            array[where] = draw.choice([-1, 0, 2**31 - 1, -(2**31), 77777], where.sum())

    return spoil


@pytest.mark.parametrize(
    ("name", "look"), [("native", "cinema"), ("drive", "rain"), ("tabletop", "snow")]
)
def test_noise_in_every_layer_leaves_a_picture(clips, name, look):
    """Warnings are errors here: no stage and no score may stumble over any of it."""
    layers = ("depth", "normals", "flow", "segmentation", "material")
    bad = spoiled(clips[name], **{layer: noise(k, 0.02) for k, layer in enumerate(layers)})
    frames, gains = photographed(bad, look)
    assert np.isfinite(gains).all()
    whole, _ = photographed(clips[name], look)
    levels = frames.mean((1, 2, 3)) / whole.mean((1, 2, 3))
    assert (np.abs(levels - 1) < 0.15).all()
    with bad.open(Layer) as reader:
        window = reader.window(range(3))
        for metric in standard(layers=frozenset(window.arrays)):
            for score in metric.measure(window, frames.astype(np.uint8)):
                assert np.isfinite(score.numerators).all()


def test_one_wild_pose_moves_no_exposure():
    episode = simlift.open_clip(episode_path("drive"))
    clip = part_of(episode, range(6), slice(150, 198), slice(280, 360))
    poses = clip.camera.world_to_camera.copy()
    poses[2, :3, 3] += 1000
    wild = replace(clip, camera=replace(clip.camera, world_to_camera=poses), scene=None)
    with wild.open(Layer) as reader:
        sample = sample_clip(reader)
    assert 2 not in sample.window.indices
    assert sample.unusable in ((), (2,))
    steady = replace(clip, scene=None)
    gains = [photographed(k, "natural")[1] for k in (wild, steady)]
    np.testing.assert_allclose(gains[0][:1], gains[1][:1], rtol=0.05)


def test_how_many_there_were_is_said(clips):
    clip = spoiled(clips["native"], depth=spots(0.0), flow=spots(NAN))
    with clip.open(Layer) as reader:
        sample = sample_clip(reader)
    share = len(SPOTS) / (3 * SIZE[0] * SIZE[1])
    assert sample.bad_pixels == pytest.approx({Layer.DEPTH: share, Layer.FLOW: share})
    assert any(note.startswith("depth: 0.01% of the pixels") for note in sample.notes)
    with clips["native"].open(Layer) as reader:
        assert sample_clip(reader).notes == ()
