"""Folders of images: hidden companions, links, and names whose numbers do not follow."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.core.read_options import ReadOptions
from simlift.engines.photographic.camera.colour_transfer import read_reference_photos
from simlift.engines.photographic.materials.photos import read_textures
from simlift.media.folders import visible_files, visible_folders
from simlift.media.images import numbered, write_image

APPLE_DOUBLE = b"\0\x05\x16\x07\0\2\0\0Mac OS X" + bytes(4080)


def companions(folder):
    for path in list(folder.iterdir()):
        (folder / f"._{path.name}").write_bytes(APPLE_DOUBLE)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def test_hidden_companions_are_no_frames(tmp_path):
    folder = builders.sequence(tmp_path / "clip", builders.flat_frames(4))
    companions(folder)
    assert simlift.open_clip(folder).num_frames == 4


def test_hidden_companions_are_no_photos(tmp_path):
    for name in ("wood", "metal"):
        write_image(tmp_path / f"{name}.png", builders.flat_frames(1, 64, 64)[0])
    (tmp_path / ".cache").mkdir()
    companions(tmp_path)
    assert len(read_reference_photos(tmp_path).rest) == 2
    assert set(read_textures(tmp_path, [])) == {"wood", "metal"}


def test_links_into_a_cache_are_files(tmp_path):
    """The cache of a hub holds links whose targets have no suffix."""
    builders.sequence(tmp_path / "blobs", builders.flat_frames(3))
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for path in list((tmp_path / "blobs").iterdir()):
        blob = path.rename(path.with_suffix(""))
        (folder / path.name).symlink_to(blob)
    clip = simlift.open_clip(folder)
    truth = builders.flat_frames(3)
    np.testing.assert_array_equal(builders.read(clip, Layer.RGB, range(3)), truth)
    (tmp_path / "blobs" / "000002").unlink()
    with pytest.raises(ClipError, match="000002.png.*does not exist"):
        simlift.open_clip(folder)


def test_visible_files_and_folders(tmp_path):
    for name in ("b.png", ".a.png", "._b.png"):
        (tmp_path / name).touch()
    for name in ("d", ".c"):
        (tmp_path / name).mkdir()
    assert [p.name for p in visible_files(tmp_path)] == ["b.png"]
    assert [p.name for p in visible_folders(tmp_path)] == ["d"]
    assert visible_files(tmp_path / "none") == []


@pytest.mark.parametrize("digits", [14, 40, 400])
def test_a_stray_file_with_a_large_number_is_named(tmp_path, digits):
    """Work grows with the files, never with a number in a name."""
    paths = [tmp_path / f"{i:04d}.png" for i in range(6)]
    stray = tmp_path / f"preview_{'2' * digits}.png"
    with pytest.raises(ClipError, match=f"preview_{'2' * digits}.png is named unlike the other 6"):
        numbered([*paths, stray], tmp_path)
    with pytest.raises(ClipError, match="frames are missing"):
        numbered([*paths, tmp_path / f"{'2' * digits}.png"], tmp_path)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([0, 1, 2, 4, 5, 8], r"3 frames are missing \(3, 6, 7\), if every 1"),
        ([0, 5, 10, 20], r"1 frames are missing \(15\), if every 5"),
        ([0, 2, 5], r"1 frames are missing \(4\), if every 2"),
    ],
)
def test_missing_frames_are_counted_and_named(tmp_path, numbers, words):
    with pytest.raises(ClipError, match=words):
        numbered([tmp_path / f"{n}.png" for n in numbers], tmp_path)


def test_a_stated_rate_replaces_the_times_of_an_animation(tmp_path):
    animation = cv2.Animation()
    animation.frames = list(builders.flat_frames(3))
    animation.durations = [50, 100, 50]
    assert cv2.imwriteanimation(str(tmp_path / "a.webp"), animation)
    clip = simlift.open_clip(tmp_path / "a.webp", ReadOptions(fps=Fraction(12)))
    assert (clip.fps, clip.timestamps) == (12, None)
    assert any("own frame times" in note for note in clip.notes)
