"""The training set on disk: rows come back as they were written; bad ones are named by line."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from simlift.core.errors import InputError
from simlift.core.pair import Decision, Pair, PairSet, file_digest


def pair(name="street-000", **changes):
    made = Pair(
        id=name,
        caption="photorealistic video, a street",
        video=Path("videos") / f"{name}.mp4",
        reference_video=Path("references") / f"{name}.mp4",
        num_frames=17,
        height=32,
        width=48,
        fps=Fraction(30000, 1001),
        source="clips/street",
        start=34,
        origin="twin",
        video_digest="0" * 32,
        reference_digest="1" * 32,
        seeds={"anchor": 2**63 + 5},
        models={"editor": "abc"},
        gates={"edge_f1": 0.75},
    )
    return replace(made, **changes)


def test_rows_come_back_exactly_and_sorted(tmp_path):
    pairs = [pair("b"), pair("a"), pair("c", fps=Fraction(24), gates={}, caption="")]
    decisions = [Decision("b", True, (), 2, {"x": 1.0}), Decision("a", False, ("blurred",), 1, {})]
    folder = PairSet(tmp_path / "pairs")
    folder.write(pairs, decisions)
    assert folder.pairs() == (pairs[1], pairs[0], pairs[2])
    assert folder.decisions() == (decisions[1], decisions[0])


def test_equal_sets_are_equal_bytes(tmp_path):
    pairs = [pair(name) for name in "abc"]
    first, second = PairSet(tmp_path / "1"), PairSet(tmp_path / "2")
    first.write(pairs, [])
    second.write(pairs[::-1], [])
    assert first.manifest.read_bytes() == second.manifest.read_bytes()
    assert second.decisions() == ()


@pytest.mark.parametrize(
    "caption", ["a\u2028b", "a\u0085b", "a\nb\rc", '"quoted", 50%', "\u5c71 \U0001f3d4"]
)
def test_captions_hold_any_text(tmp_path, caption):
    folder = PairSet(tmp_path)
    folder.write([pair("a", caption=caption), pair("b")], [])
    assert folder.pairs()[0].caption == caption
    assert len(folder.pairs()) == 2


def test_the_columns_that_trainers_read_stand_in_every_row(tmp_path):
    folder = PairSet(tmp_path)
    folder.write([pair()], [])
    row = json.loads(folder.manifest.read_text())
    assert row["caption"] == "photorealistic video, a street"
    assert row["video"] == str(folder.video_of("street-000")) == "videos/street-000.mp4"
    assert row["reference_video"] == str(folder.reference_of("street-000"))


def test_a_folder_without_a_manifest_is_no_training_set(tmp_path):
    with pytest.raises(InputError, match=r"no pairs\.jsonl.*way out: make one: simlift pair"):
        PairSet(tmp_path).pairs()


def rewritten(tmp_path, change):
    folder = PairSet(tmp_path)
    folder.write([pair("a"), pair("b")], [])
    lines = folder.manifest.read_text().splitlines()
    lines[1] = change(lines[1])
    folder.manifest.write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: line[: len(line) // 2], r"l:2: is not JSON"),
        (lambda line: "", r"l:2: is not JSON"),
        (lambda line: line.replace('"caption"', '"capton"'), r"l:2.*'capton'.*'caption'"),
        (lambda line: line.replace('"start": 34, ', ""), r"l:2: the key 'start' is missing"),
        (lambda line: line.replace(": 17", ': "17"'), r"l:2\.num_frames.*whole number"),
        (lambda line: line.replace(": 17", ": 0"), r"l:2.*0 frames.*at least one frame"),
        (lambda line: line.replace("videos/b.mp4", "../b.mp4"), r"l:2.*inside the folder"),
        (lambda line: line.replace("videos/b.mp4", "/etc/b.mp4"), r"l:2.*inside the folder"),
        (lambda line: line.replace('"id": "b"', '"id": "x/b"'), r"l:2.*a file may have"),
        (lambda line: line.replace('"id": "b"', '"id": ""'), r"l:2.*a file may have"),
        (lambda line: line.replace('"id": "b"', '"id": "a"'), r"holds the pair a twice"),
    ],
)  # fmt: skip
def test_bad_lines_are_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        rewritten(tmp_path, change).pairs()


def test_bytes_that_are_no_text_are_refused(tmp_path):
    folder = PairSet(tmp_path)
    folder.manifest.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        folder.pairs()


def test_an_empty_manifest_holds_no_pairs(tmp_path):
    folder = PairSet(tmp_path)
    folder.write([], [])
    assert folder.pairs() == ()


def test_two_pairs_of_one_id_are_not_written(tmp_path):
    folder = PairSet(tmp_path)
    with pytest.raises(InputError, match="twice"):
        folder.write([pair("a"), pair("a")], [])
    assert not folder.manifest.exists()


def test_files_are_checked_against_their_hashes(tmp_path):
    folder = PairSet(tmp_path)
    for place in (folder.video_of("a"), folder.reference_of("a")):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_bytes(str(place).encode())
    video, reference = tmp_path / "videos/a.mp4", tmp_path / "references/a.mp4"
    known = pair("a", video_digest=file_digest(video), reference_digest=file_digest(reference))
    folder.check(known)
    reference.write_bytes(b"another")
    with pytest.raises(
        InputError, match=r"references/a\.mp4: changed after the pair a was accepted"
    ):
        folder.check(known)
    video.unlink()
    with pytest.raises(InputError, match=r"videos/a\.mp4: is missing"):
        folder.check(known)


def test_the_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    # BLAKE2b of no bytes at 16 bytes of digest, as any other tool gives it: b2sum -l 128.
    assert file_digest(tmp_path / "empty") == "cae66941d9efbd404e4d88758ea67670"


@pytest.mark.parametrize(
    "changes",
    [{"num_frames": 10**9}, {"width": 10**12}, {"fps": Fraction(10**400)}, {"fps": Fraction(0)}],
)
def test_numbers_that_no_video_has_are_refused(changes):
    with pytest.raises(InputError, match="none above 1,000,000"):
        pair("a", **changes)
