"""Image files that are cut, zeroed or damaged are refused by name: never half a picture."""

import cv2
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError
from simlift.media.image_formats import DamagedImage, ImageHeader, UnreadableImage, read_header
from simlift.media.images import read_image

PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
OPTIMISED = (cv2.IMWRITE_JPEG_OPTIMIZE, 1)
LOSSY = (cv2.IMWRITE_WEBP_QUALITY, 90)
PLAIN, LZW, DEFLATE = ((cv2.IMWRITE_TIFF_COMPRESSION, code) for code in (1, 5, 8))


def picture(height=96, width=160):
    """A picture with detail everywhere, so that no coding of it holds long runs of zeros."""
    noise = np.random.default_rng(0).normal(0, 20, (height, width, 3))
    return np.clip(np.linspace(60, 190, width)[:, None] + noise, 0, 255).astype(np.uint8)


def coded(suffix, settings=(), pixels=None):
    good, data = cv2.imencode(suffix, picture() if pixels is None else pixels, settings)
    assert good
    return data.tobytes()


def cut(data):
    return data[: len(data) * 6 // 10]


def zeroed(data, share=0.6):
    kept = int(len(data) * share)
    return data[:kept] + bytes(len(data) - kept)


def hole(data, size):
    at = len(data) // 2
    return data[:at] + bytes(size) + data[at + size :]


@pytest.mark.parametrize(
    ("suffix", "settings", "damage"),
    [
        (".jpg", (), cut),
        (".jpg", (), zeroed),
        (".jpg", PROGRESSIVE, zeroed),
        (".jpg", OPTIMISED, zeroed),
        (".png", (), cut),
        (".png", (), zeroed),
        (".webp", LOSSY, cut),
        (".webp", LOSSY, zeroed),
        (".webp", (), zeroed),
        (".bmp", (), cut),
        (".tif", PLAIN, cut),
        (".tif", LZW, zeroed),
    ],
)
def test_a_sequence_names_the_damaged_file_when_it_is_opened(tmp_path, suffix, settings, damage):
    for i in range(4):
        (tmp_path / f"{i:06d}{suffix}").write_bytes(coded(suffix, settings))
    assert simlift.open_clip(tmp_path).num_frames == 4
    (tmp_path / f"000002{suffix}").write_bytes(damage(coded(suffix, settings)))
    with pytest.raises(ClipError, match=f"000002{suffix}"):
        simlift.open_clip(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "settings", "size"),
    [
        (".jpg", (), 512),
        (".png", (), 512),
        (".tif", DEFLATE, 512),
        (".webp", LOSSY, 512),
        (".webp", (), 4096),
    ],
)
def test_damage_in_the_middle_is_found_when_the_file_is_read(tmp_path, suffix, settings, size):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(coded(suffix, settings))
    read_image(path)
    path.write_bytes(hole(coded(suffix, settings), size))
    with pytest.raises(ClipError, match=f"a{suffix}.*damaged"):
        read_image(path)


@pytest.mark.parametrize("colour", [0, 128, 255])
@pytest.mark.parametrize(
    ("suffix", "settings"),
    [
        (".jpg", ()),
        (".jpg", OPTIMISED),
        (".jpg", (*PROGRESSIVE, *OPTIMISED)),
        (".png", ()),
        (".webp", LOSSY),
        (".webp", ()),
        (".bmp", ()),
        (".tif", LZW),
    ],
)
def test_flat_pictures_hold_zeros_and_are_whole(tmp_path, suffix, settings, colour):
    pixels = np.full((720, 1280, 3), colour, np.uint8)
    (tmp_path / f"a{suffix}").write_bytes(coded(suffix, settings, pixels))
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - colour).max() <= 2


@pytest.mark.parametrize("behind", [bytes(3000), b"SEFT trailer of a phone", coded(".jpg")])
def test_what_cameras_write_behind_a_jpeg_is_no_damage(tmp_path, behind):
    (tmp_path / "a.jpg").write_bytes(coded(".jpg") + behind)
    assert read_image(tmp_path / "a.jpg").shape == (96, 160, 3)


def test_a_thumbnail_does_not_pass_for_the_end_of_its_picture(tmp_path):
    """A preview within the header ends with the same marker as the picture."""
    whole = coded(".jpg")
    thumbnail = b"Exif\0\0" + coded(".jpg", (), picture(16, 16))
    head = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = whole[:2] + head + whole[2:]
    assert read_header(data).width == 160
    for kept in (len(head) + 2, len(head) + 1200):
        with pytest.raises(DamagedImage):
            read_header(data[:kept] + bytes(len(data) - kept))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0 ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0 ftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "AppleDouble"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (bytes(4096), "zeros"),
        (b"text", "74657874"),
    ],
)
def test_files_of_another_kind_are_named_by_what_they_hold(tmp_path, data, words):
    """Suffixes lie: telephones write HEIC under .jpg, and pointers stand in for files."""
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ClipError, match=f"a.jpg.*{words}"):
        read_image(tmp_path / "a.jpg")


def test_cmyk_is_refused():
    """Its colours depend on inks; a reader without them shows other colours."""
    data = bytearray(coded(".jpg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 9] = 4
    with pytest.raises(UnreadableImage, match="CMYK"):
        read_header(bytes(data))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_headers_say_the_size(suffix):
    found = read_header(coded(suffix, (), picture(33, 47)))
    assert isinstance(found, ImageHeader)
    assert (found.height, found.width, found.frames, found.orientation) == (33, 47, 1, 1)


def test_several_pages_are_not_one_picture(tmp_path):
    good, data = cv2.imencodemulti(".tif", [picture(), picture()])
    assert good
    (tmp_path / "stack.tif").write_bytes(data.tobytes())
    with pytest.raises(ClipError, match=r"stack.tif.*2 frames"):
        simlift.open_clip(tmp_path / "stack.tif")


def test_a_cut_array_is_named_when_it_is_opened(tmp_path):
    folder = builders.native_images(tmp_path / "clip")
    path = folder / "normals" / "000003.npy"
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(ClipError, match=r"000003.npy.*64 bytes are missing"):
        simlift.open_clip(folder)
