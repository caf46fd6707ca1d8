"""Load by diffusers and transformers: without bars, whole or not at all, errors in our words."""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers.utils import logging as transformers_logging

from simlift.core.errors import RecipeError
from simlift.models.hub.pipeline_folder import PipelineFolder, check_whole

_NETWORKS = ("transformer", "transformer_2", "controlnet", "vae")
_AGAIN = "download the model again"


@contextmanager
def loading(folder: object) -> Iterator[None]:
    """Load without bars; what a library raises becomes a RecipeError that names the folder."""
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # of diffusers, transformers, safetensors and configs
        reason = str(error).strip().partition("\n")[0][:300]
        raise RecipeError(
            folder,
            f"cannot be loaded ({type(error).__name__}: {reason})",
            allowed="a whole model in the layout of diffusers",
            way_out=_AGAIN,
        ) from error


def check_complete(pipeline: Any, folder: PipelineFolder, given: Container[str] = ()) -> None:
    """RecipeError where weights are missing: diffusers fills them with random numbers.

    Networks that were `given` to the pipeline are not the folder's.
    """
    for name in _NETWORKS:
        network: nn.Module | None = None if name in given else getattr(pipeline, name, None)
        if network is None:
            continue
        stored = {key for path in folder.weights(name) for key in check_whole(path)}
        check_none_missing(set(network.state_dict()) - stored, folder.path / name)


def check_none_missing(names: set[str], folder: object) -> None:
    """RecipeError where a network has weights that its folder lacks."""
    if names:
        raise RecipeError(
            folder,
            f"lacks {len(names)} of the network's weights, such as {min(names)}",
            allowed="a whole checkpoint",
            way_out=_AGAIN,
        )
