"""Find the folder of a model by its name: a path here, or owner/model on the Hugging Face Hub."""

import re
from pathlib import Path

from simlift.core.errors import MissingLibrary, RecipeError
from simlift.core.strict_json import read_json

PICKLES = frozenset([".bin", ".pt", ".pth", ".ckpt", ".pkl"])  # loading one runs what it holds
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
# Tokenizers of some models are text or a SentencePiece model; nothing here holds code.
_SAFE_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_MARKS = ("config.json", "model_index.json", "*.safetensors")  # of a model, a pipeline, a LoRA


def locate(name: str, *, purpose: str, layout: str, extra: str) -> Path:
    """Return the folder of a model, downloaded where it is not here; RecipeError says what failed.

    `layout` says in words what the folder must hold, `extra` which extra of simlift downloads.
    """
    if Path(name).exists():
        return Path(name)
    if not HUB_NAME.fullmatch(name):
        raise RecipeError(
            name,
            "does not exist",
            allowed=f"a folder with {layout}, or a name on the Hugging Face Hub as owner/model",
            way_out="check the path",
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingLibrary("huggingface_hub", f"a model of {purpose} by name", extra) from error
    cached = _cached(name)
    if cached is not None and not _lacks_shards(cached):
        return cached  # what was downloaded before needs no network
    try:
        return Path(snapshot_download(name, allow_patterns=list(_SAFE_FILES), etag_timeout=5))
    except Exception as error:  # every transport has errors of its own
        if cached is not None:
            return cached  # cut short, and no network: whoever reads it says what is missing
        reason = str(error).strip().partition("\n")[0][:160]
        raise RecipeError(
            name,
            f"is no folder here, and the Hub does not give it ({reason})",
            allowed=f"a folder with {layout}",
            way_out=f"where there is a network: hf download {name} --local-dir FOLDER; "
            "then name that folder",
        ) from error


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(name, allow_patterns=list(_SAFE_FILES), local_files_only=True)
        )
    except (OSError, ValueError):  # not there, or known to be cut short
        return None
    marked = any(any(folder.glob(mark)) for mark in _MARKS)
    return folder if marked and any(folder.rglob("*.safetensors")) else None


def _lacks_shards(folder: Path) -> bool:
    """Whether an index names a file that is not there: a download that was interrupted."""
    for index in folder.rglob("*.safetensors.index.json"):
        named = read_json(index)
        shards = named.get("weight_map", {}) if isinstance(named, dict) else {}
        if any(not (index.parent / shard).is_file() for shard in shards.values()):
            return True
    return False
