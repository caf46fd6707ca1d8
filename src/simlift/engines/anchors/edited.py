"""Make first frames by an image editor: another place around the robot that stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Protocol

from simlift.core.clip import Clip
from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.layers import Layer
from simlift.core.window import ClipSample, Window
from simlift.engines.anchors.protocols import Image, OpenAnchorMaker
from simlift.engines.anchors.scenes import Scene, check_template, fill_template
from simlift.engines.keyframed.settings import Editing
from simlift.engines.keyframed.spec import find_editor
from simlift.models.hub.offload import Dtype, Offload, check_offload
from simlift.models.wan.base_model import EXTRA

_INSTRUCTION = (
    "Turn this computer-generated image of a robot into a photograph taken with a real camera in "
    "{environment}. Behind it: {background}. Light: {light}. Things in the picture look like "
    "{objects}, each in its place, of its size and outline. Keep the robot, its pose, its gripper, "
    "the camera and the composition exactly where and as they are."
)


class InstructedEditor(Protocol):
    """An opened editor that takes an instruction with each image."""

    def edit(self, image: Image, seed: int, instruction: str | None = None) -> Image:
        """Return the edited image, of the same size."""
        ...


@dataclass(frozen=True)
class EditedAnchors:
    """Edit the render's first frame by Qwen-Image-Edit into another place.

    editor: a folder as diffusers saves it, or a name on the Hugging Face Hub.
    editing: as of the keyframed engine; its instruction may name {environment}, {background},
        {objects}, {light} and the clip's {caption}.
    offload: "model" has on the device the network at work, "layer" streams it layer by layer.
    """

    editor: str = "Qwen/Qwen-Image-Edit-2511"
    editing: Editing = Editing(instruction=_INSTRUCTION)
    dtype: Dtype = "bfloat16"
    offload: Offload = "model"

    repaints: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_offload("first_frames", self.offload)
        check_template("first_frames.settings.editing.instruction", self.editing.instruction)

    def needs(self) -> frozenset[Layer]:
        return frozenset({Layer.RGB})

    def uses(self) -> frozenset[Layer]:
        return frozenset()

    def check(self, clip: Clip) -> str:
        """Say what edits; RecipeError or MissingLibrary where the model is not there."""
        del clip
        for library in ("torch", "diffusers", "transformers"):
            if find_spec(library) is None:
                raise MissingLibrary(library, "first frames by an image editor", EXTRA)
        if self.editing.lora is not None and not self.editing.lora.is_file():
            raise RecipeError(self.editing.lora, "does not exist", allowed="a *.safetensors file")
        folder = find_editor(self.editor)
        return f"edited by {folder.path.name} in {self.editing.steps} steps"

    @contextmanager
    def open(self, device: str) -> Iterator[OpenAnchorMaker]:
        """Load the editor; leaving the context frees it."""
        from simlift.engines.keyframed._editor import QwenEditor

        folder = find_editor(self.editor)
        editor = QwenEditor(folder, self.editing, self.dtype, device, self.offload)
        try:
            yield Retoucher(editor, self.editing.instruction)
        finally:
            editor.close()


@dataclass(frozen=True)
class Retoucher:
    """An opened editor, and the template of what it is told."""

    editor: InstructedEditor
    instruction: str

    def make(self, window: Window, *, sample: ClipSample, scene: Scene, seed: int) -> Image:
        """Return the first frame, edited into the scene."""
        del sample
        words = fill_template(self.instruction, window.caption, scene)
        return self.editor.edit(window.rgb[0], seed, words)
