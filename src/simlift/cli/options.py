"""What verbs share: their options' types, the two consoles, clips and recipes from arguments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.recipe import Recipe
from simlift.scale.processes import Failure
from simlift.scale.progress import Terminal

Clips = tyro.conf.Positional[tuple[Path, ...]]
RunFolder = tyro.conf.Positional[Path]
Looks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), tyro.conf.UseAppendAction]
Settings = Annotated[
    tuple[str, ...], tyro.conf.arg(name="set", metavar="K=V"), tyro.conf.UseAppendAction
]
Classes = Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS"), tyro.conf.UseAppendAction]

out = Console(emoji=False)
err = Console(stderr=True, emoji=False)


def open_clips(paths: Sequence[Path]) -> list[Clip]:
    """Return the clips at some paths; RecipeError where none was named."""
    from simlift.sources import open_clip

    if not paths:
        raise RecipeError("CLIP", "none was named", allowed="folders, videos or images")
    terminal, clips = Terminal(out), []
    for path in paths:
        with terminal.wait(f"opening {path.name or path}"):
            clips.append(open_clip(path))
    return clips


def recipe_of(engine: str, count: int, seed: int, **asked: Any) -> Recipe:
    """Return the recipe that arguments ask for."""
    from simlift.passes.variants import variants_of

    variants = variants_of(engine, count=count, seed=seed, **asked)
    return Recipe(variants=variants, seed=seed)


def close(failures: Sequence[Failure]) -> int:
    """Print what failed and return the exit code."""
    for failure in failures:
        err.print(f"failed: {failure.name}: {failure.reason}", style="red", markup=False)
        if failure.trace:
            err.print(failure.trace, markup=False, highlight=False)
    return 1 if failures else 0
