"""A window of the render -> the window as Lucy-Edit's pipeline makes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import LucyEditPipeline

from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.diffusers._pipelines import Placement, opened, pictures, run, settle
from simlift.engines.diffusers.lucy import Lucy
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.window_blend import continued


@contextmanager
def open_lucy(spec: Lucy, device: str) -> Iterator["LucyEngine"]:
    """Load the pipeline of a spec."""
    place = Placement(device, spec.dtype, spec.offload, spec.tiling)
    folder = spec.folder()
    with opened(LucyEditPipeline, folder, place, {}) as pipeline:
        settle(pipeline, place)
        yield LucyEngine(spec, pipeline, spec.shape(folder))


class LucyEngine:
    """The opened pipeline."""

    def __init__(self, spec: Lucy, pipeline: Any, shape: Shape) -> None:
        self._spec, self._pipeline, self._shape = spec, pipeline, shape

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the edited frames after the overlap."""
        del sample
        how = self._shape.letterbox(*window.size)
        seen = self._shape.apply(window.rgb, how)
        made = run(
            self._pipeline,
            "lucy",
            seed,
            {
                "video": pictures(seen),
                "prompt": self._spec.prompt,
                "negative_prompt": self._spec.negative_prompt,
                "height": seen.shape[1],
                "width": seen.shape[2],
                "num_frames": len(seen),
                "num_inference_steps": self._spec.steps,
                "guidance_scale": self._spec.guidance,
            },
        )
        return continued(self._shape.undo(made, how, len(window)), previous)
