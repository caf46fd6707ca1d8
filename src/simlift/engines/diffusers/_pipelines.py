"""A pipeline's folder -> the pipeline in memory, where and as precise as asked; frames to and fro.

Whatever the libraries raise on the way is told in the words of the setting that decides it.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from simlift.core.errors import RecipeError, RunError
from simlift.core.window import Frames
from simlift.engines.diffusers.settings import Dtype, Offload
from simlift.engines.diffusers.weights import LoraFile
from simlift.models.hub._device import open_device
from simlift.models.hub._loading import check_complete, loading
from simlift.models.hub.pipeline_folder import PipelineFolder

ADAPTER = "baseline"


@dataclass(frozen=True)
class Placement:
    """Where weights lie and as what; the autoencoder stays in float32, as its authors run it."""

    device: str
    dtype: Dtype
    offload: Offload
    tiling: bool

    def __post_init__(self) -> None:
        place = open_device(self.device)
        if self.offload != "none" and place.type == "cpu":
            raise RecipeError(
                "offload",
                f"found {self.offload!r} with --device cpu",
                allowed="'none' on the CPU: weights are moved between its memory and a GPU's",
                way_out="give --device cuda",
            )

    @property
    def precision(self) -> torch.dtype:
        """The type of the networks' numbers."""
        found: torch.dtype = getattr(torch, self.dtype)
        return found


@contextmanager
def opened(
    kind: type[Any], folder: PipelineFolder, place: Placement, parts: Mapping[str, Any]
) -> Iterator[Any]:
    """Load a pipeline, with `parts` in the place of its own; its memory is freed afterwards."""
    with loading(folder.path):
        pipeline = kind.from_pretrained(
            folder.path,
            local_files_only=True,
            use_safetensors=True,
            dtype={"default": place.precision, "vae": torch.float32},
            **parts,
        )
    check_complete(pipeline, folder, parts)
    pipeline.set_progress_bar_config(disable=True)
    if place.tiling:
        pipeline.vae.enable_tiling()
    try:
        yield pipeline
    finally:
        del pipeline
        if torch.device(place.device).type != "cpu":
            gc.collect()  # offloading leaves cycles, which would hold the GPU's memory
            torch.cuda.empty_cache()


def settle(pipeline: Any, place: Placement) -> None:
    """Move a pipeline to its place, once adapters are in it."""
    if place.offload == "model":
        pipeline.enable_model_cpu_offload(device=place.device)
    elif place.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=place.device)
    else:
        pipeline.to(place.device)


def run(pipeline: Any, engine: str, seed: int, arguments: Mapping[str, Any]) -> Frames:
    """Return the frames that a pipeline makes, uint8 [t h w 3].

    Noise is drawn on the CPU, so that a seed means the same on every device; each window of a clip
    starts from the same noise, which keeps its look.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    try:
        video = pipeline(**arguments, generator=generator, output_type="np").frames[0]
    except torch.cuda.OutOfMemoryError as error:
        raise RunError(
            f"--engine {engine}",
            "the GPU's memory is full",
            way_out="set offload=model or offload=sequential, tiling=true, fewer frames, or a "
            "smaller resolution",
        ) from error
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise RunError(f"--engine {engine}", f"the pipeline refused: {reason}") from error
    return _codes(video, engine)


def pictures(frames: Frames) -> list[Image.Image]:
    """Return frames as the pictures that pipelines take."""
    return [Image.fromarray(frame) for frame in frames]


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


def _codes(video: Float[np.ndarray, "t h w 3"], engine: str) -> Frames:
    if not np.isfinite(video).all():
        raise RunError(
            f"--engine {engine}",
            "the network returned numbers that are not finite",
            way_out="set dtype=bfloat16 or dtype=float32",
        )
    return np.rint(np.clip(video, 0, 1) * 255).astype(np.uint8)
