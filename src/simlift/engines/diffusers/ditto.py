"""Ditto's Editto as a frozen value: the render as VACE's control, an adapter of its blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
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
from simlift.engines.diffusers.weights import (
    LoraFile,
    find_base,
    find_lora,
    plan_stages,
    wan_shape,
)
from simlift.models.hub.pipeline_folder import PipelineFolder

_PARTS = ("transformer", "vae", "text_encoder")


@dataclass(frozen=True)
class Ditto:
    """Regenerate every pixel under the render as VACE's control, by an instruction.

    `base` is a VACE pipeline, such as Wan-AI/Wan2.1-VACE-14B-diffusers; `lora` is the file of
    Ditto's own weights, ditto_sim2real.safetensors for renders, which are low-rank matrices of the
    VACE blocks. Long clips go in windows of `frames`: VACE is conditioned on the last `overlap`
    frames that were made, kept under a black mask.
    `shift` is the scheduler's flow shift; None leaves what the base was saved with.
    Source: Bai et al., "Scaling Instruction-Based Video Editing with a High-Quality Synthetic
    Dataset", CVPR 2026, arXiv 2510.15742; Jiang et al., "VACE", arXiv 2503.07598.
    """

    base: str
    lora: str | None = None
    lora_scale: float = 1.0
    prompt: str = INSTRUCTION
    negative_prompt: str = NEGATIVE_PROMPT
    steps: int = 50
    guidance: float = 5.0
    shift: float | None = 5.0
    control_scale: float = 1.0
    frames: int = 81
    overlap: int = 5
    resolution: tuple[int, int] | None = None  # a box of height and width that frames are fitted to
    dtype: Dtype = "bfloat16"
    offload: Offload = "none"
    tiling: bool = False

    def __post_init__(self) -> None:
        check_settings(
            "ditto",
            prompt=self.prompt,
            steps=self.steps,
            guidance=self.guidance,
            resolution=self.resolution,
        )
        check_window("ditto", self.frames, self.overlap, 4)
        if self.overlap and self.overlap % 4 != 1:
            raise RecipeError(
                "ditto.overlap",
                f"found {self.overlap}",
                allowed="0, or 4k+1: frames that fill whole latent frames",
            )
        if self.shift is not None and self.shift <= 0:
            raise RecipeError("ditto.shift", f"found {self.shift}", allowed="above 0, or nothing")

    @classmethod
    def licence(cls) -> str:
        """Say under which terms the weights come."""
        return licence_of("ditto")

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(self.frames, self.overlap)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Check the weights and the adapter on disk; RecipeError says what is wrong with them."""
        folder, lora = self.folder(), self.adapter()
        seam = f"{self.overlap} made frames condition the next" if self.overlap else "no overlap"
        found = f"{lora.path.name}, {lora.matrices} matrices" if lora else "none: plain VACE"
        return (
            *plan_stages(
                "ditto", clip, folder, _PARTS, self.shape(folder), self.window_size(), seam
            ),
            Stage("adapter", lora is not None, found),
        )

    def folder(self) -> PipelineFolder:
        """Return the base on disk, whole."""
        return find_base(self.base, "ditto", ("WanVACEPipeline",), _PARTS)

    def adapter(self) -> LoraFile | None:
        """Return Ditto's own weights."""
        return None if self.lora is None else find_lora(self.lora, "ditto.lora")

    def shape(self, folder: PipelineFolder) -> Shape:
        """Return the sizes that the base takes."""
        return wan_shape(folder, self.resolution)

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Load the weights."""
        from simlift.engines.diffusers._ditto import open_ditto

        with open_ditto(self, device) as engine:
            yield engine
