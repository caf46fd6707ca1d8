"""What the user asked for -> the variants of a recipe."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from simlift.core.errors import RecipeError
from simlift.core.recipe import Plugin, Variant, load_class
from simlift.engines import NAMES
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks import named_variants


def variants_of(
    engine: str,
    *,
    looks: Sequence[str] = (),
    count: int = 1,
    seed: int = 0,
    environment: str | None = None,
    backdrop: Path | None = None,
    replaced: Sequence[str] = (),
    like: Path | None = None,
) -> tuple[Variant, ...]:
    """Return the variants of an engine: N looks of the photographic one, N seeds of any other."""
    if count < 1:
        raise RecipeError("--variants", f"found {count}", allowed="at least 1")
    if engine == "photographic":
        pairs = named_variants(tuple(looks), count, seed)
        return tuple(
            Variant(name, Plugin.of(Photographic(_with(k, environment, backdrop, replaced, like))))
            for name, k in pairs
        )
    if looks or environment or backdrop or replaced or like:
        raise RecipeError(
            "--engine", f"{engine} takes no look", allowed="looks belong to the photographic engine"
        )
    plugin = Plugin.of(_default(engine))
    name = engine.rpartition(":")[2].lower()
    names = [name] if count == 1 else [f"{name}-{i:02d}" for i in range(count)]
    return tuple(Variant(n, plugin) for n in names)


def _default(engine: str) -> object:
    if engine not in NAMES and ":" not in engine:
        raise RecipeError(
            "--engine", f"no engine {engine!r}", allowed=f"{', '.join(NAMES)}, or module:Class"
        )
    kind = load_class(NAMES.get(engine, engine))
    try:
        return kind()
    except TypeError as error:
        raise RecipeError(engine, f"cannot be made without settings ({error})") from error


def _with(
    look: Look,
    environment: str | None,
    backdrop: Path | None,
    replaced: Sequence[str],
    like: Path | None,
) -> Look:
    if environment is not None:
        look = replace(look, light=replace(look.light, environment=environment))
    if backdrop is not None:
        look = replace(look, backdrop=replace(look.backdrop, kind="photos", photos=backdrop))
    if replaced:
        look = replace(look, backdrop=replace(look.backdrop, classes=tuple(replaced)))
    if like is not None:
        look = replace(look, grade=replace(look.grade, like=like))
    return look
