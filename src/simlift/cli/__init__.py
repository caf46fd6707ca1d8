"""The command line: one short function for each verb; everything it does, Python can do too."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from simlift.cli.clips import estimate, look, record
from simlift.cli.options import err
from simlift.cli.pairs import export, pair, publish, train
from simlift.cli.takes import demo, doctor, lift, plan, report, score, serve
from simlift.core.errors import SimliftError
from simlift.scale.memory import keep_pages

VERBS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "look": look,
    "record": record,
    "estimate": estimate,
    "lift": lift,
    "plan": plan,
    "pair": pair,
    "train": train,
    "export": export,
    "publish": publish,
    "score": score,
    "report": report,
    "serve": serve,
    "doctor": doctor,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb; exit with 0, 1 where clips failed, 2 on bad input, 130 when interrupted."""
    keep_pages()
    try:
        code: int = tyro.extras.subcommand_cli_from_dict(
            VERBS, prog="simlift", description=__import__("simlift").__doc__, args=arguments
        )
    except SimliftError as error:
        err.print(f"error: {error}", style="bold red", markup=False, highlight=False)
        code = 2
    except OSError as error:  # a file that may not be read or written
        err.print(f"error: {error.filename}: {error.strerror}", style="bold red", markup=False)
        code = 2
    except KeyboardInterrupt:
        err.print("interrupted; the same command resumes")
        code = 130
    sys.exit(code)
