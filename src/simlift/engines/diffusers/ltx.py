"""LTX-2 with an in-context adapter as a frozen value: the render as reference tokens."""

from dataclasses import dataclass
from typing import Any, ClassVar

from PIL.Image import Image

from simlift.core.errors import RecipeError
from simlift.core.protocols import Stage
from simlift.core.window import Window
from simlift.engines.diffusers.pipeline_spec import PipelineSpec
from simlift.engines.diffusers.settings import DESCRIPTION
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.weights import LoraFile, find_lora
from simlift.models.hub.pipeline_folder import PipelineFolder

_FACTOR = "reference_downscale_factor"  # trainers store it in the adapter's header


@dataclass(frozen=True, kw_only=True)
class Ltx(PipelineSpec):
    """Generate under the render's clean tokens, which an in-context adapter reads.

    `base` is an LTX-2 pipeline in its diffusers layout, such as Lightricks/LTX-2; `lora` an
    in-context adapter of it, such as the file of fal/LTX-2.3-3DREAL-LoRA (whose trigger word,
    3DREAL, belongs into the prompt). `downscale` shrinks the reference; None takes what the
    adapter's header says, or 1. Long clips go in windows of `frames`: the first latent frames of a
    window are the last `overlap` frames that were made. The sound that the network makes is
    dropped: a take keeps its clip's own.
    Source: HaCohen et al., "LTX-2", 2026; diffusers `LTX2InContextPipeline`.
    """

    lora: str
    lora_scale: float = 1.0
    downscale: int | None = None
    reference_strength: float = 1.0
    prompt: str = DESCRIPTION
    steps: int = 30
    guidance: float = 3.0
    skip_layer_guidance: float = 1.0
    skipped_layers: tuple[int, ...] = (28,)
    modality_guidance: float = 3.0
    frames: int = 121
    overlap: int = 9

    name: ClassVar[str] = "ltx"
    pipeline: ClassVar[str] = "LTX2InContextPipeline"
    # They differ in what they are conditioned on; the parts are the same.
    kinds: ClassVar[tuple[str, ...]] = (
        "LTX2InContextPipeline",
        "LTX2Pipeline",
        "LTX2ConditionPipeline",
        "LTX2ImageToVideoPipeline",
    )
    parts: ClassVar[tuple[str, ...]] = ("transformer", "vae", "text_encoder", "connectors")
    stride: ClassVar[int] = 8
    conditioned: ClassVar[bool] = True
    blend: ClassVar[str] = "{} made frames begin the next"

    def __post_init__(self) -> None:
        super().__post_init__()
        good = self.overlap == 0 or (self.overlap % 8 == 1 and self.overlap > 1)
        self.expect("overlap", good, "0, or 9, 17, 25, ..: frames that fill whole latent frames")
        self.expect("downscale", self.downscale is None or self.downscale >= 1, "1 or more")
        self.expect("reference_strength", 0 <= self.reference_strength <= 1, "0 to 1")

    def stages(self) -> tuple[Stage, ...]:
        """Name the adapter."""
        lora = self.adapter()
        matrices = f"{lora.path.name}, {lora.matrices} matrices"
        factor = self.factor(lora)
        return (Stage("adapter", True, f"{matrices}, reference shrunk by {factor}"),)

    def adapter(self) -> LoraFile:
        """Return the in-context adapter."""
        return find_lora(self.lora, "ltx.lora")

    def factor(self, lora: LoraFile) -> int:
        """Return how far the reference is shrunk; RecipeError where adapter and setting differ."""
        text = lora.metadata.get(_FACTOR)
        trained = int(float(text)) if text is not None else None
        if None not in (trained, self.downscale) and trained != self.downscale:
            raise RecipeError(
                "ltx.downscale",
                f"found {self.downscale}",
                allowed=f"{trained}, with which {lora.path.name} was trained",
                way_out="leave it away",
            )
        return self.downscale or trained or 1

    def shape(self, folder: PipelineFolder) -> Shape:
        """Return the sizes that the base takes, so that the shrunk reference fits as well."""
        factor = self.factor(self.adapter())
        coder = folder.config("vae")
        blocks = sum(coder.get("spatio_temporal_scaling", (True,) * 3))
        side = coder.get("spatial_compression_ratio") or coder.get("patch_size", 4) * 2**blocks
        stride = coder.get("temporal_compression_ratio") or 2**blocks
        return Shape(int(side) * factor, int(stride), int(stride) + 1, self.resolution)

    def prepare(self, pipeline: Any) -> None:
        """Load the adapter."""
        from simlift.engines.diffusers._adapters import put_adapter
        from simlift.engines.diffusers._ltx import ltx_name

        put_adapter(pipeline, self.adapter(), self.lora_scale, ltx_name)

    def arguments(
        self, images: list[Image], previous: list[Image], window: Window
    ) -> dict[str, Any]:
        """Return the render as reference, and the frames that begin the window."""
        from simlift.engines.diffusers._ltx import first_frames, reference

        return {
            "reference_conditions": [reference(images, self.reference_strength)],
            "conditions": [first_frames(previous)] if previous else None,
            "reference_downscale_factor": self.factor(self.adapter()),
            "frame_rate": window.fps,
            "stg_scale": self.skip_layer_guidance,
            "spatio_temporal_guidance_blocks": list(self.skipped_layers),
            "modality_scale": self.modality_guidance,
        }
