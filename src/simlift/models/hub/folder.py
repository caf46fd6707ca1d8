"""Find a model's folder by its name and check it in full before a heavy library is imported.

A folder holds config.json, preprocessor_config.json and *.safetensors, as `save_pretrained` of
transformers writes them and the Hugging Face Hub serves them. Pickled weights are refused: loading
a pickle runs whatever code it holds.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlift.core.errors import RecipeError
from simlift.core.strict_json import read_json
from simlift.models.hub.locate import PICKLES, locate

_LAYOUT = "config.json, preprocessor_config.json and model.safetensors"


@dataclass(frozen=True, eq=False)
class ModelFolder:
    """A model on disk: `name` as the user wrote it, and what its config.json holds."""

    name: str
    path: Path
    config: dict[str, Any]

    @property
    def kind(self) -> str:
        """The architecture's family, such as depth_anything."""
        return str(self.config["model_type"])

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that hold the weights, sorted."""
        return tuple(sorted(self.path.glob("*.safetensors")))

    def digest(self) -> str:
        """Hash the settings and the weights: what decides the numbers that come out."""
        total = hashlib.blake2b(digest_size=8)
        for path in (*sorted(self.path.glob("*config.json")), *self.weights):
            total.update(path.name.encode())
            with path.open("rb") as file:
                part = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            total.update(part.digest())
        return total.hexdigest()


def find_model(
    name: str, *, purpose: str, kinds: Iterable[str], heads: tuple[str, ...]
) -> ModelFolder:
    """Return the folder of a model; RecipeError says what is wrong with it.

    `kinds` are the families that do for the purpose, `heads` the ends of their class names.
    """
    path = locate(name, purpose=purpose, layout=_LAYOUT, extra="estimate")
    if not (path / "config.json").is_file():
        raise RecipeError(
            path, f"holds no config.json to use for {purpose}", allowed=f"a folder with {_LAYOUT}"
        )
    config = read_json(path / "config.json")
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in set(kinds):
        raise RecipeError(
            path / "config.json",
            f"model_type is {kind!r}, which gives no {purpose}",
            allowed=", ".join(sorted(kinds)),
        )
    classes = config.get("architectures") or []
    if classes and not any(str(c).endswith(heads) for c in classes):
        raise RecipeError(
            path / "config.json",
            f"the weights are of {', '.join(map(str, classes))}, which gives no {purpose}",
            allowed=" or ".join(f"...{head}" for head in heads),
            way_out="choose a checkpoint that was trained for it",
        )
    folder = ModelFolder(name, path, config)
    if not folder.weights:
        raise _no_weights(path)
    return folder


def _no_weights(path: Path) -> RecipeError:
    pickles = sorted(p.name for p in path.iterdir() if p.suffix in PICKLES)
    found = f"holds weights as pickles alone ({', '.join(pickles)})" if pickles else "no weights"
    return RecipeError(
        path,
        found,
        allowed="*.safetensors, which hold numbers and no code",
        way_out="download model.safetensors, or convert the pickle on a machine you can lose",
    )
