"""Build the variants of a recipe from what the user asked for."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, replace
from pathlib import Path
from typing import Any

from simlift.core.errors import RecipeError
from simlift.core.recipe import Plugin, Variant, load_class
from simlift.core.strict_json import decode, parse_settings
from simlift.engines import NAMES
from simlift.engines.pathtraced import PathTraced
from simlift.engines.photographic import Look, Photographic
from simlift.engines.photographic.looks.drawn import Changes, DrawnLook
from simlift.engines.photographic.looks.named import named_variants

TAKE_LOOKS = ("photographic", "pathtraced")


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
    prompt: str | None = None,
    base: str | None = None,
    adapter: str | None = None,
    settings: Sequence[str] = (),
    drawn: bool = False,
) -> tuple[Variant, ...]:
    """Return the variants of an engine: N looks of those that take looks, N seeds of any other.

    Sampled looks are those of every clip; `drawn` draws them anew for every episode. `prompt`
    changes the looks by words, or is the prompt of an engine with learned weights; `base` and
    `adapter` name weights, and `settings` are further `key=value` of the engine's own.
    """
    if count < 1:
        raise RecipeError("--variants", f"found {count}", allowed="at least 1")
    if engine == "pathtraced" and (backdrop or replaced):
        raise RecipeError(
            "--backdrop, --replace",
            "pathtraced shows what its scene holds, under its environment",
            allowed="with --engine photographic",
        )
    if engine in TAKE_LOOKS:
        if base or adapter:
            raise RecipeError(
                "--base, --adapter",
                f"{engine} has no learned weights",
                allowed="with an engine that has some, such as --engine wan",
            )
        if engine == "photographic" and settings:
            raise RecipeError(
                "--set",
                "photographic has no settings beside its look, which says all that it does",
                allowed="with another engine; simlift engines NAME lists its settings",
                way_out="write a look as JSON and give it to --look; simlift looks fields lists it",
            )
        changes = Changes(environment, backdrop, tuple(replaced), like)
        made = []
        for k, (name, look) in enumerate(named_variants(tuple(looks), count, seed, prompt)):
            own = k < len(looks) and looks[k].endswith(".json")
            spec: object = _spec(engine, changes.of(look), settings, strict=own)
            if drawn and count > 1 and k >= len(looks):
                plain = _spec(engine, Look(), settings, strict=False)
                spec = DrawnLook(Plugin.of(plain), k - len(looks), prompt, changes)
            made.append(Variant(name, Plugin.of(spec)))
        return tuple(made)
    if looks or environment or backdrop or replaced or like:
        raise RecipeError(
            "--engine", f"{engine} takes no look", allowed=f"looks belong to {_either(TAKE_LOOKS)}"
        )
    named = {"base": base, "adapter": adapter, "prompt": prompt}
    plugin = Plugin.of(_with_settings(engine, named, settings))
    name = engine.rpartition(":")[2].lower()
    names = [name] if count == 1 else [f"{name}-{i:02d}" for i in range(count)]
    return tuple(Variant(n, plugin) for n in names)


def _spec(
    engine: str, look: Look, settings: Sequence[str], *, strict: bool
) -> Photographic | PathTraced:
    """Return the engine's spec; `strict` where the user wrote the look, not simlift."""
    if engine == "photographic":
        return Photographic(look, strict)
    given = parse_settings(settings)
    if "look" in given:
        raise RecipeError("--set look", "looks have a flag of their own", allowed="--look NAME")
    return replace(decode(given, PathTraced, "--engine pathtraced"), look=look)


def _either(names: Sequence[str]) -> str:
    return " or ".join(names)


def _with_settings(engine: str, named: Mapping[str, str | None], settings: Sequence[str]) -> object:
    """Return an engine's spec with the settings that were asked for, those alone."""
    if engine not in NAMES and ":" not in engine:
        raise RecipeError(
            "--engine", f"no engine {engine!r}", allowed=f"{', '.join(NAMES)}, or module:Class"
        )
    kind = load_class(NAMES.get(engine, engine))
    given: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in given:
        if key not in fields:
            raise RecipeError(f"--{key}", f"{engine} has no setting {key!r}")
    given |= parse_settings(settings)
    for key, field in fields.items():
        needed = field.default is MISSING and field.default_factory is MISSING
        if needed and key not in given:
            flag = f"--{key}" if key in named else f"--set {key}=..."
            raise RecipeError(f"--engine {engine}", f"needs {key}", way_out=f"give it: {flag}")
    return decode(given, kind, f"--engine {engine}")
