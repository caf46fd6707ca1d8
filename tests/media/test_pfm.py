"""PFM images: order of rows and bytes, and files that are not whole."""

import numpy as np
import pytest

import simlift
from simlift.media.pfm import PfmStore, read_pfm


@pytest.mark.parametrize(("order", "scale"), [("<f4", b"-1.0"), (">f4", b"1")])
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_from_below_and_the_sign_says_the_order_of_bytes(tmp_path, order, scale, channels):
    shape = (10, 10) if channels == 1 else (10, 10, 3)
    # 0x20202020 is white space to whoever splits words.
    image = np.full(shape, np.frombuffer(b"    ", order)[0], np.float32)
    image[3:] = np.random.default_rng(0).normal(size=image[3:].shape)
    kind = b"Pf" if channels == 1 else b"PF"
    path = tmp_path / "a.pfm"
    path.write_bytes(kind + b"\n10 10\n" + scale + b"\n" + image[::-1].astype(order).tobytes())
    np.testing.assert_array_equal(read_pfm(path), image)
    np.testing.assert_array_equal(read_pfm(path, top_down=True), image[::-1])


@pytest.mark.parametrize("data", [b"", b"P5\n2 2\n255\nabcd", b"Pf\n2 2\n-1\n" + bytes(15)])
def test_files_that_are_not_whole_are_refused(tmp_path, data):
    path = tmp_path / "a.pfm"
    path.write_bytes(data)
    with pytest.raises(simlift.SimliftError, match="a.pfm"):
        read_pfm(path)


def test_a_frame_of_another_size_is_named(tmp_path):
    paths = tuple(tmp_path / f"{i}.pfm" for i in range(2))
    for i, path in enumerate(paths):
        path.write_bytes(b"Pf\n2 %d\n-1\n" % (2 + i) + bytes(8 * (2 + i)))
    with (
        PfmStore(paths, 2, 2).open() as reader,
        pytest.raises(simlift.SimliftError, match=r"1.pfm: holds float32 \[3, 2\], the first"),
    ):
        reader.read([0, 1])
