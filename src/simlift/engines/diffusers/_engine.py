"""Run a diffusers pipeline on windows: letterbox, call, undo, and blend or cut off the overlap."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import diffusers
import torch
from PIL.Image import Image

from simlift.core.errors import RecipeError, RunError
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.window_blend import blend_window
from simlift.models.hub._device import open_device
from simlift.models.hub._pipelines import (
    free_memory,
    load_pipeline,
    place_pipeline,
    to_frames,
    to_pil,
)
from simlift.models.hub.offload import Dtype, Offload
from simlift.models.hub.pipeline_folder import PipelineFolder


class Model(Protocol):
    """What is read of a model's settings; PipelineSpec describes each."""

    name: ClassVar[str]
    pipeline: ClassVar[str]
    conditioned: ClassVar[bool]

    @property
    def prompt(self) -> str: ...
    @property
    def negative_prompt(self) -> str: ...
    @property
    def steps(self) -> int: ...
    @property
    def guidance(self) -> float: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def offload(self) -> Offload: ...
    @property
    def tiling(self) -> bool: ...
    def folder(self) -> PipelineFolder: ...
    def shape(self, folder: PipelineFolder) -> Shape: ...
    def components(self, dtype: torch.dtype) -> dict[str, Any]: ...
    def prepare(self, pipeline: Any) -> None: ...
    def source(self, window: Window, previous: PreviousFrames | None) -> Frames: ...
    def arguments(
        self, images: list[Image], previous: list[Image], window: Window
    ) -> dict[str, Any]: ...


@contextmanager
def open_engine(model: Model, device: str) -> Iterator["PipelineEngine"]:
    """Load a model's pipeline; its memory is freed afterwards."""
    place = open_device(device)
    if model.offload != "none" and place.type == "cpu":
        raise RecipeError(
            "offload",
            f"found {model.offload!r} with --device cpu",
            allowed="'none' on the CPU: weights are moved between its memory and a GPU's",
            way_out="give --device cuda",
        )
    dtype: torch.dtype = getattr(torch, model.dtype)
    folder, parts = model.folder(), model.components(dtype)
    pipeline = load_pipeline(getattr(diffusers, model.pipeline), folder, dtype, parts)
    try:
        if model.tiling:
            pipeline.vae.enable_tiling()
        model.prepare(pipeline)
        place_pipeline(pipeline, place, model.offload)
        yield PipelineEngine(model, pipeline, model.shape(folder))
    finally:
        del pipeline
        free_memory(place)


class PipelineEngine:
    """The opened pipeline."""

    def __init__(self, model: Model, pipeline: Any, shape: Shape) -> None:
        self._model, self._pipeline, self._shape = model, pipeline, shape

    def told(self, prompt: str) -> "PipelineEngine":
        """Return the engine under another prompt, over the same weights."""
        model: Model = replace(self._model, prompt=prompt)  # type: ignore[type-var]
        return PipelineEngine(model, self._pipeline, self._shape)

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the frames after the overlap."""
        del sample
        model, how = self._model, self._shape.letterbox(*window.size)
        seen = self._shape.apply(model.source(window, previous), how)
        made_before = [] if previous is None else to_pil(how.apply(previous))
        arguments = {
            "prompt": model.prompt,
            "negative_prompt": model.negative_prompt,
            "height": seen.shape[1],
            "width": seen.shape[2],
            "num_frames": len(seen),
            "num_inference_steps": model.steps,
            "guidance_scale": model.guidance,
            **model.arguments(to_pil(seen), made_before, window),
        }
        made = run(self._pipeline, model.name, seed, arguments)
        frames = self._shape.undo(made, how, len(window))
        return frames[len(made_before) :] if model.conditioned else blend_window(frames, previous)


def run(pipeline: Any, engine: str, seed: int, arguments: Mapping[str, Any]) -> Frames:
    """Return the frames that a pipeline makes, uint8 [t h w 3].

    Noise is drawn on the CPU, so that a seed means the same on every device; each window of a clip
    starts from the same noise, which keeps its look.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    try:
        video = pipeline(**arguments, generator=generator, output_type="np").frames[0]
    except torch.cuda.OutOfMemoryError as error:
        raise RunError(
            f"--engine {engine}",
            "the GPU's memory is full",
            way_out="set offload=model or offload=layer, tiling=true, fewer frames, or a "
            "smaller resolution",
        ) from error
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise RunError(f"--engine {engine}", f"the pipeline refused: {reason}") from error
    return to_frames(video, f"--engine {engine}")
