"""Progress: waits and kernels get one line each in a log, none where they are short or cached."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from simlift.core.progress import doing, hearing_activity, report_activity
from simlift.pixels import compilation
from simlift.scale import progress as room
from simlift.scale.processes import run_jobs
from simlift.scale.progress import Terminal

HEARS = """
import importlib.util, sys
from simlift.pixels.compilation import hearing_compilation
spec = importlib.util.spec_from_file_location("simlift.one", sys.argv[1])
one = sys.modules["simlift.one"] = importlib.util.module_from_spec(spec)
heard = []
with hearing_compilation(heard.append):
    spec.loader.exec_module(one)
    assert one.twice(2) == 4
print(heard)
"""


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def terminal(log):
    return Terminal(Console(file=log, width=200))


def test_a_kernel_is_announced_once_for_each_machine(tmp_path):
    (tmp_path / "one.py").write_text(
        "from simlift.pixels._compile import compiled\n@compiled\ndef twice(x):\n    return x + x\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def heard():
        command = [sys.executable, "-c", HEARS, str(tmp_path / "one.py")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert heard() == "['simlift.one.twice']"
    assert heard() == "[]"


def test_kernels_get_a_line_as_they_begin_and_a_count(terminal, log):
    with terminal.task("lift", 2) as advance:
        for kernel in ("a", "b", "b"):  # two workers compile the same one
            compilation.report_compiling(kernel)
        advance(2)
    with terminal.task("score", 2) as advance:
        compilation.report_compiling("c")
        advance(2)
    text = log.getvalue()
    assert text.count("compiling kernels") == 1
    assert "lift: compiled 2 kernels, once per machine" in text
    assert "score: compiled 1 kernel," in text


def test_nothing_is_said_of_kernels_that_are_cached(terminal, log):
    with terminal.task("lift", 1) as advance:
        advance(1)
    assert log.getvalue().startswith("lift: 1 of 1 frames in ")
    assert len(log.getvalue().splitlines()) == 1


def test_long_waits_get_one_line_and_short_ones_none(terminal, log, monkeypatch):
    with terminal.wait("opening short"), terminal.task("lift", 0), doing("sampling short"):
        pass
    assert log.getvalue() == ""
    monkeypatch.setattr(room, "_LONG", 0.0)
    for _ in range(2):
        with terminal.wait("opening long"), terminal.task("lift", 0), doing("sampling long"):
            pass
    assert [line.partition(":")[0] for line in log.getvalue().splitlines()] == [
        "sampling long",
        "opening long",
    ]


def test_a_terminal_shows_what_goes_on():
    out = io.StringIO()
    shown = Terminal(Console(file=out, width=200, force_terminal=True))
    with shown.wait("opening [clip]"):
        pass
    with shown.task("lift", 1) as advance:
        compilation.report_compiling("a")
        advance(1)
    assert "opening [clip]" in out.getvalue()


class Told:
    """A job that reports what a worker would."""

    name = "told"


def tell(job, progress):
    report_activity("sampling it", 2.0)
    compilation.report_compiling("kernel")
    progress(1)


def test_workers_tell_their_parent():
    heard, counted = [], []
    with (
        hearing_activity(lambda *words: heard.append(words)),
        compilation.hearing_compilation(lambda kernel: heard.append((kernel,))),
    ):
        failures = run_jobs(
            [Told(), Told()],
            tell,
            workers=2,
            progress=counted.append,
            finished=lambda *_: None,
        )
    assert failures == []
    assert sorted(heard) == [("kernel",)] * 2 + [("sampling it", 2.0)] * 2
    assert sum(counted) == 2


def test_what_failed_is_over_too():
    heard = []
    listening = hearing_activity(lambda what, seconds: heard.append(seconds))
    with pytest.raises(OSError), listening, doing("reading"):
        raise OSError
    assert heard[0] is None
    assert heard[1] >= 0
