"""Load pipelines of diffusers, place them on a device, and turn what they make into frames."""

import gc
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from simlift.core.errors import RunError
from simlift.core.window import Frames
from simlift.models.hub._loading import check_complete, loading
from simlift.models.hub.offload import Offload
from simlift.models.hub.pipeline_folder import PipelineFolder


def load_pipeline(
    kind: type[Any],
    folder: PipelineFolder,
    dtype: torch.dtype,
    parts: Mapping[str, Any],
    *,
    vae_dtype: torch.dtype = torch.float32,
) -> Any:
    """Return a pipeline in CPU memory, without bars, with `parts` in the place of its own.

    Autoencoders of videos stay in float32, as their authors run them: in shorter numbers their
    colours band.
    """
    with loading(folder.path):
        pipeline = kind.from_pretrained(
            folder.path,
            local_files_only=True,
            use_safetensors=True,
            dtype={"default": dtype, "vae": vae_dtype},
            **parts,
        )
    check_complete(pipeline, folder, parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def place_pipeline(
    pipeline: Any, device: torch.device, offload: Offload, *, stream: bool = False
) -> None:
    """Put a pipeline where it works, once adapters are in it.

    `stream` copies the next layer while one computes, where `offload` is "layer".
    """
    if offload == "none":
        pipeline.to(device)
    elif offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif not stream:
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            use_stream=device.type == "cuda",
        )


def free_memory(device: torch.device) -> None:
    """Give what a dropped pipeline held back to the device."""
    if device.type != "cpu":
        gc.collect()  # offloading leaves cycles, which would hold the GPU's memory
        torch.cuda.empty_cache()


def to_pil(frames: Frames) -> list[Image.Image]:
    """Return frames as the images that pipelines take."""
    return [Image.fromarray(frame) for frame in frames]


def to_frames(video: Float[np.ndarray, "t h w 3"], where: str) -> Frames:
    """Return a pipeline's numbers from 0 to 1 as uint8; RunError where one is not finite."""
    if not np.isfinite(video).all():
        raise RunError(
            where,
            "the network returned numbers that are not finite",
            way_out="set dtype=bfloat16 or dtype=float32",
        )
    return np.rint(np.clip(video, 0, 1) * 255).astype(np.uint8)
