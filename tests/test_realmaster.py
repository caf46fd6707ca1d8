"""RealMaster from the command line on tiny models, as docs/realmaster.md has it."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import clips as builders

import simlift
from simlift import cli
from simlift.core.run import Run

ROOT = Path(simlift.__file__).resolve().parents[2]


@pytest.mark.slow
def test_pair_train_lift_score_and_report_run_through(tmp_path):
    clip = builders.excerpt(tmp_path / "clip", 17)
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "realmaster" / "run_tiny.py"),
            str(tmp_path / "out"),
            *("--steps", "8", "--clips", str(clip), "--train", "evaluate_every=4"),
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    curve = [
        json.loads(row)
        for row in (tmp_path / "out/adapter/evaluation.jsonl").read_text().splitlines()
    ]
    assert [row["step"] for row in curve] == [0, 4, 8]
    assert curve[-1]["loss"] < curve[0]["loss"]
    run = Run(tmp_path / "out" / "run")
    (take,) = run.takes()
    assert (take.num_frames, take.height, take.width) == (17, 360, 640)
    assert run.sheet(take.key) is not None
    assert run.report_file.is_file()


@pytest.mark.parametrize("page", ["realmaster", "pairs", "export", "baselines"])
def test_every_command_of_the_docs_parses(page, capsys):
    """Names of verbs and flags in the docs are those of the command line."""
    text = (ROOT / "docs" / f"{page}.md").read_text().replace("\\\n", " ")
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "simlift " in line]
    commands = [part for line in lines for part in line.partition("#")[0].split("&&")]
    commands = [c[c.index("simlift ") :] for c in commands if "simlift " in c]
    commands = [c for c in commands if "pip install" not in c and "[" not in c]
    assert commands
    for command in commands:
        _, verb, *words = shlex.split(command)
        with pytest.raises(SystemExit):
            cli.main([verb, "--help"])
        flags = {word for word in words if word.startswith("--")}
        assert flags <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out)), command
