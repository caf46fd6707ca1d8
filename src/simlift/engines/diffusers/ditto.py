"""Ditto's Editto as a frozen value: the render as VACE's control, an adapter of its blocks."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from simlift.core.protocols import Stage
from simlift.core.window import Frames, PreviousFrames, Window
from simlift.engines.diffusers.pipeline_spec import PipelineSpec
from simlift.engines.diffusers.weights import LoraFile, find_lora
from simlift.models.wan.layer_names import wan_name

_KEEP, _MAKE = 0, 255  # of VACE's masks


@dataclass(frozen=True, kw_only=True)
class Ditto(PipelineSpec):
    """Regenerate every pixel under the render as VACE's control, by an instruction.

    `base` is a VACE pipeline, such as Wan-AI/Wan2.1-VACE-14B-diffusers; `lora` is the file of
    Ditto's own weights, ditto_sim2real.safetensors for renders, which are low-rank matrices of the
    VACE blocks. Long clips go in windows of `frames`: VACE is conditioned on the last `overlap`
    frames that were made, kept under a black mask.
    `shift` is the scheduler's flow shift; None leaves what the base was saved with.
    Source: Bai et al., "Scaling Instruction-Based Video Editing with a High-Quality Synthetic
    Dataset", CVPR 2026, arXiv 2510.15742; Jiang et al., "VACE", arXiv 2503.07598.
    """

    lora: str | None = None
    lora_scale: float = 1.0
    shift: float | None = 5.0
    control_scale: float = 1.0
    overlap: int = 5

    name: ClassVar[str] = "ditto"
    pipeline: ClassVar[str] = "WanVACEPipeline"
    kinds: ClassVar[tuple[str, ...]] = ("WanVACEPipeline",)
    conditioned: ClassVar[bool] = True
    blend: ClassVar[str] = "{} made frames condition the next"

    def __post_init__(self) -> None:
        super().__post_init__()
        good = self.overlap == 0 or self.overlap % 4 == 1
        self.expect("overlap", good, "0, or 4k+1: frames that fill whole latent frames")
        self.expect("shift", self.shift is None or self.shift > 0, "above 0, or nothing")

    def stages(self) -> tuple[Stage, ...]:
        """Name the adapter."""
        lora = self.adapter()
        found = f"{lora.path.name}, {lora.matrices} matrices" if lora else "none: plain VACE"
        return (Stage("adapter", lora is not None, found),)

    def adapter(self) -> LoraFile | None:
        """Return Ditto's own weights."""
        return None if self.lora is None else find_lora(self.lora, "ditto.lora")

    def prepare(self, pipeline: Any) -> None:
        """Set the scheduler's shift and load the adapter."""
        from simlift.engines.diffusers._adapters import put_adapter
        from simlift.engines.diffusers._ditto import set_flow_shift

        if self.shift is not None:
            set_flow_shift(pipeline, self.shift)
        if (lora := self.adapter()) is not None:
            put_adapter(pipeline, lora, self.lora_scale, wan_name)

    def source(self, window: Window, previous: PreviousFrames | None) -> Frames:
        """Return the frames that were made before, and the render behind them."""
        if previous is None:
            return window.rgb
        return np.concatenate([previous, window.rgb[len(previous) :]])

    def arguments(
        self, images: list[Image.Image], previous: list[Image.Image], window: Window
    ) -> dict[str, Any]:
        """Return the control, with black masks over the frames that stay."""
        del window
        codes = [_KEEP if i < len(previous) else _MAKE for i in range(len(images))]
        return {
            "video": images,
            "mask": [Image.new("L", images[0].size, code) for code in codes],
            "conditioning_scale": self.control_scale,
        }
