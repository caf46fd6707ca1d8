"""Cosmos-Transfer2.5 as a frozen value: a control video drawn from the clip, footage out."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simlift.core.clip import Clip
from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Engine, Stage, WindowSize
from simlift.engines.diffusers.cosmos_controls import NEEDS, ControlName
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
from simlift.engines.diffusers.weights import EXTRA, find_base, plan_stages, wan_shape
from simlift.models.hub.pipeline_folder import PipelineFolder, check_whole

_PARTS = ("transformer", "vae", "text_encoder")
_LEAST = 5  # frames: a shorter control video leaves the pipeline without a chunk


@dataclass(frozen=True)
class Cosmos:
    """Generate under one control of the clip: `edge`, `depth`, `seg` or `blur`.

    `base` is the folder of nvidia/Cosmos-Transfer2.5-2B at its revision diffusers/general, and
    `controlnet` the folder of its revision diffusers/controlnet/general/<control>; None takes the
    control network that lies in the base. The network makes chunks of `frames` (93 as trained),
    each conditioned on the last frame of the one before; `chunks` of them are a window, which
    memory must hold. The pipeline cannot go on from an earlier window, so each window makes
    `overlap` frames again, and what differs there in colour fades out over twice as many frames.

    `guardrail`: the licence asks for one. "nvidia" is the package cosmos_guardrail; "own" says that
    you check prompts and takes with an equal one of your own, and checks nothing here.
    Source: NVIDIA, "World Simulation with Video Foundation Models for Physical AI", arXiv
    2511.00062; diffusers `Cosmos2_5_TransferPipeline`.
    """

    base: str
    controlnet: str | None = None
    control: ControlName = "edge"
    control_scale: float = 1.0
    near: float = 0.5
    far: float = 100.0
    prompt: str = DESCRIPTION
    negative_prompt: str = NEGATIVE_PROMPT
    steps: int = 36
    guidance: float = 3.0
    frames: int = 93
    chunks: int = 1
    overlap: int = 8
    resolution: tuple[int, int] | None = None  # a box of height and width that frames are fitted to
    guardrail: Literal["nvidia", "own"] = "nvidia"
    dtype: Dtype = "bfloat16"
    offload: Offload = "none"
    tiling: bool = False

    def __post_init__(self) -> None:
        check_settings(
            "cosmos",
            prompt=self.prompt,
            steps=self.steps,
            guidance=self.guidance,
            resolution=self.resolution,
        )
        check_window("cosmos", self.frames, self.overlap, 4)
        if self.chunks < 1:
            raise RecipeError("cosmos.chunks", f"found {self.chunks}", allowed="at least 1")
        if not 0 < self.near < self.far:
            raise RecipeError(
                "cosmos.near, cosmos.far",
                f"found {self.near} m and {self.far} m",
                allowed="0 < near < far",
            )

    @classmethod
    def licence(cls) -> str:
        """Say under which terms the weights come."""
        return licence_of("cosmos")

    def needs(self) -> frozenset[Layer]:
        """Colour, and the layer that the control shows."""
        return frozenset({Layer.RGB}) | NEEDS[self.control]

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        return WindowSize(self.frames + (self.chunks - 1) * (self.frames - 1), self.overlap)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Check weights and libraries; RecipeError or MissingLibrary says what is wrong."""
        folder = self.folder()
        self.check_libraries()
        seam = f"{self.overlap} overlap, colour eased" if self.overlap else "no overlap"
        return (
            *plan_stages(
                "cosmos", clip, folder, _PARTS, self.shape(folder), self.window_size(), seam
            ),
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
        parts = _PARTS if self.controlnet else (*_PARTS, "controlnet")
        folder = find_base(self.base, "cosmos", ("Cosmos2_5_TransferPipeline",), parts)
        if self.controlnet is not None:
            _check_network(Path(self.controlnet))
        return folder

    def shape(self, folder: PipelineFolder) -> Shape:
        """Return the sizes that the base takes."""
        return wan_shape(folder, self.resolution, _LEAST)

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Load the weights."""
        from simlift.engines.diffusers._cosmos import open_cosmos

        with open_cosmos(self, device) as engine:
            yield engine


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
