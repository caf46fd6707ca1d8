"""A window's control video -> the window as Cosmos-Transfer2.5 makes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffusers import Cosmos2_5_TransferPipeline, CosmosControlNetModel
from diffusers.models.controlnets import controlnet_cosmos
from diffusers.models.transformers import transformer_cosmos
from jaxtyping import UInt8
from numpy import ndarray

from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.window import ClipSample, Frames, PreviousFrames, Window
from simlift.engines.diffusers._pipelines import Placement, opened, pictures, run, settle
from simlift.engines.diffusers.cosmos import Cosmos
from simlift.engines.diffusers.cosmos_controls import draw
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.weights import EXTRA
from simlift.engines.diffusers.window_blend import continued


@contextmanager
def open_cosmos(spec: Cosmos, device: str) -> Iterator["CosmosEngine"]:
    """Load the pipeline of a spec with its control network and guardrail."""
    spec.check_libraries()
    _check_torchvision()
    place = Placement(device, spec.dtype, spec.offload, spec.tiling)
    folder = spec.folder()
    parts: dict[str, Any] = {}
    if spec.controlnet is not None:
        parts["controlnet"] = _network(Path(spec.controlnet), place)
    if spec.guardrail == "own":
        parts["safety_checker"] = OwnGuardrail()
    with opened(Cosmos2_5_TransferPipeline, folder, place, parts) as pipeline:
        settle(pipeline, place)
        yield CosmosEngine(spec, pipeline, spec.shape(folder))


class CosmosEngine:
    """The opened pipeline."""

    def __init__(self, spec: Cosmos, pipeline: Any, shape: Shape) -> None:
        self._spec, self._pipeline, self._shape = spec, pipeline, shape

    def lift(
        self, window: Window, *, sample: ClipSample, previous: PreviousFrames | None, seed: int
    ) -> Frames:
        """Return the generated frames after the overlap."""
        del sample
        spec, how = self._spec, self._shape.letterbox(*window.size)
        controls = draw(window, spec.control, spec.near, spec.far)
        seen = self._shape.apply(controls, how)
        made = run(
            self._pipeline,
            "cosmos",
            seed,
            {
                "controls": pictures(seen),
                "controls_conditioning_scale": spec.control_scale,
                "prompt": spec.prompt,
                "negative_prompt": spec.negative_prompt,
                "height": seen.shape[1],
                "width": seen.shape[2],
                "num_frames": len(seen),
                # Whole chunks, as trained, however short the window is.
                "num_frames_per_chunk": spec.frames,
                "num_inference_steps": spec.steps,
                "guidance_scale": spec.guidance,
            },
        )
        return continued(self._shape.undo(made, how, len(window)), previous)


class OwnGuardrail:
    """Stands where NVIDIA's guardrail does, for those who check prompts and takes themselves."""

    def to(self, *place: object, **how: object) -> "OwnGuardrail":
        """Move nothing."""
        del place, how
        return self

    def check_text_safety(self, prompt: str) -> bool:
        """Leave prompts to their writer."""
        del prompt
        return True

    def check_video_safety(
        self, frames: UInt8[ndarray, "t h w 3"]
    ) -> UInt8[ndarray, "t h w 3"] | None:
        """Leave frames as they are; a guardrail blurs faces, or returns None for unsafe ones."""
        return frames


def _network(folder: Path, place: Placement) -> Any:
    try:
        return CosmosControlNetModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=place.precision
        )
    except Exception as error:  # of diffusers, safetensors and the config
        reason = str(error).strip().partition("\n")[0][:300]
        raise RecipeError(
            "cosmos.controlnet",
            f"{folder} cannot be loaded ({type(error).__name__}: {reason})",
            allowed="a CosmosControlNetModel in its diffusers layout",
        ) from error


def _check_torchvision() -> None:
    """diffusers resizes the padding mask of these two networks with torchvision."""
    if not all(hasattr(module, "transforms") for module in (transformer_cosmos, controlnet_cosmos)):
        raise MissingLibrary("torchvision (pip install torchvision)", "--engine cosmos", EXTRA)
