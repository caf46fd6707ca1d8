"""Publish an adapter's folder to a repository on the Hugging Face Hub.

Only what an adapter is goes up, each file checked first: its weights, whose headers hold what
inference must match, and README.md. The user's own login is used as huggingface_hub finds it; no
key passes through here.
"""

from pathlib import Path
from typing import Any, Protocol

from simlift.core.errors import InputError, MissingLibrary, RunError
from simlift.models.hub.locate import HUB_NAME
from simlift.models.wan.adapter import read_card


class HubApi(Protocol):
    """The part of huggingface_hub.HfApi that publishing needs."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        """Make a repository, or find it; the result, as text, is its address."""
        ...

    def repo_info(self, repo_id: str) -> Any:
        """Return what the Hub knows of a repository; `private` says who may see it."""
        ...

    def upload_folder(
        self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str
    ) -> Any:
        """Bring files up in one commit."""
        ...


def push_adapter(
    folder: Path, repo_id: str, *, private: bool = True, api: HubApi | None = None
) -> str:
    """Publish an adapter and return the repository's address.

    InputError for a folder that is no whole adapter or a name that is none, before anything is
    sent; RunError when the Hub refuses, or when the repository is public and `private` was asked.
    """
    files = _files(folder)
    if not HUB_NAME.fullmatch(repo_id):
        raise InputError("repository", f"found {repo_id!r}", allowed="owner/name")
    hub = api or _hub()
    try:
        address = str(hub.create_repo(repo_id, private=private, exist_ok=True))
        if private and hub.repo_info(repo_id).private is False:
            raise RunError(
                repo_id,
                "is there already, and public",
                way_out="make it private on the Hub, publish openly, or choose another name",
            )
        hub.upload_folder(
            repo_id=repo_id,
            folder_path=str(folder),
            allow_patterns=files,
            commit_message="Adapter by simlift",
        )
    except RunError:
        raise
    except Exception as error:  # every transport has errors of its own
        reason = str(error).strip().partition("\n")[0][:160]
        raise RunError(
            repo_id,
            f"the Hub did not take it ({type(error).__name__}: {reason})",
            way_out="log in with: hf auth login, and check that the name is yours",
        ) from error
    return address


def _files(folder: Path) -> list[str]:
    """Return the names of the files that go up; InputError when one is missing or cut short."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError(
            folder,
            "holds no weights",
            allowed="*.safetensors of an adapter",
            way_out="name the folder that simlift train wrote",
        )
    for path in weights:
        read_card(path)
    if not (folder / "README.md").is_file():
        raise InputError(
            folder,
            "holds no README.md",
            allowed="an adapter with its card",
            way_out="write it: simlift.training.card.adapter_card",
        )
    return ["README.md", *(path.name for path in weights)]


def _hub() -> HubApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingLibrary("huggingface_hub", "publishing an adapter", "realmaster") from error
    api: HubApi = HfApi()
    return api
