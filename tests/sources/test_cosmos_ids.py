"""Ids of a CosmosWriter folder: colours of a lossy video, found in every frame, black being 0."""

import cv2
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.layers import Layer
from simlift.media import segment_colours
from simlift.media.segment_colours import segment_ids
from simlift.media.video import VideoStore, probe_video

HEIGHT, WIDTH, COUNT = 96, 128, 24
COLOURS = np.array([[0, 0, 0], [120, 200, 60], [135, 190, 75], [200, 40, 220]], np.uint8)
PASSING = (4, 5)


def truth(index):
    """Two instances of near colours side by side; a third that is there in two frames alone."""
    ids = np.zeros((HEIGHT, WIDTH), np.int64)
    ids[20:60, 20 + index : 50 + index] = 1
    ids[20:60, 50 + index : 80 + index] = 2
    if index in PASSING:
        ids[70:90, 60:90] = 3
    return ids


def folder(path, colours=COLOURS, quality="18", pixel_format="yuv420p"):
    path.mkdir()
    ids = np.stack([truth(i) for i in range(COUNT)])
    builders.video(path / "clip_rgb.mp4", builders.flat_frames(COUNT, HEIGHT, WIDTH))
    builders.video(
        path / "clip_segmentation.mp4",
        colours[ids],
        pixel_format=pixel_format,
        options={"crf": quality},
    )
    return path


def found_ids(path):
    clip = simlift.open_clip(path)
    return clip, builders.read(clip, Layer.SEGMENTATION, range(COUNT))


def inner(ids, reach=3):
    """Pixels that are farther than the reach of a blend from every other id."""
    frame = ids.astype(np.uint8)
    square = np.ones((2 * reach + 1,) * 2, np.uint8)
    return cv2.dilate(frame, square) == cv2.erode(frame, square)


@pytest.mark.parametrize("quality", ["10", "18"])
def test_ids_are_those_of_the_instances_in_every_frame(tmp_path, quality):
    clip, ids = found_ids(folder(tmp_path / "clip", quality=quality))
    names = {}
    for i in range(COUNT):
        sure = inner(truth(i))
        for number in np.unique(truth(i)):
            here, counts = np.unique(ids[i][sure & (truth(i) == number)], return_counts=True)
            assert counts.max() > 0.98 * counts.sum()
            most = here[counts.argmax()]
            assert names.setdefault(number, most) == most
    assert names[0] == 0
    assert len(set(names.values())) == 4
    assert any("3 ids" in note for note in clip.notes)
    assert any("may share an id" in note for note in clip.notes) == (quality == "18")


def test_colours_that_coding_has_merged_are_said(tmp_path):
    """At this quality nothing in the video tells the two near colours apart."""
    clip, _ = found_ids(folder(tmp_path / "clip", quality="28"))
    assert any("may share an id" in note for note in clip.notes)


def test_borders_take_one_of_the_ids_beside_them(tmp_path):
    """Blends of two ids have the colours of none, or those of a third."""
    _, ids = found_ids(folder(tmp_path / "clip"))
    for i in range(COUNT):
        frame = ids[i].astype(np.uint8)
        passing = truth(i) == 3
        if passing.any():
            around = cv2.dilate(passing.astype(np.uint8), np.ones((13, 13), np.uint8)).astype(bool)
            assert len(np.unique(frame[around])) == 2
        wrong = (ids[i] > 0) != (truth(i) > 0)
        assert wrong.mean() < 0.01


def test_colours_that_coding_may_mix_are_said(tmp_path):
    clip, _ = found_ids(folder(tmp_path / "near"))
    assert any("1 pairs of ids" in note and "may mix" in note for note in clip.notes)
    far = np.array([[0, 0, 0], [20, 200, 60], [235, 190, 75], [200, 40, 220]], np.uint8)
    clip, _ = found_ids(folder(tmp_path / "far", far))
    assert not any("may mix" in note for note in clip.notes)


def test_long_videos_are_looked_at_in_keyframes_which_is_said(tmp_path, monkeypatch):
    path = folder(tmp_path / "clip")
    store = VideoStore(probe_video(path / "clip_segmentation.mp4"))
    assert segment_colours.frames_to_scan(store) == range(COUNT)
    monkeypatch.setattr(segment_colours, "_SCAN", 8 * HEIGHT * WIDTH)
    clip, ids = found_ids(path)
    assert any("in 8 of 24 frames" in note for note in clip.notes)
    scanned = segment_colours.frames_to_scan(store)
    lost = not set(PASSING) & set(scanned)
    for i in PASSING:
        inside = ids[i][inner(truth(i), 8) & (truth(i) == 3)]
        assert (inside == 0).all() == lost  # never the id of another


def test_flat_frames_have_no_borders():
    palette = ((0, 0, 0, 0), (200, 40, 40, 7))
    frame = np.full((8, 9, 3), [203, 38, 41], np.uint8)
    np.testing.assert_array_equal(segment_ids(frame, palette), 7)
    np.testing.assert_array_equal(segment_ids(frame // 2, palette), 0)


def test_hidden_companions_are_no_videos(tmp_path):
    path = folder(tmp_path / "clip")
    for name in ("clip_rgb.mp4", "clip_segmentation.mp4"):
        (path / f"._{name}").write_bytes(b"\0\x05\x16\x07" + bytes(4092))
    assert Layer.SEGMENTATION in simlift.open_clip(path)
