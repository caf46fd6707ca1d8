"""Find a diffusion pipeline's folder and check its parts in full before torch is imported.

The layout is that of `DiffusionPipeline.save_pretrained`: model_index.json names each component's
class, and each component has a folder with its config and *.safetensors. A shard that is missing
or cut short (an interrupted download) and weights kept as pickles are refused here.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from simlift.core.errors import RecipeError
from simlift.core.strict_json import read_json
from simlift.models.hub.locate import PICKLES, locate

_LAYOUT = "model_index.json and a folder for each component, as diffusers saves a pipeline"
_SHARDS = "*.safetensors.index.json"
_SHARD = re.compile(r"-\d+-of-\d+$")


@dataclass(frozen=True)
class PipelineFolder:
    """A pipeline on disk: `name` as the user wrote it."""

    name: str
    path: Path

    @cached_property
    def index(self) -> dict[str, Any]:
        """What model_index.json holds."""
        return _read_object(self.path / "model_index.json")

    @property
    def kind(self) -> str:
        """The pipeline's class, such as WanPipeline."""
        return str(self.index["_class_name"])

    def __contains__(self, component: str) -> bool:
        entry = self.index.get(component)
        return isinstance(entry, list) and len(entry) == 2 and entry[0] is not None

    def config(self, component: str) -> dict[str, Any]:
        """Return the settings of a component; RecipeError when they are not there."""
        folder = self.path / component
        for name in ("config.json", "scheduler_config.json", "tokenizer_config.json"):
            if (folder / name).is_file():
                return _read_object(folder / name)
        raise RecipeError(
            folder, "holds no config.json", allowed=_LAYOUT, way_out="download the model again"
        )

    def weights(self, component: str) -> tuple[Path, ...]:
        """Return the files that hold a component's weights, each whole; RecipeError otherwise."""
        folder = self.path / component
        # Variants (model.fp16.safetensors) lie beside the weights that are loaded, or alone.
        every = sorted(folder.glob("*.safetensors"))
        found = [path for path in every if "." not in path.stem]
        if not found:
            raise _no_weights(folder, every)
        _check_shards(folder, found)
        for path in found:
            check_whole(path)
        return tuple(found)

    def digest(self, *components: str) -> str:
        """Name the weights and settings of components by the hash of configs and headers.

        Headers hold every tensor's name, type, shape and place, and sizes and the first and last
        megabyte of numbers are hashed with them: 28 GB are told apart without being read.
        """
        total = hashlib.blake2b(digest_size=8)
        for component in components:
            total.update(json.dumps(self.config(component), sort_keys=True).encode())
            for path in self.weights(component):
                total.update(f"{component}/{path.name}:{path.stat().st_size}".encode())
                with path.open("rb") as file:
                    total.update(file.read(1 << 20))
                    file.seek(max(path.stat().st_size - (1 << 20), 0))
                    total.update(file.read())
        return total.hexdigest()


def find_pipeline(
    name: str, *, purpose: str, kinds: Iterable[str], components: Iterable[str], extra: str
) -> PipelineFolder:
    """Return a pipeline's folder; RecipeError says what is wrong with it.

    `kinds` are the pipeline classes that do for the purpose, `components` those whose weights must
    be there.
    """
    path = locate(name, purpose=purpose, layout=_LAYOUT, extra=extra)
    if not (path / "model_index.json").is_file():
        raise RecipeError(path, f"holds no model_index.json to use for {purpose}", allowed=_LAYOUT)
    folder = PipelineFolder(name, path)
    allowed = tuple(kinds)
    if folder.index.get("_class_name") not in allowed:
        raise RecipeError(
            path / "model_index.json",
            f"is a {folder.index.get('_class_name')!r}, which does not do for {purpose}",
            allowed=" or ".join(allowed),
            way_out="choose a model of that kind, in its diffusers layout",
        )
    for component in components:
        if component not in folder:
            raise RecipeError(
                path / "model_index.json", f"names no {component}", allowed="a whole pipeline"
            )
        folder.config(component)
        folder.weights(component)
    return folder


def _no_weights(folder: Path, variants: list[Path]) -> RecipeError:
    pickles = sorted(p.name for p in folder.glob("*") if p.suffix in PICKLES)
    if variants:
        found = f"holds a variant of the weights alone ({variants[0].name})"
        way_out = f"rename {variants[0].name} to what it is without the variant's name"
    elif pickles:
        found = f"holds weights as pickles alone ({pickles[0]})"
        way_out = "download the safetensors of this model"
    else:
        found, way_out = "holds no weights", "download the safetensors of this model"
    return RecipeError(
        folder,
        found,
        allowed="*.safetensors, which hold numbers and no code",
        way_out=way_out,
    )


def _check_shards(folder: Path, found: list[Path]) -> None:
    indices = sorted(folder.glob(_SHARDS))
    for index in indices:
        named = set(_read_object(index).get("weight_map", {}).values())
        if missing := sorted(named - {path.name for path in found}):
            raise RecipeError(
                folder,
                f"{len(missing)} of {len(named)} shards are missing, such as {missing[0]}",
                allowed="every shard that its index names",
                way_out="download the model again: an interrupted download goes on",
            )
    shards = [path.name for path in found if _SHARD.search(path.stem)]
    if shards and not indices:
        raise RecipeError(
            folder,
            f"holds shards, such as {shards[0]}, and no index of them",
            allowed=f"{_SHARDS} beside them",
            way_out="download the model again: an interrupted download goes on",
        )


def _read_object(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise RecipeError(path, f"holds a {type(found).__name__}", allowed="a JSON object")
    return found


def check_whole(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file; RecipeError when the file is cut short or foreign.

    Source: the safetensors format: 8 bytes of little-endian header length, JSON, then the numbers.
    """
    if not path.is_file():  # a link of a cache whose file was removed, too
        raise RecipeError(path, "does not exist", way_out="download it again")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            raise RecipeError(
                path,
                f"is no whole safetensors file ({size} bytes)",
                way_out="download it again",
            )
        text = file.read(length)
    try:
        header: dict[str, Any] = json.loads(text)
        ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise RecipeError(path, "is no safetensors file", way_out="download it again") from error
    if size != expected:
        raise RecipeError(
            path,
            f"holds {size} bytes, its header promises {expected}",
            way_out="download it again: the download was interrupted",
        )
    return header
