"""The command line as a user types it: words of before, dry runs, and what can be set of what."""

import dataclasses
import json
import subprocess
import sys

import pytest
from rich.console import Console
from tiny import clips as builders
from tiny import oscar_release

import simlift
from simlift import cli
from simlift.cli import options
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.setting import settings_of
from simlift.engines import EXTRAS, NAMES
from simlift.engines.photographic.looks.look import Exposure, Light, Look
from simlift.engines.photographic.looks.named import NAMED
from simlift.passes import catalogue
from simlift.training.recipe import TrainRecipe


def run(capsys, monkeypatch, *words):
    """Run a command in this process: its exit code, what it printed, and its errors."""
    for name, error in (("out", False), ("err", True)):
        monkeypatch.setattr(options, name, Console(stderr=error, emoji=False, width=80))
    with pytest.raises(SystemExit) as left:
        cli.main(list(words))
    done = capsys.readouterr()
    return left.value.code, done.out, done.err


@pytest.mark.parametrize(
    ("words", "new"),
    [
        (["look", "clip", "--out", "sheets"], "simlift inspect"),
        (["plan", "clip"], "--dry-run"),
        (["lift", "clip", "--out", "run", "--samples", "4"], "--set samples=64"),
        (["lift", "clip", "--out", "run", "--samples=4"], "--set samples=64"),
        (["train", "pairs", "--plan"], "--dry-run"),
        (["lfit"], "did you mean 'lift'?"),
    ],
)
def test_words_of_before_end_with_2_and_one_line(capsys, monkeypatch, words, new):
    code, out, err = run(capsys, monkeypatch, *words)
    assert (code, out) == (2, "")
    assert new in err
    assert err.count("\n") == 1


def test_the_twin_keeps_its_samples(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "record", "--help")
    assert code == 0
    assert "--samples" in out


def test_help_fits_80_columns_and_says_what_is_required(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, monkeypatch, "--help")
    assert code == 0
    places = [out.index(f"\n  {verb} ") for verb in cli.VERBS]
    assert places == sorted(places)
    for verb in cli.VERBS:
        code, text, _ = run(capsys, monkeypatch, verb, "--help")
        assert code == 0
        assert max(map(len, text.splitlines()[1:])) <= 80  # tyro leaves its usage on one line
        assert "{None}" not in text
    assert max(map(len, out.splitlines())) <= 80
    lift = run(capsys, monkeypatch, "lift", "--help")[1]
    assert lift.count("(required)") == 2  # clips and --out


def test_the_version(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "--version")
    assert (code, out) == (0, f"simlift {simlift.__version__}\n")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = simlift.nothing
    assert {*simlift.__all__, "__version__"} <= set(dir(simlift))


def test_a_dry_run_makes_nothing(capsys, monkeypatch, tmp_path):
    layers = [Layer.RGB, Layer.DEPTH, Layer.TWIN]
    clip = str(builders.native(tmp_path / "clip", layers, 9))
    out = tmp_path / "out"
    code, said, _ = run(capsys, monkeypatch, "lift", clip, "--out", str(out), "--dry-run")
    assert code == 0
    for word in ("clip / natural: 9 frames", "memory about", "disk about", "time about", "on "):
        assert word in said
    pair = ("pair", clip, "--twins", "--frames", "5", "--out", str(out), "--dry-run")
    code, said, _ = run(capsys, monkeypatch, *pair)
    assert code == 0
    for word in ("clip / twin: 9 frames", "at most 1, of up to 5 frames", "disk about"):
        assert word in said
    assert not out.exists()
    code, _, err = run(capsys, monkeypatch, "pair", clip, "--out", str(out), "--dry-run")
    assert code == 2
    assert "nothing makes targets" in err


def test_an_engine_without_weights_asks_no_torch():
    code = (
        "import sys\nfrom simlift.cli import options\n"
        "print([options.engine_device('auto', n) for n in ('photographic', 'echo', 'aleph')],"
        " options.engine_device('cpu', 'echo'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "['cpu', 'cpu', 'cpu'] cpu False"


def test_auto_is_cuda_where_torch_finds_it(monkeypatch):
    torch = pytest.importorskip("torch")
    for found, place in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        assert options.engine_device("auto", "wan") == place
    assert options.torch_device("mps") == "mps"


def test_a_device_that_an_engine_cannot_use_is_refused():
    with pytest.raises(RecipeError, match="found 'cuda'; allowed: auto or cpu: echo does without"):
        options.engine_device("cuda", "echo")


def test_oscar_is_planned_without_being_started(capsys, monkeypatch, tmp_path):
    release = oscar_release.write_release(tmp_path / "release")
    clip = str(oscar_release.write_episode(tmp_path / "clip", 7))
    words = ["lift", clip, "--out", str(tmp_path / "out"), "--engine", "oscar", "--dry-run"]
    words += ["--variants", "2", "--prompt", "{caption} in {environment}"]
    for setting in (
        f"worker={json.dumps(release.worker)}",
        f"checkpoint={release.folder / 'checkpoint'}",
        "first_frames.maker=tiny.oscar_release:Recolour",
        "control.kind=tiny.oscar_release:Dots",
        "frames=5",
    ):
        words += ["--set", setting]
    code, said, _ = run(capsys, monkeypatch, *words)
    assert code == 0
    for told in ("clip / oscar-00: 7 frames", "2 windows of 5 frames and 35 steps", "24 fps"):
        assert told in said
    assert release.log == []
    assert not (tmp_path / "out").exists()
    words += ["--set", "checkpoint=gone/here/x"]
    code, _, err = run(capsys, monkeypatch, *words)
    assert code == 2
    assert "oscar.checkpoint: gone/here/x does not exist" in " ".join(err.split())


def test_a_listing_shows_the_defaults_that_an_engine_gives_its_groups(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "engines", "oscar")
    assert code == 0
    assert "  control.kind = simlift.controls.skeleton:Skeleton  (text)" in out
    assert "  first_frames.maker = photographic  (text)" in out
    assert "licence: OSCAR's code is Apache-2.0" in out


@pytest.mark.parametrize("name", NAMES)
def test_every_engine_tells_every_setting(capsys, monkeypatch, name):
    code, out, _ = run(capsys, monkeypatch, "engines", name)
    assert code == 0
    assert NAMES[name] in out
    assert "needs rgb" in out
    kind = catalogue.load_class(NAMES[name])
    for field in dataclasses.fields(kind):
        assert f"  {field.name}" in out
    assert catalogue._BESIDES.get(name, "") in out
    assert (f"extra {EXTRAS[name]}\n" in out) if name in EXTRAS else ("extra " not in out)
    assert max(map(len, out.splitlines())) <= 80


def test_engines_are_listed_and_others_refused(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "engines")
    assert code == 0
    assert [name for name in NAMES if f"\n {name} " not in out] == []
    assert "licence" not in out
    assert set(catalogue._BESIDES) | set(EXTRAS) <= set(NAMES)
    code, _, err = run(capsys, monkeypatch, "engines", "photo")
    assert code == 2
    assert "no engine 'photo'; allowed: photographic" in err


def test_both_ways_of_documenting_settings_are_read():
    (steps,) = [s for s in catalogue.describe_settings(TrainRecipe) if s.name == "steps"]
    assert steps.setting.meaning.startswith("optimiser steps over all experts")
    text = "Do it.\n\n`pace` is how fast. Both `pace` and `rest` count.\n"
    text += "low, high: ends. top: a cap."
    assert catalogue.meanings_in(text, ["pace", "rest", "low", "high", "top", "none"]) == {
        "pace": "`pace` is how fast.",
        "rest": "Both `pace` and `rest` count.",
        "low": "ends.",
        "high": "ends.",
        "top": "a cap.",
    }


def test_looks_tell_values_units_and_ranges(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "looks")
    assert code == 0
    assert [name for name in NAMED if f"\n {name} " not in out] == []
    code, out, _ = run(capsys, monkeypatch, "looks", "noon")
    row = next(line for line in out.splitlines() if "light.elevation" in line)
    assert row.split() == ["light.elevation", "58", "degrees", "2", "to", "88"]
    code, out, _ = run(capsys, monkeypatch, "looks", "light")
    assert "light.elevation = 40.0  (number, degrees, 2 to 88)" in out
    assert "film" not in out
    code, out, _ = run(capsys, monkeypatch, "looks", "fields")
    for group in dataclasses.fields(Look):
        assert group.name == "optional" or f"\n{group.name}: " in f"\n{out}"
    code, _, err = run(capsys, monkeypatch, "looks", "nonn")
    assert code == 2
    assert "no look 'nonn'" in err


def test_every_field_of_a_look_says_what_it_means():
    for kind in catalogue._groups().values():
        assert list(settings_of(kind)) == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Light(elevation=1.0), r"light\.elevation: found 1\.0; allowed: 2 to 88"),
        (lambda: Light(clouds=float("nan")), r"light\.clouds: found nan; allowed: 0 to 1"),
        (lambda: Exposure(manual=(1.0, 0.0, 1.0)), r"exposure\.manual: found 0\.0"),
    ],
)
def test_ranges_are_checked_where_they_are_told(make, words):
    with pytest.raises(RecipeError, match=words):
        make()
    assert Light(turn=-900.0).turn == -900.0
    assert Exposure(manual=None).manual is None


def test_the_help_of_verbs_needs_none_of_their_libraries():
    code = (
        "import sys\nfrom simlift import cli\ntry:\n  cli.main(['lift', '--help'])\n"
        "except SystemExit: pass\n"
        "print([n for n in ('numpy', 'cv2', 'av', 'numba', 'jaxtyping') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"
