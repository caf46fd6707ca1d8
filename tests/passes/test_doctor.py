"""The doctor: it imports no library unless asked, and says what it only found."""

import importlib.util
import io
import os
import re
import sys

import pytest
from rich.console import Console
from test_architecture import loaded_after

from simlift.cli import options, takes
from simlift.engines.oscar.spec import PYTHON_VARIABLE
from simlift.passes import doctor


def found(*, deep=False):
    return {f.name: f for group in doctor.examine(deep=deep) for f in group.findings}


def test_looking_up_loads_nothing_heavy():
    assert loaded_after("from simlift.passes.doctor import examine; examine()") == set()


def test_a_library_that_was_only_found_is_not_called_working():
    assert found()["numba"].works
    assert not found()["numba"].tried
    assert found()["python"].tried


def test_what_is_absent_has_a_way_out(monkeypatch):
    search = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "mujoco" else search(name)
    )
    mujoco = found()["mujoco"]
    assert not mujoco.works
    assert mujoco.way_out == "pip install 'simlift[record]'"


def test_trying_finds_what_does_not_load(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import a_part_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    library = doctor._Library("half_there", "record")
    assert doctor._look_up(library).works
    assert not doctor._look_up(library).tried
    tried = doctor._try(library)
    assert not tried.works
    assert "a_part_that_is_missing" in tried.found


@pytest.mark.parametrize("folder", ["", "missing", "."])
def test_weights_of_lpips_are_looked_for(folder, tmp_path, monkeypatch):
    monkeypatch.setenv(doctor.LPIPS_VARIABLE, os.fspath(tmp_path / folder) if folder else "")
    assert found()["LPIPS weights"].works is (folder == ".")


def test_the_environment_of_oscar_is_looked_for_and_tried(tmp_path, monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    assert not found()["OSCAR"].works
    assert PYTHON_VARIABLE in found()["OSCAR"].way_out
    monkeypatch.setenv(PYTHON_VARIABLE, os.fspath(tmp_path / "python"))
    assert "cannot be run" in found()["OSCAR"].found
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    assert (found()["OSCAR"].works, found()["OSCAR"].tried) == (True, False)
    assert "No module named 'oscar_diffusers'" in doctor._oscar(deep=True).found
    (tmp_path / "oscar_diffusers.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    assert doctor._oscar(deep=True).works


def test_it_reads_at_80_columns_and_is_honest(monkeypatch):
    console = Console(width=80, record=True, file=io.StringIO())
    monkeypatch.setattr(options, "out", console)
    assert takes.doctor() == 0
    text = console.export_text()
    for group in ("core", "record", "path tracing", "models and GPU", "evaluation", "files"):
        assert re.search(rf"^{group}  ", text, re.MULTILINE)
    assert re.search(r"numba +\S+ \(found, not tried\)", text)
    assert "--deep" in text
    assert "licence" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert sys.version.split()[0] in text
