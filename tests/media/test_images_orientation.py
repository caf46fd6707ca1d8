"""EXIF orientation: pictures of all formats are read upright, and say that they were turned."""

import struct

import cv2
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.layers import Layer
from simlift.engines.photographic.scene.backdrop import read_photos
from simlift.media.image_formats.exif import turn_upright
from simlift.media.images import read_image, write_image

UPRIGHT = np.zeros((20, 30, 3), np.uint8)
UPRIGHT[:8, :12] = (250, 20, 20)
UPRIGHT[12:, :6] = (20, 20, 250)

# What a camera stores that was held so: CIPA DC-008, tag 274, row 0 and column 0 of the picture.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: np.rot90(UPRIGHT, 2),
    4: UPRIGHT[::-1],
    5: np.rot90(UPRIGHT, 1)[::-1],
    6: np.rot90(UPRIGHT, 1),
    7: np.rot90(UPRIGHT, -1)[::-1],
    8: np.rot90(UPRIGHT, -1),
}


def exif(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def write(path, pixels, orientation, order="<"):
    pixels = np.ascontiguousarray(pixels[..., ::-1])
    if path.suffix == ".tif":
        good, data = cv2.imencode(".tif", pixels)
        data = tiff_oriented(data.tobytes(), orientation)
    else:
        found = np.frombuffer(exif(orientation, order), np.uint8)
        settings = [cv2.IMWRITE_JPEG_QUALITY, 98] if path.suffix == ".jpg" else []
        good, coded = cv2.imencodeWithMetadata(
            path.suffix, pixels, [cv2.IMAGE_METADATA_EXIF], [found], settings
        )
        data = coded.tobytes()
    assert good
    path.write_bytes(data)


def tiff_oriented(data, orientation):
    """Add the tag to a little-endian TIFF file: its directory is written again at the end."""
    at = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[at : at + 2], "little")
    entries = [data[at + 2 + 12 * k : at + 14 + 12 * k] for k in range(count)]
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    entries = sorted([e for e in entries if e[:2] != tag[:2]] + [tag], key=lambda e: e[1::-1])
    end = len(data) + len(data) % 2
    directory = len(entries).to_bytes(2, "little") + b"".join(entries) + bytes(4)
    return data[:4] + end.to_bytes(4, "little") + data[8:] + bytes(end - len(data)) + directory


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_pictures_are_read_upright(tmp_path, suffix, orientation):
    write(tmp_path / f"a{suffix}", STORED[orientation], orientation)
    found = read_image(tmp_path / f"a{suffix}")
    assert found.shape == UPRIGHT.shape
    wrong = np.abs(found.astype(int) - UPRIGHT).max(-1) > 40
    assert wrong.mean() <= (0.1 if suffix == ".jpg" else 0)  # chroma bleeds over edges
    clip = simlift.open_clip(tmp_path / f"a{suffix}")
    assert (clip.height, clip.width) == (20, 30)
    assert any("turned upright" in note for note in clip.notes) == (orientation > 1)


def test_deep_tiff_files_are_turned_once(tmp_path):
    for orientation, pixels in STORED.items():
        good, data = cv2.imencode(".tif", pixels[..., ::-1].astype(np.uint16) * 257)
        assert good
        (tmp_path / "a.tif").write_bytes(tiff_oriented(data.tobytes(), orientation))
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), UPRIGHT.astype(int) * 257)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sequences_are_upright_and_say_how_many_were_turned(tmp_path, order):
    for i in range(3):
        write(tmp_path / f"{i:04d}.jpg", STORED[6 if i else 1], 6 if i else 1, order)
    clip = simlift.open_clip(tmp_path)
    assert builders.read(clip, Layer.RGB, [0, 1, 2]).shape == (3, 20, 30, 3)
    assert any("2 of 3 images are turned upright" in note for note in clip.notes)


def test_reference_photos_are_upright(tmp_path):
    write(tmp_path / "a.jpg", STORED[8], 8)
    assert read_photos(tmp_path, most=1)[0].shape == UPRIGHT.shape


@pytest.mark.parametrize("bad", [b"", b"II*\0", exif(0), exif(9), exif(6)[:14], exif(6)[:17]])
def test_exif_data_that_states_nothing_turns_nothing(tmp_path, bad):
    write_image(tmp_path / "a.jpg", UPRIGHT)
    whole = (tmp_path / "a.jpg").read_bytes()
    body = b"Exif\0\0" + bad
    head = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    (tmp_path / "a.jpg").write_bytes(whole[:2] + head + whole[2:])
    assert read_image(tmp_path / "a.jpg").shape == UPRIGHT.shape


def test_turns_that_undo_each_other():
    for there, back in ((2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7)):
        turned = turn_upright(turn_upright(UPRIGHT, there), back)
        np.testing.assert_array_equal(turned, UPRIGHT)
