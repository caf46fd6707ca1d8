"""Lucy-Edit as a frozen value: the render beside the noise, an instruction, footage out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.protocols import Engine, Stage, WindowSize
from simlift.engines.diffusers.licences import licence_of
from simlift.engines.diffusers.settings import (
    INSTRUCTION,
    NEGATIVE_PROMPT,
    Dtype,
    Offload,
    check_settings,
    check_window,
)
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.weights import find_base, plan_stages, wan_shape
from simlift.models.hub.pipeline_folder import PipelineFolder

_PARTS = ("transformer", "vae", "text_encoder")


@dataclass(frozen=True)
class Lucy:
    """Edit the render by an instruction: Wan2.2 TI2V-5B that sees its clean latents as channels.

    `base` is a folder or a Hub name such as decart-ai/Lucy-Edit-Dev. Long clips go in windows of
    `frames`. The pipeline cannot be told what was made before, so each window makes `overlap`
    frames again, and what differs there in colour fades out over twice as many frames.
    Source: DecartAI, Lucy Edit, 2025; diffusers `LucyEditPipeline`.
    """

    base: str
    prompt: str = INSTRUCTION
    negative_prompt: str = NEGATIVE_PROMPT
    steps: int = 50
    guidance: float = 5.0
    frames: int = 81
    overlap: int = 8
    resolution: tuple[int, int] | None = None  # a box of height and width that frames are fitted to
    dtype: Dtype = "bfloat16"
    offload: Offload = "none"
    tiling: bool = False

    def __post_init__(self) -> None:
        check_settings(
            "lucy",
            prompt=self.prompt,
            steps=self.steps,
            guidance=self.guidance,
            resolution=self.resolution,
        )
        check_window("lucy", self.frames, self.overlap, 4)

    @classmethod
    def licence(cls) -> str:
        """Say under which terms the weights come."""
        return licence_of("lucy")

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(self.frames, self.overlap)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Check the weights on disk; RecipeError says what is wrong with them."""
        folder = self.folder()
        seam = f"{self.overlap} overlap, colour eased" if self.overlap else "no overlap"
        return plan_stages(
            "lucy", clip, folder, _PARTS, self.shape(folder), self.window_size(), seam
        )

    def folder(self) -> PipelineFolder:
        """Return the base on disk, whole."""
        return find_base(self.base, "lucy", ("LucyEditPipeline",), _PARTS)

    def shape(self, folder: PipelineFolder) -> Shape:
        """Return the sizes that the base takes."""
        return wan_shape(folder, self.resolution)

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Load the weights."""
        from simlift.engines.diffusers._lucy import open_lucy

        with open_lucy(self, device) as engine:
            yield engine
