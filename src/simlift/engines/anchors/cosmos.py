"""Make first frames by Cosmos-Transfer2.5: one frame, generated under a control of the render."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from simlift.core.clip import Clip
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors.protocols import Image, OpenAnchorMaker
from simlift.engines.anchors.scenes import Scene, check_template, fill_template
from simlift.engines.diffusers.cosmos import Cosmos, GuardrailName
from simlift.engines.diffusers.cosmos_controls import ControlName
from simlift.models.hub.offload import Dtype, Offload

if TYPE_CHECKING:
    from simlift.engines.diffusers._engine import PipelineEngine

_DESCRIPTION = (
    "Real camera footage of a robot arm at work in {environment}. Behind it: {background}. "
    "{caption}. The objects are {objects}. {light}, true materials, fine surface detail, soft "
    "shadows, sharp focus."
)
_FRAMES = 5  # the fewest that diffusers' pipeline makes: one latent frame beside the first


@dataclass(frozen=True)
class CosmosAnchors:
    """Generate the first frame by Cosmos-Transfer2.5 under one control of the render.

    base, controlnet, control, control_scale, near, far: as of --engine cosmos.
    prompt: a description that may name {environment}, {background}, {objects}, {light} and the
        clip's {caption}.
    guardrail: "nvidia", or "own" where you check prompts and pictures with an equal one.

    NVIDIA's own release makes single images and can hold a region by a guided generation mask;
    diffusers' pipeline has no such mask and makes 5 frames at least, of which the first is taken.
    So what became of the robot is left to the gate of first frames.
    """

    base: str
    controlnet: str | None = None
    control: ControlName = "edge"
    control_scale: float = 1.0
    near: float = 0.5
    far: float = 100.0
    prompt: str = _DESCRIPTION
    steps: int = 36
    guidance: float = 3.0
    resolution: tuple[int, int] | None = None
    guardrail: GuardrailName = "nvidia"
    dtype: Dtype = "bfloat16"
    offload: Offload = "none"

    repaints: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_template("first_frames.settings.prompt", self.prompt)
        self.spec()

    def spec(self) -> Cosmos:
        """Return the engine that makes one frame."""
        return Cosmos(
            self.base,
            controlnet=self.controlnet,
            control=self.control,
            control_scale=self.control_scale,
            near=self.near,
            far=self.far,
            prompt=self.prompt,
            steps=self.steps,
            guidance=self.guidance,
            frames=_FRAMES,
            overlap=0,
            resolution=self.resolution,
            guardrail=self.guardrail,
            dtype=self.dtype,
            offload=self.offload,
        )

    def needs(self) -> frozenset[Layer]:
        return self.spec().needs()

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def check(self, clip: Clip) -> str:
        """Say what generates; RecipeError or MissingLibrary where the model is not there."""
        self.spec().check(clip)
        return (
            f"cosmos under {self.control}, {self.steps} steps; no guided generation mask holds the "
            "robot, the gate judges it"
        )

    @contextmanager
    def open(self, device: str) -> Iterator[OpenAnchorMaker]:
        """Load the weights; leaving the context frees them."""
        from simlift.engines.diffusers._engine import open_engine

        with open_engine(self.spec(), device) as engine:
            yield _Generator(engine, self.prompt)


@dataclass(frozen=True)
class _Generator:
    engine: "PipelineEngine"
    prompt: str

    def make(self, window: Window, *, sample: ClipSample, scene: Scene, seed: int) -> Image:
        """Return the first frame, generated in the scene."""
        told = self.engine.told(fill_template(self.prompt, window.caption, scene))
        return told.lift(window.frame(0), sample=sample, previous=None, seed=seed)[0]
