"""Accept or reject a take by thresholds on its scores, with the reasons in words."""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

from simlift.core.pair import PairGate
from simlift.core.recipe import Gate

# Score name -> the gate's fields that judge it. A field is named after its score, so that neither
# can be forgotten when the other changes.
THRESHOLDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        field.name.partition("_")[2]: (field.name, field.name.partition("_")[0])
        for field in dataclasses.fields(Gate)
    }
)


def judge(gate: Gate | PairGate, values: Mapping[str, float]) -> tuple[bool, tuple[str, ...]]:
    """Return whether a take or a pair is accepted, and what speaks against it.

    A score that is absent or NaN gave no evidence and judges nothing.
    """
    reasons = []
    for field in dataclasses.fields(gate):
        kind, _, name = field.name.partition("_")
        value, limit = values.get(name, math.nan), getattr(gate, field.name)
        if kind == "min" and value < limit:
            reasons.append(f"{name} {value:.3g} is below {limit:g}")
        if kind == "max" and value > limit:
            reasons.append(f"{name} {value:.3g} is above {limit:g}")
    return not reasons, tuple(reasons)
