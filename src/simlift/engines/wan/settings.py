"""Hold the wan engine's settings, checked when made, and what follows from them without weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simlift.core.errors import RecipeError
from simlift.core.protocols import Control, EngineSpec, WindowSize
from simlift.core.recipe import Plugin
from simlift.engines.photographic import Photographic
from simlift.models.hub.lora_header import read_lora_header
from simlift.models.hub.offload import Dtype, Offload, check_offload
from simlift.models.wan.adapter import Adapter, find_adapter
from simlift.models.wan.base_model import WanBase, find_wan
from simlift.models.wan.flow_matching import Expert, schedule
from simlift.models.wan.incontext import InContext
from simlift.pixels.image.letterbox import Letterbox, letterbox

# What Wan was trained to stay away from; in English, as the published translation has it.
NEGATIVE = (
    "vivid tones, overexposed, static, blurry details, subtitles, style, artwork, painting, "
    "still picture, overall gray, worst quality, low quality, JPEG artifacts, ugly, mutilated, "
    "extra fingers, poorly drawn hands, poorly drawn face, deformed, disfigured, malformed limbs, "
    "fused fingers, cluttered background, three legs, walking backwards, 3D render, video game"
)


@dataclass(frozen=True)
class WanSettings:
    """What the wan engine does, and how.

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
    offload: "model" has on the device the network at work, "layer" streams its blocks.
    fp8: weights of linear layers as 8-bit floats. attention_backend: a name that diffusers knows.
    compile: compile the transformer's blocks, for long work: about a tenth less time a step.
    parallel: processes, each with its GPU, that share a window's tokens; a divisor of the number of
        attention heads. Their videos equal one process's to rounding.
    keep: where the reference's keys and values stay, for adapters whose reference sees itself.
    vae: folder of a smaller autoencoder of the same latents.
    any_base: accept weights other than the adapter's own whose settings agree.
    first_frame: the engine that photographs a clip's first frame for adapters whose reference is a
        control, which says nothing of looks; null for the default look of photographic.
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
    dtype: Dtype = "bfloat16"
    offload: Offload = "none"
    fp8: bool = False
    attention_backend: str | None = None
    compile: bool = False
    parallel: int = 1
    keep: Literal["device", "cpu"] = "device"
    vae: str | None = None
    hold_colour: bool = True
    any_base: bool = False
    first_frame: Plugin | None = None

    def __post_init__(self) -> None:
        check_offload("wan", self.offload)
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
        if self.compile and (self.fp8 or self.offload == "layer" or self.parallel > 1):
            raise RecipeError(
                "wan.compile",
                f"found True, fp8 {self.fp8}, offload {self.offload!r}, parallel {self.parallel}",
                allowed="none of fp8, offload=layer and parallel beside it: they move weights or "
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
                read_lora_header(lora_file(lora, expert))
        if self.vae is not None and not (Path(self.vae) / "config.json").is_file():
            raise RecipeError(
                self.vae,
                "is no autoencoder: it has no config.json",
                allowed="a folder as diffusers saves an AutoencoderKLWan",
                way_out="check vae",
            )
        if self.fuse > 1 and base.image_to_video:
            raise RecipeError(
                "wan.fuse",
                f"found {self.fuse}",
                allowed="1 with an image-to-video model, whose windows begin with given frames",
            )
        if self.adapter is None:
            return base, None
        return base, find_adapter(self.adapter, base, any_base=self.any_base)

    def incontext(self, adapter: Adapter | None) -> InContext:
        """Return how the reference enters; without an adapter there is none."""
        return adapter.card.incontext if adapter else InContext()

    def control(self, adapter: Adapter | None) -> Control | None:
        """Return what draws the reference; None where the render itself is the reference."""
        if adapter is None or adapter.card.control is None:
            return None
        return adapter.card.control.load_control()

    def first_frame_spec(self, adapter: Adapter | None) -> EngineSpec | None:
        """Return what makes the first frame of a clip; None where the reference shows the scene."""
        if adapter is None or adapter.card.control is None:
            return None
        return Photographic() if self.first_frame is None else self.first_frame.load()

    def letterbox(
        self, clip_height: int, clip_width: int, base: WanBase, adapter: Adapter | None
    ) -> Letterbox:
        """Return how the clip's frames lie inside those that the model makes."""
        multiple = base.multiple * self.incontext(adapter).downscale
        return letterbox(clip_height, clip_width, multiple, self.resolution)

    def levels(self) -> list[float]:
        """Return the noise levels that are visited, from the first to 0."""
        every = [float(s) for s in schedule(self.steps, self.shift)]
        if self.strength == 1:
            return every
        return [self.strength, *(s for s in every if s < self.strength)]

    def guidance_of(self, expert: str) -> float:
        """Return the guidance under which an expert works."""
        return self.guidance[1] if expert == "low" else self.guidance[0]


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
