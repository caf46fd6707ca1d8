"""Edit an image into a photograph by Qwen-Image-Edit, at the size that keeps its ratio."""

import contextlib
import inspect
import math
import sys
from collections.abc import Iterator
from typing import Any

import diffusers
import torch
from PIL import Image as PilImage
from transformers import AutoTokenizer, BatchFeature
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from simlift.engines.keyframed._pipelines import place_for_inference, step_callback, weight_dtype
from simlift.engines.keyframed.editing_size import editing_size
from simlift.engines.keyframed.protocols import Image
from simlift.engines.keyframed.settings import Editing
from simlift.models.hub._device import open_device
from simlift.models.hub._loading import loading
from simlift.models.hub._lora import put_lora, read_lora
from simlift.models.hub._pipelines import free_memory, load_pipeline, to_frames
from simlift.models.hub.offload import Dtype, Offload
from simlift.models.hub.pipeline_folder import PipelineFolder

_KNOWN_AREA = 1024 * 1024  # at which the pipelines work, whatever they are given
_IMAGE = "<|image_pad|>"


class QwenEditor:
    """The loaded editor; of 2509 and 2511 as of the first one."""

    def __init__(
        self,
        folder: PipelineFolder,
        settings: Editing,
        dtype: Dtype,
        device: str,
        offload: Offload,
    ) -> None:
        self._settings, self._device = settings, open_device(device)
        kind: Any = getattr(diffusers, folder.kind)
        number = weight_dtype(dtype, self._device)
        parts = {"processor": None}
        self._pipeline = load_pipeline(kind, folder, number, parts, vae_dtype=number)
        with loading(folder.path):
            self._pipeline.processor = ImageAndText(folder)
        if settings.lora is not None:
            self._distil(settings.lora)
        mark_image_tokens(self._pipeline.text_encoder)
        place_for_inference(self._pipeline, self._device, offload)

    def edit(self, image: Image, seed: int, instruction: str | None = None) -> Image:
        """Return the image as an instruction asks, by default that of the settings.

        It has the image's own size.
        """
        settings = self._settings
        height, width = image.shape[:2]
        size = editing_size(height, width, settings.pixels)
        guided = settings.guidance > 1
        with torch.inference_mode(), working_at(type(self._pipeline), settings.pixels):
            made = self._pipeline(
                image=PilImage.fromarray(size.apply(image[None])[0]),
                prompt=settings.instruction if instruction is None else instruction,
                negative_prompt=settings.negative if guided else None,
                true_cfg_scale=settings.guidance,
                height=size.padded_height,
                width=size.padded_width,
                num_inference_steps=settings.steps,
                generator=torch.Generator("cpu").manual_seed(seed % 2**63),
                output_type="np",
                callback_on_step_end=step_callback(settings.steps),
            ).images[0]
        return size.undo(to_frames(made[None], "editor"))[0]

    def close(self) -> None:
        """Free the memory."""
        del self._pipeline
        free_memory(self._device)

    def _distil(self, file: Any) -> None:
        """Load a few-step LoRA, and the schedule that such are distilled for."""
        network = self._pipeline.transformer
        put_lora(network, read_lora(file, network), name="distilled", path=file)
        shift = math.log(3)
        self._pipeline.scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_config(
            self._pipeline.scheduler.config,
            use_dynamic_shifting=True,
            base_shift=shift,
            max_shift=shift,
            shift_terminal=None,
        )


class ImageAndText:
    """Turns texts with places for images, and the images, into what the encoder takes.

    The processor of transformers loads one for videos beside it, which needs torchvision; editors
    see no videos.
    """

    def __init__(self, folder: PipelineFolder) -> None:
        self._images = Qwen2VLImageProcessorPil.from_pretrained(
            folder.path / "processor", local_files_only=True
        )
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            folder.path / "tokenizer", local_files_only=True
        )

    def __call__(
        self, *, text: list[str], images: Any, padding: bool, return_tensors: str
    ) -> BatchFeature:
        """Return tokens, with as many image tokens as the encoder makes patches, and patches."""
        seen = self._images(images=images, return_tensors=return_tensors)
        counts = seen["image_grid_thw"].prod(-1) // self._images.merge_size**2
        parts = text[0].split(_IMAGE)
        filled = parts[0]
        for count, part in zip(counts.tolist(), parts[1:], strict=True):
            filled += _IMAGE * count + part
        tokens = self._tokenizer([filled], padding=padding, return_tensors=return_tensors)
        return BatchFeature({**tokens, **seen})


def mark_image_tokens(encoder: Any) -> None:
    """Pass the encoder at every call which tokens are images, where it asks for it.

    Since version 5 of transformers it places image tokens in rows and columns only when it has
    them, and the pipelines of diffusers do not pass them.
    """
    image = encoder.config.image_token_id

    def add(_module: Any, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        if given.get("mm_token_type_ids") is None and given.get("input_ids") is not None:
            given = {**given, "mm_token_type_ids": (given["input_ids"] == image).int()}
        return args, given

    if "mm_token_type_ids" in inspect.signature(type(encoder).forward).parameters:
        encoder.register_forward_pre_hook(add, with_kwargs=True, prepend=True)


@contextlib.contextmanager
def working_at(pipeline: type, pixels: int) -> Iterator[None]:
    """Have a pipeline's own rule of sizes aim at another area than its megapixel."""
    module: Any = sys.modules[pipeline.__module__]
    rule = module.calculate_dimensions

    def scaled(area: float, ratio: float) -> Any:
        return rule(pixels if area == _KNOWN_AREA else area, ratio)

    module.calculate_dimensions = scaled
    try:
        yield
    finally:
        module.calculate_dimensions = rule
