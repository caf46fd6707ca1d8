"""Define the pair recipe: who makes targets, segment length, acceptance thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

from simlift.controls import open_control
from simlift.core.errors import RecipeError
from simlift.core.pair import PairGate
from simlift.core.strict_json import decode, parse_settings
from simlift.engines.keyframed import Keyframed
from simlift.evaluation.metrics.faces import FaceModels
from simlift.passes.pairs.caption_endpoint import EndpointCaptions


@dataclass(frozen=True)
class PairRecipe:
    """What the pair pass makes of every clip.

    engine: makes targets of every clip; None for twins and takes alone.
    twins: the path-traced twins of clips that have one are targets too.
    caption: a template with {caption}, {name} and {classes}, or the name of a file of captions.
    endpoint: a vision model that is asked for captions instead.
    frames: of a pair, 4k+1. min_frames: of a shorter rest that is still worth a pair.
    retries: how often a pair that was rejected is made again, from other seeds.
    faces: networks of the user's that tell whether persons stay who they are.
    controls: control videos of each pair's render that are stored beside it, such as "skeleton",
        to be trained on in place of the render (simlift train --reference).
    """

    engine: Keyframed | None = None
    twins: bool = False
    gate: PairGate = PairGate()
    caption: str = "photorealistic video, {caption}"
    endpoint: EndpointCaptions | None = None
    frames: int = 81
    min_frames: int = 17
    retries: int = 2
    seed: int = 0
    faces: FaceModels | None = None
    controls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, least in (("frames", self.frames, 5), ("min_frames", self.min_frames, 1)):
            if value < least or value % 4 != 1:
                raise RecipeError(
                    name, f"found {value}", allowed=f"4k+1 from {least}: 5, 9, ... 49, 81"
                )
        if self.min_frames > self.frames:
            raise RecipeError(
                "min_frames", f"found {self.min_frames}", allowed=f"at most {self.frames}"
            )
        for name in self.controls:
            open_control(name)
        if self.retries < 0:
            raise RecipeError("retries", f"found {self.retries}", allowed="0 or more")

    def check_makes_something(self) -> None:
        """Raise RecipeError for a recipe under which clips give no pair."""
        if self.engine is None and not self.twins:
            raise RecipeError(
                "pair",
                "nothing makes targets",
                allowed="--editor and --propagator (models), --twins (path-traced twins), or both",
            )


def pair_recipe(
    *,
    editor: str | None = None,
    propagator: str | None = None,
    twins: bool = False,
    caption: str | None = None,
    caption_url: str | None = None,
    caption_model: str | None = None,
    caption_key: str | None = None,
    frames: int = 81,
    seed: int = 0,
    settings: Sequence[str] = (),
    controls: Sequence[str] = (),
) -> PairRecipe:
    """Return the recipe that was asked for; `settings` are `key=value` and `group.key=value`.

    A rest shorter than `min_frames` makes no pair; where `frames` are fewer, they are the least.
    """
    data = parse_settings(settings)
    if editor is not None or propagator is not None or "engine" in data:
        engine = data.setdefault("engine", {})
        engine |= {k: v for k, v in (("editor", editor), ("propagator", propagator)) if v}
        if engine.get("anchors") == "none":
            engine.setdefault("editor", "none")
        for name in ("editor", "propagator"):
            if name not in engine:
                raise RecipeError(
                    f"--{name}",
                    "is missing",
                    allowed="an editor for anchors and a propagator for the frames between",
                    way_out=f"give --{name} FOLDER, or --set engine.anchors=none for no anchors",
                )
    asked = {"url": caption_url, "model": caption_model, "key_variable": caption_key}
    if given := {key: value for key, value in asked.items() if value is not None}:
        data["endpoint"] = data.get("endpoint", {}) | given
    if "endpoint" in data:
        if missing := [key for key in ("url", "model") if key not in data["endpoint"]]:
            raise RecipeError(
                f"--caption-{missing[0]}",
                "is missing",
                allowed="the address of a caption server, which ends in /v1, and its model's name",
            )
        if caption is not None:
            raise RecipeError(
                "--caption", "is given beside a caption server", allowed="one of the two"
            )
    named = {"twins": twins, "caption": caption, "frames": frames, "seed": seed}
    if controls:
        data["controls"] = [*data.get("controls", ()), *controls]
    data |= {key: value for key, value in named.items() if value is not None}
    data.setdefault("min_frames", min(PairRecipe.min_frames, frames))
    return decode(data, PairRecipe, "pair")
