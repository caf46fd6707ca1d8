"""Load Cosmos-Transfer2.5's control network, and stand in for its guardrail."""

from pathlib import Path
from typing import Any

import torch
from diffusers import CosmosControlNetModel
from diffusers.models.controlnets import controlnet_cosmos
from diffusers.models.transformers import transformer_cosmos
from jaxtyping import UInt8
from numpy import ndarray

from simlift.core.errors import MissingLibrary, RecipeError
from simlift.models.wan.base_model import EXTRA


class OwnGuardrail:
    """Stands where NVIDIA's guardrail does, for those who check prompts and takes themselves."""

    def to(self, *place: object, **how: object) -> "OwnGuardrail":
        """Move nothing."""
        del place, how
        return self

    def check_text_safety(self, prompt: str) -> bool:
        """Leave prompts to their writer."""
        del prompt
        return True

    def check_video_safety(
        self, frames: UInt8[ndarray, "t h w 3"]
    ) -> UInt8[ndarray, "t h w 3"] | None:
        """Leave frames as they are; a guardrail blurs faces, or returns None for unsafe ones."""
        return frames


def load_control_network(folder: Path, dtype: torch.dtype) -> Any:
    """Return the control network of a folder; RecipeError where it cannot be loaded."""
    try:
        return CosmosControlNetModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype
        )
    except Exception as error:  # of diffusers, safetensors and the config
        reason = str(error).strip().partition("\n")[0][:300]
        raise RecipeError(
            "cosmos.controlnet",
            f"{folder} cannot be loaded ({type(error).__name__}: {reason})",
            allowed="a CosmosControlNetModel in its diffusers layout",
        ) from error


def check_torchvision() -> None:
    """Raise MissingLibrary without torchvision, which resizes two networks' padding masks."""
    if not all(hasattr(module, "transforms") for module in (transformer_cosmos, controlnet_cosmos)):
        raise MissingLibrary("torchvision (pip install torchvision)", "--engine cosmos", EXTRA)
