"""Numbers in image files: the indices of a palette, and gray of 1, 2 and 4 bits, as stored."""

import zlib

import cv2
import numpy as np
import pytest
from tiny import clips as builders

import simlift
from simlift.core.errors import ClipError
from simlift.core.layers import Layer
from simlift.media.images import probe_images, read_image, write_image

IDS = np.random.default_rng(0).integers(0, 2, (13, 21)).astype(np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (256, 3)).astype(np.uint8)


def chunk(name, body):
    data = name + body
    return len(body).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")


def png(samples, bits, palette, interlaced=False):
    """Write a PNG by hand, every row with another filter where there is one for it."""
    height, width = samples.shape
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    head += bytes([bits, 3 if palette else 0, 0, 0, interlaced])
    if interlaced:
        passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4)]
        passes += [(2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
        rows = b"".join(
            packed(samples[y::dy, x::dx], bits)
            for y, dy, x, dx in passes
            if samples[y::dy, x::dx].size
        )
    else:
        rows = packed(samples, bits)
    table = chunk(b"PLTE", COLOURS[: 1 << bits].tobytes()) + chunk(b"tRNS", b"\0")
    body = chunk(b"IHDR", head) + (table if palette else b"")
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def packed(samples, bits):
    unpacked = np.unpackbits(samples[..., None], axis=-1)[..., 8 - bits :]
    rows = np.packbits(unpacked.reshape(len(samples), -1), axis=-1).astype(int)
    left = np.pad(rows, ((0, 0), (1, 0)))[:, :-1]
    above = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    filtered = [rows, rows - left, rows - above, rows - (left + above) // 2]
    return b"".join(
        bytes([k % 4]) + (filtered[k % 4][k] & 255).astype(np.uint8).tobytes()
        for k in range(len(samples))
    )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("palette", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_samples_come_back_as_stored(tmp_path, bits, palette, interlaced):
    ids = np.random.default_rng(bits).integers(0, 1 << bits, (13, 21)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png(ids, bits, palette, interlaced))
    found = read_image(tmp_path / "a.png", samples=True)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ids)
    colour = read_image(tmp_path / "a.png")
    if palette:
        np.testing.assert_array_equal(colour[..., :3], COLOURS[ids])
    else:
        np.testing.assert_array_equal(colour, ids * (255 // ((1 << bits) - 1)))


def test_sixteen_bits_come_back(tmp_path):
    ids = np.arange(13 * 21, dtype=np.uint16).reshape(13, 21) * 200
    write_image(tmp_path / "a.png", ids)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", samples=True), ids)


def test_a_sequence_of_samples(tmp_path):
    for k in range(3):
        (tmp_path / f"{k}.png").write_bytes(png(IDS + np.uint8(k), 2, True))
    store, first = probe_images(sorted(tmp_path.iterdir()), samples=True)
    np.testing.assert_array_equal(first, IDS)
    with store.open() as reader:
        np.testing.assert_array_equal(reader.read([0, 2]), [IDS, IDS + 2])


@pytest.mark.parametrize("palette", [False, True])
def test_ids_of_a_native_folder_are_samples(tmp_path, palette):
    folder = builders.native_images(tmp_path / "clip")
    ids = builders.scene(0)[Layer.SEGMENTATION].astype(np.uint8)
    for path in (folder / "segmentation").iterdir():
        path.write_bytes(png(ids, 4, palette))
    clip = simlift.open_clip(folder)
    np.testing.assert_array_equal(builders.read(clip, Layer.SEGMENTATION, [3])[0], ids)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_coding_changes_numbers(tmp_path, suffix):
    settings = [cv2.IMWRITE_WEBP_QUALITY, 90] if suffix == ".webp" else []
    good, data = cv2.imencode(suffix, np.repeat(IDS[..., None], 3, -1), settings)
    assert good
    (tmp_path / f"a{suffix}").write_bytes(data.tobytes())
    with pytest.raises(ClipError, match=f"a{suffix}.*lossy"):
        read_image(tmp_path / f"a{suffix}", samples=True)


def test_a_palette_of_another_format_is_named(tmp_path):
    """BMP stores a table of colours for 8 bits; only gray ones are numbers."""
    write_image(tmp_path / "a.bmp", IDS)
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp", samples=True), IDS)
    data = bytearray((tmp_path / "a.bmp").read_bytes())
    data[54 : 54 + 1024] = np.pad(COLOURS, ((0, 0), (0, 1))).tobytes()
    (tmp_path / "a.bmp").write_bytes(data)
    with pytest.raises(ClipError, match=r"a.bmp.*palette"):
        read_image(tmp_path / "a.bmp", samples=True)


@pytest.mark.parametrize(("dtype", "samples"), [(np.uint8, True), (np.uint16, False)])
def test_tiff_files_whose_white_is_0(tmp_path, dtype, samples):
    """As pictures they are turned round, where the decoder does so; as numbers they are refused."""
    good, coded = cv2.imencode(".tif", IDS.astype(dtype), [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    assert good
    data = bytearray(coded.tobytes())
    at = int.from_bytes(data[4:8], "little")
    entry = data.index((262).to_bytes(2, "little") + b"\3\0\1\0\0\0", at)
    data[entry + 8] = 0
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ClipError, match=r"a.tif.*(inverted|white as 0)"):
        read_image(tmp_path / "a.tif", samples=samples)
    if dtype is np.uint8:
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), 255 - IDS)
