"""Generate the frames between anchors by VACE, under a control video."""

import numpy as np
import torch
from diffusers import UniPCMultistepScheduler, WanVACEPipeline
from jaxtyping import Bool
from PIL import Image

from simlift.core.window import Frames
from simlift.engines.keyframed._pipelines import place_for_inference, step_callback, weight_dtype
from simlift.engines.keyframed.settings import Propagation
from simlift.models.hub._device import open_device
from simlift.models.hub._loading import loading
from simlift.models.hub._pipelines import free_memory, load_pipeline, to_frames, to_pil
from simlift.models.hub.offload import Dtype, Offload
from simlift.models.hub.pipeline_folder import PipelineFolder


class VacePropagator:
    """The loaded propagator: Wan2.1 VACE, or Wan2.2 VACE-Fun with its two experts."""

    def __init__(
        self,
        folder: PipelineFolder,
        settings: Propagation,
        dtype: Dtype,
        device: str,
        offload: Offload,
    ) -> None:
        self._settings, self._device = settings, open_device(device)
        number = weight_dtype(dtype, self._device)
        self._pipeline = load_pipeline(WanVACEPipeline, folder, number, {})
        with loading(folder.path):
            # Checkpoints ship with the shift of another model.
            self._pipeline.scheduler = UniPCMultistepScheduler.from_config(
                self._pipeline.scheduler.config,
                prediction_type="flow_prediction",
                use_flow_sigmas=True,
                flow_shift=settings.shift,
            )
        place_for_inference(self._pipeline, self._device, offload)

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
                video=to_pil(video),
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
                callback_on_step_end=step_callback(settings.steps),
            ).frames[0]
        return to_frames(made, "propagator")

    def close(self) -> None:
        """Free the memory."""
        del self._pipeline
        free_memory(self._device)

    def _low(self) -> float | None:
        """Guidance of the low-noise expert, which pipelines with one expert refuse."""
        two = self._pipeline.config.boundary_ratio is not None
        return self._settings.guidance_low if two else None
