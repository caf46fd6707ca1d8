"""The wan engine as a frozen value: what it needs, what a clip will cost, how it opens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from simlift.core.clip import Clip
from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Cost, Stage, WindowSize
from simlift.models.wan.adapter import Adapter, find_adapter
from simlift.models.wan.base import EXTRA, WanBase, find_wan
from simlift.models.wan.cost import Shape, forward_cost
from simlift.models.wan.flow_matching import Expert, schedule
from simlift.models.wan.incontext import InContext
from simlift.pixels.image.letterbox import Letterbox, letterbox, padded_length

if TYPE_CHECKING:
    from simlift.engines.wan._engine import WanEngine

# What Wan was trained to stay away from; in English, as the published translation has it.
NEGATIVE = (
    "vivid tones, overexposed, static, blurry details, subtitles, style, artwork, painting, "
    "still picture, overall gray, worst quality, low quality, JPEG artifacts, ugly, mutilated, "
    "extra fingers, poorly drawn hands, poorly drawn face, deformed, disfigured, malformed limbs, "
    "fused fingers, cluttered background, three legs, walking backwards, 3D render, video game"
)


@dataclass(frozen=True)
class Wan:
    """Lift by a Wan model under an in-context adapter, in one pass without anchors.

    base, adapter: folders, or names on the Hugging Face Hub.
    prompt: added to the clip's caption; weather goes here ("heavy rain").
    steps, shift, guidance: Euler steps, shift of their levels, guidance of the high- and low-noise
        expert; 40, 12 and (4, 3) are Wan2.2's own. Four steps, shift 5 and guidance (1, 1) are for
        distilled LoRAs in `loras`, each a file, or a folder with high.safetensors and
        low.safetensors.
    strength: noise level from which the render itself is lifted; 1 starts from noise alone.
    frames, overlap, fuse: a window's length (4k+1), how many frames it goes on from (4k+1, or 0),
        and how many windows are denoised together with their velocities blended.
    resolution: box (height, width) inside which frames are made; None makes them at their own size.
    offload: "expert" keeps on the device what is at work, "block" streams the transformer's blocks.
    fp8: weights of linear layers as 8-bit floats. attention_backend: a name that diffusers knows.
    compile: compile the transformer's blocks, for long work: about a tenth less time a step.
    parallel: processes, each with its GPU, that share a window's tokens; a divisor of the number of
        attention heads. Their videos equal one process's to rounding.
    keep: where the reference's keys and values stay, for adapters whose reference sees itself.
    vae: folder of a smaller autoencoder of the same latents.
    any_base: accept weights other than the adapter's own whose settings agree.
    """

    base: str
    adapter: str | None = None
    prompt: str = ""
    negative_prompt: str = NEGATIVE
    steps: int = 40
    shift: float = 12.0
    guidance: tuple[float, float] = (4.0, 3.0)
    strength: float = 1.0
    loras: tuple[str, ...] = ()
    frames: int = 81
    overlap: int = 17
    fuse: int = 1
    resolution: tuple[int, int] | None = None
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    offload: Literal["none", "expert", "block"] = "none"
    fp8: bool = False
    attention_backend: str | None = None
    compile: bool = False
    parallel: int = 1
    keep: Literal["device", "cpu"] = "device"
    vae: str | None = None
    hold_colour: bool = True
    any_base: bool = False

    def __post_init__(self) -> None:
        for name, value, good, allowed in (
            ("steps", self.steps, self.steps >= 1, "at least 1"),
            ("shift", self.shift, self.shift > 0, "above 0"),
            ("strength", self.strength, 0 < self.strength <= 1, "above 0, up to 1"),
            ("frames", self.frames, self.frames >= 5 and self.frames % 4 == 1, "4k+1, such as 81"),
            ("fuse", self.fuse, self.fuse >= 1, "at least 1"),
            ("parallel", self.parallel, self.parallel >= 1, "at least 1"),
            (
                "overlap",
                self.overlap,
                self.overlap == 0 or (self.overlap % 4 == 1 and self.overlap < self.frames),
                "0, or 4k+1 below frames, such as 17",
            ),
        ):
            if not good:
                raise RecipeError(f"wan.{name}", f"found {value}", allowed=allowed)
        if self.compile and (self.fp8 or self.offload == "block" or self.parallel > 1):
            raise RecipeError(
                "wan.compile",
                f"found True, fp8 {self.fp8}, offload {self.offload!r}, parallel {self.parallel}",
                allowed="none of fp8, offload=block and parallel beside it: they move weights or "
                "tokens under compiled code",
            )
        if self.fuse > 1 and not self.overlap:
            raise RecipeError("wan.fuse", f"found {self.fuse}", allowed="1 where overlap is 0")
        if self.adapter is None and self.strength == 1:
            raise RecipeError(
                "wan.adapter",
                "none was named: nothing would tie the video to its render",
                allowed="an adapter, or a strength below 1, which starts from the render",
                way_out="--adapter DIR (simlift train makes one), or --set strength=0.6",
            )

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def window_size(self) -> WindowSize:
        """A model's window, or as many fused ones; what follows goes on from its last frames."""
        return WindowSize(
            self.frames + (self.fuse - 1) * (self.frames - self.overlap), self.overlap
        )

    def find(self) -> tuple[WanBase, Adapter | None]:
        """Return base and adapter; RecipeError says what does not fit."""
        base = find_wan(self.base)
        heads = int(base.transformer["num_attention_heads"])
        if heads % self.parallel:
            allowed = ", ".join(str(n) for n in range(1, heads + 1) if heads % n == 0)
            raise RecipeError(
                "wan.parallel",
                f"found {self.parallel}",
                allowed=f"{allowed}: divisors of the {heads} attention heads of {base.folder.name}",
            )
        for lora in self.loras:
            for expert in base.experts.names:
                lora_file(lora, expert)
        if self.vae is not None and not (Path(self.vae) / "config.json").is_file():
            raise RecipeError(
                self.vae,
                "is no autoencoder: it has no config.json",
                allowed="a folder as diffusers saves an AutoencoderKLWan",
                way_out="check vae",
            )
        if self.adapter is None:
            return base, None
        return base, find_adapter(self.adapter, base, any_base=self.any_base)

    def incontext(self, adapter: Adapter | None) -> InContext:
        """Return how the reference enters; without an adapter there is none."""
        return adapter.card.incontext if adapter else InContext()

    def letterbox(
        self, clip_height: int, clip_width: int, base: WanBase, adapter: Adapter | None
    ) -> Letterbox:
        """Return how the clip's frames lie inside those that the model makes."""
        multiple = base.multiple * self.incontext(adapter).downscale
        return letterbox(clip_height, clip_width, multiple, self.resolution)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say what will run; RecipeError where weights, adapter or libraries do not fit."""
        for library in ("torch", "diffusers", "transformers", "peft"):
            if find_spec(library) is None:
                raise MissingLibrary(library, "the engine wan", EXTRA)
        base, adapter = self.find()
        place = self.letterbox(clip.height, clip.width, base, adapter)
        windows = self._num_windows(clip.num_frames)
        size = f"{place.padded_width}x{place.padded_height}"
        trained = ""
        if adapter is not None:
            card = adapter.card
            trained = f"; trained at {card.width}x{card.height}, {card.num_frames} frames"
        long = "one window"
        if windows > 1:
            how = f"goes on from {self.overlap} frames" if self.overlap else "starts afresh"
            learned = adapter is not None and adapter.card.prefix_share > 0
            unseen = "" if learned or not self.overlap else "; the adapter has not learned to"
            long = f"{windows} windows, each {how}{unseen}"
        # The digests go into the provenance of a take: names alone do not say which weights.
        weights = ", ".join(f"{e} {base.digest(e)}" for e in base.experts.names)
        made = (
            f"none: from {self.strength:g}"
            if adapter is None
            else f"{self.adapter} {adapter.digest()}"
        )
        return (
            Stage("model", True, f"{base.folder.name}: {weights}"),
            Stage("adapter", adapter is not None, made),
            Stage("size", True, size + (", resized" if place.resizes else "") + trained),
            Stage("windows", True, long),
            Stage("steps", True, self._levels_in_words(base)),
        )

    def cost(self, clip: Clip) -> Cost:
        """Count tokens, operations and bytes of a clip; nothing is loaded."""
        base, adapter = self.find()
        settings, shape = self.incontext(adapter), Shape.of(base.transformer)
        place = self.letterbox(clip.height, clip.width, base, adapter)
        frames = padded_length(min(self.frames, clip.num_frames))
        target = base.num_tokens(frames, place.padded_height, place.padded_width)
        reference = target // settings.downscale**2 if adapter else 0
        cached = settings.attention == "self"
        one = forward_cost(shape, target, reference, settings, cached=cached)
        levels = self.levels()
        guided = sum(
            2 if self.guidance_of(base.experts.of(float(s))) != 1 else 1 for s in levels[:-1]
        )
        windows = self._num_windows(clip.num_frames) * self.fuse
        operations = windows * (guided * one.operations + len(base.experts.names) * one.once)
        bytes_each = 1 if self.fp8 else (4 if self.dtype == "float32" else 2)
        experts = len(base.experts.names) if self.offload == "none" else 1
        weights = shape.parameters * bytes_each * experts
        if self.offload == "block":
            weights = 2 * shape.parameters * bytes_each // shape.layers
        width = 4 if self.dtype == "float32" else 2
        tokens = (target + reference) // self.parallel
        activations = tokens * (shape.width * (8 * width + 8) + shape.ffn * width)
        kept = one.cache_bytes if self.keep == "device" else one.cache_bytes // shape.layers
        return Cost(
            tokens=target + reference,
            forwards=windows * guided,
            operations=operations / self.parallel,
            memory_bytes=weights + activations + kept * len(base.experts.names) // self.parallel,
        )

    def levels(self) -> list[float]:
        """Return the noise levels that are visited, from the first to 0."""
        every = [float(s) for s in schedule(self.steps, self.shift)]
        if self.strength == 1:
            return every
        return [self.strength, *(s for s in every if s < self.strength)]

    def guidance_of(self, expert: str) -> float:
        """Return the guidance under which an expert works."""
        return self.guidance[1] if expert == "low" else self.guidance[0]

    def _num_windows(self, num_frames: int) -> int:
        window_size = self.window_size()
        return 1 + max(
            0, -(-(num_frames - window_size.frames) // (window_size.frames - window_size.overlap))
        )

    def _levels_in_words(self, base: WanBase) -> str:
        levels = self.levels()[:-1]
        counts = {e: sum(base.experts.of(s) == e for s in levels) for e in base.experts.names}
        shares = ", ".join(f"{count} {expert}" for expert, count in counts.items())
        return f"{len(levels)} steps ({shares}), shift {self.shift:g}, guidance {self.guidance}"

    @contextmanager
    def open(self, device: str) -> Iterator["WanEngine"]:
        """Load the weights; leaving the block frees them."""
        base, adapter = self.find()
        from simlift.engines.wan._engine import open_engine

        with open_engine(self, base, adapter, device) as engine:
            yield engine


def lora_file(name: str, expert: Expert) -> Path:
    """Return the file of a plain LoRA for an expert; RecipeError where there is none."""
    path = Path(name)
    if not path.exists():
        raise RecipeError(path, "does not exist", way_out="check loras")
    if path.is_file():
        return path
    found = path / f"{expert}.safetensors"
    if not found.is_file():
        raise RecipeError(
            path,
            f"holds no LoRA for the expert {expert!r}",
            allowed=f"a safetensors file for all experts, or a folder with {expert}.safetensors",
        )
    return found
