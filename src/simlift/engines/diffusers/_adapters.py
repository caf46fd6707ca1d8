"""Check that an adapter reached every layer it is for, and name what is wrong with one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from simlift.core.errors import RecipeError
from simlift.engines.diffusers.weights import LoraFile

ADAPTER = "baseline"


def check_adapter(pipeline: Any, lora: LoraFile, where: str) -> None:
    """Raise RecipeError unless every matrix of an adapter found its layer."""
    networks = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    found = sum(
        f".{ADAPTER}." in name for network in networks for name, _ in network.named_parameters()
    )
    if found != lora.matrices:
        raise RecipeError(
            where,
            f"{lora.path}: {found} of {lora.matrices} matrices found their layer",
            allowed="an adapter of this very base",
            way_out="name the base that it was trained on",
        )


@contextmanager
def adapter_errors(lora: LoraFile, where: str) -> Iterator[None]:
    """Turn what the libraries raise about an adapter into RecipeError."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # of peft, diffusers and torch: each has its own
        reason = str(error).strip().partition("\n")[0][:200]
        raise RecipeError(
            where,
            f"{lora.path} does not fit ({type(error).__name__}: {reason})",
            allowed="an adapter of this very base",
        ) from error
