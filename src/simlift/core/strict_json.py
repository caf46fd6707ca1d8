"""Frozen dataclasses to canonical JSON text and back; anything not declared is an error.

Supported field types: bool, int, float, str, Path, Fraction, Enum, Literal, None, unions, tuple,
dict with str keys, and nested dataclasses. Encoding omits nothing and sorts keys, so that equal
values give equal bytes and a digest names a value.
"""

import dataclasses
import difflib
import enum
import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from simlift.core.errors import RecipeError
from simlift.core.renamed import KEYS, VALUES

T = TypeVar("T")
# Without exponents: "1e999999999" is a number whose digits alone take gigabytes.
_SHORT_FRACTION = re.compile(r"\s*[-+]?\d{1,40}(\.\d{0,40}|/\d{1,40})?\s*", re.ASCII)


def encode(value: object) -> Any:
    """Turn a value into plain JSON types; raise TypeError for types that JSON cannot hold."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} cannot be written to JSON")
        return value
    if isinstance(value, enum.Enum):
        return encode(value.value)
    if isinstance(value, Path | Fraction):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, tuple | list | frozenset):
        items = sorted(value) if isinstance(value, frozenset) else value
        return [encode(v) for v in items]
    raise TypeError(f"{type(value).__name__} cannot be written to JSON")


def dumps(value: object) -> str:
    """Write canonical, indented JSON that ends in a newline."""
    return json.dumps(encode(value), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def digest(value: object) -> str:
    """Name a value by 16 hexadecimal digits of the BLAKE2 hash of its canonical JSON."""
    return hashlib.blake2b(dumps(value).encode(), digest_size=8).hexdigest()


def read_json(path: Path) -> Any:
    """Parse a JSON file; RecipeError names the file and the line of a syntax error."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(path, "does not exist", way_out="check the path") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(path, f"is not JSON ({error})", allowed="UTF-8 JSON") from error


def load(path: Path, kind: type[T]) -> T:
    """Read a file that must hold exactly a `kind`."""
    return decode(read_json(path), kind, str(path))


def decode(data: object, kind: type[T], where: str = "$") -> T:
    """Turn plain JSON types into `kind`; RecipeError names the key, what stood there, what may."""
    return typing.cast(T, _decode(data, kind, where))


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Turn texts `key=value` and `group.key=value` into nested data; values are JSON, or text."""
    found: dict[str, Any] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise RecipeError("--set", f"found {text!r}", allowed="key=value")
        *groups, key = path.split(".")
        place = found
        for group in groups:
            place = place.setdefault(group, {})
        try:
            place[key] = json.loads(value)
        except json.JSONDecodeError:
            place[key] = value
    return found


def _decode(data: Any, kind: Any, where: str) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(data, kind, where)
    if origin is Literal:
        options = get_args(kind)
        return _expect(data in options, data, where, _one_of(options), data, _today(data, options))
    if origin in (Union, types.UnionType):
        return _decode_union(data, get_args(kind), where)
    if origin is tuple:
        return _decode_tuple(data, get_args(kind), where)
    if origin in (dict, Mapping) or origin is typing.get_origin(Mapping[str, int]):
        _expect(isinstance(data, dict), data, where, "an object", data)
        return {k: _decode(v, get_args(kind)[1], f"{where}.{k}") for k, v in data.items()}
    return _decode_scalar(data, kind, where)


def _decode_dataclass(data: Any, kind: Any, where: str) -> Any:
    _expect(isinstance(data, dict), data, where, f"an object with the keys of {kind.__name__}", 0)
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in data:
        if key not in fields:
            raise RecipeError(
                where,
                f"unknown key {key!r}",
                allowed=", ".join(fields),
                way_out=_nearest(key, fields),
            )
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in data:
            raise RecipeError(where, f"the key {name!r} is missing", way_out="add it")
    values = {k: _decode(v, hints[k], f"{where}.{k}") for k, v in data.items()}
    try:
        return kind(**values)
    except ValueError as error:  # a value's own check knows neither the file nor the key
        raise RecipeError(where, str(error)) from error


def _nearest(key: str, fields: Mapping[str, Any]) -> str:
    """Say which field an unknown key was before, or which it resembles."""
    if KEYS.get(key) in fields:
        return f"{key!r} is now called {KEYS[key]!r}"
    close = difflib.get_close_matches(key, fields, n=1)
    return f"did you mean {close[0]!r}?" if close else "remove it"


def _decode_union(data: Any, options: tuple[Any, ...], where: str) -> Any:
    if data is None and type(None) in options:
        return None
    failures = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _decode(data, option, where)
        except RecipeError as error:
            failures.append(error)
    raise failures[-1]


def _decode_tuple(data: Any, args: tuple[Any, ...], where: str) -> Any:
    _expect(isinstance(data, list), data, where, "a list", data)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(v, args[0], f"{where}[{i}]") for i, v in enumerate(data))
    _expect(len(data) == len(args), data, where, f"a list of {len(args)} values", data)
    return tuple(
        _decode(v, a, f"{where}[{i}]") for i, (v, a) in enumerate(zip(data, args, strict=True))
    )


def _decode_scalar(data: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        names = [member.value for member in kind]
        return kind(_expect(data in names, data, where, _one_of(names), data))
    if kind is bool:
        return _expect(isinstance(data, bool), data, where, "true or false", data)
    if kind is int:
        good = isinstance(data, int) and not isinstance(data, bool)
        return _expect(good, data, where, "a whole number", data)
    if kind is float:
        good = isinstance(data, int | float) and not isinstance(data, bool)
        _expect(good and math.isfinite(data), data, where, "a finite number", data)
        return float(data)
    if kind is str:
        return _expect(isinstance(data, str), data, where, "a text", data)
    if kind is Path:
        return Path(_expect(isinstance(data, str), data, where, "a path", data))
    if kind is Fraction:
        try:
            if isinstance(data, str) and not _SHORT_FRACTION.fullmatch(data):
                raise ValueError
            return Fraction(data)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            return _expect(False, data, where, 'a number or a fraction such as "30000/1001"', 0)
    if kind is Any or kind is object:
        return data
    if getattr(kind, "_is_protocol", False):
        raise RecipeError(
            where,
            "holds a value whose class the recipe does not name",
            allowed="a value of a class of simlift's own",
            way_out="write a class that holds it as its default, and name that as module:Class",
        )
    raise TypeError(f"strict JSON does not know the type {kind!r} at {where}")


def _one_of(values: Any) -> str:
    return "one of " + ", ".join(str(v) for v in values)


def _today(data: Any, options: Any) -> str:
    """Say which of some options a value was before; nothing where it was none."""
    now = VALUES.get(data) if isinstance(data, str) else None
    return f"{data!r} is now called {now!r}" if now in options else ""


def _expect(good: bool, data: Any, where: str, allowed: str, value: Any, way_out: str = "") -> Any:
    if not good:
        found = f"found {json.dumps(data, default=str)[:80]}"
        raise RecipeError(where, found, allowed=allowed, way_out=way_out)
    return value
