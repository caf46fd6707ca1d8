"""Load a network from a model's folder and run it on frames one by one.

Frames go through alone: in a batch, some libraries add in another order, and a pixel would depend
on the frames beside it.
"""

from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from transformers import (
    AutoModelForDepthEstimation,
    AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation,
)
from transformers.utils import logging

from simlift.core.errors import RecipeError
from simlift.core.layers import Array
from simlift.models.hub._device import open_device
from simlift.models.hub.folder import ModelFolder

Task: TypeAlias = Literal["depth", "semantic", "universal"]

_CLASSES: dict[Task, Any] = {
    "depth": AutoModelForDepthEstimation,
    "semantic": AutoModelForSemanticSegmentation,
    "universal": AutoModelForUniversalSegmentation,
}


def load(folder: ModelFolder, task: Task, device: str) -> Any:
    """Return the network with its weights; RecipeError when they do not fit or do not read."""
    place = open_device(device)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        network, found = _CLASSES[task].from_pretrained(
            folder.path,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # of transformers, safetensors and the model's own config
        reason = str(error).strip().partition("\n")[0][:200]
        raise RecipeError(
            folder.path,
            f"cannot be loaded ({type(error).__name__}: {reason})",
            allowed="weights and config.json of one model, whole",
            way_out="download it again",
        ) from error
    # transformers would fill what is missing with random numbers.
    if missing := sorted(found["missing_keys"]):
        raise RecipeError(
            folder.path,
            f"lacks {len(missing)} of the network's weights, such as {missing[0]}",
            allowed="a checkpoint that was trained for this",
        )
    return network.to(place).eval()


def run(network: Any, pixels: Float[np.ndarray, "3 a b"]) -> Any:
    """Return what the network says of one prepared frame."""
    place = next(network.parameters()).device
    with torch.inference_mode():
        return network(pixel_values=torch.from_numpy(pixels)[None].to(place))


def array(tensor: torch.Tensor) -> Array:
    """Return a tensor's numbers as float32."""
    return tensor.detach().float().cpu().numpy()


def class_scores(output: Any) -> Float[np.ndarray, "c a b"]:
    """Return the score of every class; for mask classifiers, sum_q p(class | q) p(pixel in q).

    Source: Cheng et al., "Per-Pixel Classification is Not All You Need", NeurIPS 2021, 3.4.
    """
    if "logits" in output:
        return array(output.logits[0])
    classes = output.class_queries_logits[0].softmax(-1)[:, :-1]  # the last one is "no object"
    masks = output.masks_queries_logits[0].sigmoid()
    return array(torch.einsum("qc,qab->cab", classes, masks))
