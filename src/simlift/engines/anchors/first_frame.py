"""Make the first frame of a take: draw its place, make it, judge it, and try new seeds."""

from dataclasses import dataclass, field
from typing import cast

import numpy as np
from jaxtyping import UInt8

from simlift.core.errors import RecipeError, RunError
from simlift.core.recipe import derive_seed, load_class
from simlift.core.strict_json import decode
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors.gate import FirstFrameGate, judge_first_frame, robot_region
from simlift.engines.anchors.protocols import AnchorMaker, Image, OpenAnchorMaker
from simlift.engines.anchors.scenes import draw_scene, fill_template

MAKERS = {
    "photographic": "simlift.engines.anchors.photographic:PhotographicAnchors",
    "editor": "simlift.engines.anchors.edited:EditedAnchors",
    "cosmos": "simlift.engines.anchors.cosmos:CosmosAnchors",
}
_METHODS = ("needs", "uses", "check", "open")
_KEPT = "Real camera footage of a robot arm at work. {caption}. True materials, sharp focus."
_REPAINTED = (
    "Real camera footage of a robot arm at work in {environment}. Behind it: {background}. "
    "{caption}. The objects are {objects}. {light}, true materials, sharp focus."
)


@dataclass(frozen=True)
class FirstFrames:
    """How first frames are made and judged, for an engine that goes on from one.

    maker: photographic, editor or cosmos, or your own as module:Class; its settings beside it.
    attempts: seeds that are tried until a frame passes the gate.
    """

    maker: str = "photographic"
    settings: dict[str, object] = field(default_factory=dict)
    attempts: int = 3
    gate: FirstFrameGate = FirstFrameGate()

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise RecipeError(
                "first_frames.attempts", f"found {self.attempts}", allowed="at least 1"
            )

    def spec(self) -> AnchorMaker:
        """Return the maker; RecipeError where there is none of this name, or a setting is wrong."""
        if self.maker not in MAKERS and ":" not in self.maker:
            raise RecipeError(
                "first_frames.maker",
                f"found {self.maker!r}",
                allowed=f"{', '.join(MAKERS)}, or module:Class",
            )
        kind = load_class(MAKERS.get(self.maker, self.maker), _METHODS)
        return cast(AnchorMaker, decode(self.settings, kind, "first_frames.settings"))


@dataclass(frozen=True, eq=False)
class FirstFrame:
    """A first frame that passed: the picture, and in words what was made and measured."""

    picture: Image
    note: str


def prompt_of(prompt: str, maker: AnchorMaker, caption: str, seed: int) -> str:
    """Return what the video of a take shows, in words; its first frame shows the same.

    An empty prompt stands for a template: of the drawn scene where the maker repaints the place,
    else of the caption alone, for words of a kitchen that nothing shows would be false.
    """
    template = prompt or (_REPAINTED if maker.repaints else _KEPT)
    return fill_template(template, caption, draw_scene(_scene_seed(seed)))


def make_first_frame(
    frames: FirstFrames,
    maker: OpenAnchorMaker,
    window: Window,
    sample: ClipSample,
    skeleton: UInt8[np.ndarray, "h w 3"],
    seed: int,
) -> FirstFrame:
    """Make the first frame of a window; RunError names what was measured where none passes.

    `skeleton` is the control's first frame, from which the robot's pixels are taken where no
    segmentation tells them. The scene stays that of the take over all attempts.
    """
    region, source = robot_region(window, skeleton, frames.gate.robot_classes)
    scene, reasons, words = draw_scene(_scene_seed(seed)), tuple[str, ...](), ""
    for attempt in range(frames.attempts):
        number = derive_seed(seed, "first frame", str(attempt))
        made = maker.make(window, sample=sample, scene=scene, seed=number)
        if made.shape != window.rgb.shape[1:] or made.dtype != np.uint8:
            raise RunError(
                f"first_frames.maker {frames.maker}",
                f"made {made.dtype} {made.shape}",
                allowed=f"uint8 {window.rgb.shape[1:]}",
                way_out="mend the maker",
            )
        found = judge_first_frame(window.rgb[0], made, region)
        reasons, words = found.reasons(frames.gate), found.words()
        if not reasons:
            return FirstFrame(
                made,
                f"first frame: {frames.maker}, seed {attempt + 1} of {frames.attempts}; "
                f"{words} (robot from {source})",
            )
    raise RunError(
        f"frame {window.indices[0]}",
        f"no first frame of {frames.attempts} by {frames.maker} passes its gate; of the last, "
        f"{'; '.join(reasons)} (measured: {words})",
        way_out="try more seeds with --set first_frames.attempts=..., another "
        "first_frames.maker, or allow more with --set first_frames.gate.max_shift=...",
    )


def _scene_seed(seed: int) -> int:
    return derive_seed(seed, "place")
