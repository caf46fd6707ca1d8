"""Name where weights lie while a model works, and as what: the words of every engine's settings."""

from typing import Literal, TypeAlias

from simlift.core.errors import RecipeError
from simlift.core.renamed import VALUES

Dtype: TypeAlias = Literal["bfloat16", "float16", "float32"]

# none: everything stays on the device. model: on the device is the one network that is at work, the
# others wait in the CPU's memory. layer: each layer, or block, comes to the device just before it
# runs, which needs the least memory and takes the most time. Pixels do not depend on it.
Offload: TypeAlias = Literal["none", "model", "layer"]


def check_offload(where: str, found: str) -> None:
    """Raise RecipeError unless `found` is an Offload; for an older word it names today's."""
    if found in ("none", "model", "layer"):
        return
    now = VALUES.get(found)
    raise RecipeError(
        f"{where}.offload",
        f"found {found!r}",
        allowed="one of none, model, layer",
        way_out=f"--set offload={now}" if now else "",
    )
