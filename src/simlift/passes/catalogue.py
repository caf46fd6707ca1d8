"""Print engines and looks, and what can be set of each, as tables for the terminal.

Everything is read from the dataclasses themselves: their fields, types, defaults and docstrings.
"""

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.recipe import load_class
from simlift.core.setting import Setting, settings_of
from simlift.core.strict_json import encode
from simlift.engines import EXTRAS, NAMES
from simlift.engines.diffusers.licences import LICENCES
from simlift.engines.photographic import Look
from simlift.engines.photographic.looks.named import NAMED, look_named

_WEIGHTS = ("base", "adapter", "editor", "propagator", "lora", "controlnet", "checkpoint")
_BESIDES = {
    "pathtraced": "a clip with scene.glb",
    "oscar": "a robot and its camera; OSCAR's own environment",
    "aleph": "a key of Runway; frames leave this machine",
}
_WORDS = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    dict: "object",
    Path: "path",
    types.NoneType: "null",
}


@dataclass(frozen=True)
class Described:
    """One setting: its name with its groups, its type and default in words, what it means."""

    name: str
    type: str
    default: str
    setting: Setting


def describe_settings(
    kind: type[Any], group: str = "", given: object = None
) -> Iterator[Described]:
    """Yield every setting of a dataclass, those of nested ones as group.name.

    `given` is the value that a nested one has by default, whose fields are the defaults then.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    documented = meanings_in(inspect.getdoc(kind) or "", [field.name for field in fields])
    declared = settings_of(kind)
    for field in fields:
        hint, name = hints[field.name], f"{group}{field.name}"
        if hint is Look:
            words = Setting("given by --look; simlift looks fields lists what it holds")
            yield Described(name, "look", "natural", words)
        elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
            inner = _default_value(field) if given is None else getattr(given, field.name)
            yield from describe_settings(hint, f"{name}.", None if inner is MISSING else inner)
        else:
            setting = declared.get(field.name) or Setting(documented.get(field.name, ""))
            default = _default(field) if given is None else _json(getattr(given, field.name))
            yield Described(name, type_words(hint), default, setting)


def meanings_in(docstring: str, names: Iterable[str]) -> dict[str, str]:
    """Return what a docstring says of some names: after "name:", or in the sentence with `name`."""
    known, found = set(names), dict[str, str]()
    for paragraph in docstring.split("\n\n"):
        text = " ".join(paragraph.split())
        marks = [
            mark
            for mark in re.finditer(r"((?:\w+, )*\w+): ", text)
            if set(mark[1].split(", ")) <= known
        ]
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        for mark, end in zip(marks, ends):
            for name in mark[1].split(", "):
                found.setdefault(name, text[mark.end() : end].strip())
    sentences = re.split(r"(?<=[.;])\s+", " ".join(docstring.split()))
    for name in known - set(found):
        said = [sentence for sentence in sentences if f"`{name}`" in sentence]
        if said:
            found[name] = said[0]
    return found


def type_words(hint: Any) -> str:
    """Return a field's type as a user writes its value in JSON."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(str(part) for part in parts)
    if origin in (Union, types.UnionType):
        return " | ".join(type_words(part) for part in parts)
    if origin is dict:
        return _WORDS[dict]
    if origin is tuple and len(parts) == 2 and parts[1] is Ellipsis:
        return f"list of {type_words(parts[0])}"
    if origin is tuple:
        return f"[{', '.join(type_words(part) for part in parts)}]"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def print_engines(console: Console) -> None:
    """Print every engine: what it is, the layers it cannot do without, what else it needs."""
    table = Table(box=None, padding=(0, 1))
    for heading in ("engine", "what it does", "layers", "needs"):
        table.add_column(heading, overflow="fold")
    for name, place in NAMES.items():
        kind = load_class(place)
        table.add_row(name, _first(kind), _layers(_sample(kind).needs()), _needs(name, kind))
    console.print(table)
    console.print("simlift engines NAME lists its settings; your own is --engine module:Class")


def print_engine(name: str, console: Console) -> None:
    """Print what one engine is and every setting; RecipeError for a name that is none."""
    if name not in NAMES and ":" not in name:
        raise RecipeError(
            "simlift engines", f"no engine {name!r}", allowed=f"{', '.join(NAMES)}, or module:Class"
        )
    kind = load_class(NAMES.get(name, name))
    console.print(f"{name}  {kind.__module__}:{kind.__qualname__}", style="bold", markup=False)
    console.print(f"  {_first(kind)}", markup=False)
    spec = _sample(kind)
    uses = f"; uses {_layers(spec.uses())} where they are there" if spec.uses() else ""
    console.print(f"  layers: needs {_layers(spec.needs())}{uses}", markup=False)
    if needs := _needs(name, kind):
        console.print(f"  needs: {needs}", markup=False)
    for entry in (entry for entry in LICENCES if entry.name == name):
        console.print(f"  licence: {entry.licence} ({entry.where})", markup=False)
    for described in describe_settings(kind):
        _print_setting(described, console)


def print_looks(console: Console) -> None:
    """Print every named look by what it changes of the default."""
    table = Table(box=None, padding=(0, 1))
    table.add_column("look", no_wrap=True)
    table.add_column("differs from natural in", overflow="fold")
    plain = dict(_values(Look()))
    for name, look in NAMED.items():
        changed = [f"{k} {_json(v)}" for k, v in _values(look) if v != plain[k]]
        table.add_row(name, ", ".join(changed) or "nothing")
    console.print(table)
    console.print("simlift looks NAME lists a look's fields; simlift looks fields what each means")


def print_look(name: str, console: Console) -> None:
    """Print the fields of a look with value, unit and range; or of a group, or of all, in words."""
    groups = _groups()
    if name == "fields" or (name in groups and name not in NAMED):
        for group, kind in groups.items():
            if name in ("fields", group):
                console.print(f"{group}: {_first(kind)}", style="bold", markup=False)
                for described in describe_settings(kind, f"{group}."):
                    _print_setting(described, console)
        return
    if name not in NAMED and not name.endswith(".json"):
        raise RecipeError(
            "simlift looks",
            f"no look {name!r}",
            allowed=f"{', '.join(NAMED)}, a .json file, fields, or a group: {', '.join(groups)}",
        )
    table = Table(box=None, padding=(0, 1))
    table.add_column("field", no_wrap=True)
    for heading in ("value", "unit", "range"):
        table.add_column(heading, overflow="fold")
    declared = {f"{g}.{n}": s for g, kind in groups.items() for n, s in settings_of(kind).items()}
    for key, value in _values(look_named(name)):
        setting = declared.get(key, Setting(""))
        table.add_row(Text(key), Text(_json(value)), setting.unit, _range(setting))
    console.print(table)


def _groups() -> dict[str, type[Any]]:
    hints = typing.get_type_hints(Look)
    return {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and dataclasses.is_dataclass(hint)
    }


def _values(look: Look) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(look):
        value = getattr(look, field.name)
        if dataclasses.is_dataclass(value):
            for inner in dataclasses.fields(value):
                yield f"{field.name}.{inner.name}", getattr(value, inner.name)
        else:
            yield field.name, value


def _print_setting(described: Described, console: Console) -> None:
    setting = described.setting
    words = [described.type, setting.unit, _range(setting)]
    line = f"  {described.name} = {described.default}  ({', '.join(w for w in words if w)})"
    console.print(line, highlight=False, markup=False)
    if setting.meaning:
        console.print(Padding(Text(setting.meaning, style="dim"), (0, 0, 0, 6), expand=False))


def _range(setting: Setting) -> str:
    return "" if setting.low is None else f"{setting.low} to {setting.high}"


def _default(field: "dataclasses.Field[Any]") -> str:
    value = _default_value(field)
    return "(required)" if value is MISSING else _json(value)


def _default_value(field: "dataclasses.Field[Any]") -> Any:
    """Return a field's default, or MISSING where it has to be given."""
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _json(value: Any) -> str:
    text = value if isinstance(value, str) and value.strip() else json.dumps(encode(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _first(kind: type[Any]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _layers(layers: Iterable[Layer]) -> str:
    wanted = set(layers)
    return ", ".join(layer.value for layer in Layer if layer in wanted)


def _sample(kind: type[Any]) -> Any:
    """Return a spec with its defaults; weights and texts that must be given are their own names."""
    given = [f.name for f in dataclasses.fields(kind) if _default(f) == "(required)"]
    given += [f.name for f in dataclasses.fields(kind) if f.name in _WEIGHTS]
    return kind(**{name: name for name in given})


def _needs(name: str, kind: type[Any]) -> str:
    """Say which weights an engine takes, those that it can do without in brackets."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    weights = [
        key if _default(fields[key]) == "(required)" else f"({key})"
        for key in _WEIGHTS
        if key in fields
    ]
    told = [f"weights: {', '.join(weights)}"] if weights else []
    extra = [f"extra {EXTRAS[name]}"] if name in EXTRAS else []
    return "; ".join([*told, *([_BESIDES[name]] if name in _BESIDES else []), *extra])
