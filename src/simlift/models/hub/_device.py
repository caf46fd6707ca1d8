"""Try out a device by its name, so that a wrong one is refused before weights are read."""

import torch

from simlift.core.errors import RecipeError


def open_device(name: str) -> torch.device:
    """Return a device that works here; RecipeError otherwise."""
    try:
        place = torch.device(name)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0][:120]
        raise RecipeError(
            "--device", f"{name!r} does not work here ({reason})", allowed="cpu, or cuda"
        ) from error
    return place
