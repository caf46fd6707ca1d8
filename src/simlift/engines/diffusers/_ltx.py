"""A window of the render -> the window as LTX-2 makes it under the render's tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import LTX2InContextPipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition

from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.diffusers._pipelines import (
    ADAPTER,
    Placement,
    adapter_errors,
    check_adapter,
    opened,
    pictures,
    run,
    settle,
)
from simlift.engines.diffusers.ltx import Ltx
from simlift.engines.diffusers.shape import Shape


@contextmanager
def open_ltx(spec: Ltx, device: str) -> Iterator["LtxEngine"]:
    """Load the pipeline of a spec with its adapter."""
    place = Placement(device, spec.dtype, spec.offload, spec.tiling)
    folder, lora = spec.folder(), spec.adapter()
    factor = spec.factor(lora)
    with opened(LTX2InContextPipeline, folder, place, {}) as pipeline:
        with adapter_errors(lora, "ltx.lora"):
            pipeline.load_lora_weights(
                str(lora.path.parent),
                weight_name=lora.path.name,
                adapter_name=ADAPTER,
                local_files_only=True,
                use_safetensors=True,
            )
            pipeline.set_adapters([ADAPTER], [spec.lora_scale])
            check_adapter(pipeline, lora, "ltx.lora")
        settle(pipeline, place)
        yield LtxEngine(spec, pipeline, spec.shape(folder, factor), factor)


class LtxEngine:
    """The opened pipeline."""

    def __init__(self, spec: Ltx, pipeline: Any, shape: Shape, factor: int) -> None:
        self._spec, self._pipeline, self._shape, self._factor = spec, pipeline, shape, factor

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the frames after the overlap, which begins the window."""
        del sample
        spec, how = self._spec, self._shape.letterbox(*window.size)
        seen = self._shape.apply(window.rgb, how)
        made = run(
            self._pipeline,
            "ltx",
            seed,
            {
                "prompt": spec.prompt,
                "negative_prompt": spec.negative_prompt,
                "reference_conditions": [
                    LTX2ReferenceCondition(pictures(seen), spec.reference_strength)
                ],
                "conditions": None
                if previous is None
                else [LTX2VideoCondition(pictures(how.apply(previous)), index=0, strength=1.0)],
                "reference_downscale_factor": self._factor,
                "height": seen.shape[1],
                "width": seen.shape[2],
                "num_frames": len(seen),
                "frame_rate": window.fps,
                "num_inference_steps": spec.steps,
                "guidance_scale": spec.guidance,
                "stg_scale": spec.skip_layer_guidance,
                "spatio_temporal_guidance_blocks": list(spec.skipped_layers),
                "modality_scale": spec.modality_guidance,
            },
        )
        return self._shape.undo(made, how, len(window))[0 if previous is None else len(previous) :]
