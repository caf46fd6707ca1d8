"""Refuse verbs and flags that were renamed, and name the new ones."""

from collections.abc import Sequence

from simlift.core.errors import RecipeError

_VERBS = {
    "look": "simlift inspect",
    "plan": "simlift lift ... --dry-run, which takes --out too",
}
_FLAGS = {
    ("lift", "--samples"): "--set samples=64, with --engine pathtraced",
    ("train", "--plan"): "--dry-run",
}


def refuse_old_words(words: Sequence[str]) -> None:
    """Raise RecipeError where a command has a verb or a flag of before."""
    if new := _VERBS.get(words[0]):
        raise RecipeError(f"simlift {words[0]}", "this verb has a new name", way_out=new)
    for word in words[1:]:
        flag = word.partition("=")[0]
        if new := _FLAGS.get((words[0], flag)):
            raise RecipeError(f"simlift {words[0]} {flag}", "this flag has a new name", way_out=new)
