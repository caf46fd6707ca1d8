"""Load LTX-2's in-context adapter and build what the pipeline is conditioned on."""

from typing import Any

from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from PIL.Image import Image

from simlift.engines.diffusers._adapters import ADAPTER, adapter_errors, check_adapter
from simlift.engines.diffusers.weights import LoraFile


def load_in_context_lora(pipeline: Any, lora: LoraFile, scale: float) -> None:
    """Put an adapter into a pipeline; RecipeError where it does not fit."""
    with adapter_errors(lora, "ltx.lora"):
        pipeline.load_lora_weights(
            str(lora.path.parent),
            weight_name=lora.path.name,
            adapter_name=ADAPTER,
            local_files_only=True,
            use_safetensors=True,
        )
        pipeline.set_adapters([ADAPTER], [scale])
        check_adapter(pipeline, lora, "ltx.lora")


def reference(images: list[Image], strength: float) -> Any:
    """Return the condition that the in-context adapter reads."""
    return LTX2ReferenceCondition(images, strength)


def first_frames(images: list[Image]) -> Any:
    """Return the condition that begins a window with these frames."""
    return LTX2VideoCondition(images, index=0, strength=1.0)
