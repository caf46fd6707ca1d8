"""Group the keyframed engine's settings by stage, checked when made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from simlift.core.errors import RecipeError
from simlift.engines.wan.settings import NEGATIVE

Where: TypeAlias = Literal["first-last", "first", "none"]
ControlName: TypeAlias = Literal["edges", "engine-edges", "depth"]

_INSTRUCTION = (
    "Turn this computer-generated image into a photograph taken with a real camera: real skin, "
    "hair, cloth, metal, wood and ground under natural light. Keep the camera, the composition and "
    "every object, person, face, expression, pose, colour and text exactly where and as they are."
)


def expect(name: str, found: object, good: bool, allowed: str) -> None:
    """Raise RecipeError for a setting whose value is not allowed."""
    if not good:
        raise RecipeError(f"keyframed.{name}", f"found {found}", allowed=allowed)


@dataclass(frozen=True)
class Editing:
    """How anchors are edited.

    guidance: of Qwen's true classifier-free guidance, which runs only above 1 and beside a
        negative text; an editor without it hardly leaves the render.
    lora: a *.safetensors of a few-step distillation; it wants steps 4 or 8 and guidance 1.
    pixels: area of the edit; Qwen's editors know 1 megapixel.
    """

    instruction: str = _INSTRUCTION
    negative: str = " "
    steps: int = 40
    guidance: float = 4.0
    lora: Path | None = None
    pixels: int = 1024 * 1024

    def __post_init__(self) -> None:
        expect("editing.steps", self.steps, self.steps >= 1, "at least 1")
        expect("editing.pixels", self.pixels, self.pixels >= 64 * 64, "at least 4096")
        expect(
            "editing.guidance",
            self.guidance,
            self.guidance > 1 or (self.lora is not None and self.guidance == 1),
            "above 1; 1 (no guidance) only beside editing.lora",
        )
        expect("editing.negative", repr(self.negative), bool(self.negative), "a text; ' ' for none")


@dataclass(frozen=True)
class Propagation:
    """How the frames between anchors are generated.

    steps, guidance, shift: 50, 5 and 16 are VACE's own; `guidance_low` is of the low-noise expert
        of models that have two, by default the same.
    strength: of the condition, in every layer that has one.
    box: (height, width) inside which frames are made; None makes them at their own size.
    """

    negative: str = NEGATIVE
    steps: int = 50
    guidance: float = 5.0
    guidance_low: float | None = None
    shift: float = 16.0
    strength: float = 1.0
    box: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        expect("propagation.steps", self.steps, self.steps >= 1, "at least 1")
        expect("propagation.shift", self.shift, self.shift > 0, "above 0")
        expect("propagation.guidance", self.guidance, self.guidance >= 1, "at least 1")
        low = self.guidance_low
        expect("propagation.guidance_low", low, low is None or low >= 1, "at least 1")
        expect("propagation.strength", self.strength, self.strength >= 0, "0 or more")
        expect(
            "propagation.box", self.box, self.box is None or min(self.box) >= 16, "sides from 16"
        )


@dataclass(frozen=True)
class Drawing:
    """How the control is drawn.

    low, high: Canny's thresholds. white_on_black: the polarity of edges; Canny's own is white on
        black, VACE's scribbles may be the other way round.
    depth_step, angle: what counts as a step and a fold of the geometry, in shares and radians.
    near, far: metres that are white and black in depth; by default the clip's own range.
    """

    low: float = 100.0
    high: float = 200.0
    white_on_black: bool = True
    depth_step: float = 0.03
    angle: float = 0.6
    near: float | None = None
    far: float | None = None

    def __post_init__(self) -> None:
        expect("drawing.high", self.high, 0 <= self.low <= self.high, "low <= high, from 0")
        known = (self.near is None) + (self.far is None)
        good = known == 2 or (
            known == 0 and self.near is not None and self.far is not None
            and 0 < self.near < self.far
        )  # fmt: skip
        expect("drawing.near, far", (self.near, self.far), good, "none, or 0 < near < far")


@dataclass(frozen=True)
class AnchorGate:
    """How well an edited anchor must lie over its render.

    The defaults come from renders and their path-traced twins, which lie exactly over each other
    in another light: edges agree by 0.74 and 0.78, shifts are measured as 0.09 and 0.05 pixels and
    zooms as below 0.0003. A shift of 2 pixels or a zoom of 0.01 is found to within 0.1 of itself.
    """

    min_edge_f1: float = 0.45
    max_shift: float = 1.0  # pixels of the clip
    max_zoom: float = 0.005
