"""Frozen values to JSON and back: exact round trips, and errors that name the key."""

import enum
import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest

from simlift.core.errors import RecipeError
from simlift.core.recipe import Encoding, Gate, Plugin, Recipe, Variant, derive_seed
from simlift.core.run import Take
from simlift.core.strict_json import decode, digest, dumps, encode, load
from simlift.engines.echo import Echo
from simlift.training.recipe import TrainRecipe


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    share: float = 0.5
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    flag: bool
    count: int
    rate: Fraction
    place: Path | None = None
    kind: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    pair: tuple[int, float] = (1, 2.0)
    inner: Inner = field(default_factory=Inner)
    table: dict[str, Inner] = field(default_factory=dict)
    either: int | str = 0

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count is negative")


FULL = Outer(
    flag=True,
    count=3,
    rate=Fraction(30000, 1001),
    place=Path("a/b"),
    kind="b",
    colour=Colour.BLUE,
    pair=(4, 0.25),
    inner=Inner(1.0, ("x", "y")),
    table={"k": Inner(0.125)},
    either="text",
)
LEAST = {"flag": False, "count": 1, "rate": "24"}


@pytest.mark.parametrize("value", [FULL, Outer(False, 0, Fraction(24))])
def test_values_come_back_equal(value):
    text = dumps(value)
    assert decode(json.loads(text), Outer) == value
    assert dumps(decode(json.loads(text), Outer)) == text


def test_text_is_canonical():
    text = dumps(FULL)
    assert text.endswith("}\n")
    keys = [line.split('"')[1] for line in text.splitlines() if line.startswith('  "')]
    assert keys == sorted(keys)
    assert set(keys) == set(Outer.__dataclass_fields__)


def test_equal_values_have_equal_digests_and_others_do_not():
    assert digest(FULL) == digest(decode(json.loads(dumps(FULL)), Outer))
    assert len(digest(FULL)) == 16
    assert digest(FULL) != digest(Outer(False, 0, Fraction(24)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flag": 1}, ["$.flag", "1", "true or false"]),
        ({"count": True}, ["$.count", "true", "a whole number"]),
        ({"count": 1.5}, ["$.count", "1.5"]),
        ({"count": -1}, ["count is negative"]),
        ({"rate": "1/0"}, ["$.rate", "30000/1001"]),
        ({"rate": "1e999999999"}, ["$.rate", "30000/1001"]),
        ({"rate": "9" * 41}, ["$.rate", "30000/1001"]),
        ({"rate": float("inf")}, ["$.rate", "30000/1001"]),
        ({"rate": None}, ["$.rate"]),
        ({"place": 5}, ["$.place", "a path"]),
        ({"kind": "c"}, ["$.kind", "one of a, b"]),
        ({"colour": "green"}, ["$.colour", "one of red, blue"]),
        ({"pair": [1]}, ["$.pair", "2 values"]),
        ({"pair": [1, "x"]}, ["$.pair[1]", "a finite number"]),
        ({"pair": "ab"}, ["$.pair", "a list"]),
        ({"inner": {"share": float("nan")}}, ["$.inner.share", "finite"]),
        ({"inner": {"shaer": 1}}, ["$.inner", "did you mean 'share'?"]),
        ({"inner": {"names": ["a", 3]}}, ["$.inner.names[1]", "a text"]),
        ({"inner": []}, ["$.inner", "keys of Inner"]),
        ({"table": {"k": {"x": 1}}}, ["$.table.k", "unknown key 'x'"]),
        ({"table": []}, ["$.table", "an object"]),
        ({"either": 1.5}, ["$.either"]),
    ],
    ids=str,
)
def test_errors_name_the_key_and_what_is_allowed(change, words):
    with pytest.raises(RecipeError) as caught:
        decode(LEAST | change, Outer)
    for word in words:
        assert word in str(caught.value)


@dataclass(frozen=True)
class Tilt:
    turn: float = 0.0
    level: int = 0


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (TrainRecipe, "turn", "switch_every"),
        (TrainRecipe, "rate_high", "lr_high"),
        (TrainRecipe, "rate_low", "lr_low"),
        (TrainRecipe, "levels", "timestep_sampling"),
        (Gate, "max_seam_ratio", "max_window_jump_ratio"),
        (Take, "seams", "window_starts"),
    ],
)
def test_a_key_of_before_is_refused_with_its_new_name(kind, old, new):
    with pytest.raises(RecipeError, match=f"unknown key '{old}'.*'{old}' is now called '{new}'"):
        decode({old: 1}, kind)


def test_a_key_of_before_is_left_alone_where_it_is_no_name_of_before():
    assert decode({"turn": 5}, Tilt).turn == 5
    with pytest.raises(RecipeError, match="did you mean 'level'") as caught:
        decode({"levels": 5}, Tilt)
    assert "timestep_sampling" not in str(caught.value)
    with pytest.raises(RecipeError, match="remove it"):
        decode({"seams": 5}, Tilt)


def test_missing_and_foreign_data():
    with pytest.raises(RecipeError, match="'count' is missing"):
        decode({"flag": True, "rate": 1}, Outer)
    for data in ([], None, "text", 3):
        with pytest.raises(RecipeError, match="keys of Outer"):
            decode(data, Outer)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", {1j}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(TypeError, match="cannot be written to JSON"):
        encode({"key": value})


def test_files_are_named_in_errors(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(LEAST | {"count": "x"}))
    with pytest.raises(RecipeError, match=r"a\.json\.count"):
        load(path, Outer)
    path.write_text('{"flag": true,\n "count": }')
    with pytest.raises(RecipeError, match=r"a\.json: is not JSON .*line 2"):
        load(path, Outer)
    with pytest.raises(RecipeError, match=r"b\.json: does not exist"):
        load(tmp_path / "b.json", Outer)


def test_recipes_come_back():
    recipe = Recipe(
        (Variant("a", Plugin.of(Echo())), Variant("b-1", Plugin("simlift.engines.echo:Echo", {}))),
        seed=2**63,
        window=None,
        gate=Gate(),
        encoding=Encoding(crf=3),
    )
    again = decode(json.loads(dumps(recipe)), Recipe)
    assert again == recipe
    assert again.variants[0].engine.load() == Echo()


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a b", "ä"])
def test_names_of_variants_are_file_names(name):
    with pytest.raises(RecipeError, match="letters, digits"):
        Variant(name, Plugin.of(Echo()))


def test_recipes_that_cannot_be():
    one = Variant("a", Plugin.of(Echo()))
    with pytest.raises(RecipeError, match="at least one variant"):
        Recipe(())
    with pytest.raises(RecipeError, match="there twice"):
        Recipe((one, one))
    with pytest.raises(RecipeError, match="at least 1 frame"):
        Recipe((one,), window=0)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("no_such_module:Echo", {}, "cannot be imported"),
        ("simlift.engines.echo:Ecko", {}, "has no class 'Ecko'"),
        ("simlift.engines.echo:Iterator", {"x": 1}, ""),
        ("simlift.engines.echo", {}, "has no class"),
        ("simlift.engines.echo:Echo", {"volume": 3}, "unknown key 'volume'"),
    ],
)
def test_plugins_that_do_not_exist(kind, settings: dict[str, Any], words):
    if not words:
        with pytest.raises((RecipeError, TypeError)):
            Plugin(kind, settings).load()
        return
    with pytest.raises(RecipeError, match=words):
        Plugin(kind, settings).load()


def test_seeds_depend_on_names_alone():
    assert derive_seed(1, "clip", "look") == derive_seed(1, "clip", "look")
    seeds = {derive_seed(s, c, v) for s in (0, 1) for c in ("a", "b", "a\0b") for v in ("a", "b")}
    assert len(seeds) == 12
    assert all(0 <= s < 2**64 for s in seeds)
    assert derive_seed(0, "a", "bc") != derive_seed(0, "ab", "c")
