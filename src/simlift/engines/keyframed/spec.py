"""Define the keyframed engine as a frozen value: its settings, what it needs, how it opens."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, MissingLibrary, RecipeError
from simlift.core.layers import Layer
from simlift.core.protocols import Engine, Stage, WindowSize
from simlift.engines.keyframed.protocols import Editor, Propagator
from simlift.engines.keyframed.settings import (
    AnchorGate,
    ControlName,
    Drawing,
    Editing,
    Propagation,
    Where,
    expect,
)
from simlift.models.hub.lora_header import read_lora_header
from simlift.models.hub.offload import Dtype, Offload, check_offload
from simlift.models.hub.pipeline_folder import PipelineFolder, find_pipeline
from simlift.models.wan.base_model import EXTRA
from simlift.pixels.image.letterbox import letterbox

GEOMETRY = (Layer.DEPTH, Layer.NORMALS, Layer.SEGMENTATION)
_EDITORS = ("QwenImageEditPlusPipeline", "QwenImageEditPipeline")
_COMPONENTS = ("transformer", "vae", "text_encoder")


def find_editor(name: str) -> PipelineFolder:
    """Return the folder of an image editor, checked whole; RecipeError says what is wrong."""
    return find_pipeline(
        name, purpose="editing anchors", kinds=_EDITORS, components=_COMPONENTS, extra=EXTRA
    )


@dataclass(frozen=True)
class Keyframed:
    """Edit anchors of the render by Qwen-Image-Edit, and join them by VACE under a control.

    editor, propagator: folders as diffusers saves them, or names on the Hugging Face Hub.
    prompt: what the video shows; {caption} is the clip's own. VACE wants a description, not an
        instruction; the instruction for the editor is `editing.instruction`.
    anchors: first and last frame, the first alone, none, or so many evenly spaced ones.
    control: what binds the frames between: edges of the render, edges of the geometry, or depth.
    frames: of a window, 4k+1. A window begins with the last frame that was made.
    attempts: seeds that are tried until every anchor lies over its render.
    offload: "model" has on the device the network at work, "layer" streams it layer by layer.
    """

    editor: str
    propagator: str
    prompt: str = "photorealistic video, {caption}"
    anchors: Where | int = "first-last"
    control: ControlName = "edges"
    frames: int = 81
    attempts: int = 3
    editing: Editing = Editing()
    propagation: Propagation = Propagation()
    drawing: Drawing = Drawing()
    alignment: AnchorGate = AnchorGate()
    dtype: Dtype = "bfloat16"
    offload: Offload = "model"

    def __post_init__(self) -> None:
        good = self.frames >= 5 and self.frames % 4 == 1
        expect("frames", self.frames, good, "4k+1, such as 81")
        expect("attempts", self.attempts, self.attempts >= 1, "at least 1")
        number = self.anchors if isinstance(self.anchors, int) else 1
        check_offload("keyframed", self.offload)
        expect("anchors", number, 1 <= number <= self.frames, f"1 to {self.frames}")

    def needs(self) -> frozenset[Layer]:
        depth = {Layer.DEPTH} if self.control == "depth" else set()
        return frozenset({Layer.RGB} | depth)

    def uses(self) -> frozenset[Layer]:
        return frozenset(GEOMETRY if self.control == "engine-edges" else ())

    def window_size(self) -> WindowSize:
        """A window begins with the last frame of the one before, which is its first anchor."""
        return WindowSize(self.frames, 1)

    def check(self, clip: Clip) -> tuple[Stage, ...]:
        """Say what will run; RecipeError for models, ClipError for layers that are not there."""
        for library in ("torch", "diffusers", "transformers"):
            if find_spec(library) is None:
                raise MissingLibrary(library, "the engine keyframed", EXTRA)
        self.models()
        if self.control == "depth":
            clip.stored(Layer.DEPTH)
        if self.control == "engine-edges" and not any(layer in clip for layer in GEOMETRY):
            raise ClipError(
                clip.path,
                "has no geometry whose edges could be drawn",
                allowed="one of " + ", ".join(layer.value for layer in GEOMETRY),
                way_out="record one of them, or use control=edges, which needs rgb alone",
            )
        size = letterbox(clip.height, clip.width, 16, self.propagation.box)
        return (
            Stage("anchors", self.anchors != "none", self._anchors()),
            Stage("control", True, self.control),
            Stage(
                "propagation",
                True,
                f"{self.propagation.steps} steps at {size.padded_width}x{size.padded_height}, "
                f"windows of {self.frames} frames",
            ),
        )

    def models(self) -> dict[str, PipelineFolder]:
        """Return the models' folders, each checked whole; RecipeError says what is wrong."""
        found = {
            "propagator": find_pipeline(
                self.propagator,
                purpose="propagation",
                kinds=("WanVACEPipeline",),
                components=_COMPONENTS,
                extra=EXTRA,
            )
        }
        if self.anchors != "none":
            found["editor"] = find_editor(self.editor)
            if self.editing.lora is not None:
                if not self.editing.lora.is_file():
                    raise RecipeError(
                        self.editing.lora, "does not exist", allowed="a *.safetensors file"
                    )
                read_lora_header(self.editing.lora)
        return found

    def digests(self) -> dict[str, str]:
        """Name each model by the hash of its weights."""
        parts = {"propagator": (*_COMPONENTS,), "editor": _COMPONENTS}
        found = {}
        for name, folder in self.models().items():
            second = ("transformer_2",) if "transformer_2" in folder else ()
            found[name] = folder.digest(*parts[name], *second)
        return found

    @contextmanager
    def open(self, device: str) -> Iterator[Engine]:
        """Load both models; leaving the context frees them."""
        from simlift.engines.keyframed.engine import KeyframedEngine

        with ExitStack() as stack:
            editor = None
            if self.anchors != "none":
                editor = stack.enter_context(self.open_editor(device))
            propagator = stack.enter_context(self.open_propagator(device))
            yield KeyframedEngine(self, editor, propagator)

    @contextmanager
    def open_editor(self, device: str) -> Iterator[Editor]:
        """Load the editor alone."""
        from simlift.engines.keyframed._editor import QwenEditor

        editor = QwenEditor(self.models()["editor"], self.editing, self.dtype, device, self.offload)
        try:
            yield editor
        finally:
            editor.close()

    @contextmanager
    def open_propagator(self, device: str) -> Iterator[Propagator]:
        """Load the propagator alone."""
        from simlift.engines.keyframed._propagator import VacePropagator

        folder = self.models()["propagator"]
        propagator = VacePropagator(folder, self.propagation, self.dtype, device, self.offload)
        try:
            yield propagator
        finally:
            propagator.close()

    def _anchors(self) -> str:
        if self.anchors == "none":
            return "none: only the control binds the video to its render"
        which = f"{self.anchors} of a window" if isinstance(self.anchors, int) else self.anchors
        return f"{which}, edited in {self.editing.steps} steps, up to {self.attempts} seeds"
