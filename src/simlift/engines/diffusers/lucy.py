"""Lucy-Edit as a frozen value: the render beside the noise, an instruction, footage out."""

from dataclasses import dataclass
from typing import Any, ClassVar

from PIL.Image import Image

from simlift.core.window import Window
from simlift.engines.diffusers.pipeline_spec import PipelineSpec


@dataclass(frozen=True, kw_only=True)
class Lucy(PipelineSpec):
    """Edit the render by an instruction: Wan2.2 TI2V-5B that sees its clean latents as channels.

    `base` is a folder or a Hub name such as decart-ai/Lucy-Edit-Dev. Long clips go in windows of
    `frames`. The pipeline cannot be conditioned on what was made before, so each window makes
    `overlap` frames again, and what differs there in colour fades out over twice as many frames.
    Source: DecartAI, Lucy Edit, 2025; diffusers `LucyEditPipeline`.
    """

    name: ClassVar[str] = "lucy"
    pipeline: ClassVar[str] = "LucyEditPipeline"
    kinds: ClassVar[tuple[str, ...]] = ("LucyEditPipeline",)

    def arguments(
        self, images: list[Image], previous: list[Image], window: Window
    ) -> dict[str, Any]:
        """Return the video that is edited."""
        del previous, window
        return {"video": images}
