"""A clip sample shows the scene: blank frames and wild poses are stood in for, cuts are found."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.camera_jumps import adrift, camera_jumps
from simlift.core.clip_sample import sample_clip
from simlift.core.layers import Layer
from simlift.core.sample_frames import choose_frames, find_sampled_cuts
from simlift.core.window import Motion
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.look import Exposure, Lens, Sensor
from simlift.media.images import write_image
from simlift.pixels.image.blank import is_black, is_blank
from simlift.pixels.optics import film

STILL = Look(sensor=Sensor(bayer=False), lens=Lens(vignette=0, softness=0))


def picture(seed, level=1.0, shift=0.0):
    """A view of a wide texture in its own tint, `shift` pixels to the right."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (12, 40, 3), dtype=np.uint8)
    tint = draw.uniform(0.3, 1, 3)
    wide = cv2.resize(coarse, (240, 72), interpolation=cv2.INTER_CUBIC)
    seen = cv2.warpAffine(wide, np.float32([[1, 0, -shift], [0, 1, 0]]), (96, 72))
    return (seen * tint * level).astype(np.uint8)


def never(frame):
    return False


def choose(frames, due, lost=never):
    looked = []

    def show(frame):
        looked.append(frame)
        return frames[frame]

    return choose_frames(due, show, lost), looked


def test_blank_frames_are_told():
    noise = np.random.default_rng(0).integers(0, 4, (72, 96, 3), dtype=np.uint8)
    for blank in (noise, noise + 250, np.full_like(noise, (200, 30, 90))):
        assert is_blank(blank)
    assert not is_blank(picture(1))
    assert not is_blank(picture(1, level=0.2))
    assert is_black(noise)
    assert not is_black(noise + 9)


@pytest.mark.parametrize("count", [1, 6, 11, 25])
def test_the_first_frame_that_shows_something_stands_in_for_black_ones(count):
    frames = [np.zeros_like(picture(0)) if i < count else picture(0, shift=i) for i in range(48)]
    choice, looked = choose(frames, [0, 12, 24, 35, 47])
    assert choice.frames[0] == count
    assert choice.frames[-1] == 47
    assert all(frame >= count for frame in choice.frames)
    assert choice.unusable == tuple(i for i in (0, 12, 24) if i < count)
    assert choice.cuts == ()
    assert len(looked) < 60


def test_a_flash_and_an_end_in_black():
    frames = [picture(0, shift=i) for i in range(41)]
    frames[20] = np.full_like(frames[0], 255)
    frames[37:] = [np.zeros_like(frames[0])] * 4
    choice, _ = choose(frames, [0, 10, 20, 30, 40])
    assert choice.frames == (0, 10, 21, 30, 36)
    assert choice.unusable == (20, 40)
    blank = [np.zeros_like(frames[0])] * 41
    assert choose(blank, [0, 20, 40])[0].frames == (0, 20, 40)
    assert choose(frames, [0, 10, 30], lambda i: i == 10)[0].frames == (0, 11, 30)


@pytest.mark.parametrize("cut", [1, 7, 12, 13, 24, 40])
def test_a_cut_between_samples_is_found_to_the_frame(cut):
    frames = [picture(3 if i < cut else 4, shift=i) for i in range(41)]
    assert find_sampled_cuts((0, 12, 24, 40), frames.__getitem__) == (cut,)


def test_motion_and_brightness_are_no_cut():
    moving = [picture(3, level=0.4 + i / 80, shift=2.5 * i) for i in range(41)]
    assert find_sampled_cuts((0, 12, 24, 40), moving.__getitem__) == ()


def test_exposure_is_each_shots_own_and_changes_at_the_cut():
    times, shots = np.array([0.0, 1, 2, 3]), np.array([0, 0, 1, 1])
    values = np.array([1.0, 1, 5, 5])
    np.testing.assert_allclose(film.smooth_over_time(times, values, 1.5, shots), values)
    held = film.hold_to_cuts(times, values, np.array([1.5]), 0.1)
    assert film.interpolate(*held, 1.39) == 1
    assert film.interpolate(*held, 1.5) == 5
    assert film.interpolate(*held, 3.0) == 5
    at_sample = film.hold_to_cuts(times, values, np.array([2.0, 9.0]), 0.1)
    assert [film.interpolate(*at_sample, t) for t in (1.9, 2.0)] == [1, 5]
    assert film.hold_to_cuts(times, values, np.zeros(0), 0.1)[0] is times


def test_black_frames_stay_black_and_move_no_exposure(tmp_path):
    shown = [picture(0, level=0.5, shift=i / 4) for i in range(30)]
    black = [np.zeros_like(shown[0])] * 5 + shown[5:]
    takes = []
    for name, frames in (("whole", shown), ("late", black)):
        clip = simlift.open_clip(builders.sequence(tmp_path / name, np.stack(frames)))
        takes.append(simlift.lift(clip, Photographic(STILL)).astype(int))
        with clip.open([Layer.RGB]) as reader:
            notes = sample_clip(reader).notes
    assert np.abs(takes[0][5:] - takes[1][5:]).mean() < 1
    assert takes[1][:5].max() == 0
    assert "frames such as 0 are blank" in notes[0]


def test_a_black_frame_of_a_lit_clip_is_not_lit(tmp_path):
    folder = builders.native_images(tmp_path / "clip", 4)
    clip = simlift.open_clip(folder)
    lit = simlift.lift(clip, Photographic(STILL))
    black = np.zeros_like(builders.scene(0)[Layer.RGB])
    write_image(folder / "rgb" / "000000.png", black)
    found = simlift.lift(simlift.open_clip(folder), Photographic(STILL))
    assert found[0].max() == 0
    assert np.abs(found[1:].astype(int) - lit[1:]).mean() < 3


def test_shots_are_exposed_apart(tmp_path):
    frames = np.stack([picture(3, level=0.15) if i < 20 else picture(4) for i in range(40)])
    look = replace(STILL, exposure=Exposure(adaptation=10.0))
    whole = simlift.open_clip(builders.sequence(tmp_path / "whole", frames))
    takes = [simlift.lift(whole, Photographic(look)).astype(int)]
    for part in (frames[:20], frames[20:]):
        clip = simlift.open_clip(builders.sequence(tmp_path / f"part{part.mean():.0f}", part))
        takes.append(simlift.lift(clip, Photographic(look)).astype(int))
    for joined, alone in ((takes[0][:20], takes[1]), (takes[0][20:], takes[2])):
        assert np.abs(joined - alone).mean() < 1


# --- cameras that jump ---------------------------------------------------------------------------


def moving(count=12):
    return builders.camera(count).world_to_camera.copy()


def test_cuts_and_wild_poses_are_jumps_and_motion_is_not():
    assert not camera_jumps(moving()).any()
    cut = moving()
    cut[5:, 0, 3] += 3
    assert np.flatnonzero(camera_jumps(cut)).tolist() == [4]
    assert not adrift(camera_jumps(cut)).any()
    wild = moving()
    wild[7, :3, 3] += 1000
    assert np.flatnonzero(camera_jumps(wild)).tolist() == [6, 7]
    assert np.flatnonzero(adrift(camera_jumps(wild))).tolist() == [7]
    turned = moving()
    turned[4:, :3, :3] = np.diag([1.0, -1, -1]) @ turned[4:, :3, :3]
    assert np.flatnonzero(camera_jumps(turned)).tolist() == [3]
    fast, apart = moving(), moving()
    fast[:, 0, 3] = 2.0 * np.arange(12) ** 1.5
    apart[:, 0, 3] = 50.0 * np.arange(12)
    for poses in (fast, apart, moving(1), moving(2)):
        assert not camera_jumps(poses).any()


def test_no_shutter_is_open_while_a_camera_jumps():
    camera = builders.camera(12)
    poses = moving()
    poses[5:, 0, 3] += 3
    motion = Motion(replace(camera, world_to_camera=poses), builders.objects(12))
    after, bodies = motion.after(4)
    assert after.world_to_camera[0, 0, 3] == pytest.approx(-0.05)
    assert bodies.poses[0, 0, 2, 3] == pytest.approx(0.1)
    assert motion.after(5)[0].world_to_camera[0, 0, 3] == poses[6, 0, 3]
    poses = moving()
    poses[7, :3, 3] += 1000
    motion = Motion(replace(camera, world_to_camera=poses), None)
    np.testing.assert_allclose(motion.after(7)[0].world_to_camera[0], poses[7])
