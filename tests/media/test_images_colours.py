"""Colours that are not sRGB: converted from profiles of primaries, and said otherwise."""

import struct
import zlib

import cv2
import numpy as np
import pytest

import simlift
from simlift.engines.photographic.scene.backdrop import read_photos
from simlift.media.image_formats.icc import conversion_to_srgb
from simlift.media.images import read_image, write_image

# Columns: the primaries of Display P3 as its profile states them, adapted to D50.
P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB_CURVE = (3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))

# From linear Display P3 to linear sRGB. Source: W3C, CSS Color Module Level 4, section 18.
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *(round(n * 65536) for n in numbers))


def icc(name, primaries=None, curve=SRGB_CURVE):
    """A colour profile of version 4: its name, and primaries [3 3] with one curve if given."""
    text = name.encode("utf-16-be")
    entry = (1).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"enUS"
    entry += len(text).to_bytes(4, "big") + (28).to_bytes(4, "big") + text
    tags = {b"desc": b"mluc" + bytes(4) + entry}
    if primaries is not None:
        kind, numbers = curve
        for c, letter in enumerate((b"r", b"g", b"b")):
            tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*primaries[:, c])
            tags[letter + b"TRC"] = (
                b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(*numbers)
            )
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", at + len(body), len(data))
        body += data
    head = bytes(16) + b"RGB XYZ " + bytes(104)
    return head + struct.pack(">I", len(tags)) + table + body


def chunk(name, body):
    data = name + body
    return len(body).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")


def iccp(profile):
    return chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))


def png(path, pixels, *chunks):
    write_image(path, pixels)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    return path


def linear(value):
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encoded(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_display_p3_becomes_srgb(tmp_path, dtype):
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(0).integers(0, top, (12, 13, 3), dtype=dtype)
    found = read_image(png(tmp_path / "a.png", pixels, iccp(icc("Display P3", P3))))
    truth = encoded(linear(pixels / top) @ P3_TO_SRGB.T)
    assert found.dtype == dtype
    np.testing.assert_allclose(found / top, truth, atol=0.004)
    notes = " ".join(simlift.open_clip(tmp_path / "a.png").notes)
    assert "converted from the profile 'Display P3' to sRGB" in notes


def test_gray_stays_gray_and_alpha_stays(tmp_path):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = np.dstack([gray, gray, gray, gray])
    found = read_image(png(tmp_path / "a.png", pixels, iccp(icc("Display P3", P3))))
    assert np.abs(found.astype(int) - pixels).max() <= 1
    np.testing.assert_array_equal(found[..., 3], gray)


@pytest.mark.parametrize(
    ("curve", "light"),
    [
        ((0, (2.2,)), lambda x: x**2.2),
        ((1, (2.0, 0.9, 0.1)), lambda x: (0.9 * x + 0.1) ** 2),
        ((2, (2.0, 0.8, 0.1, 0.05)), lambda x: (0.8 * x + 0.1) ** 2 + 0.05),
        ((4, (2.0, 0.9, 0.05, 0.5, 0.2, 0.01, 0.0)), None),
    ],
)
def test_curves_by_their_formulas(curve, light):
    found = conversion_to_srgb(icc("camera", P3, curve)).curves[0]
    x = np.linspace(0, 1, 65536)
    truth = np.where(x >= 0.2, (0.9 * x + 0.05) ** 2 + 0.01, 0.5 * x) if light is None else light(x)
    np.testing.assert_allclose(found, truth, atol=2e-5)


def test_reference_photos_of_a_telephone_are_converted(tmp_path):
    pixels = np.full((8, 8, 3), (200, 90, 60), np.uint8)
    png(tmp_path / "a.png", pixels, iccp(icc("Display P3", P3)))
    truth = encoded(linear(pixels / 255) @ P3_TO_SRGB.T) * 255
    np.testing.assert_allclose(read_photos(tmp_path, most=1)[0], truth, atol=1)


def test_profiles_of_srgb_change_nothing(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 13, 3), dtype=np.uint8)
    path = png(tmp_path / "a.png", pixels, iccp(icc("sRGB IEC61966-2.1", P3)))
    np.testing.assert_array_equal(read_image(path), pixels)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (iccp(icc("Coated printer")), "'Coated printer'"),
        (iccp(icc("sRGB IEC61966-2.1")), ""),
        (chunk(b"cICP", b"\x09\x10\0\1"), "primaries 9 and curve 16"),
        (chunk(b"gAMA", (100_000).to_bytes(4, "big")), "gamma 1"),
        (chunk(b"gAMA", (45_455).to_bytes(4, "big")), ""),
        (chunk(b"sRGB", b"\0") + chunk(b"gAMA", (100_000).to_bytes(4, "big")), ""),
    ],
)
def test_colours_that_are_not_converted_are_said(tmp_path, body, words):
    pixels = np.full((8, 8, 3), 90, np.uint8)
    clip = simlift.open_clip(png(tmp_path / "a.png", pixels, body))
    notes = " ".join(clip.notes)
    assert words in notes
    assert ("read as sRGB" in notes) == bool(words)


def test_the_profile_of_a_jpeg_may_come_in_parts(tmp_path):
    pixels = np.full((16, 16, 3), (60, 90, 200), np.uint8)  # as OpenCV stores it: B, G, R
    data, profile = cv2.imencode(".jpg", pixels)[1].tobytes(), icc("Display P3", P3)
    parts = b""
    for k, part in enumerate((profile[:150], profile[150:])):
        body = b"ICC_PROFILE\0" + bytes([k + 1, 2]) + part
        parts += b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body
    (tmp_path / "a.jpg").write_bytes(data[:2] + parts + data[2:])
    truth = encoded(linear(pixels[..., ::-1] / 255) @ P3_TO_SRGB.T) * 255
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg"), truth, atol=3)
    assert "Display P3" in " ".join(simlift.open_clip(tmp_path / "a.jpg").notes)


def test_numbers_of_12_bits_in_16_are_said(tmp_path):
    write_image(tmp_path / "a.png", np.full((8, 8, 3), 4095, np.uint16))
    assert any(
        "above 4095 of 65535" in note for note in simlift.open_clip(tmp_path / "a.png").notes
    )
