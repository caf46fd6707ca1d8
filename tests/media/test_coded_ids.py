"""Ids in codes: tables of each frame, packed colours, Cryptomatte hashes, ranged flow."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny.engine_folders import write_exr

from simlift.core.errors import ClipError
from simlift.media.coded_ids import probe_coded_ids
from simlift.media.cryptomatte import CryptomatteIds, cryptomattes
from simlift.media.decodings import RangedFlow
from simlift.media.exr import ExrHeader, exr_text, read_exr_header
from simlift.media.images import write_image

FILE = Path("a.exr")


def test_each_frame_has_a_table_of_its_own(tmp_path):
    colours = np.array([[[1, 2, 3, 255], [1, 2, 3, 0]], [[9, 0, 0, 255], [1, 2, 3, 255]]], np.uint8)
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    for path in paths:
        write_image(path, colours)
    first = {(1, 2, 3, 255): 5, (1, 2, 3, 0): 0, (9, 0, 0, 255): 7}
    second = {(1, 2, 3, 255): 1, (1, 2, 3, 0): 2, (9, 0, 0, 255): 3}
    store, found = probe_coded_ids(paths, [first, second])
    np.testing.assert_array_equal(found, [[5, 0], [7, 5]])
    with store.open() as reader:
        both = reader.read([0, 1])
    assert both.dtype == np.int32
    np.testing.assert_array_equal(both[1], [[1, 2], [3, 1]])
    # Equal tables are kept once, however many frames share them.
    same, _ = probe_coded_ids(paths, [first, dict(first)])
    assert same.table_of == (0, 0)


def test_codes_that_cannot_be_told_apart_are_refused(tmp_path):
    rgb = np.zeros((2, 2, 3), np.uint8)
    write_image(tmp_path / "rgb.png", rgb)
    write_image(tmp_path / "gray.png", rgb[..., 0])
    two = {(0, 0, 0, 0): 0, (0, 0, 0, 255): 1}
    with pytest.raises(ClipError, match=r"two names to the colour \(0, 0, 0\)"):
        probe_coded_ids([tmp_path / "rgb.png"], [two])
    with pytest.raises(ClipError, match="has 1 channels, but its labels name"):
        probe_coded_ids([tmp_path / "gray.png"], [two])
    with pytest.raises(ClipError, match="no name, such as 0"):
        probe_coded_ids([tmp_path / "gray.png"], [{(4,): 1}])
    with pytest.raises(ClipError, match="no labels at all"):
        probe_coded_ids([tmp_path / "gray.png"], [{}])
    write_image(tmp_path / "deep.png", rgb.astype(np.uint16))
    with pytest.raises(ClipError, match="holds uint16"):
        probe_coded_ids([tmp_path / "deep.png"], [two])


def test_cryptomatte_hashes_are_bits_of_floats():
    """The hashes are those of MurmurHash3 (x86, 32 bits) of the two names."""
    texts = {
        "cryptomatte/ab/name": "Layer.CryptoObject",
        "cryptomatte/ab/manifest": json.dumps({"hello": "248bfa47", "a": "3c2569b2"}),
    }
    header = ExrHeader(1, 3, ("Layer.CryptoObject00.r",), texts)
    matte = cryptomattes(FILE, header)["Layer.CryptoObject"]
    assert matte.names == ("a", "hello")
    raw = np.array([[[0x248BFA47, 0, 0x3C2569B2]]], np.uint32).view(np.float32)
    np.testing.assert_array_equal(CryptomatteIds(matte.hashes)(raw), [[[2, 0, 1]]])
    with pytest.raises(ClipError, match="of no name, such as 00000001"):
        CryptomatteIds(matte.hashes)(np.array([[[1]]], np.uint32).view(np.float32))


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("{", "cannot be read"),
        ('{"a": "z"}', "cannot be read"),
        ('{"a": "1", "b": "1"}', "one hash"),
    ],
)
def test_manifests_that_name_nothing_are_refused(manifest, words):
    texts = {"cryptomatte/ab/name": "X", "cryptomatte/ab/manifest": manifest}
    with pytest.raises(ClipError, match=words):
        cryptomattes(FILE, ExrHeader(1, 1, ("X00.r",), texts))
    # Without a manifest there are no names, and the matte is left out.
    assert not cryptomattes(FILE, ExrHeader(1, 1, ("X00.r",), {"cryptomatte/ab/name": "X"}))


def test_ranged_flow():
    raw = np.array([[[[0, 65535, 0]]]], np.uint16)
    np.testing.assert_allclose(RangedFlow(-2.0, 6.0)(raw), [[[[-2, 6]]]])
    np.testing.assert_allclose(RangedFlow(-2.0, 6.0, (1, 0))(raw), [[[[6, -2]]]])


def test_headers_of_exr_files_hold_metadata(tmp_path):
    pytest.importorskip("OpenEXR")
    write_exr(tmp_path / "a.exr", {"Z": np.ones((2, 3), np.float32)}, camera="main", fov=60.0)
    header = read_exr_header(tmp_path / "a.exr")
    assert (header.height, header.width, header.channels) == (2, 3, ("Z",))
    assert header.texts["camera"] == "main"
    assert float(header.texts["fov"]) == 60
    assert b"camera" in exr_text(tmp_path / "a.exr")
    write_image(tmp_path / "b.png", np.zeros((2, 2), np.uint8))
    assert exr_text(tmp_path / "b.png") == b""
