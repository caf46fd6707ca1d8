"""LTX-2 with an in-context adapter as a frozen value: the render as reference tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Engine, Stage, WindowSize
from simlift.engines.diffusers.licences import licence_of
from simlift.engines.diffusers.settings import (
    DESCRIPTION,
    NEGATIVE_PROMPT,
    Dtype,
    Offload,
    check_settings,
    check_window,
)
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.weights import LoraFile, find_base, find_lora, plan_stages
from simlift.models.hub.pipeline_folder import PipelineFolder

_PARTS = ("transformer", "vae", "text_encoder", "connectors")
# They differ in what they are conditioned on; the parts are the same.
_KINDS = (
    "LTX2InContextPipeline",
    "LTX2Pipeline",
    "LTX2ConditionPipeline",
    "LTX2ImageToVideoPipeline",
)
_FACTOR = "reference_downscale_factor"  # trainers store it in the adapter's header


@dataclass(frozen=True)
class Ltx:
    """Generate under the render's clean tokens, which an in-context adapter reads.

    `base` is an LTX-2 pipeline in its diffusers layout, such as Lightricks/LTX-2; `lora` an
    in-context adapter of it, such as the file of fal/LTX-2.3-3DREAL-LoRA (whose trigger word,
    3DREAL, belongs into the prompt). `downscale` shrinks the reference; None takes what the
    adapter's header says, or 1. Long clips go in windows of `frames`: the first latent frames of a
    window are the last `overlap` frames that were made. The sound that the network makes is
    dropped: a take keeps its clip's own.
    Source: HaCohen et al., "LTX-2", 2026; diffusers `LTX2InContextPipeline`.
    """

    base: str
    lora: str
    lora_scale: float = 1.0
    downscale: int | None = None
    reference_strength: float = 1.0
    prompt: str = DESCRIPTION
    negative_prompt: str = NEGATIVE_PROMPT
    steps: int = 30
    guidance: float = 3.0
    skip_layer_guidance: float = 1.0
    skipped_layers: tuple[int, ...] = (28,)
    modality_guidance: float = 3.0
    frames: int = 121
    overlap: int = 9
    resolution: tuple[int, int] | None = None  # a box of height and width that frames are fitted to
    dtype: Dtype = "bfloat16"
    offload: Offload = "none"
    tiling: bool = False

    def __post_init__(self) -> None:
        check_settings(
            "ltx",
            prompt=self.prompt,
            steps=self.steps,
            guidance=self.guidance,
            resolution=self.resolution,
        )
        check_window("ltx", self.frames, self.overlap, 8)
        if self.overlap and (self.overlap % 8 != 1 or self.overlap == 1):
            raise RecipeError(
                "ltx.overlap",
                f"found {self.overlap}",
                allowed="0, or 9, 17, 25, ..: frames that fill whole latent frames",
            )
        if self.downscale is not None and self.downscale < 1:
            raise RecipeError("ltx.downscale", f"found {self.downscale}", allowed="1 or more")
        if not 0 <= self.reference_strength <= 1:
            raise RecipeError(
                "ltx.reference_strength", f"found {self.reference_strength}", allowed="0 to 1"
            )

    @classmethod
    def licence(cls) -> str:
        """Say under which terms the weights come."""
        return licence_of("ltx")

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(self.frames, self.overlap)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Check the weights and the adapter on disk; RecipeError says what is wrong with them."""
        folder, lora = self.folder(), self.adapter()
        factor = self.factor(lora)
        seam = f"{self.overlap} made frames begin the next" if self.overlap else "no overlap"
        shape = self.shape(folder, factor)
        return (
            *plan_stages("ltx", clip, folder, _PARTS, shape, self.window_size(), seam),
            Stage(
                "adapter",
                True,
                f"{lora.path.name}, {lora.matrices} matrices, reference shrunk by {factor}",
            ),
        )

    def folder(self) -> PipelineFolder:
        """Return the base on disk, whole."""
        return find_base(self.base, "ltx", _KINDS, _PARTS)

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

    def shape(self, folder: PipelineFolder, factor: int) -> Shape:
        """Return the sizes that the base takes, so that the shrunk reference fits as well."""
        coder = folder.config("vae")
        blocks = sum(coder.get("spatio_temporal_scaling", (True,) * 3))
        side = coder.get("spatial_compression_ratio") or coder.get("patch_size", 4) * 2**blocks
        stride = coder.get("temporal_compression_ratio") or 2**blocks
        return Shape(int(side) * factor, int(stride), int(stride) + 1, self.resolution)

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Load the weights."""
        from simlift.engines.diffusers._ltx import open_ltx

        with open_ltx(self, device) as engine:
            yield engine
