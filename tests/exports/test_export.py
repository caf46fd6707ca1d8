"""Training sets for other trainers: texts byte for byte, pairs read back by their rules."""

import csv
import json
import math
import shutil
import tomllib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from simlift.core.errors import InputError, RunError
from simlift.core.pair import NEAR_LOSSLESS, Pair, PairSet, file_digest
from simlift.core.strict_json import dumps
from simlift.exports import TRAINERS
from simlift.exports.ltx import buckets_of
from simlift.exports.musubi import frames_kept
from simlift.media.video.writer import write_video
from simlift.passes.export import export_pairs
from simlift.scale.progress import Silent


def frames_of(seed, count, height, width):
    """A bright ramp that moves, and nothing that a codec would have to guess."""
    x = np.linspace(40, 200, width)[None, None, :, None]
    level = (x + 2 * np.arange(count)[:, None, None, None] + seed) % 256
    return np.broadcast_to(level, (count, height, width, 3)).astype(np.uint8).copy()


def add_pair(folder, name, caption, *, count=9, height=32, width=64, fps=Fraction(16), seed=0):
    places = PairSet(folder)
    files = {places.video_of(name): seed, places.reference_of(name): seed + 30}
    for place, level in files.items():
        with write_video(
            folder / place, height=height, width=width, fps=fps, encoding=NEAR_LOSSLESS
        ) as writer:
            writer.append(frames_of(level, count, height, width))
    return Pair(
        id=name,
        caption=caption,
        video=places.video_of(name),
        reference_video=places.reference_of(name),
        num_frames=count,
        height=height,
        width=width,
        fps=fps,
        source="street",
        start=0,
        origin="twin",
        video_digest=file_digest(folder / places.video_of(name)),
        reference_digest=file_digest(folder / places.reference_of(name)),
        seeds={},
        models={},
        gates={},
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two pairs of one shape, and a longer one of another shape and rate."""
    folder = tmp_path_factory.mktemp("set") / "pairs"
    made = [
        add_pair(folder, "a", 'a "street", at noon'),
        add_pair(folder, "b", "rain;\nna\u00efve \u5c71", seed=7),
        add_pair(folder, "c", "a table", count=15, height=40, width=36, fps=Fraction(24), seed=3),
    ]
    PairSet(folder).write(made, [])
    return folder


@pytest.fixture
def pairs(whole, tmp_path):
    """A copy of the set."""
    return PairSet(shutil.copytree(whole, tmp_path / "pairs"))


def export(source, format, out, **how):
    return export_pairs(source, format, out, progress=Silent(), **how)


LTX = """\
{"caption": "a \\"street\\", at noon", "video": "videos/a.mp4", "reference_video": "references/a.mp4"}
{"caption": "rain;\\nna\u00efve \u5c71", "video": "videos/b.mp4", "reference_video": "references/b.mp4"}
{"caption": "a table", "video": "videos/c.mp4", "reference_video": "references/c.mp4"}
"""  # noqa: E501

CSV = """\
video,prompt,control_video,vace_video
videos/a.mp4,"a ""street"", at noon",references/a.mp4,references/a.mp4
videos/b.mp4,"rain;
na\u00efve \u5c71",references/b.mp4,references/b.mp4
videos/c.mp4,a table,references/c.mp4,references/c.mp4
"""

JSON = """\
[
  {
    "video": "videos/a.mp4",
    "prompt": "a \\"street\\", at noon",
    "in_context_videos": [
      "references/a.mp4"
    ],
    "in_context_downsample_factor": 1
  },
  {
    "video": "videos/b.mp4",
    "prompt": "rain;\\nna\u00efve \u5c71",
    "in_context_videos": [
      "references/b.mp4"
    ],
    "in_context_downsample_factor": 1
  },
  {
    "video": "videos/c.mp4",
    "prompt": "a table",
    "in_context_videos": [
      "references/c.mp4"
    ],
    "in_context_downsample_factor": 1
  }
]
"""

TOML = """\
[general]
batch_size = 1
enable_bucket = false

[[datasets]]
video_jsonl_file = "OUT/36x40x15-24fps.jsonl"
cache_directory = "OUT/cache/36x40x15-24fps"
resolution = [32, 32]
frame_extraction = "head"
target_frames = [13]
# To drop frames down to 16 a second: source_fps = 24.0 and target_frames = [9]

[[datasets]]
video_jsonl_file = "OUT/64x32x9-16fps.jsonl"
cache_directory = "OUT/cache/64x32x9-16fps"
resolution = [64, 32]
frame_extraction = "head"
target_frames = [9]
"""

SHAPES = ("64x32x9-16fps.jsonl", "36x40x15-24fps.jsonl")

MUSUBI = """\
{"video_path": "OUT/videos/a.mp4", "control_path": "OUT/references/a.mp4", "caption": "a \\"street\\", at noon"}
{"video_path": "OUT/videos/b.mp4", "control_path": "OUT/references/b.mp4", "caption": "rain;\\nna\u00efve \u5c71"}
"""  # noqa: E501


@pytest.mark.parametrize(
    ("format", "texts"),
    [
        ("ltx", {"dataset.jsonl": LTX}),
        ("diffsynth", {"metadata.csv": CSV, "metadata.json": JSON}),
        ("musubi", {"dataset.toml": TOML, SHAPES[0]: MUSUBI, SHAPES[1]: None}),
    ],
)  # fmt: skip
def test_the_texts_are_these(pairs, tmp_path, format, texts):
    out = tmp_path / "out"
    export(pairs.path, format, out)
    videos = {"videos", "references"}
    assert {path.name for path in out.iterdir()} == {*texts, "export.json"} | videos
    for name, text in texts.items():
        if text is not None:
            assert (out / name).read_bytes().decode().replace(str(out), "OUT") == text


def decoded(path):
    """Read a video as the trainers do: every frame, to RGB, by FFmpeg."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def expected(pairs):
    return {
        pair.caption: (decoded(pairs.path / pair.video), decoded(pairs.path / pair.reference_video))
        for pair in pairs.pairs()
    }


def check_rows(rows, pairs):
    """Compare (caption, target, reference) rows with the training set."""
    found, wanted = list(rows), expected(pairs)
    assert {caption for caption, _, _ in found} == set(wanted)
    for caption, target, reference in found:
        assert np.array_equal(decoded(target), wanted[caption][0])
        assert np.array_equal(decoded(reference), wanted[caption][1])


def test_ltx_is_read_back(pairs, tmp_path):
    """LTX: a JSON object a line, paths joined to the folder of the file and stripped."""
    export(pairs.path, "ltx", tmp_path / "out")
    file = tmp_path / "out" / "dataset.jsonl"
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    root = file.parent
    check_rows(
        [
            (row["caption"], root / row["video"].strip(), root / row["reference_video"].strip())
            for row in rows
        ],
        pairs,
    )


@pytest.mark.parametrize("column", ["vace_video", "control_video"])
def test_diffsynth_s_csv_is_read_back(pairs, tmp_path, column):
    """DiffSynth: a header and quoted fields, paths joined to --dataset_base_path."""
    base = tmp_path / "out"
    export(pairs.path, "diffsynth", base)
    with (base / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    check_rows([(row["prompt"], base / row["video"], base / row[column]) for row in rows], pairs)


def test_diffsynth_s_json_is_read_back(pairs, tmp_path):
    base = tmp_path / "out"
    export(pairs.path, "diffsynth", base)
    rows = json.loads((base / "metadata.json").read_text(encoding="utf-8"))
    assert all(len(row["in_context_videos"]) == 1 for row in rows)
    check_rows(
        [(row["prompt"], base / row["video"], base / row["in_context_videos"][0]) for row in rows],
        pairs,
    )


def test_musubi_is_read_back(pairs, tmp_path, monkeypatch):
    """musubi: a TOML that names a JSONL a table, and whole paths from any working directory."""
    monkeypatch.chdir(tmp_path)
    export(pairs.path, "musubi", Path("out"))
    monkeypatch.chdir("/")
    config = tomllib.loads((tmp_path / "out" / "dataset.toml").read_text(encoding="utf-8"))
    assert set(config) == {"general", "datasets"}
    caches = [table["cache_directory"] for table in config["datasets"]]
    assert len(set(caches)) == len(caches)
    rows = []
    for table in config["datasets"]:
        assert set(table) == {
            "video_jsonl_file", "cache_directory", "resolution", "frame_extraction", "target_frames"
        }  # fmt: skip
        assert all(frames % 4 == 1 for frames in table["target_frames"])
        with Path(table["video_jsonl_file"]).open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                assert len(decoded(row["video_path"])) >= max(table["target_frames"])
                rows.append((row["caption"], row["video_path"], row["control_path"]))
    check_rows(rows, pairs)


def bucket_of(pair, buckets):
    """LTX: of the buckets that a video fills, nearest in aspect, then longest, then largest."""

    def distance(bucket):
        width, height, frames = bucket
        aspect = abs(math.log(pair.width / pair.height) - math.log(width / height))
        return aspect, -frames, -width * height

    return min((b for b in buckets if b[2] <= pair.num_frames), key=distance)


def test_every_pair_has_a_bucket_of_its_own_shape(pairs, tmp_path):
    names = buckets_of(pairs.pairs())
    assert names == ["32x32x9", "64x32x9"]
    buckets = [tuple(map(int, name.split("x"))) for name in names]
    for width, height, frames in buckets:
        assert (width % 32, height % 32, frames % 8) == (0, 0, 1)
    found = [bucket_of(pair, buckets) for pair in pairs.pairs()]
    assert found == [(64, 32, 9), (64, 32, 9), (32, 32, 9)]
    command = export(pairs.path, "ltx", tmp_path / "out").export.command
    assert '--resolution-buckets "32x32x9;64x32x9"' in command


def test_what_a_trainer_leaves_out_is_said(pairs, tmp_path):
    notes = {
        name: " | ".join(export(pairs.path, name, tmp_path / name).export.notes)
        for name in TRAINERS
    }
    assert "1 pair of 15 frames: the trainer uses the first 9 (8k+1)" in notes["ltx"]
    assert "1 pair of 15 frames: the trainer uses the first 13 (4k+1)" in notes["diffsynth"]
    assert "1 pair of 36x40: the trainer scales to cover 32x32 (multiples of 32)" in notes["ltx"]
    assert "set optimization.batch_size to 1" in notes["ltx"]
    assert "several frame rates (16, 24)" in notes["ltx"]
    assert "retimes all to --frame_rate; metadata.json states none" in notes["diffsynth"]
    assert "videos of 24 frames a second: every frame is used" in notes["musubi"]


def test_one_shape_that_fits_needs_no_note(tmp_path):
    folder = tmp_path / "pairs"
    PairSet(folder).write([add_pair(folder, "a", "a street")], [])
    ltx = export(folder, "ltx", tmp_path / "ltx").export
    synth = export(folder, "diffsynth", tmp_path / "synth").export
    assert ltx.notes == synth.notes == ()
    assert synth.command.endswith("--height 32 --width 64 --num_frames 9")
    assert (ltx.pairs, ltx.frames) == (1, 9)
    row = json.loads((tmp_path / "synth" / "metadata.json").read_text())[0]
    assert row["frame_rate"] == 16.0


def test_the_export_says_what_it_holds(pairs, tmp_path):
    made = export(pairs.path, "ltx", tmp_path / "out")
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    assert told == json.loads(dumps(made.export))
    assert (told["format"], told["pairs"], told["frames"]) == ("ltx", 3, 33)


def test_videos_are_links_unless_copies_are_asked_for(pairs, tmp_path):
    video = pairs.path / "videos" / "a.mp4"
    linked = export(pairs.path, "ltx", tmp_path / "linked")
    copied = export(pairs.path, "ltx", tmp_path / "copied", copy=True)
    assert (linked.linked, linked.copied) == (6, 0)
    assert (copied.linked, copied.copied) == (0, 6)
    assert (tmp_path / "linked" / "videos" / "a.mp4").samefile(video)
    other = tmp_path / "copied" / "videos" / "a.mp4"
    assert not other.samefile(video)
    assert other.read_bytes() == video.read_bytes()


def test_where_links_cannot_be_made_files_are_copied(pairs, tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert export(pairs.path, "ltx", tmp_path / "out").copied == 6


def test_equal_sets_make_equal_exports(pairs, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    for place in "12":
        export(pairs.path, "diffsynth", tmp_path / place / "out")
    for name in ("metadata.csv", "metadata.json"):
        assert (tmp_path / "1/out" / name).read_bytes() == (tmp_path / "2/out" / name).read_bytes()


@pytest.mark.parametrize("which", ["videos", "references"])
def test_a_file_that_changed_is_refused_and_nothing_stays(pairs, tmp_path, which):
    file = pairs.path / which / "b.mp4"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(InputError, match=rf"{which}/b\.mp4: changed after the pair b was accepted"):
        export(pairs.path, "ltx", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


def test_a_folder_that_is_not_empty_is_refused(pairs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export(pairs.path, "ltx", out)  # an empty one is filled
    with pytest.raises(RunError, match="is not empty"):
        export(pairs.path, "ltx", out)
    with pytest.raises(RunError, match="is not empty"):
        export(pairs.path, "ltx", pairs.path)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        export(pairs.path, "ltx", tmp_path / "file")


def test_what_a_killed_export_left_is_swept(pairs, tmp_path):
    left = tmp_path / ".out.partial" / "videos"
    left.mkdir(parents=True)
    (left / "old.mp4").touch()
    export(pairs.path, "ltx", tmp_path / "out")
    assert not (tmp_path / ".out.partial").exists()
    assert not (tmp_path / "out" / "videos" / "old.mp4").exists()


def test_a_place_that_cannot_be_written_is_said(pairs, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        export(pairs.path, "ltx", tmp_path / "file" / "out")


def test_other_sources_and_formats_are_refused(pairs, tmp_path):
    with pytest.raises(InputError, match="is no training set"):
        export(tmp_path, "ltx", tmp_path / "out")
    with pytest.raises(InputError, match="found 'lxt'; allowed: diffsynth, ltx, musubi"):
        export(pairs.path, "lxt", tmp_path / "out")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds no pairs\.jsonl yet.*it goes on"):
        export(tmp_path / "begun", "ltx", tmp_path / "out")
    (tmp_path / "run" / "takes").mkdir(parents=True)
    with pytest.raises(InputError, match="is a run.*simlift pair"):
        export(tmp_path / "run", "ltx", tmp_path / "out")
    PairSet(tmp_path / "none").write([], [])
    with pytest.raises(InputError, match=r"holds no accepted pair.*decisions\.jsonl"):
        export(tmp_path / "none", "ltx", tmp_path / "out")


def made_of(**changes):
    return replace(
        Pair(
            id="a", caption="a street", video=Path("v.mp4"), reference_video=Path("r.mp4"),
            num_frames=9, height=32, width=64, fps=Fraction(16), source="s", start=0,
            origin="twin", video_digest="", reference_digest="", seeds={}, models={}, gates={},
        ),
        **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("format", "changes", "words"),
    [
        ("ltx", {"caption": " "}, "a: has no caption"),
        ("ltx", {"num_frames": 8}, "holds 8 frames; allowed: at least 9"),
        ("ltx", {"height": 31}, "is 64x31; allowed: sides of at least 32"),
        ("diffsynth", {"num_frames": 4}, "holds 4 frames; allowed: at least 5"),
        ("diffsynth", {"caption": "None"}, "pandas does not read as text"),
        ("diffsynth", {"caption": "12"}, "pandas does not read as text"),
        ("musubi", {"width": 15}, "is 15x32; allowed: sides of at least 16"),
    ],
)
def test_pairs_that_a_trainer_cannot_use_are_refused(format, changes, words):
    with pytest.raises(InputError, match=words):
        TRAINERS[format].check([made_of(**changes)])


def test_toml_holds_any_path():
    pair = made_of()
    out = Path('/data/a "b"\\c\x7f\u5c71')
    config = tomllib.loads(TRAINERS["musubi"].texts([pair], out)["dataset.toml"])
    assert config["datasets"][0]["video_jsonl_file"] == str(out / "64x32x9-16fps.jsonl")


@pytest.mark.parametrize(
    ("frames", "fps", "kept", "target"),
    [
        (81, 20, 64, 61),  # the sum of 16/20 reaches 63.99.., where 80 * 16/20 is 64
        (97, 24, 64, 61),
        (121, 30, 64, 61),
        (121, 60, 32, 29),
        (81, 30, 43, 41),
        (81, 24, 54, 53),
        (97, 20, 77, 77),
        (121, Fraction(30000, 1001), 65, 65),
        (97, Fraction(24000, 1001), 65, 65),
    ],
)
def test_frames_that_retiming_leaves_are_counted_as_the_trainer_counts(frames, fps, kept, target):
    rate = float(fps)
    sums = np.concatenate([[0.0], np.cumsum(np.full(frames - 1, 16 / rate))])  # one after the other
    assert frames_kept(frames, rate) == len(np.unique(sums.astype(int))) == kept
    pair = made_of(num_frames=frames, fps=Fraction(fps))
    text = TRAINERS["musubi"].texts([pair], Path("/out"))["dataset.toml"]
    assert f"source_fps = {rate!r} and target_frames = [{target}]" in text


def test_a_rate_that_leaves_too_few_frames_is_said():
    pair = made_of(num_frames=49, fps=Fraction(240))
    text = TRAINERS["musubi"].texts([pair], Path("/out"))["dataset.toml"]
    assert "source_fps = 240.0 would leave 4 of the frames, too few to train on" in text
    assert tomllib.loads(text)["datasets"][0]["target_frames"] == [49]
