"""A pipeline's folder -> the loaded pipeline on its device, quiet, its memory kept as asked."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from simlift.core.errors import RecipeError
from simlift.core.progress import report_step
from simlift.models._wan import DTYPES
from simlift.models.pipeline_folder import PipelineFolder, check_whole

_NETWORKS = ("transformer", "transformer_2", "vae")


def numbers(name: str, device: torch.device) -> torch.dtype:
    """Return the type of weights: float32 on the CPU, which is slower in anything shorter."""
    return torch.float32 if device.type == "cpu" else DTYPES[name]


@contextlib.contextmanager
def loading(folder: object) -> Iterator[None]:
    """Load without bars; what a library raises becomes a RecipeError that names the folder."""
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # of diffusers, transformers, safetensors and configs
        reason = str(error).strip().partition("\n")[0][:200]
        raise RecipeError(
            folder,
            f"cannot be loaded ({type(error).__name__}: {reason})",
            way_out="download the model again",
        ) from error


def check_complete(pipeline: Any, folder: PipelineFolder) -> None:
    """RecipeError where weights are missing: diffusers fills them with random numbers."""
    for name in _NETWORKS:
        network = getattr(pipeline, name, None)
        if network is None:
            continue
        stored = {key for path in folder.weights(name) for key in check_whole(path)}
        if missing := sorted(set(network.state_dict()) - stored):
            raise RecipeError(
                folder.path / name,
                f"lacks {len(missing)} of the network's weights, such as {missing[0]}",
                allowed="a whole checkpoint",
                way_out="download the model again",
            )


def place(pipeline: Any, device: torch.device, offload: Literal["none", "model", "group"]) -> None:
    """Put a pipeline where it works: whole, part by part as needed, or layer by layer."""
    pipeline.set_progress_bar_config(disable=True)
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            getattr(pipeline, name).eval().requires_grad_(False)
    if offload == "none" or device.type == "cpu":
        pipeline.to(device)
    elif offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            use_stream=device.type == "cuda",
        )


def stepping(total: int) -> Callable[..., dict[str, Any]]:
    """Return a callback for diffusers that reports each step."""

    def after(_pipeline: Any, step: int, _time: Any, kept: dict[str, Any]) -> dict[str, Any]:
        report_step(step + 1, total)
        return kept

    return after


def release() -> None:
    """Give freed memory back to the device."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
