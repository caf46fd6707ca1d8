"""A gate and the values of scores -> accepted or rejected, with the reasons in words."""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

from simlift.core.recipe import Gate

# Score name -> the gate's fields that judge it. A field is named after its score, so that neither
# can be forgotten when the other changes.
THRESHOLDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        field.name.partition("_")[2]: (field.name, field.name.partition("_")[0])
        for field in dataclasses.fields(Gate)
    }
)


def judge(gate: Gate, values: Mapping[str, float]) -> tuple[bool, tuple[str, ...]]:
    """Return whether a take is accepted, and what speaks against it.

    A score that is absent or NaN gave no evidence and judges nothing.
    """
    reasons = []
    for name, (field, kind) in THRESHOLDS.items():
        value, limit = values.get(name, math.nan), getattr(gate, field)
        if kind == "min" and value < limit:
            reasons.append(f"{name} {value:.3g} is below {limit:g}")
        if kind == "max" and value > limit:
            reasons.append(f"{name} {value:.3g} is above {limit:g}")
    return not reasons, tuple(reasons)
