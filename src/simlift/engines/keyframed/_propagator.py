"""VACE: anchors and a control video -> the frames between the anchors."""

from typing import Any

import numpy as np
import torch
from diffusers import UniPCMultistepScheduler, WanVACEPipeline
from jaxtyping import Bool
from PIL import Image

from simlift.core.errors import RecipeError
from simlift.core.window import Frames
from simlift.engines.keyframed._pipelines import numbers, place, release, stepping
from simlift.engines.keyframed.settings import Propagation
from simlift.models.hub._device import open_device
from simlift.models.hub._loading import check_complete, loading
from simlift.models.hub.pipeline_folder import PipelineFolder


class VacePropagator:
    """The loaded propagator: Wan2.1 VACE, or Wan2.2 VACE-Fun with its two experts."""

    def __init__(
        self, folder: PipelineFolder, settings: Propagation, dtype: str, device: str, offload: Any
    ) -> None:
        self._settings, self._device = settings, open_device(device)
        with loading(folder.path):
            self._pipeline: Any = WanVACEPipeline.from_pretrained(
                folder.path,
                # In shorter numbers the autoencoder's colours band.
                dtype={"default": numbers(dtype, self._device), "vae": torch.float32},
                use_safetensors=True,
                local_files_only=True,
            )
            check_complete(self._pipeline, folder)
            # Checkpoints ship with the shift of another model.
            self._pipeline.scheduler = UniPCMultistepScheduler.from_config(
                self._pipeline.scheduler.config,
                prediction_type="flow_prediction",
                use_flow_sigmas=True,
                flow_shift=settings.shift,
            )
        place(self._pipeline, self._device, offload)

    def propagate(
        self, video: Frames, generate: Bool[np.ndarray, "t"], prompt: str, seed: int
    ) -> Frames:
        """Return a frame for each of `video`; sides are multiples of 16, frames 4k+1."""
        settings = self._settings
        frames, height, width, _ = video.shape
        masks = {flag: Image.new("RGB", (width, height), (255 * flag,) * 3) for flag in (0, 1)}
        with torch.inference_mode():
            made = self._pipeline(
                prompt=prompt,
                negative_prompt=settings.negative,
                video=[Image.fromarray(frame) for frame in video],
                mask=[masks[int(flag)] for flag in generate],
                conditioning_scale=settings.strength,
                height=height,
                width=width,
                num_frames=frames,
                num_inference_steps=settings.steps,
                guidance_scale=settings.guidance,
                guidance_scale_2=self._low(),
                generator=torch.Generator("cpu").manual_seed(seed % 2**63),
                output_type="np",
                callback_on_step_end=stepping(settings.steps),
            ).frames[0]
        if not np.isfinite(made).all():
            raise RecipeError(
                "propagator", "made numbers that are not finite", way_out="--set dtype=float32"
            )
        return np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)

    def close(self) -> None:
        """Free the memory."""
        del self._pipeline
        release()

    def _low(self) -> float | None:
        """Guidance of the low-noise expert, which only pipelines with two experts may be told."""
        two = self._pipeline.config.boundary_ratio is not None
        return self._settings.guidance_low if two else None
