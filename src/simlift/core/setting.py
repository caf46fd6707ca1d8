"""Declare a field's meaning, unit and range beside its type, for checks and for listings.

turn: Annotated[float, Setting("of the environment, to the left", "degrees")] = 0.0
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, get_type_hints

from simlift.core.errors import RecipeError


@dataclass(frozen=True)
class Setting:
    """What a field means. `low` and `high` are the least and the most it may be, both or none."""

    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None


def settings_of(kind: type[Any]) -> dict[str, Setting]:
    """Return the settings of a dataclass's fields, of those that have one, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, Setting] = {}
    for field in dataclasses.fields(kind):
        for note in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(note, Setting):
                found[field.name] = note
    return found


def check_ranges(value: Any, group: str) -> None:
    """Raise RecipeError for a number of a dataclass that leaves its range; None and texts pass."""
    for name, setting in settings_of(type(value)).items():
        if setting.low is None or setting.high is None:
            continue
        found = getattr(value, name)
        for number in found if isinstance(found, tuple) else (found,):
            if number is not None and not setting.low <= number <= setting.high:
                raise RecipeError(
                    f"{group}.{name}",
                    f"found {number}",
                    allowed=f"{setting.low} to {setting.high}",
                )
