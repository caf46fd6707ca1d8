"""Record the provenance of a run: hashes of the source, library versions, the machine."""

import hashlib
import os
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from simlift.core.clip import Clip

_LIBRARIES = ("simlift", "numpy", "opencv-python-headless", "av")
_OF_NETWORKS = ("torch", "diffusers", "transformers", "peft")  # named where they are there


def source_digest(clip: Clip) -> str:
    """Hash the names and bytes of the files that a clip is read from.

    They are those of its layers, and the description of its robot, which skeletons are drawn by.
    """
    total = hashlib.blake2b(digest_size=16)
    robot = clip.read_options.robot
    for path in sorted({*clip.files, *([] if robot is None else [robot])}):
        total.update(path.name.encode())
        state = path.stat()
        total.update(_file_digest(path, state.st_size, state.st_mtime_ns))
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """Hash the bytes of a file, once by a process as long as it does not change."""
    state = path.stat()
    return _file_digest(path, state.st_size, state.st_mtime_ns).hex()


@lru_cache(maxsize=1024)
def _file_digest(path: Path, size: int, changed: int) -> bytes:
    """Hash a file once by a process: many episodes of a dataset lie in one."""
    del size, changed
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()


def versions() -> dict[str, str]:
    """Return the versions of the libraries that make pixels."""
    always = {name: installed(name) or "not installed" for name in _LIBRARIES}
    found = {name: installed(name) for name in _OF_NETWORKS}
    return always | {name: number for name, number in found.items() if number is not None}


def installed(name: str) -> str | None:
    """Return the version of a distribution, or None where it is absent."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def describe_machine() -> dict[str, str]:
    """Return what environment.json records."""
    return versions() | {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "cores": str(os.cpu_count()),
    }
