"""Put an adapter on a pipeline's network, each of its tensors on its layer."""

from collections.abc import Callable
from typing import Any

from simlift.engines.diffusers.weights import LoraFile
from simlift.models.hub._lora import put_lora, read_lora

ADAPTER = "baseline"


def put_adapter(
    pipeline: Any, file: LoraFile, scale: float, original_name: Callable[[str], str]
) -> None:
    """Put an adapter on the transformer; RecipeError unless every tensor has its place there."""
    network = pipeline.transformer
    lora = read_lora(file.path, network, original_name)
    put_lora(network, lora, name=ADAPTER, path=file.path, strength=scale)
    if lora.weights:
        network.set_adapters([ADAPTER], [scale])
