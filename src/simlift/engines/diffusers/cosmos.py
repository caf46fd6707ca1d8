"""Cosmos-Transfer2.5 as a frozen value: a control video drawn from the clip, footage out."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from PIL.Image import Image

from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Stage, WindowSize
from simlift.core.window import Frames, PreviousFrames, Window
from simlift.engines.diffusers.cosmos_controls import NEEDS, ControlName, draw
from simlift.engines.diffusers.pipeline_spec import PipelineSpec
from simlift.engines.diffusers.settings import DESCRIPTION
from simlift.engines.diffusers.weights import find_base
from simlift.models.hub.pipeline_folder import PipelineFolder, check_whole
from simlift.models.wan.base_model import EXTRA

GuardrailName: TypeAlias = Literal["nvidia", "own"]


@dataclass(frozen=True, kw_only=True)
class Cosmos(PipelineSpec):
    """Generate under one control of the clip: `edge`, `depth`, `seg` or `blur`.

    `base` is the folder of nvidia/Cosmos-Transfer2.5-2B at its revision diffusers/general, and
    `controlnet` the folder of its revision diffusers/controlnet/general/<control>; None takes the
    control network that lies in the base. The network makes chunks of `frames` (93 as trained),
    each conditioned on the last frame of the one before; `chunks` of them are a window, which
    memory must hold. The pipeline is not conditioned on an earlier window, so each window makes
    `overlap` frames again, and what differs there in colour fades out over twice as many frames.

    `guardrail`: the licence asks for one. "nvidia" is the package cosmos_guardrail; "own" says that
    you check prompts and takes with an equal one of your own, and checks nothing here.
    Source: NVIDIA, "World Simulation with Video Foundation Models for Physical AI", arXiv
    2511.00062; diffusers `Cosmos2_5_TransferPipeline`.
    """

    controlnet: str | None = None
    control: ControlName = "edge"
    control_scale: float = 1.0
    near: float = 0.5
    far: float = 100.0
    prompt: str = DESCRIPTION
    steps: int = 36
    guidance: float = 3.0
    frames: int = 93
    chunks: int = 1
    guardrail: GuardrailName = "nvidia"

    name: ClassVar[str] = "cosmos"
    pipeline: ClassVar[str] = "Cosmos2_5_TransferPipeline"
    kinds: ClassVar[tuple[str, ...]] = ("Cosmos2_5_TransferPipeline",)
    least: ClassVar[int] = 5  # a shorter control video leaves the pipeline without a chunk

    def __post_init__(self) -> None:
        super().__post_init__()
        self.expect("chunks", self.chunks >= 1, "at least 1")
        self.expect("near", 0 < self.near < self.far, f"0 < near < far, which is {self.far} m")

    def needs(self) -> frozenset[Layer]:
        """Colour, and the layer that the control shows."""
        return frozenset({Layer.RGB}) | NEEDS[self.control]

    def window_size(self) -> WindowSize:
        return WindowSize(self.frames + (self.chunks - 1) * (self.frames - 1), self.overlap)

    def stages(self) -> tuple[Stage, ...]:
        """Name the control and the guardrail; MissingLibrary where it is not installed."""
        self.check_libraries()
        return (
            Stage("control", True, f"{self.control} at {self.control_scale:g}"),
            Stage("guardrail", self.guardrail == "nvidia", self.guardrail),
        )

    def check_libraries(self) -> None:
        """Raise MissingLibrary where the guardrail that the licence asks for is not installed."""
        if self.guardrail == "nvidia" and importlib.util.find_spec("cosmos_guardrail") is None:
            raise MissingLibrary(
                "cosmos_guardrail (pip install cosmos_guardrail; NVIDIA's licence asks for it)",
                "--engine cosmos",
                EXTRA,
            )

    def folder(self) -> PipelineFolder:
        """Return the base on disk, whole."""
        parts = self.parts if self.controlnet else (*self.parts, "controlnet")
        folder = find_base(self.base, self.name, self.kinds, parts)
        if self.controlnet is not None:
            _check_network(Path(self.controlnet))
        return folder

    def components(self, dtype: Any) -> dict[str, Any]:
        """Return the control network that is named, and the guardrail that checks nothing."""
        from simlift.engines.diffusers._cosmos import (
            OwnGuardrail,
            check_torchvision,
            load_control_network,
        )

        self.check_libraries()
        check_torchvision()
        parts: dict[str, Any] = {}
        if self.controlnet is not None:
            parts["controlnet"] = load_control_network(Path(self.controlnet), dtype)
        if self.guardrail == "own":
            parts["safety_checker"] = OwnGuardrail()
        return parts

    def source(self, window: Window, previous: PreviousFrames | None) -> Frames:
        """Return the control video."""
        del previous
        return draw(window, self.control, self.near, self.far)

    def arguments(
        self, images: list[Image], previous: list[Image], window: Window
    ) -> dict[str, Any]:
        """Return the control; chunks are whole, as trained, however short the window is."""
        del previous, window
        return {
            "controls": images,
            "controls_conditioning_scale": self.control_scale,
            "num_frames_per_chunk": self.frames,
        }


def _check_network(folder: Path) -> None:
    """Raise RecipeError unless a folder holds a control network, whole."""
    files = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not files:
        raise RecipeError(
            "cosmos.controlnet",
            f"{folder} holds no control network",
            allowed="a folder with config.json and *.safetensors",
            way_out="download the revision diffusers/controlnet/general/edge of the model",
        )
    for file in files:
        check_whole(file)
