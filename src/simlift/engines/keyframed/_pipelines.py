"""Place the editor's and the propagator's pipelines, and report their steps."""

from collections.abc import Callable
from typing import Any

import torch

from simlift.core.progress import report_step
from simlift.models.hub._pipelines import place_pipeline
from simlift.models.hub.offload import Dtype, Offload


def weight_dtype(name: Dtype, device: torch.device) -> torch.dtype:
    """Return the type of weights: float32 on the CPU, which is slower in anything shorter."""
    found: torch.dtype = torch.float32 if device.type == "cpu" else getattr(torch, name)
    return found


def place_for_inference(pipeline: Any, device: torch.device, offload: Offload) -> None:
    """Put a pipeline where it works, without gradients; the CPU has nowhere to offload to."""
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            getattr(pipeline, name).eval().requires_grad_(False)
    place_pipeline(pipeline, device, "none" if device.type == "cpu" else offload, stream=True)


def step_callback(total: int) -> Callable[..., dict[str, Any]]:
    """Return a callback for diffusers that reports each step."""

    def after(_pipeline: Any, step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        report_step(step + 1, total)
        return tensors

    return after
