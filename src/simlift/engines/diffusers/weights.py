"""Find a base and an adapter on disk by what the user calls them, and check them whole.

Nothing here loads a weight: headers of safetensors and JSON are all that is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlift.core.clip import Clip
from simlift.core.errors import RecipeError
from simlift.core.protocols import Stage, WindowSize
from simlift.engines.diffusers.licences import licence_of
from simlift.engines.diffusers.shape import Shape
from simlift.models.hub.locate import PICKLES
from simlift.models.hub.lora_header import read_lora_header
from simlift.models.hub.pipeline_folder import PipelineFolder, check_whole, find_pipeline
from simlift.models.wan.base_model import EXTRA


@dataclass(frozen=True)
class LoraFile:
    """An adapter on disk: how many low-rank matrices it holds, and what its header says of it."""

    path: Path
    matrices: int
    metadata: dict[str, str]


def find_base(name: str, engine: str, kinds: Sequence[str], parts: Sequence[str]) -> PipelineFolder:
    """Return the folder of a pipeline whose `parts` are whole on disk."""
    return find_pipeline(
        name, purpose=f"--engine {engine}", kinds=kinds, components=parts, extra=EXTRA
    )


def wan_shape(folder: PipelineFolder, resolution: tuple[int, int] | None, least: int = 1) -> Shape:
    """Return the sizes of a network over Wan's autoencoder: stride in space times its patch."""
    coder, network = folder.config("vae"), folder.config("transformer")
    patch = network.get("patch_size", (1, 2, 2))
    return Shape(
        multiple=int(coder.get("scale_factor_spatial") or 8) * int(patch[1]),
        stride=int(coder.get("scale_factor_temporal") or 4),
        least=least,
        resolution=resolution,
    )


def find_lora(name: str, where: str) -> LoraFile:
    """Return the adapter in a safetensors file, or in a folder that holds one alone."""
    path = Path(name)
    if not path.exists():
        raise RecipeError(
            where,
            f"{name} does not exist",
            allowed="a .safetensors file, or a folder that holds one",
            way_out="download it: hf download OWNER/MODEL FILE.safetensors --local-dir FOLDER",
        )
    if path.is_dir():
        path = _only_file(path, where)
    if path.suffix != ".safetensors":
        found = "is a pickle, which runs what it holds" if path.suffix in PICKLES else "is no such"
        raise RecipeError(where, f"{path} {found}", allowed="a .safetensors file")
    header: dict[str, Any] = check_whole(path)
    metadata = {key: str(value) for key, value in header.pop("__metadata__", {}).items()}
    if not any("lora_" in name for name in header):
        raise RecipeError(
            where,
            f"{path} holds no low-rank matrices ({', '.join(sorted(header)[:3])}, ..)",
            allowed="an adapter with lora_A and lora_B; whole weights belong into --base",
        )
    return LoraFile(path, read_lora_header(path).matrices, metadata)


def plan_stages(
    engine: str,
    clip: Clip,
    folder: PipelineFolder,
    parts: Sequence[str],
    shape: Shape,
    window_size: WindowSize,
    blend: str,
) -> tuple[Stage, ...]:
    """Say which weights will run, at which size, in how many windows, and under which terms."""
    how = shape.letterbox(clip.height, clip.width)
    size = f"{clip.width}x{clip.height} seen as {how.padded_width}x{how.padded_height}"
    size += ", interpolated" if how.resizes else ", nothing interpolated"
    advance = window_size.frames - window_size.overlap
    count = max(-(-(clip.num_frames - window_size.overlap) // advance), 1)
    one = f"{shape.length(min(clip.num_frames, window_size.frames))} frames"
    return (
        Stage("weights", True, f"{folder.kind} {folder.digest(*parts)}"),
        Stage("size", True, size),
        Stage("windows", True, f"{count} of {one}; {blend}" if count > 1 else f"one, of {one}"),
        Stage("licence", True, licence_of(engine)),
    )


def _only_file(folder: Path, where: str) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return files[0]
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
    if files:
        found = f"holds {len(files)} adapters: {', '.join(f.name for f in files)}"
    else:
        found = f"holds pickles alone ({pickles[0]})" if pickles else "holds no adapter"
    raise RecipeError(
        where, f"{folder} {found}", allowed="one .safetensors file", way_out="name the file itself"
    )
