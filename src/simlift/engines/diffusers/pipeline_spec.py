"""Hold what every engine over a diffusers pipeline shares: its settings, their checks, its plan."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from PIL.Image import Image

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.protocols import Engine, Stage
from simlift.core.window import Frames, PreviousFrames, Window
from simlift.engines.diffusers.settings import INSTRUCTION, NEGATIVE_PROMPT
from simlift.engines.diffusers.shape import Shape
from simlift.engines.diffusers.weights import find_base, plan_stages, wan_shape
from simlift.engines.diffusers.windowed_spec import WindowedSpec
from simlift.models.hub.offload import Dtype, Offload, check_offload
from simlift.models.hub.pipeline_folder import PipelineFolder


@dataclass(frozen=True)
class PipelineSpec(WindowedSpec, ABC):
    """The settings of every engine here; a model's class adds its own and says what differs.

    resolution: a box of height and width that frames are fitted to; None keeps the clip's size.
    tiling: run the autoencoder in tiles, for less memory.
    """

    base: str
    _: KW_ONLY
    prompt: str = INSTRUCTION
    negative_prompt: str = NEGATIVE_PROMPT
    steps: int = 50
    guidance: float = 5.0
    frames: int = 81
    overlap: int = 8
    resolution: tuple[int, int] | None = None
    dtype: Dtype = "bfloat16"
    offload: Offload = "none"
    tiling: bool = False

    pipeline: ClassVar[str]  # the class of diffusers that runs
    kinds: ClassVar[tuple[str, ...]]  # the classes whose folders hold its parts
    parts: ClassVar[tuple[str, ...]] = ("transformer", "vae", "text_encoder")
    stride: ClassVar[int] = 4  # frames of a latent frame
    least: ClassVar[int] = 1  # frames that the network sees, at least
    conditioned: ClassVar[bool] = False  # on the frames made before; other windows are blended
    blend: ClassVar[str] = "{} overlap, colour eased"

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise RecipeError(
                f"{self.name}.prompt", "is empty", allowed="what the footage shall look like"
            )
        self.expect("steps", self.steps >= 1, "at least 1")
        self.expect("guidance", self.guidance >= 0, "0 or more")
        self.expect(
            "resolution",
            self.resolution is None or min(self.resolution) >= 16,
            "height and width of at least 16 pixels, or nothing: the clip's own size",
        )
        stride = self.stride
        lengths = ", ".join(str(stride * k + 1) for k in (1, 2, 6, 10))
        good = self.frames >= stride + 1 and self.frames % stride == 1
        self.expect("frames", good, f"{stride}k+1: {lengths}..")
        self.expect(
            "overlap",
            0 <= self.overlap < self.frames,
            f"0 to {self.frames - 1}, of {self.frames} frames",
        )
        check_offload(self.name, self.offload)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Check weights and libraries; RecipeError or MissingLibrary says what is wrong."""
        folder, size = self.folder(), self.window_size()
        blend = self.blend.format(self.overlap) if self.overlap else "no overlap"
        shape = self.shape(folder)
        plan = plan_stages(self.name, clip, folder, self.parts, shape, size, blend)
        return (*plan, *self.stages())

    def stages(self) -> tuple[Stage, ...]:
        """Say what the model's own settings will do."""
        return ()

    def folder(self) -> PipelineFolder:
        """Return the base on disk, whole."""
        return find_base(self.base, self.name, self.kinds, self.parts)

    def shape(self, folder: PipelineFolder) -> Shape:
        """Return the sizes that the base takes."""
        return wan_shape(folder, self.resolution, self.least)

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Load the weights."""
        from simlift.engines.diffusers._engine import open_engine

        with open_engine(self, device) as engine:
            yield engine

    # What the opened engine asks.

    def components(self, dtype: Any) -> dict[str, Any]:
        """Return parts of the pipeline that do not come from its folder."""
        del dtype
        return {}

    def prepare(self, pipeline: Any) -> None:
        """Change the loaded pipeline, still in CPU memory, such as by an adapter."""
        del pipeline

    def source(self, window: Window, previous: PreviousFrames | None) -> Frames:
        """Return the frames that the network is given, at the clip's size."""
        del previous
        return window.rgb

    @abstractmethod
    def arguments(
        self, images: list[Image], previous: list[Image], window: Window
    ) -> dict[str, Any]:
        """Return the model's own arguments; `images` and `previous` have the network's size."""
