"""Run the command line: one short function for each verb; everything it does, Python can do too."""

import difflib
import re
import sys
from collections.abc import Callable, Sequence
from inspect import getdoc
from typing import Any

from simlift.cli.clips import controls, estimate, init, inspect
from simlift.cli.pairs import export, pair, publish, train
from simlift.cli.recording import record
from simlift.cli.renamed import refuse_old_words
from simlift.cli.settings import engines, looks
from simlift.cli.takes import demo, doctor, lift, report, score, serve
from simlift.core.errors import RecipeError, SimliftError

GROUPS: dict[str, tuple[Callable[..., int], ...]] = {
    "clips to takes": (demo, inspect, lift, score, report, serve),
    "clips of your own": (init, record, estimate, controls),
    "adapters": (pair, train, export, publish),
    "what there is": (engines, looks, doctor),
}
VERBS: dict[str, Callable[..., int]] = {
    verb.__name__: verb for verbs in GROUPS.values() for verb in verbs
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb; exit with 0, 1 where clips failed, 2 on bad input, 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
    except SimliftError as error:
        _say(f"error: {error}", style="bold red", markup=False, highlight=False)
        code = 2
    except OSError as error:  # a file that may not be read or written
        _say(f"error: {error.filename}: {error.strerror}", style="bold red", markup=False)
        code = 2
    except KeyboardInterrupt:
        _say("interrupted; the same command resumes")
        code = 130
    sys.exit(code)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        _say_verbs()
        return 0 if words else 2
    if words[0] == "--version":
        import simlift
        from simlift.cli import options

        options.out.print(f"simlift {simlift.__version__}", markup=False, highlight=False)
        return 0
    refuse_old_words(words)
    if words[0] not in VERBS:
        close = difflib.get_close_matches(words[0], VERBS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "simlift --help"
        raise RecipeError(
            "simlift", f"no verb {words[0]!r}", allowed=", ".join(VERBS), way_out=hint
        )
    import tyro

    from simlift.scale.memory import keep_pages

    keep_pages()
    verb = VERBS[words[0]]
    # An argument's words on one line: breaks that only keep the source short are no breaks of help.
    verb.__doc__ = re.sub(r"\n {8,}", " ", getdoc(verb) or "")
    # The parser of one verb alone: those of all the others would cost more than the help shows.
    code: int = tyro.cli(
        verb, prog=f"simlift {words[0]}", args=words[1:], config=(tyro.conf.FlagCreatePairsOff,)
    )
    return code


def _say(text: str, **style: Any) -> None:
    from simlift.cli import options

    options.err.print(text, soft_wrap=True, **style)


def _say_verbs() -> None:
    """Print the verbs in groups, each with the first sentence of its docstring."""
    import simlift
    from simlift.cli import options

    def show(text: str) -> None:
        options.out.print(text, markup=False, highlight=False)

    show("usage: simlift VERB ... (simlift VERB --help says more; simlift --version)\n")
    show(f"{simlift.__doc__}")
    for group, verbs in GROUPS.items():
        show(f"\n{group}")
        for verb in verbs:
            first = (verb.__doc__ or "").strip().partition("\n")[0]
            show(f"  {verb.__name__:<10}{first}")
