"""Define recipes: frozen values that decide the pixels of a run and which takes are accepted."""

import dataclasses
import hashlib
import importlib
import re
from dataclasses import dataclass, field
from typing import Any

from simlift.core.errors import RecipeError
from simlift.core.protocols import Control, Drawn, EngineSpec
from simlift.core.renamed import CLASSES, METHODS
from simlift.core.strict_json import decode, encode


@dataclass(frozen=True)
class Encoding:
    """How takes are coded; takes are coded side by side, so each has one thread."""

    codec: str = "libx264"
    crf: int = 14
    preset: str = "veryfast"
    chroma: str = "yuv420p"
    keyframe_interval: int = 12
    threads: int = 1


@dataclass(frozen=True)
class Plugin:
    """A frozen spec as data.

    kind: the class that it is, as module:Class. settings: of that class, as data.
    """

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: object) -> "Plugin":
        """Describe a spec."""
        kind = type(spec)
        return cls(f"{kind.__module__}:{kind.__qualname__}", encode(spec))

    def load(self) -> EngineSpec:
        """Return the spec; RecipeError when the class or a setting does not exist."""
        spec: EngineSpec = decode(self.settings, load_class(self.kind), self.kind)
        return spec

    def load_control(self) -> Control:
        """Return the control that it describes; RecipeError as `load`."""
        kind = load_class(self.kind, _CONTROL)
        control: Control = decode(self.settings, kind, self.kind)
        return control


_SPEC = ("needs", "uses", "window_size", "check", "open")  # what an EngineSpec offers
_CONTROL = ("needs", "draw")  # what a Control offers


def load_class(kind: str, offers: tuple[str, ...] = _SPEC) -> type[Any]:
    """Import `module:Class`, which offers some methods; RecipeError says which part failed."""
    module_name, _, class_name = kind.partition(":")
    if kind in CLASSES:
        raise RecipeError(kind, "has moved", way_out=f"it is now called {CLASSES[kind]}")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a module of the user's does when it is imported
        raise RecipeError(
            kind,
            f"the module {module_name!r} cannot be imported ({type(error).__name__}: {error})",
            allowed="module:Class that Python can import",
            way_out="install it, or put its folder into PYTHONPATH",
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not dataclasses.is_dataclass(found):
        raise RecipeError(kind, f"{module_name} has no class {class_name!r} that is a dataclass")
    missing = [name for name in offers if not callable(getattr(found, name, None))]
    if missing:
        old = [name for name in missing if hasattr(found, METHODS.get(name, ""))]
        raise RecipeError(
            kind,
            f"lacks {', '.join(missing)}",
            allowed=f"all of {', '.join(offers)}",
            way_out=", ".join(f"{METHODS[name]!r} is now called {name!r}" for name in old),
        )
    return found


@dataclass(frozen=True)
class Variant:
    """One of N looks of the same clip: a name for files, and the engine spec that makes it."""

    name: str
    engine: Plugin

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise RecipeError(
                "variant", f"the name {self.name!r}", allowed="letters, digits, '.', '_' and '-'"
            )


@dataclass(frozen=True)
class Gate:
    """The thresholds between accepted and rejected: `min_<score>` and `max_<score>`.

    A score without evidence judges nothing. The defaults were set on recorded episodes and on
    foreign clips: all looks of the default engine pass, and takes that are frozen, shuffled, late,
    shifted by 2 pixels, mirrored, blurred away or flickering do not; nor do takes in which what the
    robot let go of falls late, slowly, elsewhere, stays in the air or vanishes, in which the robot
    is late by 2 frames or shifted by 3 pixels, or with black or repeated frames.
    """

    min_edge_f1_near: float = 0.55
    min_moving_edge_f1: float = 0.6
    min_engine_edge_ratio: float = 0.85
    min_blur_ssim: float = 0.5
    max_edge_offset: float = 0.7  # pixels; blur in linear light moves edges of one kind by 0.5
    max_flicker_ratio: float = 3.4
    max_frozen: float = 0.2
    max_window_jump_ratio: float = 2.0
    max_colour_drift: float = 2.0  # CIELAB
    max_newly_clipped: float = 0.12
    max_newly_black: float = 0.25
    max_blank_frames: float = 0.0
    max_repeated_frames: float = 0.02
    max_first_frame_drift: float = 4.0  # CIELAB
    min_first_frame_structure: float = 0.8
    max_robot_offset: float = 1.0  # pixels
    min_robot_edge_ratio: float = 0.85
    min_robot_moving_edge_ratio: float = 0.7
    max_object_offset: float = 3.0  # pixels of a frame of at most 360 rows, as all below
    min_object_persistence: float = 0.8
    min_release_persistence: float = 0.8
    max_release_error: float = 3.0
    max_release_error_worst: float = 6.0
    max_rest_error: float = 3.0
    max_release_time_error: float = 1.0  # frames
    min_critic_score: float = 3.0  # of 1 to 5, where a critic was asked


@dataclass(frozen=True)
class Recipe:
    """What a run makes of every clip."""

    variants: tuple[Variant, ...]
    seed: int = 0
    window: int | None = None  # frames of a window, where the engine leaves the choice open
    gate: Gate = Gate()
    encoding: Encoding = Encoding()

    def __post_init__(self) -> None:
        if not self.variants:
            raise RecipeError("variants", "found none", allowed="at least one variant")
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise RecipeError("variants", f"a name is there twice: {', '.join(names)}")
        if self.window is not None and self.window < 1:
            raise RecipeError("window", f"found {self.window}", allowed="at least 1 frame")

    def spec_for(self, variant: Variant, group: str, attempt: int = 0) -> EngineSpec:
        """Return the engine spec that lifts a clip under a variant.

        `group` is `Clip.group`, so that all cameras of an episode share what is drawn for it.
        """
        spec = variant.engine.load()
        if isinstance(spec, Drawn):
            return spec.drawn(derive_seed(self.seed, group, *_attempt(attempt)))
        return spec

    def seed_for(self, variant: Variant, group: str, attempt: int = 0) -> int:
        """Return the seed of a take: equal for all cameras of an episode."""
        return derive_seed(self.seed, group, variant.name, *_attempt(attempt))


def _attempt(number: int) -> tuple[str, ...]:
    return (f"attempt {number}",) if number else ()


def derive_seed(seed: int, *names: str) -> int:
    """Derive a 64-bit seed from a seed and names, independent of order, worker and platform."""
    text = "\0".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
