"""Set the flow shift of VACE's scheduler."""

from typing import Any

from simlift.core.errors import RecipeError


def set_flow_shift(pipeline: Any, shift: float) -> None:
    """Give a pipeline its scheduler anew with another shift; RecipeError where it knows none."""
    config = pipeline.scheduler.config
    key = next((key for key in ("flow_shift", "shift") if key in config), None)
    if key is None:
        raise RecipeError(
            "ditto.shift",
            f"{type(pipeline.scheduler).__name__} has no flow shift",
            way_out="leave it away: --set shift=null",
        )
    pipeline.scheduler = type(pipeline.scheduler).from_config(config, **{key: shift})
