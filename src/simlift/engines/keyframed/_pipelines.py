"""A loaded pipeline -> on its device, quiet, its memory kept as asked."""

from collections.abc import Callable
from typing import Any, Literal

import torch

from simlift.core.progress import report_step
from simlift.models.wan._parts import DTYPES


def numbers(name: str, device: torch.device) -> torch.dtype:
    """Return the type of weights: float32 on the CPU, which is slower in anything shorter."""
    return torch.float32 if device.type == "cpu" else DTYPES[name]


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
