"""Frames in HDF5 files: the right ones, by runs of chunks, and words for what is damaged."""

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from simlift.core.errors import ClipError
from simlift.media._hdf5 import Hdf5Reader, find, open_file
from simlift.media.hdf5 import Hdf5Store

FRAMES = np.arange(23 * 4 * 5 * 3, dtype=np.uint16).reshape(23, 4, 5, 3)


@pytest.fixture(params=[None, 1, 4, 8, 23], ids=lambda n: f"chunks of {n}")
def file(request, tmp_path: Path) -> Path:
    chunks = None if request.param is None else (request.param, 2, 5, 1)
    with h5py.File(tmp_path / "a.hdf5", "w") as out:
        kind = {} if chunks is None else {"compression": "gzip"}
        out.create_dataset("data/demo_0/obs/front", data=FRAMES, chunks=chunks, **kind)
    return tmp_path / "a.hdf5"


def store(file: Path, **changes) -> Hdf5Store:
    values = {"num_frames": 23, "height": 4, "width": 5, **changes}
    return Hdf5Store(file, "data/demo_0/obs/front", **values)


@pytest.mark.parametrize(
    "reads",
    [
        [range(23)],
        [range(0, 7), range(7, 14), range(14, 23)],
        [[3], [3], [2], [22], [0]],
        [[0, 9, 10, 22], [1, 1, 5]],
        [range(5, 9), range(6, 20), range(0, 3)],
    ],
)
def test_frames_are_read_in_any_order(file: Path, reads):
    with store(file).open() as reader:
        for indices in reads:
            np.testing.assert_array_equal(reader.read(indices), FRAMES[list(indices)])


def test_a_section_that_is_stored_from_below(file: Path):
    section = pickle.loads(pickle.dumps(store(file, first=6, num_frames=9, bottom_up=True)))
    with section.open() as reader:
        np.testing.assert_array_equal(reader.read([0, 4, 8]), FRAMES[[6, 10, 14], ::-1])


def test_a_chunk_is_decompressed_once(tmp_path: Path):
    asked = []

    class Counted(h5py.Dataset):
        def __getitem__(self, which, new_dtype=None):
            asked.append((which.start, which.stop))
            return super().__getitem__(which, new_dtype)

    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        chunked = file.create_dataset("f", data=FRAMES, chunks=(8, 4, 5, 3))
        reader = Hdf5Reader(Counted(chunked.id), 0, 23, False)
        for start in range(0, 23, 5):
            reader.read(range(start, min(start + 5, 23)))
    # Runs of whole chunks; what a chunk still holds is not asked for again.
    assert asked == [(0, 8), (8, 16), (16, 23)]


def test_a_file_that_is_cut_short(file: Path):
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    words = r"a\.hdf5: cannot be read as HDF5 .*copy or download"
    with pytest.raises(ClipError, match=words), store(file).open() as reader:
        reader.read(range(23))


def test_chunks_that_are_damaged(tmp_path: Path):
    path = tmp_path / "a.hdf5"
    noise = np.random.default_rng(0).integers(0, 255, (23, 40, 50, 3), dtype=np.uint8)
    with h5py.File(path, "w") as out:
        data = out.create_dataset("f", data=noise, chunks=(4, 40, 50, 3), compression="gzip")
        place = data.id.get_chunk_info(2).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place + 20)
        raw.write(bytes(400))
    with Hdf5Store(path, "f", 23, 40, 50).open() as reader:
        np.testing.assert_array_equal(reader.read(range(8)), noise[:8])
        with pytest.raises(ClipError, match="cannot be read as HDF5"):
            reader.read(range(8, 12))


def test_an_error_of_the_user_is_not_taken_for_damage(file: Path):
    with pytest.raises(OSError, match="disk full"), store(file).open():
        raise OSError("disk full")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.unlink(), "does not exist"),
        (lambda p: p.write_bytes(b""), "cannot be read as HDF5"),
        (lambda p: p.write_text("no"), "cannot be read as HDF5"),
    ],
)
def test_what_is_no_file(file: Path, spoil, words):
    spoil(file)
    with pytest.raises(ClipError, match=words), store(file).open():
        pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "data/demo_1/obs/front"}, "has no data/demo_1/obs/front"),
        ({"name": "data/demo_0"}, "is not a dataset"),
        ({"num_frames": 24}, r"holds \[23, 4, 5, 3\]"),
        ({"height": 5}, r"holds \[23, 4, 5, 3\]"),
    ],
)
def test_datasets_that_are_not_as_said(file: Path, changes, words):
    values = {"name": "data/demo_0/obs/front", "num_frames": 23, "height": 4, "width": 5, **changes}
    with pytest.raises(ClipError, match=words), Hdf5Store(file, **values).open():
        pass


def test_links_that_leave_the_folder(tmp_path: Path):
    folder = tmp_path / "inside"
    folder.mkdir()
    for place in (folder, tmp_path):
        with h5py.File(place / "other.hdf5", "w") as out:
            out["f"] = FRAMES
    with h5py.File(folder / "a.hdf5", "w") as out:
        out["beside"] = h5py.ExternalLink("other.hdf5", "/f")
        out["out"] = h5py.ExternalLink("../other.hdf5", "/f")
        out["absolute"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "/f")
        out["soft"] = h5py.SoftLink("/out")
        out["lost"] = h5py.SoftLink("/nowhere")
        out["round"] = h5py.SoftLink("/and")
        out["and"] = h5py.SoftLink("/round")
        layout = h5py.VirtualLayout(FRAMES.shape, "u2")
        layout[:] = h5py.VirtualSource("../other.hdf5", "f", FRAMES.shape)
        out.create_virtual_dataset("virtual", layout)
        raw = [(os.fsencode(tmp_path / "raw.bin"), 0, FRAMES.nbytes)]
        out.create_dataset("raw", FRAMES.shape, "u2", external=raw)
    with open_file(folder / "a.hdf5") as file:
        np.testing.assert_array_equal(find(folder / "a.hdf5", file, "beside"), FRAMES)
        assert find(folder / "a.hdf5", file, "lost") is None
        with pytest.raises(ClipError, match="links lead in a circle"):
            find(folder / "a.hdf5", file, "round")
        for name in ("out", "absolute", "soft", "virtual", "raw"):
            with pytest.raises(ClipError, match="data in the folder of the file"):
                find(folder / "a.hdf5", file, name)
