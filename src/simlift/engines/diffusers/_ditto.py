"""A window of the render -> the window as VACE makes it with Ditto's adapter."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from diffusers import WanVACEPipeline
from PIL import Image

from simlift.core.errors import RecipeError
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
from simlift.engines.diffusers._vace_lora import read_vace_lora
from simlift.engines.diffusers.ditto import Ditto
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.weights import LoraFile

_KEEP, _MAKE = 0, 255  # of VACE's masks


@contextmanager
def open_ditto(spec: Ditto, device: str) -> Iterator["DittoEngine"]:
    """Load the pipeline of a spec with its adapter."""
    place = Placement(device, spec.dtype, spec.offload, spec.tiling)
    folder = spec.folder()
    with opened(WanVACEPipeline, folder, place, {}) as pipeline:
        if spec.shift is not None:
            _shift(pipeline, spec.shift)
        if (lora := spec.adapter()) is not None:
            _adapt(pipeline, lora, spec.lora_scale)
        settle(pipeline, place)
        yield DittoEngine(spec, pipeline, spec.shape(folder))


class DittoEngine:
    """The opened pipeline."""

    def __init__(self, spec: Ditto, pipeline: Any, shape: Shape) -> None:
        self._spec, self._pipeline, self._shape = spec, pipeline, shape

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the frames after the overlap, which VACE goes on from."""
        del sample
        kept = 0 if previous is None else len(previous)
        control = window.rgb if previous is None else np.concatenate([previous, window.rgb[kept:]])
        how = self._shape.letterbox(*window.size)
        seen = self._shape.apply(control, how)
        made = run(
            self._pipeline,
            "ditto",
            seed,
            {
                "video": pictures(seen),
                "mask": _masks(kept, seen),
                "prompt": self._spec.prompt,
                "negative_prompt": self._spec.negative_prompt,
                "conditioning_scale": self._spec.control_scale,
                "height": seen.shape[1],
                "width": seen.shape[2],
                "num_frames": len(seen),
                "num_inference_steps": self._spec.steps,
                "guidance_scale": self._spec.guidance,
            },
        )
        return self._shape.undo(made, how, len(window))[kept:]


def _masks(kept: int, frames: Frames) -> list[Image.Image]:
    """Return black masks for the frames that stay, white ones for those that are made."""
    size = (frames.shape[2], frames.shape[1])
    codes = [_KEEP if i < kept else _MAKE for i in range(len(frames))]
    return [Image.new("L", size, code) for code in codes]


def _shift(pipeline: Any, shift: float) -> None:
    config = pipeline.scheduler.config
    key = next((key for key in ("flow_shift", "shift") if key in config), None)
    if key is None:
        raise RecipeError(
            "ditto.shift",
            f"{type(pipeline.scheduler).__name__} has no flow shift",
            way_out="leave it away: --set shift=null",
        )
    pipeline.scheduler = type(pipeline.scheduler).from_config(config, **{key: shift})


def _adapt(pipeline: Any, lora: LoraFile, scale: float) -> None:
    with adapter_errors(lora, "ditto.lora"):
        weights = read_vace_lora(lora, pipeline.transformer)
        pipeline.transformer.load_lora_adapter(weights, adapter_name=ADAPTER, prefix=None)
        pipeline.transformer.set_adapters([ADAPTER], [scale])
        check_adapter(pipeline, lora, "ditto.lora")
